//! Schema versions and the upgrade of documents to newer ones, in code.
//!
//! A document says in `validate-with` which schema it was written for. [`upgrade`] makes it
//! acceptable to the scheduler; [`upgrade_to`] is the walk behind it, for callers with a maximum.
//! Most documents conform to newer schemas as they are and are only relabelled; three steps
//! (2.0, 3.0, 4.0) convert content, each in a module of its own.

mod to_2_0;
mod to_3_0;
mod to_4_0;
mod upgrade;
mod version;

pub use upgrade::{
    UpgradeError, UpgradeReport, VALIDATION_DISABLED, Walk, WalkError, claimed, upgrade, upgrade_to,
};
pub use version::{Schema, SchemaSet, UnknownSchema};
