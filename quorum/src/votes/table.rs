//! The nodes ever seen.

use std::collections::BTreeMap;

use crate::id::NodeId;
use crate::wire::DeviceFlags;

/// Where a node stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NodeState {
    /// In the present ring.
    Member,
    /// Seen once, not in the ring.
    Dead,
    /// In the ring, but about to exit in order; its votes do not count.
    Leaving,
}

impl NodeState {
    /// Number in notifications: 1, 2, 3.
    #[must_use]
    pub fn number(self) -> u32 {
        match self {
            NodeState::Member => 1,
            NodeState::Dead => 2,
            NodeState::Leaving => 3,
        }
    }
}

/// What is known of a node.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct NodeRecord {
    /// Where it stands.
    pub state: NodeState,
    /// Its votes.
    pub votes: u32,
    /// Its device, as last announced.
    pub device: DeviceFlags,
    /// Its device's information.
    pub extra_info: Vec<u8>,
    /// Fingerprint of its settings.
    pub(crate) digest: u32,
}

/// All nodes ever seen, by id.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct NodeTable(BTreeMap<NodeId, NodeRecord>);

/// Most nodes remembered; beyond it a dead one is forgotten for each new one.
const MOST: usize = 4096;

impl NodeTable {
    /// The record of a node.
    #[must_use]
    pub fn get(&self, id: NodeId) -> Option<&NodeRecord> {
        self.0.get(&id)
    }

    pub(super) fn get_mut(&mut self, id: NodeId) -> Option<&mut NodeRecord> {
        self.0.get_mut(&id)
    }

    /// All nodes by ascending id.
    pub fn iter(&self) -> impl Iterator<Item = (NodeId, &NodeRecord)> {
        self.0.iter().map(|(id, record)| (*id, record))
    }

    /// Those in the present ring whose votes count.
    pub fn members(&self) -> impl Iterator<Item = (NodeId, &NodeRecord)> {
        self.iter().filter(|(_, record)| record.state == NodeState::Member)
    }

    pub(super) fn insert(&mut self, id: NodeId, record: NodeRecord) {
        if self.0.len() >= MOST && !self.0.contains_key(&id) {
            let dead = self.iter().find(|(_, r)| r.state == NodeState::Dead).map(|(id, _)| id);
            if let Some(dead) = dead {
                self.0.remove(&dead);
            }
        }
        self.0.insert(id, record);
    }

    pub(super) fn mark_dead_except(&mut self, members: &[NodeId]) {
        for (id, record) in &mut self.0 {
            if members.binary_search(id).is_err() {
                record.state = NodeState::Dead;
                record.device = DeviceFlags::default();
                record.extra_info.clear();
            }
        }
    }
}
