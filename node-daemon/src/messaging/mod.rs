//! Messaging: cpg's ordered messages and quorum's verdicts behind a subsystem's face.
//!
//! Each kind of subsystem that speaks between nodes has a process group. Whatever it sends to all or to
//! one other node travels in that group, in one total order; its views say on which nodes it runs. The
//! votes have a group of their own.
//!
//! [`Messaging`] does no I/O: the owner of the [`cpg::node::Node`] (a driver, or a simulation) hands it the
//! node's events and lends it the node to send.

mod device;
mod fragments;
mod report;

pub use fragments::{Fragments, MAX_CHUNK, split};
pub use report::{GroupReport, LinkReport, NodeReport, RingName, RingReport};

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use bytes::Bytes;
use cpg::group::{ClientId, Event, ProcessId, View};
use cpg::node::{Node, NodeEvent};
use cpg::protocol::{Configuration, ConfigurationKind};
use cpg::{GroupName, Guarantee};
use quorum::Votes;
use quorum::device::QuorumDevice;
use quorum::notice::{Notice, Severity};
use quorum::options::{NodeVotes, Section};
use quorum::store::Persistent;
use quorum::votes;

use self::device::Device;
use crate::subsystem::{
    Address, Body, Envelope, GroupView, Membership, NodeId, NodeName, Now, Parcel, Room, Sealed,
    Target, encode,
};

/// Where what the votes must remember is kept.
pub trait VotesStore: Send {
    /// Makes it durable.
    ///
    /// # Errors
    /// When it is not certain to be durable.
    fn save(&mut self, value: &Persistent) -> Result<(), String>;
}

/// Most messages that may wait for the ring.
pub const MAX_WAITING: usize = 65_536;

/// Whose message it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Speaker {
    Votes,
    Room(Room),
}

impl Speaker {
    fn group(self) -> GroupName {
        let name = match self {
            Speaker::Votes => "votes",
            Speaker::Room(room) => room.name(),
        };
        GroupName::new(name).expect("short names")
    }

    /// A change of the CIB that was acknowledged must not be lost with the node that acknowledged it,
    /// so all nodes must have it before anybody acts on it.
    fn guarantee(self) -> Guarantee {
        match self {
            Speaker::Room(Room::Cib) => Guarantee::Safe,
            _ => Guarantee::Agreed,
        }
    }

    fn process(self) -> ProcessId {
        ProcessId(match self {
            Speaker::Votes => 1,
            Speaker::Room(room) => 2 + room as u32,
        })
    }
}

/// The word on which every node reads its configuration again. It travels among the votes' messages, none
/// of which looks like it.
const RELOAD: &[u8] = b"read the configuration again";

/// Marks of requests below this are the quorum device's.
const FIRST_ASKER: u64 = 16;

/// What becomes of the quorum device in a reload.
pub enum DeviceChange {
    /// It stays as it is.
    Keep,
    /// There is another one, or none.
    Replace(Option<Box<dyn QuorumDevice + Send>>),
}

/// A connection to the ring.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Connection {
    /// To be opened, as soon as the ring lets it.
    Wanted,
    /// Joining or joined.
    Open(ClientId),
}

/// See the [module](self).
pub struct Messaging {
    me: NodeId,
    configured: Vec<NodeName>,
    votes: Votes,
    store: Box<dyn VotesStore>,
    device: Option<Device>,
    connections: BTreeMap<Speaker, Connection>,
    attached: BTreeSet<Room>,
    ballots: VecDeque<Bytes>,
    waiting: VecDeque<(Speaker, Bytes)>,
    fragments: Fragments,
    together: Vec<quorum::NodeId>,
    membership: Membership,
    reload_ordered: bool,
    replies: VecDeque<(u64, Result<(), votes::Refusal>)>,
    parcels: VecDeque<Parcel>,
    failed: Option<String>,
}

