//! Scores before any constraint (spec 10 §9.9).

use crate::model::cluster::Cluster;
use crate::model::ids::ResourceId;
use crate::model::table::ProbeMode;
use crate::model::trace::Cause;
use cib_model::Score;

/// In a symmetric cluster every node is allowed, at the node's own score; in an asymmetric one only
/// the connections of guests are allowed anywhere. What is below a resource has had its turn.
pub(super) fn add(cluster: &mut Cluster<'_>, id: ResourceId) {
    let r = cluster.resource(id);
    if cluster.options.symmetric {
        if r.flags.exclusive_discovery {
            return;
        }
    } else if !r.flags.remote_connection || r.meta("container").is_none() {
        return;
    }
    for i in 0..cluster.node_order.len() {
        let node = cluster.node_order[i];
        let base = cluster.base_entry(node);
        if cluster.options.symmetric && base.probe == ProbeMode::Never {
            continue;
        }
        let r = &mut cluster.resources[id.index()];
        if !r.table.contains(node) {
            r.table.insert(
                node,
                crate::model::table::Entry { score: base.score + Score::ZERO, ..base },
            );
            cluster.trace.note(id, node, None, base.score, Cause::Symmetric);
        }
    }
}
