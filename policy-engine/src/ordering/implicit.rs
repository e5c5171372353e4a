//! Orderings (and placement rules) that every resource brings with it (stage 6; spec 30 §17.1–17.4,
//! 20 §4).

use crate::model::action::Order;
use crate::model::cluster::Cluster;
use crate::model::constraint::{Colocation, End};
use crate::model::ids::{NodeId, ResourceId};
use crate::model::resource::{Replica, Variant};
use crate::model::role::Role;
use crate::model::task::{Key, Task};
use crate::model::trace::Cause;
use cib_model::Score;
use std::borrow::Cow;

/// Creates the implicit constraints of every top-level resource, in list order.
pub fn create(cluster: &mut Cluster<'_>) {
    for i in 0..cluster.order.len() {
        let r = cluster.order[i];
        create_for(cluster, r);
    }
}

fn create_for(cluster: &mut Cluster<'_>, r: ResourceId) {
    match &cluster.resource(r).variant {
        Variant::Primitive => primitive(cluster, r),
        Variant::Group(_) => group(cluster, r),
        Variant::Clone(_) => clone(cluster, r),
        Variant::Bundle(_) => bundle(cluster, r),
    }
}

fn on(r: ResourceId, task: Task) -> End {
    End::Key(r, Key::op(task))
}

/// Records `first` of `f` before `then` of `t`.
fn order(cluster: &mut Cluster<'_>, f: (ResourceId, Task), t: (ResourceId, Task), flags: Order) {
    cluster.defer(on(f.0, f.1), on(t.0, t.1), flags);
}

fn primitive(cluster: &mut Cluster<'_>, r: ResourceId) {
    if !cluster.resource(r).flags.managed {
        return;
    }
    let restart = Order::ORDER | Order::FIRST_REQ | Order::RESTART;
    order(cluster, (r, Task::Stop), (r, Task::Start), restart);
    let top = cluster.top(r);
    let res = cluster.resource(r);
    if cluster.resource(top).flags.promotable || res.current_role > Role::Unpromoted {
        order(cluster, (r, Task::Demote), (r, Task::Stop), Order::PROMOTED_THEN_REQ);
        order(cluster, (r, Task::Start), (r, Task::Promote), Order::FIRST_BLOCKS);
    }
    let cancels = Order::SAME_NODE | Order::THEN_CANCELS_FIRST;
    order(cluster, (r, Task::LrmDelete), (r, Task::Monitor), cancels);
    unfencing(cluster, r);
    utilization(cluster, r);
    ban_nested(cluster, r);
    if let Some(launcher) = cluster.resource(r).launcher {
        launched(cluster, r, launcher);
    }
}

/// Nodes of the resource's table, in order of name.
fn table_nodes(cluster: &Cluster<'_>, r: ResourceId) -> Vec<NodeId> {
    let table = &cluster.resource(r).table;
    cluster.node_order.iter().copied().filter(|n| table.contains(*n)).collect()
}

/// Spec 30 §12.6, last paragraph.
fn unfencing(cluster: &mut Cluster<'_>, r: ResourceId) {
    let res = cluster.resource(r);
    if !res.requires.unfencing || res.flags.fence_device {
        return;
    }
    for node in table_nodes(cluster, r) {
        let on_action = cluster.fencing_action(node, Some("on"), true, None, false);
        let unfence = End::Action(on_action);
        cluster.defer(on(r, Task::Stop), unfence, Order::ORDER | Order::SAME_NODE);
        let flags = Order::SAME_NODE_FIRST_REQ | Order::SAME_NODE;
        cluster.defer(unfence, on(r, Task::Start), flags);
    }
}

/// Spec 30 §14.3.
fn utilization(cluster: &mut Cluster<'_>, r: ResourceId) {
    use crate::model::options::PlacementStrategy;
    if cluster.options.placement_strategy == PlacementStrategy::Default
        || cluster.resource(r).utilization.is_empty()
    {
        return;
    }
    for node in cluster.resource(r).active_on.clone() {
        let load = load_stopped(cluster, node);
        cluster.defer(on(r, Task::Stop), load, Order::LOAD);
    }
    for node in table_nodes(cluster, r) {
        let load = load_stopped(cluster, node);
        cluster.defer(load, on(r, Task::Start), Order::LOAD);
        cluster.defer(load, on(r, Task::MigrateTo), Order::LOAD);
    }
}

fn load_stopped(cluster: &mut Cluster<'_>, node: NodeId) -> End {
    let name = format!("load_stopped_{}", cluster.node(node).name);
    let (id, _) = cluster.named_action(Task::LoadStopped, &name, Some(node));
    let flags = &mut cluster.actions[id].flags;
    (flags.pseudo, flags.runnable, flags.optional) = (true, true, false);
    End::Action(id)
}

