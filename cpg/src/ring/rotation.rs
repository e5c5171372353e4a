//! One ring's ordering state and what a visit of the token does to it (spec 70 §4.2, §20.2). Shared
//! by the operational phase and by recovery, which orders old-ring packets on the new ring.

use super::flow::{Budget, FlowControl, FlowLimits, Spent};
use super::window::{WINDOW_SLOTS, Window};
use crate::environment::Environment;
use crate::identity::{NodeId, RingId};
use crate::mutation::Mutation;
use crate::time::Time;
use crate::wire::{Body, Data, Guarantee, MAX_REQUESTS, Packet, SeqRange, Token};
use std::sync::Arc;
use std::time::Duration;

/// Where a visit takes new packets from.
pub(crate) trait Source {
    /// Packets that could be originated now.
    fn backlog(&self, env: &Environment) -> u32;
    /// The next one.
    fn next(&mut self, env: &mut Environment) -> Option<(Guarantee, Body)>;
}

/// Ranges of sequence numbers for the log, as the reference writes single ones.
fn hexadecimal(ranges: &[SeqRange]) -> String {
    let text = |range: &SeqRange| match range.first == range.last {
        true => format!("{:x}", range.first),
        false => format!("{:x}-{:x}", range.first, range.last),
    };
    ranges.iter().map(text).collect::<Vec<_>>().join(" ")
}

/// What became of a received token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Acceptance {
    Foreign,
    Duplicate,
    Accepted,
}

/// Result of a visit: the token to pass on, and the packets to send after it.
#[derive(Debug)]
pub(crate) struct Visit {
    pub token: Token,
    pub post_token: Vec<Data>,
    /// The sequence number did not grow since the last visit.
    pub idle: bool,
    /// The node that holds the ring back, and since when.
    pub stuck: Option<(NodeId, u32, Duration)>,
}

/// Ordering state of one ring.
#[derive(Debug)]
pub(crate) struct Rotation {
    pub ring: RingId,
    /// Ascending.
    pub members: Vec<NodeId>,
    pub others: Arc<[NodeId]>,
    pub successor: NodeId,
    pub window: Window,
    /// Every member holds everything up to here: the lesser aru of two visits.
    pub safe_to: u64,
    /// The predecessor sent what it sends after the token of the next visit.
    pub expects_token: bool,
    predecessor: NodeId,
    /// Sequence number of the token when it was passed on last.
    passed_seq: u64,
    me: NodeId,
    hop: Option<u64>,
    last_aru: u64,
    /// Sequence number of the token at its previous visit.
    previous_seq: u64,
    flow: FlowControl,
    stuck_visits: u32,
    stuck_since: Time,
}

impl Rotation {
    pub(crate) fn new(me: NodeId, ring: RingId, members: Vec<NodeId>, now: Time) -> Rotation {
        let at = members.binary_search(&me).unwrap_or(0);
        let successor = members[(at + 1) % members.len()];
        let predecessor = members[(at + members.len() - 1) % members.len()];
        let others = members.iter().copied().filter(|node| *node != me).collect();
        Rotation {
            ring,
            members,
            others,
            successor,
            window: Window::default(),
            safe_to: 0,
            expects_token: false,
            predecessor,
            passed_seq: 0,
            me,
            hop: None,
            last_aru: 0,
            previous_seq: 0,
            flow: FlowControl::default(),
            stuck_visits: 0,
            stuck_since: now,
        }
    }

    pub(crate) fn is_representative(&self) -> bool {
        self.ring.representative == self.me
    }

    pub(crate) fn is_member(&self, node: NodeId) -> bool {
        self.members.binary_search(&node).is_ok()
    }

    /// The first token of a ring.
    pub(crate) fn first_token(ring: RingId) -> Token {
        Token {
            ring,
            hop: 0,
            seq: 0,
            aru: 0,
            aru_owner: None,
            backlog: 0,
            sent: 0,
            sent_bytes: 0,
            window: 0,
            offer: 0,
            recovering: false,
            requests: Vec::new(),
            vouched: Vec::new(),
        }
    }

    /// Puts what this node can take into the first token of a ring.
    pub(crate) fn offer(&self, token: &mut Token, limits: FlowLimits) {
        self.flow.offer(token, limits, self.is_representative());
    }

    /// Whether the token is of this ring and new.
    pub(crate) fn examine(&self, env: &Environment, token: &Token) -> Acceptance {
        if token.ring != self.ring {
            Acceptance::Foreign
        } else if self.hop.is_some_and(|hop| token.hop <= hop) {
            let mutated = env.mutated(Mutation::AcceptOldToken);
            if mutated { Acceptance::Accepted } else { Acceptance::Duplicate }
        } else if !self.is_plausible(token) {
            log::warn!("token {} with number {} cannot be: dropped", token.hop, token.seq);
            Acceptance::Foreign
        } else {
            Acceptance::Accepted
        }
    }

    /// Whether a token of this ring can look so: numbers only rise, and by no more than the windows of two
    /// rotations; hops likewise (spec 70 §19, W13).
    fn is_plausible(&self, token: &Token) -> bool {
        let seq = self.previous_seq..=self.window.limit() + WINDOW_SLOTS;
        seq.contains(&token.seq) && token.hop <= self.hop.unwrap_or(0) + WINDOW_SLOTS
    }

