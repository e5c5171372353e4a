//! 2.10 → 3.0: legacy names of options, parameters and meta-attributes (spec 50 §5.4).

mod options;
mod references;
mod resources;

use super::upgrade::TooLarge;
use crate::document::{Document, Element, ElementId};

/// Prefix of the ids this conversion makes.
const PREFIX: &str = "_2TO3_";

/// Converts a document that conforms to 2.10.
pub(super) fn convert(document: &mut Document, notes: &mut Vec<String>) -> Result<(), TooLarge> {
    references::expand(document)?;
    options::convert(document, notes);
    nodes(document);
    resources::convert(document, notes);
    colocations(document, notes);
    references::drop_dangling(document);
    Ok(())
}

/// Where a set of name/value pairs stands; the same name can mean different things.
#[derive(Copy, Clone, PartialEq, Eq)]
enum Place {
    ClusterOption,
    Parameter,
    Meta,
    OpParameter,
    OpMeta,
    Elsewhere,
}

impl Place {
    fn of(set: Element<'_>) -> Place {
        let parent = set.parent().map_or("", |parent| parent.name());
        match (parent, set.name()) {
            ("crm_config", "cluster_property_set") => Place::ClusterOption,
            ("primitive" | "template", "instance_attributes") => Place::Parameter,
            ("primitive" | "template", "meta_attributes") => Place::Meta,
            ("op", "instance_attributes") => Place::OpParameter,
            ("op", "meta_attributes") => Place::OpMeta,
            _ => Place::Elsewhere,
        }
    }

    /// Whether this conversion touches a pair of that name here.
    fn touches(self, name: &str) -> bool {
        match self {
            Place::ClusterOption => options::is_legacy(name),
            Place::Parameter => resources::is_legacy_parameter(name),
            Place::Meta => resources::is_legacy_meta(name),
            Place::OpParameter => name == "requires" || resources::is_operation_option(name),
            Place::OpMeta => name == "requires",
            Place::Elsewhere => false,
        }
    }
}

fn configuration(document: &Document) -> impl Iterator<Item = Element<'_>> {
    document.root().children_named("configuration").flat_map(Element::descendants)
}

fn ids_where(document: &Document, keep: impl Fn(Element<'_>) -> bool) -> Vec<ElementId> {
    configuration(document).filter(|&element| keep(element)).map(|element| element.id()).collect()
}

fn pairs(document: &Document, set: ElementId) -> Vec<ElementId> {
    document.element(set).children_named("nvpair").map(|pair| pair.id()).collect()
}

/// Whether a set holds neither pairs nor a reference, so that nothing is lost with it.
fn is_bare(set: Element<'_>) -> bool {
    set.child("nvpair").is_none() && set.attribute("id-ref").is_none()
}

fn nodes(document: &mut Document) {
    let normal = ids_where(document, |element| {
        element.name() == "node" && element.attribute("type") == Some("normal")
    });
    for node in normal {
        document.set_attribute(node, "type", "member");
    }
}

fn colocations(document: &mut Document, notes: &mut Vec<String>) {
    for id in ids_where(document, |element| element.name() == "rsc_colocation") {
        for name in ["score-attribute", "score-attribute-mangle"] {
            if document.remove_attribute(id, name).is_some() {
                let colocation = document.element(id).xml_id().unwrap_or_default();
                notes.push(format!("colocation {colocation}: {name}, never in effect, is dropped"));
            }
        }
    }
}

#[cfg(test)]
mod tests;
