//! One message on the wire: 40 bytes of header and a text (spec 62 §7).
//!
//! Two layouts with one version number are in use; a frame says by itself which it has, and an answer is
//! written in the layout of the question.

use thiserror::Error;

/// Length of the header.
pub const HEADER_LENGTH: usize = 40;

/// Id of a message that says good-bye.
pub const DISCONNECT: i32 = -3;

const VERSION: u8 = 1;

/// Flag bits.
pub mod flag {
    /// The text is compressed (old layout).
    pub const COMPRESSED: u32 = 0x1;
    /// The connection is proxied: everything is answered as an event.
    pub const PROXIED: u32 = 0x100;
    /// The client waits for a response.
    pub const RESPONSE_WANTED: u32 = 0x200;
    /// This is an event.
    pub const EVENT: u32 = 0x1_0000;
    /// Internal to the classic servers, and visible.
    pub const INTERNAL: u32 = 0x2_0000;
    /// One of several parts.
    pub const PART: u32 = 0x8_0000;
    /// The last of several parts.
    pub const LAST_PART: u32 = 0x10_0000;
}

/// Where the header's fields are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Layout {
    /// Up to 3.0.0: compression, no parts.
    Old,
    /// From 3.0.1: parts, no compression.
    New,
}

/// Why bytes are no frame.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum FrameError {
    /// Shorter than a header.
    #[error("a message of {0} bytes; a header alone has {HEADER_LENGTH}")]
    Short(usize),
    /// The length it gives is not the length it has.
    #[error("a message of {has} bytes says it has {says}")]
    Length {
        /// Length received.
        has: usize,
        /// Length in the header.
        says: i64,
    },
    /// Neither layout fits.
    #[error("a message of a protocol version other than {VERSION}")]
    Version,
}

/// A frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame<'b> {
    /// Number of the request it is or answers.
    pub id: i32,
    /// Flags.
    pub flags: u32,
    /// Layout.
    pub layout: Layout,
    /// Part number.
    pub part: u16,
    /// Length of the text with its NUL once decompressed (old layout).
    pub expanded: u32,
    /// What follows the header.
    pub payload: &'b [u8],
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    let mut word = [0; 4];
    word.copy_from_slice(&bytes[at..at + 4]);
    u32::from_ne_bytes(word)
}

impl<'b> Frame<'b> {
    /// The id of a message, even one that has no full header.
    pub fn id_of(bytes: &[u8]) -> Option<i32> {
        (bytes.len() >= 4).then(|| u32_at(bytes, 0) as i32)
    }

    /// Reads a frame.
    ///
    /// # Errors
    /// When it is none.
    pub fn decode(bytes: &'b [u8]) -> Result<Frame<'b>, FrameError> {
        let Some(payload) = bytes.get(HEADER_LENGTH..) else {
            return Err(FrameError::Short(bytes.len()));
        };
        let length = |says: i64| FrameError::Length { has: bytes.len(), says };
        let total = u32_at(bytes, 8) as i32;
        if total as i64 != bytes.len() as i64 {
            return Err(length(total.into()));
        }
        let id = u32_at(bytes, 0) as i32;
        let (expanded, second) = (u32_at(bytes, 24), u32_at(bytes, 28));
        let frame = match (bytes[32], bytes[36]) {
            (_, VERSION) => {
                let flags = u32_at(bytes, 32);
                let flags =
                    if second > 0 { flags | flag::COMPRESSED } else { flags & !flag::COMPRESSED };
                Frame { id, flags, layout: Layout::Old, part: 0, expanded, payload }
            }
            (VERSION, 0) => {
                let part = u16::from_ne_bytes([bytes[34], bytes[35]]);
                let flags = second & !flag::COMPRESSED;
                Frame { id, flags, layout: Layout::New, part, expanded, payload }
            }
            _ => return Err(FrameError::Version),
        };
        let says = if frame.flags & flag::COMPRESSED != 0 { second } else { expanded };
        if says as usize != payload.len() {
            return Err(length(HEADER_LENGTH as i64 + i64::from(says)));
        }
        Ok(frame)
    }

    /// Its bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = vec![0; HEADER_LENGTH];
        let mut put = |at: usize, bytes: &[u8]| out[at..at + bytes.len()].copy_from_slice(bytes);
        let total = HEADER_LENGTH + self.payload.len();
        put(0, &self.id.to_ne_bytes());
        put(8, &(total as i32).to_ne_bytes());
        let length = (self.payload.len() as u32).to_ne_bytes();
        match self.layout {
            Layout::Old => {
                let compressed = self.flags & flag::COMPRESSED != 0;
                put(24, &if compressed { self.expanded.to_ne_bytes() } else { length });
                put(28, &if compressed { length } else { [0; 4] });
                put(32, &self.flags.to_ne_bytes());
                put(36, &[VERSION]);
            }
            Layout::New => {
                put(24, &length);
                put(28, &self.flags.to_ne_bytes());
                put(32, &[VERSION]);
                put(34, &self.part.to_ne_bytes());
            }
        }
        out.extend_from_slice(self.payload);
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(layout: Layout, flags: u32) -> Frame<'static> {
        Frame { id: 5, flags, layout, part: 0, expanded: 4, payload: b"abc\0" }
    }

    #[test]
    fn either_layout_comes_back_as_it_went() {
        for layout in [Layout::Old, Layout::New] {
            let frame = frame(layout, flag::RESPONSE_WANTED);
            assert_eq!(Frame::decode(&frame.encode()), Ok(frame));
        }
    }

    #[test]
    fn a_request_of_a_2_1_tool_is_read() {
        let mut bytes = Vec::new();
        for word in [1u32, 0, 42, 0, 0, 0, 2, 0, 0x200, 1] {
            bytes.extend_from_slice(&word.to_ne_bytes());
        }
        bytes.extend_from_slice(b"x\0");
        let frame = Frame::decode(&bytes).unwrap();
        assert_eq!((frame.layout, frame.flags, frame.payload), (Layout::Old, 0x200, &b"x\0"[..]));
    }

    #[test]
    fn wrong_lengths_and_versions_are_refused() {
        assert_eq!(Frame::decode(&[0; 39]), Err(FrameError::Short(39)));
        let mut bytes = frame(Layout::New, 0).encode();
        bytes.push(0);
        assert!(matches!(Frame::decode(&bytes), Err(FrameError::Length { has: 45, says: 44 })));
        let mut bytes = frame(Layout::New, 0).encode();
        bytes[24] = 9;
        assert!(matches!(Frame::decode(&bytes), Err(FrameError::Length { has: 44, says: 49 })));
        let mut bytes = frame(Layout::New, 0).encode();
        bytes[32] = 2;
        assert_eq!(Frame::decode(&bytes), Err(FrameError::Version));
    }
}
