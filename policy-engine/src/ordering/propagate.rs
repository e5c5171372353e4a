//! Relations act on actions until nothing changes any more (spec 30 §20).

use super::blocking;
use super::effective::seen_from;
use super::evaluate::{self, Changed};
use crate::model::action::Order;
use crate::model::cluster::Cluster;
use crate::model::ids::{ActionId, NodeId};
use crate::model::task::{Key, NotifyPhase, Task};
use crate::model::trace::By;

/// Stack kept free and grown by when chains of orderings recurse deeply.
const RED_ZONE: usize = 64 * 1024;
const STACK_STEP: usize = 4 * 1024 * 1024;

/// Updates every action, newest first.
pub fn propagate(cluster: &mut Cluster<'_>) {
    for id in cluster.actions.ids().rev() {
        update(cluster, id);
    }
}

/// Brings one action up to date with what comes before it, and what comes after it with the outcome.
pub fn update(cluster: &mut Cluster<'_>, then: ActionId) {
    stacker::maybe_grow(RED_ZONE, STACK_STEP, || update_once(cluster, then));
}

fn update_once(cluster: &mut Cluster<'_>, then: ActionId) {
    let entry = cluster.actions[then].flags;
    let min_inputs = cluster.actions[then].min_inputs;
    let mut count = 0;
    if min_inputs > 0 {
        cluster.actions[then].flags.runnable = false;
    }
    let mut then_changed = false;
    for i in (0..cluster.actions[then].before.len()).rev() {
        let changed = input(cluster, then, i, &mut count);
        then_changed |= changed.then;
        if changed.first {
            let first = cluster.actions[then].before[i].other;
            update_after(cluster, first);
            update(cluster, first);
        }
    }
    if min_inputs > 0 {
        then_changed = cluster.actions[then].flags != entry;
    }
    if !then_changed {
        return;
    }
    if entry.runnable && !cluster.actions[then].flags.runnable {
        blocking::block_dependents(cluster, then);
    }
    update(cluster, then);
    update_after(cluster, then);
}

/// Updates every action after this one.
pub fn update_after(cluster: &mut Cluster<'_>, id: ActionId) {
    for i in (0..cluster.actions[id].after.len()).rev() {
        let other = cluster.actions[id].after[i].other;
        update(cluster, other);
    }
}

/// One input of `then`.
fn input(cluster: &mut Cluster<'_>, then: ActionId, i: usize, count: &mut u32) -> Changed {
    let relation = cluster.actions[then].before[i];
    let first = relation.other;
    let then_node = node_of(cluster, then);
    let first_node = node_of(cluster, first);
    if relation.flags.has(Order::SAME_NODE)
        && let (Some(t), Some(f)) = (then_node, first_node)
        && t != f
    {
        cluster.actions[then].before[i].flags = Order::NONE;
        return Changed::default();
    }
    if relation.flags.has(Order::THEN_CANCELS_FIRST) && cluster.actions[then].required() {
        let before = cluster.actions[first].flags;
        if cluster.actions[first].required() {
            cluster.actions[first].flags.optional = true;
        }
        let f = &cluster.actions[first];
        let after = f.flags;
        if f.task == Task::ReloadAgent
            && let Some(r) = f.resource
        {
            cluster.resource_mut(r).flags.reload = false;
        }
        cluster.trace.acted(first, before, after, By::Relation(then, relation.flags));
    }
    let remapped = remap(cluster, first, then);
    if remapped != first {
        let new = cluster.actions.relate(remapped, then, relation.flags);
        if new {
            cluster.actions[then].before[i].flags = Order::NONE;
        }
        return Changed { first: false, then: new };
    }
    let simple =
        |id| cluster.actions[id].resource.is_none_or(|r| cluster.resource(r).is_primitive());
    // A mere sequence asks nothing of either side.
    if relation.flags.is_empty()
        || (relation.flags == Order::ORDER && simple(first) && simple(then))
    {
        return Changed::default();
    }
    let first_seen = seen_from(cluster, first, then_node);
    let then_seen = seen_from(cluster, then, first_node);
    evaluate::relation(cluster, then, i, first_seen, then_seen, then_node, count)
}

/// The node an action counts as being on: its own, or for a group's start the one its members share.
fn node_of(cluster: &Cluster<'_>, id: ActionId) -> Option<NodeId> {
    let a = &cluster.actions[id];
    if a.node.is_some() {
        return a.node;
    }
    let r = a.resource.filter(|r| a.task == Task::Start && cluster.resource(*r).is_group())?;
    cluster.assigned_node(r)
}

/// Who waits for a collective waits for its completion, and for everybody to be told
/// (spec 30 §20 step 5).
fn remap(cluster: &Cluster<'_>, first: ActionId, then: ActionId) -> ActionId {
    let f = &cluster.actions[first];
    let Some(r) = f.resource else {
        return first;
    };
    let t = cluster.actions[then].resource;
    let res = cluster.resource(r);
    if res.is_primitive()
        || t.is_none_or(|t| t == r || cluster.is_ancestor(r, t))
        || res.id.contains("notify")
    {
        return first;
    }
    let Key::Op { task, interval_ms: 0 } = f.key else {
        return first;
    };
    let completion = task.completion();
    if completion == task
        && !matches!(task, Task::Running | Task::Stopped | Task::Promoted | Task::Demoted)
    {
        return first;
    }
    let told = res.flags.notify && (res.is_clone() || cluster.bundle_of(r).is_some());
    let key = if told {
        Key::Notify { phase: NotifyPhase::ConfirmedPost, task: completion }
    } else {
        Key::op(completion)
    };
    cluster.actions.oldest(r, key, None).unwrap_or(first)
}
