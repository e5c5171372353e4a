//! All peers of a node: sessions, choice of links, sending and receiving.

use super::fragment::{self, Fragments};
use super::path::Path;
use super::{LinkAddress, LinkConfiguration, LinkMode, LinkState, LinkStatistics, MAX_LINKS, Peer};
use crate::identity::NodeId;
use crate::report::Road;
use crate::security::{DerivedKeys, Frame, Keyring, MAX_OVERHEAD, ReplayWindow, Sealer};
use crate::time::{Time, due, earliest};
use bytes::{Buf, BufMut, Bytes, BytesMut};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

const PACKET: u8 = 0;
const PING: u8 = 1;
const PONG: u8 = 2;
const FRAGMENT: u8 = 3;
/// Silence is longer than the time-out, not as long.
const TICK: Duration = Duration::from_millis(1);
/// How long a peer whose datagrams are refused may take to answer.
const DOUBT: Duration = Duration::from_millis(30);
/// Kind, nonce, link, the sender's port for tokens on it.
const PING_LENGTH: usize = 1 + 8 + 1 + 2;

/// A datagram to send.
#[derive(Debug, Clone)]
pub struct Transmit {
    /// On which link.
    pub link: u8,
    /// Where to.
    pub to: SocketAddr,
    /// The whole datagram.
    pub datagram: Bytes,
    /// [`Road::Token`] when the address is one where the peer reads tokens only.
    pub road: Road,
}

/// What the links report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LinkEvent {
    /// A packet of a peer, authentic and new.
    Packet(Bytes),
    /// Datagrams travel both ways to and from the node, or no longer.
    Reachable(NodeId, bool),
    /// Nothing at all was heard of the node for the time-out, or it is heard again.
    Silent(NodeId, bool),
    /// Nothing listens at the node's address any more, and a challenge stayed unanswered.
    Dead(NodeId),
    /// One link changed.
    Link(NodeId, LinkState),
}

#[derive(Debug)]
struct Session {
    epoch: u64,
    keys: DerivedKeys,
    seen: ReplayWindow,
}

#[derive(Debug)]
struct PeerState {
    node: NodeId,
    paths: Vec<Path>,
    session: Option<Session>,
    candidate: Option<(u64, DerivedKeys)>,
    fragments: Fragments,
    last_heard: Option<Time>,
    silent: bool,
    reachable: bool,
    /// The network refused a datagram to this peer; it is dead unless it is heard until then.
    doubt: Option<Time>,
    turn: usize,
    /// The link in use in passive mode, as far as it was told.
    best: Option<u8>,
}

/// One copy of a packet: where it goes and how long a datagram may be.
#[derive(Debug, Clone, Copy)]
struct Target {
    link: u8,
    to: SocketAddr,
    room: usize,
    road: Road,
}

impl Target {
    fn on(path: &Path, road: Road) -> Target {
        let (link, room) = (path.link, path.datagram());
        match path.token_address().filter(|_| road == Road::Token) {
            Some(to) => Target { link, to, room, road },
            None => Target { link, to: path.address, room, road: Road::Common },
        }
    }
}

/// The links of one node, without I/O.
#[derive(Debug)]
pub struct Links {
    configuration: LinkConfiguration,
    /// Where this node listens, as far as it was told.
    own: Vec<LinkAddress>,
    sealer: Sealer,
    rng: StdRng,
    peers: Vec<PeerState>,
    transmits: VecDeque<Transmit>,
    events: VecDeque<LinkEvent>,
    statistics: LinkStatistics,
    fragment_id: u32,
    next: Time,
    last_run: Time,
}

impl Links {
    /// `seed` must be random and secret: challenges and the epoch of this boot come from it. A
    /// missing keyring means no encryption.
    pub fn new(
        configuration: LinkConfiguration,
        keyring: Option<Keyring>,
        seed: [u8; 32],
        now: Time,
    ) -> Links {
        let mut rng = StdRng::from_seed(seed);
        let sealer = Sealer::new(configuration.node, rng.random(), keyring);
        let mut links = Links {
            sealer,
            rng,
            peers: Vec::new(),
            transmits: VecDeque::new(),
            events: VecDeque::new(),
            statistics: LinkStatistics::default(),
            fragment_id: 0,
            next: now,
            last_run: now,
            own: own_addresses(&configuration),
            configuration: LinkConfiguration { peers: Vec::new(), ..configuration.clone() },
        };
        configuration.peers.into_iter().for_each(|peer| links.add_peer(peer, now));
        links
    }

