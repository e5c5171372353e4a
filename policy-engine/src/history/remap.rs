//! What a recorded result means, given what was expected (spec 11 §6.3).

use super::entry::{Entry, rc, status};
use super::interpret::record_failed;
use super::state::Reading;
use crate::input::OnFail;
use crate::model::cluster::{Cluster, Level};
use crate::model::role::Role;

/// Status and exit code as they count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Outcome {
    /// Execution status.
    pub status: i32,
    /// Exit code.
    pub rc: i32,
}

/// Maps the recorded result of a valid entry; sets the role where the code alone tells it.
pub(super) fn remap<'d>(
    cluster: &mut Cluster<'d>,
    reading: &mut Reading<'d>,
    entry: &Entry<'d>,
    expired: bool,
) -> Outcome {
    let mut out =
        Outcome { status: entry.status.unwrap_or(status::ERROR), rc: entry.rc.unwrap_or(rc::OK) };
    if matches!(out.rc, rc::DEGRADED | rc::DEGRADED_PROMOTED) {
        out.rc = if out.rc == rc::DEGRADED { rc::OK } else { rc::PROMOTED };
        let node = cluster.node(reading.node);
        if !expired && (!node.shutdown || node.online) {
            record_failed(cluster, reading.resource, reading.node, entry);
        }
    }
    let bundled = cluster.resource(reading.resource).flags.in_bundle;
    if entry.is_maskable() && !bundled {
        out = Outcome { status: status::DONE, rc: rc::NOT_RUNNING };
    }
    if !matches!(out.status, status::DONE | status::ERROR) {
        if matches!(out.status, status::NO_FENCE_DEVICE | status::NO_SECRETS) {
            out.status = status::HARD;
        }
        return out;
    }
    compare_with_expected(cluster, reading, entry, &mut out);
    judge_code(cluster, reading, entry, expired, &mut out);
    out
}

fn compare_with_expected(
    cluster: &mut Cluster<'_>,
    reading: &Reading<'_>,
    entry: &Entry<'_>,
    out: &mut Outcome,
) {
    if entry.expected_rc < 0 {
        out.status = status::ERROR;
        let text = format!(
            "Expected result not found for {} on {} (corrupt or obsolete CIB?)",
            entry.key,
            cluster.node(reading.node).name
        );
        cluster.message(Level::Warning, text);
    } else if out.rc == entry.expected_rc {
        out.status = status::DONE;
    } else {
        out.status = status::ERROR;
    }
}

fn judge_code<'d>(
    cluster: &mut Cluster<'d>,
    reading: &mut Reading<'d>,
    entry: &Entry<'d>,
    expired: bool,
    out: &mut Outcome,
) {
    let r = reading.resource;
    let probe = entry.is_probe();
    match out.rc {
        rc::OK => {
            if probe && entry.expected_rc == rc::NOT_RUNNING {
                out.status = status::DONE;
            }
        }
        rc::NOT_RUNNING => {
            let unmanaged = !cluster.resource(r).flags.managed;
            if probe || entry.expected_rc == out.rc || unmanaged {
                out.status = status::DONE;
                let resource = cluster.resource_mut(r);
                resource.current_role = Role::Stopped;
                resource.next_role = Role::Unknown;
                reading.level = OnFail::Ignore;
            }
        }
        rc::PROMOTED => {
            if probe && entry.expected_rc != out.rc {
                out.status = status::DONE;
            }
            if !expired || entry.expected_rc == out.rc {
                cluster.resource_mut(r).current_role = Role::Promoted;
            }
        }
        rc::FAILED_PROMOTED => {
            out.status = status::ERROR;
            if !expired {
                cluster.resource_mut(r).current_role = Role::Promoted;
            }
        }
        rc::NOT_CONFIGURED => out.status = status::FATAL,
        rc::UNIMPLEMENTED if entry.interval_ms > 0 => out.status = status::NOT_SUPPORTED,
        rc::UNIMPLEMENTED | rc::INVALID | rc::PRIVILEGES | rc::NOT_INSTALLED => {
            if !expired {
                block_if_unrecoverable(cluster, reading, entry);
            }
            out.status = status::HARD;
        }
        _ => {
            if out.status == status::DONE {
                out.status = status::ERROR;
            }
        }
    }
}

/// A stop that failed for good, on a node that cannot be fenced, leaves nothing to do.
fn block_if_unrecoverable(cluster: &mut Cluster<'_>, reading: &Reading<'_>, entry: &Entry<'_>) {
    if entry.task != "stop" || cluster.can_fence(Some(reading.node)) {
        return;
    }
    let text = format!(
        "No further recovery can be attempted for {} because {} on {} failed",
        cluster.resource(reading.resource).id,
        entry.task,
        cluster.node(reading.node).name
    );
    cluster.message(Level::Error, text);
    let flags = &mut cluster.resource_mut(reading.resource).flags;
    (flags.managed, flags.blocked) = (false, true);
}
