//! Which instance of a clone or bundle goes with a resource (spec 21 §6.3).

use super::colocation::attribute;
use super::preference::node_preference;
use super::{instances_of, is_blocked};
use crate::model::cluster::Cluster;
use crate::model::ids::{NodeId, ResourceId};
use crate::model::role::Role;

/// What an instance must have.
#[derive(Debug, Clone, Copy)]
pub struct Match<'a> {
    /// Next role; `Unknown` for any.
    pub role: Role,
    /// Classes of the node attribute by which nodes are the same; none: node identity.
    pub attribute: Option<&'a [u32]>,
}

impl Match<'_> {
    fn accepts(self, cluster: &Cluster<'_>, instance: ResourceId, node: NodeId) -> bool {
        if self.role != Role::Unknown && cluster.next_role_of(instance) != self.role {
            return false;
        }
        if is_blocked(cluster, instance) {
            return false;
        }
        let Some(own) = cluster.assigned_node(instance) else { return false };
        own == node
            || self.attribute.is_some_and(|classes| {
                attribute::class_of(cluster, classes, Some(own), instance)
                    == attribute::class_of(cluster, classes, Some(node), instance)
            })
    }
}

/// The instance of collective `m` on the node of `d`, or on the best node of `d`'s table that has one.
pub fn compatible_instance(
    cluster: &Cluster<'_>,
    d: ResourceId,
    m: ResourceId,
    wanted: Match<'_>,
) -> Option<ResourceId> {
    let instances = instances_of(cluster, m);
    let at = |node: NodeId| instances.iter().copied().find(|i| wanted.accepts(cluster, *i, node));
    match cluster.assigned_node(d) {
        Some(node) => at(node),
        None => node_preference(cluster, &cluster.resource(d).table, None).into_iter().find_map(at),
    }
}
