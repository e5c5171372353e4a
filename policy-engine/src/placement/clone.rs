//! Placement of a clone (spec 21 §2).

use super::colocation::lists;
use super::instance_order::sort_instances;
use super::instances::{self, Limits};
use super::primitive::consider_dependent;
use super::{Wish, place as place_resource, promotion, promotion_score, report};
use crate::model::cluster::Cluster;
use crate::model::ids::ResourceId;
use crate::model::score_line::AssignStage;

/// Places the instances of a clone and chooses their roles.
pub(super) fn place(cluster: &mut Cluster<'_>, c: ResourceId, wish: Wish) {
    let flags = cluster.resource(c).flags;
    if !flags.unassigned || flags.assigning {
        return;
    }
    cluster.resource_mut(c).flags.assigning = true;
    if flags.promotable {
        promotion_score::add_to_tables(cluster, c);
    }
    for colocation in lists::this_with(cluster, c) {
        let primary = cluster.colocation(colocation).primary;
        place_resource(cluster, primary, wish);
    }
    for colocation in lists::with_this(cluster, c) {
        consider_dependent(cluster, c, colocation);
    }
    report::tree(cluster, c, AssignStage::Clone);
    let sorted = sort_instances(cluster, c, cluster.resource(c).children.clone());
    cluster.resource_mut(c).children.clone_from(&sorted);
    let limits = cluster
        .resource(c)
        .as_clone()
        .map_or(Limits::NONE, |v| Limits { total: v.clone_max, per_node: v.clone_node_max });
    instances::place_all(cluster, c, &sorted, limits);
    if flags.promotable {
        promotion::choose_roles(cluster, c);
    }
    let flags = &mut cluster.resource_mut(c).flags;
    flags.unassigned = false;
    flags.assigning = false;
}
