use super::codec::{Reader, put_count, put_node, put_nodes, put_ring};
use super::{DecodeError, MAX_NODES};
use crate::identity::{NodeId, RingId};
use bytes::{BufMut, BytesMut};

pub(super) const KIND: u8 = 0;
/// Most ranges of missing packets a token asks for; it then still fits the smallest path MTU.
pub const MAX_REQUESTS: usize = 48;

/// An inclusive range of sequence numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct SeqRange {
    /// First number.
    pub first: u64,
    /// Last number, not below `first`.
    pub last: u64,
}

/// The ordering token: only its holder may originate packets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// The ring it belongs to.
    pub ring: RingId,
    /// Grows by one with every hop; an older or equal value is a duplicate.
    pub hop: u64,
    /// Highest sequence number reserved on this ring. With the accelerated ring the packets may
    /// still be on their way.
    pub seq: u64,
    /// All-received-up-to: no member lacks a packet up to this, seen over two rotations.
    pub aru: u64,
    /// The node that lowered `aru`.
    pub aru_owner: Option<NodeId>,
    /// Packets waiting for origination at all members, as of their last visit.
    pub backlog: u32,
    /// Packets sent by all members at their last visit.
    pub sent: u32,
    /// Bytes of those packets.
    pub sent_bytes: u32,
    /// Bytes that all members together may send in this rotation: the least of what they offered in
    /// the last one.
    pub window: u32,
    /// The least that the members since the representative can take in the next rotation.
    pub offer: u32,
    /// Recovery only: some member still has old-ring packets to re-originate.
    pub recovering: bool,
    /// Missing packets, ascending.
    pub requests: Vec<SeqRange>,
    /// Nodes outside the ring that every member since the representative can reach both ways.
    pub vouched: Vec<NodeId>,
}

impl Token {
    pub(super) fn read(reader: &mut Reader) -> Result<Token, DecodeError> {
        let ring = reader.ring()?;
        let (hop, seq, aru) = (reader.u64()?, reader.u64()?, reader.u64()?);
        let found = hop.max(seq);
        if found > u64::MAX / 2 {
            return Err(DecodeError::Value { what: "hop or sequence number", found });
        }
        if aru > seq {
            return Err(DecodeError::Value { what: "aru beyond seq", found: aru });
        }
        let aru_owner = reader.optional_node()?;
        let (backlog, sent, sent_bytes) = (reader.u32()?, reader.u32()?, reader.u32()?);
        let (window, offer) = (reader.u32()?, reader.u32()?);
        let recovering = match reader.u8()? {
            0 => false,
            1 => true,
            other => {
                return Err(DecodeError::Value { what: "recovering flag", found: other.into() });
            }
        };
        let requests = read_ranges(reader, "retransmit requests", MAX_REQUESTS)?;
        if requests.last().is_some_and(|range| range.last > seq) {
            return Err(DecodeError::Unsorted { what: "retransmit requests" });
        }
        let vouched = reader.nodes("vouched nodes")?;
        Ok(Token {
            ring,
            hop,
            seq,
            aru,
            aru_owner,
            backlog,
            sent,
            sent_bytes,
            window,
            offer,
            recovering,
            requests,
            vouched,
        })
    }

    pub(super) fn write(&self, out: &mut BytesMut) {
        put_ring(out, &self.ring);
        out.put_u64(self.hop);
        out.put_u64(self.seq);
        out.put_u64(self.aru);
        put_node(out, self.aru_owner);
        out.put_u32(self.backlog);
        out.put_u32(self.sent);
        out.put_u32(self.sent_bytes);
        out.put_u32(self.window);
        out.put_u32(self.offer);
        out.put_u8(u8::from(self.recovering));
        put_ranges(out, &self.requests);
        let vouched = &self.vouched[..self.vouched.len().min(MAX_NODES)];
        put_nodes(out, vouched.iter());
    }
}

pub(super) fn put_ranges(out: &mut BytesMut, ranges: &[SeqRange]) {
    put_count(out, ranges.len());
    for range in ranges {
        out.put_u64(range.first);
        out.put_u64(range.last);
    }
}

pub(super) fn read_ranges(
    reader: &mut Reader,
    what: &'static str,
    limit: usize,
) -> Result<Vec<SeqRange>, DecodeError> {
    let count = reader.count(what, limit)?;
    let mut ranges: Vec<SeqRange> = Vec::with_capacity(count.min(reader.remaining() / 16));
    for _ in 0..count {
        let range = SeqRange { first: reader.u64()?, last: reader.u64()? };
        let ordered = ranges.last().is_none_or(|before| before.last < range.first);
        if !ordered || range.first > range.last || range.first == 0 {
            return Err(DecodeError::Unsorted { what });
        }
        ranges.push(range);
    }
    Ok(ranges)
}
