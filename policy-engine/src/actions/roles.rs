//! From the current role to the next: stop, start, promote, demote (spec 30 §5).

use crate::model::action::Order;
use crate::model::cluster::{Cluster, Level};
use crate::model::ids::{NodeId, ResourceId};
use crate::model::resource::MultipleActive;
use crate::model::role::Role;
use crate::model::task::{Key, Task};
use std::borrow::Cow;

/// Creates all actions of a primitive (spec 30 §5.3).
pub fn create(cluster: &mut Cluster<'_>, r: ResourceId) {
    if cluster.resource(r).next_role == Role::Unknown {
        let assigned = cluster.resource(r).assigned.is_some();
        cluster.resource_mut(r).next_role = if assigned { Role::Started } else { Role::Stopped };
    }
    let plan = Plan::make(cluster, r);
    restart_walk(cluster, r, plan.need_stop, plan.need_promote);
    role_walk(cluster, r);
    super::recurring::create(cluster, r);
    if plan.migrate {
        super::migration::create(cluster, r, plan.current);
    }
}

/// What the first steps of §5.3 decide.
struct Plan {
    need_stop: bool,
    need_promote: bool,
    migrate: bool,
    current: Option<NodeId>,
}

impl Plan {
    fn make(cluster: &mut Cluster<'_>, r: ResourceId) -> Plan {
        stop_dangling_sources(cluster, r);
        let (current, all, clean) = cluster.current_node_and_counts(r);
        let assigned = cluster.resource(r).assigned.map(|a| a.node);
        let started = cluster.resource(r).next_role >= Role::Started;
        let moving = matches!((current, assigned), (Some(c), Some(a)) if c != a) && started;
        let mut plan = Plan { need_stop: false, need_promote: false, migrate: false, current };
        if moving {
            plan.migrate = super::migration::allowed(cluster, r, current);
            plan.need_stop = true;
        }
        plan.check_partial_migration(cluster, r, all, clean, assigned);
        if cluster.resource(r).flags.start_pending
            && let Some(node) = assigned
        {
            let start = cluster.request(r, Task::Start, 0, Some(node), true);
            cluster.actions[start].flags.forced = true;
        }
        if !moving {
            plan.judge_staying(cluster, r, assigned);
        }
        plan
    }

    fn check_partial_migration(
        &mut self,
        cluster: &mut Cluster<'_>,
        r: ResourceId,
        all: usize,
        clean: usize,
        assigned: Option<NodeId>,
    ) {
        let res = cluster.resource(r);
        let (source, target) = (res.partial_migration_source, res.partial_migration_target);
        let going_on = source.is_some()
            && target.is_some()
            && self.migrate
            && all == 2
            && self.current == source
            && assigned == target;
        let mut multiply_active = false;
        if going_on {
            // The migration continues where it was.
        } else if source.is_some() || target.is_some() {
            let res = cluster.resource_mut(r);
            res.partial_migration_source = None;
            res.partial_migration_target = None;
            self.need_stop = true;
            self.migrate = false;
            cluster.trace.abandons(r);
        } else {
            multiply_active = if res.requires.fencing { all > 1 } else { clean > 1 };
        }
        if !multiply_active {
            cluster.resource_mut(r).flags.stop_unexpected = false;
            return;
        }
        let text = format!("Resource {} is active on {all} nodes", cluster.resource(r).id);
        cluster.message(Level::Warning, text);
        match cluster.resource(r).multiple_active {
            MultipleActive::StopStart => self.need_stop = true,
            MultipleActive::StopUnexpected => {
                self.need_stop = true;
                cluster.resource_mut(r).flags.stop_unexpected = true;
            }
            MultipleActive::StopOnly | MultipleActive::Block => {}
        }
    }

    fn judge_staying(
        &mut self,
        cluster: &mut Cluster<'_>,
        r: ResourceId,
        assigned: Option<NodeId>,
    ) {
        let res = cluster.resource(r);
        if res.flags.failed {
            if res.flags.stop_if_failed {
                self.need_stop = true;
            } else if res.next_role == Role::Promoted {
                self.need_promote = true;
            }
        } else if res.flags.blocked {
            self.need_stop = true;
        } else if res.current_role > Role::Started && self.current.is_some() && assigned.is_some() {
            let start = cluster.request(r, Task::Start, 0, assigned, true);
            if cluster.actions[start].required() {
                self.need_stop = true;
            }
        }
    }
}