/// Fence devices and connections do not run on Pacemaker Remote nodes (spec 20 §4).
fn ban_nested(cluster: &mut Cluster<'_>, r: ResourceId) {
    let flags = cluster.resource(r).flags;
    if flags.fence_device || flags.remote_connection {
        ban_connected_nodes(cluster, r);
    }
}

fn ban_connected_nodes(cluster: &mut Cluster<'_>, r: ResourceId) {
    let nodes = &cluster.nodes;
    let table = &mut cluster.resources[r.index()].table;
    let mut banned = Vec::new();
    for (node, entry) in table.iter_mut() {
        if nodes[node.index()].connection.is_some() {
            banned.push((node, entry.score));
            entry.score = Score::MINUS_INFINITY;
        }
    }
    for (node, before) in banned {
        cluster.trace.note(r, node, Some(before), Score::MINUS_INFINITY, Cause::Nesting);
    }
}

/// Spec 30 §17.1 item 6 and 20 §4, "Launcher".
fn launched(cluster: &mut Cluster<'_>, r: ResourceId, launcher: ResourceId) {
    let res = cluster.resource(r);
    let connection = res.flags.remote_connection;
    let in_bundle = cluster.bundle_of(r).is_some();
    if connection {
        order(cluster, (launcher, Task::Monitor), (r, Task::Stop), Order::ORDER);
        if !in_bundle {
            ban_connected_nodes(cluster, launcher);
        }
    } else if let Some(inner) = connection_inside(cluster, launcher) {
        pin_to_connection(cluster, r, inner);
        return;
    }
    let strong = Order::FIRST_REQ | Order::FIRST_BLOCKS;
    order(cluster, (launcher, Task::Start), (r, Task::Start), strong);
    order(cluster, (r, Task::Stop), (launcher, Task::Stop), Order::THEN_REQ);
    let score = if connection && in_bundle { Score::from(10_000) } else { Score::INFINITY };
    implicit_colocation(cluster, "#resource-with-container", r, launcher, score, true);
}

/// The connection that a launcher is, or that it launches.
fn connection_inside(cluster: &Cluster<'_>, launcher: ResourceId) -> Option<ResourceId> {
    let l = cluster.resource(launcher);
    if l.flags.remote_connection {
        return Some(launcher);
    }
    l.launched.iter().copied().find(|x| cluster.resource(*x).flags.remote_connection)
}

/// What is launched inside a guest runs on that guest and nowhere else.
fn pin_to_connection(cluster: &mut Cluster<'_>, r: ResourceId, connection: ResourceId) {
    let nodes = &cluster.nodes;
    let table = &mut cluster.resources[r.index()].table;
    let mut banned = Vec::new();
    for (node, entry) in table.iter_mut() {
        if nodes[node.index()].connection != Some(connection) {
            banned.push((node, entry.score));
            entry.score = Score::MINUS_INFINITY;
        }
    }
    for (node, before) in banned {
        cluster.trace.note(r, node, Some(before), Score::MINUS_INFINITY, Cause::Nesting);
    }
}

/// A colocation that no user wrote.
pub fn implicit_colocation(
    cluster: &mut Cluster<'_>,
    id: &'static str,
    dependent: ResourceId,
    primary: ResourceId,
    score: Score,
    influence: bool,
) {
    cluster.add_colocation(Colocation {
        id: Cow::Borrowed(id),
        dependent,
        primary,
        score,
        dependent_role: Role::Unknown,
        primary_role: Role::Unknown,
        node_attribute: Cow::Borrowed("#uname"),
        influence,
        explicit: false,
    });
}

/// Spec 30 §17.2.
fn group(cluster: &mut Cluster<'_>, g: ResourceId) {
    let Some(params) = cluster.resource(g).as_group() else {
        return;
    };
    order(cluster, (g, Task::Stop), (g, Task::Stopped), Order::FIRST_BLOCKS);
    order(cluster, (g, Task::Stopped), (g, Task::Start), Order::ORDER);
    order(cluster, (g, Task::Start), (g, Task::Running), Order::FIRST_BLOCKS);
    let top = cluster.top(g);
    let mut walk = GroupWalk {
        group: g,
        ordered: params.ordered,
        promotable: cluster.resource(top).flags.promotable,
        previous: None,
        last_active: None,
    };
    for i in 0..cluster.resource(g).children.len() {
        let member = cluster.resource(g).children[i];
        create_for(cluster, member);
        if params.colocated
            && let Some(previous) = walk.previous
        {
            let critical = cluster.resource(member).flags.critical;
            let id = "#group-members";
            implicit_colocation(cluster, id, member, previous, Score::INFINITY, critical);
        }
        walk.member(cluster, member);
    }
}

