//! Bounded reading and writing of the wire format: big-endian integers, lists with a 16-bit count.

use super::DecodeError;
use crate::identity::{Incarnation, NodeId, RingId};
use bytes::{BufMut, Bytes, BytesMut};

/// A cursor over received bytes. Every read checks the length first.
pub(crate) struct Reader {
    bytes: Bytes,
    at: usize,
}

impl Reader {
    pub(crate) fn new(bytes: Bytes) -> Reader {
        Reader { bytes, at: 0 }
    }

    fn take(&mut self, count: usize) -> Result<&[u8], DecodeError> {
        let end = self.at.checked_add(count).filter(|end| *end <= self.bytes.len());
        let end = end.ok_or(DecodeError::Truncated {
            at: self.at,
            wanted: count,
            length: self.bytes.len(),
        })?;
        let slice = &self.bytes[self.at..end];
        self.at = end;
        Ok(slice)
    }

    pub(crate) fn u8(&mut self) -> Result<u8, DecodeError> {
        Ok(self.take(1)?[0])
    }

    pub(crate) fn u16(&mut self) -> Result<u16, DecodeError> {
        self.take(2).map(|b| u16::from_be_bytes([b[0], b[1]]))
    }

    pub(crate) fn u32(&mut self) -> Result<u32, DecodeError> {
        self.take(4).map(|b| u32::from_be_bytes([b[0], b[1], b[2], b[3]]))
    }

    pub(crate) fn u64(&mut self) -> Result<u64, DecodeError> {
        self.take(8).map(|b| u64::from_be_bytes([b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7]]))
    }

    pub(crate) fn node(&mut self) -> Result<NodeId, DecodeError> {
        let at = self.at;
        NodeId::new(self.u32()?).ok_or(DecodeError::ZeroNode { at })
    }

    pub(crate) fn optional_node(&mut self) -> Result<Option<NodeId>, DecodeError> {
        Ok(NodeId::new(self.u32()?))
    }

    pub(crate) fn ring(&mut self) -> Result<RingId, DecodeError> {
        let representative = self.node()?;
        let sequence = self.u64()?;
        let incarnation = Incarnation(self.u64()?);
        Ok(RingId { sequence, representative, incarnation })
    }

    /// A list length, refused above `limit`.
    pub(crate) fn count(&mut self, what: &'static str, limit: usize) -> Result<usize, DecodeError> {
        let count = usize::from(self.u16()?);
        if count > limit {
            return Err(DecodeError::TooMany { what, count, limit });
        }
        Ok(count)
    }

    /// A list of nodes in strictly ascending order.
    pub(crate) fn nodes(&mut self, what: &'static str) -> Result<Vec<NodeId>, DecodeError> {
        let count = self.count(what, super::MAX_NODES)?;
        let mut nodes = Vec::with_capacity(count.min(self.remaining() / 4));
        for _ in 0..count {
            let node = self.node()?;
            if nodes.last().is_some_and(|last| *last >= node) {
                return Err(DecodeError::Unsorted { what });
            }
            nodes.push(node);
        }
        Ok(nodes)
    }

    pub(crate) fn remaining(&self) -> usize {
        self.bytes.len() - self.at
    }

    /// `count` bytes without a copy.
    pub(crate) fn bytes(&mut self, count: usize) -> Result<Bytes, DecodeError> {
        let start = self.at;
        self.take(count)?;
        Ok(self.bytes.slice(start..start + count))
    }

    /// Everything that is left, without a copy.
    pub(crate) fn rest(&mut self) -> Bytes {
        let rest = self.bytes.slice(self.at..);
        self.at = self.bytes.len();
        rest
    }

    /// Fails when bytes are left over.
    pub(crate) fn finish(self) -> Result<(), DecodeError> {
        match self.remaining() {
            0 => Ok(()),
            extra => Err(DecodeError::Trailing { extra }),
        }
    }
}

pub(crate) fn put_ring(out: &mut BytesMut, ring: &RingId) {
    out.put_u32(ring.representative.get());
    out.put_u64(ring.sequence);
    out.put_u64(ring.incarnation.0);
}

pub(crate) fn put_node(out: &mut BytesMut, node: Option<NodeId>) {
    out.put_u32(node.map_or(0, NodeId::get));
}

pub(crate) fn put_count(out: &mut BytesMut, count: usize) {
    out.put_u16(u16::try_from(count).unwrap_or(u16::MAX));
}

pub(crate) fn put_nodes<'a>(out: &mut BytesMut, nodes: impl ExactSizeIterator<Item = &'a NodeId>) {
    put_count(out, nodes.len());
    for node in nodes {
        out.put_u32(node.get());
    }
}
