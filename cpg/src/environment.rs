//! What every phase of the protocol shares: configuration, identity, the outputs, the counters.

use crate::identity::{Incarnation, NodeId, RingId};
use crate::membership::{Flapping, Sighting};
use crate::mutation::Mutation;
use crate::packing::Outbox;
use crate::report::{Configuration, Delivery, Fault, MANY_ATTEMPTS, Output, Road, Trouble};
use crate::ring::RingConfiguration;
use crate::statistics::RingStatistics;
use crate::time::Time;
use crate::wire::{Data, Packet};
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

#[derive(Debug)]
pub(crate) struct Environment {
    pub me: NodeId,
    pub configuration: RingConfiguration,
    pub incarnation: Incarnation,
    /// Sequence of the ring adopted last; it is durable before anything is sent for that ring.
    pub adopted: u64,
    /// Highest ring sequence heard of.
    pub highest: u64,
    pub outputs: VecDeque<Output>,
    /// Packets this node sends to itself: a ring of one passes its token here.
    pub loopback: VecDeque<Packet>,
    pub deliveries: VecDeque<Delivery>,
    pub troubles: VecDeque<Trouble>,
    /// Attempts to form a ring that failed since one was installed.
    pub failed_attempts: u32,
    pub statistics: RingStatistics,
    pub outbox: Outbox,
    /// Nodes proven reachable both ways.
    pub reachable: BTreeSet<NodeId>,
    /// Nodes of which nothing at all was heard for the transport's time-out.
    pub silent: BTreeSet<NodeId>,
    /// Rings outside of ours, by the node that announced them.
    pub sightings: BTreeMap<NodeId, Sighting>,
    pub flapping: BTreeMap<NodeId, Flapping>,
    /// Nodes that announced their leave since the last ring was installed.
    pub left_cleanly: BTreeSet<NodeId>,
    pub mutation: Option<Mutation>,
}

impl Environment {
    /// A node that starts with this ring sequence and knows of nobody yet.
    pub(crate) fn new(
        configuration: RingConfiguration,
        incarnation: Incarnation,
        adopted: u64,
    ) -> Environment {
        Environment {
            me: configuration.node,
            configuration,
            incarnation,
            adopted,
            highest: adopted,
            outputs: Default::default(),
            loopback: Default::default(),
            deliveries: Default::default(),
            troubles: Default::default(),
            failed_attempts: 0,
            statistics: RingStatistics::default(),
            outbox: Outbox::default(),
            reachable: Default::default(),
            silent: Default::default(),
            sightings: Default::default(),
            flapping: Default::default(),
            left_cleanly: Default::default(),
            mutation: None,
        }
    }

    /// Sends one packet to one node, to itself through the loopback.
    pub(crate) fn unicast(&mut self, to: NodeId, packet: Packet) -> Bytes {
        let encoded = packet.encode();
        let token = matches!(packet, Packet::Token(_));
        if to == self.me {
            self.loopback.push_back(packet);
        } else {
            let road = if token { Road::Token } else { Road::Common };
            self.outputs.push_back(Output::Send {
                to: Arc::new([to]),
                bytes: encoded.clone(),
                road,
            });
        }
        encoded
    }

    /// Sends once more what was sent before.
    pub(crate) fn send_encoded(&mut self, to: NodeId, bytes: Bytes) {
        if to != self.me {
            let road = Road::Common;
            self.outputs.push_back(Output::Send { to: Arc::new([to]), bytes, road });
        }
    }

    /// Sends one packet to several nodes; the list never names this node.
    pub(crate) fn multicast(&mut self, to: &Arc<[NodeId]>, bytes: Bytes) {
        if !to.is_empty() {
            let road = Road::Common;
            self.outputs.push_back(Output::Send { to: to.clone(), bytes, road });
        }
    }

    pub(crate) fn others(&self, nodes: impl IntoIterator<Item = NodeId>) -> Arc<[NodeId]> {
        nodes.into_iter().filter(|node| *node != self.me).collect()
    }

    /// Makes `ring` the adopted one: durable before anything is sent on its behalf.
    pub(crate) fn adopt(&mut self, ring: RingId) {
        self.adopted = ring.sequence;
        self.highest = self.highest.max(ring.sequence);
        self.outputs.push_back(Output::Persist { ring_sequence: ring.sequence });
    }

    pub(crate) fn deliver_data(&mut self, data: &Data, ring: RingId) {
        if let crate::wire::Body::Chunks(payload) = &data.body {
            self.deliveries.push_back(Delivery::Packet {
                ring,
                seq: data.seq,
                originator: data.originator,
                guarantee: data.guarantee,
                payload: payload.clone(),
            });
        }
    }

    pub(crate) fn deliver_configuration(&mut self, configuration: Configuration) {
        self.deliveries.push_back(Delivery::Configuration(configuration));
    }

    /// An attempt to form a ring has failed. Each takes a time-out, so what is told of them is limited.
    pub(crate) fn attempt_failed(&mut self) {
        self.failed_attempts += 1;
        if self.failed_attempts > MANY_ATTEMPTS {
            self.statistics.firewall_enabled_or_nic_failure = 1;
            self.troubles.push_back(Trouble::CannotForm(Fault::ContinuousGather));
        }
    }

    /// A ring is installed.
    pub(crate) fn attempt_worked(&mut self) {
        self.failed_attempts = 0;
        self.statistics.firewall_enabled_or_nic_failure = 0;
    }

    /// Another configured node. What others claim to be is not looked at, so that nothing grows
    /// with the number of ids somebody makes up.
    pub(crate) fn is_peer(&self, node: NodeId) -> bool {
        node != self.me && self.configuration.peers.contains(&node)
    }

    /// Whether a planted mistake is switched on. Always false outside of the mutation tests.
    pub(crate) fn mutated(&self, mutation: Mutation) -> bool {
        cfg!(feature = "mutations") && self.mutation == Some(mutation)
    }

    /// Nodes this one may vouch for: reachable both ways and not in penalty for flapping.
    pub(crate) fn vouchable(&self, members: &[NodeId], now: Time) -> Vec<NodeId> {
        let penalised = |node: &NodeId| {
            self.flapping.get(node).is_some_and(|flapping| flapping.is_penalised(now))
        };
        self.reachable
            .iter()
            .filter(|node| members.binary_search(node).is_err() && !penalised(node))
            .copied()
            .collect()
    }
}
