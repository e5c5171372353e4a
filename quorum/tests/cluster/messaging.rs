//! A cluster on ordered group messaging with extended virtual synchrony, reduced to its contract:
//! one log per ring, a cursor per node, and at each change of the membership the members that go
//! together first receive the same messages.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use quorum::id::{NodeId, RingId};
use quorum::options::{Entry, NodeVotes, Section, Settings};
use quorum::store::Persistent;
use quorum::votes::{DeviceRequest, Input, Output, Refusal, Request, View, Votes};

pub fn id(n: usize) -> NodeId {
    NodeId::new(u32::try_from(n).unwrap()).unwrap()
}

/// Reads options written as `key=value,key=value`; a key alone means 1.
pub fn section(text: &str) -> Section {
    let entries = text.split(',').map(str::trim).filter(|t| !t.is_empty()).map(|t| {
        let (key, value) = t.split_once('=').unwrap_or((t, "1"));
        Entry { key, value, line: 1 }
    });
    Section::parse(entries).unwrap()
}

pub fn settings(me: usize, size: usize, options: &str) -> Settings {
    let nodes: Vec<_> = (1..=size).map(|n| NodeVotes { id: id(n), votes: 1 }).collect();
    Settings::start(id(me), &section(options), &nodes).unwrap().0
}

/// One ring: its members and everything ordered on it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Ring {
    pub id: RingId,
    pub members: Vec<usize>,
    pub log: Vec<(usize, Vec<u8>)>,
    /// A member was quorate when the ring was formed.
    pub met_quorate: bool,
    /// A member that gave this ring's verdict has gone on to another ring.
    pub superseded: bool,
}

