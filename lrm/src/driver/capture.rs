//! What an agent writes: read without blocking, kept up to a limit (spec 80 §2.7).

use std::io::Read;

/// How much of a stream is kept.
pub(super) const LIMIT: usize = 10 * 1024 * 1024;

/// The most that a pipe can hold unless privileged processes make it larger.
const LARGEST_PIPE: usize = 1024 * 1024;

/// How much is read in one turn, so that no agent starves another.
const TURN: usize = 256 * 1024;

/// One output stream of an agent.
#[derive(Debug)]
pub(super) struct Capture<S> {
    stream: Option<S>,
    kept: Vec<u8>,
    full: bool,
}

/// Whether a stream has more for now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    /// Drained, or at its end.
    Over,
    /// The turn ended with more to read.
    More,
}

impl<S: Read> Capture<S> {
    pub(super) fn new(stream: S) -> Self {
        Self { stream: Some(stream), kept: Vec::new(), full: false }
    }

    /// What it reads from, until that has ended.
    pub(super) fn stream(&self) -> Option<&S> {
        self.stream.as_ref()
    }

    /// Reads one turn's worth.
    pub(super) fn read(&mut self, scratch: &mut [u8]) -> Turn {
        self.read_up_to(TURN, scratch)
    }

    /// Reads what is left after the agent ended. A process that lives on may still write; what
    /// did not fit the pipe then is not the agent's.
    pub(super) fn finish(mut self, scratch: &mut [u8]) -> Vec<u8> {
        self.read_up_to(LARGEST_PIPE, scratch);
        self.kept
    }

    fn read_up_to(&mut self, most: usize, scratch: &mut [u8]) -> Turn {
        let mut total = 0;
        while let Some(stream) = &mut self.stream {
            if total >= most {
                return Turn::More;
            }
            match stream.read(scratch) {
                Ok(0) => self.stream = None,
                Ok(count) => {
                    total += count;
                    self.keep(&scratch[..count]);
                }
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => break,
                Err(_) => self.stream = None,
            }
        }
        Turn::Over
    }

    /// Keeps what fits. A NUL byte ends what is kept of one read.
    fn keep(&mut self, bytes: &[u8]) {
        let room = LIMIT - self.kept.len();
        if room > 0 {
            let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
            self.kept.extend_from_slice(&bytes[..end.min(room)]);
        } else if !self.full {
            self.full = true;
            log::warn!("agent wrote more than {LIMIT} bytes; the rest is dropped");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_is_kept_up_to_the_limit_and_read_on_in_turns() {
        let mut capture = Capture::new(std::io::repeat(b'x'));
        let mut scratch = vec![0; 64 * 1024];
        for _ in 0..60 {
            assert_eq!(capture.read(&mut scratch), Turn::More);
            assert!(capture.kept.len() <= LIMIT);
        }
        assert_eq!(capture.finish(&mut scratch).len(), LIMIT);
    }

    #[test]
    fn a_nul_byte_ends_what_is_kept_of_a_read() {
        let mut scratch = [0; 64];
        let kept = Capture::new(&b"one\0two"[..]).finish(&mut scratch);
        assert_eq!(kept, b"one");
    }
}