    /// Adds a peer, or replaces its addresses: links whose address stays go on, the others have to prove
    /// themselves.
    pub fn add_peer(&mut self, peer: Peer, now: Time) {
        if peer.node == self.configuration.node {
            return;
        }
        let mut known = match self.peer(peer.node) {
            Some(at) => std::mem::take(&mut self.peers[at].paths),
            None => Vec::new(),
        };
        let path = |end: &LinkAddress| {
            let same = |path: &Path| (path.link, path.address) == (end.link, end.address);
            match known.iter().position(same) {
                Some(at) => known.swap_remove(at),
                None => Path::new(end.link, end.address, now),
            }
        };
        let paths: Vec<Path> = peer.addresses.iter().take(MAX_LINKS).map(path).collect();
        self.next = now;
        self.configuration.peers.retain(|known| known.node != peer.node);
        let node = peer.node;
        self.configuration.peers.push(peer);
        if let Some(at) = self.peer(node) {
            self.peers[at].paths = paths;
            self.judge(at, now);
            return;
        }
        self.peers.push(PeerState {
            node,
            paths,
            session: None,
            candidate: None,
            fragments: Fragments::default(),
            last_heard: None,
            silent: false,
            reachable: false,
            doubt: None,
            turn: 0,
            best: None,
        });
        self.peers.sort_by_key(|peer| peer.node);
    }

    /// Removes a peer; its datagrams are refused from now on.
    pub fn remove_peer(&mut self, node: NodeId) {
        self.configuration.peers.retain(|peer| peer.node != node);
        let before = self.peers.len();
        self.peers.retain(|peer| peer.node != node);
        if self.peers.len() != before {
            self.events.push_back(LinkEvent::Reachable(node, false));
        }
    }

    /// Changes at run time what may change: all but the multicast groups. Links whose addresses stay at
    /// both ends go on; those where this node itself listens elsewhere have to prove themselves.
    pub fn reconfigure(&mut self, new: LinkConfiguration, now: Time) {
        let own = own_addresses(&new);
        let renewed = |link: u8| {
            let on = |ends: &[LinkAddress]| ends.iter().find(|end| end.link == link).copied();
            on(&own) != on(&self.own)
        };
        for peer in &mut self.peers {
            for path in peer.paths.iter_mut().filter(|path| renewed(path.link)) {
                *path = Path::new(path.link, path.address, now);
            }
        }
        self.own = own;
        let gone = |node: &NodeId| !new.peers.iter().any(|peer| peer.node == *node);
        let present: Vec<NodeId> = self.peers.iter().map(|peer| peer.node).collect();
        present.into_iter().filter(gone).for_each(|node| self.remove_peer(node));
        for peer in new.peers {
            if !self.configuration.peers.contains(&peer) {
                self.add_peer(peer, now);
            }
        }
        self.configuration.mode = new.mode;
        self.configuration.priorities = new.priorities;
        self.configuration.token_ports = new.token_ports;
        self.configuration.probing = new.probing;
        self.configuration.link_probing = new.link_probing;
        self.next = now;
    }

    /// The keys, for rotation. `None` when encryption is off.
    pub fn keyring_mut(&mut self) -> Option<&mut Keyring> {
        self.sealer.keyring.as_mut()
    }

    /// Counters.
    pub fn statistics(&self) -> &LinkStatistics {
        &self.statistics
    }

    /// Every link to every peer.
    pub fn states(&self) -> Vec<(NodeId, Vec<LinkState>)> {
        let states = |peer: &PeerState| peer.paths.iter().map(Path::state).collect();
        self.peers.iter().map(|peer| (peer.node, states(peer))).collect()
    }

