//! The last installed ring, carried through the phases until the next one is installed.

use crate::identity::{NodeId, RingId};
use crate::ring::Window;
use crate::wire::{CommitEntry, Data, MAX_ENTRY_RANGES};

#[derive(Debug)]
pub(crate) struct OldRing {
    pub id: RingId,
    /// Ascending; empty before the first ring.
    pub members: Vec<NodeId>,
    pub window: Window,
    pub delivered: u64,
    pub safe_to: u64,
}

impl OldRing {
    /// The state of a node that was in no ring yet.
    pub(crate) fn none(id: RingId) -> OldRing {
        OldRing { id, members: Vec::new(), window: Window::default(), delivered: 0, safe_to: 0 }
    }

    /// A late packet of this ring, while the next one is being formed. Kept, not delivered.
    pub(crate) fn receive(&mut self, data: Data) -> bool {
        data.ring == self.id && self.members.contains(&data.originator) && self.window.insert(data)
    }

    /// What this node tells the others about its old ring.
    pub(crate) fn entry(&self) -> CommitEntry {
        let held = self.window.held(MAX_ENTRY_RANGES);
        let truncated = held.last().is_some_and(|range| range.last < self.window.high());
        let aru = self.window.aru();
        let delivered = self.delivered.max(self.safe_to.min(aru));
        CommitEntry { old_ring: self.id, aru, delivered, held, truncated }
    }
}
