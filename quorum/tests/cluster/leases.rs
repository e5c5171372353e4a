//! Clusters whose nodes ask an arbiter over connections that are slow, cut and made again: real clients,
//! their real messages, a virtual network. However the nodes fall apart and whoever reaches the arbiter,
//! two partitions never have quorum at once; and when half of the nodes alone reach it, they have it.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

use quorum::device::net::{
    Client, ListKind, Message, NetAlgorithm, NetSettings, Output, Stream, Tls, Verdict,
};
use quorum::device::{Algorithm, Arbiter, QuorumDevice, Sighting, net};
use quorum::id::RingId;
use quorum::options::TieBreaker;
use quorum::votes::{DeviceRequest, Input, Request, Votes};

use crate::invariants::{Demands, check};
use crate::messaging::{Cluster, id};
use crate::random::from_environment;

const STEP: Duration = Duration::from_millis(250);
const HEARTBEAT: Duration = Duration::from_secs(8);

/// What travels between a node and the arbiter, in order.
#[derive(Clone, Debug)]
enum Parcel {
    Open,
    Bytes(Vec<u8>),
    Close,
}

/// One direction of a node's path to the arbiter. A cut loses nothing: what is sent again arrives late.
#[derive(Debug)]
struct Path {
    parcels: VecDeque<(Duration, u32, Parcel)>,
    cut: bool,
    /// Longest delay.
    slowness: Duration,
}

impl Path {
    fn good() -> Path {
        Path { parcels: VecDeque::new(), cut: false, slowness: STEP }
    }

    fn send(&mut self, at: Duration, connection: u32, parcel: Parcel) {
        let last = self.parcels.back().map_or(Duration::ZERO, |(at, ..)| *at);
        self.parcels.push_back((at.max(last), connection, parcel));
    }

    fn arrive(&mut self, now: Duration) -> Option<(u32, Parcel)> {
        let due = !self.cut && self.parcels.front().is_some_and(|(at, ..)| *at <= now);
        if due {
            self.parcels.pop_front().map(|(_, connection, parcel)| (connection, parcel))
        } else {
            None
        }
    }
}

/// A node's device and its path to the arbiter.
struct Remote {
    client: Client,
    connection: u32,
    up: Path,
    down: Path,
}

/// What the arbiter's host keeps of one connected node.
#[derive(Debug)]
struct Caller {
    connection: u32,
    stream: Stream,
    introduced: bool,
    heard: Duration,
    /// "No" that was sent and not confirmed.
    refusals: BTreeMap<u32, RingId>,
}

/// The host of the arbiter: speaks the protocol, and gives a silent node up after 1.5 heartbeats.
struct Host {
    arbiter: Arbiter,
    callers: BTreeMap<usize, Caller>,
    sequence: u32,
}

impl Host {
    fn hear(&mut self, now: Duration, n: usize, connection: u32, parcel: Parcel) -> Vec<Message> {
        match parcel {
            Parcel::Open => {
                if let Some(before) = self.callers.get(&n) {
                    // Not noticed as dead yet: the new one is told that it is a duplicate.
                    let refused = before.introduced && before.connection != connection;
                    if refused {
                        return vec![Message::InitReply { error: 17, max_request: 32_768 }];
                    }
                }
                let (stream, refusals) = (Stream::default(), BTreeMap::new());
                let caller = Caller { connection, stream, introduced: false, heard: now, refusals };
                self.callers.insert(n, caller);
                vec![]
            }
            Parcel::Close => {
                self.lose(n, connection);
                vec![]
            }
            Parcel::Bytes(bytes) => {
                let caller = self.callers.get_mut(&n).filter(|c| c.connection == connection);
                let Some(caller) = caller else { return vec![] };
                caller.heard = now;
                caller.stream.extend(&bytes);
                let mut replies = vec![];
                while let Some(message) =
                    self.callers.get_mut(&n).and_then(|c| c.stream.next_message().unwrap())
                {
                    replies.extend(self.message(n, message));
                }
                replies
            }
        }
    }

