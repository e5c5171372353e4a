//! Probes: finding out what runs where (spec 30 §7).

use crate::model::action::Order;
use crate::model::cluster::Cluster;
use crate::model::constraint::End;
use crate::model::ids::{ActionId, NodeId, ResourceId};
use crate::model::resource::Variant;
use crate::model::role::Role;
use crate::model::table::ProbeMode;
use crate::model::task::{Key, Task};

/// Creates all probes, node by node (stage 10).
pub fn create(cluster: &mut Cluster<'_>) {
    for i in 0..cluster.node_order.len() {
        let node = cluster.node_order[i];
        if !cluster.node(node).online {
            if cluster.is_remote(node)
                && super::remote::state(cluster, node) == super::remote::State::Failed
            {
                cluster.mark_for_fencing(node, "the connection is unrecoverable", false);
            }
            continue;
        }
        let n = cluster.node(node);
        if n.unclean || (n.is_pacemaker_remote() && !n.probes_allowed) {
            continue;
        }
        for j in 0..cluster.order.len() {
            let r = cluster.order[j];
            probe(cluster, r, node);
        }
    }
}

/// Probes a resource of any variant on a node; true if something was created.
fn probe(cluster: &mut Cluster<'_>, r: ResourceId, node: NodeId) -> bool {
    match &cluster.resource(r).variant {
        Variant::Primitive => probe_primitive(cluster, r, node).is_some(),
        Variant::Group(_) => {
            let mut any = false;
            for i in 0..cluster.resource(r).children.len() {
                let member = cluster.resource(r).children[i];
                any |= probe(cluster, member, node);
            }
            any
        }
        Variant::Clone(_) => probe_clone(cluster, r, node),
        Variant::Bundle(_) => probe_bundle(cluster, r, node),
    }
}

fn probe_clone(cluster: &mut Cluster<'_>, r: ResourceId, node: NodeId) -> bool {
    if cluster.resource(r).flags.exclusive_discovery {
        let entry = cluster.resource(r).table.get(node);
        if entry.is_none_or(|e| e.probe != ProbeMode::Exclusive) {
            cluster.resource_mut(r).table.remove(node);
            return false;
        }
    }
    sort_by_number(cluster, r);
    let instances = cluster.resource(r).children.clone();
    if cluster.resource(r).flags.unique {
        let mut any = false;
        for instance in instances {
            any |= probe(cluster, instance, node);
        }
        return any;
    }
    let known = |i: &ResourceId| known_on(cluster, *i, node);
    let chosen = instances
        .iter()
        .copied()
        .find(known)
        .or_else(|| instances.iter().copied().find(|i| cluster.assigned_node(*i) == Some(node)))
        .or_else(|| instances.first().copied());
    chosen.is_some_and(|i| probe(cluster, i, node))
}

/// Does the resource, or a part of it, have history on the node?
fn known_on(cluster: &Cluster<'_>, r: ResourceId, node: NodeId) -> bool {
    let res = cluster.resource(r);
    res.known_on.contains(node) || res.children.iter().any(|c| known_on(cluster, *c, node))
}

/// Puts a clone's instances in order of number, for good.
pub fn sort_by_number(cluster: &mut Cluster<'_>, clone: ResourceId) {
    let mut children = std::mem::take(&mut cluster.resource_mut(clone).children);
    children.sort_by_key(|c| cluster.resource(*c).instance.unwrap_or(0));
    cluster.resource_mut(clone).children = children;
}

fn probe_bundle(cluster: &mut Cluster<'_>, r: ResourceId, node: NodeId) -> bool {
    let Some(bundle) = cluster.resource(r).as_bundle() else {
        return false;
    };
    let replicas = bundle.replicas.clone();
    let one_per_host = bundle.replicas_per_host == 1;
    let mut any = false;
    for replica in &replicas {
        if let Some(ip) = replica.ip {
            any |= probe(cluster, ip, node);
        }
        if let Some(child) = replica.child
            && replica.node == Some(node)
        {
            any |= probe(cluster, child, node);
        }
        if probe(cluster, replica.container, node) {
            any = true;
            if one_per_host {
                order_other_containers(cluster, &replicas, replica.container);
            }
        }
        if let Some(connection) = replica.connection
            && let Some(id) = probe_primitive(cluster, connection, node)
        {
            any = true;
            let start = End::Key(replica.container, Key::op(Task::Start));
            cluster.defer(start, End::Action(id), Order::NESTED_PROBE);
        }
    }
    any
}

/// The probe of one container before the starts of the others: two must not meet on a host.
fn order_other_containers(
    cluster: &mut Cluster<'_>,
    replicas: &[crate::model::resource::Replica],
    container: ResourceId,
) {
    for other in replicas.iter().filter(|o| o.container != container) {
        let first = End::Key(container, Key::op(Task::Monitor));
        let then = End::Key(other.container, Key::op(Task::Start));
        cluster.defer(first, then, Order::ORDER | Order::SAME_NODE);
    }
}

