use super::codec::{Reader, put_nodes, put_ring};
use super::{DecodeError, MAX_NODES};
use crate::identity::{NodeId, RingId};
use bytes::{BufMut, BytesMut};
use std::collections::BTreeSet;

pub(super) const PROBE: u8 = 2;
pub(super) const JOIN: u8 = 3;
pub(super) const HOLD_CANCEL: u8 = 5;

/// A statement about the next ring: whom to consider, whom to exclude.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Join {
    /// Who states it.
    pub originator: NodeId,
    /// Nodes to consider.
    pub proc: BTreeSet<NodeId>,
    /// Nodes to exclude.
    pub fail: BTreeSet<NodeId>,
    /// Sequence of the ring the originator last adopted.
    pub ring_sequence: u64,
    /// Highest ring sequence the originator knows of.
    pub highest_sequence: u64,
    /// The originator is shutting down in order.
    pub leave: bool,
    /// Digest of the configuration that all members must share; 0 when not compared.
    pub configuration: u64,
}

impl Join {
    pub(super) fn read(reader: &mut Reader) -> Result<Join, DecodeError> {
        let originator = reader.node()?;
        let ring_sequence = reader.u64()?;
        let highest_sequence = reader.u64()?;
        let leave = match reader.u8()? {
            0 => false,
            1 => true,
            other => return Err(DecodeError::Value { what: "leave flag", found: other.into() }),
        };
        let configuration = reader.u64()?;
        let proc = reader.nodes("the nodes to consider")?.into_iter().collect();
        let fail = reader.nodes("the nodes to exclude")?.into_iter().collect();
        let join =
            Join { originator, proc, fail, ring_sequence, highest_sequence, leave, configuration };
        join.check_sequences()?;
        Ok(join)
    }

    /// A sequence so high that the next one would overflow is nonsense.
    fn check_sequences(&self) -> Result<(), DecodeError> {
        let found = self.ring_sequence.max(self.highest_sequence);
        if found > u64::MAX / 2 {
            return Err(DecodeError::Value { what: "ring sequence", found });
        }
        Ok(())
    }

    pub(super) fn write(&self, out: &mut BytesMut) {
        out.put_u32(self.originator.get());
        out.put_u64(self.ring_sequence);
        out.put_u64(self.highest_sequence);
        out.put_u8(u8::from(self.leave));
        out.put_u64(self.configuration);
        put_nodes(out, self.proc.iter());
        put_nodes(out, self.fail.iter());
    }
}

/// Announces a ring to nodes outside of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probe {
    /// Who announces.
    pub originator: NodeId,
    /// The ring.
    pub ring: RingId,
    /// All its members, ascending.
    pub members: Vec<NodeId>,
    /// Nodes outside of it that every member could reach both ways in the last rotation.
    pub vouched: Vec<NodeId>,
    /// As in [`Join::configuration`].
    pub configuration: u64,
}

impl Probe {
    pub(super) fn read(reader: &mut Reader) -> Result<Probe, DecodeError> {
        let originator = reader.node()?;
        let ring = reader.ring()?;
        let configuration = reader.u64()?;
        let members = reader.nodes("the members of a ring")?;
        let vouched = reader.nodes("vouched nodes")?;
        if members.binary_search(&originator).is_err() {
            return Err(DecodeError::Value {
                what: "originator outside of its ring",
                found: originator.get().into(),
            });
        }
        Ok(Probe { originator, ring, members, vouched, configuration })
    }

    pub(super) fn write(&self, out: &mut BytesMut) {
        out.put_u32(self.originator.get());
        put_ring(out, &self.ring);
        out.put_u64(self.configuration);
        put_nodes(out, self.members[..self.members.len().min(MAX_NODES)].iter());
        put_nodes(out, self.vouched[..self.vouched.len().min(MAX_NODES)].iter());
    }
}

/// Asks the representative not to keep the token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HoldCancel {
    /// Who asks.
    pub originator: NodeId,
    /// The ring it means.
    pub ring: RingId,
}

impl HoldCancel {
    pub(super) fn read(reader: &mut Reader) -> Result<HoldCancel, DecodeError> {
        Ok(HoldCancel { originator: reader.node()?, ring: reader.ring()? })
    }

    pub(super) fn write(&self, out: &mut BytesMut) {
        out.put_u32(self.originator.get());
        put_ring(out, &self.ring);
    }
}
