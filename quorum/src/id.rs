//! Identities: nodes and rings.

use std::fmt;
use std::num::NonZeroU32;

/// Number of a cluster node, 1 to 2³²−1. Zero is the quorum device's and never a node's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(NonZeroU32);

impl NodeId {
    /// The node with this number, or `None` for zero.
    #[must_use]
    pub fn new(id: u32) -> Option<Self> {
        NonZeroU32::new(id).map(Self)
    }

    /// The number.
    #[must_use]
    pub fn get(self) -> u32 {
        self.0.get()
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Identity of one ring: who formed it and its sequence number, which grows with every ring any of
/// its members has been in. Later rings compare greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RingId {
    /// Ring sequence number.
    pub sequence: u64,
    /// The member that formed the ring (its lowest id).
    pub representative: NodeId,
}

impl fmt::Display for RingId {
    /// `representative.sequence`, both in hexadecimal, as the reference's tools print it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}.{:x}", self.representative.get(), self.sequence)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_parts_of_a_ring_id_are_hexadecimal() {
        let representative = NodeId::new(171).expect("171 is a node id");
        assert_eq!(RingId { sequence: 0x1e, representative }.to_string(), "ab.1e");
    }
}
