//! Messaging of a node alone, without I/O.

use cpg::protocol::Boot;
use cpg::ring::RingConfiguration;
use quorum::options::Settings;

use super::*;

struct Nowhere;

impl VotesStore for Nowhere {
    fn save(&mut self, _: &Persistent) -> Result<(), String> {
        Ok(())
    }
}

struct Alone {
    messaging: Messaging,
    node: Node,
    time: cpg::Time,
}

impl Alone {
    /// With a verdict on its ring.
    fn settled() -> Alone {
        let me = cpg::NodeId::new(1).unwrap();
        let votes = NodeVotes { id: NodeId::from(me).into(), votes: 1 };
        let (settings, _) = Settings::start(votes.id, &Section::default(), &[votes]).unwrap();
        let votes = Votes::new(settings, Persistent::default());
        let messaging = Messaging::new(NodeId::from(me), vec![], votes, Box::new(Nowhere));
        let boot = Boot { ring_sequence: 0, incarnation: cpg::identity::Incarnation(1) };
        let node = Node::new(RingConfiguration::new(me, vec![me]), boot, cpg::Time::ZERO);
        let mut alone = Alone { messaging, node, time: cpg::Time::ZERO };
        alone.messaging.attach(Room::Controller);
        while !alone.messaging.membership().settled {
            alone.turn();
        }
        alone
    }

    fn now(&self) -> Now {
        Now { elapsed: self.time.since(cpg::Time::ZERO), ..Now::default() }
    }

    /// Everything due now, then the time of the next.
    fn turn(&mut self) {
        self.node.handle_timeout(self.time);
        loop {
            self.messaging.flush(&mut self.node, self.time);
            while self.node.poll_output().is_some() {}
            let Some(event) = self.node.poll_event() else { break };
            self.messaging.event(self.now(), event);
        }
        self.time = self.node.poll_timeout().unwrap_or(self.time).max(self.time);
    }

    /// Whether the controller was last told that the verdict holds.
    fn told(&mut self) -> Option<bool> {
        let mut last = None;
        while let Some(parcel) = self.messaging.poll_parcel() {
            if let Body::Membership(membership) = parcel.open().unwrap().body {
                last = Some(membership.settled);
            }
        }
        last
    }
}

#[test]
fn a_verdict_ends_with_the_token_of_its_ring() {
    let mut alone = Alone::settled();
    assert_eq!(alone.told(), Some(true));
    assert!(alone.node.protocol().token_deadline().is_some_and(|at| at > alone.time));
    alone.node.shut_down(alone.time);
    assert_eq!(alone.node.protocol().token_deadline(), None);
    alone.messaging.flush(&mut alone.node, alone.time);
    assert_eq!(alone.told(), Some(false), "nobody begins anything any more");
}

#[test]
fn the_order_to_reload_comes_back_in_the_order_of_messages() {
    let mut alone = Alone::settled();
    alone.messaging.order_reload();
    alone.messaging.order_reload();
    assert!(!alone.messaging.take_reload(), "not before its turn");
    let mut turns = 0;
    while !alone.messaging.take_reload() {
        alone.turn();
        turns += 1;
        assert!(turns < 1000, "it never comes");
    }
    for _ in 0..100 {
        alone.turn();
    }
    assert!(!alone.messaging.take_reload(), "once");
}
