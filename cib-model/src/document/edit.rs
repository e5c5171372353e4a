//! Mutation. Nothing here allocates per node, and what mutation leaves behind is reclaimed.
//!
//! Names given here must be XML names (see [`is_name`](super::is_name)): a document with others cannot
//! be read again. Characters that XML forbids are replaced by U+FFFD in values.

use super::characters::allowed;
use super::names::NameId;
use super::{AttributeData, Document, Element, ElementId, NONE, Node, NodeData, NodeId, NodeKind};

/// Left-overs below this size are not worth collecting.
const COMPACT_TEXT_ABOVE: usize = 64 << 10;
const COMPACT_ATTRIBUTES_ABOVE: usize = 4 << 10;
const COMPACT_NAMES_ABOVE: usize = 4 << 10;

impl Document {
    /// Adds a new last child element.
    pub fn append_element(&mut self, parent: ElementId, name: &str) -> ElementId {
        let id = self.new_element(name);
        self.link(id.0, parent.0, NONE);
        id
    }

    /// Adds a new element directly before `sibling`, which must not be the root.
    pub fn insert_element_before(&mut self, sibling: NodeId, name: &str) -> ElementId {
        let parent = self.data(sibling.0).parent;
        assert_ne!(parent, NONE, "the root has no siblings");
        let id = self.new_element(name);
        self.link(id.0, parent, sibling.0);
        id
    }

    /// Adds a comment as the last child. `--` cannot stand in a comment and is written `- -`.
    pub fn append_comment(&mut self, parent: ElementId, text: &str) -> NodeId {
        let mut text = allowed(text).replace("--", "- -").replace("--", "- -");
        if text.ends_with('-') {
            text.push(' ');
        }
        let id = self.new_text(NodeKind::Comment, &text);
        self.link(id.0, parent.0, NONE);
        id
    }

    /// Sets an attribute: in its place if present, else as the last one. Control characters that XML
    /// forbids become U+FFFD, so that what is written can be read.
    pub fn set_attribute(&mut self, element: ElementId, name: &str, value: &str) {
        let value = &*allowed(value);
        let name = self.names.intern(name);
        match self.attributes_of(element.0).iter().position(|slot| slot.name == name) {
            Some(index) => {
                let slot = self.data(element.0).start as usize + index;
                self.set_value(slot, value);
            }
            None => self.add_attribute(element.0, name, value),
        }
        self.compact_when_wasteful();
    }

    /// Removes an attribute and returns its value.
    pub fn remove_attribute(&mut self, element: ElementId, name: &str) -> Option<String> {
        let name = self.names.find(name)?;
        let index = self.attributes_of(element.0).iter().position(|slot| slot.name == name)?;
        let node = &mut self.nodes[element.index()];
        let (start, len) = (node.start as usize, node.len as usize);
        node.len -= 1;
        let removed = self.attributes[start + index];
        self.attributes.copy_within(start + index + 1..start + len, start + index);
        let value = self.text_at(removed.start, removed.len).to_owned();
        self.dead_text += value.len();
        Some(value)
    }

    /// Removes all attributes.
    pub fn clear_attributes(&mut self, element: ElementId) {
        self.dead_text +=
            self.attributes_of(element.0).iter().map(|slot| slot.len as usize).sum::<usize>();
        self.nodes[element.index()].len = 0;
    }

    /// Gives an element another name.
    pub fn rename(&mut self, element: ElementId, name: &str) {
        let name = self.names.intern(name);
        self.nodes[element.index()].name = name;
    }

    /// Removes a node with everything below it. Its ids become invalid.
    ///
    /// # Panics
    /// When `node` is the root: a document has one.
    pub fn remove(&mut self, node: NodeId) {
        assert_ne!(node.0, self.root, "the root cannot be removed");
        self.unlink(node.0);
        // The list of nodes still to free runs through `next`, so depth costs no stack.
        let mut pending = node.0;
        while pending != NONE {
            let id = pending;
            let data = &self.nodes[id as usize];
            pending = data.next;
            if data.first_child != NONE {
                let (first, last) = (data.first_child, data.last_child);
                self.nodes[last as usize].next = pending;
                pending = first;
            }
            self.release(id);
        }
        self.compact_when_wasteful();
    }

    /// Removes all children of an element.
    pub fn remove_children(&mut self, element: ElementId) {
        while self.data(element.0).first_child != NONE {
            self.remove(NodeId(self.data(element.0).first_child));
        }
    }

