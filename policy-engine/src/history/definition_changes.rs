//! What is active is compared with the configuration (spec 11 §14, 30 §8).

use super::digest::{self, Verdict};
use super::entry::Entry;
use super::sort;
use super::status;
use super::window::Window;
use crate::model::action::Order;
use crate::model::cluster::{Cluster, DeferredCheck, Level};
use crate::model::constraint::End;
use crate::model::ids::{NodeId, ResourceId};
use crate::model::task::{Key, Task};
use cib_model::{Element, Score};
use foldhash::{HashMap, HashMapExt};

const CHANGED: &str = "action definition changed";

/// Compares all recorded operations of what is active with their definitions, and schedules restarts,
/// reloads, cancels and clean-ups.
pub fn definition_changes(cluster: &mut Cluster<'_>) {
    for (node, lrm_resource, r) in work_list(cluster) {
        check_resource(cluster, node, lrm_resource, r);
    }
}

/// Repeats the checks that had to wait for addresses of bundle connections, after placement
/// (spec 30 §8.5).
pub fn deferred_checks(cluster: &mut Cluster<'_>) {
    for check in std::mem::take(&mut cluster.deferred_checks) {
        let DeferredCheck { resource, node, element, active } = check;
        let entry = Entry::read(element);
        if active {
            if check_operation(cluster, resource, node, &entry) {
                clear_if_failed(cluster, resource, node);
            }
        } else {
            let verdict = digest::compare(cluster, resource, node, &entry);
            if !matches!(verdict, Verdict::Match | Verdict::Unknown) {
                cluster.clear_failcount(resource, node, "resource parameters have changed");
            }
        }
    }
}

/// Which recorded resource on which node is to be held against which resource, in order.
fn work_list<'d>(cluster: &Cluster<'d>) -> Vec<(NodeId, Element<'d>, ResourceId)> {
    let mut states: HashMap<&str, Element<'d>> = HashMap::new();
    for state in status::node_states(cluster.document) {
        if let Some(name) = state.attribute("uname") {
            states.entry(name).or_insert(state);
        }
    }
    let mut named: HashMap<&str, Vec<ResourceId>> = HashMap::new();
    for top in &cluster.order {
        for r in cluster.leaves(*top) {
            let resource = cluster.resource(r);
            named.entry(&resource.id).or_default().push(r);
            if let Some(id) = resource.history_id.as_deref().filter(|id| *id != &*resource.id) {
                named.entry(id).or_default().push(r);
            }
        }
    }
    let mut out = Vec::new();
    for node in &cluster.node_order {
        let n = cluster.node(*node);
        if !n.maintenance && !n.available() {
            continue;
        }
        let Some(state) = states.get(&*n.name) else { continue };
        for lrm_resource in status::lrm_resources(*state) {
            let Some(id) = lrm_resource.xml_id() else { continue };
            if lrm_resource.children().next().is_none() {
                continue;
            }
            let found = named.get(id).map_or(&[][..], Vec::as_slice);
            out.extend(found.iter().rev().map(|r| (*node, lrm_resource, *r)));
        }
    }
    out
}

fn check_resource<'d>(
    cluster: &mut Cluster<'d>,
    node: NodeId,
    lrm_resource: Element<'d>,
    r: ResourceId,
) {
    let resource = cluster.resource(r);
    if resource.flags.removed {
        let top = cluster.resource(cluster.top(r));
        if !top.is_clone() || top.flags.unique {
            cluster.clean_up(r, node, false);
        }
        return;
    }
    let changed = agent_change(cluster, r, lrm_resource);
    if !resource.active_on.contains(&node) {
        if changed.is_some() {
            cluster.clean_up(r, node, false);
        }
        return;
    }
    if let Some(text) = changed {
        cluster.trace.redefines(r, lrm_resource.xml_id());
        force_replacement(cluster, r, node, &text);
    }
    check_entries(cluster, node, lrm_resource, r);
}

/// The agent differs from the recorded one: how, for people.
fn agent_change(cluster: &Cluster<'_>, r: ResourceId, lrm_resource: Element<'_>) -> Option<String> {
    let resource = cluster.resource(r);
    let parts = [
        ("type", Some(resource.agent)),
        ("class", Some(resource.class)),
        ("provider", resource.provider),
    ];
    parts.into_iter().find_map(|(name, now)| {
        let old = lrm_resource.attribute(name).filter(|v| !v.is_empty());
        let now = now.filter(|v| !v.is_empty());
        (old != now).then(|| {
            format!("{name} changed from '{}' to '{}'", old.unwrap_or(""), now.unwrap_or(""))
        })
    })
}

fn force_replacement(cluster: &mut Cluster<'_>, r: ResourceId, node: NodeId, change: &str) {
    let text = format!(
        "Forcing restart of {} on {} because {change}",
        cluster.resource(r).id,
        cluster.node(node).name
    );
    cluster.message(Level::Notice, text);
    cluster.trigger_unfencing(Some(r), Some(node), "Device definition changed");
    cluster.request(r, Task::Stop, 0, Some(node), false);
    cluster.resource_mut(r).flags.start_pending = true;
    cluster.clean_up(r, node, false);
}

