//! Colocation: dependents follow primaries, primaries consider dependents (spec 20 §6, 21 §6).

pub mod apply;
pub mod attribute;
mod bundle_primary;
mod clone_primary;
pub mod influence;
pub mod lists;
pub mod merge;

pub use lists::with_this;
