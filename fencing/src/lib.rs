//! Fence devices, topology, and the cluster-wide fencing operation.
#![deny(unsafe_code)]
pub mod agent;
pub mod clock;
pub mod device;
pub mod executor;
#[cfg(feature = "planted-faults")]
pub mod fault;
#[cfg(not(feature = "planted-faults"))]
mod fault;
pub mod fencer;
pub mod history;
pub mod interval;
pub mod message;
pub mod name;
pub mod operation;
pub mod outcome;
pub mod secret;
pub mod targets;
pub mod topology;
pub mod watchdog;
pub mod process;
pub mod driver;
