//! x
#![deny(unsafe_code)]
#![cfg_attr(not(feature = "driver"), forbid(unsafe_code))]
pub mod agent;
pub mod digest;
#[cfg(feature = "driver")]
pub mod driver;
pub mod executor;
pub mod invocation;
pub mod metadata;
pub mod operation;
pub mod outcome;
pub mod systemd;