    /// Stores a received packet of this ring.
    pub(crate) fn receive(&mut self, env: &mut Environment, data: Data) -> bool {
        if data.ring != self.ring || !self.is_member(data.originator) {
            env.statistics.rx_msg_dropped += 1;
            return false;
        }
        env.statistics.mcast_rx += 1;
        let later = data.post_token && data.seq > self.passed_seq;
        self.expects_token |= later && data.originator == self.predecessor;
        let new = self.window.insert(data);
        env.statistics.rx_msg_dropped += u64::from(!new);
        new
    }

    /// Serves requests, originates packets (sending those that precede the token), and prepares
    /// the token for the successor.
    pub(crate) fn visit(
        &mut self,
        env: &mut Environment,
        mut token: Token,
        limits: FlowLimits,
        source: &mut dyn Source,
        now: Time,
    ) -> Visit {
        let received_seq = token.seq;
        let received_aru = (token.aru, token.aru_owner);
        let idle = received_seq == self.previous_seq;
        let mut allowed = self.flow.allowance(&token, source.backlog(env), limits);
        if env.mutated(Mutation::OverdrawVisit) {
            allowed.packets *= 2;
        }
        // One retransmission is always possible: nothing moves on before what is missing.
        let room = self.flow.room(&token, limits);
        let repairs = Budget { packets: room.packets.min(limits.visit).max(1), ..room };
        let mut sent = self.serve(env, &mut token, repairs);
        let post_token = self.originate(env, &mut token, limits, allowed, &mut sent, source);
        let fresh = token.seq - received_seq;
        self.lower_or_raise_aru(&mut token);
        self.count_stuck(received_aru, &token, now);
        let missing = self.request(env, &mut token);
        self.flow.learn(missing, received_seq - self.previous_seq.min(received_seq), limits);
        self.offer(&mut token, limits);
        self.flow.announce(&mut token, sent, source.backlog(env));
        self.safe_to = self.safe_to.max(token.aru.min(self.last_aru));
        if env.mutated(Mutation::ReleaseEarly) {
            self.safe_to = self.safe_to.max(self.window.aru());
        }
        self.last_aru = token.aru;
        self.previous_seq = received_seq;
        self.passed_seq = token.seq;
        self.expects_token = false;
        self.hop = Some(token.hop);
        token.hop += 1;
        let stuck = token
            .aru_owner
            .filter(|owner| *owner != self.me)
            .map(|owner| (owner, self.stuck_visits, now.since(self.stuck_since)));
        Visit { token, post_token, idle: idle && fresh == 0, stuck }
    }

    /// Sends requested packets again; what was sent is struck off the list.
    fn serve(&mut self, env: &mut Environment, token: &mut Token, budget: Budget) -> Spent {
        if !token.requests.is_empty() {
            // The reference says so at notice; a busy ring would fill the log.
            log::debug!("Retransmit List: {}", hexadecimal(&token.requests));
        }
        let mut left = Vec::with_capacity(token.requests.len());
        let mut served = Spent::default();
        for range in std::mem::take(&mut token.requests) {
            for seq in range.first..=range.last.min(range.first + WINDOW_SLOTS) {
                let held = self.window.get(seq).filter(|_| served.is_within(budget));
                match held.map(Data::encoded) {
                    Some(bytes) if env.mutated(Mutation::ForgetRetransmit) => served.add(&bytes),
                    Some(bytes) => {
                        served.add(&bytes);
                        env.multicast(&self.others, bytes);
                        env.statistics.mcast_retx += 1;
                    }
                    None if seq <= self.window.released() => {} // everyone has it
                    None => push_seq(&mut left, seq),
                }
            }
        }
        left.truncate(MAX_REQUESTS);
        token.requests = left;
        served
    }

    fn originate(
        &mut self,
        env: &mut Environment,
        token: &mut Token,
        limits: FlowLimits,
        allowed: Budget,
        sent: &mut Spent,
        source: &mut dyn Source,
    ) -> Vec<Data> {
        let room = self.window.limit().saturating_sub(u64::from(limits.rotation) + token.seq);
        let count = allowed.packets.saturating_sub(sent.packets);
        let count = count.min(u32::try_from(room).unwrap_or(0));
        let waiting = source.backlog(env).min(count);
        let before_token = waiting.saturating_sub(limits.accelerated);
        let mut post_token = Vec::new();
        for index in 0..count {
            if !sent.is_within(allowed) {
                break;
            }
            let Some((guarantee, body)) = source.next(env) else { break };
            token.seq += 1;
            let post = index >= before_token;
            let data = Data::new(self.ring, token.seq, self.me, guarantee, post, body);
            sent.add(&data.encoded());
            self.window.insert(data.clone());
            env.statistics.mcast_tx += 1;
            if post && limits.accelerated > 0 {
                post_token.push(data);
            } else {
                env.multicast(&self.others, data.encoded());
            }
        }
        post_token
    }

