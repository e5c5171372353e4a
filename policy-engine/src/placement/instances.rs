//! Placement of the instances of a clone, or of the containers of a bundle (spec 21 §4).

use super::primitive::undo;
use super::{Wish, place as place_resource};
use crate::model::cluster::Cluster;
use crate::model::ids::{NodeId, ResourceId};
use crate::model::table::NodeTable;
use crate::model::trace::{Cause, Choice};
use cib_model::Score;

/// How many instances there may be.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// In all.
    pub total: u32,
    /// On one node.
    pub per_node: u32,
}

impl Limits {
    /// No instance at all.
    pub const NONE: Limits = Limits { total: 0, per_node: 0 };
}

/// Places instances in the given order: first those that may stay where they are, then the rest.
pub(super) fn place_all(
    cluster: &mut Cluster<'_>,
    k: ResourceId,
    instances: &[ResourceId],
    limits: Limits,
) {
    for (_, entry) in cluster.resource_mut(k).table.iter_mut() {
        entry.count = 0;
    }
    let table = &cluster.resource(k).table;
    let available = table.iter().filter(|(n, _)| cluster.node(*n).available()).count() as u32;
    let per_node = limits.total.checked_div(available).unwrap_or(1).max(1);
    let mut assigned = 0;
    for instance in instances {
        if assigned >= limits.total {
            break;
        }
        if let Some(current) = may_stay(cluster, k, *instance, per_node)
            && try_current(cluster, k, *instance, current, limits.total - assigned, limits.per_node)
        {
            assigned += 1;
        }
    }
    for instance in instances {
        if !cluster.resource(*instance).flags.unassigned {
            continue;
        }
        if assigned >= limits.total {
            let cause = Cause::InstanceLimit;
            cluster.add_score_everywhere(*instance, Score::MINUS_INFINITY, cause);
            note_surplus(cluster, *instance);
        } else if place_one(cluster, k, *instance, Wish::ANYWHERE, limits.per_node).is_some() {
            assigned += 1;
        }
    }
}

/// The current node of an instance that is worth an attempt to keep it there.
fn may_stay(
    cluster: &Cluster<'_>,
    k: ResourceId,
    instance: ResourceId,
    per_node: u32,
) -> Option<NodeId> {
    let r = cluster.resource(instance);
    if !r.flags.unassigned || r.active_on.is_empty() || r.flags.failed {
        return None;
    }
    let current = cluster.current_node(instance)?;
    let node = cluster.node(current);
    let crowded = cluster.resource(k).table.get(current).is_some_and(|e| e.count >= per_node);
    (node.available() && node.score >= Score::ZERO && !crowded).then_some(current)
}

/// Node tables of a resource and its parts.
fn save_tables(cluster: &Cluster<'_>, r: ResourceId, out: &mut Vec<(ResourceId, NodeTable)>) {
    out.push((r, cluster.resource(r).table.clone()));
    for child in &cluster.resource(r).children {
        save_tables(cluster, *child, out);
    }
}

/// Notes for explanations that no instance may be added.
fn note_surplus(cluster: &mut Cluster<'_>, instance: ResourceId) {
    if cluster.trace.enabled {
        for leaf in cluster.leaves(instance) {
            cluster.trace.chose(leaf, || Choice::TooManyInstances);
        }
    }
}

/// Notes for explanations that a table goes back to what it was.
fn note_undone(cluster: &mut Cluster<'_>, r: ResourceId, saved: &NodeTable) {
    if !cluster.trace.enabled {
        return;
    }
    for (node, entry) in saved.iter() {
        let before = cluster.resources[r.index()].table.get(node).map(|e| e.score);
        if before != Some(entry.score) {
            cluster.trace.note(r, node, before, entry.score, Cause::Undone);
        }
    }
}

/// Tries to leave an instance where it is. Nodes it likes better each stand for one instance still to
/// be placed; if there are as many as instances, it cannot stay (spec 21 §4.1).
fn try_current(
    cluster: &mut Cluster<'_>,
    k: ResourceId,
    instance: ResourceId,
    current: NodeId,
    available: u32,
    per_node: u32,
) -> bool {
    let entry = cluster.resource(instance).table.get(current);
    if entry.is_none_or(|e| e.score < Score::ZERO) || !cluster.node(current).available() {
        return false;
    }
    let mut saved = Vec::new();
    save_tables(cluster, instance, &mut saved);
    let counters = cluster.resource(k).table.clone();
    let wish = Wish { preferred: Some(current), last: false };
    let mut stays = false;
    let mut reserved = 0;
    while reserved < available {
        let chosen = place_one(cluster, k, instance, wish, per_node);
        if chosen == Some(current) {
            stays = true;
            break;
        }
        for (r, table) in &saved {
            note_undone(cluster, *r, table);
            cluster.resource_mut(*r).table.clone_from(table);
        }
        if chosen.is_none() {
            cluster.resource_mut(instance).flags.unassigned = true;
            break;
        }
        reserved += 1;
        undo(cluster, instance);
    }
    cluster.resource_mut(k).table = counters;
    if stays && let Some(entry) = cluster.resource_mut(k).table.get_mut(current) {
        entry.count += 1;
    }
    stays
}

/// Places one instance where the collective lets it (spec 21 §4.2).
fn place_one(
    cluster: &mut Cluster<'_>,
    k: ResourceId,
    instance: ResourceId,
    wish: Wish,
    per_node: u32,
) -> Option<NodeId> {
    if cluster.resource(instance).flags.assigning {
        return None;
    }
    ban_closed_nodes(cluster, k, instance, per_node);
    let chosen = place_resource(cluster, instance, wish);
    if let Some(node) = chosen
        && let Some(entry) = cluster.resource_mut(k).table.get_mut(node)
    {
        entry.count += 1;
    }
    chosen
}

fn ban_closed_nodes(cluster: &mut Cluster<'_>, k: ResourceId, instance: ResourceId, per_node: u32) {
    let removed = cluster.resource(instance).flags.removed;
    let gate = &cluster.resource(k).table;
    let closed: Vec<NodeId> = cluster
        .resource(instance)
        .table
        .iter()
        .map(|(n, _)| n)
        .filter(|n| {
            let open = gate.get(*n).is_some_and(|e| e.score >= Score::ZERO && e.count < per_node);
            removed || !open || !cluster.node(*n).available()
        })
        .collect();
    let mut parts = vec![instance];
    parts.extend(&cluster.resource(instance).children);
    for r in parts {
        for node in &closed {
            let Some(entry) = cluster.resources[r.index()].table.get_mut(*node) else { continue };
            let before = entry.score;
            entry.score = Score::MINUS_INFINITY;
            let cause = Cause::InstanceLimit;
            cluster.trace.note(r, *node, Some(before), Score::MINUS_INFINITY, cause);
        }
    }
}
