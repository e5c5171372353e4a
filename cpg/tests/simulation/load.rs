//! What the simulated applications send: messages that name themselves and their cause, so that
//! order, causality and content can be checked at every receiver.

use bytes::{BufMut, Bytes, BytesMut};

/// Identity of a message: node, boot, number.
pub type MessageId = (u32, u32, u64);

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payload {
    pub id: MessageId,
    /// The last message that the sender had seen when it sent this one.
    pub cause: Option<MessageId>,
    pub length: usize,
}

fn fill(id: MessageId, index: usize) -> u8 {
    (index as u64).wrapping_mul(31).wrapping_add(id.2).wrapping_add(id.0.into()) as u8
}

impl Payload {
    pub fn encode(&self) -> Bytes {
        let mut out = BytesMut::new();
        for id in [self.id, self.cause.unwrap_or((0, 0, 0))] {
            out.put_u32(id.0);
            out.put_u32(id.1);
            out.put_u64(id.2);
        }
        out.put_u32(self.length as u32);
        (0..self.length).for_each(|index| out.put_u8(fill(self.id, index)));
        out.freeze()
    }

    pub fn decode(bytes: &[u8]) -> Option<Payload> {
        let id = |at: usize| {
            let word =
                |from: usize| Some(u32::from_be_bytes(bytes.get(from..from + 4)?.try_into().ok()?));
            let long = u64::from_be_bytes(bytes.get(at + 8..at + 16)?.try_into().ok()?);
            Some((word(at)?, word(at + 4)?, long))
        };
        let (own, cause) = (id(0)?, id(16)?);
        let length = u32::from_be_bytes(bytes.get(32..36)?.try_into().ok()?) as usize;
        let content = &bytes[36..];
        let intact = content.len() == length
            && content.iter().enumerate().all(|(index, byte)| *byte == fill(own, index));
        let cause = (cause.0 != 0).then_some(cause);
        intact.then_some(Payload { id: own, cause, length })
    }
}
