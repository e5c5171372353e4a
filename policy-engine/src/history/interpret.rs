//! What one entry says (spec 11 §6.1, §6.2, §6.6).

use super::entry::{Entry, rc, status};
use super::remap::{Outcome, remap};
use super::state::Reading;
use super::{expiry, failure, success};
use crate::input::OnFail;
use crate::model::cluster::{Cluster, FailedOperation, Level};
use crate::model::ids::{NodeId, ResourceId};
use crate::model::resource::PendingAction;
use crate::model::role::Role;
use crate::model::task::Task;
use crate::model::trace::Cause;
use cib_model::Score;

const TASKS: [&str; 8] =
    ["monitor", "start", "stop", "promote", "demote", "migrate_to", "migrate_from", "asyncmon"];

/// Interprets an entry: changes roles, failure level and flags, records failures.
pub(super) fn interpret<'d>(
    cluster: &mut Cluster<'d>,
    reading: &mut Reading<'d>,
    entry: &Entry<'d>,
) {
    if entry.id.is_empty() || !TASKS.contains(&entry.task) || !has_valid_codes(cluster, entry) {
        return;
    }
    let expired = expiry::check(cluster, reading, entry);
    let outcome = remap(cluster, reading, entry, expired);
    if expired && handle_expired(cluster, reading, entry, outcome) {
        return;
    }
    let bundled = cluster.resource(reading.resource).flags.in_bundle;
    if entry.is_maskable() && !bundled {
        mask_probe(cluster, reading, entry);
        return;
    }
    match outcome.status {
        status::PENDING => note_pending(cluster, reading, entry),
        status::DONE => success::apply(cluster, reading, entry, outcome.rc),
        status::NOT_INSTALLED => {
            let handling = cluster.on_fail(reading.resource, entry.task, entry.interval_ms);
            if handling.0 == OnFail::Ignore {
                reading.level = OnFail::Ban;
            }
            ban_here(cluster, reading, Cause::Failure);
            failure::apply(cluster, reading, entry, outcome.rc, handling);
        }
        status::NOT_CONNECTED => {
            note_lost_connection(cluster, reading.node);
            handle_failure(cluster, reading, entry, outcome);
        }
        _ => handle_failure(cluster, reading, entry, outcome),
    }
}

fn has_valid_codes(cluster: &mut Cluster<'_>, entry: &Entry<'_>) -> bool {
    let status_valid =
        entry.status.is_some_and(|s| (-1..=11).contains(&s) && s != status::CANCELLED);
    let valid = status_valid && entry.rc.is_some_and(|r| (0..=255).contains(&r));
    if !valid {
        let text = format!(
            "Ignoring resource history entry {} (line {}): op-status must be -1 to 11 and not 1, \
             rc-code 0 to 255",
            entry.id,
            entry.element.line()
        );
        cluster.message(Level::Error, text);
    }
    valid
}

/// Spec 11 §6.2 step 3. True: nothing more to do with the entry.
fn handle_expired<'d>(
    cluster: &mut Cluster<'d>,
    reading: &mut Reading<'d>,
    entry: &Entry<'d>,
    outcome: Outcome,
) -> bool {
    let r = reading.resource;
    let masked = entry.is_maskable() && !cluster.resource(r).flags.in_bundle;
    if masked && entry.rc != Some(entry.expected_rc) {
        let role = &mut cluster.resource_mut(r).current_role;
        if *role <= Role::Stopped {
            *role = Role::Unknown;
        }
        return true;
    }
    if outcome.rc == entry.expected_rc {
        return false;
    }
    let node = cluster.node(reading.node);
    if entry.interval_ms == 0 {
        let text = format!(
            "Ignoring resource history entry {} for {} of {} on {}: Expired failure",
            entry.id,
            entry.task,
            cluster.resource(r).id,
            node.name
        );
        cluster.message(Level::Notice, text);
        return true;
    }
    if node.online && !node.unclean {
        let text = format!(
            "Rescheduling {}-interval {} of {} on {} after failure expired",
            entry.interval_ms,
            entry.task,
            cluster.resource(r).id,
            node.name
        );
        cluster.message(Level::Notice, text);
        cluster.history.expired_recurring.insert(entry.element.id());
        return true;
    }
    false
}

fn mask_probe<'d>(cluster: &mut Cluster<'d>, reading: &mut Reading<'d>, entry: &Entry<'d>) {
    let text = format!(
        "Treating probe result '{}' for {} on {} as 'not running'",
        exit_text(entry.rc.unwrap_or(rc::OK)),
        cluster.resource(reading.resource).id,
        cluster.node(reading.node).name
    );
    cluster.message(Level::Notice, text);
    success::apply(cluster, reading, entry, entry.expected_rc);
    record_failed(cluster, reading.resource, reading.node, entry);
    ban_here(cluster, reading, Cause::MaskedProbe);
}

fn note_lost_connection(cluster: &mut Cluster<'_>, node: NodeId) {
    let n = cluster.node(node);
    if !n.is_pacemaker_remote() {
        return;
    }
    if let Some(c) = n.connection
        && cluster.resource(c).flags.managed
    {
        let flags = &mut cluster.resource_mut(c).flags;
        (flags.failed, flags.stop_if_failed) = (true, true);
    }
}

