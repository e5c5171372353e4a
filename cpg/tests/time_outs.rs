//! The ring's timers (spec 70 §4.6, §5.5) where nothing but silence tells of a failure: the transport says
//! that all is well.
#![allow(clippy::disallowed_methods)]

use cpg::identity::Incarnation;
use cpg::node::{Node, NodeEvent};
use cpg::protocol::{Boot, ConfigurationKind, Output};
use cpg::ring::{RingConfiguration, Timing};
use cpg::{NodeId, Time};
use std::time::Duration;

const MILLISECOND: Duration = Duration::from_millis(1);
const TOKEN: Duration = Duration::from_secs(1);

fn id(number: u32) -> NodeId {
    NodeId::new(number).unwrap()
}

/// Nodes whose packets take a millisecond; the transport never has anything to say against any.
struct World {
    nodes: Vec<Node>,
    /// Neither speaks nor hears.
    mute: Option<NodeId>,
    now: Time,
}

impl World {
    fn new(count: u32, token_warning: u32) -> World {
        let ids: Vec<NodeId> = (1..=count).map(id).collect();
        let start = |me: &NodeId| {
            let mut configuration = RingConfiguration::new(*me, ids.clone());
            configuration.timing = Timing::from_token(TOKEN);
            configuration.token_warning = token_warning;
            let boot = Boot { ring_sequence: 0, incarnation: Incarnation(me.get().into()) };
            let mut node = Node::new(configuration, boot, Time::ZERO);
            for other in ids.iter().filter(|other| *other != me) {
                node.handle_reachable(*other, true, Time::ZERO);
            }
            node
        };
        let mut world =
            World { nodes: ids.iter().map(start).collect(), mute: None, now: Time::ZERO };
        world.run(3 * TOKEN);
        for node in &world.nodes {
            assert_eq!(node.protocol().ring().unwrap().1.len(), ids.len());
        }
        world
    }

    /// Lets time pass; the moments of node 1's regular changes.
    fn run(&mut self, time: Duration) -> Vec<Time> {
        let (end, mut changes) = (self.now + time, vec![]);
        while self.now < end {
            for at in 0..self.nodes.len() {
                let from = self.nodes[at].id();
                self.nodes[at].handle_timeout(self.now);
                while let Some(event) = self.nodes[at].poll_event() {
                    match event {
                        NodeEvent::Configuration(change)
                            if at == 0 && change.kind == ConfigurationKind::Regular =>
                        {
                            changes.push(self.now);
                        }
                        _ => {}
                    }
                }
                while let Some(output) = self.nodes[at].poll_output() {
                    let Output::Send { to, bytes, .. } = output else { continue };
                    for node in &mut self.nodes {
                        let mute = [Some(from), Some(node.id())].contains(&self.mute);
                        if to.contains(&node.id()) && !(mute && self.mute.is_some()) {
                            node.handle_packet(bytes.clone(), self.now);
                        }
                    }
                }
            }
            self.now = self.now + MILLISECOND;
        }
        changes
    }
}

#[test]
fn a_node_that_falls_silent_is_excluded_after_token_and_consensus() {
    let mut world = World::new(4, 75);
    let begin = world.now;
    world.mute = Some(id(3));
    let changes = world.run(5 * TOKEN);
    let members = world.nodes[0].protocol().ring().unwrap().1.to_vec();
    assert_eq!(members, [id(1), id(2), id(4)]);
    let [change] = changes[..] else { panic!("{changes:?}") };
    let timing = Timing::from_token(TOKEN);
    let passed = change.since(begin);
    let most = timing.token + timing.consensus + timing.hold + 100 * MILLISECOND;
    assert!(passed >= timing.consensus && passed <= most, "{passed:?}");
    let counted = world.nodes[0].protocol().statistics();
    assert_eq!(counted.consensus_timeouts, 1, "one period was enough");
}

#[test]
fn a_late_token_is_warned_of_at_every_share_of_its_time_out() {
    for (percent, expected) in [(75, 1), (40, 2), (0, 0)] {
        let mut world = World::new(2, percent);
        world.mute = Some(id(2));
        world.run(TOKEN * 3 / 2);
        let counted = world.nodes[0].protocol().statistics();
        assert_eq!(counted.token_warnings, expected, "at {percent} per cent");
        assert_eq!(counted.operational_token_lost, 1);
    }
}
