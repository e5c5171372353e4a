//! From the entries of one `lrm_resource` to the state of its resource (spec 11 §5, §8).

use super::entry::Entry;
use super::passes::Run;
use super::{active, interpret, matching, sort, window};
use crate::input::OnFail;
use crate::model::cluster::{Cluster, Level};
use crate::model::ids::{NodeId, ResourceId};
use crate::model::role::Role;
use crate::model::task::Task;
use crate::model::trace::Cause;
use cib_model::scalar::{ms_to_seconds, parse_integer};
use cib_model::{Element, Score};

/// What is known while the entries of one resource on one node are read.
#[derive(Debug)]
pub(super) struct Reading<'d> {
    /// Whose.
    pub resource: ResourceId,
    /// Where.
    pub node: NodeId,
    /// The gravest failure that still counts.
    pub level: OnFail,
    /// The latest failure.
    pub last_failure: Option<Entry<'d>>,
}

/// Reads one `lrm_resource`; the resource it belongs to, if any.
pub(super) fn process<'d>(
    cluster: &mut Cluster<'d>,
    node: NodeId,
    lrm_resource: Element<'d>,
    run: &mut Run,
) -> Option<ResourceId> {
    let entries = Entry::all(lrm_resource);
    if entries.is_empty() && !cluster.options.shutdown_lock {
        return None;
    }
    let r = matching::resource_for(cluster, node, lrm_resource, !entries.is_empty())?;
    if cluster.options.shutdown_lock {
        read_shutdown_lock(cluster, r, node, lrm_resource);
    }
    let saved = cluster.resource(r).current_role;
    cluster.resource_mut(r).current_role = Role::Unknown;
    let mut reading = Reading { resource: r, node, level: OnFail::Ignore, last_failure: None };
    let sorted = sort::sorted(&entries);
    for entry in &sorted {
        interpret::interpret(cluster, &mut reading, entry);
    }
    window::note_running_monitors(cluster, r, node, &sorted);
    apply(cluster, &reading, run);
    apply_target_role(cluster, r);
    let resource = cluster.resource_mut(r);
    resource.current_role = resource.current_role.max(saved);
    Some(r)
}

/// Spec 11 §13.
fn read_shutdown_lock(
    cluster: &mut Cluster<'_>,
    r: ResourceId,
    node: NodeId,
    lrm_resource: Element<'_>,
) {
    let since = lrm_resource.attribute("shutdown-lock").and_then(parse_integer).unwrap_or(0);
    if since == 0 {
        return;
    }
    let limit = ms_to_seconds(cluster.options.shutdown_lock_limit_ms) as i64;
    if limit > 0 && cluster.now_epoch() > since.saturating_add(limit) {
        cluster.lrm_delete(r, node);
    } else {
        cluster.resource_mut(r).lock = Some((node, since));
    }
}

/// The target role can only lower what history leaves as next role.
fn apply_target_role(cluster: &mut Cluster<'_>, r: ResourceId) {
    let Some(text) = cluster.resource(r).meta("target-role") else { return };
    let target = match Role::parse(text) {
        Some(Role::Stopped) => Role::Stopped,
        Some(Role::Unpromoted) if is_promotable(cluster, r) => Role::Unpromoted,
        _ => return,
    };
    let next = &mut cluster.resource_mut(r).next_role;
    if *next == Role::Unknown || target < *next {
        *next = target;
    }
}

/// Is it in a promotable clone?
pub(super) fn is_promotable(cluster: &Cluster<'_>, r: ResourceId) -> bool {
    cluster.resource(cluster.top(r)).flags.promotable
}

/// Spec 11 §8.
fn apply(cluster: &mut Cluster<'_>, reading: &Reading<'_>, run: &mut Run) {
    let (r, node) = (reading.resource, reading.node);
    let active = cluster.resource(r).current_role > Role::Stopped;
    mark_known(cluster, r, node);
    if active {
        fence_if_lost(cluster, r, node);
    }
    let level = if cluster.node(node).unclean { OnFail::Ignore } else { reading.level };
    apply_level(cluster, reading, level, active, run);
    let resource = cluster.resource(r);
    if resource.flags.failed && resource.flags.remote_connection {
        let id = resource.id.to_string();
        if let Some(own) = cluster.find_node(None, Some(&id)) {
            let n = cluster.node_mut(own);
            n.seen |= n.unclean;
        }
    }
    if active {
        add_active(cluster, reading, level);
    } else {
        note_inactive(cluster, r, node);
    }
    let resource = cluster.resource_mut(r);
    let migrating_from_here = resource.partial_migration_target.is_some()
        && resource.partial_migration_source == Some(node);
    if resource.current_role == Role::Stopped
        && !resource.active_on.is_empty()
        && migrating_from_here
    {
        resource.current_role = Role::Started;
    }
}

fn mark_known(cluster: &mut Cluster<'_>, r: ResourceId, node: NodeId) {
    if cluster.resource(r).current_role == Role::Unknown {
        return;
    }
    let mut at = Some(r);
    while let Some(r) = at {
        let resource = cluster.resource_mut(r);
        resource.known_on.insert(node);
        at = if resource.flags.unique { None } else { resource.parent };
    }
}

