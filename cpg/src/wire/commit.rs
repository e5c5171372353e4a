use super::codec::{Reader, put_count, put_ring};
use super::token::{SeqRange, put_ranges, read_ranges};
use super::{DecodeError, MAX_NODES};
use crate::identity::{NodeId, RingId};
use bytes::{BufMut, BytesMut};

pub(super) const KIND: u8 = 4;
/// Most ranges of held packets one member lists; what lies beyond is treated as unknown.
pub const MAX_ENTRY_RANGES: usize = 8;

/// What one member of the new ring tells about its old ring.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommitEntry {
    /// Its old ring.
    pub old_ring: RingId,
    /// It holds everything of the old ring up to here.
    pub aru: u64,
    /// Highest packet of the old ring that was delivered, or may be delivered as safe.
    pub delivered: u64,
    /// Packets held beyond `aru`, ascending.
    pub held: Vec<SeqRange>,
    /// `held` was cut at [`MAX_ENTRY_RANGES`].
    pub truncated: bool,
}

/// Travels twice around the new ring: first collecting the entries, then spreading them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommitToken {
    /// The ring being formed.
    pub ring: RingId,
    /// Grows by one with every hop.
    pub hop: u64,
    /// The members, ascending, each with its entry once it was visited.
    pub members: Vec<(NodeId, Option<CommitEntry>)>,
}

impl CommitToken {
    /// Every member filled in its entry.
    pub fn is_complete(&self) -> bool {
        self.members.iter().all(|(_, entry)| entry.is_some())
    }

    /// The members' ids, ascending.
    pub fn nodes(&self) -> impl Iterator<Item = NodeId> + '_ {
        self.members.iter().map(|(node, _)| *node)
    }

    pub(super) fn read(reader: &mut Reader) -> Result<CommitToken, DecodeError> {
        let ring = reader.ring()?;
        if ring.sequence > u64::MAX / 2 {
            return Err(DecodeError::Value { what: "ring sequence", found: ring.sequence });
        }
        let hop = reader.u64()?;
        if hop > u64::MAX / 2 {
            return Err(DecodeError::Value { what: "hop", found: hop });
        }
        let count = reader.count("commit entries", MAX_NODES)?;
        let mut members: Vec<(NodeId, Option<CommitEntry>)> =
            Vec::with_capacity(count.min(reader.remaining() / 5));
        for _ in 0..count {
            let node = reader.node()?;
            if members.last().is_some_and(|(last, _)| *last >= node) {
                return Err(DecodeError::Unsorted { what: "commit entries" });
            }
            members.push((node, CommitEntry::read(reader)?));
        }
        if members.first().map(|(node, _)| *node) != Some(ring.representative) {
            return Err(DecodeError::Value {
                what: "representative that is not the lowest member",
                found: ring.representative.get().into(),
            });
        }
        Ok(CommitToken { ring, hop, members })
    }

    pub(super) fn write(&self, out: &mut BytesMut) {
        put_ring(out, &self.ring);
        out.put_u64(self.hop);
        put_count(out, self.members.len());
        for (node, entry) in &self.members {
            out.put_u32(node.get());
            match entry {
                None => out.put_u8(0),
                Some(entry) => entry.write(out),
            }
        }
    }
}

impl CommitEntry {
    fn read(reader: &mut Reader) -> Result<Option<CommitEntry>, DecodeError> {
        let truncated = match reader.u8()? {
            0 => return Ok(None),
            1 => false,
            2 => true,
            other => return Err(DecodeError::Value { what: "entry flag", found: other.into() }),
        };
        let old_ring = reader.ring()?;
        let (aru, delivered) = (reader.u64()?, reader.u64()?);
        if aru > u64::MAX / 2 {
            return Err(DecodeError::Value { what: "sequence number", found: aru });
        }
        let held = read_ranges(reader, "held packets", MAX_ENTRY_RANGES)?;
        if held.first().is_some_and(|range| range.first <= aru.saturating_add(1)) {
            return Err(DecodeError::Unsorted { what: "held packets" });
        }
        if delivered > aru {
            return Err(DecodeError::Value { what: "delivered beyond aru", found: delivered });
        }
        Ok(Some(CommitEntry { old_ring, aru, delivered, held, truncated }))
    }

    fn write(&self, out: &mut BytesMut) {
        out.put_u8(if self.truncated { 2 } else { 1 });
        put_ring(out, &self.old_ring);
        out.put_u64(self.aru);
        out.put_u64(self.delivered);
        put_ranges(out, &self.held);
    }
}
