//! The frame around every datagram: a clear header, then content that is encrypted and authenticated
//! together with the header, or, where encryption is switched off, content and a checksum.

use super::key::{Key, KeyId, Keyring, SLOTS};
use crate::identity::NodeId;
use bytes::{BufMut, BytesMut};
use ring::aead::{Aad, LessSafeKey, Nonce};

const MAGIC: u16 = 0xc9d7;
const VERSION: u8 = 1;
const CLEAR: u8 = 0xff;
const TAG: usize = 16;
const CHECKSUM: usize = 4;
/// Magic, version, key id, sender, epoch, counter.
pub const HEADER_LENGTH: usize = 2 + 1 + 1 + 4 + 8 + 8;
/// Most bytes a frame adds to its content.
pub const MAX_OVERHEAD: usize = HEADER_LENGTH + TAG;

/// Why a datagram was dropped before anything in it was acted upon.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs)]
pub enum FrameError {
    #[error("shorter than a frame")]
    Truncated,
    #[error("not one of our datagrams")]
    Magic,
    #[error("frame version {0}, this node speaks {VERSION}")]
    Version(u8),
    #[error("sent in clear, but this node requires encryption, or the reverse")]
    Protection,
    #[error("sealed with the key of id {0}, which is not loaded here")]
    UnknownKey(u8),
    #[error("not authentic: another key, or altered on the way")]
    NotAuthentic,
    #[error("sender 0")]
    ZeroSender,
}

/// The clear part of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame {
    /// Who sent it; bound to the key.
    pub sender: NodeId,
    /// The sender's boot.
    pub epoch: u64,
    /// Grows with every frame of the epoch.
    pub counter: u64,
    key: u8,
}

impl Frame {
    /// Reads the header.
    pub fn parse(datagram: &[u8]) -> Result<Frame, FrameError> {
        let header = datagram.get(..HEADER_LENGTH).ok_or(FrameError::Truncated)?;
        let word = |at: usize| {
            u32::from_be_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]])
        };
        let long = |at: usize| u64::from(word(at)) << 32 | u64::from(word(at + 4));
        if header[..2] != MAGIC.to_be_bytes() {
            return Err(FrameError::Magic);
        }
        if header[2] != VERSION {
            return Err(FrameError::Version(header[2]));
        }
        let sender = NodeId::new(word(4)).ok_or(FrameError::ZeroSender)?;
        Ok(Frame { sender, epoch: long(8), counter: long(16), key: header[3] })
    }
}

/// Derived keys of one sender's boot, by their place in the keyring.
#[derive(Default)]
pub(crate) struct DerivedKeys {
    generation: u64,
    keys: [Option<LessSafeKey>; SLOTS],
}

impl std::fmt::Debug for DerivedKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "DerivedKeys({})", self.generation)
    }
}

impl DerivedKeys {
    fn get(
        &mut self,
        keyring: &Keyring,
        id: KeyId,
        sender: NodeId,
        epoch: u64,
    ) -> Option<&LessSafeKey> {
        if self.generation != keyring.generation {
            *self = DerivedKeys { generation: keyring.generation, ..DerivedKeys::default() };
        }
        let (at, key) = keyring.get(id)?;
        let place = self.keys.get_mut(at)?;
        if place.is_none() {
            *place = key.derive(sender.get(), epoch);
        }
        place.as_ref()
    }
}

/// Seals this node's frames and opens others'. `None` for the keyring means no encryption, which
/// the configuration must ask for.
#[derive(Debug)]
pub(crate) struct Sealer {
    pub keyring: Option<Keyring>,
    me: NodeId,
    epoch: u64,
    counter: u64,
    mine: DerivedKeys,
}

fn nonce(counter: u64) -> Nonce {
    let mut nonce = [0; 12];
    nonce[4..].copy_from_slice(&counter.to_be_bytes());
    Nonce::assume_unique_for_key(nonce)
}

impl Sealer {
    pub(crate) fn new(me: NodeId, epoch: u64, keyring: Option<Keyring>) -> Sealer {
        Sealer { keyring, me, epoch, counter: 0, mine: DerivedKeys::default() }
    }

    /// A whole datagram with `content`, given in parts.
    pub(crate) fn seal(&mut self, parts: [&[u8]; 2]) -> BytesMut {
        let length = parts[0].len() + parts[1].len();
        let mut out = BytesMut::with_capacity(MAX_OVERHEAD + length);
        let counter = self.counter;
        self.counter += 1;
        out.put_u16(MAGIC);
        out.put_u8(VERSION);
        let active = self.keyring.as_ref().and_then(Keyring::active).map(Key::id);
        out.put_u8(active.unwrap_or(CLEAR));
        out.put_u32(self.me.get());
        out.put_u64(self.epoch);
        out.put_u64(counter);
        out.put_slice(parts[0]);
        out.put_slice(parts[1]);
        let Some(keyring) = &self.keyring else {
            let sum = crc32fast::hash(&out);
            out.put_u32(sum);
            return out;
        };
        let key = active.and_then(|id| self.mine.get(keyring, id, self.me, self.epoch));
        let (header, content) = out.split_at_mut(HEADER_LENGTH);
        let sealed = key.map(|key| {
            key.seal_in_place_separate_tag(nonce(counter), Aad::from(&*header), content)
        });
        match sealed {
            Some(Ok(tag)) => out.put_slice(tag.as_ref()),
            // Only an absent key gets here; an empty datagram is dropped by every receiver.
            Some(Err(_)) | None => out.clear(),
        }
        out
    }

