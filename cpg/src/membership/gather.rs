//! Gather: nodes exchange joins until those that talk say the same (spec 70 §5.2, §5.5).

use super::{Candidates, JoinEffect, Reason};
use crate::environment::Environment;
use crate::identity::NodeId;
use crate::recovery::OldRing;
use crate::time::{Time, earliest};
use crate::wire::{CommitToken, Join, Packet};
use std::collections::BTreeSet;

#[derive(Debug)]
pub(crate) struct Gather {
    pub old: OldRing,
    pub candidates: Candidates,
    agreed: BTreeSet<NodeId>,
    resend: Time,
    consensus: Time,
    answered: Time,
}

/// What to do after an input.
#[derive(Debug)]
pub(crate) enum GatherStep {
    Stay,
    /// Start over with the sets as they are.
    Again(Reason),
    /// All agree and this node is the lowest: it forms the ring.
    Form,
    /// A matching commit token arrived.
    Commit(CommitToken),
}

impl Gather {
    pub(crate) fn enter(
        env: &mut Environment,
        old: OldRing,
        mut candidates: Candidates,
        reason: Reason,
        now: Time,
    ) -> Gather {
        log::debug!("entering GATHER state from {}({}).", reason as u8, reason.text());
        env.statistics.gather_entered += 1;
        if reason == Reason::ConsensusExpired {
            env.statistics.continuous_gather += 1;
        }
        if reason.is_failed_attempt() {
            env.attempt_failed();
        }
        candidates.consider.insert(env.me);
        candidates.exclude.remove(&env.me);
        let silent = env.silent.iter().filter(|node| candidates.consider.contains(node));
        let silent: Vec<NodeId> = silent.copied().collect();
        candidates.exclude.extend(silent);
        let timing = env.configuration.timing;
        let gather = Gather {
            old,
            candidates,
            agreed: [env.me].into(),
            resend: now + timing.join,
            consensus: now + timing.consensus,
            answered: now,
        };
        gather.send_join(env, false);
        gather
    }

    /// States this node's sets to everyone it considers.
    pub(crate) fn send_join(&self, env: &mut Environment, leave: bool) {
        let join = Join {
            originator: env.me,
            proc: self.candidates.consider.clone(),
            fail: self.candidates.exclude.clone(),
            ring_sequence: env.adopted,
            highest_sequence: env.highest,
            leave,
            configuration: env.configuration.digest,
        };
        env.statistics.memb_join_tx += 1;
        let to = env.others(self.candidates.consider.iter().copied());
        env.multicast(&to, Packet::Join(join).encode());
    }

    /// Everyone who is to be a member said exactly what this node says.
    pub(crate) fn is_agreed(&self) -> bool {
        self.candidates.members().iter().all(|node| self.agreed.contains(node))
    }

    /// The step that follows when agreement is complete.
    pub(crate) fn settle(&self, env: &Environment) -> GatherStep {
        if self.is_agreed() && self.candidates.members().first() == Some(&env.me) {
            GatherStep::Form
        } else {
            GatherStep::Stay
        }
    }

    /// Whether a join concerns the ring being formed: from a ring mate or someone considered
    /// already, or from a reachable node that wants this node and excludes nobody of ours.
    fn heeds(&self, env: &Environment, join: &Join) -> bool {
        let from = join.originator;
        let wants_us = join.proc.contains(&env.me)
            && env.reachable.contains(&from)
            && self.candidates.members().iter().all(|node| !join.fail.contains(node));
        self.old.members.contains(&from) || self.candidates.consider.contains(&from) || wants_us
    }

    /// Whether a join states this node's own sets.
    pub(crate) fn says_the_same(&self, join: &Join) -> bool {
        join.proc == self.candidates.consider && join.fail == self.candidates.exclude
    }

    pub(crate) fn on_join(&mut self, env: &mut Environment, join: &Join, now: Time) -> GatherStep {
        if !self.heeds(env, join) {
            return GatherStep::Stay;
        }
        match self.candidates.learn(join, env.me, &self.old.members) {
            JoinEffect::Agrees => {
                if !join.leave {
                    self.agreed.insert(join.originator);
                }
                self.settle(env)
            }
            JoinEffect::Behind => {
                if now.since(self.answered) * 5 >= env.configuration.timing.join {
                    self.answered = now;
                    self.send_join(env, false);
                }
                GatherStep::Stay
            }
            JoinEffect::Ignored => GatherStep::Stay,
            JoinEffect::Grew => GatherStep::Again(Reason::MergeDuringJoin),
        }
    }

    pub(crate) fn on_commit_token(&mut self, env: &Environment, token: CommitToken) -> GatherStep {
        let matching = token.nodes().eq(self.candidates.members());
        if matching && token.ring.sequence > env.adopted && !token.is_complete() {
            GatherStep::Commit(token)
        } else {
            GatherStep::Stay
        }
    }

    /// The transport hears nothing of a node: it is excluded without waiting for consensus.
    pub(crate) fn on_silence(&mut self, node: NodeId) -> GatherStep {
        let concerned = self.candidates.consider.contains(&node);
        if concerned && self.candidates.exclude.insert(node) {
            GatherStep::Again(Reason::ConsensusTimeout)
        } else {
            GatherStep::Stay
        }
    }

    pub(crate) fn on_timeout(&mut self, env: &mut Environment, now: Time) -> GatherStep {
        if self.consensus <= now {
            env.statistics.consensus_timeouts += 1;
            if self.is_agreed() {
                // Agreed, yet the representative sent no commit token.
                return GatherStep::Again(Reason::ConsensusExpired);
            }
            let silent: Vec<NodeId> = self
                .candidates
                .members()
                .into_iter()
                .filter(|node| !self.agreed.contains(node))
                .collect();
            self.candidates.exclude.extend(silent);
            return GatherStep::Again(Reason::ConsensusTimeout);
        }
        if self.resend <= now {
            self.resend = now + env.configuration.timing.join;
            self.send_join(env, false);
        }
        GatherStep::Stay
    }

    pub(crate) fn timeout(&self) -> Option<Time> {
        earliest(Some(self.resend), Some(self.consensus))
    }
}
