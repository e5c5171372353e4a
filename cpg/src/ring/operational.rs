//! The operational phase: an installed ring orders and delivers (spec 70 §4).

use super::{Acceptance, Custody, Rotation, Source, Window};
use crate::environment::Environment;
use crate::identity::{NodeId, RingId};
use crate::membership::{self, Candidates, Reason};
use crate::mutation::Mutation;
use crate::recovery::OldRing;
use crate::time::{Time, due, earliest};
use crate::wire::{Body, Data, Guarantee, HoldCancel, Join, Packet, Probe, Token};
use std::time::Duration;

/// A hold-cancel that brought no token is repeated after this.
const CANCEL_AGAIN: Duration = Duration::from_millis(10);

/// The reason to give the ring up, and whom to consider then.
pub(crate) type Leave = (Reason, Candidates);

#[derive(Debug)]
pub(crate) struct Operational {
    rotation: Rotation,
    delivered: u64,
    custody: Custody,
    idle_visits: u32,
    /// The representative keeps the token of an idle ring until then.
    held: Option<(Time, Token)>,
    cancel_again: Option<Time>,
    probe: Option<Time>,
    installed: Time,
    merge: membership::MergeWatch,
}

/// Client messages, packed at the moment of the visit.
struct Clients;

impl Source for Clients {
    fn backlog(&self, env: &Environment) -> u32 {
        env.outbox.backlog(env.configuration.payload)
    }

    fn next(&mut self, env: &mut Environment) -> Option<(Guarantee, Body)> {
        let room = env.configuration.payload;
        env.outbox.next_packet(room).map(|(guarantee, bytes)| (guarantee, Body::Chunks(bytes)))
    }
}

impl Operational {
    /// The ring was installed in the visit that `custody` remembers.
    pub(crate) fn new(
        rotation: Rotation,
        delivered: u64,
        custody: Custody,
        now: Time,
    ) -> Operational {
        Operational {
            rotation,
            delivered,
            custody,
            idle_visits: 0,
            held: None,
            cancel_again: None,
            probe: Some(now),
            installed: now,
            merge: membership::MergeWatch::default(),
        }
    }

    pub(crate) fn ring(&self) -> RingId {
        self.rotation.ring
    }

    pub(crate) fn token_deadline(&self) -> Time {
        self.custody.deadline()
    }

    pub(crate) fn members(&self) -> &[NodeId] {
        &self.rotation.members
    }

    pub(crate) fn rotation(&self) -> &Rotation {
        &self.rotation
    }

    pub(crate) fn installed(&self) -> Time {
        self.installed
    }

    fn exit(&self, reason: Reason) -> Leave {
        (reason, Candidates::of_ring(&self.rotation.members))
    }

    /// What the next phases need of this ring.
    pub(crate) fn into_old(self) -> OldRing {
        OldRing {
            id: self.rotation.ring,
            members: self.rotation.members,
            window: self.rotation.window,
            delivered: self.delivered,
            safe_to: self.rotation.safe_to,
        }
    }

    pub(crate) fn on_data(&mut self, env: &mut Environment, data: Data) {
        if self.rotation.receive(env, data) {
            self.deliver(env);
        }
    }

    /// Delivers whatever is next in the order and satisfies its guarantee.
    fn deliver(&mut self, env: &mut Environment) {
        let blind = env.mutated(Mutation::SafeAtOnce);
        while let Some(data) = self.rotation.window.get(self.delivered + 1) {
            if data.guarantee == Guarantee::Safe && data.seq > self.rotation.safe_to && !blind {
                return;
            }
            env.deliver_data(data, self.rotation.ring);
            self.delivered += 1;
        }
    }

    pub(crate) fn on_token(
        &mut self,
        env: &mut Environment,
        token: Token,
        now: Time,
    ) -> Option<Leave> {
        match self.rotation.examine(env, &token) {
            Acceptance::Foreign | Acceptance::Duplicate => {
                env.statistics.rx_msg_dropped += 1;
                return None;
            }
            Acceptance::Accepted => {}
        }
        env.statistics.orf_token_rx += 1;
        self.custody.received(env, now);
        self.held = None;
        self.cancel_again = None;
        self.visit(env, token, now)
    }

