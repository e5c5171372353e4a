//! Shutdown locks: a resource waits for the node that is going down (spec 10 §14.1).

use crate::model::cluster::Cluster;
use crate::model::ids::ResourceId;
use crate::model::trace::Cause;
use cib_model::Score;
use cib_model::scalar::{ms_to_seconds, parse_integer};

/// Locks primitives and group members.
pub(super) fn apply(cluster: &mut Cluster<'_>) {
    for i in 0..cluster.order.len() {
        let top = cluster.order[i];
        let r = cluster.resource(top);
        if r.is_group() {
            for member in r.children.clone() {
                apply_to(cluster, member);
            }
        } else if r.is_primitive() {
            apply_to(cluster, top);
        }
    }
}

fn apply_to(cluster: &mut Cluster<'_>, id: ResourceId) {
    let r = cluster.resource(id);
    if r.flags.fence_device || r.flags.remote_connection {
        return;
    }
    match (r.lock, r.active_on.as_slice()) {
        (Some((node, _)), [_, ..]) => {
            cluster.lrm_delete(id, node);
            cluster.resource_mut(id).lock = None;
        }
        (None, [node]) => {
            let node = *node;
            if cluster.node(node).shutdown && !cluster.node(node).unclean {
                let since = cluster.node_attribute(node, "shutdown", None).and_then(parse_integer);
                let since = since.filter(|t| *t != 0).unwrap_or(cluster.now_epoch());
                cluster.resource_mut(id).lock = Some((node, since));
            }
        }
        _ => {}
    }
    let Some((node, since)) = cluster.resource(id).lock else { return };
    let limit = cluster.options.shutdown_lock_limit_ms;
    if limit > 0 {
        cluster.recheck(since.saturating_add(ms_to_seconds(limit) as i64).saturating_add(1));
    }
    for other in cluster.node_order.clone() {
        if other != node {
            cluster.add_score(id, other, Score::MINUS_INFINITY, Cause::ShutdownLock);
        }
    }
}
