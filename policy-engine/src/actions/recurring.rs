//! Recurring operations (spec 30 §6).

use crate::model::action::Order;
use crate::model::cluster::Cluster;
use crate::model::constraint::End;
use crate::model::ids::{ActionId, NodeId, ResourceId};
use crate::model::role::Role;
use crate::model::task::{Key, Task};

/// One configured recurring operation.
struct Recurring {
    task: Task,
    interval_ms: u64,
    role: Option<Role>,
}

/// Creates recurring actions of a primitive (spec 30 §6.2).
pub fn create(cluster: &mut Cluster<'_>, r: ResourceId) {
    let res = cluster.resource(r);
    if res.flags.blocked || res.flags.maintenance {
        return;
    }
    let operations = configured(cluster, r);
    let res = cluster.resource(r);
    let assigned = res.assigned.map(|a| a.node);
    let active = assigned.is_some_and(|n| !cluster.node(n).maintenance)
        && (res.next_role != Role::Stopped || !res.flags.managed);
    let start = active.then(|| cluster.request(r, Task::Start, 0, assigned, true));
    for op in operations {
        if op.role == Some(Role::Stopped) {
            monitor_stopped(cluster, r, &op, assigned);
        } else if let Some(start) = start {
            monitor_active(cluster, r, &op, assigned, start);
        }
    }
}

/// The recurring operations that count, in document order.
fn configured(cluster: &mut Cluster<'_>, r: ResourceId) -> Vec<Recurring> {
    let definition = cluster.resource(r).definition;
    let operations = &cluster.definitions[definition.index()].operations;
    if operations.iter().all(|op| op.interval_ms == 0) {
        return Vec::new();
    }
    let operations = operations.clone();
    let mut out = Vec::new();
    for op in &operations {
        let same = |o: &&crate::model::resource::OperationDefinition<'_>| {
            o.name == op.name && o.interval_ms == op.interval_ms
        };
        if op.interval_ms == 0
            || op.element.attribute("id").is_none()
            || matches!(
                op.name,
                "start"
                    | "stop"
                    | "promote"
                    | "demote"
                    | "reload-agent"
                    | "migrate_to"
                    | "migrate_from"
            )
            || operations.iter().filter(same).count() > 1
            || !op.enabled
        {
            continue;
        }
        let role = match op.element.attribute("role") {
            None => None,
            Some(text) => match Role::parse(text) {
                Some(role) if role != Role::Unknown => Some(role),
                _ => continue,
            },
        };
        let task = cluster.actions.task(op.name);
        out.push(Recurring { task, interval_ms: op.interval_ms, role });
    }
    out
}

/// Spec 30 §6.2 (a).
fn monitor_active(
    cluster: &mut Cluster<'_>,
    r: ResourceId,
    op: &Recurring,
    assigned: Option<NodeId>,
    start: ActionId,
) {
    let key = Key::recurring(op.task, op.interval_ms);
    let already = start_optional(cluster, start) && {
        let mut any = false;
        let mut reschedule = false;
        for id in cluster.actions.besides_probes(r) {
            let a = &cluster.actions[*id];
            if a.key == key && a.node == assigned {
                any = true;
                reschedule |= a.flags.reschedule;
            }
        }
        any && !reschedule
    };
    let res = cluster.resource(r);
    let (current, next, managed) = (res.current_role, res.next_role, res.flags.managed);
    let matches = match op.role {
        None => next != Role::Promoted,
        Some(role) => next == role,
    };
    let Some(node) = assigned else {
        return;
    };
    if !matches {
        if already {
            let cancel = cluster.cancel(r, op.task, op.interval_ms, node, None);
            order_cancel(cluster, r, cancel, current, next);
        }
        return;
    }
    let id = cluster.request(r, op.task, op.interval_ms, assigned, already);
    let n = cluster.node(node);
    if !cluster.actions[start].flags.runnable || !n.online || n.unclean {
        cluster.actions[id].flags.runnable = false;
    }
    if next == Role::Promoted {
        cluster.actions[id].set_meta("op_target_rc", "8");
    }
    if managed {
        let then = End::Action(id);
        let on = |task| End::Key(r, Key::op(task));
        let strong = Order::FIRST_REQ | Order::FIRST_BLOCKS;
        cluster.defer(on(Task::Start), then, strong);
        cluster.defer(on(Task::ReloadAgent), then, strong);
        let weak = Order::ORDER | Order::FIRST_BLOCKS;
        if next == Role::Promoted {
            cluster.defer(on(Task::Promote), then, weak);
        } else if current == Role::Promoted {
            cluster.defer(on(Task::Demote), then, weak);
        }
    }
}

