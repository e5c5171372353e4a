//! Schema versions and the upgrade of documents to newer ones, in code.

mod version;

pub use version::{Schema, SchemaSet, UnknownSchema};
