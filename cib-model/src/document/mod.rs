//! The XML document: a lossless, mutable arena.
//!
//! A CIB has no meaningful text: text nodes are dropped on reading, comments and CDATA sections are
//! kept, and the order of attributes and elements is preserved (spec 50 §1). Everything lives in
//! three vectors (nodes, attributes, one text buffer), so reading, copying and dropping a document
//! never recurse, and a node is named by a small integer.
//!
//! ```
//! use cib_model::document::Document;
//!
//! let mut cib = Document::parse(r#"<cib epoch="1"><configuration/></cib>"#)?;
//! let configuration = cib.root().child("configuration").unwrap().id();
//! let nodes = cib.append_element(configuration, "nodes");
//! let node = cib.append_element(nodes, "node");
//! cib.set_attribute(node, "id", "1");
//! cib.set_attribute(cib.root_id(), "epoch", "2");
//! assert_eq!(
//!     cib.root().to_xml_compact(),
//!     r#"<cib epoch="2"><configuration><nodes><node id="1"/></nodes></configuration></cib>"#
//! );
//! # Ok::<(), cib_model::document::ParseError>(())
//! ```
//!
//! Namespaces carry no meaning in a CIB and are dropped: a name is its local part, and of two
//! attributes with the same local part the first is kept.

mod build;
mod characters;
mod edit;
mod element;
mod error;
mod guard;
mod names;
mod parse;
mod plain;
mod references;
mod write;

pub use characters::is_name;
pub use element::{Ancestors, Attributes, ChildNodes, Children, Descendants, Element, Node};
pub use error::{ParseError, ParseErrorKind};
pub use guard::ParseLimits;
pub use references::{IdIndex, ReferenceError, References};

pub(crate) use write::escape_attribute;

use names::{NameId, Names};

/// Names a node (an element, a comment or a CDATA section) within its document.
///
/// It stays valid through every mutation until the node is removed; afterwards the number may be
/// given to a new node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(u32);

/// A [`NodeId`] that names an element.
pub type ElementId = NodeId;

impl NodeId {
    /// The number as an index, for dense side tables (see [`Document::id_bound`]).
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// What a node is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NodeKind {
    /// An element with a name, attributes and children.
    Element,
    /// A comment, `<!--…-->`.
    Comment,
    /// A CDATA section, `<![CDATA[…]]>`.
    CData,
}

/// "No node" in the links of [`NodeData`].
const NONE: u32 = u32::MAX;

#[derive(Debug, Clone)]
struct NodeData {
    kind: NodeKind,
    /// Element: its name. Otherwise unused.
    name: NameId,
    parent: u32,
    previous: u32,
    next: u32,
    first_child: u32,
    last_child: u32,
    /// Element: its run of attributes. Comment, CDATA: its text in the buffer (start, length).
    start: u32,
    len: u32,
    /// Attribute slots this element owns from `start` on; at least `len`.
    capacity: u32,
    /// Place in the text the document was read from, 0 for nodes made later.
    line: u32,
}

#[derive(Debug, Clone, Copy)]
struct AttributeData {
    name: NameId,
    /// The value, as a range of the text buffer.
    start: u32,
    len: u32,
}

/// An XML document held in an arena. See the [module documentation](self).
#[derive(Clone)]
pub struct Document {
    text: String,
    nodes: Vec<NodeData>,
    attributes: Vec<AttributeData>,
    names: Names,
    root: u32,
    /// Head of the list of removed nodes, linked through `next`.
    free: u32,
    /// Bytes of the text buffer no value refers to any more.
    dead_text: usize,
    /// Attribute slots no element owns any more.
    dead_attributes: usize,
}

impl Document {
    /// A document that consists of one element without attributes.
    pub fn new(root_name: &str) -> Document {
        let mut document = Document {
            text: String::new(),
            nodes: Vec::new(),
            attributes: Vec::new(),
            names: Names::default(),
            root: 0,
            free: NONE,
            dead_text: 0,
            dead_attributes: 0,
        };
        document.root = document.new_element(root_name).0;
        document
    }

    /// The outermost element.
    pub fn root(&self) -> Element<'_> {
        self.element(NodeId(self.root))
    }

    /// The id of the outermost element, for mutation.
    pub fn root_id(&self) -> ElementId {
        NodeId(self.root)
    }

    /// The element with this id.
    ///
    /// # Panics
    /// When `id` names a comment or CDATA section, or comes from a larger document.
    pub fn element(&self, id: ElementId) -> Element<'_> {
        self.node(id).as_element().expect("an id of an element of this document")
    }

    /// The node with this id.
    pub fn node(&self, id: NodeId) -> Node<'_> {
        Node { document: self, id: id.0 }
    }

    /// The first element in document order whose `id` attribute is `xml_id`.
    ///
    /// Walks the document; for many look-ups build an [`IdIndex`].
    pub fn get_by_id(&self, xml_id: &str) -> Option<Element<'_>> {
        self.root().descendants().find(|element| element.xml_id() == Some(xml_id))
    }

    /// One more than the largest [`NodeId::index`] in use: the length of a dense side table.
    pub fn id_bound(&self) -> usize {
        self.nodes.len()
    }

    fn data(&self, id: u32) -> &NodeData {
        &self.nodes[id as usize]
    }

    fn attributes_of(&self, id: u32) -> &[AttributeData] {
        let node = self.data(id);
        &self.attributes[node.start as usize..(node.start + node.len) as usize]
    }

    fn text_at(&self, start: u32, len: u32) -> &str {
        &self.text[start as usize..start as usize + len as usize]
    }
}

impl std::fmt::Debug for Document {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.to_xml())
    }
}

/// Equal when they read the same: same nodes in the same order, same attributes in the same order.
impl PartialEq for Document {
    fn eq(&self, other: &Document) -> bool {
        self.root().to_xml_compact() == other.root().to_xml_compact()
    }
}

impl Eq for Document {}

#[cfg(test)]
mod tests;