fn check_entries<'d>(
    cluster: &mut Cluster<'d>,
    node: NodeId,
    lrm_resource: Element<'d>,
    r: ResourceId,
) {
    let sorted = sort::sorted(&Entry::all(lrm_resource));
    let window = Window::of(&sorted);
    if window.is_closed() {
        return;
    }
    let maintenance = cluster.resource(r).flags.maintenance || cluster.node(node).maintenance;
    let deferred = cluster.resource(r).address_from_host;
    for (i, entry) in sorted.iter().enumerate() {
        if Some(i) < window.start {
            continue;
        }
        let recurring = entry.interval_ms > 0;
        if recurring && maintenance {
            cancel(cluster, r, node, entry, "maintenance mode");
        } else if recurring
            || matches!(entry.task, "monitor" | "start" | "promote" | "migrate_from")
        {
            if deferred {
                let element = entry.element;
                let check = DeferredCheck { resource: r, node, element, active: true };
                cluster.deferred_checks.push(check);
            } else if check_operation(cluster, r, node, entry) {
                clear_if_failed(cluster, r, node);
            }
        }
    }
}

fn clear_if_failed(cluster: &mut Cluster<'_>, r: ResourceId, node: NodeId) {
    if cluster.fail_count(r, node, true, false, None).count != Score::ZERO {
        cluster.clear_failcount(r, node, CHANGED);
    }
}

/// Checks one recorded operation against its definition; true if that has changed (spec 30 §8.1).
fn check_operation<'d>(
    cluster: &mut Cluster<'d>,
    r: ResourceId,
    node: NodeId,
    entry: &Entry<'d>,
) -> bool {
    let recurring = entry.interval_ms > 0;
    if recurring && cluster.operation(r, entry.task, entry.interval_ms, false).is_none() {
        if cluster.options.cancel_removed_actions {
            cancel(cluster, r, node, entry, "removed");
        }
        return true;
    }
    let verdict = digest::compare(cluster, r, node, entry);
    if verdict == Verdict::Match {
        return false;
    }
    if cluster.switches.sanitized && digest::only_secrets_changed(cluster, r, node, entry) {
        let text = format!(
            "Only 'private' parameters to {}-interval {} for {} on {} changed: {}",
            entry.interval_ms,
            entry.task,
            cluster.resource(r).id,
            cluster.node(node).name,
            entry.magic.unwrap_or("")
        );
        cluster.message(Level::Info, text);
        return false;
    }
    cluster.trace.redefines(r, entry.element.xml_id());
    match verdict {
        Verdict::Restart => force_restart(cluster, r, node, entry),
        _ if recurring => reschedule(cluster, r, node, entry),
        _ if entry.restart_digest.is_some() => reload(cluster, r, node),
        _ => force_restart(cluster, r, node, entry),
    }
    true
}

fn cancel<'d>(
    cluster: &mut Cluster<'d>,
    r: ResourceId,
    node: NodeId,
    entry: &Entry<'d>,
    reason: &'static str,
) {
    let task = cluster.actions.task(entry.task);
    let id = cluster.cancel(r, task, entry.interval_ms, node, entry.call_id_text);
    cluster.set_reason(id, reason, true);
    cluster.defer(End::Key(r, Key::op(Task::Stop)), End::Action(id), Order::ORDER);
}

/// Requires the action whose result the entry is; the rest follows from orderings.
fn force_restart(cluster: &mut Cluster<'_>, r: ResourceId, node: NodeId, entry: &Entry<'_>) {
    let (task, interval_ms) = match entry.task {
        "monitor" if entry.interval_ms == 0 => (Task::Start, 0),
        "migrate_from" | "promote" => (Task::Start, 0),
        other => (cluster.actions.task(other), entry.interval_ms),
    };
    let id = cluster.request(r, task, interval_ms, None, false);
    cluster.set_reason(id, "resource definition change", true);
    cluster.trigger_unfencing(Some(r), Some(node), "Device parameters changed");
}

fn reschedule(cluster: &mut Cluster<'_>, r: ResourceId, node: NodeId, entry: &Entry<'_>) {
    cluster.trigger_unfencing(Some(r), Some(node), "Device parameters changed (reschedule)");
    let task = cluster.actions.task(entry.task);
    let id = cluster.request(r, task, entry.interval_ms, Some(node), true);
    cluster.actions[id].flags.reschedule = true;
}

fn reload(cluster: &mut Cluster<'_>, r: ResourceId, node: NodeId) {
    let flags = cluster.resource(r).flags;
    cluster.trigger_unfencing(Some(r), Some(node), "Device parameters changed (reload)");
    if !flags.managed || flags.failed {
        return;
    }
    if flags.start_pending {
        cluster.request(r, Task::Stop, 0, Some(node), false);
        return;
    }
    cluster.resource_mut(r).flags.reload = true;
    let id = cluster.request(r, Task::ReloadAgent, 0, Some(node), false);
    cluster.set_reason(id, "resource definition change", true);
    let cancelled = Order::ORDER | Order::THEN_CANCELS_FIRST;
    for task in [Task::Stop, Task::Demote] {
        let then = End::Key(r, Key::op(task));
        cluster.defer(End::Key(r, Key::op(Task::ReloadAgent)), then, cancelled);
    }
}
