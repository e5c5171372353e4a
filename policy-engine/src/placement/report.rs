//! Score and utilization lines, in order of emission (spec 20 §9).

use super::hash_order::hash_order;
use crate::model::cluster::Cluster;
use crate::model::ids::{NodeId, ResourceId};
use crate::model::score_line::{AssignStage, ScoreLine};
use cib_model::Score;

/// One line per entry of a resource's table; none for a removed resource.
pub(super) fn table(cluster: &mut Cluster<'_>, r: ResourceId, stage: AssignStage) {
    if cluster.resource(r).flags.removed {
        return;
    }
    cluster.trace.reported(r, stage);
    if !cluster.switches.scores {
        return;
    }
    for i in 0..cluster.node_order.len() {
        let node = cluster.node_order[i];
        let resource = cluster.resource(r);
        let Some(entry) = resource.table.get(node) else { continue };
        let line = ScoreLine::Allocation {
            stage,
            resource: resource.id.clone(),
            node: cluster.node(node).name.as_ref().into(),
            score: entry.score,
        };
        cluster.score_lines.push(line);
    }
}

/// The table of a collective, then those of its parts.
pub(super) fn tree(cluster: &mut Cluster<'_>, r: ResourceId, stage: AssignStage) {
    let asked = cluster.switches.scores || cluster.trace.enabled;
    if !asked || cluster.resource(r).flags.removed {
        return;
    }
    table(cluster, r, stage);
    for i in 0..cluster.resource(r).children.len() {
        let child = cluster.resource(r).children[i];
        tree(cluster, child, stage);
    }
}

/// The line of an instance whose role is being chosen.
pub(super) fn promotion(
    cluster: &mut Cluster<'_>,
    r: ResourceId,
    node: Option<NodeId>,
    score: Score,
) {
    if cluster.switches.scores {
        let line = ScoreLine::Promotion {
            resource: cluster.resource(r).id.clone(),
            node: node.map(|n| cluster.node(n).name.as_ref().into()),
            score,
        };
        cluster.score_lines.push(line);
    }
}

/// Remaining capacity of all nodes but those of bundles.
pub(super) fn capacities(cluster: &mut Cluster<'_>, comment: &'static str) {
    if !cluster.switches.utilization {
        return;
    }
    for i in 0..cluster.node_order.len() {
        let node = cluster.node_order[i];
        if cluster.is_bundle_node(node) {
            continue;
        }
        let n = cluster.node(node);
        let values = n.capacity.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect();
        let line = ScoreLine::Capacity {
            comment,
            node: n.name.as_ref().into(),
            values: in_table_order(values),
        };
        cluster.score_lines.push(line);
    }
}

/// What a placed primitive takes from its node.
pub(super) fn utilization(cluster: &mut Cluster<'_>, r: ResourceId, node: NodeId) {
    if !cluster.switches.utilization {
        return;
    }
    let resource = cluster.resource(r);
    let values = resource.utilization.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect();
    let line = ScoreLine::Utilization {
        resource: resource.id.clone(),
        node: cluster.node(node).name.as_ref().into(),
        values: in_table_order(values),
    };
    cluster.score_lines.push(line);
}

fn in_table_order(values: Vec<(String, String)>) -> Vec<(String, String)> {
    let names: Vec<&str> = values.iter().map(|(k, _)| k.as_str()).collect();
    hash_order(&names).into_iter().map(|i| values[i].clone()).collect()
}
