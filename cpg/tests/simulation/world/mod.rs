//! The simulated world: nodes, their disks and clocks, their applications, and what befalls them.

mod application;
mod faults;
mod life;
mod scenario;

pub use scenario::Scenario;

use crate::network::Network;
use crate::observer::{Observer, Verdict};
use cpg::Time;
use cpg::group::ClientId;
use cpg::identity::NodeId;
use cpg::link::Links;
use cpg::node::Node;
use cpg::protocol::PhaseName;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

#[derive(Debug)]
enum Happening {
    Arrive { to: usize, from: SocketAddr, link: usize, datagram: Vec<u8> },
    Wake { node: usize, boot: u32 },
    Application { node: usize, boot: u32 },
    Fault,
    Restart { node: usize },
    Resume { node: usize },
}

struct Slot {
    id: NodeId,
    node: Option<Node>,
    links: Option<Links>,
    boot: u32,
    disk: u64,
    disk_intact: bool,
    /// How far this node's clock is ahead.
    clock: Duration,
    paused: bool,
    held: Vec<Happening>,
    clients: Vec<ClientId>,
    sent: u64,
    wake: Option<Time>,
}

pub struct World {
    scenario: Scenario,
    rng: StdRng,
    now: Time,
    queue: BinaryHeap<Reverse<(Time, u64)>>,
    happenings: BTreeMap<u64, Happening>,
    serial: u64,
    slots: Vec<Slot>,
    networks: Vec<Network>,
    pub observer: Observer,
    faults_left: u32,
    calm: bool,
    /// What goes to where nodes read tokens arrives.
    token_roads_open: bool,
    pub verbose: bool,
}

fn address(node: usize, link: usize) -> SocketAddr {
    SocketAddr::new(IpAddr::from([10, link as u8, 0, node as u8 + 1]), 5405)
}

fn index_of(address: SocketAddr) -> usize {
    match address.ip() {
        IpAddr::V4(v4) => usize::from(v4.octets()[3]) - 1,
        IpAddr::V6(_) => unreachable!("the simulated network is IPv4"),
    }
}

/// Where nodes read tokens apart from data.
const TOKEN_PORT: u16 = 5406;

impl World {
    pub fn new(scenario: Scenario) -> World {
        let slots = (1..=scenario.nodes)
            .map(|id| Slot {
                id: NodeId::new(id as u32).unwrap(),
                node: None,
                boot: 0,
                disk: 0,
                disk_intact: true,
                clock: Duration::ZERO,
                paused: false,
                held: vec![],
                clients: vec![],
                sent: 0,
                links: None,
                wake: None,
            })
            .collect();
        World {
            rng: StdRng::seed_from_u64(scenario.seed),
            now: Time::from_nanos(1_000_000_000),
            queue: BinaryHeap::new(),
            happenings: BTreeMap::new(),
            serial: 0,
            slots,
            networks: (0..scenario.links).map(|_| Network::new(scenario.nodes)).collect(),
            observer: Observer::default(),
            faults_left: scenario.faults,
            calm: false,
            token_roads_open: true,
            verbose: false,
            scenario,
        }
    }

    pub fn retransmissions(&self) -> u64 {
        let nodes = self.slots.iter().filter_map(|slot| slot.node.as_ref());
        nodes.map(|node| node.protocol().statistics().mcast_retx).sum()
    }

    pub fn rings_at_most(&self, per_node: usize) -> bool {
        let mut nodes = self.slots.iter().filter_map(|slot| slot.node.as_ref());
        nodes.all(|node| node.protocol().statistics().operational_entered as usize <= per_node)
    }

    pub fn fingerprint(&self) -> String {
        let nodes = self.slots.iter().filter_map(|slot| slot.node.as_ref());
        let nodes: Vec<_> =
            nodes.map(|node| format!("{:?}", node.protocol().statistics())).collect();
        format!("{:?} {} {nodes:?}", self.now, self.observer.deliveries)
    }

    fn say(&self, text: impl FnOnce() -> String) {
        if self.verbose {
            println!("{:?} {}", self.now, text());
        }
    }

    fn at(&mut self, time: Time, happening: Happening) {
        self.serial += 1;
        self.happenings.insert(self.serial, happening);
        self.queue.push(Reverse((time, self.serial)));
    }

    fn after(&mut self, low_ms: u64, high_ms: u64, happening: Happening) {
        let wait = Duration::from_micros(self.rng.random_range(low_ms * 1000..high_ms * 1000));
        self.at(self.now + wait, happening);
    }

    /// Runs to the end: faults, then calm, then the check that everyone is together again.
    pub fn run(&mut self) -> Verdict {
        for index in 0..self.slots.len() {
            self.after(0, 300, Happening::Restart { node: index });
        }
        self.after(300, 1500, Happening::Fault);
        let chaos = self.scenario.pace / 2 * self.scenario.faults + self.scenario.token;
        let chaos = self.now + Duration::from_secs(2) + chaos;
        self.until(chaos)?;
        self.calm_down()?;
        let token = self.scenario.token;
        self.until(self.now + token * 30 + Duration::from_secs(3))?;
        self.together()
    }