/// A managed resource is active on a node that is offline.
fn fence_if_lost(cluster: &mut Cluster<'_>, r: ResourceId, node: NodeId) {
    let n = cluster.node(node);
    if n.online || n.maintenance || !cluster.resource(r).flags.managed {
        return;
    }
    let id = &cluster.resource(r).id;
    let plain = format!("{id} is thought to be active there");
    if cluster.is_guest(node) {
        set_failed(cluster, r);
        cluster.mark_for_fencing(node, plain, false);
    } else if cluster.options.fencing_enabled {
        let connected = cluster.is_remote(node)
            && n.connection.is_some_and(|c| !cluster.resource(c).flags.failed);
        let reason = if connected {
            format!(
                "{id} is active there (fencing will be revoked if remote connection can be \
                 re-established elsewhere)"
            )
        } else {
            plain
        };
        cluster.node_mut(node).seen &= !connected;
        cluster.mark_for_fencing(node, reason, false);
    }
}

fn set_failed(cluster: &mut Cluster<'_>, r: ResourceId) {
    let flags = &mut cluster.resource_mut(r).flags;
    (flags.failed, flags.stop_if_failed) = (true, true);
}

fn apply_level(
    cluster: &mut Cluster<'_>,
    reading: &Reading<'_>,
    level: OnFail,
    active: bool,
    run: &mut Run,
) {
    let (r, node) = (reading.resource, reading.node);
    match level {
        OnFail::Ignore => {}
        OnFail::Demote => {
            cluster.resource_mut(r).flags.failed = true;
            cluster.request(r, Task::Demote, 0, Some(node), false);
        }
        OnFail::Fence => {
            let reason = format!("{} failed there", cluster.resource(r).id);
            cluster.mark_for_fencing(node, reason, false);
        }
        OnFail::Standby => {
            let n = cluster.node_mut(node);
            (n.standby, n.standby_on_fail) = (true, true);
        }
        OnFail::Block => {
            let flags = &mut cluster.resource_mut(r).flags;
            (flags.managed, flags.blocked) = (false, true);
        }
        OnFail::Ban => cluster.add_score(r, node, Score::MINUS_INFINITY, Cause::Failure),
        OnFail::Stop => cluster.resource_mut(r).next_role = Role::Stopped,
        OnFail::Restart if active => {
            set_failed(cluster, r);
            cluster.request(r, Task::Stop, 0, Some(node), false);
        }
        OnFail::Restart => {}
        OnFail::RestartContainer => restart_container(cluster, r, node, active, run),
        OnFail::ResetRemote => reset_remote(cluster, r, node, active),
    }
}

fn restart_container(
    cluster: &mut Cluster<'_>,
    r: ResourceId,
    node: NodeId,
    active: bool,
    run: &mut Run,
) {
    set_failed(cluster, r);
    let resource = cluster.resource(r);
    match resource.launcher {
        Some(launcher) if resource.flags.in_bundle => run.failed_launchers.push(launcher),
        Some(launcher) => {
            cluster.request(launcher, Task::Stop, 0, Some(node), false);
        }
        None if active => {
            cluster.request(r, Task::Stop, 0, Some(node), false);
        }
        None => {}
    }
}

fn reset_remote(cluster: &mut Cluster<'_>, r: ResourceId, node: NodeId, active: bool) {
    set_failed(cluster, r);
    if cluster.options.fencing_enabled {
        let id = cluster.resource(r).id.to_string();
        let own = cluster.find_node(None, Some(&id)).filter(|n| cluster.is_remote(*n));
        if let Some(own) = own.filter(|n| !cluster.node(*n).remote_fenced) {
            cluster.mark_for_fencing(own, "remote connection is unrecoverable", false);
        }
    }
    if active {
        cluster.request(r, Task::Stop, 0, Some(node), false);
    }
    if cluster.resource(r).reconnect_interval_ms > 0 {
        cluster.resource_mut(r).next_role = Role::Stopped;
    }
}

fn add_active(cluster: &mut Cluster<'_>, reading: &Reading<'_>, level: OnFail) {
    let (r, node) = (reading.resource, reading.node);
    if cluster.resource(r).flags.removed {
        let text = format!(
            "Removed resource {} is active on {} and will be stopped when possible",
            cluster.resource(r).id,
            cluster.node(node).name
        );
        cluster.message(Level::Notice, text);
    }
    active::add(cluster, r, node, reading.level != OnFail::Ignore);
    match level {
        OnFail::Ignore => {}
        OnFail::Demote | OnFail::Block => cluster.resource_mut(r).flags.failed = true,
        _ => set_failed(cluster, r),
    }
}

fn note_inactive(cluster: &mut Cluster<'_>, r: ResourceId, node: NodeId) {
    if cluster.resource(r).history_id.as_deref().is_some_and(|id| id.contains(':')) {
        cluster.set_history_id(r, None);
        return;
    }
    for i in 0..cluster.actions.besides_probes(r).len() {
        let id = cluster.actions.besides_probes(r)[i];
        let action = &mut cluster.actions[id];
        if action.task == Task::Stop && action.node == Some(node) {
            action.flags.optional = true;
        }
    }
}
