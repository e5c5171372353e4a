//! Who is who: nodes, boots of nodes, and rings (spec 70 §2).

use std::fmt;
use std::num::NonZeroU32;

/// A node of the cluster. Never zero: zero means "nobody" wherever a node could be named.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(NonZeroU32);

impl NodeId {
    /// The id for `value`, or `None` for zero.
    pub const fn new(value: u32) -> Option<NodeId> {
        match NonZeroU32::new(value) {
            Some(id) => Some(NodeId(id)),
            None => None,
        }
    }

    /// The number itself.
    pub const fn get(self) -> u32 {
        self.0.get()
    }
}

impl TryFrom<u32> for NodeId {
    type Error = ZeroNodeId;
    fn try_from(value: u32) -> Result<NodeId, ZeroNodeId> {
        NodeId::new(value).ok_or(ZeroNodeId)
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl fmt::Debug for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "n{}", self.0)
    }
}

/// Zero was given where a node id is needed; ids run from 1 to 4294967295.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("node id 0 is reserved; ids run from 1 to 4294967295")]
pub struct ZeroNodeId;

/// A random number drawn once per start of a node. It tells two lives of one node apart even when
/// the stored ring sequence was lost (spec 70 §19, W6).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Incarnation(pub u64);

/// The identity of one ring: the node that formed it, its sequence number, and the incarnation of
/// that node. Printed as operators know it, `representative.sequence` in hexadecimal; the
/// incarnation takes part in comparison only.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RingId {
    /// Grows along the history of every node.
    pub sequence: u64,
    /// The lowest node id of the ring.
    pub representative: NodeId,
    /// The representative's incarnation when it formed the ring.
    pub incarnation: Incarnation,
}

impl fmt::Display for RingId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}.{:x}", self.representative.get(), self.sequence)
    }
}

impl fmt::Debug for RingId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ring_ids_print_in_hexadecimal_and_compare_with_their_incarnation() {
        let node = NodeId::new(10).unwrap();
        let ring = RingId { sequence: 0x3f0, representative: node, incarnation: Incarnation(1) };
        assert_eq!(ring.to_string(), "a.3f0");
        assert_ne!(ring, RingId { incarnation: Incarnation(2), ..ring });
        assert_eq!(NodeId::try_from(0), Err(ZeroNodeId));
    }
}
