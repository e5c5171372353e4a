//! Deferred relations become relations between actions (spec 30 §18).

use crate::model::action::Order;
use crate::model::cluster::Cluster;
use crate::model::constraint::{Deferred, End};
use crate::model::ids::ActionId;
use crate::model::role::Role;
use crate::model::task::{Key, Task};

/// Processes all deferred relations in creation order.
pub fn materialise(cluster: &mut Cluster<'_>) {
    let mut firsts = Vec::new();
    let mut thens = Vec::new();
    for i in 0..cluster.deferred.len() {
        let relation = cluster.deferred[i];
        first_actions(cluster, relation, &mut firsts);
        if firsts.is_empty() {
            continue;
        }
        existing(cluster, relation.then, &mut thens);
        for first in &firsts {
            let mut flags = relation.flags;
            let f = &cluster.actions[*first];
            if f.flags.migration_abort && f.resource == cluster.resource_of(relation.then) {
                flags = flags & !Order::FIRST_REQ;
            }
            for then in &thens {
                if cluster.actions.relate(*first, *then, flags) {
                    cluster.trace.related(*first, *then, i);
                }
            }
        }
    }
}

/// Actions an end names that exist, oldest first.
pub fn existing(cluster: &Cluster<'_>, end: End, out: &mut Vec<ActionId>) {
    out.clear();
    match end {
        End::Action(id) => out.push(id),
        End::Key(r, key) => {
            out.extend(cluster.actions.with_key(r, key));
        }
    }
}

/// The first side; a missing action is created, without node and thus not runnable, unless it would
/// mean nothing.
fn first_actions(cluster: &mut Cluster<'_>, relation: Deferred, out: &mut Vec<ActionId>) {
    existing(cluster, relation.first, out);
    let End::Key(r, key) = relation.first else {
        return;
    };
    if !out.is_empty() || cluster.resource_of(relation.then) == Some(r) {
        return;
    }
    let Key::Op { task, .. } = key else {
        return;
    };
    let role = cluster.current_role_of(r);
    if (task == Task::Stop && role == Role::Stopped)
        || (task == Task::Demote && role == Role::Unpromoted)
    {
        return;
    }
    out.push(cluster.request_key(r, key, task, None, true));
}
