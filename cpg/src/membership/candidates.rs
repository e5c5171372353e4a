//! The sets from which the next ring is formed, and what a join does to them (spec 70 §5.4).

use crate::identity::NodeId;
use crate::wire::Join;
use std::collections::BTreeSet;

/// Whom this node considers for the next ring and whom it excludes. Both sets only grow until a
/// ring is installed, which is what makes the nodes' views converge.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Candidates {
    pub consider: BTreeSet<NodeId>,
    pub exclude: BTreeSet<NodeId>,
}

/// What a join changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum JoinEffect {
    /// It says exactly what this node says.
    Agrees,
    /// Its sender knows less than this node.
    Behind,
    /// Its sender is excluded.
    Ignored,
    /// The sets grew: everyone must hear of it.
    Grew,
}

impl Candidates {
    pub(crate) fn of_ring(members: &[NodeId]) -> Candidates {
        Candidates { consider: members.iter().copied().collect(), exclude: BTreeSet::new() }
    }

    /// The members the next ring would have.
    pub(crate) fn members(&self) -> Vec<NodeId> {
        self.consider.difference(&self.exclude).copied().collect()
    }

    /// Takes in what `join` says. `ring_mates` are the members of the last installed ring.
    pub(crate) fn learn(&mut self, join: &Join, me: NodeId, ring_mates: &[NodeId]) -> JoinEffect {
        if join.proc == self.consider && join.fail == self.exclude {
            return JoinEffect::Agrees;
        }
        if join.proc.is_subset(&self.consider) && join.fail.is_subset(&self.exclude) {
            return JoinEffect::Behind;
        }
        if self.exclude.contains(&join.originator) {
            return JoinEffect::Ignored;
        }
        let before = (self.consider.len(), self.exclude.len());
        self.consider.extend(&join.proc);
        if join.fail.contains(&me) {
            self.exclude.insert(join.originator); // it excludes me, so I exclude it
        } else {
            let mate = ring_mates.contains(&join.originator);
            // Ring mates are trusted about everyone, others about nodes outside of my ring.
            let trusted = join.fail.iter().filter(|node| mate || !ring_mates.contains(node));
            self.exclude.extend(trusted.filter(|node| **node != me));
        }
        if (self.consider.len(), self.exclude.len()) == before {
            JoinEffect::Ignored
        } else {
            JoinEffect::Grew
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(ids: &[u32]) -> BTreeSet<NodeId> {
        ids.iter().map(|id| NodeId::new(*id).unwrap()).collect()
    }

    fn join(from: u32, proc: &[u32], fail: &[u32]) -> Join {
        Join {
            originator: NodeId::new(from).unwrap(),
            proc: set(proc),
            fail: set(fail),
            ring_sequence: 0,
            highest_sequence: 0,
            leave: false,
            configuration: 0,
        }
    }

    #[test]
    fn joins_follow_the_order_of_the_rules() {
        use JoinEffect::*;
        let me = NodeId::new(1).unwrap();
        let mates: Vec<NodeId> = set(&[1, 2, 3]).into_iter().collect();
        #[rustfmt::skip]
        let cases = [
            // my sets              the join                    effect   sets afterwards
            ((&[1, 2][..], &[][..]), join(2, &[1, 2], &[]),     Agrees,  (&[1, 2][..], &[][..])),
            ((&[1, 2, 3], &[3]),     join(2, &[1, 2], &[]),     Behind,  (&[1, 2, 3], &[3])),
            ((&[1, 2, 3], &[3]),     join(3, &[1, 2, 3, 4], &[]), Ignored, (&[1, 2, 3], &[3])),
            ((&[1, 2, 3], &[]),      join(2, &[1, 2, 3], &[3]), Grew,    (&[1, 2, 3], &[3])),
            ((&[1, 2, 3], &[]),      join(2, &[1, 2, 3], &[1]), Grew,    (&[1, 2, 3], &[2])),
            ((&[1, 2, 3], &[]),      join(7, &[1, 7, 8], &[2, 8]), Grew, (&[1, 2, 3, 7, 8], &[8])),
        ];
        for ((consider, exclude), join, effect, (after, excluded)) in cases {
            let mut mine = Candidates { consider: set(consider), exclude: set(exclude) };
            assert_eq!(mine.learn(&join, me, &mates), effect, "{join:?}");
            assert_eq!((mine.consider, mine.exclude), (set(after), set(excluded)), "{join:?}");
        }
    }
}