/// What the clients of a node were told.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Told {
    pub ring: Option<RingId>,
    pub quorate: Option<bool>,
    pub members_ring: Option<RingId>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Node {
    pub number: usize,
    pub votes: Option<Votes>,
    pub store: Persistent,
    /// Index of the ring it is in or entering.
    pub ring: Option<usize>,
    /// The view of that ring that is still to be delivered.
    pub view: Option<View>,
    /// Ring whose messages it received last.
    pub delivered_ring: Option<usize>,
    pub cursor: usize,
    pub outbox: VecDeque<Vec<u8>>,
    pub sequence: u64,
    pub told: Told,
    pub replies: Vec<(u64, Result<(), Refusal>)>,
    /// What its quorum device answers, if it has one.
    pub device: Option<bool>,
    pub device_due: Option<RingId>,
    /// Ring whose verdict it gave last, kept over restarts for the invariants.
    pub last_active: Option<usize>,
    /// A request of an administrator was delivered in the present ring.
    pub administered: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Cluster {
    pub options: String,
    pub now: Duration,
    pub nodes: Vec<Node>,
    pub rings: Vec<Ring>,
    pub log: Vec<String>,
    /// Messages are ordered the moment they are sent.
    pub eager: bool,
    /// The first broken promise seen inside an event.
    pub violation: Option<String>,
}

impl Cluster {
    pub fn new(size: usize, options: &str) -> Cluster {
        let node = |number| Node {
            number,
            votes: None,
            store: Persistent::default(),
            ring: None,
            view: None,
            delivered_ring: None,
            cursor: 0,
            outbox: VecDeque::new(),
            sequence: 0,
            told: Told::default(),
            replies: Vec::new(),
            device: None,
            device_due: None,
            last_active: None,
            administered: false,
        };
        Cluster {
            options: options.to_owned(),
            now: Duration::ZERO,
            nodes: (1..=size).map(node).collect(),
            rings: Vec::new(),
            log: Vec::new(),
            eager: false,
            violation: None,
        }
    }

    pub fn node(&mut self, number: usize) -> &mut Node {
        &mut self.nodes[number - 1]
    }

    pub fn up(&self) -> Vec<usize> {
        self.nodes.iter().filter(|n| n.votes.is_some()).map(|n| n.number).collect()
    }

    pub fn start(&mut self, number: usize) {
        let settings = settings(number, self.nodes.len(), &self.options);
        let node = self.node(number);
        assert!(node.votes.is_none());
        node.votes = Some(Votes::new(settings, node.store));
        node.told = Told::default();
        self.drain(number);
    }

    pub fn crash(&mut self, number: usize) {
        let node = self.node(number);
        node.votes = None;
        (node.ring, node.view, node.delivered_ring) = (None, None, None);
        node.outbox.clear();
        node.replies.clear();
        node.device_due = None;
    }

    /// Feeds one input to a node and carries its outputs out.
    pub fn feed(&mut self, number: usize, input: Input) {
        let now = self.now;
        let waiting = |node: &Node| node.votes.as_ref().is_some_and(|v| v.verdict().waiting);
        let was_waiting = waiting(self.node(number));
        if let Some(votes) = &mut self.node(number).votes {
            votes.handle(now, input);
        }
        self.drain(number);
        if was_waiting {
            let problem = crate::invariants::check_waiting(self, number);
            self.violation = self.violation.take().or(problem);
        }
    }

    fn drain(&mut self, number: usize) {
        while let Some(output) = self.node(number).votes.as_mut().and_then(Votes::poll_output) {
            self.carry_out(number, output);
        }
        let problem = crate::invariants::check_told(self.node(number));
        self.violation = self.violation.take().or(problem);
        if self.eager {
            while self.order(number) {}
        }
    }

    fn carry_out(&mut self, number: usize, output: Output) {
        let node = &mut self.nodes[number - 1];
        match output {
            Output::Multicast(bytes) => node.outbox.push_back(bytes),
            Output::Persist(stored) => node.store = stored,
            Output::Synchronising { ring, .. } => node.device_due = Some(ring),
            Output::Members { ring, .. } => node.told.members_ring = Some(ring),
            Output::Verdict { quorate, ring, .. } => {
                let problem = crate::invariants::check_notification(node, quorate, ring);
                self.violation = self.violation.take().or(problem);
                let changed = node.told.ring != ring;
                node.told = Told { ring, quorate: Some(quorate), ..node.told.clone() };
                if changed {
                    self.activated(number);
                }
            }
            Output::Reply { token, result } => node.replies.push((token, result)),
            Output::Notice(notice) => self.log.push(format!("{number}: {notice}")),
            Output::ExpectedVotes(_) | Output::ExtraInfo { .. } => {}
        }
        let excess = self.log.len().saturating_sub(400);
        self.log.drain(..excess);
    }

    fn activated(&mut self, number: usize) {
        let node = &mut self.nodes[number - 1];
        let ring = node.delivered_ring;
        let before = std::mem::replace(&mut node.last_active, ring);
        if let Some(before) = before.filter(|before| Some(*before) != ring) {
            self.rings[before].superseded = true;
        }
    }

    /// Orders the next message of a node on its ring; false if there is none.
    pub fn order(&mut self, number: usize) -> bool {
        let node = &mut self.nodes[number - 1];
        let (Some(ring), true) = (node.delivered_ring, node.view.is_none()) else { return false };
        let Some(bytes) = node.outbox.pop_front() else { return false };
        self.rings[ring].log.push((number, bytes));
        true
    }

    /// Delivers the next view or message to a node; false if there is none.
    pub fn deliver(&mut self, number: usize) -> bool {
        let node = &mut self.nodes[number - 1];
        if let Some(view) = node.view.take() {
            node.delivered_ring = node.ring;
            node.cursor = 0;
            node.administered = false;
            self.feed(number, Input::View(view));
            return true;
        }
        let (Some(ring), cursor) = (node.delivered_ring, node.cursor) else { return false };
        let Some((from, bytes)) = self.rings[ring].log.get(cursor).cloned() else { return false };
        node.cursor += 1;
        self.receive(number, from, bytes);
        true
    }

    fn receive(&mut self, number: usize, from: usize, bytes: Vec<u8>) {
        use quorum::wire::Message;
        if let Ok(
            Message::CancelWaiting { .. } | Message::SetExpected { .. } | Message::SetVotes { .. },
        ) = Message::parse(&bytes)
        {
            self.node(number).administered = true;
        }
        self.feed(number, Input::Message { from: id(from), bytes });
    }

    /// Forms one ring for each group of running nodes. `more` says how many messages beyond those
    /// that somebody already has are received in common before the change.
    pub fn reform(&mut self, groups: &[Vec<usize>], mut more: impl FnMut(usize) -> usize) {
        for group in groups {
            let sequence = group.iter().map(|n| self.nodes[*n - 1].sequence).max().unwrap() + 4;
            let lowest = *group.iter().min().unwrap();
            let ring_id = RingId { sequence, representative: id(lowest) };
            let mut together: BTreeMap<Option<usize>, BTreeSet<usize>> = BTreeMap::new();
            for n in group {
                together.entry(self.nodes[*n - 1].delivered_ring).or_default().insert(*n);
            }
            for (ring, set) in &together {
                if let Some(ring) = ring {
                    self.recover(*ring, set, &mut more);
                }
            }
            let quorate =
                |n: &usize| self.nodes[*n - 1].votes.as_ref().is_some_and(Votes::is_quorate);
            self.rings.push(Ring {
                id: ring_id,
                members: group.clone(),
                log: Vec::new(),
                met_quorate: group.iter().any(quorate),
                superseded: false,
            });
            let index = self.rings.len() - 1;
            for (from, set) in together {
                for n in &set {
                    let with: Vec<_> = match from {
                        Some(_) => set.iter().map(|n| id(*n)).collect(),
                        None => vec![id(*n)],
                    };
                    let members = group.iter().map(|n| id(*n)).collect();
                    let node = &mut self.nodes[*n - 1];
                    node.view = Some(View::new(ring_id, members, with).unwrap());
                    node.ring = Some(index);
                    node.sequence = sequence;
                }
            }
        }
    }

    /// Members that go together receive the same messages of their old ring.
    fn recover(
        &mut self,
        ring: usize,
        set: &BTreeSet<usize>,
        more: &mut impl FnMut(usize) -> usize,
    ) {
        let newest = set.iter().map(|n| self.nodes[*n - 1].cursor).max().unwrap();
        let rest = self.rings[ring].log.len() - newest;
        let cut = newest + more(rest).min(rest);
        let log = self.rings[ring].log.clone();
        for n in set {
            // Beyond the first gap only messages of members that go together are certain.
            for (at, (from, bytes)) in log.iter().enumerate().skip(self.nodes[*n - 1].cursor) {
                if at < cut || set.contains(from) {
                    self.receive(*n, *from, bytes.clone());
                }
            }
            self.nodes[*n - 1].cursor = log.len();
        }
    }

    /// The device of a node answers for the ring being synchronised, or as a regular poll.
    pub fn poll_device(&mut self, number: usize) {
        let node = self.node(number);
        let (Some(cast), Some(votes)) = (node.device, &node.votes) else { return };
        let Some(ring) = node.device_due.take().or(votes.ring()) else { return };
        let name = "Qdevice".to_owned();
        let registered = votes.status().device.is_some() && {
            let me = id(number);
            votes.nodes().get(me).is_some_and(|record| record.device.registered)
        };
        if !registered {
            let request = Request::Device(DeviceRequest::Register { name: name.clone() });
            self.feed(number, Input::Request { token: 0, request });
            self.settle_messages();
        }
        let request = Request::Device(DeviceRequest::Poll { name, cast, ring });
        self.feed(number, Input::Request { token: 0, request });
    }

    fn settle_messages(&mut self) {
        loop {
            let up = self.up();
            let moved = up.iter().filter(|n| self.order(**n) | self.deliver(**n)).count();
            if moved == 0 {
                return;
            }
        }
    }

    /// Delivers everything, with the devices answering, until nothing moves.
    pub fn settle(&mut self) {
        loop {
            self.settle_messages();
            let due: Vec<_> = self
                .nodes
                .iter()
                .filter(|n| n.device_due.is_some() && n.device.is_some() && n.votes.is_some())
                .map(|n| n.number)
                .collect();
            if due.is_empty() {
                return;
            }
            for n in due {
                self.poll_device(n);
            }
        }
    }

    /// The next timer of any node goes off there.
    pub fn fire(&mut self, number: usize) -> bool {
        let timeout = self.node(number).votes.as_ref().and_then(Votes::poll_timeout);
        let Some(at) = timeout else { return false };
        self.now = self.now.max(at);
        self.feed(number, Input::Timeout);
        true
    }
}