/// Spec 11 §6.2 step 6.
fn handle_failure<'d>(
    cluster: &mut Cluster<'d>,
    reading: &mut Reading<'d>,
    entry: &Entry<'d>,
    outcome: Outcome,
) {
    let handling = cluster.on_fail(reading.resource, entry.task, entry.interval_ms);
    let pretend = handling.0 == OnFail::Ignore
        || (handling.0 == OnFail::RestartContainer && entry.task == "stop");
    if !pretend {
        failure::apply(cluster, reading, entry, outcome.rc, handling);
        match outcome.status {
            status::HARD => ban_here(cluster, reading, Cause::Failure),
            status::FATAL => {
                let target = failure_target(cluster, reading.resource);
                cluster.add_score_everywhere(target, Score::MINUS_INFINITY, Cause::Failure);
            }
            _ => {}
        }
        return;
    }
    let text = format!(
        "Pretending failed {} ({}{}) of {} on {} succeeded",
        entry.task,
        exit_text(outcome.rc),
        entry.exit_reason.map_or_else(String::new, |r| format!(": {r}")),
        cluster.resource(reading.resource).id,
        cluster.node(reading.node).name
    );
    cluster.message(Level::Warning, text);
    success::apply(cluster, reading, entry, entry.expected_rc);
    cluster.resource_mut(reading.resource).flags.ignoring_failures = true;
    record_failed(cluster, reading.resource, reading.node, entry);
    if handling.0 == OnFail::RestartContainer && reading.level <= OnFail::Restart {
        reading.level = OnFail::RestartContainer;
    }
}

/// Spec 11 §6.6.
fn note_pending<'d>(cluster: &mut Cluster<'d>, reading: &mut Reading<'d>, entry: &Entry<'d>) {
    let (r, node) = (reading.resource, reading.node);
    if let Some(last) = reading.last_failure
        && last.task == entry.task
        && last.interval_ms == entry.interval_ms
        && last.last_change.zip(entry.last_change).is_some_and(|(failed, this)| failed >= this)
    {
        return;
    }
    match entry.task {
        "start" => {
            cluster.resource_mut(r).flags.start_pending = true;
            set_active(cluster, r);
        }
        "promote" => cluster.resource_mut(r).current_role = Role::Promoted,
        "migrate_to" if cluster.node(node).unclean => {
            let target = entry.migrate_target.and_then(|t| cluster.find_node(None, Some(t)));
            if let Some(target) = target {
                cluster.request(r, Task::Stop, 0, Some(target), false);
            }
        }
        _ => {}
    }
    let resource = cluster.resource_mut(r);
    if resource.pending.is_none() && !entry.is_probe() {
        resource.pending =
            Some(PendingAction { task: entry.task, interval_ms: entry.interval_ms, node });
    }
}

/// The role of something that is simply running.
pub(super) fn set_active(cluster: &mut Cluster<'_>, r: ResourceId) {
    let promotable = super::state::is_promotable(cluster, r);
    cluster.resource_mut(r).current_role =
        if promotable { Role::Unpromoted } else { Role::Started };
}

/// Whom a failure bans: the resource if it is unique, else its top.
pub(super) fn failure_target(cluster: &Cluster<'_>, r: ResourceId) -> ResourceId {
    if cluster.resource(r).flags.unique { r } else { cluster.top(r) }
}

pub(super) fn ban_here(cluster: &mut Cluster<'_>, reading: &Reading<'_>, cause: Cause) {
    let target = failure_target(cluster, reading.resource);
    cluster.add_score(target, reading.node, Score::MINUS_INFINITY, cause);
}

/// Adds an entry to the failed operations, once per key and node, unless the node is offline.
pub(super) fn record_failed<'d>(
    cluster: &mut Cluster<'d>,
    resource: ResourceId,
    node: NodeId,
    entry: &Entry<'d>,
) {
    if !cluster.node(node).online {
        return;
    }
    let key = |e: cib_model::Element<'d>| Entry::read(e).key;
    let known = |f: &FailedOperation<'d>| f.node == node && key(f.element) == entry.key;
    if !cluster.failed_operations.iter().any(known) {
        cluster.failed_operations.push(FailedOperation { element: entry.element, node, resource });
    }
}

/// Words for an exit code.
pub(super) fn exit_text(code: i32) -> &'static str {
    match code {
        rc::OK => "ok",
        1 => "error",
        rc::INVALID => "invalid parameter",
        rc::UNIMPLEMENTED => "unimplemented feature",
        rc::PRIVILEGES => "insufficient privileges",
        rc::NOT_INSTALLED => "not installed",
        rc::NOT_CONFIGURED => "not configured",
        rc::NOT_RUNNING => "not running",
        rc::PROMOTED => "promoted",
        rc::FAILED_PROMOTED => "promoted (failed)",
        rc::DEGRADED => "degraded",
        rc::DEGRADED_PROMOTED => "promoted (degraded)",
        193 => "unknown",
        _ => "invalid exit status",
    }
}
