//! From the document to the working model (spec 10).
//!
//! [`build`] does what status displays need (steps 1 to 12 of spec 10 §0.1), [`constraints()`] and
//! [`criteria()`] what only scheduling needs.

mod blocks;
mod constraints;
mod counts;
mod criteria;
mod discovery;
mod generate;
mod health;
mod lookups;
mod node_state;
mod nodes;
mod on_fail;
mod operation_meta;
mod operations;
mod options;
mod parameters;
mod resources;
mod sections;
mod tags;
mod tickets;

#[cfg(test)]
mod fixture;

pub use constraints::references::{Reference, ResourceSet, Side};
pub use generate::generate;
pub use lookups::Lookups;
pub use nodes::HostKind;
pub use on_fail::OnFail;

use crate::history;
use crate::model::cluster::{Cluster, Level, Switches};
use cib_model::scalar::{Version, is_true};
use cib_model::{DateTime, Document};
use sections::Sections;

/// The newest feature set understood.
pub const FEATURE_SET: &str = "3.20.5";

/// Builds the model: options, nodes, resources, status with history.
pub fn build<'d>(
    document: &'d Document,
    generated: &'d Document,
    now: DateTime,
    switches: Switches,
) -> Cluster<'d> {
    let mut cluster = Cluster::new(document, generated, now, switches);
    if let Some(sections) = configuration(&mut cluster) {
        status(&mut cluster, &sections);
        counts::count(&mut cluster);
    }
    cluster
}

/// Builds the model of the configuration alone and applies its locations: all that decides where
/// something may run at all (the reduced run "locations only" of spec 10 §0.1).
pub fn locations<'d>(
    document: &'d Document,
    generated: &'d Document,
    now: DateTime,
) -> Cluster<'d> {
    let mut cluster = Cluster::new(document, generated, now, Switches::default());
    if configuration(&mut cluster).is_some() {
        health::unpack(&mut cluster);
        constraints::unpack_locations(&mut cluster);
        criteria::apply(&mut cluster);
    }
    cluster
}

/// Options, nodes, resources and tags; nothing of a CIB of a later version than ours.
fn configuration<'d>(cluster: &mut Cluster<'d>) -> Option<Sections<'d>> {
    let document = cluster.document;
    let theirs = document.root().attribute("crm_feature_set").unwrap_or_default();
    if Version(theirs) > Version(FEATURE_SET) {
        let text = format!(
            "Can't process CIB with feature set '{theirs}' greater than our own '{FEATURE_SET}'"
        );
        cluster.message(Level::Error, text);
        return None;
    }
    let sections = Sections::find(document);
    cluster.lookups.sections = sections;
    cluster.quorate = is_true(document.root().attribute("have-quorum"));
    cluster.resource_defaults = sections.rsc_defaults;
    cluster.operation_defaults = sections.op_defaults;
    cluster.operation_rules =
        sections.op_defaults.is_some_and(|defaults| cluster.has_rules(defaults, "meta_attributes"));
    options::unpack(cluster, &sections);
    nodes::unpack(cluster, &sections);
    discovery::create_nodes(cluster, &sections);
    resources::unpack(cluster, &sections);
    nodes::check_topology(cluster, &sections);
    tags::unpack(cluster, &sections);
    Some(sections)
}

/// Tickets and node states, then history.
fn status<'d>(cluster: &mut Cluster<'d>, sections: &Sections<'d>) {
    let Some(status) = sections.status else { return };
    for element in status.children() {
        match element.name() {
            "tickets" => tickets::unpack(cluster, element),
            "node_state" => node_state::unpack(cluster, element),
            _ => {}
        }
    }
    history::unpack(cluster);
}

/// Node health and the constraints section.
pub fn constraints(cluster: &mut Cluster<'_>) {
    health::unpack(cluster);
    constraints::unpack(cluster);
}

/// Shutdown locks, locations, stickiness, failure threshold and exclusive discovery.
pub fn criteria(cluster: &mut Cluster<'_>) {
    criteria::apply(cluster);
}
