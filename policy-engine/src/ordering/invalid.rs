//! Relations that cannot hold are dropped after propagation (spec 30 §23).

use crate::graph::is_trigger;
use crate::model::action::Order;
use crate::model::cluster::Cluster;
use crate::model::ids::ActionId;
use crate::model::task::Task;

/// Drops orderings of something inside a guest against the guest, and utilization barriers that would
/// close a loop through a migration.
pub fn drop_invalid(cluster: &mut Cluster<'_>) {
    for then in cluster.actions.ids().rev() {
        let launches = cluster.actions[then]
            .resource
            .is_some_and(|r| !cluster.resource(r).launched.is_empty());
        let migrates = cluster.actions[then].task == Task::MigrateTo;
        if !launches && !migrates {
            continue;
        }
        for i in 0..cluster.actions[then].before.len() {
            let relation = cluster.actions[then].before[i];
            let against_guest = launches
                && !relation.flags.has(Order::GUEST_OK)
                && inside_guest(cluster, relation.other, then);
            let loops = migrates
                && relation.flags == Order::LOAD
                && leads_back(cluster, relation.other, then);
            if against_guest || loops {
                cluster.actions[then].before[i].flags = Order::NONE;
            }
        }
    }
}

/// Does the action run on a guest that the other one's resource launches?
fn inside_guest(cluster: &Cluster<'_>, first: ActionId, then: ActionId) -> bool {
    let f = &cluster.actions[first];
    let (Some(_), Some(node)) = (f.resource, f.node) else {
        return false;
    };
    let launcher = cluster.node(node).connection.and_then(|c| cluster.resource(c).launcher);
    launcher.is_some() && launcher == cluster.actions[then].resource
}

/// Does a path of inputs that count lead from `from` back to `to`?
fn leads_back(cluster: &Cluster<'_>, from: ActionId, to: ActionId) -> bool {
    let mut visited = std::collections::HashSet::from([from]);
    let mut stack = vec![from];
    while let Some(id) = stack.pop() {
        for relation in &cluster.actions[id].before {
            if !is_trigger(cluster, relation, id) {
                continue;
            }
            if relation.other == to {
                return true;
            }
            if visited.insert(relation.other) {
                stack.push(relation.other);
            }
        }
    }
    false
}
