//! Groups (spec 10 §9.4).

use super::flags::unless_false;
use super::{Place, ignore, unpack_one};
use crate::model::cluster::Cluster;
use crate::model::ids::ResourceId;
use crate::model::resource::{GroupVariant, Variant};
use cib_model::Element;

/// Adds the members; a cloned group hands its instance number on.
pub(super) fn unpack<'d>(
    cluster: &mut Cluster<'d>,
    id: ResourceId,
    element: Element<'d>,
    instance: Option<u32>,
) -> Result<(), String> {
    let group = cluster.resource_mut(id);
    group.variant = Variant::Group(GroupVariant {
        ordered: unless_false(group.meta("ordered")),
        colocated: unless_false(group.meta("collocated")),
    });
    for member in element.children_named("primitive") {
        let place = Place { parent: Some(id), instance, ..Place::default() };
        match unpack_one(cluster, member, place) {
            Ok(child) => cluster.resource_mut(id).children.push(child),
            Err(reason) => ignore(cluster, member, &reason),
        }
    }
    if cluster.resource(id).children.is_empty() {
        return Err(format!("Group {} has no valid members", cluster.resource(id).id));
    }
    Ok(())
}
