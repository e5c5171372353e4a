//! Which instance of a clone, or container of a bundle, is placed first (spec 21 §3).

use super::colocation::influence::has_influence;
use super::colocation::lists::{self, Direction};
use super::colocation::merge::{self, Mode};
use crate::model::cluster::Cluster;
use crate::model::ids::{NodeId, ResourceId};
use crate::model::merge_sort::merge_sort;
use crate::model::resource::Variant;
use cib_model::Score;
use std::cmp::Ordering;

/// What the order depends on, for one instance.
#[derive(Debug, Clone)]
pub(super) struct SortKey {
    instance: ResourceId,
    active_nodes: usize,
    allowed: bool,
    /// None also where the instance is not allowed to stay.
    current: Option<NodeId>,
    priority: Score,
    available: bool,
    /// Instances counted on the current node, if the parent may use it.
    neighbours: Option<u32>,
    failed: bool,
    number: u64,
    colocation_score: Option<Score>,
}

impl SortKey {
    pub(super) fn of(cluster: &Cluster<'_>, parent: ResourceId, instance: ResourceId) -> SortKey {
        let r = cluster.resource(instance);
        let at = cluster.current_node(instance);
        let allowed = at.is_none_or(|n| r.table.get(n).is_some_and(|e| e.score >= Score::ZERO));
        let current = at.filter(|_| allowed);
        let table = &cluster.resource(parent).table;
        SortKey {
            instance,
            active_nodes: r.active_on.len(),
            allowed,
            current,
            priority: r.priority,
            available: current.is_some_and(|n| cluster.node(n).available()),
            neighbours: current.and_then(|n| table.get(n)).map(|e| e.count),
            failed: r.flags.failed || r.children.iter().any(|c| cluster.resource(*c).flags.failed),
            number: number(cluster, parent, instance),
            colocation_score: None,
        }
    }
}

/// Number of an instance or replica.
fn number(cluster: &Cluster<'_>, parent: ResourceId, instance: ResourceId) -> u64 {
    match &cluster.resource(parent).variant {
        Variant::Bundle(b) => {
            b.replicas.iter().find(|r| r.container == instance).map_or(0, |r| u64::from(r.offset))
        }
        _ => cluster.resource(instance).instance.map_or(0, u64::from),
    }
}

/// Instances of a clone or bundle in order of placement.
pub(super) fn sort_instances(
    cluster: &mut Cluster<'_>,
    parent: ResourceId,
    instances: Vec<ResourceId>,
) -> Vec<ResourceId> {
    let mut keys: Vec<SortKey> =
        instances.iter().map(|i| SortKey::of(cluster, parent, *i)).collect();
    let mut positions: Vec<usize> = (0..instances.len()).collect();
    merge_sort(&mut positions, &mut |a, b| compare(cluster, &mut keys, *a, *b));
    positions.into_iter().map(|i| instances[i]).collect()
}

/// Compares two of the keys; `Less`: the first is placed first.
pub(super) fn compare(
    cluster: &mut Cluster<'_>,
    keys: &mut [SortKey],
    a: usize,
    b: usize,
) -> Ordering {
    let (x, y) = (&keys[a], &keys[b]);
    if x.active_nodes > 0 && y.active_nodes > 0 && x.active_nodes != y.active_nodes {
        return x.active_nodes.cmp(&y.active_nodes);
    }
    let decided = y.allowed.cmp(&x.allowed).then_with(|| y.priority.cmp(&x.priority));
    if decided != Ordering::Equal {
        return decided;
    }
    if x.current.is_none() || y.current.is_none() {
        return y.current.is_some().cmp(&x.current.is_some());
    }
    if x.available != y.available {
        return y.available.cmp(&x.available);
    }
    let (Some(nx), Some(ny)) = (x.neighbours, y.neighbours) else {
        return y.neighbours.is_some().cmp(&x.neighbours.is_some());
    };
    let decided = nx.cmp(&ny).then_with(|| x.failed.cmp(&y.failed));
    if decided != Ordering::Equal {
        return decided;
    }
    let (sx, sy) = (colocation_score(cluster, keys, a), colocation_score(cluster, keys, b));
    sy.cmp(&sx).then_with(|| keys[a].number.cmp(&keys[b].number))
}

/// How much what it is colocated with likes an instance's current node (criterion 9).
fn colocation_score(cluster: &mut Cluster<'_>, keys: &mut [SortKey], i: usize) -> Score {
    if let Some(known) = keys[i].colocation_score {
        return known;
    }
    let Some(node) = keys[i].current else { return Score::ZERO };
    let instance = keys[i].instance;
    let mut score = cluster.node(node).score;
    let mode =
        |positive_only| Mode { rollback: false, positive_only, direction: Direction::WithThis };
    for c in lists::this_with(cluster, instance) {
        let source = cluster.colocation(c).primary;
        score = merge::into_single_node(cluster, source, instance, (node, score), c, mode(false));
    }
    for c in lists::with_this(cluster, instance) {
        if has_influence(cluster, c, Some(instance)) {
            let source = cluster.colocation(c).dependent;
            score =
                merge::into_single_node(cluster, source, instance, (node, score), c, mode(true));
        }
    }
    keys[i].colocation_score = Some(score);
    score
}