fn stop_dangling_sources(cluster: &mut Cluster<'_>, r: ResourceId) {
    for i in 0..cluster.resource(r).dangling_sources.len() {
        let node = cluster.resource(r).dangling_sources[i];
        let stop = cluster.request(r, Task::Stop, 0, Some(node), false);
        cluster.actions[stop].flags.migration_abort = true;
    }
}

/// Down to Stopped and back up, as far as the resource stays: the actions that orderings act upon
/// (spec 30 §5.4).
fn restart_walk(cluster: &mut Cluster<'_>, r: ResourceId, need_stop: bool, need_promote: bool) {
    cluster.resource_mut(r).flags.restarting = true;
    let current = cluster.resource(r).current_role;
    let assigned = cluster.resource(r).assigned.map(|a| a.node);
    let mut role = current;
    while role > Role::Stopped {
        let next = next_step(role, Role::Stopped);
        step(cluster, r, role, next, assigned, !need_stop);
        role = next;
    }
    while current <= cluster.resource(r).next_role
        && role != current
        && !cluster.resource(r).flags.blocked
    {
        let next = next_step(role, current);
        let required = need_stop || (next == Role::Promoted && need_promote);
        if !step(cluster, r, role, next, assigned, !required) {
            break;
        }
        role = next;
    }
    cluster.resource_mut(r).flags.restarting = false;
}

/// From the current to the next role (spec 30 §5.5).
fn role_walk(cluster: &mut Cluster<'_>, r: ResourceId) {
    let assigned = cluster.resource(r).assigned.map(|a| a.node);
    let mut role = cluster.resource(r).current_role;
    loop {
        let target = cluster.resource(r).next_role;
        if role == target {
            break;
        }
        let next = next_step(role, target);
        if !step(cluster, r, role, next, assigned, false) {
            break;
        }
        role = next;
    }
}

/// The table of spec 30 §5.5; a pair without entry stays where it is.
fn next_step(from: Role, target: Role) -> Role {
    use Role::{Promoted, Started, Stopped, Unknown, Unpromoted};
    let target = if target == Unknown { Stopped } else { target };
    match (from, target) {
        (Unknown, _) => Stopped,
        (Stopped, Started) => Started,
        (Stopped, Unpromoted | Promoted) => Unpromoted,
        (Started, Stopped) => Stopped,
        (Started, Unpromoted) => Unpromoted,
        (Started, Promoted) => Promoted,
        (Unpromoted, Stopped | Started) => Stopped,
        (Unpromoted, Promoted) => Promoted,
        (Promoted, Stopped | Started | Unpromoted) => Unpromoted,
        (same, _) => same,
    }
}

/// Runs the action of one step; false if the step has none and ends the walk.
fn step(
    cluster: &mut Cluster<'_>,
    r: ResourceId,
    from: Role,
    to: Role,
    node: Option<NodeId>,
    optional: bool,
) -> bool {
    use Role::{Promoted, Started, Stopped, Unknown, Unpromoted};
    match (from, to) {
        (Unknown, Stopped) | (Started, Stopped) | (Unpromoted, Stopped | Started) => {
            stop(cluster, r, optional);
        }
        (Stopped, Started | Unpromoted) => start(cluster, r, node, optional),
        (Started | Unpromoted, Promoted) => promote(cluster, r, node, optional),
        (Promoted, _) if to < Promoted => demote(cluster, r, optional),
        _ => return false,
    }
    true
}

/// Is this the node on which a multiply active resource is wanted (spec 30 §5.6)?
fn expected_node(cluster: &Cluster<'_>, r: ResourceId, node: NodeId) -> bool {
    let res = cluster.resource(r);
    res.flags.restarting
        && res.flags.stop_unexpected
        && res.next_role > Role::Stopped
        && res.assigned.is_some_and(|a| a.node == node)
}

fn stop(cluster: &mut Cluster<'_>, r: ResourceId, optional: bool) {
    for i in 0..cluster.resource(r).active_on.len() {
        let node = cluster.resource(r).active_on[i];
        if expected_node(cluster, r, node) {
            continue;
        }
        let res = cluster.resource(r);
        let assigned = res.assigned.map(|a| a.node);
        let mut optional = optional;
        if let Some(target) = res.partial_migration_target {
            if target == node && assigned == Some(node) {
                continue;
            }
            optional = false;
        }
        let stop = cluster.request(r, Task::Stop, 0, Some(node), optional);
        if assigned.is_none() {
            cluster.set_reason(stop, "node availability", true);
        } else if cluster.resource(r).flags.restarting && cluster.resource(r).flags.stop_unexpected
        {
            cluster.set_reason(stop, "being multiply active", true);
        }
        if !cluster.resource(r).flags.managed {
            cluster.actions[stop].flags.runnable = false;
        }
        if cluster.resource(r).requires.unfencing {
            let on = cluster.fencing_action(node, Some("on"), true, None, false);
            cluster.actions.relate(stop, on, Order::THEN_REQ);
        }
    }
}

