//! A fencer that is sent anything, by anybody, in any order: it neither panics nor grows without
//! bound, and it reports nobody as fenced by its own operations, for no agent ever ran.
#![no_main]

use std::time::Duration;

use fencing::agent::Action;
use fencing::clock::{Moment, Seconds};
use fencing::executor::CallId;
use fencing::fencer::{FenceOrder, Fencer, Input, Notification, Output, Request};
use fencing::history::MAX_RECORDS;
use fencing::message::State;
use fencing::name::NodeName;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|messages: Vec<(u8, Vec<u8>)>| {
    let node = |number: u8| NodeName::new(&format!("n{}", number % 3)).unwrap();
    let mut fencer = Fencer::new(node(0), "fencer.1", 1);
    let mut now = Moment::default();
    fencer.handle(now, Input::Membership((0..3).map(node).collect()));
    let order = FenceOrder::new(node(1), Action::Off, Seconds(5));
    fencer.handle(now, Input::Request {
        call: CallId { client: 1, call: 1 },
        client: "fuzz.1".into(),
        privileged: false,
        request: Request::Fence(order),
    });
    for (from, bytes) in messages {
        now.elapsed += Duration::from_millis(u64::from(from) * 10);
        // The header is given, so that what follows is reached.
        fencer.handle_bytes(now, node(from), &[b"UF\x01", &bytes[..]].concat());
        while let Some(output) = fencer.poll_output() {
            if let Output::Notify(Notification::Fenced { result, state, .. }) = output {
                let own = result.originator == node(0) && result.client == "fuzz.1";
                assert!(!(own && state == State::Done && result.delegate.is_none()));
            }
        }
        assert!(fencer.history().len() <= MAX_RECORDS);
    }
});
