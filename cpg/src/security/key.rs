//! Shared keys, and the ring of them that makes their rotation possible without downtime.

use ring::aead::{self, LessSafeKey, UnboundKey};
use ring::hkdf;
use std::fmt;

/// Shortest and longest shared key, in bytes.
const KEY_BYTES: std::ops::RangeInclusive<usize> = 128..=4096;
/// How many keys can be known at once.
pub(super) const SLOTS: usize = 4;

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
    /// Encryption is off.
    #[error("encryption is off, so there are no keys")]
    Off,
    /// No key of this id is loaded.
    #[error("no key with id {0} is loaded")]
    Unknown(KeyId),
    /// Another key that is loaded has the same id.
    #[error("the key has the id ({0}) of another one that is loaded; make another key")]
    Collision(KeyId),
}

/// A shared key, ready for derivation. The material itself is not kept.
#[derive(Clone)]
pub struct Key {
    root: hkdf::Prk,
    cipher: Cipher,
    fingerprint: [u8; FINGERPRINT],
}

/// Bytes by which keys are told apart.
const FINGERPRINT: usize = 16;

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
        let mut fingerprint = [0; FINGERPRINT];
        let info: [&[u8]; 2] = [b"fingerprint", &[cipher as u8]];
        let expanded = root.expand(&info, Length(FINGERPRINT));
        // Sixteen bytes are never too many for the function.
        let _ = expanded.and_then(|bytes| bytes.fill(&mut fingerprint));
        Ok(Key { root, cipher, fingerprint })
    }

    /// By what the key is called in datagrams and on the ring: the same at every node, 0 to 254.
    pub fn id(&self) -> KeyId {
        self.fingerprint[0] % 255
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

/// Name of a key, derived from it; two different keys have the same once in 255.
pub type KeyId = u8;

/// The keys a node knows. It sends with one and accepts all.
#[derive(Debug, Clone)]
pub struct Keyring {
    keys: [Option<Key>; SLOTS],
    active: usize,
    /// Grows with every change, so that derived keys are derived anew.
    pub(super) generation: u64,
}

impl Keyring {
    /// A ring with one key, used for sending.
    pub fn new(key: Key) -> Keyring {
        Keyring { keys: [Some(key), None, None, None], active: 0, generation: 0 }
    }

    /// The key used for sending.
    pub fn active(&self) -> Option<&Key> {
        self.keys.get(self.active)?.as_ref()
    }

    /// The key of this id and its place.
    pub(super) fn get(&self, id: KeyId) -> Option<(usize, &Key)> {
        let named = |(at, key): (usize, &'_ Option<Key>)| {
            key.as_ref().is_some_and(|key| key.id() == id).then_some(at)
        };
        let at = self.keys.iter().enumerate().find_map(named)?;
        Some((at, self.keys[at].as_ref()?))
    }

    /// Adds a key for receiving; first step of a rotation, at every node. A key that is not used for
    /// sending gives way when there are four. Loading a key twice changes nothing.
    pub fn load(&mut self, key: Key) -> Result<KeyId, KeyError> {
        let id = key.id();
        match self.get(id) {
            Some((_, known)) if known.fingerprint == key.fingerprint => return Ok(id),
            Some(_) => return Err(KeyError::Collision(id)),
            None => {}
        }
        let free = self.keys.iter().position(Option::is_none);
        let at = free.unwrap_or((self.active + 1) % SLOTS);
        self.keys[at] = Some(key);
        self.generation += 1;
        Ok(id)
    }

    /// Sends with this key from now on; second step, when every node has loaded it.
    pub fn activate(&mut self, id: KeyId) -> Result<(), KeyError> {
        let (at, _) = self.get(id).ok_or(KeyError::Unknown(id))?;
        if at != self.active {
            self.active = at;
            self.generation += 1;
        }
        Ok(())
    }

    /// Drops every key but this one; last step, when every node sends with it.
    pub fn retire_except(&mut self, id: KeyId) -> Result<(), KeyError> {
        self.activate(id)?;
        for (index, place) in self.keys.iter_mut().enumerate() {
            if index != self.active && place.take().is_some() {
                self.generation += 1;
            }
        }
        Ok(())
    }
}
