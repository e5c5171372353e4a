//! Fencing and shutdown of nodes, and what runs on them (spec 30 §12.3–12.5, §12.7).

use super::notify;
use crate::model::action::{Needs, Order};
use crate::model::cluster::{Cluster, Level};
use crate::model::constraint::End;
use crate::model::ids::{ActionId, NodeId, ResourceId};
use crate::model::task::{Key, Task};
use std::borrow::Cow;

/// Stage 14.
pub fn create(cluster: &mut Cluster<'_>) {
    let have_managed = cluster.resources.iter().any(|r| r.flags.managed);
    let mut dc_action = None;
    let mut fencings: Vec<ActionId> = Vec::new();
    let mut shutdowns: Vec<ActionId> = Vec::new();
    for i in 0..cluster.node_order.len() {
        let node = cluster.node_order[i];
        if cluster.is_guest(node) {
            if cluster.node(node).remote_reset && have_managed && cluster.can_fence(Some(node)) {
                fence_guest(cluster, node);
            }
            continue;
        }
        let n = cluster.node(node);
        let is_dc = n.is_dc;
        if n.unclean && have_managed && cluster.can_fence(Some(node)) {
            let reason = Some(Cow::Borrowed("node is unclean"));
            let fencing = cluster.fencing_action(node, None, false, reason, false);
            order_resources(cluster, node, fencing);
            if is_dc {
                dc_action = Some(fencing);
            } else {
                if !cluster.options.concurrent_fencing
                    && let Some(last) = fencings.last()
                {
                    cluster.actions.relate(*last, fencing, Order::ORDER);
                }
                fencings.push(fencing);
            }
        } else if !n.is_pacemaker_remote() && n.online && n.shutdown {
            let shutdown = shut_down(cluster, node);
            if is_dc {
                dc_action = Some(shutdown);
            } else {
                shutdowns.push(shutdown);
            }
        } else if n.unclean {
            let text = format!(
                "Resource functionality and data integrity cannot be guaranteed (configure, enable, and test fencing to correct this): node {} is unclean",
                n.name
            );
            cluster.message(Level::Warning, text);
        }
    }
    let Some(dc) = dc_action else {
        return;
    };
    if cluster.actions[dc].task == Task::DoShutdown {
        for shutdown in shutdowns {
            cluster.actions.relate(shutdown, dc, Order::ORDER);
        }
    }
    if cluster.options.concurrent_fencing {
        for fencing in fencings {
            cluster.actions.relate(fencing, dc, Order::ORDER);
        }
    } else if let Some(last) = fencings.last() {
        cluster.actions.relate(*last, dc, Order::ORDER);
    }
}

/// Spec 30 §12.7.
fn shut_down(cluster: &mut Cluster<'_>, node: NodeId) -> ActionId {
    let name = format!("do_shutdown-{}", cluster.node(node).name);
    let (id, _) = cluster.named_action(Task::DoShutdown, &name, Some(node));
    cluster.actions[id].flags.optional = false;
    cluster.actions[id].set_meta("op_no_wait", "true");
    let node_maintenance = cluster.node(node).maintenance;
    for stop in cluster.actions.ids().rev() {
        let a = &cluster.actions[stop];
        let (Some(r), Task::Stop) = (a.resource, a.task) else {
            continue;
        };
        let flags = cluster.resource(r).flags;
        if a.node != Some(node)
            || node_maintenance
            || flags.maintenance
            || (!flags.managed && !flags.blocked)
        {
            continue;
        }
        cluster.actions[stop].flags.optional = false;
        cluster.defer(End::Action(stop), End::Action(id), Order::ORDER | Order::FIRST_BLOCKS);
    }
    id
}

/// Spec 30 §12.5: a guest is fenced by recovering what launches it.
fn fence_guest(cluster: &mut Cluster<'_>, node: NodeId) {
    let connection = cluster.node(node).connection;
    let launcher = connection.and_then(|c| cluster.resource(c).launcher);
    let newest = |c: &Cluster<'_>, r: Option<ResourceId>, task| {
        r.and_then(|r| c.actions.newest(r, task, None))
    };
    let restarts = newest(cluster, launcher, Task::Start).is_some();
    let op = if restarts { "reboot" } else { "off" };
    let reason = Some(Cow::Borrowed("guest is unclean"));
    let fencing = cluster.fencing_action(node, Some(op), false, reason, false);
    let flags = &mut cluster.actions[fencing].flags;
    (flags.pseudo, flags.runnable, flags.optional) = (true, true, false);
    let strong = Order::FIRST_BLOCKS | Order::FIRST_REQ;
    if let Some(stop) = newest(cluster, launcher, Task::Stop) {
        if cluster.actions[stop].flags.pseudo {
            if let Some(host) = cluster.actions[stop].node {
                let host_fencing = cluster.fencing_action(host, None, true, None, false);
                cluster.actions.relate(host_fencing, fencing, strong);
            }
        } else {
            cluster.actions.relate(stop, fencing, strong);
        }
    } else if let Some(stop) = newest(cluster, connection, Task::Stop) {
        cluster.actions.relate(stop, fencing, Order::ORDER);
    }
    order_resources(cluster, node, fencing);
}