    fn peer(&self, node: NodeId) -> Option<usize> {
        self.peers.binary_search_by_key(&node, |peer| peer.node).ok()
    }

    /// Sends a packet to each node of a list, past waiting data where `road` says so and the receiver
    /// has a proven place for that.
    pub fn send(&mut self, to: &[NodeId], packet: &Bytes, road: Road) {
        let targets = self.targets(to, road);
        let room = targets.iter().map(|target| target.room).min().unwrap_or(0);
        if packet.len() + 1 + MAX_OVERHEAD <= room {
            self.send_content(&targets, &[PACKET], packet);
        } else if room > 0 {
            self.fragment_id = self.fragment_id.wrapping_add(1);
            let pieces = fragment::cut(self.fragment_id, packet, room - 1 - MAX_OVERHEAD);
            for piece in pieces {
                self.send_content(&targets, &[FRAGMENT], &piece);
            }
        }
    }

    fn send_content(&mut self, targets: &[Target], kind: &[u8], content: &[u8]) {
        let datagram = self.sealer.seal([kind, content]).freeze();
        for target in targets {
            let Target { link, to, road, .. } = *target;
            self.push(Transmit { link, to, datagram: datagram.clone(), road });
        }
    }

    fn push(&mut self, transmit: Transmit) {
        self.statistics.datagrams_tx += 1;
        self.statistics.bytes_tx += transmit.datagram.len() as u64;
        self.transmits.push_back(transmit);
    }

    /// Where a packet for `to` goes.
    fn targets(&mut self, to: &[NodeId], road: Road) -> Vec<Target> {
        let mut targets = Vec::with_capacity(to.len());
        for node in to {
            let Some(at) = self.peer(*node) else { continue };
            let (mode, priorities) = (self.configuration.mode, &self.configuration.priorities);
            let peer = &mut self.peers[at];
            let mut up: Vec<&Path> = peer.paths.iter().filter(|path| path.up).collect();
            if up.is_empty() {
                up = peer.paths.iter().collect(); // perhaps it works again
            }
            let chosen: Vec<&Path> = match mode {
                LinkMode::Active => up,
                LinkMode::Passive => {
                    up.into_iter().min_by_key(|path| rank(priorities, path)).into_iter().collect()
                }
                LinkMode::RoundRobin => {
                    peer.turn = peer.turn.wrapping_add(1);
                    let at = peer.turn % up.len().max(1);
                    up.into_iter().nth(at).into_iter().collect()
                }
            };
            targets.extend(chosen.iter().map(|path| Target::on(path, road)));
        }
        if to.len() > 1 { self.gather_multicast(targets) } else { targets }
    }

    /// Replaces all copies on a link with a multicast address by one.
    fn gather_multicast(&self, targets: Vec<Target>) -> Vec<Target> {
        let group =
            |link: u8| self.configuration.multicast.get(usize::from(link)).copied().flatten();
        let mut merged: Vec<Target> = Vec::with_capacity(targets.len());
        for target in targets {
            let to = group(target.link).unwrap_or(target.to);
            match merged.iter_mut().find(|known| known.link == target.link && known.to == to) {
                Some(known) => known.room = known.room.min(target.room),
                None => merged.push(Target { to, ..target }),
            }
        }
        merged
    }

