//! Making a patch (spec 50 §11.1): the changes come out in the order and with the positions of the
//! reference.

use std::collections::{BTreeMap, VecDeque};

use super::skips::Skips;
use super::{AttributeChange, Change, Content, Patch, Versions, path};
use crate::document::{Document, Element, Node, NodeId, NodeKind};
use crate::model::CibVersion;

/// Whether the order of attributes counts as a difference.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum AttributeOrder {
    /// It does, as it does for digests.
    Significant,
    /// It does not.
    Ignored,
}

impl Patch {
    /// The patch that leads from `old` to `new`; nothing when there is no difference.
    ///
    /// Versions are those of the documents, 1 where a document has none. There is no digest: set
    /// [`Patch::digest`] to that of the new document where it is wanted.
    pub fn between(old: &Document, new: &Document, order: AttributeOrder) -> Option<Patch> {
        let mut comparison = Comparison::of(old, new, order);
        let mut changes = std::mem::take(&mut comparison.deletes);
        comparison.walk(new.root().as_node(), &mut String::new(), &mut changes);
        if changes.is_empty() {
            return None;
        }
        let (source, target) = (CibVersion::of(old.root(), 1), CibVersion::of(new.root(), 1));
        let versions = Some(Versions { source: Some(source), target: Some(target) });
        Some(Patch { versions, digest: None, changes })
    }

    /// The change of the attributes of the root alone.
    pub(super) fn of_root(old: &Document, new: &Document) -> Option<Change> {
        let (old, new) = (old.root(), new.root());
        let list = attributes(old, new, AttributeOrder::Significant);
        (!list.is_empty()).then(|| modify(path::of(new), new, list))
    }
}

/// What becomes of a node of the new document.
#[derive(Copy, Clone, PartialEq, Eq)]
enum Fate {
    Kept,
    Created,
    Moved,
}

/// The nodes that differ between two documents.
#[derive(Default)]
pub(crate) struct Touched {
    /// Gone, in the old document.
    pub deleted: Vec<NodeId>,
    /// With other attributes: in the old document, and what changed.
    pub modified: Vec<(NodeId, Vec<AttributeChange>)>,
    /// At another place among their siblings: in the old document.
    pub moved: Vec<NodeId>,
    /// New, in the new document.
    pub created: Vec<NodeId>,
}

/// What differs between two documents. The order of attributes does not count.
pub(crate) fn touched(old: &Document, new: &Document) -> Touched {
    let comparison = Comparison::of(old, new, AttributeOrder::Ignored);
    Touched { modified: comparison.modifies.into_values().collect(), ..comparison.touched }
}

struct Comparison {
    order: AttributeOrder,
    deletes: Vec<Change>,
    /// By index of the new document's nodes.
    fates: Vec<Fate>,
    /// By index of the new document's nodes: the old node, and what changes.
    modifies: BTreeMap<usize, (NodeId, Vec<AttributeChange>)>,
    touched: Touched,
}

impl Comparison {
    fn of(old: &Document, new: &Document, order: AttributeOrder) -> Comparison {
        let fates = vec![Fate::Kept; new.id_bound()];
        let mut comparison = Comparison {
            order,
            deletes: Vec::new(),
            fates,
            modifies: BTreeMap::new(),
            touched: Touched::default(),
        };
        comparison.elements(old.root(), new.root());
        comparison
    }

    /// Compares a pair of elements that are the same one in both documents, and what is below them.
    fn elements(&mut self, old: Element<'_>, new: Element<'_>) {
        let list = attributes(old, new, self.order);
        if !list.is_empty() {
            self.modifies.insert(new.id().index(), (old.id(), list));
        }
        if same_sequence(old, new) {
            for (old, new) in old.children().zip(new.children()) {
                self.elements(old, new);
            }
            return;
        }
        let old_nodes: Vec<Node<'_>> = old.child_nodes().collect();
        let new_nodes: Vec<Node<'_>> = new.child_nodes().collect();
        let matches = match_children(&old_nodes, &new_nodes);
        let mut skips = Skips::new(old_nodes.len());
        for (index, (&node, counterpart)) in old_nodes.iter().zip(&matches.of_old).enumerate() {
            match counterpart {
                Some(counterpart) => {
                    if let (Some(old), Some(new)) =
                        (node.as_element(), new_nodes[*counterpart].as_element())
                    {
                        self.elements(old, new);
                    }
                }
                None => {
                    let mut path = path::of(old);
                    path::push_step(&mut path, node);
                    let is_comment = node.kind() == NodeKind::Comment;
                    let position = is_comment.then(|| skips.position(index));
                    self.deletes.push(Change::Delete { path, position });
                    self.touched.deleted.push(node.id());
                    skips.mark(index);
                }
            }
        }
        self.positions(&old_nodes, &new_nodes, &matches.of_new, &mut skips);
    }

