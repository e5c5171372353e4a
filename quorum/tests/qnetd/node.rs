//! Nodes with the device on real connections; rings are what the test says they are.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use mio::{Events, Poll, Token, Waker};
use quorum::device::QuorumDevice;
use quorum::device::net::{IpVersion, NetAlgorithm, NetDevice, NetSettings};
use quorum::votes::{DeviceRequest, NodeState};
use quorum::{NodeId, RingId};

/// `device.timeout` of the nodes, and the heartbeat that follows from it.
const TIMEOUT: Duration = Duration::from_millis(2500);
const HEARTBEAT: Duration = Duration::from_millis(2000);
const WAKE: Token = Token(0);

struct Node {
    settings: NetSettings,
    device: NetDevice,
    said: Arc<Mutex<Vec<String>>>,
    ring: Option<RingId>,
    /// The last poll: whether the votes count, and for which ring.
    poll: Option<(bool, RingId)>,
}

pub struct Cluster {
    poll: Poll,
    waker: Arc<Waker>,
    begin: Instant,
    nodes: BTreeMap<u32, Node>,
    /// Only one ring's votes may count at a time.
    pub exclusive: bool,
}

fn id(n: u32) -> NodeId {
    NodeId::new(n).unwrap()
}

impl Cluster {
    /// Nodes 1, 2, … that reach the arbiter at these ports.
    pub fn new(ports: &[u16], algorithm: NetAlgorithm) -> Cluster {
        let poll = Poll::new().unwrap();
        let waker = Arc::new(Waker::new(poll.registry(), WAKE).unwrap());
        let begin = Instant::now();
        let mut cluster = Cluster { poll, waker, begin, nodes: BTreeMap::new(), exclusive: false };
        let everyone: Vec<_> = (1..=ports.len() as u32).map(id).collect();
        for (n, port) in (1..).zip(ports) {
            let host = if n == 1 { "127.0.0.1" } else { "localhost" };
            let settings = NetSettings {
                port: *port,
                ip_version: IpVersion::V4,
                algorithm,
                ..NetSettings::new(id(n), "lab", everyone.clone(), host, TIMEOUT)
            };
            assert_eq!(settings.heartbeat(), HEARTBEAT);
            cluster.start(n, settings);
        }
        cluster
    }

    fn start(&mut self, n: u32, settings: NetSettings) {
        let said = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&said);
        let waker = Arc::clone(&self.waker);
        let device = NetDevice::new(
            settings.clone(),
            self.poll.registry(),
            Token(n as usize),
            Arc::new(move || waker.wake().unwrap()),
            move |notice| log.lock().unwrap().push(format!("{notice:?}: {}", text(&notice))),
        )
        .unwrap();
        self.nodes.insert(n, Node { settings, device, said, ring: None, poll: None });
    }

    /// The node starts anew with other settings.
    pub fn configure(&mut self, n: u32, change: impl FnOnce(&mut NetSettings)) {
        let mut settings = self.nodes.remove(&n).unwrap().settings;
        change(&mut settings);
        self.start(n, settings);
    }

    pub fn stop(&mut self, n: u32) {
        self.nodes.remove(&n);
    }

    /// These nodes form a ring.
    pub fn ring(&mut self, sequence: u64, members: &[u32]) {
        let now = self.begin.elapsed();
        let ring = RingId { sequence, representative: id(members[0]) };
        let ids: Vec<_> = members.iter().copied().map(id).collect();
        for n in members {
            let node = self.nodes.get_mut(n).unwrap();
            node.ring = Some(ring);
            node.device.synchronising(now, ring, &ids);
            let states: Vec<_> = ids.iter().map(|id| (*id, NodeState::Member)).collect();
            node.device.verdict(now, true, &states);
        }
    }

    /// Nodes at which the votes count, for whatever ring.
    pub fn casts(&self) -> Vec<u32> {
        let casts = |node: &Node| node.poll.is_some_and(|(cast, _)| cast);
        self.nodes.iter().filter(|(_, node)| casts(node)).map(|(n, _)| *n).collect()
    }

    /// The last word of every node is about its present ring.
    pub fn settled(&self) -> bool {
        self.nodes.values().all(|node| node.poll.map(|(_, ring)| ring) == node.ring)
    }

    pub fn said(&self, n: u32, what: &str) -> bool {
        self.nodes[&n].said.lock().unwrap().iter().any(|line| line.contains(what))
    }

    fn turn(&mut self) {
        let mut events = Events::with_capacity(16);
        self.poll.poll(&mut events, Some(Duration::from_millis(5))).unwrap();
        let now = self.begin.elapsed();
        for node in self.nodes.values_mut() {
            node.device.turn(now);
            while let Some(request) = node.device.poll(now) {
                let DeviceRequest::Poll { cast, ring, name } = request else {
                    panic!("{request:?}")
                };
                assert_eq!(name, "Qdevice");
                node.poll = Some((cast, ring));
            }
        }
        if self.exclusive {
            let mut rings: Vec<_> =
                self.nodes.values().filter_map(|n| n.poll.filter(|(cast, _)| *cast)).collect();
            rings.dedup();
            assert!(rings.len() <= 1, "votes count in two rings: {rings:?}");
        }
    }

    pub fn until(&mut self, longest: Duration, what: &str, reached: impl Fn(&Cluster) -> bool) {
        let end = Instant::now() + longest;
        while !reached(self) {
            assert!(Instant::now() < end, "{what}: not within {longest:?}; {}", self.state());
            self.turn();
        }
    }

    pub fn stays(&mut self, time: Duration, holds: impl Fn(&Cluster) -> bool) {
        let end = Instant::now() + time;
        while Instant::now() < end {
            self.turn();
            assert!(holds(self), "{}", self.state());
        }
    }

    fn state(&self) -> String {
        let line = |(n, node): (&u32, &Node)| {
            format!("\n{n}: {:?}, {:?}", node.poll, node.said.lock().unwrap())
        };
        self.nodes.iter().map(line).collect()
    }
}

fn text(notice: &quorum::device::net::NetNotice) -> String {
    match notice {
        quorum::device::net::NetNotice::Apart(problem) => problem.to_string(),
        _ => String::new(),
    }
}