    /// Takes a received datagram.
    pub fn handle_datagram(&mut self, link: u8, from: SocketAddr, datagram: BytesMut, now: Time) {
        self.statistics.datagrams_rx += 1;
        self.statistics.bytes_rx += datagram.len() as u64;
        let Ok(frame) = Frame::parse(&datagram) else {
            self.statistics.rx_refused += 1;
            return;
        };
        let listed = self
            .peer(frame.sender)
            .filter(|at| self.peers[*at].paths.iter().any(|path| path.address.ip() == from.ip()));
        let Some(at) = listed else {
            self.statistics.rx_unlisted += 1;
            return;
        };
        let peer = &mut self.peers[at];
        let proven = peer.session.as_mut().filter(|session| session.epoch == frame.epoch);
        let is_proven = proven.is_some();
        let keys = match proven {
            Some(session) => &mut session.keys,
            None => {
                if peer.candidate.as_ref().is_none_or(|(epoch, _)| *epoch != frame.epoch) {
                    peer.candidate = Some((frame.epoch, DerivedKeys::default()));
                }
                match &mut peer.candidate {
                    Some((_, keys)) => keys,
                    None => return,
                }
            }
        };
        let Ok(content) = self.sealer.open(&frame, keys, datagram) else {
            self.statistics.rx_refused += 1;
            return;
        };
        if is_proven {
            let session = peer.session.as_mut();
            if !session.is_some_and(|session| session.seen.accept(frame.counter)) {
                self.statistics.rx_replayed += 1;
                return;
            }
        }
        self.content(at, link, &frame, is_proven, content.freeze(), now);
    }

    fn content(
        &mut self,
        at: usize,
        link: u8,
        frame: &Frame,
        proven: bool,
        mut content: Bytes,
        now: Time,
    ) {
        let kind = content.try_get_u8().unwrap_or(u8::MAX);
        match kind {
            PACKET | FRAGMENT if !proven => self.statistics.rx_unproven += 1,
            PACKET => {
                self.heard(at, now);
                self.events.push_back(LinkEvent::Packet(content));
            }
            FRAGMENT => {
                self.heard(at, now);
                match self.peers[at].fragments.accept(content) {
                    Ok(Some(packet)) => self.events.push_back(LinkEvent::Packet(packet)),
                    Ok(None) => {}
                    Err(()) => self.statistics.rx_malformed += 1,
                }
            }
            PING if content.len() + 1 >= PING_LENGTH => {
                if proven {
                    self.heard(at, now);
                } else if let Some(path) = self.peers[at].paths.iter_mut().find(|p| p.link == link)
                {
                    path.hurry(now); // a new boot: challenge it without waiting
                    self.next = now;
                }
                let (nonce, named, port) = (content.get_u64(), content.get_u8(), content.get_u16());
                if proven {
                    self.announced(at, named, port);
                }
                self.pong(at, nonce, named);
            }
            PONG if content.len() + 1 >= PING_LENGTH => {
                let (nonce, named, port) = (content.get_u64(), content.get_u8(), content.get_u16());
                if self.answered(at, frame, nonce, named, now) {
                    self.announced(at, named, port);
                }
            }
            _ => self.statistics.rx_malformed += 1,
        }
    }

    fn heard(&mut self, at: usize, now: Time) {
        let peer = &mut self.peers[at];
        peer.last_heard = Some(now);
        peer.doubt = None;
        if peer.silent {
            peer.silent = false;
            self.events.push_back(LinkEvent::Silent(peer.node, false));
        }
    }

    fn announced(&mut self, at: usize, link: u8, token_port: u16) {
        let path = self.peers[at].paths.iter_mut().find(|path| path.link == link);
        path.into_iter().for_each(|path| path.announced(token_port));
    }

    fn own_token_port(&self, link: u8) -> u16 {
        self.configuration.token_ports.get(usize::from(link)).copied().unwrap_or(0)
    }

    /// Answers a ping on the link the ping names.
    fn pong(&mut self, at: usize, nonce: u64, link: u8) {
        let path = self.peers[at].paths.iter().find(|path| path.link == link);
        let Some((link, to)) = path.map(|path| (path.link, path.address)) else { return };
        let body = ping_body(PONG, nonce, link, self.own_token_port(link), 0);
        let datagram = self.sealer.seal([&body, &[]]).freeze();
        self.push(Transmit { link, to, datagram, road: Road::Common });
    }

