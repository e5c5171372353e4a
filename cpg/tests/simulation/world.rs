//! The simulated world: nodes, their disks and clocks, their applications, and what befalls them.

use crate::load::Payload;
use crate::network::{Link, Network};
use crate::observer::{Observer, Verdict};
use bytes::BytesMut;
use cpg::Time;
use cpg::group::{ClientId, GroupName, ProcessId};
use cpg::identity::{Incarnation, NodeId};
use cpg::link::{LinkAddress, LinkConfiguration, LinkEvent, LinkMode, Links, Peer};
use cpg::node::{Node, NodeEvent};
use cpg::protocol::{Boot, Output, PhaseName};
use cpg::ring::{FlowLimits, RingConfiguration, Timing};
use cpg::security::{Cipher, Key, Keyring};
use cpg::wire::Guarantee;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// What a run looks like. Everything follows from the seed.
#[derive(Debug, Clone)]
pub struct Scenario {
    pub seed: u64,
    pub nodes: usize,
    pub limits: FlowLimits,
    pub token: Duration,
    pub faults: u32,
    /// Longest wait between two faults.
    pub pace: Duration,
    pub safe: f64,
    pub lost_disks: bool,
    pub links: usize,
    pub mode: LinkMode,
    pub encrypted: bool,
    #[cfg(feature = "mutations")]
    pub mutation: Option<cpg::mutation::Mutation>,
}

impl Scenario {
    pub fn random(seed: u64) -> Scenario {
        let mut rng = StdRng::seed_from_u64(seed ^ 0x5eed);
        let nodes = match rng.random_range(0..10) {
            0..4 => 3,
            4..6 => 2,
            6..8 => rng.random_range(4..6),
            8 => rng.random_range(6..9),
            _ => rng.random_range(9..17),
        };
        let visit = rng.random_range(2..40);
        let limits = FlowLimits {
            rotation: visit * 2,
            visit,
            accelerated: [0, visit / 2, visit][rng.random_range(0..3)],
        };
        Scenario {
            seed,
            nodes,
            limits,
            token: Duration::from_millis([200, 400, 1000][rng.random_range(0..3)]),
            faults: rng.random_range(2..14),
            pace: Duration::from_millis([100, 1500, 4000][rng.random_range(0..3)]),
            safe: [0.0, 0.2, 0.5][rng.random_range(0..3)],
            lost_disks: rng.random_bool(0.1),
            links: if rng.random_bool(0.3) { 2 } else { 1 },
            mode: [LinkMode::Passive, LinkMode::Active, LinkMode::RoundRobin]
                [rng.random_range(0..3)],
            encrypted: rng.random_bool(0.3),
            #[cfg(feature = "mutations")]
            mutation: None,
        }
    }

    pub fn quiet(seed: u64, nodes: usize) -> Scenario {
        Scenario { faults: 0, nodes, lost_disks: false, ..Scenario::random(seed) }
    }
}

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

