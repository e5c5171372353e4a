//! What decides on nodes before any resource is placed, in this order (spec 10 §14).

mod discovery;
mod locations;
mod locks;
mod stickiness;

use crate::model::cluster::Cluster;
use crate::model::ids::{NodeId, ResourceId};
use crate::model::task::Task;
use crate::model::trace::Cause;
use cib_model::Score;
use std::ops::Bound;

/// Applies all criteria.
pub(super) fn apply(cluster: &mut Cluster<'_>) {
    if cluster.options.shutdown_lock {
        locks::apply(cluster);
    }
    locations::apply_all(cluster);
    stickiness::apply(cluster);
    for i in 0..cluster.node_order.len() {
        let node = cluster.node_order[i];
        let any_failures = has_fail_counts(cluster, node);
        for j in 0..cluster.order.len() {
            let top = cluster.order[j];
            if any_failures {
                ban_failed(cluster, top, node);
            }
            discovery::ban_outside(cluster, top, node);
        }
    }
}

fn has_fail_counts(cluster: &Cluster<'_>, node: NodeId) -> bool {
    let prefix = "fail-count-";
    let attributes = &cluster.node(node).attributes;
    let from = (Bound::Included(prefix), Bound::Unbounded);
    attributes.range::<str, _>(from).next().is_some_and(|(name, _)| name.starts_with(prefix))
}

/// Bans what has failed too often on a node.
fn ban_failed(cluster: &mut Cluster<'_>, top: ResourceId, node: NodeId) {
    for leaf in cluster.leaves(top) {
        let cleared = cluster.actions.newest(leaf, Task::ClearFailcount, Some(node)).is_some();
        if !cleared && cluster.reached_migration_threshold(leaf, node) {
            let unique = cluster.resource(leaf).flags.unique;
            let banned = if unique { leaf } else { cluster.top(leaf) };
            cluster.add_score(banned, node, Score::MINUS_INFINITY, Cause::FailLimit);
        }
    }
}
