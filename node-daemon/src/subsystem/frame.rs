//! The bytes of envelopes and their parts.

use serde::Serialize;
use serde::de::DeserializeOwned;

/// Longest encoded envelope. A CIB of tens of megabytes fits; a length beyond it is an error of the
/// sender.
pub const MAX_FRAME: usize = 64 << 20;

/// Why bytes are no envelope.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// It is longer than [`MAX_FRAME`].
    #[error("a message of {0} bytes; at most {MAX_FRAME} are accepted")]
    TooLong(usize),
    /// It does not decode.
    #[error("undecodable message of {length} bytes: {source}")]
    Undecodable {
        /// Its length.
        length: usize,
        /// What is wrong.
        source: postcard::Error,
    },
    /// It does not encode.
    #[error("message cannot be encoded: {0}")]
    Unencodable(postcard::Error),
}

/// The bytes of a value.
///
/// # Errors
/// When they would be too many.
pub fn encode<T: Serialize>(value: &T) -> Result<Vec<u8>, FrameError> {
    let bytes = postcard::to_stdvec(value).map_err(FrameError::Unencodable)?;
    if bytes.len() > MAX_FRAME { Err(FrameError::TooLong(bytes.len())) } else { Ok(bytes) }
}

/// The value of bytes.
///
/// # Errors
/// When they are none, or too many.
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, FrameError> {
    if bytes.len() > MAX_FRAME {
        return Err(FrameError::TooLong(bytes.len()));
    }
    postcard::from_bytes(bytes)
        .map_err(|source| FrameError::Undecodable { length: bytes.len(), source })
}
