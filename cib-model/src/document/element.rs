//! Read access: copyable views of elements and nodes.

use super::{AttributeData, Document, NONE, NodeId, NodeKind};

/// A view of one node: an element, a comment or a CDATA section.
#[derive(Clone, Copy)]
pub struct Node<'d> {
    pub(super) document: &'d Document,
    pub(super) id: u32,
}

impl<'d> Node<'d> {
    /// The number of this node in its document.
    pub fn id(self) -> NodeId {
        NodeId(self.id)
    }

    /// What the node is.
    pub fn kind(self) -> NodeKind {
        self.document.data(self.id).kind
    }

    /// The node as an element, if it is one.
    pub fn as_element(self) -> Option<Element<'d>> {
        (self.kind() == NodeKind::Element).then_some(Element(self))
    }

    /// The text of a comment or CDATA section; empty for an element.
    pub fn text(self) -> &'d str {
        let data = self.document.data(self.id);
        match data.kind {
            NodeKind::Element => "",
            NodeKind::Comment | NodeKind::CData => self.document.text_at(data.start, data.len),
        }
    }

    /// The element that contains this node.
    pub fn parent(self) -> Option<Element<'d>> {
        self.linked(self.document.data(self.id).parent).map(Element)
    }

    /// The next node with the same parent.
    pub fn next_sibling(self) -> Option<Node<'d>> {
        self.linked(self.document.data(self.id).next)
    }

    /// The previous node with the same parent.
    pub fn previous_sibling(self) -> Option<Node<'d>> {
        self.linked(self.document.data(self.id).previous)
    }

    /// How many siblings (of any kind) come before this node.
    pub fn position(self) -> usize {
        std::iter::successors(self.previous_sibling(), |node| node.previous_sibling()).count()
    }

    /// The line of the text the node was read from, from 1; 0 when it was made by mutation.
    pub fn line(self) -> u32 {
        self.document.data(self.id).line
    }

    fn linked(self, id: u32) -> Option<Node<'d>> {
        (id != NONE).then_some(Node { document: self.document, id })
    }

    /// The next node of a document-order walk that stays within `top`.
    fn following(self, top: u32) -> Option<Node<'d>> {
        let data = self.document.data(self.id);
        if data.first_child != NONE {
            return self.linked(data.first_child);
        }
        let mut node = self;
        while node.id != top {
            let data = node.document.data(node.id);
            if data.next != NONE {
                return node.linked(data.next);
            }
            node = node.linked(data.parent)?;
        }
        None
    }
}

impl PartialEq for Node<'_> {
    /// The same node of the same document.
    fn eq(&self, other: &Node<'_>) -> bool {
        self.id == other.id && std::ptr::eq(self.document, other.document)
    }
}

impl Eq for Node<'_> {}

impl std::fmt::Debug for Node<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.to_xml_compact())
    }
}

/// A view of one element. Copying it costs nothing.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Element<'d>(pub(super) Node<'d>);

impl<'d> Element<'d> {
    /// The number of this element in its document.
    pub fn id(self) -> NodeId {
        self.0.id()
    }

