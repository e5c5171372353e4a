//! Envelopes that travel unopened: who carries one reads the outside alone.

use super::{Address, Envelope, FrameError, MAX_FRAME, Target, decode};

/// An envelope whose content is still bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sealed {
    /// The sender.
    pub from: Address,
    /// The addressee.
    pub to: Target,
    /// The encoded content.
    pub body: Vec<u8>,
}

/// An envelope on its way, opened or not.
#[derive(Debug)]
pub enum Parcel {
    /// Opened, or never sealed.
    Open(Envelope),
    /// Not opened yet.
    Sealed(Sealed),
}

impl Parcel {
    /// The envelope.
    ///
    /// # Errors
    /// When its bytes are none.
    pub fn open(self) -> Result<Envelope, FrameError> {
        match self {
            Parcel::Open(envelope) => Ok(envelope),
            Parcel::Sealed(sealed) => sealed.open(),
        }
    }
}

impl Sealed {
    /// Reads the outside of an encoded envelope.
    ///
    /// # Errors
    /// When it is none.
    pub fn read(bytes: &[u8]) -> Result<Sealed, FrameError> {
        if bytes.len() > MAX_FRAME {
            return Err(FrameError::TooLong(bytes.len()));
        }
        let ((from, to), body) = postcard::take_from_bytes::<(Address, Target)>(bytes)
            .map_err(|source| FrameError::Undecodable { length: bytes.len(), source })?;
        Ok(Sealed { from, to, body: body.to_vec() })
    }

    /// The bytes of the whole envelope, behind `before`.
    fn after(&self, before: Vec<u8>) -> Vec<u8> {
        let mut bytes = before;
        bytes.reserve(self.body.len() + 32);
        // Addresses are small numbers: they always encode.
        let mut bytes = postcard::to_extend(&(self.from, self.to), bytes).unwrap_or_default();
        bytes.extend_from_slice(&self.body);
        bytes
    }

    /// The bytes of the whole envelope.
    pub fn bytes(&self) -> Vec<u8> {
        self.after(Vec::new())
    }

    /// The bytes of the whole envelope behind their number, as between processes.
    pub fn into_frame(self) -> Vec<u8> {
        let mut frame = self.after(vec![0; 4]);
        let length = u32::try_from(frame.len() - 4).unwrap_or(u32::MAX);
        frame[..4].copy_from_slice(&length.to_le_bytes());
        frame
    }

    /// Opens it.
    ///
    /// # Errors
    /// When its content is none.
    pub fn open(&self) -> Result<Envelope, FrameError> {
        Ok(Envelope { from: self.from, to: self.to, body: decode(&self.body)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::subsystem::{Body, HealthQuestion, NodeId, Room, encode};

    #[test]
    fn the_outside_can_be_changed_without_opening() {
        let node = |id| NodeId::new(id).unwrap();
        let body = Body::HealthQuestion(HealthQuestion { round: 77 });
        for to in
            [Target::Here(Room::Cib), Target::Node(node(300), Room::Cib), Target::All(Room::Cib)]
        {
            let from = Address { node: node(1), room: Room::Clients };
            let bytes = encode(&Envelope { from, to, body: body.clone() }).unwrap();
            let sealed = Sealed::read(&bytes).unwrap();
            assert_eq!((sealed.from, sealed.to, sealed.bytes()), (from, to, bytes));
            let other = Address { node: node(70_000), room: Room::Fencer };
            let changed = Sealed { from: other, ..sealed };
            let frame = changed.clone().into_frame();
            assert_eq!(frame[..4], (frame.len() as u32 - 4).to_le_bytes());
            let read: Envelope = decode(&frame[4..]).unwrap();
            assert_eq!((read.from, read.to), (other, to));
            assert!(
                matches!(changed.open().unwrap().body, Body::HealthQuestion(q) if q.round == 77)
            );
        }
        assert!(Sealed::read(&[]).is_err());
    }
}
