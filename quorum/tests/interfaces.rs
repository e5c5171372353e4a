//! What a program around the votes is told, and the map keys (spec 71 §10, §11).

use std::collections::VecDeque;
use std::time::Duration;

use quorum::options::{Entry, NodeVotes};
use quorum::status::MapValue::{U8, U32};
use quorum::store::Persistent;
use quorum::votes::{DeviceRequest, NodeState};
use quorum::{Input, NodeId, Output, Request, RingId, Section, Settings, View, Votes};

fn id(number: u32) -> NodeId {
    NodeId::new(number).unwrap()
}

/// Node 1 of so many, with these options; the others are only played.
struct Alone {
    votes: Votes,
    ring: u64,
    told: Vec<Output>,
}

impl Alone {
    fn new(nodes: u32, options: &[(&str, &str)]) -> Alone {
        let entries = options.iter().map(|(key, value)| Entry { key, value, line: 1 });
        let section = Section::parse(entries).unwrap();
        let nodes: Vec<NodeVotes> =
            (1..=nodes).map(|node| NodeVotes { id: id(node), votes: 1 }).collect();
        let (settings, _) = Settings::start(id(1), &section, &nodes).unwrap();
        let votes = Votes::new(settings, Persistent::default());
        let mut alone = Alone { votes, ring: 4, told: Vec::new() };
        alone.drain();
        alone.told.clear();
        alone
    }

    fn handle(&mut self, input: Input) {
        self.votes.handle(Duration::from_secs(self.ring), input);
        self.drain();
    }

    /// Its own messages come back in order.
    fn drain(&mut self) {
        let mut messages = VecDeque::new();
        loop {
            while let Some(output) = self.votes.poll_output() {
                match output {
                    Output::Multicast(bytes) => messages.push_back(bytes),
                    Output::Notice(_) => {}
                    other => self.told.push(other),
                }
            }
            let Some(bytes) = messages.pop_front() else { return };
            let now = Duration::from_secs(self.ring);
            self.votes.handle(now, Input::Message { from: id(1), bytes });
        }
    }

    fn present(&self) -> RingId {
        RingId { sequence: self.ring, representative: id(1) }
    }

    /// A ring of this node alone.
    fn view(&mut self, together: &[u32]) {
        self.ring += 4;
        let together = together.iter().map(|node| id(*node)).collect();
        let view = View::new(self.present(), vec![id(1)], together).unwrap();
        self.handle(Input::View(view));
    }

    fn device(&mut self, request: DeviceRequest) -> Result<(), quorum::votes::Refusal> {
        self.told.clear();
        self.handle(Input::Request { token: 7, request: Request::Device(request) });
        let reply = self.told.iter().find_map(|output| match output {
            Output::Reply { token: 7, result } => Some(*result),
            _ => None,
        });
        reply.expect("an answer")
    }
}

#[test]
fn every_ring_brings_its_members_and_then_one_verdict_even_an_unchanged_one() {
    let mut node = Alone::new(1, &[]);
    for _ in 0..3 {
        node.told.clear();
        node.view(&[1]);
        let ring = node.present();
        let [Output::Synchronising { .. }, Output::Members { ring: first, .. }, verdict] =
            &node.told[..]
        else {
            panic!("{:?}", node.told)
        };
        assert_eq!(*first, ring);
        let nodes = vec![(id(1), NodeState::Member)];
        let expected =
            Output::Verdict { quorate: true, ring: Some(ring), members: vec![id(1)], nodes };
        assert_eq!(*verdict, expected);
    }
}

#[test]
fn the_device_that_may_decide_against_a_majority_does() {
    let options = [("device.model", "net"), ("device.votes", "1")];
    let mut node = Alone::new(4, &options);
    node.view(&[]);
    let name = "Qdevice".to_owned();
    let poll = |ring, cast| DeviceRequest::Poll { name: name.clone(), cast, ring };
    assert_eq!(node.device(DeviceRequest::Register { name: name.clone() }), Ok(()));
    let ring = node.present();
    assert_eq!(node.device(poll(ring, true)), Ok(()));
    assert!(!node.votes.is_quorate(), "two votes of five");
    assert_eq!(node.device(DeviceRequest::MasterWins { name: name.clone(), allow: true }), Ok(()));
    assert!(node.votes.is_quorate());
    assert!(node.votes.map_keys().contains(&("qdevice_master_wins", U8(1))));
    let stale = RingId { sequence: ring.sequence - 4, ..ring };
    let refused = node.device(poll(stale, false));
    assert_eq!(refused, Err(quorum::votes::Refusal::StaleRing), "and changes nothing");
    assert!(node.votes.is_quorate());
    assert_eq!(node.device(poll(ring, false)), Ok(()));
    assert!(!node.votes.is_quorate(), "only while it casts its votes");
    let info = DeviceRequest::ExtraInfo(b"rack 7".to_vec());
    assert_eq!(node.device(info), Ok(()));
    let told = Output::ExtraInfo { node: id(1), info: b"rack 7".to_vec() };
    assert!(node.told.contains(&told), "{:?}", node.told);
}

#[test]
fn the_map_has_the_keys_of_the_options_in_force() {
    let mut plain = Alone::new(2, &[]);
    plain.view(&[]);
    let expected = [("this_node_id", U32(1)), ("two_node", U8(0)), ("ev_barrier", U32(2))];
    assert_eq!(plain.votes.map_keys(), expected, "it never had quorum");
    let options = [
        ("wait_for_all", "1"),
        ("auto_tie_breaker", "1"),
        ("auto_tie_breaker_node", "highest"),
        ("expected_votes_tracking", "1"),
        ("expected_votes", "1"),
    ];
    let mut full = Alone::new(1, &options);
    full.view(&[]);
    let expected = [
        ("this_node_id", U32(1)),
        ("two_node", U8(0)),
        ("ev_barrier", U32(1)),
        ("wait_for_all_status", U8(0)),
        ("ev_tracking_barrier", U32(1)),
        ("lowest_node_id", U32(1)),
        ("highest_node_id", U32(1)),
        ("atb_type", U32(2)),
    ];
    assert_eq!(full.votes.map_keys(), expected);
}
