//! Whether a recorded failure is too old to count (spec 11 §10.3).

use super::digest::{self, Verdict};
use super::entry::{Entry, rc, status};
use super::state::Reading;
use crate::model::cluster::{Cluster, DeferredCheck};
use cib_model::Score;
use cib_model::scalar::ms_to_seconds;

/// Is the entry expired? May schedule the clearing of fail counts.
pub(super) fn check<'d>(
    cluster: &mut Cluster<'d>,
    reading: &Reading<'d>,
    entry: &Entry<'d>,
) -> bool {
    if entry.status == Some(status::NOT_INSTALLED) {
        return false;
    }
    let (r, node) = (reading.resource, reading.node);
    let effective = past_timeout(cluster, reading, entry);
    let mut expired = effective.is_some();
    let mut clear = None;
    if let Some(effective) = effective {
        let recorded = cluster.fail_count(r, node, false, false, Some(entry.element)).count;
        if recorded == Score::ZERO {
            if entry.is_last_failure() && cluster.resource(r).reconnect_interval_ms > 0 {
                clear = Some("reconnect interval is set");
            }
        } else if effective == Score::ZERO {
            clear = Some("it expired");
        } else {
            expired = false;
        }
    }
    if !expired && parameters_changed(cluster, reading, entry) {
        clear = Some("resource parameters have changed");
    }
    if let Some(reason) = clear {
        cluster.clear_failcount(r, node, reason);
    }
    let says_state = matches!(
        entry.rc,
        Some(rc::OK | rc::NOT_RUNNING | rc::PROMOTED | rc::DEGRADED | rc::DEGRADED_PROMOTED)
    );
    expired && !(entry.is_probe() && says_state)
}

/// Step 2: past the failure timeout and not waiting for fencing. Gives the effective fail count.
fn past_timeout<'d>(
    cluster: &mut Cluster<'d>,
    reading: &Reading<'d>,
    entry: &Entry<'d>,
) -> Option<Score> {
    let (r, node) = (reading.resource, reading.node);
    let timeout = ms_to_seconds(cluster.resource(r).failure_timeout_ms) as i64;
    let changed = entry.last_change?;
    if timeout <= 0 {
        return None;
    }
    let now = cluster.now_epoch();
    let expired =
        now >= changed.saturating_add(timeout) && !waits_for_fencing(cluster, reading, entry);
    let effective = cluster.fail_count(r, node, true, false, Some(entry.element));
    let until = effective.last_failure.saturating_add(timeout).saturating_add(1);
    if effective.count != Score::ZERO && now < until {
        cluster.recheck(until);
    }
    expired.then_some(effective.count)
}

fn waits_for_fencing(cluster: &Cluster<'_>, reading: &Reading<'_>, entry: &Entry<'_>) -> bool {
    let resource = cluster.resource(reading.resource);
    resource.reconnect_interval_ms > 0
        && cluster.options.fencing_enabled
        && entry.interval_ms > 0
        && entry.task == "monitor"
        && cluster
            .find_node(None, Some(&resource.id))
            .is_some_and(|n| !cluster.node(n).remote_fenced)
}

/// Step 4: the failure belongs to other parameters than there are now.
fn parameters_changed<'d>(
    cluster: &mut Cluster<'d>,
    reading: &Reading<'d>,
    entry: &Entry<'d>,
) -> bool {
    if !entry.is_last_failure() || !matches!(entry.task, "start" | "monitor") {
        return false;
    }
    let (resource, node) = (reading.resource, reading.node);
    if cluster.resource(resource).address_from_host {
        let element = entry.element;
        cluster.deferred_checks.push(DeferredCheck { resource, node, element, active: false });
        return false;
    }
    let verdict = digest::compare(cluster, resource, node, entry);
    !matches!(verdict, Verdict::Match | Verdict::Unknown)
}
