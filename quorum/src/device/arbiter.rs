//! The arbiter's decision: which partition gets the device's votes (spec 71 §9.5).
//!
//! The arbiter decides only once every connected node of a partition has reported the same ring. A
//! partition that loses the votes is told first; the winner hears yes only when all losers have
//! confirmed, so at no time two partitions count them.

use std::collections::{BTreeMap, BTreeSet};

use crate::id::{NodeId, RingId};
use crate::mutation::{self, Mutation};
use crate::options::TieBreaker;

/// How the arbiter chooses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// Exactly one partition of at least half the nodes gets the votes.
    FiftyFifty,
    /// The largest partition gets them, down to a single node.
    LastManStanding,
}

/// Result of a node's own checks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Heuristics {
    /// None are configured.
    Disabled,
    /// All passed.
    Pass,
    /// One failed.
    Fail,
}

/// What a node reports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sighting {
    /// Its ring.
    pub ring: RingId,
    /// The members of it.
    pub members: Vec<NodeId>,
    /// Its own checks.
    pub heuristics: Heuristics,
}

/// The arbiter's word to one node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The ring it is about.
    pub ring: RingId,
    /// Whether the votes count there.
    pub cast: bool,
}

#[derive(Clone, Debug)]
struct Client {
    sighting: Sighting,
    /// The votes may count at this node: it was told yes and has not confirmed a no since.
    holds: bool,
    answer: Option<Answer>,
}

/// Arbiter of one cluster.
#[derive(Clone, Debug)]
pub struct Arbiter {
    algorithm: Algorithm,
    tie_breaker: TieBreaker,
    nodes: BTreeSet<NodeId>,
    clients: BTreeMap<NodeId, Client>,
    winner: Option<RingId>,
}

impl Arbiter {
    /// An arbiter for the configured nodes.
    #[must_use]
    pub fn new(
        algorithm: Algorithm,
        tie_breaker: TieBreaker,
        nodes: impl IntoIterator<Item = NodeId>,
    ) -> Self {
        let nodes = nodes.into_iter().collect();
        Self { algorithm, tie_breaker, nodes, clients: BTreeMap::new(), winner: None }
    }

    /// A node reports its ring. Nodes that are not configured are ignored.
    pub fn report(&mut self, node: NodeId, sighting: Sighting) {
        if !self.nodes.contains(&node) {
            return;
        }
        let holds = self.clients.get(&node).is_some_and(|client| client.holds);
        self.clients.insert(node, Client { sighting, holds, answer: None });
        self.decide();
    }

    /// A node is gone: its connection broke and its device's timeout has passed since, so that it
    /// counts the votes no longer.
    pub fn disconnected(&mut self, node: NodeId) {
        self.clients.remove(&node);
        self.decide();
    }

    /// A node confirms that it no longer counts the votes.
    pub fn confirm(&mut self, node: NodeId, ring: RingId) {
        if let Some(client) = self.clients.get_mut(&node)
            && client.sighting.ring == ring
        {
            client.holds = false;
        }
        self.grant();
    }

    /// The next word to a node, once.
    pub fn answer(&mut self, node: NodeId) -> Option<Answer> {
        self.clients.get_mut(&node)?.answer.take()
    }

    fn partitions(&self) -> BTreeMap<RingId, Vec<NodeId>> {
        let mut partitions: BTreeMap<RingId, Vec<NodeId>> = BTreeMap::new();
        for (node, client) in &self.clients {
            partitions.entry(client.sighting.ring).or_default().push(*node);
        }
        partitions
    }

    /// Every connected node that a partition counts as its member has reported that ring.
    fn stable(&self, partitions: &BTreeMap<RingId, Vec<NodeId>>) -> bool {
        partitions.iter().all(|(ring, nodes)| {
            nodes.iter().all(|node| {
                let members = &self.clients[node].sighting.members;
                let connected = members.iter().filter_map(|member| self.clients.get(member));
                connected.into_iter().all(|client| client.sighting.ring == *ring)
            })
        })
    }

    fn decide(&mut self) {
        let partitions = self.partitions();
        if !self.stable(&partitions) {
            return;
        }
        self.winner = self.choose(&partitions);
        let winner = self.winner;
        for client in self.clients.values_mut() {
            let ring = client.sighting.ring;
            if Some(ring) != winner {
                client.answer = Some(Answer { ring, cast: false });
            }
        }
        self.grant();
    }

