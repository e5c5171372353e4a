//! One link to one peer: pings, answers, round-trip time, path MTU.

use super::{ASSUMED_DATAGRAM, Probing, SMALLEST_DATAGRAM};
use crate::time::Time;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

/// Datagram sizes that are probed: a tunnel, Ethernet over IPv6 and IPv4, jumbo frames, loopback.
const SIZES: [usize; 6] = [SMALLEST_DATAGRAM, 1372, ASSUMED_DATAGRAM, 1472, 8952, 65_000];
/// Challenges remembered per link.
const OUTSTANDING: usize = 24;
/// A link that does not work is pinged at least this often.
const EAGER: Duration = Duration::from_millis(200);

/// The state of one link to one node, as operators see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkState {
    /// Number of the link.
    pub link: u8,
    /// The peer's address on it.
    pub address: SocketAddr,
    /// Answers come back.
    pub connected: bool,
    /// Round-trip time, averaged over [`Probing::precision`] answers.
    pub round_trip: Duration,
    /// Largest datagram that was answered.
    pub mtu: usize,
}

#[derive(Debug)]
struct Challenge {
    nonce: u64,
    sent: Time,
    size: usize,
    /// It went to where the peer reads tokens.
    token_road: bool,
}

#[derive(Debug)]
pub(super) struct Path {
    pub link: u8,
    pub address: SocketAddr,
    pub up: bool,
    /// Where the peer says it reads tokens; 0 for nowhere.
    pub token_port: u16,
    /// A challenge sent there was answered then.
    token_answer: Option<Time>,
    challenges: VecDeque<Challenge>,
    answers: u32,
    last_answer: Option<Time>,
    /// Of the last few answers.
    round_trip: Duration,
    /// Of many.
    average: Duration,
    averaged: u32,
    next_ping: Time,
    probe: usize,
    /// For each probed size, how many probes have gone unanswered in a row.
    unanswered: [u32; SIZES.len()],
    answered: [bool; SIZES.len()],
    /// The largest datagram that was told last.
    told: usize,
}

impl Path {
    pub(super) fn new(link: u8, address: SocketAddr, now: Time) -> Path {
        Path {
            link,
            address,
            up: false,
            token_port: 0,
            token_answer: None,
            challenges: VecDeque::new(),
            answers: 0,
            last_answer: None,
            round_trip: Duration::ZERO,
            average: Duration::ZERO,
            averaged: 0,
            next_ping: now,
            probe: 0,
            unanswered: [0; SIZES.len()],
            answered: [false; SIZES.len()],
            told: ASSUMED_DATAGRAM,
        }
    }

    pub(super) fn ping_due(&self, now: Time) -> bool {
        self.next_ping <= now
    }

    pub(super) fn next_ping(&self) -> Time {
        self.next_ping
    }

    pub(super) fn hurry(&mut self, now: Time) {
        self.next_ping = self.next_ping.min(now);
    }

    /// Notes a ping with this nonce.
    pub(super) fn ping(&mut self, nonce: u64, probing: &Probing, now: Time) {
        let wait = if self.up { probing.interval } else { probing.interval.min(EAGER) };
        self.next_ping = now + wait;
        self.challenge(Challenge { nonce, sent: now, size: 0, token_road: false });
    }

    /// The datagram size that a second ping, with this nonce, is to probe now; every other time there is
    /// one. It comes besides the first, because one that the network does not carry says nothing of the
    /// link.
    pub(super) fn probe(&mut self, nonce: u64, now: Time) -> Option<usize> {
        self.probe = (self.probe + 1) % (SIZES.len() * 2);
        if !self.up || !self.probe.is_multiple_of(2) {
            return None;
        }
        let index = self.probe / 2;
        self.unanswered[index] = self.unanswered[index].saturating_add(1);
        self.challenge(Challenge { nonce, sent: now, size: SIZES[index], token_road: false });
        Some(SIZES[index])
    }

    /// Where to challenge the peer's reading of tokens, when it has a place for them.
    pub(super) fn challenge_token_road(&mut self, nonce: u64, now: Time) -> Option<SocketAddr> {
        let to = SocketAddr::new(self.address.ip(), self.token_port);
        let known = self.up && self.token_port != 0;
        if known {
            self.challenge(Challenge { nonce, sent: now, size: 0, token_road: true });
        }
        known.then_some(to)
    }

