//! Authenticated, encrypted, replay-protected datagrams under a shared key (spec 70 §12).
//!
//! From the shared key each boot of each node derives a key of its own (HKDF-SHA256 over node id and
//! a random epoch), so a counter is nonce enough, and the claimed sender is bound to the key. A
//! receiver accepts an epoch only after the sender answered a fresh challenge in it, and within
//! an epoch each counter only once: recorded datagrams are of no use.

mod frame;
mod key;
mod replay;

pub use frame::{Frame, FrameError, HEADER_LENGTH, MAX_OVERHEAD};
pub use key::{Cipher, Key, KeyError, KeyId, Keyring};
pub(crate) use replay::ReplayWindow;

pub(crate) use frame::{DerivedKeys, Sealer};
