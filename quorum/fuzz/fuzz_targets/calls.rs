//! Arbitrary messages and views in any order neither panic nor pile up.
#![no_main]

use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use quorum::options::{Entry, NodeVotes};
use quorum::store::Persistent;
use quorum::{Input, NodeId, Request, RingId, Section, Settings, View, Votes};

const OPTIONS: [&[&str]; 5] = [
    &[],
    &["two_node"],
    &["wait_for_all", "last_man_standing", "auto_tie_breaker"],
    &["allow_downscale"],
    &["device.model"],
];

fn id(n: u8) -> NodeId {
    NodeId::new(u32::from(n % 4) + 1).expect("not zero")
}

fuzz_target!(|input: (u8, Vec<(u8, u8, u64, Vec<u8>)>)| {
    let (options, calls) = input;
    let entries = OPTIONS[usize::from(options) % OPTIONS.len()].iter().map(|key| Entry {
        key,
        value: "1",
        line: 1,
    });
    let section = Section::parse(entries).expect("the options are well-formed");
    let nodes: Vec<_> = (0..4).map(|n| NodeVotes { id: id(n), votes: 1 }).collect();
    let (settings, _) = Settings::start(id(0), &section, &nodes).expect("they go together");
    let mut votes = Votes::new(settings, Persistent::default());
    let mut now = Duration::ZERO;
    for (kind, who, number, bytes) in calls.into_iter().take(256) {
        now += Duration::from_millis(number % 20_000);
        let ring = RingId { sequence: number, representative: id(who) };
        let others: Vec<_> = (0..4).filter(|n| who >> n & 1 == 1).map(id).collect();
        let input = match kind % 6 {
            0 => Input::Timeout,
            1 => {
                let members = others.iter().copied().chain([id(0)]).collect();
                Input::View(View::new(ring, members, others).expect("at most four members"))
            }
            2 => Input::Request { token: number, request: Request::SetExpected(number as u32) },
            3 => Input::Request {
                token: number,
                request: Request::SetVotes { node: Some(id(who)), votes: number as u32 },
            },
            _ => {
                let mut bytes = bytes;
                bytes.splice(0..0, *b"q\x01");
                Input::Message { from: id(who), bytes }
            }
        };
        votes.handle(now, input);
        let outputs = std::iter::from_fn(|| votes.poll_output()).count();
        assert!(outputs < 8192, "{outputs} outputs of one input");
        let _ = votes.status();
    }
});
