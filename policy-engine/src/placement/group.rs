//! Placement of a group: its members in order (spec 20 §5.6).

use super::{Wish, place as place_resource, report};
use crate::model::cluster::Cluster;
use crate::model::ids::{NodeId, ResourceId};
use crate::model::score_line::AssignStage;

/// Places all members; the first node one of them got, if the group is colocated.
pub(super) fn place(cluster: &mut Cluster<'_>, r: ResourceId, wish: Wish) -> Option<NodeId> {
    let flags = cluster.resource(r).flags;
    if !flags.unassigned || flags.assigning {
        return None;
    }
    let members = cluster.resource(r).children.clone();
    let Some(first) = members.first().copied() else {
        cluster.resource_mut(r).flags.unassigned = false;
        return None;
    };
    let current = cluster.resource(first).current_role;
    let group = cluster.resource_mut(r);
    group.flags.assigning = true;
    group.current_role = current;
    report::tree(cluster, r, AssignStage::Group);
    let mut found = None;
    for member in members {
        found = found.or(place_resource(cluster, member, wish));
    }
    let next = cluster.resource(first).next_role;
    let group = cluster.resource_mut(r);
    group.next_role = next;
    group.flags.unassigned = false;
    group.flags.assigning = false;
    found.filter(|_| group.as_group().is_some_and(|g| g.colocated))
}