const GROUPS: [&str; 2] = ["all", "some"];

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

    fn arrive(&mut self, to: usize, from: SocketAddr, link: usize, datagram: &[u8]) -> Verdict {
        let now = self.local(to);
        let Some(links) = &mut self.slots[to].links else { return Ok(()) };
        links.handle_datagram(link as u8, from, BytesMut::from(datagram), now);
        self.after_step(to)
    }

    fn transmit(&mut self, from: usize, link: usize, to: SocketAddr, datagram: &[u8]) {
        let to = index_of(to);
        let arrivals = self.networks[link].carry(&mut self.rng, self.now, (from, to), datagram);
        let from = address(from, link);
        for (time, datagram) in arrivals {
            self.at(time, Happening::Arrive { to, from, link, datagram });
        }
    }

    fn wake(&mut self, index: usize, boot: u32) -> Verdict {
        let now = self.local(index);
        let slot = &mut self.slots[index];
        if slot.boot != boot || slot.wake.is_some_and(|planned| planned > self.now) {
            return Ok(()); // an earlier plan; a later one is due
        }
        slot.wake = None;
        let (Some(node), Some(links)) = (&mut slot.node, &mut slot.links) else { return Ok(()) };
        links.handle_timeout(now);
        if node.poll_timeout().is_some_and(|at| at <= now) {
            node.handle_timeout(now);
        }
        self.after_step(index)
    }

    fn application(&mut self, index: usize, boot: u32) -> Verdict {
        if self.slots[index].boot != boot || self.slots[index].node.is_none() {
            return Ok(());
        }
        let now = self.local(index);
        match self.rng.random_range(0..100) {
            0..4 => self.open_client(index, now),
            4..6 => self.close_client(index, now),
            6..8 => self.leave_group(index, now),
            _ => {
                let burst = if self.rng.random_bool(0.05) { 40 } else { 2 };
                for _ in 0..burst {
                    self.send(index, now);
                }
            }
        }
        if !self.calm {
            let pause = if self.rng.random_bool(0.02) { 900 } else { 50 };
            self.after(0, pause, Happening::Application { node: index, boot });
        } else {
            self.after(60, 300, Happening::Application { node: index, boot });
        }
        self.after_step(index)
    }

    fn open_client(&mut self, index: usize, now: Time) {
        let group = GroupName::new(GROUPS[self.rng.random_range(0..2)]).unwrap();
        let slot = &mut self.slots[index];
        let Some(node) = &mut slot.node else { return };
        if slot.clients.len() >= 3 {
            return;
        }
        let process = ProcessId(self.rng.random_range(1..4));
        let client = node.connect(process).unwrap();
        match node.join(client, group, now) {
            Ok(()) => slot.clients.push(client),
            Err(_) => node.close(client, now),
        }
    }

    fn close_client(&mut self, index: usize, now: Time) {
        let slot = &mut self.slots[index];
        if slot.clients.len() > 1
            && let Some(client) = slot.clients.pop()
            && let Some(node) = &mut slot.node
        {
            node.close(client, now);
        }
    }

    fn leave_group(&mut self, index: usize, now: Time) {
        let slot = &mut self.slots[index];
        if slot.clients.len() > 1
            && let Some(node) = &mut slot.node
            && node.leave(slot.clients[0], now).is_ok()
        {
            slot.clients.remove(0);
        }
    }

    fn send(&mut self, index: usize, now: Time) {
        let length = match self.rng.random_range(0..100) {
            0..80 => self.rng.random_range(0..200),
            80..99 => self.rng.random_range(200..3000),
            _ => self.rng.random_range(3000..30_000),
        };
        let safe = self.rng.random_bool(self.scenario.safe);
        let guarantee = if safe { Guarantee::Safe } else { Guarantee::Agreed };
        let which = self.rng.random_range(0..3);
        let slot = &mut self.slots[index];
        let Some(client) = slot.clients.get(which % slot.clients.len().max(1)) else { return };
        let Some(node) = &mut slot.node else { return };
        let id = (slot.id.get(), slot.boot, slot.sent + 1);
        let payload = Payload { id, cause: self.observer.last_message(slot.id), length };
        if node.multicast(*client, guarantee, payload.encode(), now).is_ok() {
            slot.sent += 1;
            self.observer.submitted.insert(id);
        }
    }

    fn restart(&mut self, index: usize) -> Verdict {
        let now = self.local(index);
        let boot_number = Incarnation(self.rng.random());
        let all: Vec<NodeId> = self.slots.iter().map(|slot| slot.id).collect();
        let slot = &mut self.slots[index];
        if slot.node.is_some() {
            return Ok(());
        }
        slot.boot += 1;
        slot.clients.clear();
        slot.wake = None;
        let mut configuration = RingConfiguration::new(slot.id, all);
        configuration.timing = Timing {
            join: Duration::from_millis(30),
            merge: Duration::from_millis(100),
            ..Timing::from_token(self.scenario.token)
        };
        configuration.limits = self.scenario.limits;
        configuration.payload = 600;
        configuration.queue_bytes = 200_000;
        let boot = Boot { ring_sequence: slot.disk, incarnation: boot_number };
        let mut node = Node::new(configuration, boot, now);
        node.trace_deliveries(true);
        #[cfg(feature = "mutations")]
        if let Some(mutation) = self.scenario.mutation {
            node.plant(mutation);
        }
        slot.node = Some(node);
        let (id, boot) = (slot.id, slot.boot);
        self.slots[index].links = Some(self.links(index, now));
        self.observer.boot(id);
        self.say(|| format!("start {id}"));
        self.after(1, 50, Happening::Application { node: index, boot });
        self.open_client(index, now);
        self.after_step(index)
    }

    fn links(&mut self, index: usize, now: Time) -> Links {
        let count = self.scenario.links;
        let peers = self.slots.iter().enumerate().map(|(at, slot)| Peer {
            node: slot.id,
            addresses: (0..count)
                .map(|link| LinkAddress { link: link as u8, address: address(at, link) })
                .collect(),
        });
        let node = self.slots[index].id;
        let mut configuration = LinkConfiguration::new(node, peers.collect(), self.scenario.token);
        configuration.mode = self.scenario.mode;
        let key = self.scenario.encrypted.then(|| Key::new(&[5; 128], Cipher::default()).unwrap());
        Links::new(configuration, key.map(Keyring::new), self.rng.random(), now)
    }

    fn resume(&mut self, index: usize) -> Verdict {
        self.slots[index].paused = false;
        let held = std::mem::take(&mut self.slots[index].held);
        let id = self.slots[index].id;
        self.say(|| format!("resume {id}"));
        // Datagrams first, as a driver would after a pause; then timers.
        let (arrivals, rest): (Vec<_>, Vec<_>) =
            held.into_iter().partition(|h| matches!(h, Happening::Arrive { .. }));
        for happening in arrivals.into_iter().chain(rest) {
            self.happen(happening)?;
        }
        Ok(())
    }

    /// Carries out what the node wants, shows the observer what it did, plans its next call.
    fn after_step(&mut self, index: usize) -> Verdict {
        let now = self.local(index);
        let taken = (self.slots[index].node.take(), self.slots[index].links.take());
        let (Some(mut node), Some(mut links)) = taken else { return Ok(()) };
        let result = self.drain(index, &mut node, &mut links, now);
        let timers = [node.poll_timeout(), links.poll_timeout()];
        let wake = timers.into_iter().flatten().min();
        self.slots[index].node = Some(node);
        self.slots[index].links = Some(links);
        result?;
        self.join_somewhere(index);
        if let Some(at) = wake {
            let clock = self.slots[index].clock.as_nanos() as u64;
            let at = Time::from_nanos(at.as_nanos().saturating_sub(clock)).max(self.now);
            if self.slots[index].wake.is_none_or(|planned| at < planned || planned < self.now) {
                self.slots[index].wake = Some(at);
                let boot = self.slots[index].boot;
                self.at(at, Happening::Wake { node: index, boot });
            }
        }
        Ok(())
    }

    fn join_somewhere(&mut self, index: usize) {
        let ready = self.slots[index].node.as_ref().is_some_and(Node::is_ready);
        if ready && self.slots[index].clients.is_empty() {
            let now = self.local(index);
            self.open_client(index, now);
        }
    }

    fn drain(&mut self, index: usize, node: &mut Node, links: &mut Links, now: Time) -> Verdict {
        loop {
            while let Some(event) = links.poll_event() {
                match event {
                    LinkEvent::Packet(packet) => node.handle_packet(packet, now),
                    LinkEvent::Reachable(peer, up) => node.handle_reachable(peer, up, now),
                    LinkEvent::Silent(peer, silent) => node.handle_silent(peer, silent, now),
                    LinkEvent::Dead(peer) => node.handle_dead(peer, now),
                    LinkEvent::Link(..) => {}
                }
            }
            let idle = self.observe(index, node, links)?;
            while let Some(transmit) = links.poll_transmit() {
                self.transmit(index, transmit.link.into(), transmit.to, &transmit.datagram);
            }
            if idle {
                return Ok(());
            }
        }
    }

    /// Shows the observer what the node reported and sent; true when that was nothing.
    fn observe(
        &mut self,
        index: usize,
        node: &mut Node,
        links: &mut Links,
    ) -> Result<bool, String> {
        let mut idle = true;
        let mut events = vec![];
        while let Some(event) = node.poll_event() {
            if let NodeEvent::Configuration(change) = &event {
                self.say(|| {
                    format!(
                        "{} {:?} {:?} of {} (from {}) left {:?}",
                        node.id(),
                        change.kind,
                        change.members,
                        change.ring,
                        change.old_ring,
                        change.left
                    )
                });
            }
            idle = false;
            events.push(event);
        }
        let intact = self.slots[index].disk_intact;
        self.observer.step(node, events, intact)?;
        while let Some(output) = node.poll_output() {
            idle = false;
            match output {
                Output::Persist { ring_sequence } => self.slots[index].disk = ring_sequence,
                Output::Send { to, bytes } => {
                    self.observer.sent(node.id(), &bytes, self.scenario.limits)?;
                    links.send(&to, &bytes);
                }
            }
        }
        Ok(idle)
    }

    fn fault(&mut self) -> Verdict {
        if self.calm || self.faults_left == 0 {
            return Ok(());
        }
        self.faults_left -= 1;
        let node = self.rng.random_range(0..self.slots.len());
        let other = self.rng.random_range(0..self.slots.len());
        let token_ms = self.scenario.token.as_millis() as u64;
        match self.rng.random_range(0..16) {
            0..3 => self.crash(node),
            3 => self.shut_down(node)?,
            4..7 => self.partition(),
            7 => {
                self.say(|| format!("{} no longer reaches {}", node + 1, other + 1));
                let link = self.rng.random_range(0..self.networks.len());
                self.networks[link].link(node, other).open = false;
            }
            8 => {
                let delay = Duration::from_millis(self.rng.random_range(1..token_ms / 2));
                self.say(|| format!("{} reaches {} slowly: {delay:?}", node + 1, other + 1));
                self.networks[0].link(node, other).delay = delay;
            }
            9..12 => {
                let loss = self.rng.random_range(0.0..0.35);
                let duplicate = self.rng.random_range(0.0..0.2);
                let corrupt = self.rng.random_range(0.0..0.1);
                let jitter = Duration::from_micros(self.rng.random_range(0..4000));
                self.say(|| format!("loss {loss:.2} jitter {jitter:?}"));
                self.each_link(|link| {
                    (link.loss, link.duplicate, link.corrupt) = (loss, duplicate, corrupt);
                    link.jitter = jitter;
                });
            }
            12 => {
                self.say(|| format!("pause {}", node + 1));
                self.slots[node].paused = true;
                self.after(10, token_ms * 2, Happening::Resume { node });
            }
            13 => {
                let jump = Duration::from_millis(self.rng.random_range(1..token_ms * 3));
                self.say(|| format!("clock of {} jumps {jump:?}", node + 1));
                self.slots[node].clock += jump;
                self.slots[node].wake = None;
                let boot = self.slots[node].boot;
                self.at(self.now, Happening::Wake { node, boot });
            }
            _ => {
                self.say(|| "heal".to_owned());
                self.each_link(|link| *link = Link::good());
            }
        }
        let pace = self.scenario.pace.as_millis() as u64;
        self.after(5, pace, Happening::Fault);
        Ok(())
    }

    pub fn each_link(&mut self, mut change: impl FnMut(&mut Link)) {
        self.networks.iter_mut().for_each(|network| network.each(&mut change));
    }

    fn crash(&mut self, node: usize) {
        let lose = self.scenario.lost_disks && self.rng.random_bool(0.3);
        let slot = &mut self.slots[node];
        slot.node = None;
        slot.links = None;
        slot.boot += 1;
        slot.paused = false;
        slot.held.clear();
        if lose {
            slot.disk = 0;
            slot.disk_intact = false;
        }
        self.say(|| format!("crash {} {lose}", node + 1));
        let token_ms = self.scenario.token.as_millis() as u64;
        self.after(1, token_ms * 4, Happening::Restart { node });
    }

    fn shut_down(&mut self, node: usize) -> Verdict {
        let now = self.local(node);
        if self.slots[node].paused {
            return Ok(());
        }
        if let Some(running) = &mut self.slots[node].node {
            running.shut_down(now);
        }
        self.say(|| format!("shut down {}", node + 1));
        self.after_step(node)?;
        self.crash(node);
        Ok(())
    }

    fn partition(&mut self) {
        let sides: Vec<bool> = self.slots.iter().map(|_| self.rng.random_bool(0.5)).collect();
        self.say(|| format!("partition {sides:?}"));
        for from in 0..sides.len() {
            for to in 0..sides.len() {
                let open = sides[from] == sides[to];
                self.networks.iter_mut().for_each(|network| network.link(from, to).open = open);
            }
        }
    }

    fn calm_down(&mut self) -> Verdict {
        self.calm = true;
        self.say(|| "calm".to_owned());
        self.each_link(|link| *link = Link::good());
        for index in 0..self.slots.len() {
            if self.slots[index].paused {
                self.resume(index)?;
            }
            self.restart(index)?;
        }
        Ok(())
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
