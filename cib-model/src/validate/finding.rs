//! What a validation found.

use std::fmt;

use crate::document::{Element, ElementId};
use crate::schema::SchemaSet;

/// One violation of the grammar or of id integrity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Line of the element in the text it was read from.
    pub line: u32,
    /// The element at fault.
    pub element: ElementId,
    /// Name of that element.
    pub name: String,
    /// Its `id` attribute.
    pub xml_id: Option<String>,
    /// What is wrong and what would be right.
    pub problem: Problem,
    /// The schemas, of those asked for, that are violated.
    pub schemas: SchemaSet,
}

impl Finding {
    pub(super) fn new(element: Element<'_>, problem: Problem, schemas: SchemaSet) -> Finding {
        Finding {
            line: element.line(),
            element: element.id(),
            name: element.name().to_owned(),
            xml_id: element.xml_id().map(str::to_owned),
            problem,
            schemas,
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: <{}", self.line, self.name)?;
        if let Some(id) = &self.xml_id {
            write!(f, " id={id:?}")?;
        }
        write!(f, ">: {}", self.problem)
    }
}

/// What is wrong with an element.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// The document's root element is not `cib`.
    #[error("the root element must be <cib>")]
    WrongRoot,
    /// The element may not stand in its parent.
    #[error("not allowed in <{parent}>, which takes {}", list(accepted))]
    UnknownElement {
        /// Name of the parent.
        parent: String,
        /// The children the parent takes.
        accepted: Vec<&'static str>,
    },
    /// The attribute does not exist on this element.
    #[error("unknown attribute {attribute:?}: accepted are {}", list(accepted))]
    UnknownAttribute {
        /// The attribute.
        attribute: String,
        /// The attributes the element takes.
        accepted: Vec<&'static str>,
    },
    /// An attribute holds something it may not hold.
    #[error("{attribute}={value:?} is not accepted: expected {accepted}")]
    WrongValue {
        /// The attribute.
        attribute: String,
        /// Its value.
        value: String,
        /// What would be accepted.
        accepted: String,
    },
    /// A mandatory attribute is missing.
    #[error("attribute {attribute:?} is missing")]
    MissingAttribute {
        /// The attribute.
        attribute: &'static str,
    },
    /// A mandatory child is missing.
    #[error("needs a <{child}>")]
    MissingElement {
        /// The child.
        child: &'static str,
    },
    /// A second element where one is the limit.
    #[error("only one <{child}> is allowed in <{parent}>")]
    SecondElement {
        /// Name of the parent.
        parent: String,
        /// Name of the element.
        child: &'static str,
    },
    /// The element must come before an earlier sibling.
    #[error("must come before <{sibling}>")]
    OutOfOrder {
        /// The sibling that came first.
        sibling: String,
    },
    /// None of the ways to write this element fits what is there.
    #[error("must have exactly one of: {}", accepted.join(" | "))]
    NoAlternative {
        /// The ways to write it.
        accepted: Vec<String>,
    },
    /// A name that this schema does not allow.
    #[error("the name {name:?} with value {value:?} is no longer accepted here")]
    BannedName {
        /// The name.
        name: String,
        /// The value that goes with it.
        value: String,
    },
    /// Another element has the same id.
    #[error("id {id:?} is already used in line {first_line}: ids must be unique")]
    DuplicateId {
        /// The id.
        id: String,
        /// Line of the element that has it first.
        first_line: u32,
    },
    /// A reference names an id that does not exist.
    #[error("{attribute}={target:?} does not name the id of any element of the configuration")]
    DanglingReference {
        /// The attribute that refers.
        attribute: String,
        /// What it names.
        target: String,
    },
}

fn list(names: &[&str]) -> String {
    if names.is_empty() { "nothing".to_owned() } else { names.join(", ") }
}
