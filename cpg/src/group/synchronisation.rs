//! One exchange after each membership change makes all tables equal again (spec 70 §8, §14.4, with
//! one barrier instead of one per service: §19, W4). All its state is keyed by the ring (W11).

use super::{GroupName, ProcessId};
use crate::identity::{NodeId, RingId};
use std::collections::{BTreeMap, BTreeSet};

/// The members one node reported.
pub(super) type JoinList = Vec<(ProcessId, GroupName)>;

#[derive(Debug, Default)]
pub(super) struct Synchronisation {
    ring: Option<RingId>,
    members: Vec<NodeId>,
    lists: BTreeMap<NodeId, JoinList>,
    /// Nodes that left since the last completed synchronisation.
    downs: BTreeSet<NodeId>,
}

/// A completed synchronisation.
#[derive(Debug)]
pub(super) struct Activation {
    pub ring: RingId,
    pub members: Vec<NodeId>,
    pub lists: BTreeMap<NodeId, JoinList>,
    pub downs: BTreeSet<NodeId>,
}

impl Synchronisation {
    /// Nodes left; they stay on record until a synchronisation completes, even if they return.
    /// A round in progress ends here: what of it is still delivered belongs to the ring that ended.
    pub(super) fn abort(&mut self, left: &[NodeId]) {
        self.downs.extend(left);
        self.ring = None;
    }

    /// A ring was installed: whatever an earlier round collected is void.
    pub(super) fn begin(&mut self, ring: RingId, members: Vec<NodeId>, keep_lists: bool) {
        if !keep_lists {
            self.lists.clear();
        }
        self.ring = Some(ring);
        self.members = members;
    }

    /// Takes a join list; completes when every member of the ring sent one.
    pub(super) fn receive(
        &mut self,
        from: NodeId,
        ring: RingId,
        list: JoinList,
    ) -> Option<Activation> {
        if self.ring != Some(ring) || self.members.binary_search(&from).is_err() {
            return None;
        }
        self.lists.insert(from, list);
        if !self.members.iter().all(|member| self.lists.contains_key(member)) {
            return None;
        }
        self.ring = None;
        Some(Activation {
            ring,
            members: std::mem::take(&mut self.members),
            lists: std::mem::take(&mut self.lists),
            downs: std::mem::take(&mut self.downs),
        })
    }
}