    /// Moves a node so that it is child number `index` (counting nodes of all kinds, after the move) of
    /// `new_parent`; an index beyond the end means last.
    ///
    /// # Panics
    /// When `new_parent` lies within `node`.
    pub fn move_child(&mut self, node: NodeId, new_parent: ElementId, index: usize) {
        let within = self.element(new_parent).ancestors().any(|above| above.id() == node);
        assert!(!within, "an element cannot be moved into itself");
        self.unlink(node.0);
        let before = self.child_at(new_parent, index);
        self.link(node.0, new_parent.0, before);
    }

    /// Copies an element of another document, with everything below it, as the last child of
    /// `parent`. For a copy within one document see [`Document::duplicate`].
    pub fn copy_subtree(&mut self, parent: ElementId, source: Element<'_>) -> ElementId {
        self.copy_node_at(parent, usize::MAX, source.as_node())
    }

    /// Copies a node of another document, with everything below it, to position `index` of the children
    /// of `parent`; an index beyond the end means last.
    pub fn copy_node_at(&mut self, parent: ElementId, index: usize, source: Node<'_>) -> NodeId {
        let before = self.child_at(parent, index);
        let top = self.copy_one(source);
        self.link(top.0, parent.0, before);
        let mut copies = vec![(source, top)];
        while let Some((original, copy)) = copies.pop() {
            let Some(element) = original.as_element() else { continue };
            for child in element.child_nodes() {
                let child_copy = self.copy_one(child);
                self.link(child_copy.0, copy.0, NONE);
                copies.push((child, child_copy));
            }
        }
        top
    }

    /// Copies an element of this document, with everything below it, as the last child of `parent`.
    pub fn duplicate(&mut self, parent: ElementId, source: ElementId) -> ElementId {
        let copy = Document::from_subtree(self.element(source));
        self.copy_subtree(parent, copy.root())
    }

    /// A document of its own with a copy of this element.
    pub fn from_subtree(source: Element<'_>) -> Document {
        let mut document = Document::new(source.name());
        let root = document.root_id();
        for (name, value) in source.attributes() {
            document.set_attribute(root, name, value);
        }
        for child in source.child_nodes() {
            document.copy_node_at(root, usize::MAX, child);
        }
        document
    }

    pub(super) fn new_element(&mut self, name: &str) -> ElementId {
        let name = self.names.intern(name);
        self.new_node(NodeKind::Element, name, 0, 0)
    }

    fn new_text(&mut self, kind: NodeKind, text: &str) -> NodeId {
        let (start, len) = self.add_text(text);
        self.new_node(kind, NameId(0), start, len)
    }

    fn new_node(&mut self, kind: NodeKind, name: NameId, start: u32, len: u32) -> NodeId {
        let data = NodeData {
            kind,
            name,
            parent: NONE,
            previous: NONE,
            next: NONE,
            first_child: NONE,
            last_child: NONE,
            start,
            len,
            capacity: 0,
            line: 0,
        };
        if self.free == NONE {
            self.nodes.push(data);
            return NodeId(self.nodes.len() as u32 - 1);
        }
        let id = self.free;
        self.free = self.data(id).next;
        self.nodes[id as usize] = data;
        NodeId(id)
    }

    fn copy_one(&mut self, source: Node<'_>) -> NodeId {
        let Some(element) = source.as_element() else {
            return self.new_text(source.kind(), source.text());
        };
        let id = self.new_element(element.name());
        let start = self.attributes.len() as u32;
        for (name, value) in element.attributes() {
            let name = self.names.intern(name);
            let (value_start, len) = self.add_text(value);
            self.attributes.push(AttributeData { name, start: value_start, len });
        }
        let len = self.attributes.len() as u32 - start;
        let data = &mut self.nodes[id.index()];
        (data.start, data.len, data.capacity) = (start, len, len);
        id
    }

    /// The node now at `index`, or `NONE` beyond the end.
    fn child_at(&self, parent: ElementId, index: usize) -> u32 {
        if index == usize::MAX {
            return NONE;
        }
        self.element(parent).child_nodes().nth(index).map_or(NONE, |node| node.id)
    }

    /// Hooks a detached node into `parent`, before `before` or as the last child.
    fn link(&mut self, id: u32, parent: u32, before: u32) {
        assert_eq!(self.data(parent).kind, NodeKind::Element, "only elements have children");
        let previous = match before {
            NONE => std::mem::replace(&mut self.nodes[parent as usize].last_child, id),
            sibling => std::mem::replace(&mut self.nodes[sibling as usize].previous, id),
        };
        match previous {
            NONE => self.nodes[parent as usize].first_child = id,
            sibling => self.nodes[sibling as usize].next = id,
        }
        let node = &mut self.nodes[id as usize];
        (node.parent, node.previous, node.next) = (parent, previous, before);
    }

