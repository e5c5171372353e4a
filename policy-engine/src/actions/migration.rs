//! Live migration (spec 30 §9).

use crate::model::action::Order;
use crate::model::cluster::Cluster;
use crate::model::constraint::End;
use crate::model::ids::{NodeId, ResourceId};
use crate::model::task::{Key, Task};

/// May the resource be migrated from where it is (spec 30 §9.1)?
pub fn allowed(cluster: &Cluster<'_>, r: ResourceId, current: Option<NodeId>) -> bool {
    let res = cluster.resource(r);
    let clean = |n: Option<NodeId>| n.is_some_and(|n| !cluster.node(n).unclean);
    res.flags.migratable
        && res.flags.managed
        && !res.flags.failed
        && !res.flags.start_pending
        && clean(current)
        && clean(res.assigned.map(|a| a.node))
}

/// Creates the migration actions and their relations (spec 30 §9.2).
pub fn create(cluster: &mut Cluster<'_>, r: ResourceId, current: Option<NodeId>) {
    let assigned = cluster.resource(r).assigned.map(|a| a.node);
    let (Some(source), Some(target)) = (current, assigned) else {
        return;
    };
    let partial = cluster.resource(r).partial_migration_target.is_some();
    let start = cluster.request(r, Task::Start, 0, assigned, true);
    let stop = cluster.request(r, Task::Stop, 0, current, true);
    let to = (!partial).then(|| cluster.request(r, Task::MigrateTo, 0, current, true));
    let from = cluster.request(r, Task::MigrateFrom, 0, assigned, true);
    for id in [Some(start), Some(stop), to, Some(from)].into_iter().flatten() {
        cluster.actions[id].flags.migratable = true;
    }
    cluster.actions[start].flags.pseudo = true;
    let needs = cluster.actions[start].needs;
    cluster.actions[to.unwrap_or(from)].needs = needs;

    let key = |task| End::Key(r, Key::op(task));
    let needs_then = Order::ORDER | Order::NEEDS_MIGRATABLE_THEN;
    if partial {
        cluster.defer(key(Task::Monitor), key(Task::MigrateFrom), Order::ORDER);
    } else {
        cluster.defer(key(Task::Monitor), key(Task::MigrateTo), Order::ORDER);
        cluster.defer(key(Task::MigrateTo), key(Task::MigrateFrom), needs_then);
    }
    cluster.defer(key(Task::MigrateFrom), key(Task::Stop), needs_then);
    cluster.defer(key(Task::MigrateFrom), key(Task::Start), needs_then | Order::FALLBACK);

    let names = (cluster.node(source).name.clone(), cluster.node(target).name.clone());
    let connection = cluster.resource(r).flags.remote_connection;
    for id in [to, Some(from)].into_iter().flatten() {
        cluster.actions[id].set_meta("migrate_source", names.0.clone());
        cluster.actions[id].set_meta("migrate_target", names.1.clone());
    }
    if let Some(to) = to
        && !connection
    {
        cluster.actions[to].set_meta("record-pending", "true");
    }
}
