//! Bytes are a message or are refused, and a message has but one form.
#![no_main]

use fencing::message::Message;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Ok(message) = Message::parse(data) {
        assert_eq!(message.encode(), data);
    }
});
