//! Inputs for measuring Understudy.

pub mod cluster;
pub mod executor;
pub mod live;
pub mod messaging;

pub mod process;
