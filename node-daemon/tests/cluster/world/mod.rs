//! The virtual world: nodes, network, disks and a clock, all from one seed.

mod disk;
mod faults;
mod requests;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use cib_model::Document;
use cpg::identity::Incarnation;
use cpg::node::Node;
use cpg::protocol::{Boot, Output as RingOutput};
use cpg::ring::{RingConfiguration, Timing};
use node_daemon::attributes::Attributes;
use node_daemon::cib::{Certificate, CibManager};
use node_daemon::controller::Controller;
use node_daemon::executor::ExecutorRoom;
use node_daemon::fencer::FencerRoom;
use node_daemon::messaging::Messaging;
use node_daemon::scheduler::Scheduler;
use node_daemon::subsystem::{
    Address, Body, Ending, Envelope, NodeId, NodeName, Now, Outputs, Room, Subsystem, Target,
    decode, encode,
};
use quorum::Votes;
use quorum::options::{Entry, NodeVotes, Section, Settings};

pub use disk::Disk;
use disk::{VirtualStore, VirtualVotes};
pub use faults::Fault;

use crate::agents::{Reality, VirtualExecutor, VirtualFence};

/// Seconds since 1970 at the origin of the virtual clock.
const EPOCH: u64 = 1_700_000_000;

/// A running node.
pub struct SimNode {
    ring: Node,
    messaging: Messaging,
    pub cib: CibManager,
    pub attributes: Attributes,
    pub executor: ExecutorRoom<VirtualExecutor>,
    pub fencer: FencerRoom<VirtualFence>,
    scheduler: Scheduler,
    pub controller: Controller,
    inboxes: BTreeMap<Room, VecDeque<Envelope>>,
    gone: BTreeSet<Room>,
    cpu: Duration,
}

impl SimNode {
    fn subsystem(&mut self, room: Room) -> Option<&mut dyn Subsystem> {
        Some(match room {
            Room::Cib => &mut self.cib,
            Room::Attributes => &mut self.attributes,
            Room::Executor => &mut self.executor,
            Room::Fencer => &mut self.fencer,
            Room::Scheduler => &mut self.scheduler,
            Room::Controller => &mut self.controller,
            Room::Messaging | Room::Clients | Room::Supervisor | Room::Watchdog => return None,
        })
    }

    fn put(&mut self, room: Room, envelope: Envelope) {
        if !self.gone.contains(&room) {
            self.inboxes.entry(room).or_default().push_back(envelope);
        }
    }
}

const ROOMS: [Room; 6] =
    [Room::Cib, Room::Fencer, Room::Executor, Room::Attributes, Room::Scheduler, Room::Controller];

/// Something that will happen.
#[derive(Debug, Clone)]
pub enum Event {
    Packet {
        to: NodeId,
        from: NodeId,
        bytes: Bytes,
    },
    /// Node `of` learns whether it can reach `other`.
    Evidence {
        of: NodeId,
        other: NodeId,
    },
    Start(NodeId),
    /// The disk of a node has what this store gave it so far.
    Synced(NodeId, u64),
    /// A subsystem that crashed, and those that ended with it, are started again.
    Respawn(NodeId, Room),
    Fault(Fault),
}

