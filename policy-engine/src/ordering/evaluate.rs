//! What each kind of relation does to its two actions (spec 30 §15.2, §21).

use super::effective::{Effective, instances_for};
use super::interleave;
use super::propagate::{update, update_after};
use crate::actions::because;
use crate::model::action::{ActionFlags, Order};
use crate::model::cluster::Cluster;
use crate::model::ids::{ActionId, NodeId, ResourceId};
use crate::model::resource::Variant;
use crate::model::role::Role;
use crate::model::task::Task;
use crate::model::trace::By;

/// Whose stored attributes an evaluation altered.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Changed {
    /// The earlier action's.
    pub first: bool,
    /// The later action's.
    pub then: bool,
}

impl Changed {
    /// Both changes together.
    pub fn join(&mut self, other: Changed) {
        self.first |= other.first;
        self.then |= other.then;
    }
}

/// Flags that descend to the children of a collective, in the order in which they are evaluated.
const DESCENDING: [Order; 9] = [
    Order::RESTART,
    Order::THEN_REQ,
    Order::PROMOTED_THEN_REQ,
    Order::NESTED_PROBE,
    Order::FIRST_BLOCKS,
    Order::NEEDS_MIGRATABLE_THEN,
    Order::FALLBACK,
    Order::ORDER,
    Order::ASYM,
];

/// Evaluates input `i` of `then`, one flag after the other.
pub fn relation(
    cluster: &mut Cluster<'_>,
    then: ActionId,
    i: usize,
    first_seen: Effective,
    then_seen: Effective,
    then_node: Option<NodeId>,
    count: &mut u32,
) -> Changed {
    let first = cluster.actions[then].before[i].other;
    let mut flags = cluster.actions[then].before[i].flags;
    let mut changed = Changed::default();
    let mut node = then_node;
    if cluster.actions[then].resource.is_none() {
        without_resource(cluster, first, then, flags, first_seen, count, &mut changed);
    } else {
        if flags.has(Order::SAME_NODE_FIRST_REQ) {
            flags = (flags & !Order::SAME_NODE_FIRST_REQ) | Order::FIRST_REQ;
            cluster.actions[then].before[i].flags = flags;
            node = cluster.actions[first].node;
        }
        if flags.has(Order::FIRST_REQ) {
            changed.join(apply(cluster, first, then, first_seen, Order::FIRST_REQ, node));
        }
        node = then_node;
        for flag in DESCENDING {
            if !flags.has(flag) {
                continue;
            }
            if flag == Order::NESTED_PROBE {
                let r = cluster.actions[first].resource;
                let active = r.is_some_and(|r| !cluster.resource(r).active_on.is_empty());
                if !first_seen.runnable && active {
                    cluster.actions[then].before[i].flags = Order::NONE;
                    return changed;
                }
                changed.join(apply(cluster, first, then, first_seen, Order::FIRST_BLOCKS, node));
                continue;
            }
            changed.join(apply(cluster, first, then, first_seen, flag, node));
        }
    }
    let before = flags_of(cluster, first, then);
    pair_only(cluster, first, then, flags, first_seen, then_seen, &mut changed);
    note(cluster, first, then, before, flags);
    changed
}

fn flags_of(cluster: &Cluster<'_>, first: ActionId, then: ActionId) -> (ActionFlags, ActionFlags) {
    (cluster.actions[first].flags, cluster.actions[then].flags)
}

/// Notes for explanations what a relation changed.
fn note(
    cluster: &mut Cluster<'_>,
    first: ActionId,
    then: ActionId,
    before: (ActionFlags, ActionFlags),
    flags: Order,
) {
    let after = flags_of(cluster, first, then);
    cluster.trace.acted(first, before.0, after.0, By::Relation(then, flags));
    cluster.trace.acted(then, before.1, after.1, By::Relation(first, flags));
}