struct GroupWalk {
    group: ResourceId,
    ordered: bool,
    promotable: bool,
    previous: Option<ResourceId>,
    last_active: Option<ResourceId>,
}

impl GroupWalk {
    fn member(&mut self, cluster: &mut Cluster<'_>, m: ResourceId) {
        let g = self.group;
        let first_ordered = self.ordered && self.previous.is_none();
        let mut down = Order::THEN_GRAPHS_FIRST;
        let mut post_down = Order::FIRST_GRAPHS_THEN;
        if first_ordered {
            down |= Order::ORDER;
            post_down = Order::FIRST_REQ;
        }
        let post_up = Order::FIRST_BLOCKS | Order::FIRST_REQ | Order::FIRST_GRAPHS_THEN;
        if self.promotable {
            order(cluster, (g, Task::Demote), (m, Task::Demote), down);
            order(cluster, (m, Task::Demote), (g, Task::Demoted), post_down);
            order(cluster, (m, Task::Promote), (g, Task::Promoted), post_up);
            order(cluster, (g, Task::Promote), (m, Task::Promote), Order::THEN_GRAPHS_FIRST);
        }
        order(cluster, (g, Task::Stop), (m, Task::Stop), down);
        order(cluster, (m, Task::Stop), (g, Task::Stopped), post_down);
        order(cluster, (g, Task::Start), (m, Task::Start), Order::THEN_GRAPHS_FIRST);
        order(cluster, (m, Task::Start), (g, Task::Running), post_up);
        let strong = Order::FIRST_REQ | Order::FIRST_BLOCKS;
        if !self.ordered {
            let loose = strong | Order::THEN_GRAPHS_FIRST;
            order(cluster, (g, Task::Start), (m, Task::Start), loose);
            if self.promotable {
                order(cluster, (g, Task::Promote), (m, Task::Promote), loose);
            }
        } else if let Some(p) = self.previous {
            self.after_previous(cluster, p, m, strong);
        }
        if !cluster.resource(m).active_on.is_empty() {
            if self.ordered
                && let Some(p) = self.previous
                && cluster.resource(p).active_on.is_empty()
                && let Some(last) = self.last_active
            {
                order(cluster, (m, Task::Stop), (last, Task::Stop), Order::ORDER);
            }
            self.last_active = Some(m);
        }
        self.previous = Some(m);
    }

    fn after_previous(
        &self,
        cluster: &mut Cluster<'_>,
        p: ResourceId,
        m: ResourceId,
        strong: Order,
    ) {
        order(cluster, (p, Task::Start), (m, Task::Start), strong);
        order(cluster, (m, Task::Stop), (p, Task::Stop), Order::ORDER | Order::RESTART);
        let active = |r: ResourceId| !cluster.resource(r).active_on.is_empty();
        if active(m) && !active(p) {
            let flags = Order::THEN_REQ | Order::FIRST_BLOCKS;
            order(cluster, (m, Task::Stop), (p, Task::Start), flags);
        }
        if self.promotable {
            order(cluster, (p, Task::Promote), (m, Task::Promote), strong);
            order(cluster, (m, Task::Demote), (p, Task::Demote), Order::ORDER);
        }
    }
}

/// Spec 30 §17.3.
fn clone(cluster: &mut Cluster<'_>, c: ResourceId) {
    let ordered = cluster.resource(c).as_clone().is_some_and(|p| p.ordered);
    let promotable = cluster.resource(c).flags.promotable;
    order(cluster, (c, Task::Stopped), (c, Task::Start), Order::ORDER);
    order(cluster, (c, Task::Start), (c, Task::Running), Order::FIRST_BLOCKS);
    order(cluster, (c, Task::Stop), (c, Task::Stopped), Order::FIRST_BLOCKS);
    if promotable {
        order(cluster, (c, Task::Demoted), (c, Task::Stop), Order::ORDER);
        order(cluster, (c, Task::Running), (c, Task::Promote), Order::FIRST_BLOCKS);
    }
    if ordered {
        crate::actions::sort_by_number(cluster, c);
    }
    let instances = cluster.resource(c).children.clone();
    for (k, i) in instances.iter().copied().enumerate() {
        create_for(cluster, i);
        let up = Order::FIRST_BLOCKS | Order::THEN_GRAPHS_FIRST;
        order(cluster, (c, Task::Start), (i, Task::Start), up);
        order(cluster, (i, Task::Start), (c, Task::Running), Order::FIRST_GRAPHS_THEN);
        order(cluster, (c, Task::Stop), (i, Task::Stop), Order::THEN_GRAPHS_FIRST);
        order(cluster, (i, Task::Stop), (c, Task::Stopped), Order::FIRST_GRAPHS_THEN);
        if ordered {
            for j in instances[k + 1..].iter().copied() {
                order(cluster, (i, Task::Start), (j, Task::Start), Order::ORDER);
                order(cluster, (j, Task::Stop), (i, Task::Stop), Order::ORDER);
            }
        }
    }
    if promotable {
        role_cycle(cluster, c);
        promotable_instances(cluster, c, &instances, ordered);
    }
}

