//! Effects of a failed result (spec 11 §6.4).

use super::active::ban_by_table;
use super::entry::{Entry, rc};
use super::interpret::{exit_text, record_failed, set_active};
use super::migration;
use super::state::Reading;
use crate::input::OnFail;
use crate::model::cluster::{Cluster, Level};
use crate::model::role::Role;
use crate::model::trace::Cause;
use cib_model::Score;

/// Applies a failure with exit code `code`, its handling and the role after it.
pub(super) fn apply<'d>(
    cluster: &mut Cluster<'d>,
    reading: &mut Reading<'d>,
    entry: &Entry<'d>,
    code: i32,
    (handling, role_after): (OnFail, Role),
) {
    let r = reading.resource;
    reading.last_failure = Some(*entry);
    if cluster.options.symmetric || code != rc::NOT_INSTALLED {
        announce(cluster, reading, entry, code);
        record_failed(cluster, r, reading.node, entry);
    }
    reading.level = reading.level.max(handling);
    by_task(cluster, reading, entry, code, handling);
    if entry.is_probe() && code == rc::NOT_INSTALLED {
        cluster.resource_mut(r).current_role = Role::Stopped;
    } else if cluster.resource(r).current_role < Role::Started {
        set_active(cluster, r);
    }
    apply_role_after(cluster, reading, role_after);
}

fn announce(cluster: &mut Cluster<'_>, reading: &Reading<'_>, entry: &Entry<'_>, code: i32) {
    let text = format!(
        "Unexpected result ({}{}) was recorded for {} of {} on {}",
        exit_text(code),
        entry.exit_reason.filter(|r| !r.is_empty()).map_or_else(String::new, |r| format!(": {r}")),
        if entry.is_probe() { "probe" } else { entry.task },
        cluster.resource(reading.resource).id,
        cluster.node(reading.node).name
    );
    cluster.message(Level::Notice, text);
}

fn by_task<'d>(
    cluster: &mut Cluster<'d>,
    reading: &mut Reading<'d>,
    entry: &Entry<'d>,
    code: i32,
    handling: OnFail,
) {
    let r = reading.resource;
    match entry.task {
        "stop" => cluster.add_score(r, reading.node, Score::MINUS_INFINITY, Cause::Failure),
        "migrate_to" => migration::to_failed(cluster, reading, entry),
        "migrate_from" => migration::from_failed(cluster, reading, entry),
        "promote" => cluster.resource_mut(r).current_role = Role::Promoted,
        "demote" => {
            let resource = cluster.resource_mut(r);
            if handling == OnFail::Block {
                resource.current_role = Role::Promoted;
                resource.next_role = Role::Stopped;
            } else if code == rc::NOT_RUNNING {
                resource.current_role = Role::Stopped;
            } else {
                resource.current_role = Role::Unpromoted;
            }
        }
        _ => {}
    }
}

fn apply_role_after(cluster: &mut Cluster<'_>, reading: &Reading<'_>, role_after: Role) {
    let r = reading.resource;
    let resource = cluster.resource_mut(r);
    if role_after != Role::Started && resource.next_role < role_after {
        resource.next_role = role_after;
    }
    if role_after != Role::Stopped {
        return;
    }
    let has_parent = resource.parent.is_some();
    let top = cluster.top(r);
    let anonymous = cluster.resource(top).is_clone() && !cluster.resource(top).flags.unique;
    ban_by_table(cluster, if has_parent && anonymous { top } else { r }, Cause::Failure);
}
