//! Finding elements by id, and `id-ref` (spec 50 §7.2).

use std::cell::OnceCell;

use thiserror::Error;

use super::{Document, Element, NodeId};

/// All elements with an `id`, sorted for look-up. A snapshot: build it again after mutation.
pub struct IdIndex<'d> {
    document: &'d Document,
    /// (id, element), by id and then in document order.
    entries: Vec<(&'d str, NodeId)>,
}

impl<'d> IdIndex<'d> {
    /// Indexes the whole document.
    pub fn build(document: &'d Document) -> IdIndex<'d> {
        let mut entries: Vec<(&str, NodeId)> = document
            .root()
            .descendants()
            .filter_map(|element| Some((element.xml_id()?, element.id())))
            .collect();
        // A stable sort keeps document order among equals.
        entries.sort_by_key(|&(id, _)| id);
        IdIndex { document, entries }
    }

    /// All elements with this id, in document order. Ids repeat in the status section.
    pub fn all(&self, xml_id: &str) -> impl Iterator<Item = Element<'d>> {
        let start = self.entries.partition_point(|&(id, _)| id < xml_id);
        let len = self.entries[start..].partition_point(|&(id, _)| id == xml_id);
        let document = self.document;
        self.entries[start..start + len].iter().map(move |&(_, node)| document.element(node))
    }

    /// The first element in document order with this id.
    pub fn first(&self, xml_id: &str) -> Option<Element<'d>> {
        self.all(xml_id).next()
    }
}

/// An `id-ref` that names nothing, or more than one thing.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ReferenceError {
    /// No element of the same name has this id.
    #[error("line {line}: no <{name}> has id '{id_ref}'; id-ref must name one of the same kind")]
    Missing {
        /// Line of the referring element.
        line: u32,
        /// Its tag name.
        name: String,
        /// The id looked for.
        id_ref: String,
    },
    /// Several elements of the same name have this id.
    #[error("line {line}: several <{name}> have id '{id_ref}'; ids must be unique")]
    Ambiguous {
        /// Line of the referring element.
        line: u32,
        /// Its tag name.
        name: String,
        /// The id looked for.
        id_ref: String,
    },
}

/// Resolves `id-ref` in one document. The index behind it is built at the first reference, so a
/// document without references costs nothing.
pub struct References<'d> {
    document: &'d Document,
    index: OnceCell<IdIndex<'d>>,
}

impl<'d> References<'d> {
    /// References within `document`.
    pub fn new(document: &'d Document) -> References<'d> {
        References { document, index: OnceCell::new() }
    }

    /// The document in which references are resolved.
    pub fn document(&self) -> &'d Document {
        self.document
    }

    /// The index of all ids of the document.
    pub fn index(&self) -> &IdIndex<'d> {
        self.index.get_or_init(|| IdIndex::build(self.document))
    }

    /// The element itself, or what its `id-ref` stands for: the only element of the same name with
    /// that id anywhere in the document.
    pub fn resolve(&self, element: Element<'d>) -> Result<Element<'d>, ReferenceError> {
        let Some(id_ref) = element.attribute("id-ref") else { return Ok(element) };
        let name = element.name();
        let mut found = self.index().all(id_ref).filter(|target| target.name() == name);
        let (first, second) = (found.next(), found.next());
        let (line, name, id_ref) = (element.line(), name.to_owned(), id_ref.to_owned());
        match (first, second) {
            (Some(target), None) => Ok(target),
            (None, _) => Err(ReferenceError::Missing { line, name, id_ref }),
            (Some(_), Some(_)) => Err(ReferenceError::Ambiguous { line, name, id_ref }),
        }
    }
}
