//! What could not be understood.

use thiserror::Error;

use crate::document::Element;

/// Something in a document that the model cannot hold.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("line {line}: <{element}{}>: {problem}", id.as_ref().map(|id| format!(" id={id:?}")).unwrap_or_default())]
pub struct ModelError {
    /// Line of the element.
    pub line: u32,
    /// Name of the element.
    pub element: String,
    /// Its id.
    pub id: Option<String>,
    /// What is wrong.
    pub problem: ModelProblem,
}

/// What is wrong with an element.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ModelProblem {
    /// A mandatory attribute is absent.
    #[error("attribute {attribute} is missing")]
    Missing {
        /// The attribute.
        attribute: &'static str,
    },
    /// An attribute holds something that is not understood.
    #[error("{attribute}={value:?} is not understood: expected {accepted}")]
    Value {
        /// The attribute.
        attribute: &'static str,
        /// Its value.
        value: String,
        /// What would be accepted.
        accepted: String,
    },
    /// The parts of the element do not make one of the forms it can have.
    #[error("expected {accepted}")]
    Form {
        /// The forms it can have.
        accepted: &'static str,
    },
    /// An element the model does not know in this place.
    #[error("not known in <{parent}>, which takes {accepted}")]
    Unknown {
        /// Name of the parent.
        parent: String,
        /// What the parent takes.
        accepted: &'static str,
    },
}

impl ModelError {
    pub(super) fn new(element: Element<'_>, problem: ModelProblem) -> ModelError {
        ModelError {
            line: element.line(),
            element: element.name().to_owned(),
            id: element.xml_id().map(str::to_owned),
            problem,
        }
    }
}
