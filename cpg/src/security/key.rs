//! Shared keys and the slots that make their rotation possible without downtime.

use ring::aead::{self, LessSafeKey, UnboundKey};
use ring::hkdf;
use std::fmt;

/// Shortest and longest shared key, in bytes.
const KEY_BYTES: std::ops::RangeInclusive<usize> = 128..=4096;
/// How many keys can be known at once.
pub(super) const SLOTS: u8 = 4;

/// How datagrams are protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Cipher {
    /// AES-256-GCM, the default.
    #[default]
    Aes256Gcm,
    /// AES-128-GCM.
    Aes128Gcm,
    /// ChaCha20-Poly1305, for machines without AES instructions.
    ChaCha20Poly1305,
}

impl Cipher {
    fn algorithm(self) -> &'static aead::Algorithm {
        match self {
            Cipher::Aes256Gcm => &aead::AES_256_GCM,
            Cipher::Aes128Gcm => &aead::AES_128_GCM,
            Cipher::ChaCha20Poly1305 => &aead::CHACHA20_POLY1305,
        }
    }
}

/// Why key material was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Fewer than 128 bytes.
    #[error("key is too short: {0} bytes, 128 to 4096 are accepted")]
    TooShort(usize),
    /// More than 4096 bytes.
    #[error("key is too long: {0} bytes, 128 to 4096 are accepted")]
    TooLong(usize),
    /// No such slot.
    #[error("key slot {0} does not exist; slots run from 0 to 3")]
    NoSlot(u8),
    /// The slot holds no key.
    #[error("key slot {0} is empty")]
    Empty(u8),
    /// The slot in use cannot be emptied.
    #[error("key slot {0} is in use for sending")]
    InUse(u8),
}

/// A shared key, ready for derivation. The material itself is not kept.
#[derive(Clone)]
pub struct Key {
    root: hkdf::Prk,
    cipher: Cipher,
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({:?})", self.cipher)
    }
}

struct Length(usize);

impl hkdf::KeyType for Length {
    fn len(&self) -> usize {
        self.0
    }
}

impl Key {
    /// Takes the content of a key file, 128 to 4096 bytes.
    pub fn new(material: &[u8], cipher: Cipher) -> Result<Key, KeyError> {
        if material.len() < *KEY_BYTES.start() {
            return Err(KeyError::TooShort(material.len()));
        }
        if material.len() > *KEY_BYTES.end() {
            return Err(KeyError::TooLong(material.len()));
        }
        let root = hkdf::Salt::new(hkdf::HKDF_SHA256, b"cpg datagram key 1").extract(material);
        Ok(Key { root, cipher })
    }

    /// The key of one boot of one node.
    pub(super) fn derive(&self, sender: u32, epoch: u64) -> Option<LessSafeKey> {
        let algorithm = self.cipher.algorithm();
        let (sender, epoch) = (sender.to_be_bytes(), epoch.to_be_bytes());
        let info: [&[u8]; 2] = [&sender, &epoch];
        let mut bytes = [0; 32];
        let bytes = &mut bytes[..algorithm.key_len()];
        self.root.expand(&info, Length(bytes.len())).ok()?.fill(bytes).ok()?;
        Some(LessSafeKey::new(UnboundKey::new(algorithm, bytes).ok()?))
    }
}

/// A place for a key.
pub type KeySlot = u8;

/// The keys a node knows. It sends with one and accepts all.
#[derive(Debug, Clone, Default)]
pub struct Keyring {
    slots: [Option<Key>; SLOTS as usize],
    active: KeySlot,
    /// Grows with every change, so that derived keys are derived anew.
    pub(super) generation: u64,
}

impl Keyring {
    /// A ring with one key, used for sending.
    pub fn new(key: Key) -> Keyring {
        Keyring { slots: [Some(key), None, None, None], active: 0, generation: 0 }
    }

    /// The slot used for sending.
    pub fn active(&self) -> KeySlot {
        self.active
    }

    pub(super) fn get(&self, slot: KeySlot) -> Option<&Key> {
        self.slots.get(usize::from(slot))?.as_ref()
    }

    /// Adds a key for receiving; first step of a rotation, at every node.
    pub fn load(&mut self, slot: KeySlot, key: Key) -> Result<(), KeyError> {
        if slot == self.active && self.get(slot).is_some() {
            return Err(KeyError::InUse(slot));
        }
        let place = self.slots.get_mut(usize::from(slot)).ok_or(KeyError::NoSlot(slot))?;
        *place = Some(key);
        self.generation += 1;
        Ok(())
    }

    /// Sends with this slot's key from now on; second step, when every node has loaded it.
    pub fn activate(&mut self, slot: KeySlot) -> Result<(), KeyError> {
        self.get(slot).ok_or(KeyError::Empty(slot))?;
        self.active = slot;
        self.generation += 1;
        Ok(())
    }

    /// Drops every key but this slot's; last step, when every node sends with it.
    pub fn retire_except(&mut self, slot: KeySlot) -> Result<(), KeyError> {
        self.activate(slot)?;
        for (index, place) in self.slots.iter_mut().enumerate() {
            if index != usize::from(slot) {
                *place = None;
            }
        }
        Ok(())
    }
}
