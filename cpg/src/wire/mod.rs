//! The packets nodes exchange (spec 70 §3), in a format of our own: version, kind, body.
//!
//! Decoding checks everything a later step relies on (lengths, list limits, order of lists), so a
//! decoded [`Packet`] can be acted upon without further bounds checks. Nothing is copied: payloads
//! are slices of the received datagram.

mod codec;
mod commit;
mod data;
mod join;
mod token;

pub use commit::{CommitEntry, CommitToken, MAX_ENTRY_RANGES};
pub use data::{Body, Data, Guarantee};
pub use join::{HoldCancel, Join, Probe};
pub use token::{MAX_REQUESTS, SeqRange, Token};

use bytes::{BufMut, Bytes, BytesMut};
pub(crate) use codec::{Reader, put_ring};

/// Version of the wire format; a packet of another version is not looked at.
pub const WIRE_VERSION: u8 = 1;
/// Most nodes in one ring, and most entries of any list of nodes.
pub const MAX_NODES: usize = 384;
/// Bytes that a data packet needs besides its payload.
pub const DATA_OVERHEAD: usize = data::HEADER;

/// Why a packet was refused. None of these is acted upon; all are counted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs)]
pub enum DecodeError {
    #[error("truncated: {wanted} bytes wanted at offset {at} of a packet of {length}")]
    Truncated { at: usize, wanted: usize, length: usize },
    #[error("{extra} bytes after the end of the packet")]
    Trailing { extra: usize },
    #[error("wire version {found}, this node speaks {WIRE_VERSION}")]
    Version { found: u8 },
    #[error("unknown packet kind {found}")]
    Kind { found: u8 },
    #[error("{count} entries in {what}, at most {limit} are allowed")]
    TooMany { what: &'static str, count: usize, limit: usize },
    #[error("{what} is not in strictly ascending order")]
    Unsorted { what: &'static str },
    #[error("node id 0 at offset {at}")]
    ZeroNode { at: usize },
    #[error("{what} is {found}")]
    Value { what: &'static str, found: u64 },
}

/// One packet of the ring protocol.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Packet {
    /// The ordering token, unicast to the successor.
    Token(Token),
    /// An ordered packet, to everyone.
    Data(Data),
    /// A statement of who should form the next ring, to everyone.
    Join(Join),
    /// The token that collects and spreads what recovery needs, unicast around the new ring.
    Commit(CommitToken),
    /// "This ring exists", to nodes outside of it.
    Probe(Probe),
    /// "I have something to send": wakes an idle ring.
    HoldCancel(HoldCancel),
}

impl Packet {
    /// Decodes one whole packet.
    pub fn decode(bytes: Bytes) -> Result<Packet, DecodeError> {
        let mut reader = Reader::new(bytes.clone());
        let version = reader.u8()?;
        if version != WIRE_VERSION {
            return Err(DecodeError::Version { found: version });
        }
        let packet = match reader.u8()? {
            token::KIND => Packet::Token(Token::read(&mut reader)?),
            data::KIND => Packet::Data(Data::read(&mut reader, bytes)?),
            join::PROBE => Packet::Probe(Probe::read(&mut reader)?),
            join::JOIN => Packet::Join(Join::read(&mut reader)?),
            commit::KIND => Packet::Commit(CommitToken::read(&mut reader)?),
            join::HOLD_CANCEL => Packet::HoldCancel(HoldCancel::read(&mut reader)?),
            found => return Err(DecodeError::Kind { found }),
        };
        reader.finish()?;
        Ok(packet)
    }

    /// Encodes the packet. A data packet is already encoded and only gains a reference.
    pub fn encode(&self) -> Bytes {
        match self {
            Packet::Data(data) => data.encoded(),
            Packet::Token(token) => framed(token::KIND, |out| token.write(out)),
            Packet::Probe(probe) => framed(join::PROBE, |out| probe.write(out)),
            Packet::Join(join) => framed(join::JOIN, |out| join.write(out)),
            Packet::Commit(commit) => framed(commit::KIND, |out| commit.write(out)),
            Packet::HoldCancel(cancel) => framed(join::HOLD_CANCEL, |out| cancel.write(out)),
        }
    }
}

fn framed(kind: u8, body: impl FnOnce(&mut BytesMut)) -> Bytes {
    let mut out = BytesMut::with_capacity(128);
    out.put_u8(WIRE_VERSION);
    out.put_u8(kind);
    body(&mut out);
    out.freeze()
}

#[cfg(test)]
mod tests;
