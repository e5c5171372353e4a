//! Orderings that probes take part in: nothing is restarted for a resource before it is known where
//! that one runs (spec 30 §19).

use super::interleave;
use super::materialise::existing;
use crate::model::action::Order;
use crate::model::cluster::Cluster;
use crate::model::constraint::{Deferred, End};
use crate::model::ids::{ActionId, ResourceId};
use crate::model::task::Task;

/// Parts (a) and (b).
pub fn order_probes(cluster: &mut Cluster<'_>) {
    for i in 0..cluster.order.len() {
        let top = cluster.order[i];
        for leaf in cluster.leaves(top) {
            order_leaf(cluster, leaf);
        }
    }
    for i in 0..cluster.deferred.len() {
        let relation = cluster.deferred[i];
        probes_before_stop_followers(cluster, relation);
    }
}

fn order_leaf(cluster: &mut Cluster<'_>, leaf: ResourceId) {
    // The walk depends on where it starts and on the resource only, so all its probes share it.
    let mut walks: Vec<(ActionId, Vec<ActionId>)> = Vec::new();
    for p in 0..cluster.actions.probes(leaf).len() {
        let probe = cluster.actions.probes(leaf)[p];
        let after: Vec<_> = cluster.actions[probe].after.iter().rev().copied().collect();
        for relation in after {
            blocked_probe(cluster, leaf, probe, relation.other, relation.flags);
            let at = match walks.iter().position(|(from, _)| *from == relation.other) {
                Some(at) => at,
                None => {
                    let targets = restarts_after(cluster, leaf, relation.other);
                    walks.push((relation.other, targets));
                    walks.len() - 1
                }
            };
            for target in &walks[at].1 {
                cluster.actions.relate(probe, *target, Order::ORDER);
            }
        }
    }
}

/// A probe that cannot run holds back inactive instances of its clone.
fn blocked_probe(
    cluster: &mut Cluster<'_>,
    leaf: ResourceId,
    probe: ActionId,
    then: ActionId,
    flags: Order,
) {
    let t = &cluster.actions[then];
    let Some(r) = t.resource else {
        return;
    };
    let collective = cluster.resource(r).is_clone() || cluster.resource(r).is_bundle();
    if !collective
        || cluster.actions[probe].flags.runnable
        || flags.has(Order::FIRST_BLOCKS)
        || cluster.top(leaf) != r
        || t.task != Task::Start
    {
        return;
    }
    let after: Vec<ActionId> = t.after.iter().rev().map(|a| a.other).collect();
    for id in after {
        let u = &cluster.actions[id];
        let inactive_start = u.task == Task::Start
            && u.resource
                .is_some_and(|x| cluster.resource(x).active_on.is_empty() && cluster.top(x) == r);
        if inactive_start {
            cluster.actions.relate(probe, id, Order::ORDER | Order::FIRST_BLOCKS);
        }
    }
}

/// The stops and demotes that may follow from what comes after `from`.
fn restarts_after(cluster: &Cluster<'_>, leaf: ResourceId, from: ActionId) -> Vec<ActionId> {
    let mut visited = std::collections::HashSet::from([from]);
    let mut stack = vec![from];
    let mut out = Vec::new();
    while let Some(id) = stack.pop() {
        let a = &cluster.actions[id];
        let Some(r) = a.resource else {
            push_followers(cluster, leaf, id, None, &mut visited, &mut stack);
            continue;
        };
        if r != leaf && cluster.resource(r).is_primitive() {
            let undone = match a.task {
                Task::Start => Some(Task::Stop),
                Task::Promote => Some(Task::Demote),
                _ => None,
            };
            if let Some(undone) = undone {
                let ids = cluster.actions.besides_probes(r).iter().copied();
                out.extend(ids.filter(|x| {
                    cluster.actions[*x].task == undone && !cluster.actions[*x].flags.pseudo
                }));
            }
        }
        push_followers(cluster, leaf, id, Some(r), &mut visited, &mut stack);
    }
    out
}

fn push_followers(
    cluster: &Cluster<'_>,
    leaf: ResourceId,
    id: ActionId,
    r: Option<ResourceId>,
    visited: &mut std::collections::HashSet<ActionId>,
    stack: &mut Vec<ActionId>,
) {
    let collective = r.filter(|r| {
        !cluster.resource(*r).is_primitive() && cluster.resource(leaf).parent != Some(*r)
    });
    let mut compatible: Option<Option<ResourceId>> = None;
    for relation in &cluster.actions[id].after {
        if !relation.flags.has(Order::FIRST_REQ) {
            let Some(r) = collective else {
                continue;
            };
            let Some(child) = cluster.actions[relation.other].resource else {
                continue;
            };
            let c = cluster.resource(child);
            if c.parent != Some(r) || c.is_clone() || c.is_bundle() {
                continue;
            }
            let interleaved =
                !cluster.resource(r).is_group() && interleave::is_interleaved(cluster, r);
            if interleaved {
                let partner =
                    *compatible.get_or_insert_with(|| interleave::partner(cluster, leaf, r, false));
                if partner != Some(child) {
                    continue;
                }
            }
        }
        if visited.insert(relation.other) {
            stack.push(relation.other);
        }
    }
}

/// Part (b): what follows the stop of a resource also follows its probes.
fn probes_before_stop_followers(cluster: &mut Cluster<'_>, relation: Deferred) {
    let Some(f) = cluster.resource_of(relation.first) else {
        return;
    };
    let first_is_stop = match relation.first {
        End::Key(_, key) => key.is_op(Task::Stop),
        End::Action(id) => cluster.actions[id].task == Task::Stop,
    };
    let t = cluster.resource_of(relation.then);
    if t == Some(f) || !first_is_stop || relation.flags.is_empty() {
        return;
    }
    let then_is_stop = match relation.then {
        End::Key(_, key) => key.is_op(Task::Stop),
        End::Action(id) => cluster.actions[id].task == Task::Stop,
    };
    if then_is_stop && t.is_some() && cluster.resource(f).launcher == t {
        return;
    }
    let flags = if relation.flags == Order::REQ_SAME_NODE || relation.flags == Order::LOAD {
        relation.flags
    } else {
        Order::ORDER | (relation.flags & (Order::IF_FIRST_UNMIGRATABLE | Order::SAME_NODE))
    };
    let probes = cluster.actions.probes(f).to_vec();
    if probes.is_empty() {
        return;
    }
    let mut thens = Vec::new();
    existing(cluster, relation.then, &mut thens);
    for probe in probes {
        for then in &thens {
            if !unnecessary(cluster, probe, *then) {
                cluster.actions.relate(probe, *then, flags);
            }
        }
    }
}

fn unnecessary(cluster: &Cluster<'_>, probe: ActionId, then: ActionId) -> bool {
    let (p, t) = (&cluster.actions[probe], &cluster.actions[then]);
    match t.task {
        Task::Stonith => t.meta("stonith_action") == Some("on") && t.node == p.node,
        Task::DoShutdown => p.node.is_some() && t.node.is_some() && p.node != t.node,
        _ => false,
    }
}
