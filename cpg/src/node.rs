//! One node of the cluster: the ring protocol with process groups on top, without any I/O.
//!
//! The contract of every call that takes `now`: afterwards drain [`Node::poll_output`] and
//! [`Node::poll_event`] until both give `None`, then call again at [`Node::poll_timeout`] at the
//! latest. Calls that come too early do nothing.

use crate::group::{
    ClientId, Event, GroupMessage, GroupName, GroupTable, Groups, ProcessId, Refusal, Submit,
};
use crate::identity::{NodeId, RingId};
#[cfg(feature = "mutations")]
use crate::mutation::Mutation;
use crate::packing::Reassembly;
use crate::protocol::{
    Boot, Configuration, ConfigurationKind, Delivery, Output, Protocol, Trouble,
};
use crate::ring::RingConfiguration;
use crate::time::Time;
use crate::wire::Guarantee;
use bytes::Bytes;
use std::collections::VecDeque;

/// What a node reports besides what its connections see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NodeEvent {
    /// Something for a connection.
    Client(ClientId, Event),
    /// Half of a membership change, at its place in the order.
    Configuration(Configuration),
    /// The groups of this ring are synchronised; client messages flow.
    Synchronised(RingId),
    /// A packet was delivered; only with [`Node::trace_deliveries`].
    Delivered {
        /// The ring that ordered it.
        ring: RingId,
        /// Its number there.
        seq: u64,
        /// Who originated it.
        originator: NodeId,
        /// Its guarantee.
        guarantee: Guarantee,
    },
    /// All nodes reached this point of a key rotation: send with the key of this id.
    ActivateKey(u8),
    /// All nodes send with the key of this id; the others may be dropped.
    RetireKeysExcept(u8),
    /// Something that whoever runs the node should look into.
    Trouble(Trouble),
}

/// See the module's documentation.
#[derive(Debug)]
pub struct Node {
    protocol: Protocol,
    groups: Groups,
    reassembly: Reassembly,
    events: VecDeque<NodeEvent>,
    packing_errors: u64,
    trace: bool,
}

impl Node {
    /// Starts a node.
    pub fn new(configuration: RingConfiguration, boot: Boot, now: Time) -> Node {
        let groups = Groups::new(configuration.node);
        let protocol = Protocol::new(configuration, boot, now);
        let mut node = Node {
            protocol,
            groups,
            reassembly: Reassembly::default(),
            events: VecDeque::new(),
            packing_errors: 0,
            trace: false,
        };
        node.pump(now);
        node
    }

    /// Plants a mistake, see [`crate::mutation`].
    #[cfg(feature = "mutations")]
    pub fn plant(&mut self, mutation: Mutation) {
        self.groups.keep_lists = mutation == Mutation::KeepJoinLists;
        self.protocol.plant(mutation);
    }

    /// Reports every delivered packet as [`NodeEvent::Delivered`], for observers and tests.
    pub fn trace_deliveries(&mut self, on: bool) {
        self.trace = on;
    }

    /// This node's id.
    pub fn id(&self) -> NodeId {
        self.protocol.configuration().node
    }

    /// The ring protocol below, for status and statistics.
    pub fn protocol(&self) -> &Protocol {
        &self.protocol
    }

    /// All groups and their members.
    pub fn groups(&self) -> &GroupTable {
        self.groups.table()
    }

    /// Messages dropped because the sender's node has no member in the group, and messages and
    /// packets that did not decode.
    pub fn dropped_messages(&self) -> (u64, u64) {
        (self.groups.unknown_sender, self.groups.undecodable + self.packing_errors)
    }

    /// Opens a connection for a process.
    pub fn connect(&mut self, process: ProcessId) -> Result<ClientId, Refusal> {
        self.groups.connect(process)
    }

    /// Has the connection told the ring that is in force, right after the first view it sees; otherwise it
    /// hears of the next one first.
    pub fn tell_ring_after_join(&mut self, client: ClientId) -> Result<(), Refusal> {
        self.groups.want_ring(client)
    }

    /// Joins a group. The process is a member from the view that shows it as joined.
    pub fn join(&mut self, client: ClientId, group: GroupName, now: Time) -> Result<(), Refusal> {
        self.admit()?;
        let submit = self.groups.join(client, group)?;
        self.submit(submit, now);
        Ok(())
    }

    /// Leaves the group. The last the process sees of it is the view that shows it as left.
    pub fn leave(&mut self, client: ClientId, now: Time) -> Result<(), Refusal> {
        self.admit()?;
        let submit = self.groups.leave(client)?;
        self.submit(submit, now);
        Ok(())
    }

    /// Sends a message to the connection's group.
    pub fn multicast(
        &mut self,
        client: ClientId,
        guarantee: Guarantee,
        payload: Bytes,
        now: Time,
    ) -> Result<(), Refusal> {
        let submit = self.groups.multicast(client, payload, guarantee)?;
        self.admit()?;
        self.submit(submit, now);
        Ok(())
    }

    /// Closes a connection; if it is in a group, the others see its process go down.
    pub fn close(&mut self, client: ClientId, now: Time) {
        if let Some(submit) = self.groups.close(client) {
            self.submit(submit, now);
        }
    }