impl Messaging {
    /// Messaging of node `me`.
    pub fn new(
        me: NodeId,
        configured: Vec<NodeName>,
        votes: Votes,
        store: Box<dyn VotesStore>,
    ) -> Messaging {
        let membership = Membership {
            sequence: 0,
            members: Vec::new(),
            quorate: false,
            settled: false,
            configured: configured.clone(),
        };
        Messaging {
            me,
            configured,
            votes,
            store,
            device: None,
            connections: BTreeMap::from([(Speaker::Votes, Connection::Wanted)]),
            attached: BTreeSet::new(),
            ballots: VecDeque::new(),
            waiting: VecDeque::new(),
            fragments: Fragments::default(),
            together: Vec::new(),
            membership,
            reload_ordered: false,
            replies: VecDeque::new(),
            parcels: VecDeque::new(),
            failed: None,
        }
    }

    /// Lets a quorum device have its say.
    #[must_use]
    pub fn with_device(mut self, device: Box<dyn QuorumDevice + Send>) -> Messaging {
        self.device = Some(Device::new(device));
        self
    }

    /// The ring and what quorum says of it.
    pub fn membership(&self) -> &Membership {
        &self.membership
    }

    /// The votes, for status displays.
    pub fn votes(&self) -> &Votes {
        &self.votes
    }

    /// Why the node cannot go on, if it cannot.
    pub fn failed(&self) -> Option<&str> {
        self.failed.as_deref()
    }

    /// A subsystem has started on this node.
    pub fn attach(&mut self, room: Room) {
        self.attached.insert(room);
        if room.has_group() {
            self.connections.insert(Speaker::Room(room), Connection::Wanted);
        }
        if self.membership.sequence > 0 {
            self.tell(room, self.membership.clone());
        }
    }

    /// A subsystem of this node has ended.
    pub fn detach(&mut self, room: Room, node: &mut Node, time: cpg::Time) {
        self.attached.remove(&room);
        self.waiting.retain(|(speaker, _)| *speaker != Speaker::Room(room));
        if let Some(Connection::Open(client)) = self.connections.remove(&Speaker::Room(room)) {
            node.close(client, time);
        }
    }

    /// Sends an envelope of this node to others.
    pub fn send(&mut self, envelope: &Envelope) {
        let room = envelope.to.room();
        match encode(envelope) {
            Ok(bytes) => self.send_bytes(room, bytes),
            Err(error) => log::error!("messaging: to {room}: {error}"),
        }
    }

    /// Sends a sealed envelope of this node to others.
    pub fn send_sealed(&mut self, sealed: &Sealed) {
        self.send_bytes(sealed.to.room(), sealed.bytes());
    }

    fn send_bytes(&mut self, room: Room, bytes: Vec<u8>) {
        if self.waiting.len() >= MAX_WAITING {
            log::error!("messaging: {MAX_WAITING} messages wait; one to {room} is dropped");
            return;
        }
        let chunks = split(bytes).into_iter();
        self.waiting.extend(chunks.map(|chunk| (Speaker::Room(room), chunk)));
    }

    /// Opens connections and sends what waits, as far as the ring lets it.
    pub fn flush(&mut self, node: &mut Node, time: cpg::Time) {
        self.connect(node, time);
        // A verdict ends with the token of its ring: others may form one without this node meanwhile
        // (spec 71 §14, weakness 9).
        if self.membership.settled && node.protocol().token_deadline().is_none() {
            self.membership.settled = false;
            self.tell_all();
        }
        if let Some(Connection::Open(client)) = self.connections.get(&Speaker::Votes).copied() {
            while let Some(bytes) = self.ballots.front() {
                match node.multicast(client, Guarantee::Agreed, bytes.clone(), time) {
                    Ok(()) => drop(self.ballots.pop_front()),
                    Err(_) => return,
                }
            }
        }
        while let Some((speaker, bytes)) = self.waiting.front() {
            let client = match self.connections.get(speaker) {
                Some(Connection::Open(client)) => *client,
                Some(Connection::Wanted) => return,
                None => {
                    self.waiting.pop_front(); // its sender is gone
                    continue;
                }
            };
            match node.multicast(client, speaker.guarantee(), bytes.clone(), time) {
                Ok(()) => drop(self.waiting.pop_front()),
                Err(cpg::group::Refusal::TryAgain | cpg::group::Refusal::Busy) => return,
                Err(refusal) => {
                    log::error!("messaging: {refusal}");
                    self.waiting.pop_front();
                }
            }
        }
    }

