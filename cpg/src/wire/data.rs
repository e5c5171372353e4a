use super::codec::{Reader, put_ring};
use super::{DecodeError, WIRE_VERSION};
use crate::identity::{NodeId, RingId};
use bytes::{BufMut, Bytes, BytesMut};

pub(super) const KIND: u8 = 1;
pub(super) const HEADER: usize = 2 + 20 + 8 + 4 + 1;

const RECOVERED: u8 = 1;
const SAFE: u8 = 2;
const POST_TOKEN: u8 = 4;

/// When a message may be delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Guarantee {
    /// As soon as everything before it in the total order was delivered.
    #[default]
    Agreed,
    /// In addition, only when every member of the ring is known to hold it.
    Safe,
}

/// What a data packet carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body {
    /// Pieces of client messages, see [`crate::packing`].
    Chunks(Bytes),
    /// A whole encoded data packet of the old ring, re-originated in recovery.
    Recovered(Bytes),
}

/// An ordered packet. It keeps its encoded form: retransmission and recovery send that again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Data {
    /// The ring that orders it.
    pub ring: RingId,
    /// Its place in the order of that ring, from 1.
    pub seq: u64,
    /// The node that originated it.
    pub originator: NodeId,
    /// Condition of its delivery.
    pub guarantee: Guarantee,
    /// Sent after the originator passed the token on (accelerated ring, spec 70 §20.3).
    pub post_token: bool,
    /// The content.
    pub body: Body,
    encoded: Bytes,
}

impl Data {
    /// Builds and encodes a packet.
    pub fn new(
        ring: RingId,
        seq: u64,
        originator: NodeId,
        guarantee: Guarantee,
        post_token: bool,
        body: Body,
    ) -> Data {
        let (payload, recovered) = match &body {
            Body::Chunks(payload) => (payload, 0),
            Body::Recovered(payload) => (payload, RECOVERED),
        };
        let safe = if guarantee == Guarantee::Safe { SAFE } else { 0 };
        let post = if post_token { POST_TOKEN } else { 0 };
        let mut out = BytesMut::with_capacity(HEADER + payload.len());
        out.put_u8(WIRE_VERSION);
        out.put_u8(KIND);
        put_ring(&mut out, &ring);
        out.put_u64(seq);
        out.put_u32(originator.get());
        out.put_u8(recovered | safe | post);
        out.put_slice(payload);
        let encoded = out.freeze();
        let payload = encoded.slice(HEADER..);
        let body = match body {
            Body::Chunks(_) => Body::Chunks(payload),
            Body::Recovered(_) => Body::Recovered(payload),
        };
        Data { ring, seq, originator, guarantee, post_token, body, encoded }
    }

    /// The packet as it travels.
    pub fn encoded(&self) -> Bytes {
        self.encoded.clone()
    }

    pub(super) fn read(reader: &mut Reader, encoded: Bytes) -> Result<Data, DecodeError> {
        let ring = reader.ring()?;
        let seq = reader.u64()?;
        if seq == 0 || seq == u64::MAX {
            return Err(DecodeError::Value { what: "sequence number", found: seq });
        }
        let originator = reader.node()?;
        let flags = reader.u8()?;
        if flags & !(RECOVERED | SAFE | POST_TOKEN) != 0 {
            return Err(DecodeError::Value { what: "data flags", found: flags.into() });
        }
        let guarantee = if flags & SAFE != 0 { Guarantee::Safe } else { Guarantee::Agreed };
        let payload = reader.rest();
        let body =
            if flags & RECOVERED != 0 { Body::Recovered(payload) } else { Body::Chunks(payload) };
        let post_token = flags & POST_TOKEN != 0;
        Ok(Data { ring, seq, originator, guarantee, post_token, body, encoded })
    }
}