    /// Where tokens go when they need not wait behind data.
    pub(super) fn token_address(&self) -> Option<SocketAddr> {
        self.token_answer.map(|_| SocketAddr::new(self.address.ip(), self.token_port))
    }

    /// The peer tells where it reads tokens; a new place has to be proven.
    pub(super) fn announced(&mut self, token_port: u16) {
        if token_port != self.token_port {
            self.token_port = token_port;
            self.token_answer = None;
        }
    }

    /// Datagrams do not get to where the peer reads tokens.
    pub(super) fn close_token_road(&mut self) {
        self.token_answer = None;
    }

    fn challenge(&mut self, challenge: Challenge) {
        if self.challenges.len() == OUTSTANDING {
            self.challenges.pop_front();
        }
        self.challenges.push_back(challenge);
    }

    /// An answer; false when its nonce is not one of this link's challenges.
    pub(super) fn pong(&mut self, nonce: u64, probing: &Probing, now: Time) -> bool {
        let Some(at) = self.challenges.iter().position(|c| c.nonce == nonce) else { return false };
        let Some(challenge) = self.challenges.remove(at) else { return false };
        if challenge.token_road {
            self.token_answer = Some(now);
            return true;
        }
        let passed = now.since(challenge.sent);
        self.round_trip =
            if self.answers == 0 { passed } else { (self.round_trip * 7 + passed) / 8 };
        self.average = (self.average * self.averaged + passed) / (self.averaged + 1);
        self.averaged = (self.averaged + 1).min(probing.precision.max(1) - 1);
        self.last_answer = Some(now);
        self.answers = self.answers.saturating_add(1);
        if let Some(index) = SIZES.iter().position(|size| *size == challenge.size) {
            self.answered[index] = true;
            self.unanswered[index] = 0;
        }
        if !self.up && self.answers < probing.pong_count {
            self.hurry(now); // the next answer may already make the link work
        }
        true
    }

    /// Judges the link; true when its state changed.
    pub(super) fn judge(&mut self, probing: &Probing, now: Time) -> bool {
        let fresh = self.last_answer.is_some_and(|at| now.since(at) <= probing.timeout);
        let up = fresh && (self.up || self.answers >= probing.pong_count);
        if !fresh {
            self.answers = 0;
        }
        let proven = |at: &Time| up && now.since(*at) <= probing.timeout;
        self.token_answer = self.token_answer.filter(proven);
        let changed = up != self.up;
        self.up = up;
        changed
    }

    /// The process was paused: nobody is to blame for unanswered pings.
    pub(super) fn forgive(&mut self, now: Time) {
        if self.last_answer.is_some() {
            self.last_answer = Some(now);
        }
        self.token_answer = self.token_answer.map(|_| now);
        self.hurry(now);
    }

    /// Largest datagram to send on this link.
    pub(super) fn datagram(&self) -> usize {
        let works = |index: usize| self.answered[index] && self.unanswered[index] < 4;
        let proven = (0..SIZES.len()).rev().find(|index| works(*index)).map(|index| SIZES[index]);
        let failing = SIZES
            .iter()
            .zip(&self.unanswered)
            .find(|(size, unanswered)| **size <= ASSUMED_DATAGRAM && **unanswered >= 4)
            .map(|(size, _)| *size);
        match (proven, failing) {
            (Some(proven), Some(failing)) if proven < failing => proven,
            (Some(proven), _) => proven.max(ASSUMED_DATAGRAM),
            (None, Some(_)) => SMALLEST_DATAGRAM,
            (None, None) => ASSUMED_DATAGRAM,
        }
    }

    /// The largest datagram before and now, when it has changed since the last call.
    pub(super) fn changed_datagram(&mut self) -> Option<(usize, usize)> {
        let now = self.datagram();
        let before = std::mem::replace(&mut self.told, now);
        (before != now).then_some((before, now))
    }

    /// Round-trip time of the last few answers.
    pub(super) fn round_trip(&self) -> Duration {
        self.round_trip
    }

    pub(super) fn state(&self) -> LinkState {
        LinkState {
            link: self.link,
            address: self.address,
            connected: self.up,
            round_trip: self.average,
            mtu: self.datagram(),
        }
    }
}
