//! The XML form of a patch.

use super::{AttributeChange, Change, Content, Patch, PatchError, Versions};
use crate::document::{Document, Element, ElementId, Node, NodeKind};
use crate::model::CibVersion;
use crate::scalar::parse_integer;

impl Patch {
    /// Reads a `diff` element.
    ///
    /// # Errors
    /// When it is no `diff` of format 2, or something in it is missing or not a number.
    pub fn read(element: Element<'_>) -> Result<Patch, PatchError> {
        let format = element.attribute("format").unwrap_or("1");
        if element.name() != "diff" || parse_integer(format) != Some(2) {
            return Err(PatchError::Format {
                line: element.line(),
                element: element.name().to_owned(),
                format: format.to_owned(),
            });
        }
        Ok(Patch {
            versions: element.child("version").map(read_versions).transpose()?,
            digest: element.attribute("digest").map(str::to_owned),
            changes: element.children_named("change").map(read_change).collect::<Result<_, _>>()?,
        })
    }

    /// The `diff` element, as a document of its own.
    pub fn to_document(&self) -> Document {
        let mut document = Document::new("diff");
        let root = document.root_id();
        document.set_attribute(root, "format", "2");
        if let Some(digest) = &self.digest {
            document.set_attribute(root, "digest", digest);
        }
        if let Some(versions) = self.versions {
            let element = document.append_element(root, "version");
            for (name, version) in [("source", versions.source), ("target", versions.target)] {
                let Some(version) = version else { continue };
                let element = document.append_element(element, name);
                for (name, number) in CibVersion::ATTRIBUTES.iter().zip(version.fields()) {
                    document.set_attribute(element, name, &number.to_string());
                }
            }
        }
        for change in &self.changes {
            write_change(&mut document, root, change);
        }
        document
    }
}

fn malformed(element: Element<'_>, needed: &'static str) -> PatchError {
    PatchError::Malformed { line: element.line(), element: element.name().to_owned(), needed }
}

fn read_versions(element: Element<'_>) -> Result<Versions, PatchError> {
    let version = |name: &str| {
        let Some(element) = element.child(name) else { return Ok(None) };
        let numbers =
            CibVersion::ATTRIBUTES.map(|name| element.attribute(name).and_then(parse_integer));
        match numbers {
            [Some(admin_epoch), Some(epoch), Some(num_updates)] => {
                Ok(Some(CibVersion { admin_epoch, epoch, num_updates }))
            }
            _ => Err(malformed(element, "the numbers admin_epoch, epoch and num_updates")),
        }
    };
    Ok(Versions { source: version("source")?, target: version("target")? })
}

fn read_change(element: Element<'_>) -> Result<Change, PatchError> {
    let path = || {
        let path = element.attribute("path").ok_or_else(|| malformed(element, "a path"))?;
        Ok(path.to_owned())
    };
    let position = element.attribute("position").and_then(parse_integer);
    let position = position.and_then(|position| usize::try_from(position).ok());
    let needed_position = || position.ok_or_else(|| malformed(element, "a position"));
    Ok(match element.attribute("operation").unwrap_or_default() {
        "delete" => Change::Delete { path: path()?, position },
        "modify" => {
            let result = element
                .child("change-result")
                .and_then(|result| result.children().next())
                .ok_or_else(|| malformed(element, "a change-result with an element"))?;
            Change::Modify {
                path: path()?,
                list: element
                    .child("change-list")
                    .map(|list| list.children_named("change-attr").map(read_attribute).collect())
                    .unwrap_or_default(),
                name: result.name().to_owned(),
                result: result.attributes().map(|(n, v)| (n.to_owned(), v.to_owned())).collect(),
            }
        }
        "create" => {
            let content = element
                .child_nodes()
                .find_map(read_content)
                .ok_or_else(|| malformed(element, "an element or comment to create"))?;
            Change::Create { parent: path()?, position: needed_position()?, content }
        }
        "move" => Change::Move { path: path()?, position: needed_position()? },
        operation => Change::Unknown { operation: operation.to_owned(), line: element.line() },
    })
}

fn read_attribute(element: Element<'_>) -> AttributeChange {
    let value =
        element.attribute("value").filter(|_| element.attribute("operation") == Some("set"));
    AttributeChange {
        name: element.attribute("name").unwrap_or_default().to_owned(),
        value: value.map(str::to_owned),
    }
}

fn read_content(node: Node<'_>) -> Option<Content> {
    match node.as_element() {
        Some(element) => Some(Content::Element(Document::from_subtree(element))),
        None if node.kind() == NodeKind::Comment => Some(Content::Comment(node.text().to_owned())),
        None => None,
    }
}

fn write_change(document: &mut Document, root: ElementId, change: &Change) {
    let element = document.append_element(root, "change");
    let attributes = |document: &mut Document, operation, position: Option<usize>| {
        document.set_attribute(element, "operation", operation);
        document.set_attribute(element, "path", change.path());
        if let Some(position) = position {
            document.set_attribute(element, "position", &position.to_string());
        }
    };
    match change {
        Change::Delete { position, .. } => attributes(document, "delete", *position),
        Change::Move { position, .. } => attributes(document, "move", Some(*position)),
        Change::Create { position, content, .. } => {
            attributes(document, "create", Some(*position));
            match content {
                Content::Element(content) => {
                    document.copy_subtree(element, content.root());
                }
                Content::Comment(text) => {
                    document.append_comment(element, text);
                }
            }
        }
        Change::Modify { list, name, result, .. } => {
            attributes(document, "modify", None);
            write_modify(document, element, list, name, result);
        }
        Change::Unknown { operation, .. } => {
            document.set_attribute(element, "operation", operation)
        }
    }
}

fn write_modify(
    document: &mut Document,
    element: ElementId,
    list: &[AttributeChange],
    name: &str,
    result: &[(String, String)],
) {
    let list_element = document.append_element(element, "change-list");
    for AttributeChange { name, value } in list {
        let attribute = document.append_element(list_element, "change-attr");
        document.set_attribute(attribute, "name", name);
        document.set_attribute(
            attribute,
            "operation",
            if value.is_some() { "set" } else { "unset" },
        );
        if let Some(value) = value {
            document.set_attribute(attribute, "value", value);
        }
    }
    let result_element = document.append_element(element, "change-result");
    let element = document.append_element(result_element, name);
    for (name, value) in result {
        document.set_attribute(element, name, value);
    }
}