    /// Orders a step of a key rotation through the ring: every node sends with this key.
    pub fn activate_key(&mut self, key: u8, now: Time) {
        let step = crate::group::KeyStep::Activate;
        self.submit((GroupMessage::Key { key, step }, Guarantee::Safe), now);
    }

    /// Orders the last step: every node drops all keys but this.
    pub fn retire_keys_except(&mut self, key: u8, now: Time) {
        let step = crate::group::KeyStep::CleanUp;
        self.submit((GroupMessage::Key { key, step }, Guarantee::Safe), now);
    }

    /// Whether requests that need the ring are accepted now.
    pub fn is_ready(&self) -> bool {
        self.protocol.gate_is_open() && self.protocol.has_room()
    }

    fn admit(&self) -> Result<(), Refusal> {
        if self.is_ready() { Ok(()) } else { Err(Refusal::TryAgain) }
    }

    fn submit(&mut self, (message, guarantee): Submit, now: Time) {
        let (header, body) = message.encode();
        self.protocol.submit(header, body, guarantee, now);
        self.pump(now);
    }

    /// See [`Protocol::reconfigure`].
    pub fn reconfigure(&mut self, change: crate::ring::Reconfiguration) {
        self.protocol.reconfigure(change);
    }

    /// Takes a received packet.
    pub fn handle_packet(&mut self, bytes: Bytes, now: Time) {
        self.protocol.handle_packet(bytes, now);
        self.pump(now);
    }

    /// Lets timers run out.
    pub fn handle_timeout(&mut self, now: Time) {
        self.protocol.handle_timeout(now);
        self.pump(now);
    }

    /// See [`Protocol::handle_reachable`].
    pub fn handle_reachable(&mut self, node: NodeId, reachable: bool, now: Time) {
        self.protocol.handle_reachable(node, reachable, now);
        self.pump(now);
    }

    /// See [`Protocol::handle_silent`].
    pub fn handle_silent(&mut self, node: NodeId, silent: bool, now: Time) {
        self.protocol.handle_silent(node, silent, now);
        self.pump(now);
    }

    /// See [`Protocol::handle_dead`].
    pub fn handle_dead(&mut self, node: NodeId, now: Time) {
        self.protocol.handle_dead(node, now);
        self.pump(now);
    }

    /// Leaves the cluster in order.
    pub fn shut_down(&mut self, now: Time) {
        self.protocol.leave(now);
        self.pump(now);
    }

    /// The next output to act upon.
    #[must_use]
    pub fn poll_output(&mut self) -> Option<Output> {
        self.protocol.poll_output()
    }

    /// The next event.
    #[must_use]
    pub fn poll_event(&mut self) -> Option<NodeEvent> {
        self.events.pop_front()
    }

    /// When to call [`Node::handle_timeout`] at the latest.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Time> {
        self.protocol.poll_timeout()
    }

    /// Carries deliveries from the ring to the groups, and what follows back to the ring.
    fn pump(&mut self, now: Time) {
        while let Some(delivery) = self.protocol.poll_delivery() {
            match delivery {
                Delivery::Packet { ring, seq, originator, guarantee, payload } => {
                    if self.trace {
                        let event = NodeEvent::Delivered { ring, seq, originator, guarantee };
                        self.events.push_back(event);
                    }
                    self.deliver_packet(originator, guarantee, payload, now);
                }
                Delivery::Configuration(configuration) => self.change(configuration, now),
            }
        }
        while let Some(trouble) = self.protocol.poll_trouble() {
            self.events.push_back(NodeEvent::Trouble(trouble));
        }
    }

    fn deliver_packet(&mut self, from: NodeId, guarantee: Guarantee, payload: Bytes, now: Time) {
        let mut messages = Vec::new();
        let result = self.reassembly.accept(from, payload, |message| messages.push(message));
        if let Err(error) = result {
            self.packing_errors += 1;
            log::warn!("Message received from node {from} ... Ignoring. ({error})");
        }
        for message in messages {
            let effects = self.groups.deliver(from, message, guarantee);
            self.forward_events();
            if let Some(ring) = effects.synchronised {
                log::info!("Completed service synchronization, ready to provide service.");
                self.events.push_back(NodeEvent::Synchronised(ring));
                self.protocol.open_gate(ring, now);
            }
            match effects.key {
                Some((key, crate::group::KeyStep::Activate)) => {
                    self.events.push_back(NodeEvent::ActivateKey(key));
                }
                Some((key, crate::group::KeyStep::CleanUp)) => {
                    self.events.push_back(NodeEvent::RetireKeysExcept(key));
                }
                None => {}
            }
        }
    }

    fn forward_events(&mut self) {
        while let Some((client, event)) = self.groups.events.pop_front() {
            self.events.push_back(NodeEvent::Client(client, event));
        }
    }

    fn change(&mut self, configuration: Configuration, now: Time) {
        self.events.push_back(NodeEvent::Configuration(configuration.clone()));
        match configuration.kind {
            ConfigurationKind::Transitional => self.groups.nodes_left(&configuration.left),
            ConfigurationKind::Regular => {
                self.reassembly.restart();
                let list = self.groups.begin(configuration.ring, configuration.members);
                let (_, body) = list.encode();
                self.protocol.submit_control(body, now);
            }
        }
    }
}
