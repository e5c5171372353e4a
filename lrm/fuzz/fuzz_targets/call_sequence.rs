//! Any sequence of calls to the executor core; the checks are those of the tests.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../tests/call_sequence/mod.rs"]
mod call_sequence;

fuzz_target!(|bytes: &[u8]| call_sequence::play(bytes));
