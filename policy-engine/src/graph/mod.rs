//! Settled actions become the transition (spec 31), as graph and as DOT.

mod attributes;
mod build;
mod dot;
mod element;
mod trigger;

pub use build::build;
pub use dot::{dot, name};
pub use trigger::is_trigger;
