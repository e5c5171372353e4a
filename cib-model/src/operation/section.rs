//! Sections by name, and the data for one.

use std::borrow::Cow;

use super::error::OperationError;
use super::request::Request;
use crate::document::{Document, Element, ElementId};
use crate::xpath::{Match, XPath};

/// The sections below `configuration`.
pub const SECTIONS: [&str; 10] = [
    "crm_config",
    "nodes",
    "resources",
    "constraints",
    "op_defaults",
    "rsc_defaults",
    "acls",
    "fencing-topology",
    "tags",
    "alerts",
];

/// The element of a section; nothing when the name is unknown or the section is not there. No name,
/// `cib` and `all` mean the root.
pub fn section_element<'d>(document: &'d Document, name: Option<&str>) -> Option<Element<'d>> {
    let root = document.root();
    match name {
        None | Some("cib" | "all") => Some(root),
        Some(name @ ("status" | "configuration")) => root.child(name),
        Some(name) if SECTIONS.contains(&name) => root.child("configuration")?.child(name),
        Some(_) => None,
    }
}

/// The element of a section, made where it is missing.
///
/// # Errors
/// When there is no such section.
pub(super) fn section_or_create(
    document: &mut Document,
    name: Option<&str>,
) -> Result<ElementId, OperationError> {
    if let Some(element) = section_element(document, name) {
        return Ok(element.id());
    }
    let name = name.unwrap_or_default();
    let root = document.root_id();
    if matches!(name, "status" | "configuration") {
        return Ok(document.append_element(root, name));
    }
    if !SECTIONS.contains(&name) {
        return Err(OperationError::Invalid);
    }
    let configuration = match document.root().child("configuration").map(Element::id) {
        Some(configuration) => configuration,
        None => document.append_element(root, "configuration"),
    };
    Ok(document.append_element(configuration, name))
}

/// The data of a request: of a whole CIB, the section in question.
///
/// # Errors
/// When there are none.
pub(super) fn data(request: &Request) -> Result<Cow<'_, Document>, OperationError> {
    let data = request.data.as_ref().ok_or(OperationError::Invalid)?;
    let section = request.section.as_deref().filter(|_| request.xpath().is_none());
    if section.is_none() || data.root().name() != "cib" {
        return Ok(Cow::Borrowed(data));
    }
    let part = section_element(data, section).ok_or(OperationError::Invalid)?;
    if part == data.root() {
        return Ok(Cow::Borrowed(data));
    }
    Ok(Cow::Owned(Document::from_subtree(part)))
}

/// The elements an XPath expression selects, the root for `/`; none when it is no expression.
pub(super) fn matches(document: &Document, expression: &str) -> Vec<ElementId> {
    let found = XPath::parse(expression).and_then(|path| path.select(document));
    match found {
        Ok(found) => found
            .into_iter()
            .filter_map(|one| match one {
                Match::Root => Some(document.root_id()),
                Match::Element(element) => Some(element.id()),
                Match::Attribute { .. } | Match::Comment(_) => None,
            })
            .collect(),
        Err(error) => {
            log::warn!("{expression:?} matches nothing: {error}");
            Vec::new()
        }
    }
}

/// The first element at or below `start`, in document order, with this name and id; no id means one
/// without.
pub(super) fn find<'d>(start: Element<'d>, name: &str, id: Option<&str>) -> Option<Element<'d>> {
    start.descendants().find(|element| element.name() == name && element.xml_id() == id)
}

/// Copies an element of another document as the last child, without the legacy attribute `replace`.
pub(super) fn append_copy(
    document: &mut Document,
    parent: ElementId,
    source: Element<'_>,
) -> ElementId {
    let copy = document.copy_subtree(parent, source);
    let marked: Vec<ElementId> = document
        .element(copy)
        .descendants()
        .filter(|element| element.attribute("replace").is_some())
        .map(|element| element.id())
        .collect();
    for element in marked {
        document.remove_attribute(element, "replace");
    }
    copy
}
