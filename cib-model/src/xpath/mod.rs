//! XPath 1.0 over a [`Document`]: how clients, tools and access rules name parts of a CIB.
//!
//! All of XPath 1.0 but variables and namespaces. A CIB holds no text, so `text()` matches nothing and
//! the string value of an element is empty. An evaluation visits a limited number of nodes
//! ([`MAX_VISITS`]), so no expression can keep a process busy for long.
//!
//! ```
//! use cib_model::Document;
//! use cib_model::xpath::{Match, XPath};
//!
//! let document = Document::parse(r#"<nodes><node id="1" uname="a"/><node id="2" uname="b"/></nodes>"#)?;
//! let path = XPath::parse("//node[@uname='b']")?;
//! let [Match::Element(node)] = path.select(&document)?[..] else { panic!() };
//! assert_eq!(node.xml_id(), Some("2"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod axes;
mod evaluate;
mod expression;
mod functions;
mod lexer;
mod parser;
mod value;

use thiserror::Error;

use crate::document::{Document, Element, Node};
use expression::Expression;
use value::Value;

/// How many nodes one evaluation may visit.
pub const MAX_VISITS: u64 = 50_000_000;

/// A parsed expression.
#[derive(Clone, Debug)]
pub struct XPath {
    expression: Expression,
}

/// One node an expression selects.
#[derive(Copy, Clone, Debug, PartialEq)]
pub enum Match<'d> {
    /// The invisible parent of the outermost element (`/`).
    Root,
    /// An element.
    Element(Element<'d>),
    /// An attribute of an element.
    Attribute {
        /// The element.
        owner: Element<'d>,
        /// The name of the attribute.
        name: &'d str,
        /// Its value.
        value: &'d str,
    },
    /// A comment.
    Comment(Node<'d>),
}

/// Why an expression cannot be read or evaluated.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum XPathError {
    /// It is no expression.
    #[error("at character {at}: expected {expected}")]
    Syntax {
        /// Where, counted from 1.
        at: usize,
        /// What would be right.
        expected: &'static str,
    },
    /// A function that does not exist.
    #[error("unknown function {0}()")]
    UnknownFunction(String),
    /// A function with the wrong number of arguments, or arguments of the wrong kind.
    #[error("{function}() takes {takes}")]
    Arguments {
        /// The function.
        function: &'static str,
        /// What it takes.
        takes: &'static str,
    },
    /// Something else than nodes where nodes are needed.
    #[error("expected an expression that selects nodes")]
    NotNodes,
    /// It would take too long.
    #[error("the expression visits more than {MAX_VISITS} nodes")]
    TooExpensive,
}

impl XPath {
    /// Reads an expression.
    ///
    /// # Errors
    /// With the place at which it cannot be read.
    pub fn parse(text: &str) -> Result<XPath, XPathError> {
        Ok(XPath { expression: parser::parse(text)? })
    }

    /// The nodes it selects in a document, in document order.
    ///
    /// # Errors
    /// When it gives something else than nodes, misuses a function, or takes too long.
    pub fn select<'d>(&self, document: &'d Document) -> Result<Vec<Match<'d>>, XPathError> {
        match evaluate::evaluate(&self.expression, document, MAX_VISITS)? {
            Value::Nodes(nodes) => Ok(nodes.into_iter().map(Match::from).collect()),
            _ => Err(XPathError::NotNodes),
        }
    }

    /// The elements it selects in a document, in document order; other nodes are left out.
    ///
    /// # Errors
    /// As [`XPath::select`].
    pub fn elements<'d>(&self, document: &'d Document) -> Result<Vec<Element<'d>>, XPathError> {
        let matches = self.select(document)?;
        let element = |one: Match<'d>| match one {
            Match::Element(element) => Some(element),
            _ => None,
        };
        Ok(matches.into_iter().filter_map(element).collect())
    }

    /// Its value as text: the number, the boolean, the string, or the string value of the first node.
    ///
    /// # Errors
    /// When it misuses a function or takes too long.
    pub fn text(&self, document: &Document) -> Result<String, XPathError> {
        Ok(evaluate::evaluate(&self.expression, document, MAX_VISITS)?.to_text())
    }
}

#[cfg(test)]
mod tests;
