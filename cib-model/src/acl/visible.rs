//! What of a CIB a user may see (spec 50 §8.4).

use super::marks::Marks;
use super::permissions::Permissions;
use crate::document::{Document, ElementId, NodeId};

impl Permissions {
    /// The part of a document the user may read: readable subtrees, in bare elements that lead to
    /// them. Nothing when there is no such part.
    pub fn visible(&self, document: &Document) -> Option<Document> {
        if self.is_empty() {
            return None;
        }
        let marks = self.marks(document);
        let mut filter =
            Filter { gone: vec![false; document.id_bound()], document: document.clone(), marks };
        for denied in std::mem::take(&mut filter.marks.denied) {
            if !filter.gone[denied.index()] && !filter.keep(denied) && denied != filter.root() {
                filter.remove(denied);
            }
        }
        let root = filter.root();
        filter.keep(root).then_some(filter.document)
    }
}

struct Filter {
    document: Document,
    marks: Marks,
    /// Elements that are removed already, by index.
    gone: Vec<bool>,
}

impl Filter {
    fn root(&self) -> ElementId {
        self.document.root_id()
    }

    /// Strips an element, unless it is readable as a whole, to its id and to what of its children is
    /// readable. Whether something is left.
    fn keep(&mut self, id: ElementId) -> bool {
        if self.marks.show(self.document.element(id)) {
            return true;
        }
        let names: Vec<String> =
            self.document.element(id).attributes().map(|(name, _)| name.to_owned()).collect();
        for name in names.iter().filter(|name| *name != "id") {
            self.document.remove_attribute(id, name);
        }
        let children: Vec<NodeId> =
            self.document.element(id).child_nodes().map(|child| child.id()).collect();
        let mut any = false;
        for child in children {
            let is_element = self.document.node(child).as_element().is_some();
            if is_element && self.keep(child) {
                any = true;
            } else {
                self.remove(child);
            }
        }
        any
    }

    fn remove(&mut self, node: NodeId) {
        self.gone[node.index()] = true;
        if let Some(element) = self.document.node(node).as_element() {
            for below in element.descendants() {
                self.gone[below.id().index()] = true;
            }
        }
        self.document.remove(node);
    }
}
