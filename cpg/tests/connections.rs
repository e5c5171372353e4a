//! What a connection may ask for in each of its states (spec 70 §14.3), on a node alone.
#![allow(clippy::disallowed_methods)]

use cpg::group::{ChangeReason, ClientId, Event, MAX_MESSAGE, ProcessId, Refusal};
use cpg::identity::Incarnation;
use cpg::node::{Node, NodeEvent};
use cpg::protocol::Boot;
use cpg::ring::RingConfiguration;
use cpg::{GroupName, Guarantee, NodeId, Time};
use std::time::Duration;

struct Alone {
    node: Node,
    now: Time,
}

impl Alone {
    fn new() -> Alone {
        let me = NodeId::new(1).unwrap();
        let boot = Boot { ring_sequence: 0, incarnation: Incarnation(1) };
        let node = Node::new(RingConfiguration::new(me, vec![me]), boot, Time::ZERO);
        let mut alone = Alone { node, now: Time::ZERO };
        alone.events();
        assert!(alone.node.is_ready());
        alone
    }

    /// Lets the token come by; what was told.
    fn events(&mut self) -> Vec<(ClientId, Event)> {
        let end = self.now + Duration::from_secs(5);
        while let Some(at) = self.node.poll_timeout().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            self.node.handle_timeout(self.now);
            while self.node.poll_output().is_some() {}
        }
        self.now = end;
        self.told()
    }

    fn told(&mut self) -> Vec<(ClientId, Event)> {
        let events = std::iter::from_fn(|| self.node.poll_event());
        events
            .filter_map(|event| match event {
                NodeEvent::Client(client, event) => Some((client, event)),
                _ => None,
            })
            .collect()
    }

    fn connect(&mut self, process: u32) -> ClientId {
        self.node.connect(ProcessId(process)).unwrap()
    }

    fn join(&mut self, client: ClientId, name: &str) -> Result<(), Refusal> {
        self.node.join(client, GroupName::new(name).unwrap(), self.now)
    }

    fn send(&mut self, client: ClientId, length: usize) -> Result<(), Refusal> {
        self.node.multicast(client, Guarantee::Agreed, vec![7; length].into(), self.now)
    }
}

fn changes(events: &[(ClientId, Event)], client: ClientId) -> Vec<(bool, ChangeReason)> {
    let mut changes = Vec::new();
    for (whose, event) in events {
        if let (true, Event::View(view)) = (*whose == client, event) {
            changes.extend(view.left.iter().map(|(_, why)| (false, *why)));
            changes.extend(view.joined.iter().map(|(_, why)| (true, *why)));
        }
    }
    changes
}

#[test]
fn every_state_of_a_connection_takes_what_it_may_and_refuses_the_rest() {
    let mut alone = Alone::new();
    let client = alone.connect(1);
    // Unjoined.
    assert_eq!(alone.node.leave(client, alone.now), Err(Refusal::NotExist));
    assert_eq!(alone.send(client, 1), Err(Refusal::NotExist));
    assert_eq!(alone.join(client, "g"), Ok(()));
    // Joined, or about to be.
    assert_eq!(alone.join(client, "g"), Err(Refusal::Exist));
    assert_eq!(alone.join(client, "h"), Err(Refusal::Exist), "one group for a connection");
    assert_eq!(alone.send(client, 1), Ok(()), "also before it knows that it has joined");
    let events = alone.events();
    assert_eq!(changes(&events, client), [(true, ChangeReason::Join)]);
    assert!(matches!(&events[..], [(_, Event::View(_)), (_, Event::Message(_))]), "{events:?}");
    assert_eq!(alone.send(client, MAX_MESSAGE + 1), Err(Refusal::TooBig(MAX_MESSAGE + 1)));
    // The same process, and another one.
    let (twin, other) = (alone.connect(1), alone.connect(2));
    assert_eq!(alone.join(twin, "g"), Err(Refusal::Exist));
    assert_eq!(alone.join(twin, "h"), Ok(()), "another group");
    assert_eq!(alone.join(other, "g"), Ok(()));
    alone.events();
    // Leaving, and back to unjoined.
    assert_eq!(alone.node.leave(client, alone.now), Ok(()));
    let events = [alone.told(), alone.events()].concat();
    assert_eq!(changes(&events, client), [(false, ChangeReason::Leave)], "it sees its own end");
    assert_eq!(changes(&events, other), [(false, ChangeReason::Leave)]);
    assert_eq!(alone.send(client, 1), Err(Refusal::NotExist));
    assert_eq!(alone.join(client, "h"), Err(Refusal::Exist), "its twin is there");
    assert_eq!(alone.join(client, "g"), Ok(()), "the connection can be used again");
    alone.events();
    // Without a word.
    alone.node.close(client, alone.now);
    let events = [alone.told(), alone.events()].concat();
    assert_eq!(changes(&events, other), [(false, ChangeReason::ProcessDown)]);
    assert_eq!(alone.join(client, "g"), Err(Refusal::NotExist), "it is closed");
    for (refusal, code) in [
        (Refusal::TryAgain, 6),
        (Refusal::Busy, 10),
        (Refusal::NotExist, 12),
        (Refusal::Exist, 14),
        (Refusal::NoResources, 18),
        (Refusal::TooBig(1), 26),
    ] {
        assert_eq!(refusal.code(), code);
    }
}

#[test]
fn names_are_bytes_up_to_128() {
    assert!(GroupName::new([0; 129]).is_err());
    let mut alone = Alone::new();
    let names = [String::new(), "\0a\0".to_owned(), "n".repeat(128)];
    for (process, name) in (10..).zip(&names) {
        let client = alone.connect(process);
        assert_eq!(alone.join(client, name), Ok(()));
    }
    alone.events();
    let known = alone.node.groups().tool_order();
    let mut known: Vec<&[u8]> = known.iter().map(|(name, _)| name.as_bytes()).collect();
    known.sort_unstable();
    assert_eq!(known, names.each_ref().map(|name| name.as_bytes()));
    let shown = GroupName::new(b"a\\\x00\xff").unwrap().to_string();
    assert_eq!(shown, "a\\\\\\x00\\xFF");
}

#[test]
fn the_ring_is_told_right_after_the_first_view_to_who_wants_it() {
    let mut alone = Alone::new();
    let (plain, wanting) = (alone.connect(1), alone.connect(2));
    alone.node.tell_ring_after_join(wanting).unwrap();
    for client in [plain, wanting] {
        assert_eq!(alone.join(client, "g"), Ok(()));
        alone.events();
    }
    let third = alone.connect(3);
    alone.node.tell_ring_after_join(third).unwrap();
    assert_eq!(alone.join(third, "g"), Ok(()));
    let events = [alone.told(), alone.events()].concat();
    let of = |client| -> Vec<&Event> {
        events.iter().filter(|(whose, _)| *whose == client).map(|(_, event)| event).collect()
    };
    assert!(matches!(of(plain)[..], [Event::View(_)]));
    assert!(matches!(of(wanting)[..], [Event::View(_)]), "it was told with its own first view");
    let [Event::View(view), Event::Ring(ring)] = of(third)[..] else { panic!("{events:?}") };
    assert_eq!(view.members.len(), 3);
    assert_eq!(Some(ring.ring), alone.node.protocol().ring().map(|(ring, _)| ring));
    let nobody = alone.node.tell_ring_after_join(plain);
    assert_eq!(nobody, Ok(()));
    alone.node.close(plain, alone.now);
    assert_eq!(alone.node.tell_ring_after_join(plain), Err(Refusal::NotExist));
}
