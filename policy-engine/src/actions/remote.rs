//! Pacemaker Remote nodes: the state of a connection, and orderings around it (spec 30 §13).

use crate::model::action::Order;
use crate::model::cluster::Cluster;
use crate::model::constraint::End;
use crate::model::ids::{ActionId, NodeId, ResourceId};
use crate::model::role::Role;
use crate::model::task::{Key, Task};

/// State of a remote node's connection (spec 30 §13.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Nothing can be said.
    Unknown,
    /// Up on a good host.
    Alive,
    /// Down, to be established elsewhere.
    Resting,
    /// Stopped in good order.
    Stopped,
    /// Lost.
    Failed,
}

/// State of the connection of a remote node.
pub fn state(cluster: &Cluster<'_>, node: NodeId) -> State {
    let Some(connection) = cluster.node(node).connection else {
        return State::Unknown;
    };
    let r = cluster.resource(connection);
    let (host, all, _) = cluster.current_node_and_counts(connection);
    let host = host.map(|h| cluster.node(h));
    if r.next_role == Role::Stopped || r.assigned.is_none() {
        if host.is_some_and(|h| h.unclean) {
            return State::Failed;
        }
        if !r.flags.failed {
            return State::Stopped;
        }
        let n = cluster.node(node);
        let shutdown = n.attributes.get("shutdown").is_some_and(|v| v != "0");
        if r.next_role == Role::Stopped
            && r.reconnect_interval_ms > 0
            && n.remote_fenced
            && !shutdown
        {
            return State::Unknown;
        }
        return State::Failed;
    }
    let Some(host) = host else {
        return State::Unknown;
    };
    let migrating =
        all > 1 && r.partial_migration_source.is_some() && r.partial_migration_target.is_some();
    if host.unclean || !host.online || migrating { State::Resting } else { State::Alive }
}

/// Stage 13: orderings between actions on Pacemaker Remote nodes and their connections.
pub fn order_connections(cluster: &mut Cluster<'_>) {
    if !cluster.nodes.iter().any(|n| n.is_pacemaker_remote()) {
        return;
    }
    for id in cluster.actions.ids().rev() {
        let a = &cluster.actions[id];
        let Some(r) = a.resource else {
            continue;
        };
        if cluster.resource(r).flags.remote_connection && a.task == Task::ClearFailcount {
            let start = End::Key(r, Key::op(Task::Start));
            cluster.defer(End::Action(id), start, Order::ORDER);
            continue;
        }
        let Some(node) = a.node.filter(|_| !a.flags.pseudo) else {
            continue;
        };
        let n = cluster.node(node);
        let Some(connection) = n.connection.filter(|_| n.is_pacemaker_remote()) else {
            continue;
        };
        let task = a.task;
        if task == Task::Start {
            order_moves(cluster, r, node, connection);
        }
        if cluster.is_guest(node) {
            order_on_guest(cluster, id, node, connection, task);
        } else {
            order_on_remote(cluster, id, node, connection, task);
        }
    }
}

/// A start behind a connection: stops elsewhere wait for the connection too.
fn order_moves(cluster: &mut Cluster<'_>, r: ResourceId, node: NodeId, connection: ResourceId) {
    for i in 0..cluster.actions.of(r).len() {
        let stop = cluster.actions.of(r)[i];
        let a = &cluster.actions[stop];
        if a.task == Task::Stop && a.node.is_some() && a.node != Some(node) {
            let up = End::Key(connection, Key::op(Task::Start));
            cluster.defer(up, End::Action(stop), Order::ORDER);
        }
    }
}

fn up(cluster: &mut Cluster<'_>, connection: ResourceId, action: ActionId, extra: Order) {
    let start = End::Key(connection, Key::op(Task::Start));
    cluster.defer(start, End::Action(action), Order::GUEST_OK | Order::FIRST_BLOCKS | extra);
}

fn down(cluster: &mut Cluster<'_>, connection: ResourceId, action: ActionId, extra: Order) {
    let stop = End::Key(connection, Key::op(Task::Stop));
    cluster.defer(End::Action(action), stop, Order::GUEST_OK | extra);
}

