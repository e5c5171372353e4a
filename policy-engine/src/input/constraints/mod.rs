//! The constraints section (spec 10 §13).

mod colocation;
mod location;
pub(super) mod references;
mod ticket;

use crate::model::cluster::{Cluster, Level};
use crate::model::role::Role;
use crate::ordering;

/// Reads all constraints in document order.
pub(super) fn unpack(cluster: &mut Cluster<'_>) {
    let Some(section) = cluster.lookups.sections.constraints else { return };
    for constraint in section.children() {
        let name = constraint.name();
        if constraint.xml_id().is_none() {
            cluster.message(Level::Error, format!("Ignoring <{name}> constraint without id"));
            continue;
        }
        match name {
            "rsc_location" => location::unpack(cluster, constraint),
            "rsc_colocation" => colocation::unpack(cluster, constraint),
            "rsc_order" => ordering::user::unpack(cluster, constraint),
            "rsc_ticket" => ticket::unpack(cluster, constraint),
            _ => cluster.message(Level::Error, format!("Unsupported constraint type: {name}")),
        }
    }
}

/// Reads the location constraints alone.
pub(super) fn unpack_locations(cluster: &mut Cluster<'_>) {
    let Some(section) = cluster.lookups.sections.constraints else { return };
    for constraint in section.children_named("rsc_location").filter(|c| c.xml_id().is_some()) {
        location::unpack(cluster, constraint);
    }
}

/// A role as filter: `Unknown` for none, `None` if the text is no role.
fn role_filter(text: Option<&str>) -> Option<Role> {
    match text {
        None => Some(Role::Unknown),
        Some(text) => match Role::parse(text)? {
            Role::Unknown => None,
            Role::Started => Some(Role::Unknown),
            role => Some(role),
        },
    }
}