    fn message(&mut self, n: usize, message: Message) -> Option<Message> {
        let caller = self.callers.get_mut(&n)?;
        match message {
            Message::Preinit { .. } => Some(Message::PreinitReply { tls: Tls::Unsupported }),
            Message::Init { .. } => {
                caller.introduced = true;
                Some(Message::InitReply { error: 0, max_request: 32_768 })
            }
            Message::SetOption { sequence, .. } => Some(Message::SetOptionReply { sequence }),
            Message::Echo { sequence } => Some(Message::EchoReply { sequence }),
            Message::NodeList { kind: ListKind::Members, ring, nodes, heuristics, .. } => {
                let (ring, kind) = (ring?, ListKind::Members);
                let members = nodes.iter().map(|(node, _)| *node).collect();
                self.arbiter.report(id(n), Sighting { ring, members, heuristics });
                Some(Message::NodeListReply { kind, ring, verdict: Verdict::WaitForReply })
            }
            Message::VoteInfoReply { sequence } => {
                if let Some(ring) = caller.refusals.remove(&sequence) {
                    self.arbiter.confirm(id(n), ring);
                }
                None
            }
            _ => None,
        }
    }

    fn lose(&mut self, n: usize, connection: u32) {
        if self.callers.get(&n).is_some_and(|caller| caller.connection == connection) {
            self.callers.remove(&n);
            self.arbiter.disconnected(id(n));
        }
    }

    fn give_up_the_silent(&mut self, now: Duration) {
        let silent = |caller: &Caller| caller.heard + HEARTBEAT * 3 / 2 <= now;
        let gone: Vec<_> = self
            .callers
            .iter()
            .filter(|(_, caller)| silent(caller))
            .map(|(n, caller)| (*n, caller.connection))
            .collect();
        gone.into_iter().for_each(|(n, connection)| self.lose(n, connection));
    }

    /// The arbiter's decisions, for whom it has some.
    fn decisions(&mut self) -> Vec<(usize, u32, Message)> {
        let mut decisions = vec![];
        for (n, caller) in &mut self.callers {
            let Some(answer) = self.arbiter.answer(id(*n)) else { continue };
            self.sequence += 1;
            let (sequence, ring) = (self.sequence, answer.ring);
            let verdict = if answer.cast { Verdict::Ack } else { Verdict::Nack };
            if !answer.cast {
                caller.refusals.insert(sequence, ring);
            }
            decisions.push((*n, caller.connection, Message::VoteInfo { sequence, ring, verdict }));
        }
        decisions
    }
}

struct World {
    cluster: Cluster,
    remotes: Vec<Remote>,
    host: Host,
    rng: ChaCha8Rng,
}

impl World {
    fn new(seed: u64, size: usize, algorithm: Algorithm, votes: usize) -> World {
        let options = format!("device.model=net,device.votes={votes}");
        let mut cluster = Cluster::new(size, &options);
        let nodes: Vec<_> = (1..=size).map(id).collect();
        let arbiter = Arbiter::new(algorithm, TieBreaker::Lowest, nodes.clone());
        let remote = |n: &usize| {
            let timeout = HEARTBEAT.mul_f64(1.25);
            let mut settings = NetSettings::new(id(*n), "lab", nodes.clone(), "arbiter", timeout);
            settings.algorithm = match algorithm {
                Algorithm::FiftyFifty => NetAlgorithm::FiftyFifty,
                Algorithm::LastManStanding => NetAlgorithm::LastManStanding,
            };
            Remote {
                client: Client::new(settings),
                connection: 0,
                up: Path::good(),
                down: Path::good(),
            }
        };
        let numbers: Vec<usize> = (1..=size).collect();
        numbers.iter().for_each(|n| cluster.start(*n));
        cluster.reform(std::slice::from_ref(&numbers), |rest| rest);
        World {
            cluster,
            remotes: numbers.iter().map(remote).collect(),
            host: Host { arbiter, callers: BTreeMap::new(), sequence: 0 },
            rng: ChaCha8Rng::seed_from_u64(seed),
        }
    }