pub struct World {
    pub now: Duration,
    pub nodes: BTreeMap<NodeId, SimNode>,
    pub reality: Arc<Mutex<Reality>>,
    pub everyone: Vec<NodeId>,
    disks: BTreeMap<NodeId, Arc<Mutex<Disk>>>,
    queue: BTreeMap<(Duration, u64), Event>,
    sequence: u64,
    cut: BTreeSet<(NodeId, NodeId)>,
    pub random: fastrand::Rng,
    boots: u64,
    pub loss: f64,
    /// Writes asked for by token, and those that were acknowledged.
    asked: BTreeMap<u64, (String, bool)>,
    pub acknowledged: BTreeSet<String>,
    /// The nodes that had each of those in memory when it was acknowledged, or have it by now.
    holders: BTreeMap<String, BTreeSet<NodeId>>,
    next_write: u64,
    pub log: VecDeque<String>,
    /// Send every envelope through its bytes.
    encode_all: bool,
    /// Nodes told to leave, and those told twice.
    leaving: BTreeSet<NodeId>,
    escalated: BTreeSet<NodeId>,
    /// The `quorum` section, beside the provider.
    pub quorum_options: Vec<(&'static str, &'static str)>,
    /// What local clients were answered.
    pub answers: Vec<(NodeId, Body)>,
    /// Nodes may leave while services run: they are not managed.
    pub services_stay: bool,
    /// Two lead in one ring, and since when.
    rivals: Option<Duration>,
}

pub fn id(number: u32) -> NodeId {
    NodeId::new(number).unwrap()
}

pub fn name(node: NodeId) -> String {
    format!("node{node}")
}

impl World {
    pub fn new(nodes: u32, seed: u64) -> World {
        let everyone: Vec<NodeId> = (1..=nodes).map(id).collect();
        let mut random = fastrand::Rng::with_seed(seed);
        let reality = Reality {
            random: fastrand::Rng::with_seed(random.u64(..)),
            quorum_matters: true,
            ..Reality::default()
        };
        World {
            now: Duration::from_secs(1),
            nodes: BTreeMap::new(),
            reality: Arc::new(Mutex::new(reality)),
            disks: everyone.iter().map(|node| (*node, Arc::default())).collect(),
            everyone,
            queue: BTreeMap::new(),
            sequence: 0,
            cut: BTreeSet::new(),
            encode_all: random.u8(0..8) == 0,
            random,
            boots: 0,
            loss: 0.0,
            asked: BTreeMap::new(),
            acknowledged: BTreeSet::new(),
            holders: BTreeMap::new(),
            next_write: 1,
            log: VecDeque::new(),
            leaving: BTreeSet::new(),
            escalated: BTreeSet::new(),
            quorum_options: Vec::new(),
            answers: Vec::new(),
            services_stay: false,
            rivals: None,
        }
    }

    fn note(&mut self, text: String) {
        if self.log.len() > 400 {
            self.log.pop_front();
        }
        self.log.push_back(format!("{:?} {text}", self.now));
    }

    /// Puts a configuration on every disk, as if the cluster had had it before.
    pub fn configure(&mut self, configuration: &str) {
        let document = Document::parse(configuration).unwrap();
        for disk in self.disks.values() {
            disk.lock().unwrap().cib = Some((document.clone(), Certificate::default()));
        }
    }

    pub fn schedule(&mut self, at: Duration, event: Event) {
        self.sequence += 1;
        self.queue.insert((at, self.sequence), event);
    }

    pub fn start_all(&mut self) {
        for node in self.everyone.clone() {
            let at = self.now + Duration::from_millis(self.random.u64(0..400));
            self.schedule(at, Event::Start(node));
        }
    }

    fn time(&self) -> cpg::Time {
        cpg::Time::from_nanos(self.now.as_nanos() as u64)
    }

    fn moment(&self, node: NodeId) -> Now {
        crate::chronicle::at(self.now, node);
        let cpu = self.nodes.get(&node).map_or(Duration::ZERO, |node| node.cpu) + self.now / 1000;
        Now { elapsed: self.now, wall: self.now + Duration::from_secs(EPOCH), cpu }
    }

