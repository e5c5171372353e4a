//! The ring protocol of one node: one phase at a time, and the dispatch between them.
//!
//! ```text
//!  OPERATIONAL ── token loss, evidence of a death, a proven merge ──► GATHER ◄─┐
//!       ▲                                                               │      │ time-outs,
//!       │                                agreement, or a commit token   ▼      │ news
//!       └── RECOVERY ◄────────── complete commit token ────────────── COMMIT ──┘
//! ```

pub use crate::report::{
    Boot, Configuration, ConfigurationKind, Delivery, Fault, MANY_ATTEMPTS, OrderingState, Output,
    PhaseName, Road, ScheduleMiss, Trouble,
};

use crate::environment::Environment;
use crate::identity::{NodeId, RingId};
use crate::membership::{Candidates, Commit, Gather, GatherStep, Reason, Sighting};
#[cfg(feature = "mutations")]
use crate::mutation::Mutation;
use crate::recovery::{OldRing, Recovery, RecoveryStep};
use crate::ring::{Operational, Reconfiguration, RingConfiguration};
use crate::statistics::RingStatistics;
use crate::time::Time;
use crate::wire::{CommitToken, Guarantee, Join, Packet, Probe, Token};
use bytes::Bytes;
use std::time::Duration;

#[derive(Debug)]
enum Phase {
    Operational(Box<Operational>),
    Gather(Box<Gather>),
    Commit(Box<Commit>),
    Recovery(Box<Recovery>),
    /// Shut down in order.
    Left,
}

/// The ring protocol at one node. See [`crate::node::Node`] for process groups on top.
#[derive(Debug)]
pub struct Protocol {
    env: Environment,
    phase: Phase,
    expected: Option<Time>,
    deaf_until: Time,
}

/// After a pause of the process, joins that waited in the queue are history.
const DEAF_AFTER_PAUSE: Duration = Duration::from_millis(20);

impl Protocol {
    /// Starts the node: it forms a ring of its own and merges with what it can reach.
    pub fn new(configuration: RingConfiguration, boot: Boot, now: Time) -> Protocol {
        let me = configuration.node;
        let adopted = boot.ring_sequence + 1;
        let id = RingId { sequence: adopted, representative: me, incarnation: boot.incarnation };
        let mut env = Environment::new(configuration, boot.incarnation, adopted);
        let old = OldRing::none(id);
        let candidates = Candidates::default();
        let gather = Gather::enter(&mut env, old, candidates, Reason::InterfaceChange, now);
        let phase = Phase::Gather(Box::new(gather));
        let mut protocol = Protocol { env, phase, expected: None, deaf_until: Time::ZERO };
        protocol.settle(now);
        protocol.finish(now);
        protocol
    }

    /// Plants a mistake, see [`crate::mutation`].
    #[cfg(feature = "mutations")]
    pub fn plant(&mut self, mutation: Mutation) {
        self.env.mutation = Some(mutation);
    }

    /// Takes one received packet. Packets that do not decode are counted and dropped.
    pub fn handle_packet(&mut self, bytes: Bytes, now: Time) {
        self.notice_pause(now);
        match Packet::decode(bytes) {
            // Others have neither token nor data of a ring of one. Taken for its own they would keep it
            // from ever coming to rest.
            Ok(Packet::Token(_) | Packet::Data(_)) if self.is_alone() => {
                self.env.statistics.rx_msg_dropped += 1;
            }
            Ok(packet) => self.dispatch(packet, now),
            Err(error) => {
                self.env.statistics.rx_undecodable += 1;
                log::debug!("packet dropped: {error}");
            }
        }
        self.finish(now);
    }

    /// Lets timers run out. Calls that come too early do nothing.
    pub fn handle_timeout(&mut self, now: Time) {
        self.notice_pause(now);
        self.run_timers(now);
        self.finish(now);
    }

    /// The transport proved that packets travel both ways to and from `node`, or lost that proof.
    pub fn handle_reachable(&mut self, node: NodeId, reachable: bool, now: Time) {
        let changed = if reachable {
            self.env.silent.remove(&node);
            self.env.reachable.insert(node)
        } else {
            self.env.sightings.remove(&node);
            self.env.reachable.remove(&node)
        };
        if let (Phase::Operational(operational), true, true) = (&mut self.phase, reachable, changed)
        {
            operational.on_reachable(node, now);
        }
        self.finish(now);
    }

