//! A cluster in memory: nodes joined by a perfect network with a virtual clock. For examples, for
//! tests of programs built on groups, and as the smallest possible driver.

use crate::group::{
    ClientId, Event, GroupName, GroupTable, INBOX_BYTES, Inbox, MAX_MESSAGE, Overrun, ProcessId,
    Refusal,
};
use crate::identity::{Incarnation, NodeId, RingId};
use crate::node::{Node, NodeEvent};
use crate::protocol::{Boot, Output};
use crate::ring::{RingConfiguration, Timing};
use crate::time::Time;
use crate::wire::Guarantee;
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

/// A handle to one process's membership of one group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Group {
    node: NodeId,
    client: ClientId,
}

struct Running {
    node: Node,
    stored_sequence: u64,
    inbox: BTreeMap<ClientId, Inbox>,
    record: Vec<NodeEvent>,
}

/// Several nodes in one process. Time passes only in [`Cluster::run_for`].
pub struct Cluster {
    now: Time,
    delay: Duration,
    running: BTreeMap<NodeId, Running>,
    stored: BTreeMap<NodeId, u64>,
    everyone: Vec<NodeId>,
    flying: VecDeque<(Time, NodeId, Bytes)>,
    cut: BTreeSet<(NodeId, NodeId)>,
    boots: u64,
    timing: Timing,
    filter: Option<Box<Filter>>,
    record: bool,
    inbox_bytes: usize,
}

/// Decides for each packet (sender, receiver, bytes) whether it arrives.
type Filter = dyn FnMut(NodeId, NodeId, &Bytes) -> bool;

impl Cluster {
    /// Starts nodes 1 to `nodes` (at least 1, at most 384); they form one ring within a second of virtual time.
    pub fn new(nodes: u32) -> Cluster {
        let everyone: Vec<NodeId> = (1..=nodes.clamp(1, 384)).filter_map(NodeId::new).collect();
        let mut cluster = Cluster {
            now: Time::ZERO,
            delay: Duration::from_micros(100),
            running: BTreeMap::new(),
            stored: BTreeMap::new(),
            flying: VecDeque::new(),
            cut: BTreeSet::new(),
            boots: 0,
            filter: None,
            record: false,
            inbox_bytes: INBOX_BYTES,
            timing: Timing::from_token(Duration::from_millis(1000)),
            everyone: everyone.clone(),
        };
        everyone.into_iter().for_each(|node| cluster.start(node));
        cluster
    }

    /// Asks `filter` about every packet from now on; it may lose what it wants.
    pub fn set_filter(&mut self, filter: impl FnMut(NodeId, NodeId, &Bytes) -> bool + 'static) {
        self.filter = Some(Box::new(filter));
    }

    /// Keeps everything that nodes report, for [`Cluster::take_record`].
    pub fn record(&mut self, on: bool) {
        self.record = on;
    }

    /// What a node reported since the last call.
    pub fn take_record(&mut self, node: NodeId) -> Vec<NodeEvent> {
        self.running.get_mut(&node).map(|r| std::mem::take(&mut r.record)).unwrap_or_default()
    }

    /// The present moment of the virtual clock.
    pub fn now(&self) -> Time {
        self.now
    }

    /// Starts a node that is not running; its memory is empty, its stored ring sequence survived.
    pub fn start(&mut self, id: NodeId) {
        if self.running.contains_key(&id) || !self.everyone.contains(&id) {
            return;
        }
        self.boots += 1;
        let stored_sequence = self.stored.get(&id).copied().unwrap_or(0);
        let mut configuration = RingConfiguration::new(id, self.everyone.clone());
        configuration.timing = self.timing;
        let boot = Boot { ring_sequence: stored_sequence, incarnation: Incarnation(self.boots) };
        let node = Node::new(configuration, boot, self.now);
        self.running.insert(
            id,
            Running { node, stored_sequence, inbox: BTreeMap::new(), record: Vec::new() },
        );
        self.reach(id);
        self.drain(id);
    }

    /// Stops a node at once, without a word to the others.
    pub fn kill(&mut self, id: NodeId) {
        if let Some(running) = self.running.remove(&id) {
            self.stored.insert(id, running.stored_sequence);
        }
        for other in self.ids() {
            self.with(other, |node, now| {
                node.handle_reachable(id, false, now);
                node.handle_silent(id, true, now);
            });
        }
    }

    /// Leaves the cluster in order and stops.
    pub fn shut_down(&mut self, id: NodeId) {
        self.with(id, |node, now| node.shut_down(now));
        if let Some(running) = self.running.remove(&id) {
            self.stored.insert(id, running.stored_sequence);
        }
    }

    /// Cuts (or mends) the path between every node of `side` and every other node.
    pub fn partition(&mut self, side: &[NodeId], apart: bool) {
        for a in side {
            for b in self.everyone.clone().iter().filter(|b| !side.contains(b)) {
                for pair in [(*a, *b), (*b, *a)] {
                    if apart {
                        self.cut.insert(pair)
                    } else {
                        self.cut.remove(&pair)
                    };
                }
            }
        }
        for id in self.ids() {
            self.reach(id);
        }
    }