    fn connect(&mut self, node: &mut Node, time: cpg::Time) {
        if !node.is_ready() {
            return;
        }
        for (speaker, connection) in &mut self.connections {
            if *connection != Connection::Wanted {
                continue;
            }
            let Ok(client) = node.connect(speaker.process()) else { continue };
            match node.join(client, speaker.group(), time) {
                Ok(()) => *connection = Connection::Open(client),
                Err(_) => node.close(client, time),
            }
        }
    }

    /// Takes an event of the node.
    pub fn event(&mut self, now: Now, event: NodeEvent) {
        match event {
            NodeEvent::Client(client, Event::Message(message)) => {
                let Some(speaker) = self.speaker(client) else { return };
                let sender = NodeId::from(message.sender.node);
                match speaker {
                    Speaker::Votes if message.payload == RELOAD => self.reload_ordered = true,
                    Speaker::Votes => {
                        let (from, bytes) = (sender.into(), message.payload.to_vec());
                        self.vote(now, votes::Input::Message { from, bytes });
                    }
                    Speaker::Room(room) => self.received(room, sender, &message.payload),
                }
            }
            NodeEvent::Client(client, Event::View(view)) => {
                if let Some(Speaker::Room(room)) = self.speaker(client) {
                    self.view(room, &view);
                }
            }
            NodeEvent::Configuration(configuration) => self.configuration(now, configuration),
            NodeEvent::Trouble(trouble) => log::warn!("{trouble}"),
            _ => {}
        }
    }

    fn speaker(&self, client: ClientId) -> Option<Speaker> {
        let open = Connection::Open(client);
        self.connections.iter().find(|(_, other)| **other == open).map(|(speaker, _)| *speaker)
    }

    fn received(&mut self, room: Room, sender: NodeId, chunk: &[u8]) {
        let Some(bytes) = self.fragments.accept(room, sender, chunk) else { return };
        match Sealed::read(&bytes) {
            Ok(sealed) => {
                let mine = match sealed.to {
                    Target::All(_) => true,
                    Target::Node(node, _) => node == self.me,
                    Target::Here(_) => false,
                };
                // Nobody speaks for another node.
                let honest = sealed.from.node == sender && sealed.to.room() == room;
                if mine && honest {
                    let to = Target::Here(room);
                    self.parcels.push_back(Parcel::Sealed(Sealed { to, ..sealed }));
                }
            }
            Err(error) => log::warn!("messaging: from node {sender} to {room}: {error}"),
        }
    }

    fn view(&mut self, room: Room, view: &View) {
        let mut members: Vec<NodeId> =
            view.members.iter().map(|member| member.node.into()).collect();
        members.dedup();
        let nodes = |list: &[(cpg::Member, cpg::group::ChangeReason)]| {
            let mut nodes: Vec<NodeId> =
                list.iter().map(|(member, _)| member.node.into()).collect();
            nodes.sort_unstable();
            nodes.dedup();
            nodes
        };
        let (joined, left) = (nodes(&view.joined), nodes(&view.left));
        for node in &left {
            self.fragments.forget(room, *node);
        }
        self.tell(room, GroupView { room, members, joined, left });
    }

    fn configuration(&mut self, now: Now, configuration: Configuration) {
        let ids = |nodes: &[cpg::NodeId]| -> Vec<quorum::NodeId> {
            nodes.iter().map(|node| NodeId::from(*node).into()).collect()
        };
        match configuration.kind {
            ConfigurationKind::Transitional => {
                self.together = ids(&configuration.members);
                // Before the groups hear who is gone: until the votes have spoken nothing is certain.
                self.membership.settled = false;
                self.tell_all();
            }
            ConfigurationKind::Regular => {
                let ring = quorum::RingId {
                    sequence: configuration.ring.sequence,
                    representative: NodeId::from(configuration.ring.representative).into(),
                };
                let together = std::mem::take(&mut self.together);
                match votes::View::new(ring, ids(&configuration.members), together) {
                    Ok(view) => self.vote(now, votes::Input::View(view)),
                    Err(error) => log::error!("messaging: {error}"),
                }
            }
        }
    }

