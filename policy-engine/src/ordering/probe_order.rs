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
    let mut restarts = Restarts::new(cluster);
    for i in 0..cluster.order.len() {
        let top = cluster.order[i];
        for leaf in cluster.leaves(top) {
            order_leaf(cluster, leaf, &mut restarts);
        }
    }
    for i in 0..cluster.deferred.len() {
        let relation = cluster.deferred[i];
        probes_before_stop_followers(cluster, relation);
    }
}

fn order_leaf(cluster: &mut Cluster<'_>, leaf: ResourceId, restarts: &mut Restarts) {
    // The walk depends on where it starts and on the resource only, so all its probes share it.
    let mut walks: Vec<(ActionId, Vec<ActionId>)> = Vec::new();
    for p in 0..cluster.actions.probes(leaf).len() {
        let probe = cluster.actions.probes(leaf)[p];
        for i in (0..cluster.actions[probe].after.len()).rev() {
            let relation = cluster.actions[probe].after[i];
            blocked_probe(cluster, leaf, probe, relation.other, relation.flags);
            let at = match walks.iter().position(|(from, _)| *from == relation.other) {
                Some(at) => at,
                None => {
                    let targets = restarts.after(cluster, leaf, relation.other);
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

/// Finds the stops and demotes that may follow from an action.
struct Restarts {
    /// By action: may anything be found from there at all?
    worth_a_look: Vec<bool>,
    /// By action: the walk that was there last.
    visited: Vec<u32>,
    walk: u32,
}

impl Restarts {
    fn new(cluster: &Cluster<'_>) -> Restarts {
        let count = cluster.actions.list.len();
        let mut worth_a_look = vec![false; count];
        let mut stack: Vec<ActionId> =
            cluster.actions.ids().filter(|id| undoing(cluster, *id).next().is_some()).collect();
        while let Some(id) = stack.pop() {
            if !std::mem::replace(&mut worth_a_look[id.index()], true) {
                stack.extend(cluster.actions[id].before.iter().map(|relation| relation.other));
            }
        }
        Restarts { worth_a_look, visited: vec![0; count], walk: 0 }
    }

    /// The stops and demotes that may follow from what comes after `from`.
    fn after(&mut self, cluster: &Cluster<'_>, leaf: ResourceId, from: ActionId) -> Vec<ActionId> {
        self.walk += 1;
        let mut stack = Vec::new();
        self.push(from, &mut stack);
        let mut out = Vec::new();
        while let Some(id) = stack.pop() {
            let r = cluster.actions[id].resource;
            if r.is_some_and(|r| r != leaf) {
                out.extend(undoing(cluster, id));
            }
            self.push_followers(cluster, leaf, id, &mut stack);
        }
        out
    }

    fn push(&mut self, id: ActionId, stack: &mut Vec<ActionId>) {
        let index = id.index();
        if self.worth_a_look[index] && self.visited[index] != self.walk {
            self.visited[index] = self.walk;
            stack.push(id);
        }
    }

    fn push_followers(
        &mut self,
        cluster: &Cluster<'_>,
        leaf: ResourceId,
        id: ActionId,
        stack: &mut Vec<ActionId>,
    ) {
        let collective = cluster.actions[id].resource.filter(|r| {
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
                    let partner = *compatible
                        .get_or_insert_with(|| interleave::partner(cluster, leaf, r, false));
                    if partner != Some(child) {
                        continue;
                    }
                }
            }
            self.push(relation.other, stack);
        }
    }
}

/// The stops that a primitive's start, and the demotes that its promotion may bring with it.
fn undoing(cluster: &Cluster<'_>, id: ActionId) -> impl Iterator<Item = ActionId> {
    let a = &cluster.actions[id];
    let undone = match a.task {
        Task::Start => Some(Task::Stop),
        Task::Promote => Some(Task::Demote),
        _ => None,
    };
    let r = a.resource.filter(|r| undone.is_some() && cluster.resource(*r).is_primitive());
    let ids = r.map_or(&[][..], |r| cluster.actions.besides_probes(r));
    ids.iter().copied().filter(move |x| {
        Some(cluster.actions[*x].task) == undone && !cluster.actions[*x].flags.pseudo
    })
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
