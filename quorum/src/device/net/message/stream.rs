//! A stream of bytes as it comes over a connection.

use super::{HEADER, MAX_LENGTH, Malformed, Message};

/// Cuts a stream of bytes into messages. Holds at most one incomplete message and what was handed
/// to it last.
#[derive(Clone, Debug, Default)]
pub struct Stream {
    pub(super) bytes: Vec<u8>,
    taken: usize,
}

impl Stream {
    /// Adds bytes as they came.
    pub fn extend(&mut self, bytes: &[u8]) {
        self.bytes.drain(..self.taken);
        self.taken = 0;
        self.bytes.extend_from_slice(bytes);
    }

    /// Whether there is nothing that waits to become complete.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bytes.len() == self.taken
    }

    /// The next complete message.
    ///
    /// # Errors
    /// When the bytes are no message. The stream cannot be used any further then.
    pub fn next_message(&mut self) -> Result<Option<Message>, Malformed> {
        let rest = &self.bytes[self.taken..];
        let Some(([a, b, length @ ..], rest)) = rest.split_first_chunk::<HEADER>() else {
            return Ok(None);
        };
        let length = u32::from_be_bytes(*length);
        if length as usize > MAX_LENGTH {
            return Err(Malformed::TooLong(length));
        }
        let Some(body) = rest.get(..length as usize) else { return Ok(None) };
        let message = Message::parse(u16::from_be_bytes([*a, *b]), body)?;
        self.taken += HEADER + length as usize;
        Ok(Some(message))
    }
}
