//! Who re-originates which old-ring packet: each missing packet has one holder responsible for it,
//! the lowest node that lists it (spec 70 §19, W9).

use super::OldRing;
use crate::identity::NodeId;
use crate::wire::{CommitEntry, CommitToken};

/// One node that comes from the same old ring.
#[derive(Debug, Clone)]
pub(crate) struct Survivor {
    pub node: NodeId,
    pub entry: CommitEntry,
}

impl Survivor {
    /// The node is known to hold `seq`.
    fn holds(&self, seq: u64) -> bool {
        seq <= self.entry.aru
            || self.entry.held.iter().any(|range| range.first <= seq && seq <= range.last)
    }
}

/// What this node has to do in recovery.
#[derive(Debug)]
pub(crate) struct RecoveryPlan {
    /// The nodes that come along from the old ring, ascending.
    pub survivors: Vec<Survivor>,
    /// Old-ring sequence numbers this node re-originates, ascending.
    pub mine: Vec<u64>,
    /// Messages up to here may be delivered in the old regular configuration even if safe.
    pub safe_bound: u64,
}

impl RecoveryPlan {
    pub(crate) fn new(old: &OldRing, token: &CommitToken, me: NodeId) -> RecoveryPlan {
        let survivors: Vec<Survivor> = token
            .members
            .iter()
            .filter(|(node, _)| old.members.contains(node))
            .filter_map(|(node, entry)| {
                let entry = entry.clone().filter(|entry| entry.old_ring == old.id)?;
                Some(Survivor { node: *node, entry })
            })
            .collect();
        let safe_bound = survivors.iter().map(|s| s.entry.delivered).max().unwrap_or(0);
        let low = survivors.iter().map(|s| s.entry.aru).min().unwrap_or(old.window.high());
        // Nobody lacks what was released, whatever they say.
        let low = low.max(old.window.released());
        let mine = (low + 1..=old.window.high())
            .filter(|seq| old.window.get(*seq).is_some())
            .filter(|seq| survivors.iter().any(|survivor| !survivor.holds(*seq)))
            .filter(|seq| !survivors.iter().any(|s| s.node < me && s.holds(*seq)))
            .collect();
        RecoveryPlan { survivors, mine, safe_bound }
    }

    pub(crate) fn survived(&self, node: NodeId) -> bool {
        self.survivors.iter().any(|survivor| survivor.node == node)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::{Incarnation, RingId};
    use crate::wire::{Body, Data, Guarantee};

    fn n(id: u32) -> NodeId {
        NodeId::new(id).unwrap()
    }

    fn ring(sequence: u64) -> RingId {
        RingId { sequence, representative: n(1), incarnation: Incarnation(0) }
    }

    fn holding(seqs: &[u64]) -> OldRing {
        let mut old = OldRing::none(ring(5));
        old.members = vec![n(1), n(2), n(3)];
        for seq in seqs {
            let body = Body::Chunks(Default::default());
            old.window.insert(Data::new(ring(5), *seq, n(3), Guarantee::Agreed, false, body));
        }
        old
    }

    #[test]
    fn each_missing_packet_has_one_holder_and_strangers_do_not_count() {
        let rings = [holding(&[1, 2, 4]), holding(&[1, 2, 3, 4, 6])];
        let entry = |old: &OldRing| Some(old.entry());
        let stranger = OldRing { id: ring(99), ..holding(&[]) };
        let token = CommitToken {
            ring: ring(9),
            hop: 0,
            members: vec![
                (n(1), entry(&rings[0])),
                (n(2), entry(&rings[1])),
                (n(3), entry(&stranger)),
            ],
        };
        let plan = RecoveryPlan::new(&rings[0], &token, n(1));
        assert_eq!(plan.mine, [] as [u64; 0], "2 lacks nothing that 1 holds");
        let plan = RecoveryPlan::new(&rings[1], &token, n(2));
        assert_eq!(plan.mine, [3, 6]);
        assert!(plan.survived(n(1)) && !plan.survived(n(3)));
    }
}