/// The rows that touch only the two actions themselves.
fn pair_only(
    cluster: &mut Cluster<'_>,
    first: ActionId,
    then: ActionId,
    flags: Order,
    first_seen: Effective,
    then_seen: Effective,
    changed: &mut Changed,
) {
    if flags.has(Order::FIRST_GRAPHS_THEN)
        && cluster.actions[first].flags.runnable
        && !first_seen.optional
    {
        force(cluster, then);
    }
    if flags.has(Order::THEN_GRAPHS_FIRST) && !then_seen.optional {
        force(cluster, first);
    }
    let binding = Order::FIRST_REQ | Order::THEN_REQ | Order::RESTART;
    let f = &cluster.actions[first];
    if flags.intersects(binding)
        && f.task == Task::Stop
        && !f.flags.runnable
        && f.resource.is_some_and(|r| {
            let flags = cluster.resource(r).flags;
            !flags.managed && flags.blocked
        })
        && cluster.actions[then].flags.runnable
    {
        cluster.actions[then].flags.runnable = false;
        changed.then = true;
    }
}

fn force(cluster: &mut Cluster<'_>, id: ActionId) {
    if !cluster.actions[id].flags.forced {
        cluster.actions[id].flags.forced = true;
    }
}

/// Relations into node actions and barriers.
fn without_resource(
    cluster: &mut Cluster<'_>,
    first: ActionId,
    then: ActionId,
    flags: Order,
    first_seen: Effective,
    count: &mut u32,
    changed: &mut Changed,
) {
    let before = flags_of(cluster, first, then);
    if flags.intersects(Order::FIRST_REQ | Order::SAME_NODE_FIRST_REQ)
        && !first_seen.optional
        && cluster.actions[then].flags.optional
    {
        cluster.actions[then].flags.optional = false;
        changed.then = true;
    }
    note(cluster, first, then, before, flags);
    if flags.has(Order::THEN_REQ) {
        changed.join(apply(cluster, first, then, first_seen, Order::THEN_REQ, None));
    }
    let before = flags_of(cluster, first, then);
    if flags.has(Order::MIN) && cluster.actions[first].flags.runnable {
        *count += 1;
        let t = &cluster.actions[then];
        if *count >= t.min_inputs && !t.flags.runnable {
            cluster.actions[then].flags.runnable = true;
            changed.then = true;
        }
    }
    if flags.has(Order::FIRST_BLOCKS)
        && !first_seen.runnable
        && cluster.actions[then].flags.runnable
    {
        cluster.actions[then].flags.runnable = false;
        changed.then = true;
    }
    note(cluster, first, then, before, flags);
}

/// Evaluates one flag through the variant that governs it (spec 30 §21).
pub fn apply(
    cluster: &mut Cluster<'_>,
    first: ActionId,
    then: ActionId,
    first_seen: Effective,
    flag: Order,
    node: Option<NodeId>,
) -> Changed {
    let governing = if flag == Order::THEN_REQ { first } else { then };
    let variant = cluster.actions[governing].resource.map(|r| &cluster.resource(r).variant);
    match variant {
        None | Some(Variant::Primitive) => table(cluster, first, then, first_seen, flag),
        Some(Variant::Group(_)) => {
            let mut changed = table(cluster, first, then, first_seen, flag);
            let task = cluster.actions[then].task;
            if !reaches_primitives(task, flag) {
                return changed;
            }
            for member in children_of(cluster, then) {
                if let Some(id) = cluster.actions.newest(member, task, node) {
                    changed.join(apply(cluster, first, id, first_seen, flag, node));
                }
            }
            changed
        }
        Some(Variant::Clone(_) | Variant::Bundle(_)) => {
            if interleave::applies(cluster, first, then) {
                return interleave::apply(cluster, first, then, flag, node);
            }
            let mut changed = table(cluster, first, then, first_seen, flag);
            changed.join(apply_to_instances(cluster, first, then, first_seen, flag, node));
            changed
        }
    }
}

/// Can a flag that descends from a collective's action change anything in its primitives? They have no
/// completions, and a mere sequence asks nothing of them.
fn reaches_primitives(task: Task, flag: Order) -> bool {
    task.plain() == task && flag != Order::ORDER
}