    /// Tells the winner once nobody else may count the votes.
    fn grant(&mut self) {
        let Some(winner) = self.winner else { return };
        let elsewhere = |client: &Client| client.holds && client.sighting.ring != winner;
        let unconfirmed = self.clients.values().any(elsewhere);
        if unconfirmed && !mutation::planted(Mutation::GrantUnconfirmed) {
            return;
        }
        for client in self.clients.values_mut().filter(|c| c.sighting.ring == winner) {
            client.holds = true;
            client.answer = Some(Answer { ring: winner, cast: true });
        }
    }

    fn choose(&self, partitions: &BTreeMap<RingId, Vec<NodeId>>) -> Option<RingId> {
        let all: Vec<_> = self.nodes.iter().copied().collect();
        let candidates = partitions.iter().filter(|(_, nodes)| match self.algorithm {
            Algorithm::FiftyFifty => self.size(nodes) * 2 >= self.nodes.len(),
            Algorithm::LastManStanding => true,
        });
        let rank = |nodes: &[NodeId]| {
            let members = self.members(nodes);
            (
                self.size(nodes),
                self.score(nodes),
                nodes.len(),
                self.tie_breaker.favours(members, &all),
            )
        };
        candidates.max_by_key(|(_, nodes)| rank(nodes)).map(|(ring, _)| *ring)
    }

    fn members(&self, nodes: &[NodeId]) -> &[NodeId] {
        nodes.first().map_or(&[], |node| &self.clients[node].sighting.members)
    }

    fn size(&self, nodes: &[NodeId]) -> usize {
        self.members(nodes).len()
    }

    fn score(&self, nodes: &[NodeId]) -> i64 {
        let of = |node: &NodeId| match self.clients[node].sighting.heuristics {
            Heuristics::Disabled => 1,
            Heuristics::Pass => 2,
            Heuristics::Fail => 0,
        };
        nodes.iter().map(of).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(ids: &[u32]) -> Vec<NodeId> {
        ids.iter().copied().filter_map(NodeId::new).collect()
    }

    fn ring(representative: u32, sequence: u64) -> RingId {
        RingId { sequence, representative: NodeId::new(representative).unwrap() }
    }

    fn report(arbiter: &mut Arbiter, members: &[u32], sequence: u64) {
        for node in ids(members) {
            let ring = ring(members[0], sequence);
            let sighting =
                Sighting { ring, members: ids(members), heuristics: Heuristics::Disabled };
            arbiter.report(node, sighting);
        }
    }

    fn says(arbiter: &mut Arbiter, node: u32) -> Option<bool> {
        arbiter.answer(NodeId::new(node).unwrap()).map(|answer| answer.cast)
    }

    #[test]
    fn the_winner_of_a_split_hears_yes_only_after_the_loser_confirmed() {
        let mut arbiter = Arbiter::new(Algorithm::FiftyFifty, TieBreaker::Lowest, ids(&[1, 2]));
        report(&mut arbiter, &[1, 2], 4);
        assert_eq!((says(&mut arbiter, 1), says(&mut arbiter, 2)), (Some(true), Some(true)));
        report(&mut arbiter, &[1], 8);
        assert_eq!((says(&mut arbiter, 1), says(&mut arbiter, 2)), (None, None), "not stable");
        report(&mut arbiter, &[2], 8);
        assert_eq!((says(&mut arbiter, 1), says(&mut arbiter, 2)), (None, Some(false)));
        arbiter.confirm(NodeId::new(2).unwrap(), ring(2, 8));
        assert_eq!(says(&mut arbiter, 1), Some(true));
    }

    #[test]
    fn less_than_half_gets_the_votes_only_with_last_man_standing() {
        for (algorithm, expected) in
            [(Algorithm::FiftyFifty, false), (Algorithm::LastManStanding, true)]
        {
            let mut arbiter = Arbiter::new(algorithm, TieBreaker::Lowest, ids(&[1, 2, 3]));
            report(&mut arbiter, &[3], 4);
            assert_eq!(says(&mut arbiter, 3), Some(expected), "{algorithm:?}");
        }
    }
}