fn start(cluster: &mut Cluster<'_>, r: ResourceId, node: Option<NodeId>, optional: bool) {
    let start = cluster.request(r, Task::Start, 0, node, true);
    if let Some(node) = node {
        cluster.order_after_unfencing(r, node, start, Order::FIRST_REQ);
    }
    if cluster.actions[start].flags.runnable && !optional {
        cluster.actions[start].flags.optional = false;
    }
    if node.is_some_and(|n| expected_node(cluster, r, n)) {
        cluster.actions[start].flags.pseudo = true;
    }
}

fn promote(cluster: &mut Cluster<'_>, r: ResourceId, node: Option<NodeId>, optional: bool) {
    let on_node = |c: &Cluster<'_>, task| -> Vec<_> {
        let ids = c.actions.besides_probes(r).iter().copied();
        ids.filter(|a| c.actions[*a].task == task && c.actions[*a].node == node).collect()
    };
    let startable =
        on_node(cluster, Task::Start).iter().all(|a| cluster.actions[*a].flags.runnable);
    if startable {
        let promote = cluster.request(r, Task::Promote, 0, node, optional);
        if node.is_some_and(|n| expected_node(cluster, r, n)) {
            cluster.actions[promote].flags.pseudo = true;
        }
        return;
    }
    for promote in on_node(cluster, Task::Promote) {
        cluster.actions[promote].flags.runnable = false;
    }
}

fn demote(cluster: &mut Cluster<'_>, r: ResourceId, optional: bool) {
    for i in 0..cluster.resource(r).active_on.len() {
        let node = cluster.resource(r).active_on[i];
        if !expected_node(cluster, r, node) {
            cluster.request(r, Task::Demote, 0, Some(node), optional);
        }
    }
}

/// Re-establishes what the transition's summary would look up, with its side effects: node-less
/// actions are adopted by the node they will be shown on (spec 30 §2, "Side effects of stage 16").
pub fn adopt_for_summary(cluster: &mut Cluster<'_>) {
    for i in 0..cluster.order.len() {
        let top = cluster.order[i];
        for leaf in super::probes::parts_in_probe_order(cluster, top) {
            adopt_primitive(cluster, leaf);
        }
    }
}

fn adopt_primitive(cluster: &mut Cluster<'_>, r: ResourceId) {
    let res = cluster.resource(r);
    if !res.active_on.is_empty() && res.current_role == Role::Stopped {
        cluster.resource_mut(r).current_role = Role::Started;
    }
    let res = cluster.resource(r);
    let current = cluster.current_node(r);
    let assigned = res.assigned.map(|a| a.node);
    if (res.flags.removed && res.active_on.is_empty())
        || !res.flags.managed
        || (current.is_none() && assigned.is_none())
    {
        return;
    }
    let key = Key::op;
    let start = cluster.find_adopting(r, key(Task::Start), assigned);
    let runnable = start.is_some_and(|s| cluster.actions[s].flags.runnable);
    let stop_node = if runnable { current } else { None };
    cluster.find_adopting(r, key(Task::Stop), stop_node);
    cluster.find_adopting(r, key(Task::Promote), assigned);
    cluster.find_adopting(r, key(Task::Demote), assigned);
    let res = cluster.resource(r);
    if res.current_role == res.next_role {
        cluster.find_adopting(r, key(Task::MigrateFrom), assigned);
    } else if res.next_role == Role::Stopped {
        for i in 0..cluster.resource(r).active_on.len() {
            let node = cluster.resource(r).active_on[i];
            cluster.find_adopting(r, key(Task::Stop), Some(node));
        }
    }
}

/// A reason as "required A start" and the like (spec 30 §15.2, "because").
pub fn because(word: &str, resource: Option<&str>, task: &str) -> Cow<'static, str> {
    match resource {
        Some(resource) => Cow::Owned(format!("{word} {resource} {task}")),
        None => Cow::Owned(format!("{word} {task}")),
    }
}