/// The seven relations of a promotable collective with itself.
fn role_cycle(cluster: &mut Cluster<'_>, c: ResourceId) {
    for (first, then) in [
        (Task::Stopped, Task::Start),
        (Task::Stopped, Task::Promote),
        (Task::Demoted, Task::Stop),
        (Task::Demoted, Task::Start),
        (Task::Demoted, Task::Promote),
        (Task::Running, Task::Promote),
        (Task::Demote, Task::Demoted),
    ] {
        order(cluster, (c, first), (c, then), Order::ORDER);
    }
}

fn promotable_instances(
    cluster: &mut Cluster<'_>,
    c: ResourceId,
    instances: &[ResourceId],
    ordered: bool,
) {
    let mut previous: Option<ResourceId> = None;
    for i in instances.iter().copied() {
        order(cluster, (i, Task::Demote), (i, Task::Promote), Order::ORDER);
        order(cluster, (c, Task::Promote), (i, Task::Promote), Order::ORDER);
        order(cluster, (i, Task::Promote), (c, Task::Promoted), Order::ORDER);
        if let Some(p) = previous.filter(|_| ordered) {
            order(cluster, (p, Task::Promote), (i, Task::Promote), Order::ORDER);
        }
        order(cluster, (c, Task::Demote), (i, Task::Demote), Order::THEN_GRAPHS_FIRST);
        order(cluster, (i, Task::Demote), (c, Task::Demoted), Order::FIRST_GRAPHS_THEN);
        if let Some(p) = previous.filter(|_| ordered) {
            order(cluster, (i, Task::Demote), (p, Task::Demote), Order::ORDER);
        }
        previous = Some(i);
    }
}

/// Spec 30 §17.4.
fn bundle(cluster: &mut Cluster<'_>, b: ResourceId) {
    let Some(params) = cluster.resource(b).as_bundle().cloned() else {
        return;
    };
    for replica in &params.replicas {
        bundle_replica(cluster, b, replica);
    }
    let Some(k) = params.inner else {
        return;
    };
    order(cluster, (b, Task::Start), (k, Task::Start), Order::THEN_GRAPHS_FIRST);
    order(cluster, (k, Task::Running), (b, Task::Running), Order::FIRST_GRAPHS_THEN);
    order(cluster, (b, Task::Stop), (k, Task::Stop), Order::THEN_GRAPHS_FIRST);
    order(cluster, (k, Task::Stopped), (b, Task::Stopped), Order::FIRST_GRAPHS_THEN);
    create_for(cluster, k);
    if cluster.resource(k).flags.promotable {
        role_cycle(cluster, b);
        order(cluster, (b, Task::Demote), (k, Task::Demote), Order::THEN_GRAPHS_FIRST);
        order(cluster, (k, Task::Demoted), (b, Task::Demoted), Order::FIRST_GRAPHS_THEN);
        order(cluster, (b, Task::Promote), (k, Task::Promote), Order::THEN_GRAPHS_FIRST);
        order(cluster, (k, Task::Promoted), (b, Task::Promoted), Order::FIRST_GRAPHS_THEN);
    }
}

fn bundle_replica(cluster: &mut Cluster<'_>, b: ResourceId, replica: &Replica) {
    let container = replica.container;
    create_for(cluster, container);
    let up = Order::FIRST_BLOCKS | Order::THEN_GRAPHS_FIRST;
    order(cluster, (b, Task::Start), (container, Task::Start), up);
    if let Some(child) = replica.child {
        order(cluster, (b, Task::Stop), (child, Task::Stop), Order::THEN_GRAPHS_FIRST);
    }
    order(cluster, (b, Task::Stop), (container, Task::Stop), Order::THEN_GRAPHS_FIRST);
    order(cluster, (container, Task::Start), (b, Task::Running), Order::FIRST_GRAPHS_THEN);
    order(cluster, (container, Task::Stop), (b, Task::Stopped), Order::FIRST_GRAPHS_THEN);
    if let Some(ip) = replica.ip {
        create_for(cluster, ip);
        let before = Order::FIRST_BLOCKS | Order::GUEST_OK;
        order(cluster, (ip, Task::Start), (container, Task::Start), before);
        let after = Order::THEN_REQ | Order::GUEST_OK;
        order(cluster, (container, Task::Stop), (ip, Task::Stop), after);
        let id = "#ip-with-container";
        implicit_colocation(cluster, id, ip, container, Score::INFINITY, true);
    }
    if let Some(connection) = replica.connection {
        create_for(cluster, connection);
    }
}
