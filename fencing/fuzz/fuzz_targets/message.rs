//! Bytes are a message or are refused, and a message has but one form.
#![no_main]

use fencing::message::Message;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    // The header is given, so that what follows is reached.
    let whole = [b"UF\x01", data].concat();
    for bytes in [data, &whole] {
        if let Ok(message) = Message::parse(bytes) {
            assert_eq!(message.encode(), bytes);
        }
    }
});
