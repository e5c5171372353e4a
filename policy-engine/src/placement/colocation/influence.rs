//! Whether a dependent may sway its primary (spec 20 §6.7).

use crate::model::cluster::Cluster;
use crate::model::ids::{ColocationId, ResourceId};

/// Does the colocation count for the primary, or for the given instance of it?
pub fn has_influence(cluster: &Cluster<'_>, c: ColocationId, primary: Option<ResourceId>) -> bool {
    let colocation = cluster.colocation(c);
    let primary = cluster.resource(primary.unwrap_or(colocation.primary));
    let dependent = cluster.resource(colocation.dependent);
    let bundle_connection = dependent.flags.remote_connection
        && dependent.parent.is_some_and(|p| cluster.resource(p).is_bundle());
    if bundle_connection && !primary.flags.failed && primary.active_on.len() == 1 {
        return false;
    }
    colocation.influence || primary.active_on.is_empty()
}
