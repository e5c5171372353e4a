//! Commit: the token that collects what recovery needs goes around (spec 70 §5.6).

use super::{Candidates, Gather};
use crate::environment::Environment;
use crate::identity::{NodeId, RingId};
use crate::mutation::Mutation;
use crate::recovery::OldRing;
use crate::ring::Custody;
use crate::time::Time;
use crate::wire::{CommitToken, Join, Packet};

#[derive(Debug)]
pub(crate) struct Commit {
    pub old: OldRing,
    pub candidates: Candidates,
    pub ring: RingId,
    pub members: Vec<NodeId>,
    pub custody: Custody,
}

impl Commit {
    /// As the lowest node of an agreed membership: names the new ring and starts its commit token.
    pub(crate) fn form(env: &mut Environment, gather: Gather, now: Time) -> Commit {
        let step = if env.mutated(Mutation::ReuseRingSequence) { 0 } else { 4 };
        let ring = RingId {
            sequence: env.highest + step,
            representative: env.me,
            incarnation: env.incarnation,
        };
        let members = gather.candidates.members();
        let members = members.into_iter().map(|node| (node, None)).collect();
        Commit::adopt(env, gather, CommitToken { ring, hop: 0, members }, now)
    }

    /// Fills in this node's entry, makes the ring id durable, passes the commit token on.
    pub(crate) fn adopt(
        env: &mut Environment,
        gather: Gather,
        mut token: CommitToken,
        now: Time,
    ) -> Commit {
        env.statistics.commit_entered += 1;
        let Gather { old, candidates, .. } = gather;
        for (node, entry) in &mut token.members {
            if *node == env.me {
                *entry = Some(old.entry());
            }
        }
        token.hop += 1;
        let ring = token.ring;
        let members: Vec<NodeId> = token.nodes().collect();
        env.adopt(ring);
        let mut custody = Custody::new(env, now);
        custody.pass_commit(env, &members, token, now);
        Commit { old, candidates, ring, members, custody }
    }

    /// The complete token of this ring: its second rotation began, recovery may start.
    pub(crate) fn accepts(&self, token: &CommitToken) -> bool {
        token.ring == self.ring && token.is_complete()
    }

    /// A join of a member that has moved on from this attempt (spec 70 §5.3).
    pub(crate) fn heeds(&self, join: &Join) -> bool {
        self.members.contains(&join.originator) && join.ring_sequence >= self.ring.sequence
    }
}

impl Custody {
    pub(crate) fn pass_commit(
        &mut self,
        env: &mut Environment,
        members: &[NodeId],
        token: CommitToken,
        now: Time,
    ) {
        env.statistics.memb_commit_token_tx += 1;
        let at = members.binary_search(&env.me).unwrap_or(0);
        let successor = members[(at + 1) % members.len()];
        let saved = env.unicast(successor, Packet::Commit(token));
        self.passed(env, now, successor, saved, false);
    }
}
