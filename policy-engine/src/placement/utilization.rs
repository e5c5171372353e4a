//! Node capacity and what resources take of it (spec 20 §8).

use super::colocation::apply::{Effect, effect_of_roles};
use super::colocation::lists;
use super::preference::iteration_order;
use super::with_stack;
use crate::model::cluster::Cluster;
use crate::model::ids::{NodeId, ResourceId};
use crate::model::node::Node;
use crate::model::options::PlacementStrategy;
use crate::model::resource::Variant;
use crate::model::trace::Cause;
use cib_model::Score;
use cib_model::scalar::parse_integer;
use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

/// Needs by attribute name.
type Needs = BTreeMap<String, i32>;

/// A utilization value; what is no integer counts as the smallest there is.
fn amount(text: &str) -> i32 {
    let clamp = |v: i64| v.clamp(i64::from(i32::MIN), i64::from(i32::MAX)) as i32;
    parse_integer(text).map_or(i32::MIN, clamp)
}

/// Which node has more capacity left: that one first.
pub(super) fn compare_capacity(x: &Node<'_>, y: &Node<'_>) -> Ordering {
    let value = |n: &Node<'_>, name: &str| n.capacity.get(name).copied().unwrap_or(0);
    let only_y = y.capacity.keys().filter(|k| !x.capacity.contains_key(*k));
    let balance: i32 = x
        .capacity
        .keys()
        .chain(only_y)
        .map(|name| match value(x, name).cmp(&value(y, name)) {
            Ordering::Less => 1,
            Ordering::Equal => 0,
            Ordering::Greater => -1,
        })
        .sum();
    balance.cmp(&0)
}

/// Takes a primitive's needs from a node's capacity.
pub(super) fn consume(cluster: &mut Cluster<'_>, r: ResourceId, node: NodeId) {
    change(cluster, r, node, i32::saturating_sub);
}

/// Gives a primitive's needs back.
pub(super) fn give_back(cluster: &mut Cluster<'_>, r: ResourceId, node: NodeId) {
    change(cluster, r, node, i32::saturating_add);
}

/// An attribute that the node lacks starts at 0 with the first change, which counts for nothing itself.
fn change(cluster: &mut Cluster<'_>, r: ResourceId, node: NodeId, by: fn(i32, i32) -> i32) {
    let capacity = &mut cluster.nodes[node.index()].capacity;
    for (name, value) in &cluster.resources[r.index()].utilization {
        capacity
            .entry(name.clone())
            .and_modify(|left| *left = by(*left, amount(value)))
            .or_insert(0);
    }
}

/// Bans the nodes that cannot hold the resource together with what must be with it; if none can, those
/// that cannot hold it alone, and then the most capable node is to be preferred (spec 20 §8.2).
pub(super) fn ban_incapable(cluster: &mut Cluster<'_>, r: ResourceId) -> Option<NodeId> {
    if cluster.options.placement_strategy == PlacementStrategy::Default {
        return None;
    }
    let needs = needs_of_set(cluster, r);
    let candidates: Vec<NodeId> = iteration_order(cluster, &cluster.resource(r).table)
        .into_iter()
        .filter(|n| {
            let score = cluster.resource(r).table.get(*n).map(|e| e.score);
            cluster.node(*n).available() && score.is_some_and(|s| s >= Score::ZERO)
        })
        .collect();
    let mut most_capable: Option<NodeId> = None;
    let mut some_fits = false;
    for node in &candidates {
        some_fits |= fits(cluster.node(*node), &needs);
        let better = most_capable.is_none_or(|m| {
            compare_capacity(cluster.node(*node), cluster.node(m)) == Ordering::Less
        });
        if better {
            most_capable = Some(*node);
        }
    }
    let needs = if some_fits { needs } else { own_needs(cluster, r) };
    for node in candidates {
        if !fits(cluster.node(node), &needs) {
            cluster.add_score(r, node, Score::MINUS_INFINITY, Cause::Utilization);
        }
    }
    most_capable.filter(|_| !some_fits)
}

fn fits(node: &Node<'_>, needs: &Needs) -> bool {
    needs.iter().all(|(name, need)| node.capacity.get(name.as_str()).copied().unwrap_or(0) >= *need)
}

