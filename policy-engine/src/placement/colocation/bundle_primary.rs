//! Colocation with a bundle (spec 21 §6.2).

use super::apply::apply as apply_part;
use super::clone_primary::{ban_others, give_up_if_mandatory};
use crate::model::cluster::Cluster;
use crate::model::ids::{ColocationId, NodeId, ResourceId};
use crate::model::resource::Replica;
use crate::model::role::Role;
use crate::placement::is_blocked;
use crate::placement::preference::node_preference;
use cib_model::Score;

/// Applies a colocation whose primary is a bundle.
pub(super) fn apply(
    cluster: &mut Cluster<'_>,
    d: ResourceId,
    m: ResourceId,
    c: ColocationId,
) -> Score {
    if cluster.resource(m).flags.unassigned {
        return Score::ZERO;
    }
    let colocation = cluster.colocation(c);
    let (score, role) = (colocation.score, colocation.primary_role);
    let dependent = cluster.resource(colocation.dependent);
    if dependent.is_clone() || dependent.is_bundle() {
        return match partner(cluster, d, m) {
            Some(container) => apply_part(cluster, d, container, c),
            None => {
                give_up_if_mandatory(cluster, d, c);
                Score::ZERO
            }
        };
    }
    let replicas = cluster.resource(m).as_bundle().map_or_else(Vec::new, |b| b.replicas.clone());
    if score < Score::INFINITY {
        return replicas.iter().map(|r| apply_part(cluster, d, r.container, c)).sum();
    }
    let qualifies = |r: &Replica| {
        let promoted = r.child.is_some_and(|c| cluster.next_role_of(c) == Role::Promoted);
        !is_blocked(cluster, r.container) && (role != Role::Promoted || promoted)
    };
    let nodes: Vec<NodeId> = replicas
        .iter()
        .filter(|r| qualifies(r))
        .filter_map(|r| cluster.assigned_node(r.container))
        .collect();
    ban_others(cluster, d, &nodes, c);
    Score::ZERO
}

/// The container on the dependent's node, or on the best node of its table that has one.
fn partner(cluster: &Cluster<'_>, d: ResourceId, m: ResourceId) -> Option<ResourceId> {
    let replicas = &cluster.resource(m).as_bundle()?.replicas;
    let at = |node: NodeId| {
        let host = host_of(cluster, node)?;
        replicas.iter().map(|r| r.container).find(|container| {
            cluster.assigned_node(*container) == Some(host) && !is_blocked(cluster, *container)
        })
    };
    match cluster.assigned_node(d) {
        Some(node) => at(node),
        None => node_preference(cluster, &cluster.resource(d).table, None).into_iter().find_map(at),
    }
}

/// The node itself; for a bundle node its container's host.
fn host_of(cluster: &Cluster<'_>, node: NodeId) -> Option<NodeId> {
    if !cluster.is_bundle_node(node) {
        return Some(node);
    }
    let launcher = cluster.node(node).connection.and_then(|c| cluster.resource(c).launcher)?;
    cluster.assigned_node(launcher)
}
