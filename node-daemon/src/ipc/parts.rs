//! Whole texts from frames and frames from texts: parts, compression, limits (spec 62 §7).

use std::borrow::Cow;
use std::io::{Read, Write};

use bzip2::Compression;
use bzip2::read::BzDecoder;
use bzip2::write::BzEncoder;
use thiserror::Error;

use super::frame::{Frame, FrameError, HEADER_LENGTH, Layout, flag};

/// Longest text of one message, in bytes.
pub const MAX_TEXT: usize = 32 << 20;

/// Why a message is not accepted or not sent.
#[derive(Debug, Error)]
pub enum MessageError {
    /// A frame is wrong.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// A part comes where another is expected.
    #[error("part {got} of message {id}, but part {expected} of message {of} is due")]
    Part {
        /// Message.
        id: i32,
        /// Its number.
        got: u16,
        /// The number due.
        expected: usize,
        /// Of this message.
        of: i32,
    },
    /// Too long.
    #[error("a message of more than {limit} bytes")]
    TooLong {
        /// Limit.
        limit: usize,
    },
    /// Not UTF-8, or no NUL at the end.
    #[error("a message that is not NUL-terminated UTF-8 text")]
    NotText,
    /// Compressed data that do not expand to what they say.
    #[error("compressed message: {0}")]
    Compression(std::io::Error),
}

/// A message whose text is complete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Number given by the client.
    pub id: i32,
    /// Flags of the last frame.
    pub flags: u32,
    /// Layout.
    pub layout: Layout,
    /// Text, without the NUL.
    pub text: String,
}

/// Puts parts together.
#[derive(Debug, Default)]
pub struct Assembly {
    id: i32,
    parts: usize,
    text: Vec<u8>,
}

impl Assembly {
    /// Takes a frame; gives a message if it completes one.
    ///
    /// # Errors
    /// When it does not fit. What was begun is dropped then.
    pub fn take(&mut self, bytes: &[u8]) -> Result<Option<Message>, MessageError> {
        let taken = self.try_take(bytes);
        if taken.is_err() {
            *self = Assembly::default();
        }
        taken
    }

    /// Bytes of the message that is not complete yet.
    pub fn held(&self) -> usize {
        self.text.len()
    }

    fn try_take(&mut self, bytes: &[u8]) -> Result<Option<Message>, MessageError> {
        let frame = Frame::decode(bytes)?;
        let text = text_of(&frame)?;
        let several = frame.flags & flag::PART != 0;
        let of = if self.parts > 0 { self.id } else { frame.id };
        let part = if several { usize::from(frame.part) } else { 0 };
        if part != self.parts || frame.id != of {
            return Err(MessageError::Part {
                id: frame.id,
                got: frame.part,
                expected: self.parts,
                of,
            });
        }
        if self.text.len() + text.len() > MAX_TEXT {
            return Err(MessageError::TooLong { limit: MAX_TEXT });
        }
        self.id = frame.id;
        self.parts += 1;
        self.text.extend_from_slice(&text);
        if several && frame.flags & flag::LAST_PART == 0 {
            return Ok(None);
        }
        let whole = std::mem::take(self);
        let text = String::from_utf8(whole.text).map_err(|_| MessageError::NotText)?;
        Ok(Some(Message { id: frame.id, flags: frame.flags, layout: frame.layout, text }))
    }
}

/// The text of a frame, decompressed, without its NUL.
fn text_of<'f>(frame: &Frame<'f>) -> Result<Cow<'f, [u8]>, MessageError> {
    let bytes = if frame.flags & flag::COMPRESSED == 0 {
        Cow::Borrowed(frame.payload)
    } else {
        let expected = frame.expanded as usize;
        if expected > MAX_TEXT {
            return Err(MessageError::TooLong { limit: MAX_TEXT });
        }
        let mut text = Vec::new();
        let mut decoder = BzDecoder::new(frame.payload).take(expected as u64 + 1);
        decoder.read_to_end(&mut text).map_err(MessageError::Compression)?;
        if text.len() != expected {
            let wrong = format!("{} bytes instead of {expected}", text.len());
            return Err(MessageError::Compression(std::io::Error::other(wrong)));
        }
        Cow::Owned(text)
    };
    let end = bytes.len().checked_sub(1).ok_or(MessageError::NotText)?;
    if bytes.iter().position(|byte| *byte == 0) != Some(end) {
        return Err(MessageError::NotText);
    }
    Ok(match bytes {
        Cow::Borrowed(bytes) => Cow::Borrowed(&bytes[..end]),
        Cow::Owned(mut bytes) => {
            bytes.truncate(end);
            Cow::Owned(bytes)
        }
    })
}

