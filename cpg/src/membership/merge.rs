//! When two rings become one: only after every pair of their members is proven reachable both
//! ways, so that a node with one-way or missing links never tears a healthy ring (spec 70 §19, W3).
//!
//! Each node knows from the transport whom it reaches both ways. The token collects, rotation by
//! rotation, the outside nodes that every member vouches for; the representative reads the result
//! and starts the merge with rings all of whose members are vouched for. Nodes that flap are not
//! vouched for during a penalty that doubles.

use crate::environment::Environment;
use crate::identity::{NodeId, RingId};
use crate::ring::Rotation;
use crate::time::Time;
use std::collections::BTreeSet;

/// A ring outside of ours, as one of its members announced it.
#[derive(Debug, Clone)]
pub(crate) struct Sighting {
    pub ring: RingId,
    pub members: Vec<NodeId>,
    pub vouched: Vec<NodeId>,
    pub at: Time,
}

/// How often a node came and went.
#[derive(Debug, Clone, Default)]
pub(crate) struct Flapping {
    step: u32,
    until: Time,
    /// When it was last merged, or a merge with it was last tried.
    tried: Time,
}

/// Longest penalty, as a power of two of the consensus time-out.
const LONGEST_PENALTY: u32 = 3;

impl Flapping {
    pub(crate) fn is_penalised(&self, now: Time) -> bool {
        now < self.until
    }
}

/// The representative's view of possible merges.
#[derive(Debug, Default)]
pub(crate) struct MergeWatch {
    /// Outside nodes every member vouched for in the last rotation.
    pub unanimous: Vec<NodeId>,
    waiting: Option<Time>,
}

impl MergeWatch {
    /// The nodes to merge with now. The ring with the lowest representative starts; another waits
    /// ten merge periods for it before starting on its own.
    pub(crate) fn choose(
        &mut self,
        env: &mut Environment,
        rotation: &Rotation,
        now: Time,
    ) -> Option<BTreeSet<NodeId>> {
        if env.sightings.is_empty() || self.unanimous.is_empty() {
            self.waiting = None;
            return None;
        }
        let merge = env.configuration.timing.merge;
        env.sightings.retain(|_, sighting| now.since(sighting.at) < merge * 4);
        let mut rings: Vec<&Sighting> =
            env.sightings.values().filter(|ring| self.is_open(env, rotation, ring)).collect();
        rings.sort_by_key(|ring| (std::cmp::Reverse(ring.members.len()), ring.ring));
        let mut chosen: Vec<&Sighting> = Vec::new();
        for ring in rings {
            let fits = chosen.iter().all(|other| {
                let knows = |a: &Sighting, b: &Sighting| {
                    b.members.iter().all(|node| a.vouched.contains(node))
                };
                other.ring == ring.ring || knows(other, ring) || knows(ring, other)
            });
            if fits {
                chosen.push(ring);
            }
        }
        let lowest = chosen.iter().map(|ring| ring.ring.representative).min()?;
        let since = *self.waiting.get_or_insert(now);
        if lowest < env.me && now.since(since) < merge * 10 {
            return None;
        }
        let nodes: BTreeSet<NodeId> =
            chosen.iter().flat_map(|ring| ring.members.iter().copied()).collect();
        for node in &nodes {
            env.flapping.entry(*node).or_default().tried = now;
        }
        Some(nodes)
    }

    /// Whether every pair of our members and that ring's is proven.
    fn is_open(&self, env: &Environment, rotation: &Rotation, ring: &Sighting) -> bool {
        ring.members.iter().all(|node| {
            !rotation.is_member(*node)
                && self.unanimous.contains(node)
                && env.reachable.contains(node)
        })
    }
}

impl Environment {
    /// Counts nodes that left soon after they came, and merges that failed.
    pub(crate) fn judge_stability(
        &mut self,
        old_members: &[NodeId],
        new_members: &[NodeId],
        now: Time,
    ) {
        let consensus = self.configuration.timing.consensus;
        let absent: Vec<NodeId> =
            self.flapping.keys().filter(|node| !new_members.contains(node)).copied().collect();
        for node in absent {
            let Some(flapping) = self.flapping.get_mut(&node) else { continue };
            let recent = now.since(flapping.tried) < consensus * 4;
            let concerned = old_members.contains(&node) || recent;
            if concerned && recent && flapping.tried > Time::ZERO {
                flapping.until = now + consensus * (1 << flapping.step.min(LONGEST_PENALTY)) / 4;
                flapping.step = (flapping.step + 1).min(LONGEST_PENALTY);
                flapping.tried = Time::ZERO;
            } else if !recent {
                flapping.step = 0;
            }
        }
        for node in new_members {
            if *node != self.me && !old_members.contains(node) {
                self.flapping.entry(*node).or_default().tried = now;
            }
        }
    }
}