fn own_needs(cluster: &Cluster<'_>, r: ResourceId) -> Needs {
    let mut needs = Needs::new();
    add_needs(cluster, r, &mut needs);
    needs
}

fn add_needs(cluster: &Cluster<'_>, r: ResourceId, needs: &mut Needs) {
    for (name, value) in &cluster.resource(r).utilization {
        let sum = needs.entry(name.to_string()).or_insert(0);
        *sum = sum.saturating_add(amount(value));
    }
}

fn needs_of_set(cluster: &Cluster<'_>, r: ResourceId) -> Needs {
    let mut set = BTreeSet::new();
    collect(cluster, r, r, &mut set);
    let mut needs = Needs::new();
    for member in &set {
        if cluster.resource(*member).flags.unassigned {
            add_unassigned_needs(cluster, *member, &set, &mut needs);
        }
    }
    needs
}

/// Collects what must be on the same node.
fn collect(
    cluster: &Cluster<'_>,
    x: ResourceId,
    asked: ResourceId,
    set: &mut BTreeSet<ResourceId>,
) {
    if set.contains(&x) {
        return;
    }
    let resource = cluster.resource(x);
    let in_clone = resource.parent.is_some_and(|p| cluster.resource(p).is_clone());
    set.insert(x);
    if resource.as_group().is_some_and(|g| g.colocated || in_clone) {
        for member in &resource.children {
            with_stack(|| collect(cluster, *member, asked, set));
        }
        return;
    }
    let together = |dependent: ResourceId, primary: ResourceId, c| {
        cluster.colocation(c).score == Score::INFINITY
            && effect_of_roles(cluster, dependent, primary, c, true) == Effect::Location
    };
    for c in lists::this_with(cluster, x) {
        let primary = cluster.colocation(c).primary;
        if primary != asked && together(x, primary, c) {
            with_stack(|| collect(cluster, primary, asked, set));
        }
    }
    for c in lists::with_this(cluster, x) {
        let dependent = cluster.colocation(c).dependent;
        if resource.is_clone() && !cluster.resource(dependent).is_clone() {
            continue;
        }
        if dependent != asked && together(dependent, x, c) {
            with_stack(|| collect(cluster, dependent, asked, set));
        }
    }
}

/// Adds what a member of the set still has to take.
fn add_unassigned_needs(
    cluster: &Cluster<'_>,
    r: ResourceId,
    set: &BTreeSet<ResourceId>,
    needs: &mut Needs,
) {
    let resource = cluster.resource(r);
    if !resource.flags.unassigned {
        return;
    }
    match &resource.variant {
        Variant::Primitive => add_needs(cluster, r, needs),
        Variant::Group(group) => {
            let in_clone = resource.parent.is_some_and(|p| cluster.resource(p).is_clone());
            if group.colocated || in_clone {
                let others = resource.children.iter().filter(|c| !set.contains(c));
                for member in others.filter(|c| cluster.resource(**c).flags.unassigned) {
                    add_needs(cluster, *member, needs);
                }
            } else if let Some(first) = resource.children.first()
                && cluster.resource(*first).flags.unassigned
                && !set.contains(first)
            {
                add_needs(cluster, *first, needs);
            }
        }
        Variant::Clone(_) => add_clone_needs(cluster, r, set, needs),
        Variant::Bundle(bundle) => {
            if let Some(first) = bundle.replicas.first() {
                add_unassigned_needs(cluster, first.container, set, needs);
            }
        }
    }
}

fn add_clone_needs(
    cluster: &Cluster<'_>,
    r: ResourceId,
    set: &BTreeSet<ResourceId>,
    needs: &mut Needs,
) {
    let instances = &cluster.resource(r).children;
    for instance in instances {
        if set.contains(instance) {
            return;
        }
        if cluster.resource(*instance).children.iter().any(|c| set.contains(c)) {
            add_unassigned_needs(cluster, *instance, set, needs);
            return;
        }
    }
    if let Some(first) = instances.first() {
        add_unassigned_needs(cluster, *first, set, needs);
    }
}