fn start_optional(cluster: &Cluster<'_>, start: ActionId) -> bool {
    cluster.actions[start].flags.optional
}

fn order_cancel(
    cluster: &mut Cluster<'_>,
    r: ResourceId,
    cancel: ActionId,
    current: Role,
    next: Role,
) {
    let lower = matches!(current, Role::Started | Role::Unpromoted);
    let then = if lower && next == Role::Promoted {
        Task::Promote
    } else if lower && next == Role::Stopped {
        Task::Stop
    } else if current == Role::Promoted {
        Task::Demote
    } else {
        return;
    };
    cluster.defer(End::Action(cancel), End::Key(r, Key::op(then)), Order::FIRST_BLOCKS);
}

/// Spec 30 §6.2 (b): monitors that make sure it is not running elsewhere.
fn monitor_stopped(
    cluster: &mut Cluster<'_>,
    r: ResourceId,
    op: &Recurring,
    assigned: Option<NodeId>,
) {
    let top = cluster.top(r);
    if cluster.resource(top).is_clone() && !cluster.resource(r).flags.unique {
        return;
    }
    let key = Key::recurring(op.task, op.interval_ms);
    let exists = |c: &Cluster<'_>, node: NodeId| {
        c.actions.with_key(r, key).any(|a| c.actions[a].node == Some(node))
    };
    for i in 0..cluster.node_order.len() {
        let node = cluster.node_order[i];
        if Some(node) == assigned {
            if exists(cluster, node) {
                let cancel = cluster.cancel(r, op.task, op.interval_ms, node, None);
                if matches!(cluster.resource(r).next_role, Role::Started | Role::Unpromoted) {
                    let start = End::Key(r, Key::op(Task::Start));
                    cluster.defer(End::Action(cancel), start, Order::FIRST_BLOCKS);
                }
            }
            continue;
        }
        let optional = exists(cluster, node);
        let id = cluster.request(r, op.task, op.interval_ms, Some(node), optional);
        cluster.actions[id].set_meta("op_target_rc", "7");
        order_stopped_monitor(cluster, r, id, node);
    }
}

fn order_stopped_monitor(cluster: &mut Cluster<'_>, r: ResourceId, id: ActionId, node: NodeId) {
    let managed = cluster.resource(r).flags.managed;
    let on_node = |c: &Cluster<'_>, wanted: &dyn Fn(Key, Task) -> bool| -> Vec<ActionId> {
        let ids = c.actions.of(r).iter().copied();
        ids.filter(|a| {
            wanted(c.actions[*a].key, c.actions[*a].task) && c.actions[*a].node == Some(node)
        })
        .collect()
    };
    if managed {
        for probe in on_node(cluster, &|key, _| key.is_op(Task::Monitor)) {
            cluster.actions.relate(probe, id, Order::FIRST_BLOCKS);
        }
    }
    for stop in on_node(cluster, &|_, task| task == Task::Stop) {
        let stop_flags = cluster.actions[stop].flags;
        if !stop_flags.optional && cluster.actions[id].required() && !managed {
            cluster.actions[id].flags.optional = true;
        }
        if !stop_flags.runnable {
            cluster.actions[id].flags.runnable = false;
        }
        if managed {
            cluster.actions.relate(stop, id, Order::FIRST_REQ | Order::FIRST_BLOCKS);
        }
    }
    let n = cluster.node(node);
    if !n.online || n.unclean {
        cluster.actions[id].flags.runnable = false;
    }
}
