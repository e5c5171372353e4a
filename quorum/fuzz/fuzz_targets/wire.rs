//! What parses encodes to the same bytes.
#![no_main]

use libfuzzer_sys::fuzz_target;
use quorum::wire::Message;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(message) = Message::parse(bytes) {
        assert_eq!(message.encode(), bytes);
    }
});