    /// Opens a frame in place and returns its content.
    pub(crate) fn open(
        &self,
        frame: &Frame,
        keys: &mut DerivedKeys,
        mut datagram: BytesMut,
    ) -> Result<BytesMut, FrameError> {
        let Some(keyring) = &self.keyring else {
            return open_clear(frame, datagram);
        };
        if frame.key == CLEAR {
            return Err(FrameError::Protection);
        }
        let key = keys
            .get(keyring, frame.key, frame.sender, frame.epoch)
            .ok_or(FrameError::UnknownKey(frame.key))?;
        let mut content = datagram.split_off(HEADER_LENGTH);
        let length = key
            .open_in_place(nonce(frame.counter), Aad::from(&datagram[..]), &mut content)
            .map_err(|_| FrameError::NotAuthentic)?
            .len();
        content.truncate(length);
        Ok(content)
    }
}

fn open_clear(frame: &Frame, mut datagram: BytesMut) -> Result<BytesMut, FrameError> {
    if frame.key != CLEAR {
        return Err(FrameError::Protection);
    }
    let end = datagram.len().checked_sub(CHECKSUM).filter(|end| *end >= HEADER_LENGTH);
    let end = end.ok_or(FrameError::Truncated)?;
    let sum = datagram.split_off(end);
    if crc32fast::hash(&datagram).to_be_bytes() != sum[..] {
        return Err(FrameError::NotAuthentic);
    }
    Ok(datagram.split_off(HEADER_LENGTH))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::security::Cipher;

    fn sealer(node: u32, material: Option<u8>) -> Sealer {
        let key = material.map(|byte| Key::new(&[byte; 128], Cipher::default()).unwrap());
        Sealer::new(NodeId::new(node).unwrap(), 9, key.map(Keyring::new))
    }

    fn open(with: &Sealer, datagram: &[u8]) -> Result<Vec<u8>, FrameError> {
        let frame = Frame::parse(datagram)?;
        let keys = &mut DerivedKeys::default();
        with.open(&frame, keys, BytesMut::from(datagram)).map(|content| content.to_vec())
    }

    #[test]
    fn content_survives_under_the_same_key_and_under_no_other() {
        let mut alice = sealer(1, Some(1));
        let datagram = alice.seal([b"hello ", b"world"]);
        assert_eq!(open(&sealer(2, Some(1)), &datagram), Ok(b"hello world".to_vec()));
        let id = sealer(1, Some(1)).keyring.unwrap().active().unwrap().id();
        assert_eq!(open(&sealer(2, Some(2)), &datagram), Err(FrameError::UnknownKey(id)));
        assert_eq!(open(&sealer(2, None), &datagram), Err(FrameError::Protection));
        let clear = sealer(1, None).seal([b"a", b"b"]);
        assert_eq!(open(&sealer(2, None), &clear), Ok(b"ab".to_vec()));
        assert_eq!(open(&sealer(2, Some(1)), &clear), Err(FrameError::Protection));
    }

    #[test]
    fn no_flipped_bit_and_no_cut_is_accepted() {
        for material in [Some(1), None] {
            let datagram = sealer(1, material).seal([b"content", b""]);
            for index in 0..datagram.len() * 8 {
                let mut altered = datagram.clone();
                altered[index / 8] ^= 1 << (index % 8);
                assert!(open(&sealer(2, material), &altered).is_err(), "bit {index}");
            }
            for length in 0..datagram.len() {
                assert!(open(&sealer(2, material), &datagram[..length]).is_err());
            }
        }
    }

    #[test]
    fn a_rotation_accepts_both_keys_in_between() {
        let (old, new) = (1, 2);
        let key = |byte: u8| Key::new(&[byte; 128], Cipher::default()).unwrap();
        let mut sender = sealer(1, Some(old));
        let mut receiver = sealer(2, Some(old));
        let keyring = |sealer: &mut Sealer| sealer.keyring.take().unwrap();
        let (mut theirs, mut mine) = (keyring(&mut sender), keyring(&mut receiver));
        let id = theirs.load(key(new)).unwrap();
        assert_eq!(mine.load(key(new)), Ok(id), "the name of a key is the same everywhere");
        assert_eq!(mine.load(key(new)), Ok(id), "twice changes nothing");
        (sender.keyring, receiver.keyring) = (Some(theirs), Some(mine));
        let before = sender.seal([b"old", b""]);
        sender.keyring.as_mut().unwrap().activate(id).unwrap();
        let after = sender.seal([b"new", b""]);
        assert_eq!(open(&receiver, &before), Ok(b"old".to_vec()));
        assert_eq!(open(&receiver, &after), Ok(b"new".to_vec()));
        receiver.keyring.as_mut().unwrap().retire_except(id).unwrap();
        assert_eq!(open(&receiver, &before), Err(FrameError::UnknownKey(key(old).id())));
        // A node that starts now has only the new key, and all understand each other.
        let mut late = sealer(3, Some(new));
        assert_eq!(open(&late, &after), Ok(b"new".to_vec()));
        assert_eq!(open(&receiver, &late.seal([b"late", b""])), Ok(b"late".to_vec()));
        assert_eq!(open(&receiver, &after), Ok(b"new".to_vec()));
    }
}