    /// The element as a node, among its siblings of all kinds.
    pub fn as_node(self) -> Node<'d> {
        self.0
    }

    /// The document this element is in.
    pub fn document(self) -> &'d Document {
        self.0.document
    }

    /// The tag name.
    pub fn name(self) -> &'d str {
        let document = self.document();
        document.names.get(document.data(self.0.id).name)
    }

    /// The value of an attribute. An attribute with an empty value is present.
    pub fn attribute(self, name: &str) -> Option<&'d str> {
        self.attributes().find_map(|(key, value)| (key == name).then_some(value))
    }

    /// All attributes in document order.
    pub fn attributes(self) -> Attributes<'d> {
        let document = self.document();
        Attributes { document, slots: document.attributes_of(self.0.id).iter() }
    }

    /// The number of attributes.
    pub fn attribute_count(self) -> usize {
        self.document().data(self.0.id).len as usize
    }

    /// The attribute `id`.
    pub fn xml_id(self) -> Option<&'d str> {
        self.attribute("id")
    }

    /// The child elements in document order.
    pub fn children(self) -> Children<'d> {
        Children(self.child_nodes())
    }

    /// The child elements of one name, in document order.
    pub fn children_named<'n>(
        self,
        name: &'n str,
    ) -> impl Iterator<Item = Element<'d>> + use<'d, 'n> {
        self.children().filter(move |child| child.name() == name)
    }

    /// The first child element of this name.
    pub fn child(self, name: &str) -> Option<Element<'d>> {
        self.children().find(|child| child.name() == name)
    }

    /// The children of all kinds, in document order.
    pub fn child_nodes(self) -> ChildNodes<'d> {
        let data = self.document().data(self.0.id);
        ChildNodes { front: self.0.linked(data.first_child), back: self.0.linked(data.last_child) }
    }

    /// Whether there is no child of any kind.
    pub fn is_empty(self) -> bool {
        self.document().data(self.0.id).first_child == NONE
    }

    /// The element that contains this one.
    pub fn parent(self) -> Option<Element<'d>> {
        self.0.parent()
    }

    /// This element, its parent, and so on up to the root.
    pub fn ancestors(self) -> Ancestors<'d> {
        Ancestors(Some(self))
    }

    /// This element and all elements below it, in document order.
    pub fn descendants(self) -> Descendants<'d> {
        Descendants { next: Some(self.0), top: self.0.id }
    }

    /// The line of the text the element was read from, from 1; 0 when it was made by mutation.
    pub fn line(self) -> u32 {
        self.0.line()
    }
}

impl std::fmt::Debug for Element<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// Attributes of an element as (name, value), in document order.
#[derive(Clone)]
pub struct Attributes<'d> {
    document: &'d Document,
    slots: std::slice::Iter<'d, AttributeData>,
}

impl<'d> Iterator for Attributes<'d> {
    type Item = (&'d str, &'d str);

    fn next(&mut self) -> Option<Self::Item> {
        let slot = self.slots.next()?;
        Some((self.document.names.get(slot.name), self.document.text_at(slot.start, slot.len)))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.slots.size_hint()
    }
}

impl ExactSizeIterator for Attributes<'_> {}

/// Children of all kinds.
#[derive(Clone)]
pub struct ChildNodes<'d> {
    front: Option<Node<'d>>,
    back: Option<Node<'d>>,
}

impl<'d> ChildNodes<'d> {
    fn take(&mut self, node: Node<'d>) -> Option<Node<'d>> {
        if self.front == self.back {
            (self.front, self.back) = (None, None);
        }
        Some(node)
    }
}

impl<'d> Iterator for ChildNodes<'d> {
    type Item = Node<'d>;

    fn next(&mut self) -> Option<Node<'d>> {
        let node = self.front?;
        if self.front != self.back {
            self.front = node.next_sibling();
            return Some(node);
        }
        self.take(node)
    }
}

impl DoubleEndedIterator for ChildNodes<'_> {
    fn next_back(&mut self) -> Option<Self::Item> {
        let node = self.back?;
        if self.front != self.back {
            self.back = node.previous_sibling();
            return Some(node);
        }
        self.take(node)
    }
}

/// Child elements.
#[derive(Clone)]
pub struct Children<'d>(ChildNodes<'d>);

impl<'d> Iterator for Children<'d> {
    type Item = Element<'d>;

    fn next(&mut self) -> Option<Element<'d>> {
        self.0.find_map(Node::as_element)
    }
}

impl DoubleEndedIterator for Children<'_> {
    fn next_back(&mut self) -> Option<Self::Item> {
        self.0.by_ref().rev().find_map(Node::as_element)
    }
}

/// An element and its ancestors, inside out.
#[derive(Clone)]
pub struct Ancestors<'d>(Option<Element<'d>>);

impl<'d> Iterator for Ancestors<'d> {
    type Item = Element<'d>;

    fn next(&mut self) -> Option<Element<'d>> {
        let element = self.0?;
        self.0 = element.parent();
        Some(element)
    }
}

/// An element and everything below it, in document order.
#[derive(Clone)]
pub struct Descendants<'d> {
    next: Option<Node<'d>>,
    top: u32,
}

impl<'d> Iterator for Descendants<'d> {
    type Item = Element<'d>;

    fn next(&mut self) -> Option<Element<'d>> {
        loop {
            let node = self.next?;
            self.next = node.following(self.top);
            if let Some(element) = node.as_element() {
                return Some(element);
            }
        }
    }
}
