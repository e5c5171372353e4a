//! Effect of a successful result, or of one that is taken for it (spec 11 §6.5).

use super::entry::{Entry, rc};
use super::interpret::set_active;
use super::migration;
use super::state::Reading;
use crate::input::OnFail;
use crate::model::cluster::Cluster;
use crate::model::role::Role;

/// Updates role and failure level for a result with exit code `code`.
pub(super) fn apply<'d>(
    cluster: &mut Cluster<'d>,
    reading: &mut Reading<'d>,
    entry: &Entry<'d>,
    code: i32,
) {
    let r = reading.resource;
    let masked = entry.is_maskable() && !cluster.resource(r).flags.in_bundle;
    let clears = if code == rc::NOT_INSTALLED || masked {
        cluster.resource_mut(r).current_role = Role::Stopped;
        false
    } else if code == rc::NOT_RUNNING {
        true
    } else {
        by_task(cluster, reading, entry)
    };
    if clears {
        clear_failure(cluster, reading);
    }
}

/// Sets the role; does the success clear an earlier failure?
fn by_task<'d>(cluster: &mut Cluster<'d>, reading: &mut Reading<'d>, entry: &Entry<'d>) -> bool {
    let r = reading.resource;
    let inactive = cluster.resource(r).current_role < Role::Started;
    let (role, clears) = match entry.task {
        "monitor" => {
            if inactive {
                set_active(cluster, r);
            }
            return reading.last_failure.is_some_and(|f| f.key == entry.key);
        }
        "start" | "migrate_from" => (Role::Started, true),
        "stop" => (Role::Stopped, true),
        "promote" => (Role::Promoted, true),
        "demote" => (Role::Unpromoted, reading.level == OnFail::Demote),
        "migrate_to" => {
            migration::to_succeeded(cluster, reading, entry);
            return false;
        }
        _ => {
            if inactive {
                set_active(cluster, r);
            }
            return false;
        }
    };
    cluster.resource_mut(r).current_role = role;
    clears
}

fn clear_failure(cluster: &mut Cluster<'_>, reading: &mut Reading<'_>) {
    let resource = cluster.resource_mut(reading.resource);
    let clearable = match reading.level {
        OnFail::Block
        | OnFail::Ignore
        | OnFail::Demote
        | OnFail::Restart
        | OnFail::RestartContainer => true,
        OnFail::ResetRemote => resource.reconnect_interval_ms == 0,
        OnFail::Stop | OnFail::Ban | OnFail::Standby | OnFail::Fence => false,
    };
    if clearable {
        reading.level = OnFail::Ignore;
        resource.next_role = Role::Unknown;
    }
}