    fn visit(&mut self, env: &mut Environment, token: Token, now: Time) -> Option<Leave> {
        let unanimous = self.unanimous(env, &token, now);
        let limits = env.configuration.limits;
        let visit = self.rotation.visit(env, token, limits, &mut Clients, now);
        // While a loss is being repaired, and until all know that it is, nothing rests.
        let idle = visit.idle && is_settled(&visit.token);
        self.idle_visits = if idle { self.idle_visits.saturating_add(1) } else { 0 };
        let backlog = u64::from(visit.token.backlog);
        env.statistics.avg_backlog_calc = (env.statistics.avg_backlog_calc * 7 + backlog) / 8;
        if let Some(evicted) = self.evict(env, &visit.stuck) {
            return Some(evicted);
        }
        let mut token = visit.token;
        self.vouch(env, &mut token, now);
        if self.may_hold(env, &token) {
            self.hold(env, token, now);
        } else {
            self.pass(env, token, visit.post_token, now);
        }
        self.deliver(env);
        self.rotation.window.release(self.rotation.safe_to.min(self.delivered));
        let unanimous = unanimous?;
        self.merge.unanimous = unanimous;
        let found = self.merge.choose(env, &self.rotation, now)?;
        let mut candidates = Candidates::of_ring(&self.rotation.members);
        candidates.consider.extend(found);
        Some((Reason::MergeDuringOperational, candidates))
    }

    /// At the representative: the outside nodes that every member vouched for in the last rotation.
    fn unanimous(&self, env: &Environment, token: &Token, now: Time) -> Option<Vec<NodeId>> {
        if self.rotation.others.is_empty() {
            return Some(env.vouchable(&self.rotation.members, now));
        }
        self.rotation.is_representative().then(|| token.vouched.clone())
    }

    /// A member that has not advanced for long is evicted by the others (spec 70 §19, W5).
    fn evict(&self, env: &Environment, stuck: &Option<(NodeId, u32, Duration)>) -> Option<Leave> {
        let (owner, visits, passed) = (*stuck)?;
        let patience = env.configuration.timing.token / 2;
        if visits <= env.configuration.fail_recv_const || passed < patience {
            return None;
        }
        log::error!("FAILED TO RECEIVE: node {owner} does not advance, excluding it");
        let (reason, mut candidates) = self.exit(Reason::FailedToReceive);
        candidates.exclude.insert(owner);
        Some((reason, candidates))
    }

    /// Keeps in the token only nodes that this member can reach too; the representative starts over.
    fn vouch(&self, env: &Environment, token: &mut Token, now: Time) {
        let mine = env.vouchable(&self.rotation.members, now);
        if self.rotation.is_representative() {
            token.vouched = mine;
        } else {
            token.vouched.retain(|node| mine.binary_search(node).is_ok());
        }
    }

    fn looks_idle(&self, env: &Environment) -> bool {
        self.idle_visits >= env.configuration.seqno_unchanged_const
    }

    fn may_hold(&self, env: &Environment, token: &Token) -> bool {
        let alone = self.rotation.others.is_empty();
        let safe = self.rotation.safe_to == token.seq;
        // One visit more than it takes elsewhere: so all others know by then that they have to cancel.
        let idle =
            if alone { safe } else { self.idle_visits > env.configuration.seqno_unchanged_const };
        self.rotation.is_representative() && is_settled(token) && idle
    }

    fn hold(&mut self, env: &mut Environment, token: Token, now: Time) {
        self.held = Some((now + env.configuration.timing.hold, token));
    }

    fn pass(&mut self, env: &mut Environment, token: Token, post: Vec<Data>, now: Time) {
        let patient = self.looks_idle(env);
        let saved = env.pass(&self.rotation, token, post);
        self.custody.passed(env, now, self.rotation.successor, saved, patient);
    }

    /// Lets the held token go: through a visit of its own when there is something to send.
    fn let_go(&mut self, env: &mut Environment, now: Time) -> Option<Leave> {
        let (_, mut token) = self.held.take()?;
        self.custody.keep(env, now);
        self.idle_visits = 0;
        if env.outbox.is_ready() || self.rotation.others.is_empty() {
            return self.visit(env, token, now);
        }
        self.vouch(env, &mut token, now);
        self.pass(env, token, Vec::new(), now);
        None
    }

    /// Client messages were submitted.
    pub(crate) fn on_submission(&mut self, env: &mut Environment, now: Time) -> Option<Leave> {
        if !env.outbox.is_ready() {
            return None;
        }
        if self.held.is_some() {
            return self.let_go(env, now);
        }
        if self.looks_idle(env) && !self.rotation.is_representative() && self.cancel_again.is_none()
        {
            self.cancel_hold(env, now);
        }
        None
    }

    fn cancel_hold(&mut self, env: &mut Environment, now: Time) {
        let cancel = HoldCancel { originator: env.me, ring: self.rotation.ring };
        env.statistics.token_hold_cancel_tx += 1;
        env.unicast(self.rotation.ring.representative, Packet::HoldCancel(cancel));
        self.cancel_again = Some(now + CANCEL_AGAIN);
    }

    pub(crate) fn on_hold_cancel(
        &mut self,
        env: &mut Environment,
        cancel: &HoldCancel,
        now: Time,
    ) -> Option<Leave> {
        if cancel.ring != self.rotation.ring {
            return None;
        }
        env.statistics.token_hold_cancel_rx += 1;
        self.idle_visits = 0;
        self.let_go(env, now)
    }