    fn unlink(&mut self, id: u32) {
        let NodeData { parent, previous, next, .. } = *self.data(id);
        match previous {
            NONE => self.nodes[parent as usize].first_child = next,
            sibling => self.nodes[sibling as usize].next = next,
        }
        match next {
            NONE => self.nodes[parent as usize].last_child = previous,
            sibling => self.nodes[sibling as usize].previous = previous,
        }
        let node = &mut self.nodes[id as usize];
        (node.parent, node.previous, node.next) = (NONE, NONE, NONE);
    }

    fn release(&mut self, id: u32) {
        match self.data(id).kind {
            NodeKind::Element => {
                self.clear_attributes(NodeId(id));
                self.dead_attributes += self.data(id).capacity as usize;
            }
            NodeKind::Comment | NodeKind::CData => self.dead_text += self.data(id).len as usize,
        }
        let free = self.free;
        let node = &mut self.nodes[id as usize];
        (node.parent, node.previous) = (NONE, NONE);
        (node.first_child, node.last_child) = (NONE, NONE);
        (node.start, node.len, node.capacity, node.next) = (0, 0, 0, free);
        self.free = id;
    }

    fn add_text(&mut self, text: &str) -> (u32, u32) {
        let start = u32::try_from(self.text.len()).expect("a document smaller than 4 GiB");
        self.text.push_str(text);
        (start, text.len() as u32)
    }

    fn set_value(&mut self, slot: usize, value: &str) {
        let AttributeData { start, len, .. } = self.attributes[slot];
        if self.text_at(start, len) == value {
            return;
        }
        self.dead_text += len as usize;
        let (start, len) = self.add_text(value);
        (self.attributes[slot].start, self.attributes[slot].len) = (start, len);
    }

    fn add_attribute(&mut self, id: u32, name: NameId, value: &str) {
        let NodeData { start, len, capacity, .. } = *self.data(id);
        let (value_start, value_len) = self.add_text(value);
        let slot = AttributeData { name, start: value_start, len: value_len };
        if len < capacity {
            self.attributes[(start + len) as usize] = slot;
            self.nodes[id as usize].len += 1;
            return;
        }
        let end = self.attributes.len() as u32;
        if start + capacity != end {
            // Elsewhere, with room to grow.
            self.attributes.extend_from_within(start as usize..(start + len) as usize);
            self.dead_attributes += capacity as usize;
            self.nodes[id as usize].start = end;
        }
        self.attributes.push(slot);
        let node = &mut self.nodes[id as usize];
        node.len += 1;
        node.capacity = node.len;
    }

    /// Bounds what a long life of changes leaves behind to as much again as is in use.
    fn compact_when_wasteful(&mut self) {
        if self.dead_text > COMPACT_TEXT_ABOVE && self.dead_text > self.text.len() / 2
            || self.dead_attributes > COMPACT_ATTRIBUTES_ABOVE
                && self.dead_attributes > self.attributes.len() / 2
            || self.names.len() > COMPACT_NAMES_ABOVE
                && self.names.len() > 2 * (self.nodes.len() + self.attributes.len())
        {
            self.compact();
        }
    }

    /// Rewrites text, attributes and names without what is no longer referred to. Ids stay.
    fn compact(&mut self) {
        let text = std::mem::take(&mut self.text);
        let attributes = std::mem::take(&mut self.attributes);
        let names = std::mem::take(&mut self.names);
        let mut keep = |start: u32, len: u32| {
            let place = self.text.len() as u32;
            self.text.push_str(&text[start as usize..(start + len) as usize]);
            place
        };
        for node in &mut self.nodes {
            match node.kind {
                NodeKind::Element => {
                    node.name = self.names.intern(names.get(node.name));
                    let run = node.start as usize..(node.start + node.len) as usize;
                    node.start = self.attributes.len() as u32;
                    node.capacity = node.len;
                    for slot in &attributes[run] {
                        let start = keep(slot.start, slot.len);
                        let name = self.names.intern(names.get(slot.name));
                        self.attributes.push(AttributeData { name, start, len: slot.len });
                    }
                }
                NodeKind::Comment | NodeKind::CData => node.start = keep(node.start, node.len),
            }
        }
        (self.dead_text, self.dead_attributes) = (0, 0);
    }
}
