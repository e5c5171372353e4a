//! Looking (spec 50 §12.2).

use super::error::OperationError;
use super::options::CallOptions;
use super::request::Request;
use super::section::section_element;
use crate::document::{Document, Element};
use crate::patch::path_of;
use crate::xpath::{Match, XPath};

/// What a query gives.
pub(super) fn query(document: &Document, request: &Request) -> Result<Document, OperationError> {
    let bare = request.options.has(CallOptions::NO_CHILDREN);
    let Some(expression) = request.xpath() else {
        let element = section_element(document, request.section.as_deref());
        return element.map(|element| copy(element, bare)).ok_or(OperationError::NotFound);
    };
    let path = XPath::parse(expression);
    let matches = path.and_then(|path| path.select(document)).map_err(|error| {
        log::info!("{expression:?} matches nothing: {error}");
        OperationError::NotFound
    })?;
    if request.options.has(CallOptions::XPATH_ADDRESS) && !matches.is_empty() {
        return Ok(addresses(&matches));
    }
    match matches[..] {
        [] => Err(OperationError::NotFound),
        [Match::Root] => Ok(copy(document.root(), bare)),
        [Match::Element(element)] => Ok(copy(element, bare)),
        _ => Ok(collect(document, &matches)),
    }
}

fn copy(element: Element<'_>, bare: bool) -> Document {
    if !bare {
        return Document::from_subtree(element);
    }
    let mut document = Document::new(element.name());
    let root = document.root_id();
    for (name, value) in element.attributes() {
        document.set_attribute(root, name, value);
    }
    document
}

fn collect(document: &Document, matches: &[Match<'_>]) -> Document {
    let mut result = Document::new("xpath-query");
    let root = result.root_id();
    for one in matches {
        match *one {
            Match::Root => {
                result.copy_subtree(root, document.root());
            }
            Match::Element(element) => {
                result.copy_subtree(root, element);
            }
            Match::Attribute { name, value, .. } => result.set_attribute(root, name, value),
            Match::Comment(comment) => {
                result.append_comment(root, comment.text());
            }
        }
    }
    result
}

fn addresses(matches: &[Match<'_>]) -> Document {
    let mut result = Document::new("xpath-query");
    let root = result.root_id();
    for one in matches {
        if let Match::Element(element) = one {
            let address = result.append_element(root, "xpath-query-path");
            result.set_attribute(address, "id", &path_of(*element));
        }
    }
    result
}
