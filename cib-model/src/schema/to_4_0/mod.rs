//! 3.10 → 4.0: the last legacy constructs (spec 50 §5.5).
//!
//! The steps run in the order in which each relies on the ones before: values and their order,
//! nodes and resources, constraints, then agents that are gone and what referred to them. References
//! stay references throughout; what a step needs from their target it looks up, and a target that
//! goes away leaves its content to the first of its referrers.

mod agents;
mod locations;
mod options;
mod references;
mod resources;

use super::upgrade::TooLarge;
use crate::document::{Document, Element, ElementId};
use references::Targets;

/// Prefix of the ids this conversion makes.
const PREFIX: &str = "pcmk__3_10_upgrade-";

/// Converts a document that conforms to 3.10.
pub(super) fn convert(document: &mut Document, notes: &mut Vec<String>) -> Result<(), TooLarge> {
    let targets = Targets::collect(document);
    options::rewrite_values(document, &targets, notes);
    options::sort_sets(document, &targets);
    resources::drop_high_fencing_levels(document, notes);
    resources::ping_nodes(document, notes);
    resources::promotable_clones(document, notes);
    locations::drop_lifetimes(document, notes);
    locations::split(document, notes)?;
    locations::fold_lifetimes(document);
    agents::remove(document, notes);
    references::drop_dangling(document);
    Ok(())
}

fn configuration(document: &Document) -> impl Iterator<Item = Element<'_>> {
    document.root().children_named("configuration").flat_map(Element::descendants)
}

fn ids_where(document: &Document, keep: impl Fn(Element<'_>) -> bool) -> Vec<ElementId> {
    configuration(document).filter(|&element| keep(element)).map(|element| element.id()).collect()
}

fn children_where(
    document: &Document,
    parent: ElementId,
    keep: impl Fn(Element<'_>) -> bool,
) -> Vec<ElementId> {
    let children = document.element(parent).children();
    children.filter(|&child| keep(child)).map(|child| child.id()).collect()
}

fn id_of(document: &Document, element: ElementId) -> String {
    document.element(element).xml_id().unwrap_or_default().to_owned()
}

fn is_set(element: Element<'_>) -> bool {
    matches!(
        element.name(),
        "cluster_property_set" | "instance_attributes" | "meta_attributes" | "utilization"
    )
}

#[cfg(test)]
mod tests;
