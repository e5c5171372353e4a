//! Exclusive discovery bans every other node (spec 10 §14.4).

use crate::model::cluster::Cluster;
use crate::model::ids::{NodeId, ResourceId};
use crate::model::table::ProbeMode;
use crate::model::trace::Cause;
use cib_model::Score;

/// Bans a resource, and what is below it, from a node where its discovery is not exclusive.
pub(super) fn ban_outside(cluster: &mut Cluster<'_>, id: ResourceId, node: NodeId) {
    let own = cluster.resource(id).flags.exclusive_discovery;
    if !own && !cluster.resource(cluster.top(id)).flags.exclusive_discovery {
        return;
    }
    for i in 0..cluster.resource(id).children.len() {
        let child = cluster.resource(id).children[i];
        ban_outside(cluster, child, node);
    }
    let r = &mut cluster.resources[id.index()];
    if let Some(entry) = r.table.get_mut(node).filter(|e| e.probe != ProbeMode::Exclusive) {
        let before = entry.score;
        entry.score = Score::MINUS_INFINITY;
        cluster.trace.note(id, node, Some(before), Score::MINUS_INFINITY, Cause::Discovery);
    }
}
