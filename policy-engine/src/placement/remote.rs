//! The node behind a connection that has just been placed (spec 30 §13.1).

use crate::model::cluster::Cluster;
use crate::model::ids::ResourceId;
use crate::model::role::Role;

/// Makes the connection's node available, or unavailable if the connection will not run.
pub fn update_remote_node(cluster: &mut Cluster<'_>, connection: ResourceId) {
    let c = cluster.resource(connection);
    let up = c.assigned.is_some() && c.next_role != Role::Stopped;
    let id = c.id.to_string();
    let Some(node) = cluster.find_node(None, Some(&id)) else { return };
    let node = cluster.node_mut(node);
    if up {
        node.online = true;
        node.unclean &= node.seen;
    } else {
        node.shutdown = true;
    }
}
