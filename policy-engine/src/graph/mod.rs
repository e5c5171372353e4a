//! Settled actions become the transition (spec 31), as graph and as DOT.

mod attributes;
mod build;
mod dot;
mod element;
mod trigger;

#[cfg(test)]
mod examples;

pub use build::build;
pub use dot::dot;
pub use trigger::{belongs, is_trigger};
