//! Inputs for measuring Understudy.

pub mod cluster;
pub mod process;