    fn below(&mut self, n: usize) -> usize {
        self.rng.next_u32() as usize % n
    }

    fn arrival(&mut self, slowness: Duration) -> Duration {
        let longest = slowness.as_millis() as usize;
        self.cluster.now + Duration::from_millis(1 + self.below(longest) as u64)
    }

    /// Does what the client of a node wants.
    fn carry(&mut self, n: usize) {
        while let Some(output) = self.remotes[n - 1].client.poll_output() {
            let at = self.arrival(self.remotes[n - 1].up.slowness);
            let remote = &mut self.remotes[n - 1];
            match output {
                Output::Connect => {
                    remote.connection += 1;
                    remote.up.send(at, remote.connection, Parcel::Open);
                }
                Output::Send(bytes) => {
                    remote.up.send(at, remote.connection, Parcel::Bytes(bytes));
                }
                Output::Disconnect => {
                    remote.up.send(at, remote.connection, Parcel::Close);
                    remote.connection += 1;
                }
                Output::Notice(_) | Output::Secure | Output::Check { .. } => {}
            }
        }
    }

    fn input(&mut self, n: usize, input: net::Input<'_>) {
        let now = self.cluster.now;
        self.remotes[n - 1].client.handle(now, input);
        self.carry(n);
    }

    /// What a driver does: new rings to the device, its registration, its polls.
    fn drive(&mut self, n: usize) {
        self.input(n, net::Input::Timeout);
        let now = self.cluster.now;
        if let Some(ring) = self.cluster.node(n).device_due.take() {
            let formed = self.cluster.rings.iter().find(|formed| formed.id == ring);
            let members: Vec<_> =
                formed.into_iter().flat_map(|formed| &formed.members).map(|n| id(*n)).collect();
            self.remotes[n - 1].client.synchronising(now, ring, &members);
            self.carry(n);
        }
        let Some(votes) = &self.cluster.nodes[n - 1].votes else { return };
        let registered = votes.nodes().get(id(n)).is_some_and(|r| r.device.registered);
        if !registered && !votes.is_synchronising() {
            let name = self.remotes[n - 1].client.name().to_owned();
            let request = Request::Device(DeviceRequest::Register { name });
            self.cluster.feed(n, Input::Request { token: 0, request });
        }
        while let Some(poll) = self.remotes[n - 1].client.poll(now) {
            self.carry(n);
            let request = Request::Device(poll);
            self.cluster.feed(n, Input::Request { token: 0, request });
        }
        self.carry(n);
    }

    /// Moves what has arrived at either end of a node's path.
    fn network(&mut self, n: usize) {
        let now = self.cluster.now;
        while let Some((connection, parcel)) = self.remotes[n - 1].up.arrive(now) {
            let opened = matches!(parcel, Parcel::Open);
            let replies = self.host.hear(now, n, connection, parcel);
            if opened {
                let at = self.arrival(self.remotes[n - 1].down.slowness);
                self.remotes[n - 1].down.send(at, connection, Parcel::Open);
            }
            for reply in replies {
                self.answer(n, connection, &reply);
            }
        }
        while let Some((connection, parcel)) = self.remotes[n - 1].down.arrive(now) {
            if connection != self.remotes[n - 1].connection {
                continue; // of a connection that was given up
            }
            match parcel {
                Parcel::Open => self.input(n, net::Input::Connected),
                Parcel::Bytes(bytes) => self.input(n, net::Input::Received(&bytes)),
                Parcel::Close => self.input(n, net::Input::Closed("reset".to_owned())),
            }
        }
    }

    fn answer(&mut self, n: usize, connection: u32, message: &Message) {
        let at = self.arrival(self.remotes[n - 1].down.slowness);
        self.remotes[n - 1].down.send(at, connection, Parcel::Bytes(message.encode()));
    }