    fn answered(&mut self, at: usize, frame: &Frame, nonce: u64, link: u8, now: Time) -> bool {
        let probing = self.configuration.probing_of(link);
        let peer = &mut self.peers[at];
        let path = peer.paths.iter_mut().find(|path| path.link == link);
        if !path.is_some_and(|path| path.pong(nonce, probing, now)) {
            return false; // not an answer to a challenge of this boot
        }
        self.statistics.pongs_rx += 1;
        if peer.session.as_ref().is_none_or(|session| session.epoch != frame.epoch) {
            let mut seen = ReplayWindow::default();
            seen.accept(frame.counter);
            let keys = peer.candidate.take().map(|(_, keys)| keys).unwrap_or_default();
            peer.session = Some(Session { epoch: frame.epoch, keys, seen });
            peer.fragments = Fragments::default();
        }
        self.heard(at, now);
        self.judge(at, now);
        self.next = self.next.min(now);
        true
    }

    fn judge(&mut self, at: usize, now: Time) {
        let peer = &mut self.peers[at];
        for path in &mut peer.paths {
            if path.judge(self.configuration.probing_of(path.link), now) {
                let counter = if path.up {
                    &mut self.statistics.link_up
                } else {
                    &mut self.statistics.link_down
                };
                *counter += 1;
                match path.up {
                    true => log::info!("rx: host: {} link: {} is up", peer.node, path.link),
                    false => log::info!("link: host: {} link: {} is down", peer.node, path.link),
                }
                self.events.push_back(LinkEvent::Link(peer.node, path.state()));
            }
            if let Some((before, now)) = path.changed_datagram() {
                log::info!(
                    "pmtud: PMTUD link change for host: {} link: {} from {before} to {now}",
                    peer.node,
                    path.link
                );
            }
        }
        if self.configuration.mode == LinkMode::Passive {
            let best = peer.paths.iter().filter(|path| path.up);
            let best = best.min_by_key(|path| rank(&self.configuration.priorities, path));
            let best = best.map(|path| path.link);
            if let (Some(link), true) = (best, best != peer.best) {
                let priority = priority(&self.configuration.priorities, link);
                log::info!(
                    "host: host: {} (passive) best link: {link} (pri: {priority})",
                    peer.node
                );
            }
            peer.best = best;
        }
        let reachable = peer.paths.iter().any(|path| path.up);
        if reachable != peer.reachable {
            peer.reachable = reachable;
            if !reachable {
                log::info!("host: host: {} has no active links", peer.node);
            }
            self.events.push_back(LinkEvent::Reachable(peer.node, reachable));
        }
        if due(peer.doubt, now) {
            peer.doubt = None;
            peer.silent = true;
            self.events.push_back(LinkEvent::Dead(peer.node));
        }
        let timeout = silence(&self.configuration, &peer.paths);
        if !peer.silent && peer.last_heard.is_some_and(|heard| now.since(heard) > timeout) {
            peer.silent = true;
            self.events.push_back(LinkEvent::Silent(peer.node, true));
        }
    }

    /// The network reports that nothing listens at an address. A report can be forged, so it only
    /// raises a doubt: the peer is challenged, and dead when nothing of it is heard.
    pub fn handle_refused(&mut self, to: SocketAddr, now: Time) {
        for at in 0..self.peers.len() {
            let peer = &mut self.peers[at];
            for path in &mut peer.paths {
                if path.token_address() == Some(to) {
                    path.close_token_road();
                }
            }
            let theirs = peer.paths.iter().any(|path| path.address == to);
            if theirs && !peer.silent && peer.last_heard.is_some() && peer.doubt.is_none() {
                let round_trip = peer.paths.iter().map(Path::round_trip).max();
                peer.doubt = Some(now + DOUBT.max(round_trip.unwrap_or_default() * 3));
                peer.paths.iter_mut().for_each(|path| path.hurry(now));
                self.next = now;
            }
        }
    }

