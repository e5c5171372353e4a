//! Node tables: per resource, one entry per node it may consider (spec 20 §1.4).

use super::ids::NodeId;
use cib_model::Score;

/// How a resource may be probed on a node; ordered as constraints raise it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum ProbeMode {
    /// Probe everywhere.
    #[default]
    Always,
    /// Do not probe there.
    Never,
    /// Probe and run only where so marked.
    Exclusive,
}

/// One node's entry in a resource's table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// Score; saturating.
    pub score: Score,
    /// Discovery mode of this resource on this node.
    pub probe: ProbeMode,
    /// Instances of a collective placed here (spec 21 §4); promoted ones while choosing roles.
    pub count: u32,
}

/// A resource's scores by node: dense by [`NodeId`], so look-ups cost one index.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NodeTable {
    entries: Vec<Option<Entry>>,
}

impl NodeTable {
    /// The entry of a node, if the node is in the table.
    pub fn get(&self, node: NodeId) -> Option<&Entry> {
        self.entries.get(node.index()).and_then(Option::as_ref)
    }

    /// The entry of a node for changing it.
    pub fn get_mut(&mut self, node: NodeId) -> Option<&mut Entry> {
        self.entries.get_mut(node.index()).and_then(Option::as_mut)
    }

    /// Is the node in the table?
    pub fn contains(&self, node: NodeId) -> bool {
        self.get(node).is_some()
    }

    /// Puts an entry, replacing one that is there.
    pub fn insert(&mut self, node: NodeId, entry: Entry) {
        if self.entries.len() <= node.index() {
            self.entries.resize(node.index() + 1, None);
        }
        self.entries[node.index()] = Some(entry);
    }

    /// Takes a node out of the table.
    pub fn remove(&mut self, node: NodeId) {
        if let Some(slot) = self.entries.get_mut(node.index()) {
            *slot = None;
        }
    }

    /// Empties the table.
    pub fn clear(&mut self) {
        self.entries.clear();
    }

    /// Entries by node id (creation order of nodes, not node order).
    pub fn iter(&self) -> impl Iterator<Item = (NodeId, &Entry)> {
        self.entries
            .iter()
            .enumerate()
            .filter_map(|(i, e)| e.as_ref().map(|e| (NodeId::from(i), e)))
    }

    /// Entries by node id, for changing them.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (NodeId, &mut Entry)> {
        self.entries
            .iter_mut()
            .enumerate()
            .filter_map(|(i, e)| e.as_mut().map(|e| (NodeId::from(i), e)))
    }

    /// How many nodes are in the table.
    pub fn len(&self) -> usize {
        self.iter().count()
    }

    /// Is no node in the table?
    pub fn is_empty(&self) -> bool {
        self.entries.iter().all(Option::is_none)
    }
}