/// Orders everything relative to a node's fencing (spec 30 §12.4).
fn order_resources(cluster: &mut Cluster<'_>, node: NodeId, fencing: ActionId) {
    for i in 0..cluster.order.len() {
        let top = cluster.order[i];
        for leaf in cluster.leaves(top) {
            if cluster.resource(leaf).flags.managed {
                order_starts(cluster, leaf, node, fencing);
                order_stops(cluster, leaf, node, fencing);
            }
        }
    }
}

fn order_starts(cluster: &mut Cluster<'_>, r: ResourceId, node: NodeId, fencing: ActionId) {
    for i in 0..cluster.actions.of(r).len() {
        let id = cluster.actions.of(r)[i];
        let a = &cluster.actions[id];
        match a.needs {
            Needs::Fencing => {
                cluster.actions.relate(fencing, id, Order::ORDER);
            }
            Needs::Quorum if a.task == Task::Start => {
                let res = cluster.resource(r);
                let allowed = res.table.contains(node);
                if allowed && !state_known(cluster, r, node) {
                    cluster.actions.relate(fencing, id, Order::ORDER | Order::FIRST_BLOCKS);
                }
            }
            _ => {}
        }
    }
}

/// Is there history of the resource, or of the anonymous clone it is an instance of?
fn state_known(cluster: &Cluster<'_>, r: ResourceId, node: NodeId) -> bool {
    let res = cluster.resource(r);
    res.known_on.contains(node)
        || res.parent.is_some_and(|p| {
            let parent = cluster.resource(p);
            parent.is_clone() && !res.flags.unique && parent.known_on.contains(node)
        })
}

fn order_stops(cluster: &mut Cluster<'_>, r: ResourceId, node: NodeId, fencing: ActionId) {
    let guest = cluster.is_guest(node);
    let res = cluster.resource(r);
    let implicit = res.requires.fencing || guest;
    let bundled = cluster.bundle_of(r).is_some();
    let (failed, notifies) = (res.flags.failed, res.flags.notify);
    let top = cluster.top(r);
    let on_node = |c: &Cluster<'_>, task| -> Vec<ActionId> {
        let ids = c.actions.of(r).iter().copied();
        ids.filter(|a| c.actions[*a].task == task && c.actions[*a].node == Some(node)).collect()
    };
    for stop in on_node(cluster, Task::Stop) {
        let flags = &mut cluster.actions[stop].flags;
        (flags.pseudo, flags.runnable) = (true, true);
        if implicit {
            if !bundled {
                cluster.actions.relate(fencing, stop, Order::GUEST_OK);
            }
            if let Some(top_stop) = cluster.actions.newest(top, Task::Stop, None) {
                cluster.actions.relate(fencing, top_stop, Order::GUEST_OK);
            }
        }
        if notifies {
            notify::after_fencing(cluster, r, stop, fencing);
        }
    }
    let n = cluster.node(node);
    if n.online && !n.unclean && !failed {
        return;
    }
    for demote in on_node(cluster, Task::Demote) {
        let flags = &mut cluster.actions[demote].flags;
        (flags.pseudo, flags.runnable) = (true, true);
        if implicit && !bundled {
            cluster.actions.relate(fencing, demote, Order::GUEST_OK | Order::ORDER);
        }
    }
}

/// Deletes the fail counts of resources that are no longer configured (stage 11).
pub fn clear_removed_failcounts(cluster: &mut Cluster<'_>) {
    if !cluster.options.stop_removed_resources {
        return;
    }
    for i in 0..cluster.order.len() {
        let r = cluster.order[i];
        if !cluster.resource(r).flags.removed {
            continue;
        }
        for j in 0..cluster.node_order.len() {
            let node = cluster.node_order[j];
            if !cluster.node(node).online {
                continue;
            }
            if cluster.fail_count(r, node, true, false, None).count.value() == 0 {
                continue;
            }
            let clear = cluster.clear_failcount(r, node, "it is removed");
            let stop = End::Key(r, Key::op(Task::Stop));
            cluster.defer(End::Action(clear), stop, Order::ORDER);
        }
    }
}