    /// The transport heard nothing at all of `node` for its time-out, or hears it again.
    pub fn handle_silent(&mut self, node: NodeId, silent: bool, now: Time) {
        let changed =
            if silent { self.env.silent.insert(node) } else { self.env.silent.remove(&node) };
        if silent && changed {
            match &mut self.phase {
                Phase::Operational(operational) => operational.on_silence(&self.env, node),
                Phase::Gather(gather) => {
                    let step = gather.on_silence(node);
                    self.gather_step(step, now);
                }
                Phase::Commit(_) | Phase::Recovery(_) | Phase::Left => {}
            }
        }
        self.finish(now);
    }

    /// The transport has evidence that the process of `node` ended: the ring is given up without
    /// waiting for the token, and the other members are asked to agree.
    pub fn handle_dead(&mut self, node: NodeId, now: Time) {
        let news = self.env.silent.insert(node);
        match &mut self.phase {
            Phase::Operational(operational) => {
                let leave = operational.on_death(node);
                self.leave_ring(leave, now);
            }
            Phase::Gather(gather) if news => {
                let step = gather.on_silence(node);
                self.gather_step(step, now);
            }
            Phase::Commit(commit) if commit.members.contains(&node) => {
                let candidates = commit.candidates.clone();
                self.gather(candidates, Reason::TokenLostInCommit, now);
            }
            Phase::Recovery(recovery) if recovery.rotation.is_member(node) => {
                let candidates = recovery.candidates.clone();
                self.gather(candidates, Reason::TokenLostInRecovery, now);
            }
            Phase::Gather(_) | Phase::Commit(_) | Phase::Recovery(_) | Phase::Left => {}
        }
        self.finish(now);
    }

    /// Queues a message for the total order. The caller keeps to [`Protocol::has_room`].
    pub fn submit(&mut self, header: Bytes, body: Bytes, guarantee: Guarantee, now: Time) {
        self.env.outbox.submit(header, body, guarantee);
        self.submitted(now);
    }

    /// Queues a message that passes the closed gate, for this configuration only.
    pub fn submit_control(&mut self, body: Bytes, now: Time) {
        self.env.outbox.submit_control(body);
        self.submitted(now);
    }

    /// Lets client messages flow on this ring. Nothing happens when it is not the present one.
    pub fn open_gate(&mut self, ring: RingId, now: Time) {
        if self.ring().is_some_and(|(present, _)| present == ring) {
            self.env.outbox.open_gate();
            self.submitted(now);
        }
    }

    /// Client messages flow: the synchronisation of this configuration is complete.
    pub fn gate_is_open(&self) -> bool {
        self.env.outbox.gate_is_open()
    }

    /// Whether the queue of client messages is below its bound.
    pub fn has_room(&self) -> bool {
        self.env.outbox.waiting_bytes() < self.env.configuration.queue_bytes
    }

    /// Bytes of client messages waiting for the token.
    pub fn queued_bytes(&self) -> usize {
        self.env.outbox.waiting_bytes()
    }

    /// Leaves in order: the others exclude this node without waiting for a time-out.
    pub fn leave(&mut self, now: Time) {
        let candidates = match &self.phase {
            Phase::Operational(operational) => Candidates::of_ring(operational.members()),
            Phase::Gather(gather) => gather.candidates.clone(),
            Phase::Commit(commit) => commit.candidates.clone(),
            Phase::Recovery(recovery) => recovery.candidates.clone(),
            Phase::Left => return,
        };
        let Candidates { mut consider, mut exclude } = candidates;
        let to = self.env.others(consider.iter().copied());
        consider.remove(&self.env.me);
        exclude.insert(self.env.me);
        let join = Join {
            originator: self.env.me,
            proc: consider,
            fail: exclude,
            ring_sequence: self.env.adopted,
            highest_sequence: self.env.highest,
            leave: true,
            configuration: self.env.configuration.digest,
        };
        let bytes = Packet::Join(join).encode();
        for _ in 0..3 {
            self.env.multicast(&to, bytes.clone()); // loss of all three costs the others a time-out
        }
        self.phase = Phase::Left;
        self.finish(now);
    }

    /// The next output; drain until `None` after every call that takes `now`.
    #[must_use]
    pub fn poll_output(&mut self) -> Option<Output> {
        self.env.outputs.pop_front()
    }

    /// The next delivery; drain until `None` after every call that takes `now`.
    #[must_use]
    pub fn poll_delivery(&mut self) -> Option<Delivery> {
        self.env.deliveries.pop_front()
    }

    /// The next thing to look into; drain until `None` after every call that takes `now`.
    #[must_use]
    pub fn poll_trouble(&mut self) -> Option<Trouble> {
        self.env.troubles.pop_front()
    }

