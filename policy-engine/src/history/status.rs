//! Where history is in the document.

use super::entry::Entry;
use cib_model::{Document, Element};

/// All node states in document order.
pub fn node_states(document: &Document) -> Vec<Element<'_>> {
    let root = document.root();
    let status = root.child("status").or_else(|| {
        let mut found = root.descendants().filter(|e| e.name() == "status");
        found.next().filter(|_| found.next().is_none())
    });
    status.map_or_else(Vec::new, |s| s.children_named("node_state").collect())
}

/// The `lrm_resource` elements of a node state, in document order.
pub fn lrm_resources(state: Element<'_>) -> impl Iterator<Item = Element<'_>> {
    state
        .child("lrm")
        .and_then(|lrm| lrm.child("lrm_resources"))
        .into_iter()
        .flat_map(|list| list.children_named("lrm_resource"))
}

/// The `lrm_resource` elements of one id on the node of one name; both exact.
pub fn find<'d>(document: &'d Document, node: &str, resource: &str) -> Vec<Element<'d>> {
    node_states(document)
        .into_iter()
        .filter(|state| state.attribute("uname") == Some(node))
        .flat_map(lrm_resources)
        .filter(|r| r.xml_id() == Some(resource))
        .collect()
}

/// All entries of one resource on one node.
pub fn find_entries<'d>(document: &'d Document, node: &str, resource: &str) -> Vec<Entry<'d>> {
    find(document, node, resource).into_iter().flat_map(Entry::all).collect()
}
