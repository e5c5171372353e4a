//! Tests on a virtual cluster: stories in text files, and random runs that hold the invariant.
#![allow(missing_docs, reason = "a test program has no users")]

mod cluster;
mod invariant;
#[cfg(feature = "planted-faults")]
mod planted_faults;
mod scripts;
mod simulation;