    /// When to call [`Protocol::handle_timeout`] next.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Time> {
        match &self.phase {
            Phase::Operational(operational) => operational.timeout(&self.env),
            Phase::Gather(gather) => gather.timeout(),
            Phase::Commit(commit) => commit.custody.timeout(),
            Phase::Recovery(recovery) => recovery.custody.timeout(),
            Phase::Left => None,
        }
    }

    /// Changes what may change at run time. A node that is no longer a peer stays in the ring until
    /// it leaves; it is not heard when it wants to join again.
    pub fn reconfigure(&mut self, change: Reconfiguration) {
        let configuration = &mut self.env.configuration;
        configuration.timing = change.timing;
        configuration.token_warning = change.token_warning;
        configuration.limits = change.limits;
        configuration.peers = change.peers;
        configuration.fail_recv_const = change.fail_recv_const;
        configuration.seqno_unchanged_const = change.seqno_unchanged_const;
        configuration.digest = change.digest;
    }

    /// Counters.
    pub fn statistics(&self) -> &RingStatistics {
        &self.env.statistics
    }

    /// The configuration in force.
    pub fn configuration(&self) -> &RingConfiguration {
        &self.env.configuration
    }

    /// The phase.
    pub fn phase(&self) -> PhaseName {
        match &self.phase {
            Phase::Operational(_) => PhaseName::Operational,
            Phase::Gather(_) => PhaseName::Gather,
            Phase::Commit(_) => PhaseName::Commit,
            Phase::Recovery(_) => PhaseName::Recovery,
            Phase::Left => PhaseName::Left,
        }
    }

    /// The installed ring and its members, while operational.
    pub fn ring(&self) -> Option<(RingId, &[NodeId])> {
        match &self.phase {
            Phase::Operational(operational) => Some((operational.ring(), operational.members())),
            _ => None,
        }
    }

    /// Until when the installed ring holds unless its token comes again; `None` outside of an installed
    /// ring. What is concluded from its membership (a verdict on quorum) is not to be acted upon after
    /// that: the others may have formed a ring without this node.
    pub fn token_deadline(&self) -> Option<Time> {
        match &self.phase {
            Phase::Operational(operational) => Some(operational.token_deadline()),
            _ => None,
        }
    }

    /// What an observer needs to check the protocol's invariants: ring, aru, release point,
    /// delivered, members of the installed ring.
    pub fn ordering_state(&self) -> Option<OrderingState> {
        let Phase::Operational(operational) = &self.phase else { return None };
        Some(OrderingState {
            ring: operational.ring(),
            aru: operational.window().aru(),
            released: operational.window().released(),
            delivered: operational.delivered(),
            safe_to: operational.rotation().safe_to,
            installed: operational.installed(),
        })
    }

    /// Whether the predecessor is known to have passed on the token of the next rotation: it is on its
    /// way here and should be read before data that waits (spec 70 §20.3, second method).
    pub fn expects_token(&self) -> bool {
        match &self.phase {
            Phase::Operational(operational) => operational.rotation().expects_token,
            _ => false,
        }
    }

    /// Whether the ring that is in force, or about to be, has no other member.
    fn is_alone(&self) -> bool {
        match &self.phase {
            Phase::Operational(operational) => operational.rotation().others.is_empty(),
            Phase::Recovery(recovery) => recovery.rotation.others.is_empty(),
            Phase::Gather(_) | Phase::Commit(_) | Phase::Left => false,
        }
    }

    fn submitted(&mut self, now: Time) {
        if let Phase::Operational(operational) = &mut self.phase {
            let leave = operational.on_submission(&mut self.env, now);
            self.leave_ring(leave, now);
        }
        self.finish(now);
    }

    /// Runs what this node sent to itself, and remembers when it expects to be called.
    fn finish(&mut self, now: Time) {
        while let Some(packet) = self.env.loopback.pop_front() {
            self.dispatch(packet, now);
        }
        self.expected = self.poll_timeout();
    }

    /// A timer that fires long after its time means that the process did not run (spec 70 §5.8).
    fn notice_pause(&mut self, now: Time) {
        let Some(expected) = self.expected else { return };
        let late = now.since(expected);
        if late > self.env.configuration.timing.token / 2 {
            self.env.statistics.pauses += 1;
            self.deaf_until = now + DEAF_AFTER_PAUSE;
            self.env.silent.clear();
            log::info!(
                "Process pause detected for {} ms, flushing membership messages.",
                late.as_millis()
            );
        }
        self.expected = None;
    }

    fn dispatch(&mut self, packet: Packet, now: Time) {
        match packet {
            Packet::Token(token) => self.on_token(token, now),
            Packet::Data(data) => match &mut self.phase {
                Phase::Operational(operational) => operational.on_data(&mut self.env, data),
                Phase::Recovery(recovery) => recovery.on_data(&mut self.env, data),
                Phase::Gather(gather) => {
                    let kept = gather.old.receive(data);
                    self.env.statistics.rx_msg_dropped += u64::from(!kept);
                }
                Phase::Commit(_) | Phase::Left => self.env.statistics.rx_msg_dropped += 1,
            },
            Packet::Join(join) => self.on_join(join, now),
            Packet::Commit(token) => self.on_commit_token(token, now),
            Packet::Probe(probe) => self.on_probe(probe, now),
            Packet::HoldCancel(cancel) => {
                if let Phase::Operational(operational) = &mut self.phase {
                    let leave = operational.on_hold_cancel(&mut self.env, &cancel, now);
                    self.leave_ring(leave, now);
                }
            }
        }
    }

    fn on_token(&mut self, token: Token, now: Time) {
        match &mut self.phase {
            Phase::Operational(operational) => {
                let leave = operational.on_token(&mut self.env, token, now);
                self.leave_ring(leave, now);
            }
            Phase::Recovery(recovery) => {
                if recovery.on_token(&mut self.env, token, now) == RecoveryStep::Install {
                    self.install(now);
                }
            }
            Phase::Gather(_) | Phase::Commit(_) | Phase::Left => {
                self.env.statistics.rx_msg_dropped += 1;
            }
        }
    }

    fn on_join(&mut self, join: Join, now: Time) {
        self.env.statistics.memb_join_rx += 1;
        self.env.highest = self.env.highest.max(join.ring_sequence).max(join.highest_sequence);
        let deaf = now < self.deaf_until || !self.env.is_peer(join.originator);
        if deaf || self.differs(join.configuration) {
            return;
        }
        self.env.silent.remove(&join.originator);
        if join.leave {
            self.env.left_cleanly.insert(join.originator);
        }
        match &mut self.phase {
            Phase::Gather(gather) => {
                let step = gather.on_join(&mut self.env, &join, now);
                let anew = matches!(step, GatherStep::Again(_));
                self.gather_step(step, now);
                if anew {
                    self.count_vote(&join, now);
                }
            }
            Phase::Operational(operational) if operational.heeds(&self.env, &join) => {
                let mates = operational.members().to_vec();
                let candidates = Candidates::of_ring(&mates);
                self.regather(candidates, &mates, &join, Reason::JoinDuringOperational, now);
            }
            Phase::Commit(commit) if commit.heeds(&join) => {
                let (candidates, mates) = (commit.candidates.clone(), commit.old.members.clone());
                self.regather(candidates, &mates, &join, Reason::JoinDuringCommit, now);
            }
            Phase::Recovery(recovery) if recovery.heeds(&join) => {
                let candidates = recovery.candidates.clone();
                let mates = recovery.old.members.clone();
                self.regather(candidates, &mates, &join, Reason::JoinDuringRecovery, now);
            }
            Phase::Operational(_) | Phase::Commit(_) | Phase::Recovery(_) | Phase::Left => {}
        }
    }

    /// Gives up the present phase because of a join, and takes the join in.
    fn regather(
        &mut self,
        mut candidates: Candidates,
        mates: &[NodeId],
        join: &Join,
        reason: Reason,
        now: Time,
    ) {
        candidates.learn(join, self.env.me, mates);
        self.gather(candidates, reason, now);
        self.count_vote(join, now);
    }

    /// A join that made this node gather may say what this node says now: its sender has agreed.
    fn count_vote(&mut self, join: &Join, now: Time) {
        if let Phase::Gather(gather) = &mut self.phase
            && gather.says_the_same(join)
        {
            let step = gather.on_join(&mut self.env, join, now);
            self.gather_step(step, now);
        }
    }

    fn on_commit_token(&mut self, token: CommitToken, now: Time) {
        self.env.statistics.memb_commit_token_rx += 1;
        match &mut self.phase {
            Phase::Gather(gather) => {
                let step = gather.on_commit_token(&self.env, token);
                self.gather_step(step, now);
            }
            Phase::Commit(commit) if commit.accepts(&token) => {
                let Phase::Commit(commit) = self.take_phase() else { return };
                let recovery = Recovery::enter(&mut self.env, *commit, token, now);
                self.phase = Phase::Recovery(Box::new(recovery));
            }
            Phase::Recovery(recovery) => recovery.on_commit_token(&mut self.env, &token, now),
            Phase::Commit(_) | Phase::Operational(_) | Phase::Left => {}
        }
    }

    fn on_probe(&mut self, probe: Probe, now: Time) {
        self.env.statistics.memb_merge_detect_rx += 1;
        if self.differs(probe.configuration) || !self.env.is_peer(probe.originator) {
            return;
        }
        self.env.highest = self.env.highest.max(probe.ring.sequence.min(u64::MAX / 2));
        let Probe { originator, ring, members, vouched, .. } = probe.clone();
        self.env.sightings.insert(originator, Sighting { ring, members, vouched, at: now });
        if let Phase::Operational(operational) = &mut self.phase {
            let leave = operational.on_probe(&mut self.env, &probe, now);
            self.leave_ring(leave, now);
        }
    }

    /// Nodes whose configuration differs are refused before they disturb anyone (spec 70 §19, W20).
    fn differs(&mut self, digest: u64) -> bool {
        let mine = self.env.configuration.digest;
        let differs = mine != 0 && digest != 0 && mine != digest;
        self.env.statistics.configuration_mismatch += u64::from(differs);
        differs
    }

    fn run_timers(&mut self, now: Time) {
        match &mut self.phase {
            Phase::Operational(operational) => {
                let leave = operational.on_timeout(&mut self.env, now);
                self.leave_ring(leave, now);
            }
            Phase::Gather(gather) => {
                let step = gather.on_timeout(&mut self.env, now);
                self.gather_step(step, now);
            }
            Phase::Commit(commit) => {
                if commit.custody.is_lost(now) {
                    self.env.statistics.commit_token_lost += 1;
                    let candidates = commit.candidates.clone();
                    self.gather(candidates, Reason::TokenLostInCommit, now);
                } else {
                    commit.custody.warn_if_due(&mut self.env, now);
                    commit.custody.retransmit_if_due(&mut self.env, now);
                }
            }
            Phase::Recovery(recovery) => {
                if recovery.custody.is_lost(now) {
                    self.env.statistics.recovery_token_lost += 1;
                    let candidates = recovery.candidates.clone();
                    self.gather(candidates, Reason::TokenLostInRecovery, now);
                } else {
                    recovery.custody.warn_if_due(&mut self.env, now);
                    recovery.custody.retransmit_if_due(&mut self.env, now);
                }
            }
            Phase::Left => {}
        }
    }

    fn leave_ring(&mut self, leave: Option<(Reason, Candidates)>, now: Time) {
        if let Some((reason, candidates)) = leave {
            self.gather(candidates, reason, now);
        }
    }

    fn take_phase(&mut self) -> Phase {
        std::mem::replace(&mut self.phase, Phase::Left)
    }

    /// Enters GATHER from any phase; nothing of the old ring is lost on the way.
    fn gather(&mut self, candidates: Candidates, reason: Reason, now: Time) {
        let old = match self.take_phase() {
            Phase::Operational(operational) => operational.into_old(),
            Phase::Gather(gather) => gather.old,
            Phase::Commit(commit) => commit.old,
            Phase::Recovery(recovery) => recovery.old,
            Phase::Left => return,
        };
        let gather = Gather::enter(&mut self.env, old, candidates, reason, now);
        self.phase = Phase::Gather(Box::new(gather));
        self.settle(now);
    }

    fn settle(&mut self, now: Time) {
        if let Phase::Gather(gather) = &self.phase {
            let step = gather.settle(&self.env);
            self.gather_step(step, now);
        }
    }

    fn gather_step(&mut self, step: GatherStep, now: Time) {
        match step {
            GatherStep::Stay => {}
            GatherStep::Again(reason) => {
                let Phase::Gather(gather) = &self.phase else { return };
                let candidates = gather.candidates.clone();
                self.gather(candidates, reason, now);
            }
            GatherStep::Form => {
                let Phase::Gather(gather) = self.take_phase() else { return };
                let commit = Commit::form(&mut self.env, *gather, now);
                self.phase = Phase::Commit(Box::new(commit));
            }
            GatherStep::Commit(token) => {
                let Phase::Gather(gather) = self.take_phase() else { return };
                let commit = Commit::adopt(&mut self.env, *gather, token, now);
                self.phase = Phase::Commit(Box::new(commit));
            }
        }
    }

    fn install(&mut self, now: Time) {
        let Phase::Recovery(recovery) = self.take_phase() else { return };
        let operational = recovery.install(&mut self.env, now);
        self.phase = Phase::Operational(Box::new(operational));
    }
}
