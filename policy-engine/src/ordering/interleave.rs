//! Orderings between interleaved clones: instance by instance, on the same node (spec 30 §21).

use super::effective::{effective, instances_for};
use super::evaluate::{self, Changed};
use crate::model::action::Order;
use crate::model::cluster::Cluster;
use crate::model::ids::{ActionId, NodeId, ResourceId};
use crate::model::resource::Variant;
use crate::model::task::{Key, Task};
use crate::placement;

/// Has the collective `interleave`?
pub fn is_interleaved(cluster: &Cluster<'_>, r: ResourceId) -> bool {
    cluster.resource(r).meta("interleave").and_then(cib_model::scalar::parse_boolean) == Some(true)
}

/// Is the ordering of the two actions one between instances?
pub fn applies(cluster: &Cluster<'_>, first: ActionId, then: ActionId) -> bool {
    let (Some(f), Some(t)) = (cluster.actions[first].resource, cluster.actions[then].resource)
    else {
        return false;
    };
    let collective =
        |r: ResourceId| cluster.resource(r).is_clone() || cluster.resource(r).is_bundle();
    if f == t || !collective(f) || !collective(t) {
        return false;
    }
    let key = cluster.actions[then].key;
    let backwards = key.ends_in(Task::Stop) || key.ends_in(Task::Demote);
    is_interleaved(cluster, if backwards { f } else { t })
}

/// Evaluates one flag instance by instance.
pub fn apply(
    cluster: &mut Cluster<'_>,
    first: ActionId,
    then: ActionId,
    flag: Order,
    node: Option<NodeId>,
) -> Changed {
    let mut changed = Changed::default();
    let (Some(f), Some(t)) = (cluster.actions[first].resource, cluster.actions[then].resource)
    else {
        return changed;
    };
    let first_key = cluster.actions[first].key;
    let current = first_key.ends_in(Task::Stopped) || first_key.ends_in(Task::Demoted);
    let instances: Vec<_> = instances_for(cluster, t, Task::Start).collect();
    for instance in instances {
        let Some(partner) = partner(cluster, instance, f, current) else {
            if !current && (flag == Order::FIRST_BLOCKS || flag == Order::FIRST_REQ) {
                changed.then |= unassign(cluster, instance);
            }
            continue;
        };
        changed.join(apply_pair(cluster, first, then, (partner, instance), flag, node));
    }
    changed
}

/// An instance whose partner is missing will not run. True if it had a node until now.
fn unassign(cluster: &mut Cluster<'_>, instance: ResourceId) -> bool {
    let mut any = false;
    for leaf in cluster.leaves(instance) {
        any |= cluster.resource(leaf).assigned.is_some();
        placement::unassign(cluster, leaf);
    }
    any
}

fn apply_pair(
    cluster: &mut Cluster<'_>,
    first: ActionId,
    then: ActionId,
    pair: (ResourceId, ResourceId),
    flag: Order,
    node: Option<NodeId>,
) -> Changed {
    let (Some(f), Some(t)) = (cluster.actions[first].resource, cluster.actions[then].resource)
    else {
        return Changed::default();
    };
    let own = match cluster.actions[first].key {
        Key::Notify { task, .. } => task,
        _ => cluster.actions[first].task,
    };
    let plain_children = cluster.resource(f).is_bundle()
        || cluster
            .resource(f)
            .children
            .first()
            .is_some_and(|c| cluster.resource(*c).is_primitive());
    let first_task = if plain_children { own.plain() } else { own };
    let then_task = cluster.actions[then].task;
    let leaving = matches!(own, Task::Stop | Task::Stopped);
    let role_change =
        matches!(then_task, Task::Promote | Task::Promoted | Task::Demote | Task::Demoted);
    let (fr, f_node) = part(cluster, f, pair.0, !leaving, node);
    let (tr, t_node) = part(cluster, t, pair.1, role_change, node);
    let (Some(fa), Some(ta)) = (
        cluster.actions.newest(fr, first_task, f_node),
        cluster.actions.newest(tr, then_task, t_node),
    ) else {
        return Changed::default();
    };
    let mut changed = Changed::default();
    if cluster.actions.relate(fa, ta, flag) {
        changed = Changed { first: true, then: true };
    }
    let seen = effective(cluster, fa, node);
    changed.join(evaluate::apply(cluster, fa, ta, seen, flag, node));
    changed
}

/// For a bundle's container: the instance inside, if wanted and there is one; that one's actions are
/// looked up on any node.
fn part(
    cluster: &Cluster<'_>,
    collective: ResourceId,
    instance: ResourceId,
    inside: bool,
    node: Option<NodeId>,
) -> (ResourceId, Option<NodeId>) {
    let child = cluster
        .resource(collective)
        .as_bundle()
        .filter(|_| inside)
        .and_then(|b| b.replicas.iter().find(|r| r.container == instance))
        .and_then(|r| r.child);
    match child {
        Some(child) => (child, None),
        None => (instance, node),
    }
}

/// The instance of collective `f` that goes with `instance`: on the same node, now or as planned.
pub fn partner(
    cluster: &Cluster<'_>,
    instance: ResourceId,
    f: ResourceId,
    current: bool,
) -> Option<ResourceId> {
    let at = |node: NodeId| {
        instances_for(cluster, f, Task::Start)
            .find(|c| !any_blocked(cluster, *c) && location(cluster, *c, current) == Some(node))
    };
    if let Some(node) = location(cluster, instance, current) {
        return at(node);
    }
    let table = &cluster.resource(instance).table;
    placement::node_preference(cluster, table, None).into_iter().find_map(at)
}

fn any_blocked(cluster: &Cluster<'_>, r: ResourceId) -> bool {
    let res = cluster.resource(r);
    res.flags.blocked || res.children.iter().any(|c| any_blocked(cluster, *c))
}

/// The one node of a resource's primitives, now or as planned.
fn location(cluster: &Cluster<'_>, r: ResourceId, current: bool) -> Option<NodeId> {
    if !current {
        return cluster.assigned_node(r);
    }
    if matches!(cluster.resource(r).variant, Variant::Primitive) {
        return cluster.current_node(r);
    }
    let mut found = None;
    for leaf in cluster.leaves(r) {
        match (cluster.current_node(leaf), found) {
            (None, _) => {}
            (node, None) => found = node,
            (Some(a), Some(b)) if a == b => {}
            _ => return None,
        }
    }
    found
}