    fn vote(&mut self, now: Now, input: votes::Input) {
        self.votes.handle(now.elapsed, input);
        self.carry_out(now);
        while let Some(request) = self
            .device
            .as_mut()
            .and_then(|device| device.next_request(now.elapsed, self.votes.is_synchronising()))
        {
            self.votes.handle(now.elapsed, request);
            self.carry_out(now);
        }
    }

    /// Carries out what the votes want done.
    fn carry_out(&mut self, now: Now) {
        while let Some(output) = self.votes.poll_output() {
            match output {
                votes::Output::Multicast(bytes) => {
                    self.ballots.push_back(bytes.into());
                }
                votes::Output::Persist(value) => {
                    if let Err(error) = self.store.save(&value) {
                        log::error!("messaging: votes cannot be made durable: {error}");
                        self.failed.get_or_insert(error);
                        return;
                    }
                }
                votes::Output::Verdict { quorate, ring, members, nodes } => {
                    if let Some(device) = &mut self.device {
                        device.verdict(now.elapsed, quorate, nodes);
                    }
                    self.membership.quorate = quorate;
                    self.membership.sequence = ring.map_or(0, |ring| ring.sequence);
                    self.membership.members = members.into_iter().map(NodeId::from).collect();
                    self.membership.settled = !self.votes.is_synchronising();
                    if self.membership.settled {
                        let nodes: Vec<u32> =
                            self.membership.members.iter().map(|n| n.get()).collect();
                        let can = if quorate { "quorate" } else { "not quorate" };
                        log::info!(
                            "messaging: ring {} of nodes {nodes:?}, {can}",
                            self.membership.sequence
                        );
                    }
                    self.tell_all();
                }
                votes::Output::Notice(notice) => log_notice(&notice),
                votes::Output::Synchronising { ring, members } => {
                    if let Some(device) = &mut self.device {
                        device.synchronising(now.elapsed, ring, members);
                    }
                }
                votes::Output::Reply { token, result } if token >= FIRST_ASKER => {
                    self.replies.push_back((token - FIRST_ASKER, result));
                }
                votes::Output::Reply { token, result } => {
                    if let Some(device) = &mut self.device {
                        device.reply(now.elapsed, token, result);
                    }
                }
                votes::Output::Members { .. }
                | votes::Output::ExpectedVotes(_)
                | votes::Output::ExtraInfo { .. } => {}
            }
        }
    }

    /// Asks something of the votes, for an administrator; the answer comes from
    /// [`Messaging::poll_reply`] with the asker's number.
    pub fn ask(&mut self, now: Now, asker: u64, request: votes::Request) {
        let token = FIRST_ASKER + asker;
        self.vote(now, votes::Input::Request { token, request });
    }

    /// The next answer to what was asked.
    pub fn poll_reply(&mut self) -> Option<(u64, Result<(), votes::Refusal>)> {
        self.replies.pop_front()
    }

    /// Has every node read its configuration again, at one point of the message order.
    pub fn order_reload(&mut self) {
        if !self.ballots.iter().any(|waiting| waiting == RELOAD) {
            self.ballots.push_back(Bytes::from_static(RELOAD));
        }
    }

    /// Whether the point has come; to be asked after every event, and followed by
    /// [`Messaging::reload`] or, if the new configuration cannot be used, by nothing.
    pub fn take_reload(&mut self) -> bool {
        std::mem::take(&mut self.reload_ordered)
    }