    fn lower_or_raise_aru(&self, token: &mut Token) {
        let mine = self.window.aru();
        let owned = token.aru_owner.is_none() || token.aru_owner == Some(self.me);
        if mine < token.aru || owned {
            token.aru = mine.min(token.seq);
            token.aru_owner = if token.aru == token.seq { None } else { Some(self.me) };
        }
    }

    fn count_stuck(&mut self, received: (u64, Option<NodeId>), token: &Token, now: Time) {
        let stuck = token.aru_owner.is_some()
            && token.aru == self.last_aru
            && token.aru_owner == received.1;
        if stuck {
            self.stuck_visits = self.stuck_visits.saturating_add(1);
        } else {
            self.stuck_visits = 0;
            self.stuck_since = now;
        }
    }

    /// Asks for what is missing up to the sequence number of the previous visit: those packets
    /// must have been sent by now, later ones may still be on their way (spec 70 §20.2 step 3).
    /// How many were not asked for yet.
    fn request(&mut self, env: &mut Environment, token: &mut Token) -> u64 {
        let mut asked = 0;
        let early = env.mutated(Mutation::AskTooEarly);
        let sent = if early { token.seq } else { self.previous_seq };
        for range in self.window.missing(sent, MAX_REQUESTS) {
            for seq in range.first..=range.last {
                let listed = token.requests.iter().any(|r| r.first <= seq && seq <= r.last);
                if !listed && insert_seq(&mut token.requests, seq) {
                    env.statistics.mcast_requested += 1;
                    asked += 1;
                }
            }
        }
        asked
    }
}

fn push_seq(ranges: &mut Vec<SeqRange>, seq: u64) {
    match ranges.last_mut() {
        Some(range) if range.last + 1 == seq => range.last = seq,
        _ => ranges.push(SeqRange { first: seq, last: seq }),
    }
}

/// Inserts `seq` into ascending ranges; false when the list is full.
fn insert_seq(ranges: &mut Vec<SeqRange>, seq: u64) -> bool {
    let at = ranges.partition_point(|range| range.last < seq);
    if at > 0 && ranges[at - 1].last + 1 == seq {
        ranges[at - 1].last = seq;
        if at < ranges.len() && ranges[at].first == seq + 1 {
            ranges[at - 1].last = ranges[at].last;
            ranges.remove(at);
        }
        return true;
    }
    if at < ranges.len() && ranges[at].first == seq + 1 {
        ranges[at].first = seq;
        return true;
    }
    if ranges.len() >= MAX_REQUESTS {
        return false;
    }
    ranges.insert(at, SeqRange { first: seq, last: seq });
    true
}

impl Environment {
    /// Passes the token on and sends what follows it.
    pub(crate) fn pass(
        &mut self,
        rotation: &Rotation,
        token: Token,
        post: Vec<Data>,
    ) -> bytes::Bytes {
        self.statistics.orf_token_tx += 1;
        let saved = self.unicast(rotation.successor, Packet::Token(token));
        for data in post {
            self.multicast(&rotation.others, data.encoded());
        }
        saved
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::Incarnation;
    use crate::ring::RingConfiguration;

    #[test]
    fn requests_merge_into_ranges() {
        let mut ranges = vec![];
        for seq in [5, 3, 4, 9, 1, 10] {
            assert!(insert_seq(&mut ranges, seq));
        }
        let run = |first, last| SeqRange { first, last };
        assert_eq!(ranges, [run(1, 1), run(3, 5), run(9, 10)]);
    }

    #[test]
    fn the_token_is_expected_once_the_predecessor_sent_what_follows_it() {
        let node = |id| NodeId::new(id).unwrap();
        let (me, now) = (node(2), Time::ZERO);
        let ring = RingId { sequence: 1, representative: node(1), incarnation: Incarnation(0) };
        let configuration = RingConfiguration::new(me, vec![node(1), node(3)]);
        let mut env = Environment::new(configuration, Incarnation(0), 1);
        let mut rotation = Rotation::new(me, ring, vec![node(1), me, node(3)], now);
        let receive = |rotation: &mut Rotation, env: &mut Environment, seq, from, post| {
            let body = Body::Chunks(Default::default());
            let data = Data::new(ring, seq, node(from), Guarantee::Agreed, post, body);
            rotation.receive(env, data);
            rotation.expects_token
        };
        assert!(!receive(&mut rotation, &mut env, 1, 3, true), "not of the predecessor");
        assert!(!receive(&mut rotation, &mut env, 2, 1, false), "sent before its token");
        assert!(receive(&mut rotation, &mut env, 3, 1, true));
        let mut token = Rotation::first_token(ring);
        token.seq = 4;
        let limits = env.configuration.limits;
        rotation.visit(&mut env, token, limits, &mut Nothing, now);
        assert!(!receive(&mut rotation, &mut env, 4, 1, true), "of the visit before");
        assert!(receive(&mut rotation, &mut env, 5, 1, true));
    }

    struct Nothing;

    impl Source for Nothing {
        fn backlog(&self, _: &Environment) -> u32 {
            0
        }

        fn next(&mut self, _: &mut Environment) -> Option<(Guarantee, Body)> {
            None
        }
    }
}
