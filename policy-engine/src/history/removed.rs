//! Resources that only history knows (spec 11 §4).

use crate::model::cluster::{Cluster, Level};
use crate::model::ids::{NodeId, ResourceId};
use crate::model::node::{Node, NodeKind};
use crate::model::trace::Cause;
use cib_model::{Element, Score};

/// Builds a removed resource from its `lrm_resource` and applies the policy for such resources.
pub(super) fn create<'d>(
    cluster: &mut Cluster<'d>,
    node: NodeId,
    lrm_resource: Element<'d>,
) -> ResourceId {
    let r = cluster.unpack_removed_resource(lrm_resource);
    cluster.resource_mut(r).flags.removed = true;
    if cluster.resource(r).flags.remote_connection {
        adopt_connection(cluster, r, lrm_resource);
    }
    if cluster.options.stop_removed_resources {
        cluster.add_score_everywhere(r, Score::MINUS_INFINITY, Cause::Removed);
    } else {
        cluster.resource_mut(r).flags.managed = false;
        let text = format!(
            "Removed resource {} must be stopped manually on {} because stop-removed-resources is \
             set to false",
            cluster.resource(r).id,
            cluster.node(node).name
        );
        cluster.message(Level::Notice, text);
    }
    r
}

/// The node of a removed connection has to leave.
fn adopt_connection<'d>(cluster: &mut Cluster<'d>, r: ResourceId, lrm_resource: Element<'d>) {
    let name = cluster.resource(r).id.to_string();
    let remote = cluster.find_node(None, Some(&name)).unwrap_or_else(|| {
        let node = Node::new(name.clone().into(), name.into(), NodeKind::Remote, Score::ZERO);
        cluster.insert_node(node)
    });
    cluster.link_connection(r);
    cluster.node_mut(remote).shutdown = true;
    if lrm_resource.attribute("container").is_some() {
        cluster.resource_mut(r).flags.removed_launched = true;
    }
}
