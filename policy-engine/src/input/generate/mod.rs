//! Elements the configuration implies: expanded templates, connections of guest nodes, bundle parts
//! (spec 10 §8.2, §9.1, §9b).
//!
//! They live in a document of their own, so that the CIB itself stays as it was read:
//!
//! ```text
//! <generated>
//!   <resources> connections of guest nodes, in order of discovery </resources>
//!   <expansion of="N"> a primitive with its template worked in </expansion>
//!   <bundle of="N"> the inner clone, then one <replica> each with its parts </bundle>
//! </generated>
//! ```
//!
//! `N` is the number of the element in the CIB that the wrapper belongs to.

mod bundle;
pub(super) mod connection;
mod template;

use super::sections::Sections;
use cib_model::{Document, Element, ElementId};
use foldhash::{HashSet, HashSetExt};

/// Makes all implied elements of a CIB.
pub fn generate(document: &Document) -> Document {
    let mut out = Document::new("generated");
    let root = out.root_id();
    let appended = out.append_element(root, "resources");
    let Some(resources) = Sections::find(document).resources else { return out };
    template::expand_all(&mut out, resources);
    let mut known = HashSet::new();
    for element in resources.children() {
        if element.name() == "bundle" {
            bundle::add(&mut out, element, &mut known);
        }
        for inner in element.descendants().filter(|e| is_resource(*e)) {
            known.insert(inner.xml_id().unwrap_or_default().to_owned());
        }
    }
    connection::add_guests(&mut out, appended, resources);
    out
}

fn is_resource(element: Element<'_>) -> bool {
    matches!(element.name(), "primitive" | "group" | "clone" | "bundle")
}

/// Appends a wrapper for what belongs to an element of the CIB.
fn wrapper(out: &mut Document, name: &str, of: Element<'_>) -> ElementId {
    let root = out.root_id();
    let wrapper = out.append_element(root, name);
    out.set_attribute(wrapper, "of", &of.id().index().to_string());
    wrapper
}

/// Appends an element with an id.
fn append(out: &mut Document, parent: ElementId, name: &str, id: &str) -> ElementId {
    let element = out.append_element(parent, name);
    out.set_attribute(element, "id", id);
    element
}

/// Appends a block of name/value pairs, whose ids are made from the block's.
fn append_block(
    out: &mut Document,
    parent: ElementId,
    block: &str,
    block_id: &str,
    pairs: &[(&str, &str)],
) {
    let block = append(out, parent, block, block_id);
    for (name, value) in pairs {
        let pair = append(out, block, "nvpair", &format!("{block_id}-{name}"));
        out.set_attribute(pair, "name", name);
        out.set_attribute(pair, "value", value);
    }
}

/// Appends a primitive without parts.
fn append_primitive(
    out: &mut Document,
    parent: ElementId,
    id: &str,
    provider: &str,
    agent: &str,
) -> ElementId {
    let primitive = append(out, parent, "primitive", id);
    out.set_attribute(primitive, "class", "ocf");
    out.set_attribute(primitive, "provider", provider);
    out.set_attribute(primitive, "type", agent);
    primitive
}

/// Appends an operation to an `operations` element.
fn append_operation(
    out: &mut Document,
    operations: ElementId,
    id: &str,
    interval: &str,
    name: &str,
    timeout: Option<&str>,
) {
    let op = append(out, operations, "op", id);
    out.set_attribute(op, "interval", interval);
    out.set_attribute(op, "name", name);
    if let Some(timeout) = timeout {
        out.set_attribute(op, "timeout", timeout);
    }
}