fn order_on_remote(
    cluster: &mut Cluster<'_>,
    id: ActionId,
    node: NodeId,
    connection: ResourceId,
    task: Task,
) {
    let state = state(cluster, node);
    let recurring = cluster.actions[id].key.interval_ms() > 0;
    match task {
        Task::Start | Task::Promote => {
            let extra = if state == State::Failed { Order::FIRST_REQ } else { Order::NONE };
            up(cluster, connection, id, extra);
        }
        Task::Stop | Task::MigrateTo | Task::MigrateFrom => match state {
            State::Alive => down(cluster, connection, id, Order::THEN_REQ),
            State::Failed => {
                let reason = "resources are active but connection is unrecoverable";
                cluster.mark_for_fencing(node, reason, false);
            }
            _ if cluster.resource(connection).next_role == Role::Stopped => {
                down(cluster, connection, id, Order::THEN_REQ);
            }
            _ => up(cluster, connection, id, Order::NONE),
        },
        Task::Demote => {
            if matches!(state, State::Resting | State::Unknown) {
                up(cluster, connection, id, Order::NONE);
            }
        }
        _ if recurring => up(cluster, connection, id, Order::FIRST_REQ),
        _ => {
            if task == Task::Monitor && state == State::Failed {
                let reason = "resources are in unknown state and connection is unrecoverable";
                cluster.mark_for_fencing(node, reason, false);
            }
            if cluster.current_node(connection).is_some() && state == State::Stopped {
                down(cluster, connection, id, Order::FIRST_BLOCKS);
            } else {
                up(cluster, connection, id, Order::NONE);
            }
        }
    }
}

fn order_on_guest(
    cluster: &mut Cluster<'_>,
    id: ActionId,
    node: NodeId,
    connection: ResourceId,
    task: Task,
) {
    let Some(launcher) = cluster.resource(connection).launcher else {
        return;
    };
    let launcher_failed = cluster.resource(launcher).flags.failed;
    if launcher_failed {
        cluster.mark_for_fencing(node, "container failed", false);
    }
    let recurring = cluster.actions[id].key.interval_ms() > 0;
    match task {
        Task::Start | Task::Promote => {
            let start = End::Key(launcher, Key::op(Task::Start));
            let flags = Order::GUEST_OK | Order::FIRST_BLOCKS | Order::FIRST_REQ;
            cluster.defer(start, End::Action(id), flags);
            up(cluster, connection, id, Order::NONE);
        }
        Task::Stop | Task::Demote | Task::MigrateTo | Task::MigrateFrom => {
            if !launcher_failed {
                down(cluster, connection, id, Order::NONE);
            }
        }
        Task::Cancel | Task::Other(_) if recurring => {}
        _ if recurring => up(cluster, connection, id, Order::FIRST_REQ),
        _ => up(cluster, connection, id, Order::NONE),
    }
}

/// Task of an action, a notification counting as the operation it tells of.
fn effective_task(cluster: &Cluster<'_>, id: ActionId) -> Task {
    let a = &cluster.actions[id];
    if matches!(a.task, Task::Notify | Task::Notified) {
        return a.meta("notify_operation").and_then(Task::from_known_name).unwrap_or(a.task);
    }
    a.task
}

/// The cluster node through which an action on a Pacemaker Remote node runs (spec 30 §13.4).
pub fn router(cluster: &Cluster<'_>, id: ActionId) -> Option<NodeId> {
    let a = &cluster.actions[id];
    let node = cluster.node(a.node?);
    if !node.is_pacemaker_remote() || a.task == Task::Stonith {
        return None;
    }
    let connection = node.connection?;
    let r = cluster.resource(connection);
    let began = cluster.current_node(connection);
    let ended = r.assigned.map(|a| a.node);
    match (began, ended) {
        (None, other) | (other, None) => other,
        (Some(b), Some(e)) if b == e => Some(b),
        _ => match effective_task(cluster, id) {
            Task::Cancel | Task::Stop | Task::Demote | Task::MigrateFrom | Task::MigrateTo
                if r.launcher.is_some() || r.partial_migration_target.is_none() =>
            {
                began
            }
            _ => ended,
        },
    }
}

/// The physical host of an action on a guest (spec 30 §13.5).
pub fn physical_host(cluster: &Cluster<'_>, id: ActionId) -> Option<NodeId> {
    let node = cluster.actions[id].node?;
    if !cluster.is_guest(node) {
        return None;
    }
    let launcher = cluster.node(node).connection.and_then(|c| cluster.resource(c).launcher)?;
    match effective_task(cluster, id) {
        Task::Stop | Task::Stopped | Task::Demote | Task::Demoted => cluster.current_node(launcher),
        Task::Start | Task::Running | Task::Monitor | Task::Promote | Task::Promoted => {
            cluster.resource(launcher).assigned.map(|a| a.node)
        }
        _ => None,
    }
}