    pub fn start(&mut self, node: NodeId) {
        if self.nodes.contains_key(&node) {
            return;
        }
        self.note(format!("start {node}"));
        self.leaving.remove(&node);
        self.escalated.remove(&node);
        self.boots += 1;
        self.reality.lock().unwrap().is_clean(node);
        let disk = self.disks[&node].clone();
        let (sequence, votes) = {
            let disk = disk.lock().unwrap();
            (disk.ring_sequence, disk.votes)
        };
        let peers = self.everyone.iter().map(|node| (*node).into()).collect();
        let mut ring = RingConfiguration::new(node.into(), peers);
        ring.timing = Timing::from_token(Duration::from_millis(1000));
        let boot = Boot { ring_sequence: sequence, incarnation: Incarnation(self.boots) };
        let ring = Node::new(ring, boot, self.time());
        let configured: Vec<NodeName> =
            self.everyone.iter().map(|node| NodeName { id: *node, name: name(*node) }).collect();
        let options = [("provider", "corosync_votequorum")];
        let options = options.iter().chain(&self.quorum_options);
        let section =
            Section::parse(options.map(|(key, value)| Entry { key, value, line: 1 })).unwrap();
        let voters: Vec<NodeVotes> =
            self.everyone.iter().map(|node| NodeVotes { id: (*node).into(), votes: 1 }).collect();
        let (settings, _) = Settings::start(node.into(), &section, &voters).unwrap();
        let votes = Votes::new(settings, votes);
        let mut messaging =
            Messaging::new(node, configured, votes, Box::new(VirtualVotes(disk.clone())));
        for room in ROOMS {
            messaging.attach(room);
        }
        let seed = self.random.u64(..);
        let own = name(node);
        let fence = VirtualFence::new(node, self.reality.clone());
        let local = VirtualExecutor::new(node, self.reality.clone());
        let sim = SimNode {
            ring,
            messaging,
            cib: CibManager::new(node, &own, Box::new(VirtualStore::new(disk)), "pacemaker-3.9"),
            attributes: Attributes::new(node, &own),
            executor: ExecutorRoom::new(&own, local),
            fencer: FencerRoom::new(node, &own, fence, seed).unwrap(),
            scheduler: Scheduler::new(0),
            controller: Controller::new(node, &own, seed),
            inboxes: BTreeMap::new(),
            gone: BTreeSet::new(),
            cpu: Duration::from_micros(self.random.u64(0..500)),
        };
        self.nodes.insert(node, sim);
        for room in ROOMS {
            let now = self.moment(node);
            let mut out = Outputs::default();
            if let Some(subsystem) = self.nodes.get_mut(&node).and_then(|n| n.subsystem(room)) {
                subsystem.start(now, &mut out);
            }
            self.take(node, room, out);
        }
        for other in self.everyone.clone() {
            for (of, other) in [(node, other), (other, node)] {
                let at = self.now + Duration::from_millis(self.random.u64(1..100));
                self.schedule(at, Event::Evidence { of, other });
            }
        }
        self.ring_work(node);
    }

    /// Whether the verdict of a node's votes is that it may act.
    pub fn is_quorate(&self, node: NodeId) -> bool {
        self.nodes.get(&node).is_some_and(|sim| {
            let membership = sim.messaging.membership();
            membership.quorate && membership.settled
        })
    }

    /// Carries what the ring wants out and what it delivers in.
    fn ring_work(&mut self, node: NodeId) {
        loop {
            let (time, now) = (self.time(), self.moment(node));
            let Some(sim) = self.nodes.get_mut(&node) else { return };
            sim.messaging.flush(&mut sim.ring, time);
            let mut idle = true;
            let mut sends = Vec::new();
            while let Some(output) = sim.ring.poll_output() {
                idle = false;
                match output {
                    RingOutput::Persist { ring_sequence } => {
                        self.disks[&node].lock().unwrap().ring_sequence = ring_sequence;
                    }
                    RingOutput::Send { to, bytes, .. } => {
                        sends.extend(to.iter().map(|to| (NodeId::from(*to), bytes.clone())));
                    }
                }
            }
            while let Some(event) = sim.ring.poll_event() {
                idle = false;
                sim.messaging.event(now, event);
            }
            while let Some(parcel) = sim.messaging.poll_parcel() {
                let envelope = parcel.open().expect("of the same version");
                sim.put(envelope.to.room(), envelope);
            }
            for (to, bytes) in sends {
                self.transmit(node, to, bytes);
            }
            if idle {
                return self.note_quorum(node);
            }
        }
    }