/// The frames of a text, each at most `size` bytes.
///
/// # Errors
/// In the old layout, when it does not fit even compressed.
pub fn frames(
    id: i32,
    flags: u32,
    layout: Layout,
    text: &str,
    size: usize,
) -> Result<Vec<Vec<u8>>, MessageError> {
    let whole = HEADER_LENGTH + text.len() + 1 < size;
    match layout {
        _ if whole => Ok(vec![frame(id, flags, layout, 0, text.as_bytes())]),
        Layout::Old => compressed(id, flags, text, size).map(|frame| vec![frame]),
        Layout::New => {
            let capacity = size - HEADER_LENGTH - 1;
            let count = text.len().div_ceil(capacity);
            if count > usize::from(u16::MAX) {
                return Err(MessageError::TooLong { limit: capacity * usize::from(u16::MAX) });
            }
            let chunks = text.as_bytes().chunks(capacity).enumerate();
            Ok(chunks
                .map(|(part, chunk)| {
                    let last = if part + 1 == count { flag::LAST_PART } else { 0 };
                    frame(id, flags | flag::PART | last, layout, part as u16, chunk)
                })
                .collect())
        }
    }
}

fn frame(id: i32, flags: u32, layout: Layout, part: u16, text: &[u8]) -> Vec<u8> {
    let mut payload = Vec::with_capacity(text.len() + 1);
    payload.extend_from_slice(text);
    payload.push(0);
    Frame { id, flags, layout, part, expanded: payload.len() as u32, payload: &payload }.encode()
}

fn compressed(id: i32, flags: u32, text: &str, size: usize) -> Result<Vec<u8>, MessageError> {
    let mut encoder = BzEncoder::new(Vec::new(), Compression::best());
    let written = encoder.write_all(text.as_bytes()).and_then(|()| encoder.write_all(&[0]));
    let payload = written.and_then(|()| encoder.finish()).map_err(MessageError::Compression)?;
    if HEADER_LENGTH + payload.len() > size {
        return Err(MessageError::TooLong { limit: size });
    }
    let flags = flags | flag::COMPRESSED;
    let expanded = text.len() as u32 + 1;
    Ok(Frame { id, flags, layout: Layout::Old, part: 0, expanded, payload: &payload }.encode())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: usize = 131_072;

    fn through(layout: Layout, text: &str) -> (usize, Message) {
        let frames = frames(3, flag::RESPONSE_WANTED, layout, text, SIZE).unwrap();
        let mut assembly = Assembly::default();
        let mut messages: Vec<Message> =
            frames.iter().filter_map(|frame| assembly.take(frame).unwrap()).collect();
        assert_eq!(messages.len(), 1);
        assert!(frames.iter().all(|frame| frame.len() <= SIZE));
        (frames.len(), messages.pop().unwrap())
    }

    #[test]
    fn long_texts_come_back_in_parts_or_compressed() {
        for length in [0, 1, 131_030, 131_031, 131_032, 262_060, 262_062, 262_063, 300_000] {
            let text = "a".repeat(length);
            for layout in [Layout::Old, Layout::New] {
                assert_eq!(through(layout, &text).1.text, text, "{layout:?} {length}");
            }
        }
        assert_eq!(through(Layout::New, &"a".repeat(300_000)).0, 3);
        assert_eq!(through(Layout::Old, &"a".repeat(300_000)).0, 1);
    }

    #[test]
    fn parts_that_do_not_follow_are_refused_and_forgotten() {
        let frames = frames(3, 0, Layout::New, &"a".repeat(300_000), SIZE).unwrap();
        let mut assembly = Assembly::default();
        assert!(assembly.take(&frames[0]).unwrap().is_none());
        assert!(matches!(
            assembly.take(&frames[2]),
            Err(MessageError::Part { got: 2, expected: 1, .. })
        ));
        assert!(matches!(assembly.take(&frames[1]), Err(MessageError::Part { .. })));
        assert!(assembly.take(&frames[0]).unwrap().is_none());
    }

    #[test]
    fn nothing_grows_beyond_the_limit() {
        let mut assembly = Assembly::default();
        let chunk = "a".repeat(SIZE - HEADER_LENGTH - 1);
        let end = (0..u16::MAX)
            .map(|part| assembly.take(&frame(1, flag::PART, Layout::New, part, chunk.as_bytes())));
        let end: Vec<_> = end.take(MAX_TEXT / chunk.len() + 1).skip_while(Result::is_ok).collect();
        assert!(matches!(&end[..], [Err(MessageError::TooLong { .. })]));
    }

    #[test]
    fn compressed_texts_are_as_long_as_they_say_or_refused() {
        let bomb = compressed(1, 0, &"a".repeat(1 << 20), SIZE).unwrap();
        let with_length = |length: u32| {
            let mut lying = bomb.clone();
            lying[24..28].copy_from_slice(&length.to_ne_bytes());
            Assembly::default().take(&lying)
        };
        assert!(with_length((1 << 20) + 1).is_ok());
        for length in [0, 10, (1 << 20) - 1, 1 << 21] {
            assert!(matches!(with_length(length), Err(MessageError::Compression(_))), "{length}");
        }
        let too_long = MAX_TEXT as u32 + 1;
        assert!(matches!(with_length(too_long), Err(MessageError::TooLong { .. })));
    }

    #[test]
    fn a_text_must_end_where_its_frame_ends() {
        for payload in [&b""[..], b"abc", b"a\0c\0"] {
            let frame =
                Frame { id: 1, flags: 0, layout: Layout::New, part: 0, expanded: 0, payload }
                    .encode();
            assert!(
                matches!(Assembly::default().take(&frame), Err(MessageError::NotText)),
                "{payload:?}"
            );
        }
    }
}
