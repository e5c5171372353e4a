//! Which of the managers are known to have the same CIB.
//!
//! A ring with quorum begins with replicas of different histories, until a join has had one of them sent to all.
//! A change that is ordered before that is applied by each to what it has, and may be undone by what is sent.
//! So a client is told of success only where all are of one mind, and only then does a replica count as the
//! cluster's. Views of the group and what is sent to all have their places in the order of changes, so all
//! managers draw the same conclusions.

use std::collections::BTreeSet;

use crate::subsystem::{GroupView, Membership, NodeId};

/// What a manager knows of the others.
#[derive(Default)]
pub(super) struct Unity {
    ring: u64,
    members: Vec<NodeId>,
    quorate: bool,
    /// The verdict is that of the present ring.
    settled: bool,
    /// Nodes whose managers are in the group.
    group: BTreeSet<NodeId>,
    /// Those that have had the same CIB as this one since the last was sent to all.
    united: BTreeSet<NodeId>,
}

impl Unity {
    /// The ring's sequence number; that of the last one while the verdict on a new one is not there.
    pub(super) fn ring(&self) -> u64 {
        self.ring
    }

    /// Nodes whose managers are in the group.
    pub(super) fn group(&self) -> &BTreeSet<NodeId> {
        &self.group
    }

    pub(super) fn take_ring(&mut self, membership: &Membership) {
        self.settled = membership.settled;
        if membership.settled {
            self.ring = membership.sequence;
            self.members.clone_from(&membership.members);
            self.quorate = membership.quorate;
        }
    }

    /// Whoever has left is another when it comes again.
    pub(super) fn take_view(&mut self, view: &GroupView) {
        self.group = view.members.iter().copied().collect();
        let group = &self.group;
        self.united.retain(|node| group.contains(node) && !view.left.contains(node));
    }

    /// A CIB was sent to all, and these have it.
    pub(super) fn unite(&mut self, nodes: BTreeSet<NodeId>) {
        self.united = nodes;
    }

    /// Whether all of the ring have the same CIB.
    pub(super) fn is_whole(&self) -> bool {
        let has = |node: &NodeId| self.united.contains(node);
        self.settled && self.members.iter().all(has) && self.group.iter().all(has)
    }

    /// Whether the ring is one with quorum.
    pub(super) fn is_quorate(&self) -> bool {
        self.settled && self.quorate
    }

    /// Whether the ring is one without quorum.
    pub(super) fn is_minority(&self) -> bool {
        self.settled && !self.quorate
    }

    /// Whether a change that is applied here may yet be undone by a join, though a quorum has made it.
    pub(super) fn is_open(&self) -> bool {
        (self.quorate || !self.settled) && !self.members.is_empty() && !self.is_whole()
    }
}

#[cfg(test)]
mod tests {
    use super::Unity;
    use crate::subsystem::{GroupView, Membership, NodeId, Room};

    fn ids(numbers: &[u32]) -> Vec<NodeId> {
        numbers.iter().filter_map(|number| NodeId::new(*number)).collect()
    }

    fn ring(members: &[u32], quorate: bool) -> Membership {
        Membership {
            sequence: 7,
            members: ids(members),
            quorate,
            settled: true,
            configured: Vec::new(),
        }
    }

    fn view(members: &[u32], left: &[u32]) -> GroupView {
        GroupView { room: Room::Cib, members: ids(members), joined: Vec::new(), left: ids(left) }
    }

    #[test]
    fn a_ring_is_whole_once_all_in_it_have_what_was_sent_to_all() {
        let mut unity = Unity::default();
        assert!(!unity.is_open(), "without a cluster there is no join");
        unity.take_ring(&ring(&[1, 2], true));
        unity.take_view(&view(&[1, 2], &[]));
        assert!(unity.is_open());
        unity.unite(ids(&[1]).into_iter().collect());
        assert!(unity.is_open());
        unity.unite(ids(&[1, 2]).into_iter().collect());
        assert!(unity.is_whole());
        unity.take_ring(&ring(&[1, 2, 3], true));
        assert!(unity.is_open(), "one has come");
        unity.take_ring(&ring(&[1, 2], true));
        unity.take_view(&view(&[1, 2], &[3]));
        assert!(unity.is_whole(), "and is gone");
        unity.take_view(&view(&[1, 2], &[2]));
        assert!(unity.is_open(), "who left and came again is another");
        unity.take_ring(&ring(&[1, 2], false));
        assert!(!unity.is_open(), "a minority answers for itself");
    }
}