    fn note_quorum(&mut self, node: NodeId) {
        let quorate = self.is_quorate(node);
        let mut reality = self.reality.lock().unwrap();
        if quorate {
            reality.without_quorum.remove(&node);
        } else {
            reality.without_quorum.entry(node).or_insert(self.now);
        }
    }

    fn transmit(&mut self, from: NodeId, to: NodeId, bytes: Bytes) {
        let copies = match self.random.f64() {
            chance if chance < self.loss => 0,
            chance if chance > 1.0 - self.loss / 2.0 => 2,
            _ => 1,
        };
        for _ in 0..copies {
            let at = self.now + Duration::from_micros(self.random.u64(50..400));
            self.schedule(at, Event::Packet { to, from, bytes: bytes.clone() });
        }
    }

    /// Takes what a subsystem wants done.
    fn take(&mut self, node: NodeId, room: Room, out: Outputs) {
        let Some(sim) = self.nodes.get_mut(&node) else { return };
        let from = Address { node, room };
        let news = sim.inboxes.get(&Room::Controller).is_some_and(|inbox| {
            inbox.iter().any(|envelope| matches!(envelope.body, Body::Membership(_)))
        });
        let membership = sim.messaging.membership();
        let may_fence =
            room != Room::Controller || news || membership.quorate && membership.settled;
        for (to, body) in out.envelopes {
            if let (false, Body::FenceRequest(request)) = (may_fence, &body) {
                // Whoever knows that it has no quorum, or does not know, fences nobody.
                let text = format!("{:?}: node {node} without quorum: {request:?}", self.now);
                self.reality.lock().unwrap().violations.push(text);
            }
            let mut envelope = Envelope { from, to, body };
            if self.encode_all {
                envelope = decode(&encode(&envelope).unwrap()).unwrap();
            }
            match to {
                Target::Here(room) => sim.put(room, envelope),
                Target::Node(other, room) if other == node => sim.put(room, envelope),
                Target::Node(..) | Target::All(_) => sim.messaging.send(&envelope),
            }
        }
        self.disk_work(node);
        if let Some(ending) = out.ended {
            self.ended(node, room, ending);
        } else {
            self.ring_work(node);
        }
    }

    /// A subsystem has ended: in order, so that it is started again, or so that the node ends.
    fn ended(&mut self, node: NodeId, room: Room, ending: Ending) {
        self.note(format!("{room} of {node} ended: {ending:?}"));
        if room == Room::Controller && ending == Ending::Done {
            let time = self.time();
            if let Some(sim) = self.nodes.get_mut(&node) {
                let left =
                    self.reality.lock().unwrap().active.get(&node).cloned().unwrap_or_default();
                if !left.is_empty() && !self.services_stay && !self.escalated.contains(&node) {
                    let text = format!("{:?}: node {node} left with {left:?} active", self.now);
                    self.reality.lock().unwrap().violations.push(text);
                }
                self.disks[&node].lock().unwrap().sync();
                sim.gone.insert(Room::Controller);
                sim.messaging.detach(Room::Controller, &mut sim.ring, time);
                sim.ring.shut_down(time);
            }
            self.ring_work(node);
            self.nodes.remove(&node);
            self.spread_evidence(&[node]);
        } else if ending == Ending::Failed {
            self.crash(node, room);
        } else {
            self.kill(node);
        }
    }

