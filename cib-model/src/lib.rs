//! The cluster information base: lossless document, typed model, rules, schema upgrade, patches, ACLs.

#![forbid(unsafe_code)]

pub mod date;
pub mod digest;
pub mod document;
pub mod nvpair;
pub mod rule;
pub mod scalar;
pub mod schema;
pub mod validate;

pub use date::DateTime;
pub use document::{Document, Element, ElementId, ParseError};
pub use scalar::Score;
