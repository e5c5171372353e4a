//! Applying a patch (spec 50 §11.2).

use std::collections::BTreeSet;

use super::{Change, Content, Patch, PatchError, Versions, path};
use crate::digest;
use crate::document::{Document, ElementId, NodeId};
use crate::model::CibVersion;

impl Patch {
    /// The document with the patch applied.
    ///
    /// Versions are checked when the patch has any, and the digest when it has one.
    ///
    /// # Errors
    /// When the patch is older than the document or does not fit it.
    pub fn applied(&self, document: &Document) -> Result<Document, PatchError> {
        self.check_versions(document)?;
        let mut result = document.clone();
        self.apply_changes(&mut result)?;
        Ok(result)
    }

    /// Applies the patch in place, without a look at versions, and checks the digest when the patch
    /// has one.
    ///
    /// # Errors
    /// When the patch does not fit. The document may be changed in part then.
    pub fn apply_changes(&self, document: &mut Document) -> Result<(), PatchError> {
        let mut application = Application::default();
        for change in &self.changes {
            if let Err(error) = application.change(document, change) {
                application.failure.get_or_insert(error);
            }
        }
        application.place(document);
        match (application.failure, &self.digest) {
            (Some(error), _) => Err(error),
            (None, Some(expected)) => check_digest(document, expected),
            (None, None) => Ok(()),
        }
    }

    /// Whether the patch is the next one for a document.
    ///
    /// # Errors
    /// When it is older, or when something between is missing.
    pub fn check_versions(&self, document: &Document) -> Result<(), PatchError> {
        let Some(Versions { source, target }) = self.versions else { return Ok(()) };
        let current = CibVersion::of(document.root(), 0);
        let source_version = source.unwrap_or(current);
        let next = CibVersion { num_updates: current.num_updates.saturating_add(1), ..current };
        let target = target.unwrap_or(next);
        let old = PatchError::OldData { current, source_version, target };
        for (have, needed) in current.fields().iter().zip(source_version.fields()) {
            match have.cmp(&needed) {
                std::cmp::Ordering::Less => {
                    return Err(PatchError::Ahead { current, source_version });
                }
                std::cmp::Ordering::Greater => return Err(old),
                std::cmp::Ordering::Equal => {}
            }
        }
        let newer =
            target.fields().iter().zip(source_version.fields()).any(|(to, from)| *to > from);
        if newer { Ok(()) } else { Err(old) }
    }
}

fn check_digest(document: &Document, expected: &str) -> Result<(), PatchError> {
    let actual = digest::on_wire(document.root());
    if actual.eq_ignore_ascii_case(expected) {
        return Ok(());
    }
    Err(PatchError::Digest { actual, expected: expected.to_owned() })
}

/// A patch on its way into a document: what is added and moved is put in place at the end, by
/// position.
#[derive(Default)]
struct Application<'p> {
    places: Vec<Place<'p>>,
    removed: BTreeSet<NodeId>,
    failure: Option<PatchError>,
}

enum Place<'p> {
    Create { parent: ElementId, position: usize, content: &'p Content, path: &'p str },
    Move { node: NodeId, position: usize, path: &'p str },
}

impl Place<'_> {
    fn position(&self) -> usize {
        match self {
            Place::Create { position, .. } | Place::Move { position, .. } => *position,
        }
    }
}

