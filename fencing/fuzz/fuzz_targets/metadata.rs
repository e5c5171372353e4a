//! Whatever an agent prints as metadata is read or refused, and what is read can be shown.
#![no_main]

use fencing::agent::{Metadata, normalised_xml};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let text = String::from_utf8_lossy(data);
    let read = Metadata::parse(&text);
    if let Ok(shown) = normalised_xml(&text) {
        assert!(read.is_ok());
        assert!(Metadata::parse(&shown).is_ok());
    }
});