    /// Pings, and judges silence.
    pub fn handle_timeout(&mut self, now: Time) {
        if now < self.next {
            return;
        }
        let late = now.since(self.next);
        let shortest = self.shortest_timeout();
        if self.last_run < self.next && late > shortest / 2 {
            self.forgive(now);
        }
        self.last_run = now;
        for at in 0..self.peers.len() {
            self.judge(at, now);
            for index in 0..self.peers[at].paths.len() {
                if self.peers[at].paths[index].ping_due(now) {
                    self.ping(at, index, now);
                }
            }
        }
        let pings = self.peers.iter().flat_map(|peer| &peer.paths).map(Path::next_ping).min();
        let doubts = self.peers.iter().filter_map(|peer| peer.doubt).min();
        let until = |peer: &PeerState| {
            Some(peer.last_heard? + silence(&self.configuration, &peer.paths) + TICK)
        };
        let silences = self.peers.iter().filter(|peer| !peer.silent).filter_map(until).min();
        let soon = earliest(Some(now + shortest / 4), earliest(doubts, silences));
        self.next = earliest(pings, soon).unwrap_or(now);
    }

    fn shortest_timeout(&self) -> Duration {
        let links = self.configuration.link_probing.values();
        let timeouts = links.chain([&self.configuration.probing]).map(|probing| probing.timeout);
        timeouts.min().unwrap_or(self.configuration.probing.timeout)
    }

    /// This process did not run for a while: silence is nobody's fault.
    fn forgive(&mut self, now: Time) {
        for peer in &mut self.peers {
            peer.last_heard = peer.last_heard.map(|_| now);
            peer.paths.iter_mut().for_each(|path| path.forgive(now));
        }
    }

    fn ping(&mut self, at: usize, index: usize, now: Time) {
        let (nonce, probe, token_nonce) = (self.rng.random(), self.rng.random(), self.rng.random());
        let path = &mut self.peers[at].paths[index];
        path.ping(nonce, self.configuration.probing_of(path.link), now);
        let size = path.probe(probe, now);
        let (link, to) = (path.link, path.address);
        let token_road = path.challenge_token_road(token_nonce, now);
        let own_port = self.own_token_port(link);
        let pings = [
            Some((nonce, to, 0)),
            size.map(|size| (probe, to, size)),
            token_road.map(|to| (token_nonce, to, 0)),
        ];
        for (nonce, to, size) in pings.into_iter().flatten() {
            let padding = size.saturating_sub(MAX_OVERHEAD + PING_LENGTH);
            let body = ping_body(PING, nonce, link, own_port, padding);
            let datagram = self.sealer.seal([&body, &[]]).freeze();
            self.statistics.pings_tx += 1;
            self.push(Transmit { link, to, datagram, road: Road::Common });
        }
    }

    /// When to call [`Links::handle_timeout`] next.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Time> {
        (!self.peers.is_empty()).then_some(self.next)
    }

    /// The next datagram to send.
    #[must_use]
    pub fn poll_transmit(&mut self) -> Option<Transmit> {
        self.transmits.pop_front()
    }

    /// The next report.
    #[must_use]
    pub fn poll_event(&mut self) -> Option<LinkEvent> {
        self.events.pop_front()
    }
}

/// A link's priority; none and 0 count as 1.
fn priority(priorities: &[u8], link: u8) -> u8 {
    priorities.get(usize::from(link)).copied().unwrap_or(1).max(1)
}

/// The order of links in passive mode: the first one that works is used.
fn rank(priorities: &[u8], path: &Path) -> (std::cmp::Reverse<u8>, u8) {
    (std::cmp::Reverse(priority(priorities, path.link)), path.link)
}

fn own_addresses(configuration: &LinkConfiguration) -> Vec<LinkAddress> {
    let me = configuration.peers.iter().find(|peer| peer.node == configuration.node);
    me.map(|me| me.addresses.clone()).unwrap_or_default()
}

/// How long a peer with these links may say nothing.
fn silence(configuration: &LinkConfiguration, paths: &[Path]) -> Duration {
    let timeouts = paths.iter().map(|path| configuration.probing_of(path.link).timeout);
    timeouts.max().unwrap_or(configuration.probing.timeout)
}

fn ping_body(kind: u8, nonce: u64, link: u8, token_port: u16, padding: usize) -> BytesMut {
    let mut body = BytesMut::with_capacity(PING_LENGTH + padding);
    body.put_u8(kind);
    body.put_u64(nonce);
    body.put_u8(link);
    body.put_u16(token_port);
    body.put_bytes(0, padding);
    body
}