/// Checks of spec 30 §7 for a primitive; the probe if one is made.
fn probe_primitive(cluster: &mut Cluster<'_>, r: ResourceId, node: NodeId) -> Option<ActionId> {
    if !cluster.options.startup_probes || excluded(cluster, r, node) {
        return None;
    }
    let top = cluster.top(r);
    if cluster.is_guest(node) && waits_for_launcher(cluster, node, top) {
        return None;
    }
    let id = cluster.request(r, Task::Monitor, 0, Some(node), false);
    cluster.actions[id].flags.optional = false;
    cluster.order_after_unfencing(r, node, id, Order::ORDER);
    let res = cluster.resource(r);
    if !res.active_on.contains(&node) {
        cluster.actions[id].set_meta("op_target_rc", "7");
    } else if res.current_role == Role::Promoted {
        cluster.actions[id].set_meta("op_target_rc", "8");
    }
    let x = if cluster.resource(top).is_clone() { top } else { r };
    let mut flags = Order::ORDER;
    if !cluster.actions[id].flags.runnable && cluster.resource(x).active_on.is_empty() {
        flags |= Order::FIRST_BLOCKS;
    }
    let probe = End::Action(id);
    cluster.defer(probe, End::Key(x, Key::op(Task::Start)), flags);
    cluster.defer(probe, End::Key(x, Key::op(Task::ReloadAgent)), Order::ORDER);
    Some(id)
}

fn excluded(cluster: &Cluster<'_>, r: ResourceId, node: NodeId) -> bool {
    let res = cluster.resource(r);
    let n = cluster.node(node);
    if n.is_pacemaker_remote()
        && (res.flags.fence_device
            || (cluster.is_guest(node) && launches_guest(cluster, r))
            || res.flags.remote_connection)
    {
        return true;
    }
    if (res.launcher.is_some() && !res.flags.remote_connection)
        || res.flags.removed
        || res.known_on.contains(node)
    {
        return true;
    }
    let top = cluster.top(r);
    let entry = res.table.get(node);
    if (res.flags.exclusive_discovery || cluster.resource(top).flags.exclusive_discovery)
        && entry.is_none_or(|e| e.probe != ProbeMode::Exclusive)
    {
        return true;
    }
    entry.map_or(n.probe, |e| e.probe) == ProbeMode::Never
}

/// Does the resource launch a guest node?
pub fn launches_guest(cluster: &Cluster<'_>, r: ResourceId) -> bool {
    cluster.resource(r).launched.iter().any(|l| cluster.resource(*l).flags.remote_connection)
}

/// Checks 8 and 9: a guest that is not up (yet, or for long) is not probed.
fn waits_for_launcher(cluster: &mut Cluster<'_>, node: NodeId, top: ResourceId) -> bool {
    let Some(launcher) = cluster.node(node).connection.and_then(|c| cluster.resource(c).launcher)
    else {
        return false;
    };
    let l = cluster.resource(launcher);
    let start = End::Key(top, Key::op(Task::Start));
    if l.current_role == Role::Stopped {
        let assigned = l.assigned.map(|a| a.node);
        if assigned.is_some_and(|n| !l.known_on.contains(n)) {
            let probe = End::Key(launcher, Key::op(Task::Monitor));
            cluster.defer(probe, start, Order::ORDER);
        }
        return true;
    }
    let n = cluster.node(node);
    let moving = match (cluster.current_node(launcher), l.assigned) {
        (Some(current), Some(assigned)) => current != assigned.node,
        _ => false,
    };
    if n.remote_reset
        || n.unclean
        || l.flags.failed
        || l.next_role == Role::Stopped
        || (l.current_role >= Role::Started && moving)
    {
        cluster.defer(End::Key(launcher, Key::op(Task::Stop)), start, Order::ORDER);
        return true;
    }
    false
}

/// Primitives below a resource; bundle parts per replica: IP, container, connection, child.
pub fn parts_in_probe_order(cluster: &Cluster<'_>, r: ResourceId) -> Vec<ResourceId> {
    let res = cluster.resource(r);
    match &res.variant {
        Variant::Primitive => vec![r],
        Variant::Bundle(bundle) => {
            let mut out = Vec::new();
            for replica in &bundle.replicas {
                let parts =
                    [replica.ip, Some(replica.container), replica.connection, replica.child];
                for part in parts.into_iter().flatten() {
                    out.extend(parts_in_probe_order(cluster, part));
                }
            }
            out
        }
        _ => res.children.iter().flat_map(|c| parts_in_probe_order(cluster, *c)).collect(),
    }
}