    /// Joins a group as process `process` of `node`.
    pub fn join(&mut self, node: NodeId, process: u32, name: GroupName) -> Result<Group, Refusal> {
        let now = self.now;
        let running = self.running.get_mut(&node).ok_or(Refusal::NotExist)?;
        let client = running.node.connect(ProcessId(process))?;
        if let Err(refusal) = running.node.join(client, name, now) {
            running.node.close(client, now);
            return Err(refusal);
        }
        running.inbox.insert(client, Inbox::new(self.inbox_bytes));
        self.drain(node);
        Ok(Group { node, client })
    }

    /// Sends a message of at most [`MAX_MESSAGE`] bytes to the group.
    pub fn multicast(
        &mut self,
        group: Group,
        guarantee: Guarantee,
        payload: impl Into<Bytes>,
    ) -> Result<(), Refusal> {
        let payload = payload.into();
        if payload.len() > MAX_MESSAGE {
            return Err(Refusal::TooBig(payload.len()));
        }
        let now = self.now;
        let running = self.running.get_mut(&group.node).ok_or(Refusal::NotExist)?;
        running.node.multicast(group.client, guarantee, payload, now)?;
        self.drain(group.node);
        Ok(())
    }

    /// Leaves the group.
    pub fn leave(&mut self, group: Group) -> Result<(), Refusal> {
        let now = self.now;
        let running = self.running.get_mut(&group.node).ok_or(Refusal::NotExist)?;
        running.node.leave(group.client, now)?;
        self.drain(group.node);
        Ok(())
    }

    /// Keeps at most this many bytes of events for each membership from now on; see [`Inbox`].
    pub fn set_inbox_bytes(&mut self, bytes: usize) {
        self.inbox_bytes = bytes;
    }

    /// The next event of a membership, in the group's order.
    pub fn next_event(&mut self, group: Group) -> Option<Event> {
        self.read(group).ok().flatten()
    }

    /// Like [`Cluster::next_event`], but tells a membership that was ended because its reader fell too
    /// far behind.
    pub fn read(&mut self, group: Group) -> Result<Option<Event>, Overrun> {
        let running = self.running.get_mut(&group.node);
        running
            .and_then(|running| running.inbox.get_mut(&group.client))
            .map_or(Ok(None), Inbox::pop)
    }

    /// The ring a node is in and its members.
    pub fn ring(&self, node: NodeId) -> Option<(RingId, Vec<NodeId>)> {
        let (ring, members) = self.running.get(&node)?.node.protocol().ring()?;
        Some((ring, members.to_vec()))
    }

    /// A node's table of groups.
    pub fn groups(&self, node: NodeId) -> Option<&GroupTable> {
        Some(self.running.get(&node)?.node.groups())
    }

    /// The node itself, for what this type does not offer.
    pub fn node(&self, node: NodeId) -> Option<&Node> {
        Some(&self.running.get(&node)?.node)
    }

    /// Lets virtual time pass.
    pub fn run_for(&mut self, duration: Duration) {
        let end = self.now + duration;
        while let Some(at) = self.next_moment().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            self.deliver_due();
            for id in self.ids() {
                self.with(id, |node, now| {
                    if node.poll_timeout().is_some_and(|at| at <= now) {
                        node.handle_timeout(now);
                    }
                });
            }
        }
        self.now = end;
    }

    fn next_moment(&self) -> Option<Time> {
        let timers = self.running.values().filter_map(|running| running.node.poll_timeout());
        timers.chain(self.flying.front().map(|(at, ..)| *at)).min()
    }

    fn deliver_due(&mut self) {
        while self.flying.front().is_some_and(|(at, ..)| *at <= self.now) {
            let Some((_, to, bytes)) = self.flying.pop_front() else { return };
            self.with(to, |node, now| node.handle_packet(bytes, now));
        }
    }

    fn ids(&self) -> Vec<NodeId> {
        self.running.keys().copied().collect()
    }

    /// Tells a node, and the others about it, who can be reached.
    fn reach(&mut self, id: NodeId) {
        for other in self.ids().into_iter().filter(|other| *other != id) {
            let open = !self.cut.contains(&(id, other));
            for (a, b) in [(id, other), (other, id)] {
                self.with(a, |node, now| {
                    node.handle_silent(b, !open, now);
                    node.handle_reachable(b, open, now);
                });
            }
        }
    }

    fn with(&mut self, id: NodeId, act: impl FnOnce(&mut Node, Time)) {
        let now = self.now;
        if let Some(running) = self.running.get_mut(&id) {
            act(&mut running.node, now);
            self.drain(id);
        }
    }

    fn drain(&mut self, id: NodeId) {
        let arrival = self.now + self.delay;
        let Some(running) = self.running.get_mut(&id) else { return };
        while let Some(output) = running.node.poll_output() {
            match output {
                Output::Persist { ring_sequence } => running.stored_sequence = ring_sequence,
                Output::Send { to, bytes, .. } => {
                    for to in to.iter().filter(|to| !self.cut.contains(&(id, **to))) {
                        let passes = self.filter.as_mut().is_none_or(|f| f(id, *to, &bytes));
                        if passes {
                            self.flying.push_back((arrival, *to, bytes.clone()));
                        }
                    }
                }
            }
        }
        let mut behind = Vec::new();
        while let Some(event) = running.node.poll_event() {
            if self.record {
                running.record.push(event.clone());
            }
            if let NodeEvent::Client(client, event) = event
                && let Some(inbox) = running.inbox.get_mut(&client)
                && inbox.push(event).is_err()
            {
                behind.push(client);
            }
        }
        for client in behind {
            self.with(id, |node, now| node.close(client, now));
        }
    }
}
