//! Node preference: the better of two nodes for a resource (spec 20 §5.5).

use super::hash_order::hash_order;
use super::utilization;
use crate::model::cluster::Cluster;
use crate::model::ids::NodeId;
use crate::model::merge_sort::merge_sort;
use crate::model::options::PlacementStrategy;
use crate::model::table::NodeTable;
use cib_model::Score;
use std::cmp::Ordering;

/// Nodes of a table, best first. `current`: where the resource being placed is.
pub fn node_preference(
    cluster: &Cluster<'_>,
    table: &NodeTable,
    current: Option<NodeId>,
) -> Vec<NodeId> {
    let balanced = cluster.options.placement_strategy == PlacementStrategy::Balanced;
    let nodes = if balanced {
        let mut nodes = iteration_order(cluster, table);
        nodes.reverse();
        nodes
    } else {
        table.iter().map(|(n, _)| n).collect()
    };
    let mut keyed: Vec<(NodeId, Score)> = nodes
        .into_iter()
        .map(|n| {
            let score = table.get(n).map_or(Score::MINUS_INFINITY, |e| e.score);
            let available = cluster.node(n).available();
            (n, if available { score } else { Score::MINUS_INFINITY })
        })
        .collect();
    merge_sort(&mut keyed, &mut |x, y| compare(cluster, *x, *y, current));
    keyed.into_iter().map(|(n, _)| n).collect()
}

/// Nodes of a table in the order in which the reference walks it (spec 20 §10.3).
pub(super) fn iteration_order(cluster: &Cluster<'_>, table: &NodeTable) -> Vec<NodeId> {
    let nodes: Vec<NodeId> =
        cluster.node_order.iter().copied().filter(|n| table.contains(*n)).collect();
    let ids: Vec<&str> = nodes.iter().map(|n| &*cluster.node(*n).id).collect();
    hash_order(&ids).into_iter().map(|i| nodes[i]).collect()
}

fn compare(
    cluster: &Cluster<'_>,
    (x, x_score): (NodeId, Score),
    (y, y_score): (NodeId, Score),
    current: Option<NodeId>,
) -> Ordering {
    if x_score != y_score {
        return y_score.cmp(&x_score);
    }
    let (nx, ny) = (cluster.node(x), cluster.node(y));
    let strategy = cluster.options.placement_strategy;
    if strategy == PlacementStrategy::Balanced {
        let by_capacity = utilization::compare_capacity(nx, ny);
        if by_capacity != Ordering::Equal {
            return by_capacity;
        }
    }
    if strategy != PlacementStrategy::Minimal {
        let by_load = nx.assigned_count.cmp(&ny.assigned_count);
        if by_load != Ordering::Equal {
            return by_load;
        }
        if x != y && current == Some(x) {
            return Ordering::Less;
        }
        if x != y && current == Some(y) {
            return Ordering::Greater;
        }
    }
    nx.name.as_bytes().cmp(ny.name.as_bytes())
}