    /// Takes the configuration over that was read again.
    pub fn reload(
        &mut self,
        now: Now,
        configured: Vec<NodeName>,
        section: Section,
        nodes: Vec<NodeVotes>,
        device: DeviceChange,
    ) {
        self.configured.clone_from(&configured);
        self.membership.configured = configured;
        if let DeviceChange::Replace(new) = device {
            // The arbiter may give the votes to others as soon as the connection of the old one is gone.
            if let Some(old) = self.device.take() {
                self.vote(now, old.withdrawal());
            }
            let ring = self.votes.ring().map(|ring| (ring, self.votes.members().to_vec()));
            let states = self.votes.nodes().iter().map(|(id, node)| (id, node.state)).collect();
            let verdict = (self.votes.is_quorate(), states);
            self.device = new.map(|device| Device::new(device).in_ring(ring, verdict));
        }
        self.vote(now, votes::Input::Reload { section, nodes });
        self.tell_all();
    }

    fn tell_all(&mut self) {
        for room in self.attached.clone() {
            self.tell(room, self.membership.clone());
        }
    }

    fn tell(&mut self, room: Room, body: impl Into<Body>) {
        let from = Address { node: self.me, room: Room::Messaging };
        let envelope = Envelope { from, to: Target::Here(room), body: body.into() };
        self.parcels.push_back(Parcel::Open(envelope));
    }

    /// The next envelope for a subsystem of this node.
    pub fn poll_parcel(&mut self) -> Option<Parcel> {
        self.parcels.pop_front()
    }

    /// Lets timers of the votes and of the quorum device run out.
    pub fn handle_timeout(&mut self, now: Now) {
        let due = |at: Option<Duration>| at.is_some_and(|at| at <= now.elapsed);
        if due(self.device.as_ref().and_then(Device::poll_timeout)) {
            self.device_ready(now);
        }
        if due(self.votes.poll_timeout()) {
            self.vote(now, votes::Input::Timeout);
        }
    }

    /// The connection of the quorum device is ready.
    pub fn device_ready(&mut self, now: Now) {
        if let Some(device) = &mut self.device {
            device.turn(now.elapsed);
            self.vote(now, votes::Input::Timeout);
        }
    }

    /// When to call [`Messaging::handle_timeout`] at the latest.
    pub fn poll_timeout(&self) -> Option<Duration> {
        let device = self.device.as_ref().and_then(Device::poll_timeout);
        [self.votes.poll_timeout(), device].into_iter().flatten().min()
    }

    /// Whether anything waits for the ring.
    pub fn is_waiting(&self) -> bool {
        !self.waiting.is_empty()
            || !self.ballots.is_empty()
            || self.connections.values().any(|c| *c == Connection::Wanted)
    }

    /// A node's name, or its id if it is not in the configuration.
    pub fn name_of(&self, id: u32) -> String {
        let known = self.configured.iter().find(|node| node.id.get() == id);
        known.map_or_else(|| id.to_string(), |node| node.name.clone())
    }

    /// The node of that name, or of that id.
    pub fn node_of(&self, name: &str) -> Option<NodeId> {
        let known = self.configured.iter().find(|node| node.name == name);
        known.map_or_else(|| name.parse().ok().and_then(NodeId::new), |node| Some(node.id))
    }

    /// All nodes of the cluster's configuration.
    pub fn configured(&self) -> &[NodeName] {
        &self.configured
    }
}

/// In the reference's words, which operators look for; some take several lines.
fn log_notice(notice: &Notice) {
    let level = match notice.severity() {
        Severity::Critical => log::Level::Error,
        Severity::Warning => log::Level::Warn,
        Severity::Notice | Severity::Info => log::Level::Info,
    };
    // By the names under which the log is configured (spec 70 §13.6).
    let target = match notice {
        Notice::Primary
        | Notice::NonPrimary
        | Notice::Members(_)
        | Notice::SyncMembers(_)
        | Notice::SyncJoined(_)
        | Notice::SyncLeft(_) => "quorum",
        _ => "quorum::votes",
    };
    for line in notice.to_string().lines() {
        log::log!(target: target, level, "{line}");
    }
}

#[cfg(test)]
mod tests;
