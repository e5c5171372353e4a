//! The handshake of a connection (spec 62 §6.2).

use thiserror::Error;

/// Length of a client's opening.
pub const REQUEST_LENGTH: usize = 24;

/// Length of the answer.
pub const ANSWER_LENGTH: usize = 12_328;

/// Smallest maximum message size a server agrees to, and the size of buffers of the classic stack.
pub const MESSAGE_SIZE: u32 = 131_072;

/// Largest message size a client can ask for.
pub const LARGEST_MESSAGE_SIZE: u32 = 16 << 20;

const AUTHENTICATE: i32 = -1;
const NAME_LENGTH: usize = 4096;

/// Why bytes are no handshake.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum HandshakeError {
    /// The first word is another.
    #[error("handshake with message id {0}; it must be -1")]
    Id(i32),
    /// The size is another.
    #[error("handshake of size {0}; it must be {1}")]
    Size(i32, usize),
    /// The server refuses, with a negative error number.
    #[error("the server refuses the connection with error {0}")]
    Refused(i32),
    /// The server offers something else than datagram sockets.
    #[error("the server offers transport {0}; only 0 (sockets) is spoken here")]
    Transport(i32),
    /// A name has no end or is not text.
    #[error("a name in the handshake is not NUL-terminated text")]
    Name,
}

fn word(bytes: &[u8], at: usize) -> i32 {
    let mut word = [0; 4];
    word.copy_from_slice(&bytes[at..at + 4]);
    i32::from_ne_bytes(word)
}

/// A client's opening.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Request {
    /// Largest message it wants to exchange.
    pub message_size: u32,
}

impl Request {
    /// Its bytes.
    pub fn encode(self) -> [u8; REQUEST_LENGTH] {
        let mut out = [0; REQUEST_LENGTH];
        out[0..4].copy_from_slice(&AUTHENTICATE.to_ne_bytes());
        out[8..12].copy_from_slice(&(REQUEST_LENGTH as i32).to_ne_bytes());
        out[16..20].copy_from_slice(&self.message_size.to_ne_bytes());
        out
    }

    /// Reads one.
    ///
    /// # Errors
    /// When it is none.
    pub fn decode(bytes: &[u8; REQUEST_LENGTH]) -> Result<Request, HandshakeError> {
        match (word(bytes, 0), word(bytes, 8)) {
            (AUTHENTICATE, size) if size as usize == REQUEST_LENGTH => {
                Ok(Request { message_size: word(bytes, 16) as u32 })
            }
            (AUTHENTICATE, size) => Err(HandshakeError::Size(size, REQUEST_LENGTH)),
            (id, _) => Err(HandshakeError::Id(id)),
        }
    }

    /// The size to agree on.
    pub fn agreed_size(self) -> u32 {
        self.message_size.clamp(MESSAGE_SIZE, LARGEST_MESSAGE_SIZE)
    }
}

/// A server's answer: it accepts, and speaks through datagram sockets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Largest message.
    pub message_size: u32,
    /// Identifies the connection; clients do not look at it.
    pub token: u64,
    /// Path of the shared control file.
    pub control: String,
    /// Start of the names of the datagram sockets.
    pub base: String,
}

impl Answer {
    /// Its bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = head(0);
        out[28..32].copy_from_slice(&self.message_size.to_ne_bytes());
        out[32..40].copy_from_slice(&self.token.to_ne_bytes());
        for (index, name) in [&self.control, &self.base].into_iter().enumerate() {
            let at = 40 + index * NAME_LENGTH;
            let length = name.len().min(NAME_LENGTH - 1);
            out[at..at + length].copy_from_slice(&name.as_bytes()[..length]);
        }
        out
    }

    /// The bytes of a refusal with an error number.
    pub fn refusal(errno: i32) -> Vec<u8> {
        head(-errno.abs())
    }

    /// Reads one.
    ///
    /// # Errors
    /// When it is none, a refusal, or offers another transport.
    pub fn decode(bytes: &[u8; ANSWER_LENGTH]) -> Result<Answer, HandshakeError> {
        match word(bytes, 0) {
            AUTHENTICATE => {}
            id => return Err(HandshakeError::Id(id)),
        }
        match word(bytes, 16) {
            0 => {}
            error => return Err(HandshakeError::Refused(error)),
        }
        match word(bytes, 24) {
            0 => {}
            transport => return Err(HandshakeError::Transport(transport)),
        }
        let name = |index: usize| {
            let at = 40 + index * NAME_LENGTH;
            let field = &bytes[at..at + NAME_LENGTH];
            let text =
                std::ffi::CStr::from_bytes_until_nul(field).map_err(|_| HandshakeError::Name)?;
            text.to_str().map(str::to_owned).map_err(|_| HandshakeError::Name)
        };
        let mut token = [0; 8];
        token.copy_from_slice(&bytes[32..40]);
        Ok(Answer {
            message_size: word(bytes, 28) as u32,
            token: u64::from_ne_bytes(token),
            control: name(0)?,
            base: name(1)?,
        })
    }
}

fn head(error: i32) -> Vec<u8> {
    let mut out = vec![0; ANSWER_LENGTH];
    out[0..4].copy_from_slice(&AUTHENTICATE.to_ne_bytes());
    out[8..12].copy_from_slice(&(ANSWER_LENGTH as i32).to_ne_bytes());
    out[16..20].copy_from_slice(&error.to_ne_bytes());
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_sides_come_back_as_they_went() {
        let request = Request { message_size: 200_000 };
        assert_eq!(Request::decode(&request.encode()), Ok(request));
        let answer = Answer {
            message_size: 200_000,
            token: 7,
            control: "/dev/shm/a/qb-control-x".into(),
            base: "/dev/shm/a/qb-x".into(),
        };
        let bytes: [u8; ANSWER_LENGTH] = answer.encode().try_into().unwrap();
        assert_eq!(Answer::decode(&bytes), Ok(answer));
    }

    #[test]
    fn sizes_are_kept_within_bounds() {
        for (asked, agreed) in
            [(0, MESSAGE_SIZE), (200_000, 200_000), (u32::MAX, LARGEST_MESSAGE_SIZE)]
        {
            assert_eq!(Request { message_size: asked }.agreed_size(), agreed);
        }
    }

    #[test]
    fn what_is_no_handshake_is_refused() {
        let mut bytes = Request { message_size: 1 }.encode();
        bytes[8] = 25;
        assert_eq!(Request::decode(&bytes), Err(HandshakeError::Size(25, REQUEST_LENGTH)));
        bytes[0] = 3;
        assert!(matches!(Request::decode(&bytes), Err(HandshakeError::Id(_))));
        let refusal: [u8; ANSWER_LENGTH] = Answer::refusal(111).try_into().unwrap();
        assert_eq!(Answer::decode(&refusal), Err(HandshakeError::Refused(-111)));
    }
}
