//! Replacing what there is (spec 50 §12.5).

use std::collections::BTreeSet;

use super::error::OperationError;
use super::options::CallOptions;
use super::request::Request;
use super::section::{append_copy, data, matches, section_element};
use crate::digest;
use crate::document::{Document, Element, ElementId};
use crate::model::CibVersion;

/// Replaces the object the data are about, or the whole CIB.
pub(super) fn replace(document: &mut Document, request: &Request) -> Result<(), OperationError> {
    let data = data(request)?;
    if let Some(expression) = request.xpath() {
        return replace_matches(document, request, expression, &data);
    }
    let root = data.root();
    if root.name() == "cib" {
        return replace_all(document, request, &data);
    }
    let section = request.section.as_deref();
    let whole = matches!(section, None | Some("all")) || section == Some(root.name());
    let start = if whole { Some(document.root()) } else { section_element(document, section) };
    let old = start
        .ok_or(OperationError::NotFound)?
        .descendants()
        .skip(1)
        .find(|element| {
            element.name() == root.name()
                && (root.xml_id().is_none() || element.xml_id() == root.xml_id())
        })
        .map(|element| {
            (element.id(), element.parent().map(Element::id), element.as_node().position())
        });
    let Some((old, Some(parent), position)) = old else { return Err(OperationError::NotFound) };
    document.remove(old);
    let new = append_copy(document, parent, root);
    document.move_child(new, parent, position);
    Ok(())
}

fn replace_all(
    document: &mut Document,
    request: &Request,
    data: &Document,
) -> Result<(), OperationError> {
    if let Some(expected) = &request.digest
        && !digest::on_wire(data.root()).eq_ignore_ascii_case(expected)
    {
        return Err(OperationError::DigestMismatch);
    }
    if CibVersion::of(data.root(), -1) < CibVersion::of(document.root(), -1) {
        return Err(OperationError::OldData);
    }
    *document = data.clone();
    Ok(())
}

/// A match is deleted and the data come as the last child of its parent.
fn replace_matches(
    document: &mut Document,
    request: &Request,
    expression: &str,
    data: &Document,
) -> Result<(), OperationError> {
    let mut found = matches(document, expression);
    if !request.options.has(CallOptions::MULTIPLE) {
        found.truncate(1);
    }
    if found.is_empty() {
        return Err(OperationError::NotFound);
    }
    if found.contains(&document.root_id()) {
        return replace_all(document, request, data);
    }
    // Matches within matches go with them.
    let all: BTreeSet<ElementId> = found.iter().copied().collect();
    let outermost: Vec<(ElementId, ElementId)> = found
        .iter()
        .filter_map(|&id| {
            let element = document.element(id);
            let within = element.ancestors().skip(1).any(|above| all.contains(&above.id()));
            (!within).then_some((id, element.parent()?.id()))
        })
        .collect();
    for (old, parent) in outermost {
        document.remove(old);
        append_copy(document, parent, data.root());
    }
    Ok(())
}
