//! In which order top-level resources are placed (spec 20 §5.1, §5.2).

use super::colocation::merge;
use super::preference::node_preference;
use super::{Wish, place, report};
use crate::model::cluster::Cluster;
use crate::model::ids::{NodeId, ResourceId};
use crate::model::merge_sort::merge_sort;
use crate::model::options::PlacementStrategy;
use crate::model::table::NodeTable;
use cib_model::Score;
use std::cmp::Ordering;

/// Places every resource: fills tables, assignments, next roles and score lines.
pub fn assign(cluster: &mut Cluster<'_>) {
    for resource in &mut cluster.resources {
        resource.flags.unassigned = true;
        resource.flags.assigning = false;
    }
    if cluster.options.placement_strategy != PlacementStrategy::Default {
        sort_resources(cluster);
    }
    report::capacities(cluster, "Original");
    let order = cluster.order.clone();
    let connections = cluster.nodes.iter().any(|n| n.is_pacemaker_remote());
    let is_connection =
        |c: &Cluster<'_>, r: ResourceId| connections && c.resource(r).flags.remote_connection;
    for r in &order {
        if is_connection(cluster, *r) {
            let preferred = cluster.resource(*r).partial_migration_target;
            place(cluster, *r, Wish { preferred, last: true });
        }
    }
    for r in &order {
        if !is_connection(cluster, *r) {
            place(cluster, *r, Wish::ANYWHERE);
        }
    }
    report::capacities(cluster, "Remaining");
}

/// What the order of two resources depends on.
struct SortKey {
    priority: Score,
    at_current: Score,
    table: NodeTable,
}

impl SortKey {
    fn of(cluster: &mut Cluster<'_>, r: ResourceId) -> SortKey {
        let table = merge::extended_table(cluster, r);
        let current = cluster.current_node(r);
        let at_current = current.map_or(Score::MINUS_INFINITY, |n| score_at(&table, n));
        SortKey { priority: cluster.resource(r).priority, at_current, table }
    }
}

fn score_at(table: &NodeTable, node: NodeId) -> Score {
    table.get(node).map_or(Score::MINUS_INFINITY, |e| e.score)
}

fn sort_resources(cluster: &mut Cluster<'_>) {
    let mut base = NodeTable::default();
    for node in &cluster.node_order {
        base.insert(*node, cluster.base_entry(*node));
    }
    let nodes = node_preference(cluster, &base, None);
    let order = cluster.order.clone();
    let keys: Vec<SortKey> = order.iter().map(|r| SortKey::of(cluster, *r)).collect();
    let mut positions: Vec<usize> = (0..order.len()).collect();
    merge_sort(&mut positions, &mut |a, b| {
        let (a, b) = (&keys[*a], &keys[*b]);
        let by_node = |n: &NodeId| score_at(&b.table, *n).cmp(&score_at(&a.table, *n));
        b.priority.cmp(&a.priority).then(b.at_current.cmp(&a.at_current)).then_with(|| {
            nodes.iter().map(by_node).find(|o| *o != Ordering::Equal).unwrap_or(Ordering::Equal)
        })
    });
    cluster.order = positions.into_iter().map(|i| order[i]).collect();
}