    fn step(&mut self) -> Result<(), String> {
        let size = self.cluster.nodes.len();
        self.host.give_up_the_silent(self.cluster.now);
        for n in 1..=size {
            self.network(n);
            for (to, connection, decision) in self.host.decisions() {
                self.answer(to, connection, &decision);
            }
            self.drive(n);
            self.cluster.feed(n, Input::Timeout);
        }
        for _ in 0..4 * size {
            let n = 1 + self.below(size);
            if self.below(2) == 0 {
                self.cluster.order(n);
            } else {
                self.cluster.deliver(n);
            }
            check(&self.cluster, Demands { exclusive: true, agreed: false })?;
        }
        self.cluster.now += STEP;
        Ok(())
    }

    fn pass(&mut self, time: Duration) -> Result<(), String> {
        let end = self.cluster.now + time;
        while self.cluster.now < end {
            self.step()?;
        }
        Ok(())
    }

    fn fall_apart(&mut self) {
        let size = self.cluster.nodes.len();
        let mut halves = vec![Vec::new(); 2];
        for n in 1..=size {
            let half = self.below(2);
            halves[half].push(n);
        }
        halves.retain(|half| !half.is_empty());
        self.cluster.reform(&halves, |rest| rest);
    }

    fn quorate(&self) -> Vec<usize> {
        let quorate = |votes: &Votes| votes.is_quorate();
        let nodes = self.cluster.nodes.iter();
        nodes.filter(|n| n.votes.as_ref().is_some_and(quorate)).map(|n| n.number).collect()
    }
}

pub fn run(seed: u64, size: usize, algorithm: Algorithm, votes: usize) -> Result<(), String> {
    let mut world = World::new(seed, size, algorithm, votes);
    for _ in 0..12 {
        let time = Duration::from_secs(1 + world.below(25) as u64);
        world.pass(time)?;
        for n in 1..=size {
            let (what, way) = (world.below(10), world.below(4));
            let remote = &mut world.remotes[n - 1];
            // Both ways, or one of them.
            let (up, down) = (&mut remote.up, &mut remote.down);
            for path in [(up, way != 1), (down, way != 2)]
                .into_iter()
                .filter_map(|(p, yes)| yes.then_some(p))
            {
                match what {
                    0 | 1 => path.cut = true,
                    2..5 => path.cut = false,
                    5 | 6 => path.slowness = Duration::from_secs(7),
                    7 => path.slowness = STEP,
                    _ => {}
                }
            }
        }
        if world.below(2) == 0 {
            world.fall_apart();
        }
    }
    // The upper half alone reaches the arbiter.
    let (lower, upper): (Vec<usize>, Vec<usize>) = (1..=size).partition(|n| *n <= size / 2);
    for (at, remote) in world.remotes.iter_mut().enumerate() {
        for path in [&mut remote.up, &mut remote.down] {
            (path.cut, path.slowness) = (at < lower.len(), STEP);
        }
    }
    world.cluster.reform(&[lower, upper.clone()], |rest| rest);
    world.pass(Duration::from_secs(90))?;
    let quorate = world.quorate();
    if quorate != upper {
        return Err(format!("{quorate:?} have quorum, not {upper:?} that reach the arbiter"));
    }
    Ok(())
}

#[test]
fn whoever_reaches_the_arbiter_two_partitions_never_have_quorum() {
    // A run here is as long as fifty of the others.
    let seeds = from_environment("QUORUM_SEEDS").map_or(12, |seeds| seeds / 50);
    for (size, algorithm, votes) in [
        (2, Algorithm::FiftyFifty, 1),
        (4, Algorithm::FiftyFifty, 1),
        (4, Algorithm::LastManStanding, 3),
    ] {
        for seed in 0..seeds {
            if let Err(problem) = run(seed, size, algorithm, votes) {
                panic!("seed {seed}, {size} nodes, {algorithm:?}: {problem}");
            }
        }
    }
}