    /// Lets one subsystem of one node take one envelope, chosen at random. False if there is none.
    fn deliver_one(&mut self) -> bool {
        let waiting: Vec<(NodeId, Room)> = self
            .nodes
            .iter()
            .flat_map(|(node, sim)| {
                let full = sim.inboxes.iter().filter(|(_, inbox)| !inbox.is_empty());
                full.map(|(room, _)| (*node, *room))
            })
            .collect();
        if waiting.is_empty() {
            return false;
        }
        let (node, room) = waiting[self.random.usize(0..waiting.len())];
        let now = self.moment(node);
        let Some(sim) = self.nodes.get_mut(&node) else { return true };
        let Some(envelope) = sim.inboxes.get_mut(&room).and_then(VecDeque::pop_front) else {
            return true;
        };
        sim.cpu += Duration::from_micros(20);
        if room == Room::Clients {
            self.answers.push((node, envelope.body.clone()));
            let members = sim.messaging.membership().members.iter().copied().collect();
            if let Body::CibAnswer(answer) = envelope.body
                && let Some((key, quorate)) = self.asked.remove(&answer.token)
                && answer.result.is_ok()
                && quorate
                && self.is_quorate(node)
            {
                // What a minority acknowledges may be lost when it joins the majority again.
                self.holders.insert(key.clone(), members);
                self.acknowledged.insert(key);
            }
            return true;
        }
        let mut out = Outputs::default();
        if let Some(subsystem) = sim.subsystem(room) {
            subsystem.handle(now, envelope, &mut out);
        }
        self.take(node, room, out);
        true
    }

    fn next_moment(&self) -> Option<Duration> {
        let mut next = self.queue.keys().next().map(|(at, _)| *at);
        let mut consider = |at: Option<Duration>| {
            if let Some(at) = at {
                next = Some(next.map_or(at, |next: Duration| next.min(at)));
            }
        };
        for sim in self.nodes.values() {
            consider(sim.ring.poll_timeout().map(|at| Duration::from_nanos(at.as_nanos())));
            consider(sim.messaging.poll_timeout());
            consider(sim.cib.poll_timeout());
            consider(sim.attributes.poll_timeout());
            consider(sim.executor.poll_timeout());
            consider(sim.fencer.poll_timeout());
            consider(sim.controller.poll_timeout());
        }
        next
    }

    fn timeouts(&mut self) {
        for node in self.everyone.clone() {
            let (time, now) = (self.time(), self.moment(node));
            let Some(sim) = self.nodes.get_mut(&node) else { continue };
            if sim.ring.poll_timeout().is_some_and(|at| at <= time) {
                sim.ring.handle_timeout(time);
            }
            if sim.messaging.poll_timeout().is_some_and(|at| at <= now.elapsed) {
                sim.messaging.handle_timeout(now);
            }
            self.ring_work(node);
            for room in ROOMS {
                let Some(sim) = self.nodes.get_mut(&node) else { break };
                if sim.gone.contains(&room) {
                    continue;
                }
                let Some(subsystem) = sim.subsystem(room) else { continue };
                if subsystem.poll_timeout().is_some_and(|at| at <= now.elapsed) {
                    let mut out = Outputs::default();
                    subsystem.handle_timeout(now, &mut out);
                    self.take(node, room, out);
                }
            }
        }
    }

    /// What agents did to the world: attributes set, power cut.
    fn agents_acted(&mut self) {
        let said = std::mem::take(&mut self.reality.lock().unwrap().said);
        for (node, attribute, value) in said {
            self.set_attribute(node, &attribute, value.as_deref());
        }
        let power = std::mem::take(&mut self.reality.lock().unwrap().power);
        for (target, again) in power {
            let Some(node) = self.everyone.iter().copied().find(|node| name(*node) == target)
            else {
                continue;
            };
            self.note(format!("{target} is fenced"));
            self.kill(node);
            self.reality.lock().unwrap().is_clean(node);
            if again {
                let at = self.now + Duration::from_millis(self.random.u64(500..3000));
                self.schedule(at, Event::Start(node));
            }
        }
    }

