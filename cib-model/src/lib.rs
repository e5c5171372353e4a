//! The cluster information base: lossless document, typed model, rules, schema upgrade, patches, ACLs.

#![forbid(unsafe_code)]

pub mod document;

pub use document::{Document, Element, ElementId, ParseError};
