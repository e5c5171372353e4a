//! Placement of a bundle: containers, then what belongs to each of them (spec 21 §7).

use super::instance_order::sort_instances;
use super::instances::{self, Limits};
use super::{Wish, instances_of, place as place_resource, report};
use crate::model::cluster::Cluster;
use crate::model::constraint::Colocation;
use crate::model::ids::{NodeId, ResourceId};
use crate::model::resource::Replica;
use crate::model::role::Role;
use crate::model::score_line::AssignStage;
use crate::model::trace::Cause;
use cib_model::Score;

/// Places all parts of a bundle. Runs again, and reports again, at every call.
pub(super) fn place(cluster: &mut Cluster<'_>, b: ResourceId, wish: Wish) {
    cluster.resource_mut(b).flags.assigning = true;
    report::tree(cluster, b, AssignStage::Bundle);
    let containers = instances_of(cluster, b);
    let sorted = sort_instances(cluster, b, containers);
    let (limits, replicas, inner) = match cluster.resource(b).as_bundle() {
        Some(v) => {
            let limits = Limits { total: v.replicas_max, per_node: v.replicas_per_host };
            (limits, v.replicas.clone(), v.inner)
        }
        None => return,
    };
    instances::place_all(cluster, b, &sorted, limits);
    for replica in &replicas {
        place_replica(cluster, replica, inner, wish);
    }
    if let Some(inner) = inner {
        open_bundle_nodes(cluster, inner, &replicas);
        place_resource(cluster, inner, wish);
    }
    let flags = &mut cluster.resource_mut(b).flags;
    flags.assigning = false;
    flags.unassigned = false;
}

fn place_replica(
    cluster: &mut Cluster<'_>,
    replica: &Replica,
    inner: Option<ResourceId>,
    wish: Wish,
) {
    if let Some(ip) = replica.ip {
        place_resource(cluster, ip, wish);
    }
    if let Some(connection) = replica.connection {
        let host = cluster.assigned_node(replica.container);
        if let Some(host) = host.filter(|h| cluster.node(*h).is_pacemaker_remote()) {
            follow_host(cluster, connection, host);
        }
        place_resource(cluster, connection, wish);
    }
    if let (Some(child), Some(node), Some(inner)) = (replica.child, replica.node, inner) {
        bind_child(cluster, child, node);
        cluster.resource_mut(inner).flags.assigning = true;
        place_resource(cluster, child, Wish { preferred: Some(node), last: wish.last });
        cluster.resource_mut(inner).flags.assigning = false;
    }
}

/// A connection into a container on a Pacemaker Remote node runs where that node's own does.
fn follow_host(cluster: &mut Cluster<'_>, connection: ResourceId, host: NodeId) {
    let Some(primary) = cluster.node(host).connection else { return };
    if cluster.resource(connection).flags.unassigned {
        cluster.add_colocation(Colocation {
            id: "#replica-remote-with-host-remote".into(),
            dependent: connection,
            primary,
            score: Score::INFINITY,
            dependent_role: Role::Unknown,
            primary_role: Role::Unknown,
            node_attribute: "#uname".into(),
            influence: true,
            explicit: false,
        });
    }
}

/// The instance inside runs on its bundle node or nowhere.
fn bind_child(cluster: &mut Cluster<'_>, child: ResourceId, own: NodeId) {
    let worn_out = cluster.reached_migration_threshold(child, own);
    let nodes: Vec<NodeId> = cluster.resource(child).table.iter().map(|(n, _)| n).collect();
    for node in nodes {
        let score = match node == own {
            true if worn_out => continue,
            true => Score::INFINITY,
            false => Score::MINUS_INFINITY,
        };
        set_score(cluster, child, node, score);
    }
}

fn open_bundle_nodes(cluster: &mut Cluster<'_>, inner: ResourceId, replicas: &[Replica]) {
    let nodes: Vec<NodeId> = cluster.resource(inner).table.iter().map(|(n, _)| n).collect();
    for node in nodes {
        let own = replicas.iter().any(|r| r.node == Some(node));
        let score = if own { Score::ZERO } else { Score::MINUS_INFINITY };
        set_score(cluster, inner, node, score);
    }
}

fn set_score(cluster: &mut Cluster<'_>, r: ResourceId, node: NodeId, score: Score) {
    if let Some(entry) = cluster.resources[r.index()].table.get_mut(node) {
        let before = entry.score;
        entry.score = score;
        cluster.trace.note(r, node, Some(before), score, Cause::Bundle);
    }
}
