//! A file that is read is written the same, unless it is the short form.
#![no_main]

use libfuzzer_sys::fuzz_target;
use quorum::store::Persistent;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(value) = Persistent::parse(bytes) {
        assert!(bytes.len() == 4 || value.encode() == bytes);
    }
});
