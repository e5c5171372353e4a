//! Adding objects (spec 50 §12.3).

use super::error::{Failure, OperationError};
use super::merge::modify;
use super::request::Request;
use super::section::{append_copy, data, section_element};
use crate::document::{Document, Element};

/// Adds what the data hold. At the first failure it stops; what failed comes with the error.
pub(super) fn create(document: &mut Document, request: &Request) -> Result<(), Failure> {
    if request.xpath().is_some() {
        return Err(OperationError::Invalid.into());
    }
    let data = data(request)?;
    let section = request.section.as_deref();
    if matches!(section, None | Some("cib" | "all")) || data.root().name() == "cib" {
        return Ok(modify(document, request)?);
    }
    let objects: Vec<Element<'_>> = if section == Some(data.root().name()) {
        data.root().children().collect()
    } else {
        vec![data.root()]
    };
    for object in objects {
        let Some(parent) = section_element(document, section) else {
            return Err(failed(object, OperationError::Invalid));
        };
        let exists = parent
            .children_named(object.name())
            .any(|child| object.xml_id().is_none() || child.xml_id() == object.xml_id());
        if exists {
            return Err(failed(object, OperationError::Exists));
        }
        let parent = parent.id();
        append_copy(document, parent, object);
    }
    Ok(())
}

/// The reply to a failed creation.
fn failed(object: Element<'_>, error: OperationError) -> Failure {
    let mut document = Document::new("failed");
    let root = document.root_id();
    let update = document.append_element(root, "failed_update");
    if let Some(id) = object.xml_id() {
        document.set_attribute(update, "id", id);
    }
    document.set_attribute(update, "object-type", object.name());
    document.set_attribute(update, "operation", "cib_create");
    document.set_attribute(update, "reason", &error.to_string());
    document.copy_subtree(update, object);
    Failure { error, output: Some(Box::new(document)) }
}