    /// Starts everyone, breaks directed paths for good, and counts the rings formed after the first
    /// ten seconds.
    pub fn rings_with_broken_paths(
        &mut self,
        broken: &[(usize, usize)],
        time: Duration,
    ) -> Result<u64, String> {
        for index in 0..self.slots.len() {
            self.after(0, 300, Happening::Restart { node: index });
        }
        self.until(self.now + Duration::from_secs(3))?;
        for (from, to) in broken {
            self.networks.iter_mut().for_each(|network| network.link(*from, *to).open = false);
        }
        self.until(self.now + Duration::from_secs(10))?;
        let before = self.rings_entered();
        self.until(self.now + (time - Duration::from_secs(10)))?;
        Ok(self.rings_entered() - before)
    }

    /// Starts everyone, then loses datagrams on every path; counts the rings formed meanwhile.
    pub fn rings_under_loss(&mut self, loss: f64, time: Duration) -> Result<u64, String> {
        for index in 0..self.slots.len() {
            self.after(0, 300, Happening::Restart { node: index });
        }
        self.until(self.now + Duration::from_secs(3))?;
        self.each_link(|link| link.loss = loss);
        let before = self.rings_entered();
        self.until(self.now + time)?;
        Ok(self.rings_entered() - before)
    }

    fn rings_entered(&self) -> u64 {
        let nodes = self.slots.iter().filter_map(|slot| slot.node.as_ref());
        nodes.map(|node| node.protocol().statistics().operational_entered).sum()
    }

    fn until(&mut self, end: Time) -> Verdict {
        while let Some(Reverse((time, serial))) = self.queue.pop() {
            if time > end {
                self.queue.push(Reverse((time, serial)));
                break;
            }
            self.now = time;
            let Some(happening) = self.happenings.remove(&serial) else { continue };
            self.happen(happening)?;
            let running: Vec<&Node> = self.slots.iter().filter_map(|s| s.node.as_ref()).collect();
            self.observer.released(&running)?;
        }
        self.now = end;
        Ok(())
    }

    fn happen(&mut self, happening: Happening) -> Verdict {
        let node = match &happening {
            Happening::Arrive { to, .. } => Some(*to),
            Happening::Wake { node, .. } | Happening::Application { node, .. } => Some(*node),
            Happening::Fault | Happening::Restart { .. } | Happening::Resume { .. } => None,
        };
        if let Some(node) = node.filter(|node| self.slots[*node].paused) {
            self.slots[node].held.push(happening);
            return Ok(());
        }
        match happening {
            Happening::Arrive { to, from, link, datagram } => {
                self.arrive(to, from, link, &datagram)
            }
            Happening::Wake { node, boot } => self.wake(node, boot),
            Happening::Application { node, boot } => self.application(node, boot),
            Happening::Fault => self.fault(),
            Happening::Restart { node } => self.restart(node),
            Happening::Resume { node } => self.resume(node),
        }
    }

    fn local(&self, index: usize) -> Time {
        self.now + self.slots[index].clock
    }

    /// M5: in lasting calm all nodes are in one ring, synchronised, with equal tables.
    fn together(&mut self) -> Verdict {
        let everyone: Vec<NodeId> = self.slots.iter().map(|slot| slot.id).collect();
        let mut rings = vec![];
        for slot in &self.slots {
            let Some(node) = &slot.node else { return Err(format!("{} is down", slot.id)) };
            let phase = node.protocol().phase();
            if phase != PhaseName::Operational {
                return Err(format!("M5: {} is in {phase:?}", slot.id));
            }
            let (ring, members) = node.protocol().ring().ok_or("no ring")?;
            if members != everyone {
                return Err(format!("M5: {} is in {ring} with {members:?}", slot.id));
            }
            if !node.protocol().gate_is_open() {
                return Err(format!("S1: {} is not synchronised", slot.id));
            }
            rings.push(ring);
        }
        rings.dedup();
        if rings.len() != 1 {
            return Err(format!("M5: several rings {rings:?}"));
        }
        Ok(())
    }
}

#[derive(Debug, Default)]
pub struct Totals {
    pub rings: usize,
    pub deliveries: u64,
    pub gathers: u64,
    pub retransmissions: u64,
    pub recovered: u64,
    pub discarded: u64,
}

impl Totals {
    pub fn add(&mut self, world: &World) {
        self.rings += world.observer.rings();
        self.deliveries += world.observer.deliveries;
        for node in world.slots.iter().filter_map(|slot| slot.node.as_ref()) {
            let statistics = node.protocol().statistics();
            self.gathers += statistics.gather_entered;
            self.retransmissions += statistics.mcast_retx;
            self.recovered += statistics.recovery_originated;
            self.discarded += statistics.recovery_discarded;
        }
    }
}