    /// A ring outside of ours, or of a member that left ours, was announced.
    pub(crate) fn on_probe(
        &mut self,
        env: &mut Environment,
        probe: &Probe,
        now: Time,
    ) -> Option<Leave> {
        if probe.ring == self.rotation.ring {
            return None;
        }
        if self.rotation.is_member(probe.originator) {
            let newer = probe.ring.sequence > self.rotation.ring.sequence;
            return newer.then(|| self.exit(Reason::MergeDuringOperational));
        }
        // The vote of the members on the newcomers travels with the token.
        if self.held.is_some() { self.let_go(env, now) } else { None }
    }

    /// Whether a join is a reason to give this ring up (spec 70 §5.4, §19 W3).
    pub(crate) fn heeds(&self, env: &Environment, join: &Join) -> bool {
        if join.fail.contains(&env.me) {
            return false;
        }
        if self.rotation.is_member(join.originator) {
            return join.ring_sequence >= self.rotation.ring.sequence;
        }
        let whole = self
            .rotation
            .members
            .iter()
            .all(|member| join.proc.contains(member) && !join.fail.contains(member));
        whole && env.reachable.contains(&join.originator)
    }

    /// The transport hears nothing of a node any more.
    pub(crate) fn on_silence(&mut self, env: &Environment, node: NodeId) {
        if self.rotation.is_member(node) && self.held.is_none() {
            self.custody.hasten_loss(env);
        }
    }

    /// The transport has evidence that a node's process ended.
    pub(crate) fn on_death(&mut self, node: NodeId) -> Option<Leave> {
        self.rotation.is_member(node).then(|| {
            log::info!("A processor failed, forming new configuration: node {node} is gone.");
            self.exit(Reason::TokenLost)
        })
    }

    pub(crate) fn on_timeout(&mut self, env: &mut Environment, now: Time) -> Option<Leave> {
        if self.held.as_ref().is_some_and(|(until, _)| *until <= now) {
            let idle = self.idle_visits;
            let leave = self.let_go(env, now);
            self.idle_visits = idle;
            return leave;
        }
        if self.held.is_none() && self.custody.is_lost(now) {
            return self.token_lost(env, now);
        }
        self.custody.warn_if_due(env, now);
        self.custody.retransmit_if_due(env, now);
        if due(self.cancel_again, now) {
            if env.outbox.is_ready() {
                self.cancel_hold(env, now);
            } else {
                self.cancel_again = None;
            }
        }
        if due(self.probe, now) {
            self.announce(env, now);
        }
        None
    }

    fn token_lost(&mut self, env: &mut Environment, now: Time) -> Option<Leave> {
        env.statistics.operational_token_lost += 1;
        log::info!(
            "A processor failed, forming new configuration: token timed out ({}ms), waiting {}ms for consensus.",
            self.custody.since_received(now).as_millis(),
            env.configuration.timing.consensus.as_millis()
        );
        Some(self.exit(Reason::TokenLost))
    }

    /// The representative tells reachable nodes outside about this ring.
    fn announce(&mut self, env: &mut Environment, now: Time) {
        self.probe = Some(now + env.configuration.timing.merge);
        if !self.rotation.is_representative() {
            return;
        }
        let outside: Vec<NodeId> =
            env.reachable.iter().filter(|node| !self.rotation.is_member(**node)).copied().collect();
        if outside.is_empty() {
            return;
        }
        let probe = Probe {
            originator: env.me,
            ring: self.rotation.ring,
            members: self.rotation.members.clone(),
            vouched: self.merge.unanimous.clone(),
            configuration: env.configuration.digest,
        };
        let outside = env.others(outside);
        env.statistics.memb_merge_detect_tx += 1;
        env.multicast(&outside, Packet::Probe(probe).encode());
    }

    /// A node became reachable: announce this ring to it without waiting.
    pub(crate) fn on_reachable(&mut self, node: NodeId, now: Time) {
        if !self.rotation.is_member(node) {
            self.probe = Some(now);
        }
    }

    /// The next moment to be called. Probing needs no timer while nobody is outside.
    pub(crate) fn timeout(&self, env: &Environment) -> Option<Time> {
        let outside = env.reachable.iter().any(|node| !self.rotation.is_member(*node));
        let probe = self.probe.filter(|_| outside && self.rotation.is_representative());
        let token = match &self.held {
            Some((until, _)) => Some(*until),
            None => self.custody.timeout(),
        };
        earliest(earliest(token, probe), self.cancel_again)
    }

    pub(crate) fn window(&self) -> &Window {
        &self.rotation.window
    }

    pub(crate) fn delivered(&self) -> u64 {
        self.delivered
    }
}

/// All members have all packets, and none waits to be sent.
fn is_settled(token: &Token) -> bool {
    token.aru == token.seq && token.requests.is_empty() && token.backlog == 0
}
