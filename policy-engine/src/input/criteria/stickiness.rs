//! Resources like to stay where they are (spec 10 §14.3).

use crate::model::cluster::Cluster;
use crate::model::trace::Cause;
use cib_model::Score;

/// Adds each leaf's stickiness on the one node on which it is active.
pub(super) fn apply(cluster: &mut Cluster<'_>) {
    for i in 0..cluster.order.len() {
        for leaf in cluster.leaves(cluster.order[i]) {
            let r = cluster.resource(leaf);
            let [node] = r.active_on[..] else { continue };
            let allowed = cluster.options.symmetric || r.table.contains(node);
            if r.flags.managed && r.stickiness > Score::ZERO && allowed {
                let stickiness = r.stickiness;
                cluster.add_score(leaf, node, stickiness, Cause::Stickiness);
            }
        }
    }
}