fn children_of(cluster: &Cluster<'_>, id: ActionId) -> Vec<ResourceId> {
    cluster.actions[id].resource.map(|r| cluster.resource(r).children.clone()).unwrap_or_default()
}

fn apply_to_instances(
    cluster: &mut Cluster<'_>,
    first: ActionId,
    then: ActionId,
    first_seen: Effective,
    flag: Order,
    node: Option<NodeId>,
) -> Changed {
    let mut changed = Changed::default();
    let Some(r) = cluster.actions[then].resource else {
        return changed;
    };
    let task = cluster.actions[then].task;
    let parts: Vec<_> = instances_for(cluster, r, Task::Start).collect();
    let primitives = parts.iter().all(|part| cluster.resource(*part).is_primitive());
    if primitives && !reaches_primitives(task, flag) {
        return changed;
    }
    for instance in parts {
        let Some(id) = cluster.actions.newest(instance, task, node) else {
            continue;
        };
        if !super::effective::effective(cluster, id, node).runnable {
            continue;
        }
        let one = apply(cluster, first, id, first_seen, flag, node);
        changed.join(one);
        if one.then {
            update_after(cluster, id);
        }
    }
    changed
}

/// One row of the table of spec 30 §15.2 on two actions.
fn table(
    cluster: &mut Cluster<'_>,
    first: ActionId,
    then: ActionId,
    first_seen: Effective,
    flag: Order,
) -> Changed {
    let before = flags_of(cluster, first, then);
    match flag {
        Order::FIRST_REQ => first_required(cluster, first, then, first_seen),
        Order::RESTART => restart(cluster, first, then),
        Order::THEN_REQ => then_required(cluster, first, then, first_seen),
        Order::PROMOTED_THEN_REQ => promoted_then_required(cluster, first, then),
        Order::FIRST_BLOCKS => first_blocks(cluster, first, then, first_seen),
        Order::NEEDS_MIGRATABLE_THEN => needs_migratable_then(cluster, first, then),
        Order::FALLBACK if !cluster.actions[first].flags.runnable => {
            let flags = &mut cluster.actions[then].flags;
            (flags.migratable, flags.pseudo) = (false, false);
        }
        Order::ASYM => asymmetric(cluster, first, then),
        _ => {}
    }
    note(cluster, first, then, before, flag);
    let changed = Changed {
        first: cluster.actions[first].flags != before.0,
        then: cluster.actions[then].flags != before.1,
    };
    if changed.then
        && cluster.actions[then].resource.is_some_and(|r| cluster.resource(r).parent.is_some())
    {
        update(cluster, then);
    }
    changed
}

fn first_required(cluster: &mut Cluster<'_>, first: ActionId, then: ActionId, seen: Effective) {
    if !seen.optional
        && !cluster.actions[first].flags.migratable
        && cluster.actions[then].flags.optional
    {
        cluster.actions[then].flags.optional = false;
        give_reason(cluster, then, "required", first);
    }
}

fn restart(cluster: &mut Cluster<'_>, first: ActionId, then: ActionId) {
    let (f, t) = (&cluster.actions[first], &cluster.actions[then]);
    let Some(r) = t.resource else {
        return;
    };
    let res = cluster.resource(r);
    if !res.is_primitive() {
        return;
    }
    let same = f.resource == Some(r);
    let (f, t) = (f.flags, t.flags);
    let cannot_start = !t.runnable && res.flags.managed && same;
    if t.optional && !cannot_start {
        return;
    }
    if f.optional && (f.runnable || !t.optional) {
        cluster.actions[first].flags.optional = false;
        give_reason(cluster, first, "required", then);
    }
    if f.migratable && !t.migratable {
        cluster.actions[first].flags.migratable = false;
        give_reason(cluster, first, "unmigrateable", then);
    }
    let f = cluster.actions[first].flags;
    if !f.optional && !f.runnable && cluster.actions[then].flags.runnable {
        cluster.actions[then].flags.runnable = false;
        give_reason(cluster, then, "unrunnable", first);
    }
}

