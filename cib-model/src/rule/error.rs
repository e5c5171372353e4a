//! What can be wrong with a rule.

use thiserror::Error;

use crate::date::DateError;
use crate::document::{Element, ReferenceError};
use crate::scalar::IntervalError;

/// A rule or condition that cannot be evaluated, and so is never satisfied.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("line {line}: <{element}> '{id}': {kind}")]
pub struct RuleError {
    /// Line of the element, 0 if it was not read from a text.
    pub line: u32,
    /// Tag name of the element.
    pub element: String,
    /// Its id, if it has one.
    pub id: String,
    /// What is wrong.
    pub kind: RuleErrorKind,
}

/// The ways in which a rule can be wrong.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RuleErrorKind {
    /// A mandatory attribute is absent.
    #[error("attribute '{0}' is missing")]
    Missing(&'static str),
    /// An attribute has a value that is not in its list.
    #[error("unknown {attribute} '{value}'; use {accepted}")]
    Unknown {
        /// The attribute.
        attribute: &'static str,
        /// What it says.
        value: String,
        /// What it may say.
        accepted: &'static str,
    },
    /// `value` is given for a test of presence, or not given for a comparison.
    #[error("'value' belongs to comparisons, and only to them, not to 'defined' or 'not_defined'")]
    Value,
    /// A reference leads nowhere.
    #[error(transparent)]
    Reference(#[from] ReferenceError),
    /// A start or end is no date, or a duration is none.
    #[error(transparent)]
    Date(#[from] DateError),
    /// An operation interval is no length of time.
    #[error(transparent)]
    Interval(#[from] IntervalError),
    /// A date expression lacks what its operation needs.
    #[error("this operation needs {0}")]
    Needs(&'static str),
    /// A field of `date_spec` is no range.
    #[error("'{value}' is not a range of {field}; write N, N-M, N- or -M")]
    Range {
        /// The field.
        field: &'static str,
        /// What it says.
        value: String,
    },
    /// A field of `duration` is no number.
    #[error("'{value}' is not a number of {field}; write an integer of at most 32 bits")]
    Amount {
        /// The field.
        field: &'static str,
        /// What it says.
        value: String,
    },
    /// Rules nested, or referring to each other, without end.
    #[error("more than {0} rules within each other; a rule must not contain itself")]
    TooDeep(usize),
    /// Too many conditions, usually by references to references.
    #[error("more than {0} conditions; split the rule")]
    TooLarge(usize),
}

impl RuleErrorKind {
    pub(super) fn unknown(
        attribute: &'static str,
        value: &str,
        accepted: &'static str,
    ) -> RuleErrorKind {
        RuleErrorKind::Unknown { attribute, value: value.to_owned(), accepted }
    }
}

impl RuleError {
    pub(super) fn new(element: Element<'_>, kind: RuleErrorKind) -> RuleError {
        RuleError {
            line: element.line(),
            element: element.name().to_owned(),
            id: element.xml_id().unwrap_or_default().to_owned(),
            kind,
        }
    }

    /// Whether reading was given up because there is too much.
    pub(super) fn is_excess(&self) -> bool {
        matches!(self.kind, RuleErrorKind::TooDeep(_) | RuleErrorKind::TooLarge(_))
    }
}
