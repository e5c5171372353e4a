//! Values of expressions, and nodes.

use super::Match;
use crate::document::{Element, Node, NodeKind};

/// A node as XPath sees it.
#[derive(Copy, Clone, Debug)]
pub(super) enum XNode<'d> {
    Root,
    /// An element or comment.
    Node(Node<'d>),
    Attribute {
        owner: Element<'d>,
        index: usize,
        name: &'d str,
        value: &'d str,
    },
}

impl<'d> XNode<'d> {
    pub(super) fn element(self) -> Option<Element<'d>> {
        match self {
            XNode::Node(node) => node.as_element(),
            _ => None,
        }
    }

    pub(super) fn name(self) -> &'d str {
        match self {
            XNode::Root => "",
            XNode::Node(node) => node.as_element().map_or("", |element| element.name()),
            XNode::Attribute { name, .. } => name,
        }
    }

    /// The string value: of an attribute its value, of a comment its text. Elements hold no text.
    pub(super) fn text(self) -> &'d str {
        match self {
            XNode::Root => "",
            XNode::Node(node) if node.kind() == NodeKind::Comment => node.text(),
            XNode::Node(_) => "",
            XNode::Attribute { value, .. } => value,
        }
    }

    /// A number that is the same for the same node only: element, then attribute.
    pub(super) fn key(self) -> (usize, usize) {
        match self {
            XNode::Root => (usize::MAX, 0),
            XNode::Node(node) => (node.id().index(), 0),
            XNode::Attribute { owner, index, .. } => (owner.id().index(), index + 1),
        }
    }
}

impl<'d> From<XNode<'d>> for Match<'d> {
    fn from(node: XNode<'d>) -> Match<'d> {
        match node {
            XNode::Root => Match::Root,
            XNode::Node(node) => node.as_element().map_or(Match::Comment(node), Match::Element),
            XNode::Attribute { owner, name, value, .. } => Match::Attribute { owner, name, value },
        }
    }
}

/// The value of an expression. Nodes are in document order, each once.
#[derive(Clone, Debug)]
pub(super) enum Value<'d> {
    Nodes(Vec<XNode<'d>>),
    Boolean(bool),
    Number(f64),
    Text(String),
}

impl Value<'_> {
    pub(super) fn to_boolean(&self) -> bool {
        match self {
            Value::Nodes(nodes) => !nodes.is_empty(),
            Value::Boolean(boolean) => *boolean,
            Value::Number(number) => *number != 0.0 && !number.is_nan(),
            Value::Text(text) => !text.is_empty(),
        }
    }

    pub(super) fn to_number(&self) -> f64 {
        match self {
            Value::Boolean(boolean) => f64::from(*boolean),
            Value::Number(number) => *number,
            Value::Text(text) => text_to_number(text),
            Value::Nodes(nodes) => text_to_number(nodes.first().map_or("", |node| node.text())),
        }
    }

    pub(super) fn to_text(&self) -> String {
        match self {
            Value::Nodes(nodes) => nodes.first().map_or("", |node| node.text()).to_owned(),
            Value::Boolean(boolean) => boolean.to_string(),
            Value::Number(number) => number_to_text(*number),
            Value::Text(text) => text.clone(),
        }
    }
}

/// A number in decimal digits, perhaps with a sign; anything else is not a number.
pub(super) fn text_to_number(text: &str) -> f64 {
    let text = text.trim_matches([' ', '\t', '\r', '\n']);
    let digits = text.strip_prefix('-').unwrap_or(text);
    let decimal = digits.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    if decimal { text.parse().unwrap_or(f64::NAN) } else { f64::NAN }
}

fn number_to_text(number: f64) -> String {
    if number.is_nan() {
        "NaN".to_owned()
    } else if number.is_infinite() {
        if number > 0.0 { "Infinity" } else { "-Infinity" }.to_owned()
    } else if number == 0.0 {
        "0".to_owned()
    } else {
        number.to_string()
    }
}