impl<'p> Application<'p> {
    fn change(&mut self, document: &mut Document, change: &'p Change) -> Result<(), PatchError> {
        let missing =
            |path: &str, operation| PatchError::NotFound { path: path.to_owned(), operation };
        match change {
            Change::Delete { path, position } => {
                let Some(node) = path::resolve(document, path, *position) else { return Ok(()) };
                if node.id() == document.root_id() {
                    return Err(missing(path, "delete"));
                }
                match node.as_element() {
                    Some(element) => self.removed.extend(element.descendants().map(|e| e.id())),
                    None => {
                        self.removed.insert(node.id());
                    }
                }
                let node = node.id();
                document.remove(node);
            }
            Change::Modify { path, result, .. } => {
                let element =
                    path::resolve(document, path, None).and_then(|node| node.as_element());
                let element = element.ok_or_else(|| missing(path, "modify"))?.id();
                document.clear_attributes(element);
                for (name, value) in result {
                    document.set_attribute(element, name, value);
                }
            }
            Change::Create { parent: path, position, content } => {
                let parent = path::resolve(document, path, None).and_then(|node| node.as_element());
                let parent = parent.ok_or_else(|| missing(path, "create something in"))?.id();
                self.places.push(Place::Create { parent, position: *position, content, path });
            }
            Change::Move { path, position } => {
                let node = path::resolve(document, path, None);
                let found = node.and_then(|node| Some((node.id(), node.parent()?.id())));
                let (node, parent) = found.ok_or_else(|| missing(path, "move"))?;
                document.move_child(node, parent, usize::MAX);
                self.places.push(Place::Move { node, position: *position, path });
            }
            Change::Unknown { operation, line } => {
                return Err(PatchError::UnknownOperation {
                    operation: operation.clone(),
                    line: *line,
                });
            }
        }
        Ok(())
    }

    /// Puts what was added and moved in its place, lowest position first.
    fn place(&mut self, document: &mut Document) {
        let mut places = std::mem::take(&mut self.places);
        let removed = std::mem::take(&mut self.removed);
        places.retain(|place| {
            let (node, path, operation) = match place {
                Place::Create { parent, path, .. } => (parent, path, "create something in"),
                Place::Move { node, path, .. } => (node, path, "move"),
            };
            let gone = removed.contains(node);
            if gone {
                let path = (*path).to_owned();
                self.failure.get_or_insert(PatchError::NotFound { path, operation });
            }
            !gone
        });
        places.sort_by_key(Place::position);
        let mut cursors = Cursors::default();
        for place in places {
            match place {
                Place::Create { parent, position, content, .. } => {
                    cursors.insert(document, parent, position, content);
                }
                Place::Move { node, position, path } => {
                    let parent = document.node(node).parent().map(|parent| parent.id());
                    let fits = parent.is_some_and(|parent| {
                        cursors.forget(parent);
                        document.move_child(node, parent, position);
                        document.node(node).position() == position
                    });
                    if !fits {
                        let path = path.to_owned();
                        self.failure.get_or_insert(PatchError::Misplaced { path, position });
                    }
                }
            }
        }
    }
}

/// Where the last addition to each parent went, so that a run of additions does not count from the
/// start each time.
#[derive(Default)]
struct Cursors(std::collections::BTreeMap<ElementId, (usize, NodeId)>);

impl Cursors {
    fn forget(&mut self, parent: ElementId) {
        self.0.remove(&parent);
    }

    /// Adds `content` as child number `position`, or as the last one.
    fn insert(
        &mut self,
        document: &mut Document,
        parent: ElementId,
        position: usize,
        content: &Content,
    ) {
        let before = self.child_at(document, parent, position);
        let node = match (content, before) {
            (Content::Element(content), Some(sibling)) => {
                let root = content.root();
                let copy = document.insert_element_before(sibling, root.name());
                for (name, value) in root.attributes() {
                    document.set_attribute(copy, name, value);
                }
                for child in root.child_nodes() {
                    document.copy_node_at(copy, usize::MAX, child);
                }
                copy
            }
            (Content::Element(content), None) => document.copy_subtree(parent, content.root()),
            (Content::Comment(text), before) => {
                let comment = document.append_comment(parent, text);
                if before.is_some() {
                    document.move_child(comment, parent, position);
                }
                comment
            }
        };
        if before.is_some() {
            self.0.insert(parent, (position, node));
        } else {
            self.forget(parent);
        }
    }

    /// The child at a position, found from the last addition on. Positions only grow.
    fn child_at(&self, document: &Document, parent: ElementId, position: usize) -> Option<NodeId> {
        let (start, first) = match self.0.get(&parent) {
            Some(&(start, node)) => (start, Some(document.node(node))),
            None => (0, document.element(parent).child_nodes().next()),
        };
        std::iter::successors(first, |node| node.next_sibling())
            .nth(position.checked_sub(start)?)
            .map(|node| node.id())
    }
}
