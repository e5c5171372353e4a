//! Real agents as real processes.
#![allow(missing_docs, reason = "a test program has no users")]

mod debian;
mod lone;
mod misbehaving;
mod secrets;