    /// Finds what was added and what moved among the children of one element.
    fn positions(
        &mut self,
        old_nodes: &[Node<'_>],
        nodes: &[Node<'_>],
        matches: &[Option<usize>],
        skips: &mut Skips,
    ) {
        let mut position = 0;
        for (node, counterpart) in nodes.iter().zip(matches) {
            let fate = &mut self.fates[node.id().index()];
            match counterpart {
                None => {
                    *fate = Fate::Created;
                    self.touched.created.push(node.id());
                }
                Some(old) => {
                    let old_position = skips.position(*old);
                    if old_position != position {
                        *fate = Fate::Moved;
                        self.touched.moved.push(old_nodes[*old].id());
                    }
                    if old_position > position {
                        skips.mark(*old);
                        position += 1;
                    } else if old_position == position {
                        position += 1;
                    }
                }
            }
        }
    }

    /// Writes the changes of a node of the new document and of what is below it. `path` is that of
    /// its parent.
    fn walk(&self, node: Node<'_>, path: &mut String, changes: &mut Vec<Change>) {
        let fate = self.fates[node.id().index()];
        if fate == Fate::Created {
            let content = match node.as_element() {
                Some(element) => Content::Element(Document::from_subtree(element)),
                None => Content::Comment(node.text().to_owned()),
            };
            changes.push(Change::Create {
                parent: path.clone(),
                position: node.position(),
                content,
            });
            return;
        }
        let parent_len = path.len();
        path::push_step(path, node);
        if let Some(element) = node.as_element() {
            if let Some((_, list)) = self.modifies.get(&node.id().index()) {
                changes.push(modify(path.clone(), element, list.clone()));
            }
            for child in element.child_nodes() {
                self.walk(child, path, changes);
            }
        }
        if fate == Fate::Moved {
            changes.push(Change::Move { path: path.clone(), position: node.position() });
        }
        path.truncate(parent_len);
    }
}

/// Whether the children are the same ones in the same order: nothing is to be matched then.
fn same_sequence(old: Element<'_>, new: Element<'_>) -> bool {
    let (mut old, mut new) = (old.child_nodes(), new.child_nodes());
    loop {
        match (old.next(), new.next()) {
            (None, None) => return true,
            (Some(old), Some(new)) if same_node(old, new) => {}
            _ => return false,
        }
    }
}

/// Whether two nodes at the same position match.
fn same_node(old: Node<'_>, new: Node<'_>) -> bool {
    match (old.as_element(), new.as_element()) {
        (Some(old), Some(new)) => old.name() == new.name() && old.xml_id() == new.xml_id(),
        (None, None) => old.kind() == new.kind() && old.text().eq_ignore_ascii_case(new.text()),
        _ => false,
    }
}

struct Matches {
    of_old: Vec<Option<usize>>,
    of_new: Vec<Option<usize>>,
}

/// Pairs children: elements by name and id, each with the first that is left; comments by text and
/// position, where old siblings that are gone do not count.
fn match_children(old: &[Node<'_>], new: &[Node<'_>]) -> Matches {
    let mut waiting: BTreeMap<(&str, Option<&str>), VecDeque<usize>> = BTreeMap::new();
    for (index, node) in new.iter().enumerate() {
        if let Some(element) = node.as_element() {
            waiting.entry((element.name(), element.xml_id())).or_default().push_back(index);
        }
    }
    let mut of_new = vec![None; new.len()];
    let mut gone = 0;
    let mut of_old = Vec::with_capacity(old.len());
    for (index, node) in old.iter().enumerate() {
        let counterpart = match node.as_element() {
            Some(element) => {
                waiting.get_mut(&(element.name(), element.xml_id())).and_then(VecDeque::pop_front)
            }
            None => {
                let place = index - gone;
                new.get(place).is_some_and(|other| same_node(*node, *other)).then_some(place)
            }
        };
        match counterpart {
            Some(counterpart) => of_new[counterpart] = Some(index),
            None => gone += 1,
        }
        of_old.push(counterpart);
    }
    Matches { of_old, of_new }
}

/// The attributes that differ between two elements, in the order of the new one, removed ones last.
fn attributes(old: Element<'_>, new: Element<'_>, order: AttributeOrder) -> Vec<AttributeChange> {
    let new_list: Vec<(&str, &str)> = new.attributes().collect();
    if old.attributes().eq(new_list.iter().copied()) {
        return Vec::new();
    }
    let mut changed = vec![false; new_list.len()];
    let mut known = vec![false; new_list.len()];
    let mut removed: Vec<&str> = Vec::new();
    let mut old_skips = vec![false; old.attribute_count()];
    let mut new_skips = vec![false; new_list.len()];
    let position = |skips: &[bool], index: usize| skips[..index].iter().filter(|s| !**s).count();
    for (index, (name, value)) in old.attributes().enumerate() {
        let Some(at) = new_list.iter().position(|&(other, _)| other == name) else {
            removed.push(name);
            continue;
        };
        known[at] = true;
        if new_list[at].1 != value {
            changed[at] = true;
        } else if order == AttributeOrder::Significant {
            let (before, after) = (position(&old_skips, index), position(&new_skips, at));
            if before != after {
                changed[at] = true;
                if before > after {
                    old_skips[index] = true;
                } else {
                    new_skips[at] = true;
                }
            }
        }
    }
    let set = new_list.iter().enumerate().filter(|&(at, _)| changed[at] || !known[at]).map(
        |(_, &(name, value))| AttributeChange {
            name: name.to_owned(),
            value: Some(value.to_owned()),
        },
    );
    let unset = removed.iter().map(|&name| AttributeChange { name: name.to_owned(), value: None });
    set.chain(unset).collect()
}

fn modify(path: String, element: Element<'_>, list: Vec<AttributeChange>) -> Change {
    let result = element.attributes().map(|(n, v)| (n.to_owned(), v.to_owned())).collect();
    Change::Modify { path, list, name: element.name().to_owned(), result }
}
