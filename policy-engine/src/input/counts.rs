//! Instance counts for the summary header (spec 10 §9.10).

use crate::model::cluster::Cluster;
use crate::model::role::Role;

/// Counts instances, disabled and blocked ones.
pub(super) fn count(cluster: &mut Cluster<'_>) {
    let mut counts = cluster.counts;
    for top in &cluster.order {
        for leaf in cluster.leaves(*top) {
            let resource = cluster.resource(leaf);
            if resource.flags.removed && resource.current_role <= Role::Stopped {
                continue;
            }
            counts.instances += 1;
            counts.disabled += u32::from(cluster.is_disabled(leaf));
            counts.blocked += u32::from(resource.flags.blocked);
        }
    }
    cluster.counts = counts;
}