fn then_required(cluster: &mut Cluster<'_>, first: ActionId, then: ActionId, seen: Effective) {
    let t = cluster.actions[then].flags;
    if cluster.actions[first].resource.is_none() {
        let f = cluster.actions[first].flags;
        if !f.optional && f.runnable && !t.optional {
            cluster.actions[first].flags.runnable = false;
        }
        return;
    }
    if t.optional {
        return;
    }
    if !seen.optional && cluster.actions[first].flags.optional {
        cluster.actions[first].flags.optional = false;
        give_reason(cluster, first, "required", then);
    }
    if seen.migratable && !t.migratable && cluster.actions[first].flags.migratable {
        cluster.actions[first].flags.migratable = false;
        give_reason(cluster, first, "unmigrateable", then);
    }
}

fn promoted_then_required(cluster: &mut Cluster<'_>, first: ActionId, then: ActionId) {
    let t = &cluster.actions[then];
    let promoted = t.resource.is_some_and(|r| cluster.current_role_of(r) == Role::Promoted);
    if !promoted || t.flags.optional {
        return;
    }
    let migratable = t.flags.migratable;
    if cluster.actions[first].flags.optional {
        cluster.actions[first].flags.optional = false;
        give_reason(cluster, first, "required", then);
    }
    if cluster.actions[first].flags.migratable && !migratable {
        cluster.actions[first].flags.migratable = false;
        give_reason(cluster, first, "unmigrateable", then);
    }
}

fn first_blocks(cluster: &mut Cluster<'_>, first: ActionId, then: ActionId, seen: Effective) {
    if seen.runnable {
        return;
    }
    let t = cluster.actions[then].flags;
    if t.runnable || t.migratable {
        let was_runnable = t.runnable;
        let t = &mut cluster.actions[then].flags;
        (t.runnable, t.migratable) = (false, false);
        if was_runnable {
            give_reason(cluster, then, "unrunnable", first);
        }
    }
}

fn needs_migratable_then(cluster: &mut Cluster<'_>, first: ActionId, then: ActionId) {
    let t = cluster.actions[then].flags;
    if !(t.migratable && t.runnable) && cluster.actions[first].flags.runnable {
        cluster.actions[first].flags.runnable = false;
        give_reason(cluster, first, "unmigrateable", then);
    }
    if !t.optional && cluster.actions[first].flags.optional {
        cluster.actions[first].flags.optional = false;
        give_reason(cluster, first, "required", then);
    }
}

fn asymmetric(cluster: &mut Cluster<'_>, first: ActionId, then: ActionId) {
    if cluster.actions[first].flags.runnable {
        return;
    }
    let t = &cluster.actions[then];
    let Some(r) = t.resource else {
        return;
    };
    if t.flags.optional {
        let res = cluster.resource(r);
        let role = cluster.current_role_of(r);
        let stays_stopped = role == Role::Stopped && t.task == Task::Stop;
        let stays_started = role >= Role::Started
            && t.task == Task::Start
            && t.node.is_some_and(|n| res.active_on == [n]);
        if stays_stopped || stays_started {
            return;
        }
    }
    if t.flags.optional || t.flags.runnable {
        let flags = &mut cluster.actions[then].flags;
        (flags.optional, flags.runnable) = (false, false);
        give_reason(cluster, then, "unrunnable", first);
    }
}

/// "because": a reason that names the other action, between different resources only.
fn give_reason(cluster: &mut Cluster<'_>, id: ActionId, word: &str, other: ActionId) {
    let (a, o) = (&cluster.actions[id], &cluster.actions[other]);
    if a.resource == o.resource || a.reason.is_some() {
        return;
    }
    let name = o.resource.map(|r| &*cluster.resource(r).id);
    let reason = because(word, name, &cluster.task_text(other));
    cluster.set_reason(id, reason, false);
}
