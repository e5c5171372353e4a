//! Inputs for measuring Understudy.

pub mod cluster;
pub mod messaging;
pub mod process;