    /// Lets virtual time pass, or less if a condition is met before.
    pub fn run_until(&mut self, end: Duration, mut enough: impl FnMut(&World) -> bool) -> bool {
        loop {
            let mut steps = 0u32;
            while self.deliver_one() {
                self.agents_acted();
                steps += 1;
                assert!(steps < 200_000, "no end of messages at {:?}", self.now);
            }
            self.agents_acted();
            if enough(self) {
                return true;
            }
            match self.next_moment() {
                Some(at) if at <= end => self.now = self.now.max(at),
                _ => {
                    self.now = end;
                    return false;
                }
            }
            while let Some(((at, _), _)) = self.queue.first_key_value()
                && *at <= self.now
            {
                let Some((_, event)) = self.queue.pop_first() else { break };
                self.event(event);
            }
            self.timeouts();
            self.note_rivals();
        }
    }

    /// Two that lead in one ring must come to terms.
    fn note_rivals(&mut self) {
        let leads = self.nodes.values().filter(|sim| sim.controller.leads());
        let ring = |sim: &SimNode| {
            let membership = sim.messaging.membership();
            (membership.sequence, membership.members.clone())
        };
        let mut rings: Vec<_> = leads.map(ring).collect();
        rings.sort_unstable();
        let rivals = rings.windows(2).any(|pair| pair[0] == pair[1]);
        self.rivals = rivals.then(|| self.rivals.unwrap_or(self.now));
        if self.rivals.is_some_and(|since| self.now > since + Duration::from_secs(5)) {
            let text = format!("{:?}: two lead in one ring", self.now);
            self.reality.lock().unwrap().violations.push(text);
            self.rivals = None;
        }
    }

    pub fn run_for(&mut self, time: Duration) {
        let end = self.now + time;
        self.run_until(end, |_| false);
    }

    fn event(&mut self, event: Event) {
        match event {
            Event::Packet { to, from, bytes } => {
                if !self.is_open(from, to)
                    && (self.cut.contains(&(from, to)) || !self.nodes.contains_key(&to))
                {
                    return;
                }
                let time = self.time();
                if let Some(sim) = self.nodes.get_mut(&to) {
                    sim.ring.handle_packet(bytes, time);
                    self.ring_work(to);
                }
            }
            Event::Evidence { of, other } => self.evidence(of, other),
            Event::Start(node) => self.start(node),
            Event::Synced(node, store) => self.synced(node, store),
            Event::Respawn(node, room) => self.respawn(node, room),
            Event::Fault(fault) => self.fault(fault),
        }
    }

    /// Whether every running node is settled under one DC.
    pub fn is_stable(&self) -> bool {
        let dcs: BTreeSet<_> = self.nodes.values().map(|sim| sim.controller.dc()).collect();
        let quiet = self
            .nodes
            .values()
            .all(|sim| sim.controller.is_settled() && sim.inboxes.values().all(VecDeque::is_empty));
        let led = self.nodes.values().filter(|sim| sim.controller.leads()).count() == 1;
        quiet && led && dcs.len() == 1
    }

    /// What differs between the replicas of running nodes.
    pub fn replicas(&self) -> BTreeSet<String> {
        self.nodes
            .values()
            .map(|sim| cib_model::digest::on_wire(sim.cib.document().root()))
            .collect()
    }

    pub fn states(&self) -> String {
        let mut text = String::new();
        for (node, sim) in &self.nodes {
            text += &format!(
                "node{node}: {} dc {:?} quorate {} ring {:?}\n",
                sim.controller.state(),
                sim.controller.dc().map(NodeId::get),
                self.is_quorate(*node),
                sim.messaging.membership().members,
            );
        }
        text
    }
}

/// What ends with a subsystem.
fn with(room: Room) -> &'static [Room] {
    match room {
        Room::Cib => &[Room::Cib, Room::Controller, Room::Attributes, Room::Fencer],
        Room::Scheduler => &[Room::Scheduler, Room::Controller],
        Room::Fencer => &[Room::Fencer, Room::Controller],
        Room::Executor => &[Room::Executor, Room::Controller],
        Room::Attributes => &[Room::Attributes],
        _ => &[Room::Controller],
    }
}
