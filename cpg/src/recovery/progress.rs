//! The recovery phase: old-ring packets travel on the new ring until everyone has them
//! (spec 70 §6.1 to §6.4).

use super::{OldRing, RecoveryPlan};
use crate::environment::Environment;
use crate::identity::RingId;
use crate::membership::{Candidates, Commit};
use crate::mutation::Mutation;
use crate::ring::{Acceptance, Custody, FlowLimits, Rotation, Source};
use crate::time::Time;
use crate::wire::{Body, CommitToken, Data, Guarantee, Join, Packet, Token};
use std::collections::VecDeque;

#[derive(Debug)]
pub(crate) struct Recovery {
    pub old: OldRing,
    pub candidates: Candidates,
    pub plan: RecoveryPlan,
    pub rotation: Rotation,
    pub custody: Custody,
    queue: Queue,
    first_token_sent: bool,
    raised_flag: bool,
    quiet_visits: u32,
    complete_visits: u32,
    /// Last sequence number that recovery uses on the new ring.
    pub install_seq: u64,
}

/// What to do after a token visit.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum RecoveryStep {
    Stay,
    Install,
}

/// Old-ring packets waiting to be re-originated.
#[derive(Debug)]
struct Queue(VecDeque<Data>);

impl Source for Queue {
    fn backlog(&self, _: &Environment) -> u32 {
        self.0.len() as u32
    }

    fn next(&mut self, env: &mut Environment) -> Option<(Guarantee, Body)> {
        let data = self.0.pop_front()?;
        env.statistics.recovery_originated += 1;
        Some((Guarantee::Agreed, Body::Recovered(data.encoded())))
    }
}

impl Recovery {
    /// The complete commit token arrived: plan, and pass the commit token on.
    pub(crate) fn enter(
        env: &mut Environment,
        commit: Commit,
        mut token: CommitToken,
        now: Time,
    ) -> Recovery {
        env.statistics.recovery_entered += 1;
        let Commit { old, candidates, ring, members, .. } = commit;
        let plan = RecoveryPlan::new(&old, &token, env.me);
        let mut queue: VecDeque<Data> =
            plan.mine.iter().filter_map(|seq| old.window.get(*seq).cloned()).collect();
        if env.mutated(Mutation::ForgetRecovery) {
            queue.pop_back();
        }
        let mut custody = Custody::new(env, now);
        token.hop += 1;
        custody.pass_commit(env, &members, token, now);
        Recovery {
            old,
            candidates,
            plan,
            rotation: Rotation::new(env.me, ring, members, now),
            custody,
            queue: Queue(queue),
            first_token_sent: false,
            raised_flag: false,
            quiet_visits: 0,
            complete_visits: 0,
            install_seq: 0,
        }
    }

    pub(crate) fn ring(&self) -> RingId {
        self.rotation.ring
    }

    /// The complete commit token returned: every member is in recovery, the ordering token starts.
    pub(crate) fn on_commit_token(
        &mut self,
        env: &mut Environment,
        token: &CommitToken,
        now: Time,
    ) {
        let returned = token.ring == self.rotation.ring
            && token.is_complete()
            && self.rotation.is_representative();
        if !returned || self.first_token_sent {
            return;
        }
        self.first_token_sent = true;
        let mut first = Rotation::first_token(self.rotation.ring);
        self.rotation.offer(&mut first, env.configuration.limits);
        first.recovering = !self.queue.0.is_empty();
        self.raised_flag = first.recovering;
        let saved = env.pass(&self.rotation, first, Vec::new());
        self.custody.received(env, now);
        self.custody.passed(env, now, self.rotation.successor, saved, false);
    }

    pub(crate) fn on_data(&mut self, env: &mut Environment, data: Data) {
        let inner = match &data.body {
            Body::Recovered(inner) => Some(inner.clone()),
            Body::Chunks(_) => None,
        };
        if !self.rotation.receive(env, data) {
            return;
        }
        let Some(inner) = inner else { return };
        match Packet::decode(inner) {
            Ok(Packet::Data(inner)) => {
                self.old.receive(inner);
            }
            Ok(_) | Err(_) => env.statistics.rx_undecodable += 1,
        }
    }

    pub(crate) fn on_token(
        &mut self,
        env: &mut Environment,
        token: Token,
        now: Time,
    ) -> RecoveryStep {
        if self.rotation.examine(env, &token) != Acceptance::Accepted {
            env.statistics.rx_msg_dropped += 1;
            return RecoveryStep::Stay;
        }
        env.statistics.orf_token_rx += 1;
        self.custody.received(env, now);
        let limits = FlowLimits { accelerated: 0, ..env.configuration.limits };
        let visit = self.rotation.visit(env, token, limits, &mut self.queue, now);
        let mut token = visit.token;
        let step = self.advance(env, &mut token);
        let saved = env.pass(&self.rotation, token, visit.post_token);
        self.custody.passed(env, now, self.rotation.successor, saved, false);
        step
    }

    /// The progress rules: two visits without anything left prove that nobody re-originates any
    /// more, two further visits with everything received prove that everyone has it.
    fn advance(&mut self, env: &Environment, token: &mut Token) -> RecoveryStep {
        if !self.queue.0.is_empty() {
            if !token.recovering {
                token.recovering = true;
                self.raised_flag = true;
            }
        } else if token.recovering && self.raised_flag {
            token.recovering = false;
            self.raised_flag = false;
        }
        self.quiet_visits = if token.recovering { 0 } else { self.quiet_visits + 1 };
        if self.quiet_visits == 2 {
            self.install_seq = token.seq;
        }
        let complete = self.quiet_visits >= 3 && self.install_seq <= token.aru;
        self.complete_visits = if complete { self.complete_visits + 1 } else { 0 };
        let hasty = env.mutated(Mutation::InstallEarly) && self.quiet_visits >= 1;
        if self.complete_visits == 2 || hasty { RecoveryStep::Install } else { RecoveryStep::Stay }
    }

    /// A join of a member that has moved on from this attempt (spec 70 §5.3).
    pub(crate) fn heeds(&self, join: &Join) -> bool {
        self.rotation.is_member(join.originator)
            && join.ring_sequence >= self.rotation.ring.sequence
    }
}
