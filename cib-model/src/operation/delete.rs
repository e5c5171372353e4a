//! Removing objects (spec 50 §12.6, §12.7).

use super::error::OperationError;
use super::options::CallOptions;
use super::request::Request;
use super::section::{data, matches, section_element};
use crate::document::{Document, Element, ElementId};
use crate::scalar::parse_integer;

/// Removes what a request names. Nothing there is fine.
pub(super) fn delete(document: &mut Document, request: &Request) -> Result<(), OperationError> {
    if let Some(expression) = request.xpath() {
        let mut found = matches(document, expression);
        if !request.options.has(CallOptions::MULTIPLE) {
            found.truncate(1);
        }
        if found.contains(&document.root_id()) {
            return Err(OperationError::Invalid);
        }
        // Last first: what lies within another match goes before it.
        for element in found.into_iter().rev() {
            document.remove(element);
        }
        return Ok(());
    }
    let data = data(request)?;
    let section = request.section.as_deref();
    let patterns: Vec<Element<'_>> = if section == Some(data.root().name()) {
        data.root().children().collect()
    } else {
        vec![data.root()]
    };
    for pattern in patterns {
        let found = section_element(document, section)
            .and_then(|start| start.descendants().skip(1).find(|e| fits(*e, pattern)))
            .map(Element::id);
        if let Some(found) = found {
            document.remove(found);
        }
    }
    Ok(())
}

/// Whether an element has the name and all the attributes of a pattern.
fn fits(element: Element<'_>, pattern: Element<'_>) -> bool {
    element.name() == pattern.name()
        && pattern.attributes().all(|(name, value)| {
            element.attribute(name).is_some_and(|own| own.eq_ignore_ascii_case(value))
        })
}

/// Empties the CIB. Its attributes stay, and its administrator's epoch rises.
pub(super) fn erase(document: &mut Document) {
    let root = document.root_id();
    document.remove_children(root);
    sections(document, root);
    raise(document, "admin_epoch");
}

/// The mandatory sections.
pub(super) fn sections(document: &mut Document, root: ElementId) {
    let configuration = document.append_element(root, "configuration");
    for name in ["crm_config", "nodes", "resources", "constraints"] {
        document.append_element(configuration, name);
    }
    document.append_element(root, "status");
}

/// Raises one part of the version.
pub(super) fn raise(document: &mut Document, name: &str) {
    let old = document.root().attribute(name).and_then(parse_integer).unwrap_or(0);
    let root = document.root_id();
    document.set_attribute(root, name, &old.saturating_add(1).to_string());
}
