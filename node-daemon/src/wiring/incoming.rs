//! The receiving half of a connection, read by the loop of its subsystem without waiting.

use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;

use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};
use rustix::net::{RecvFlags, recv};

use crate::subsystem::{FrameError, MAX_FRAME};

/// Least room for what is read at once.
const AT_ONCE: usize = 16 << 10;
/// A buffer that has grown beyond this is given back once it is empty.
const KEPT: usize = 256 << 10;

/// See the [module](self).
#[derive(Debug)]
pub struct Incoming {
    stream: UnixStream,
    /// What was read; what lies before `start` is taken already.
    buffer: Vec<u8>,
    start: usize,
}

impl Incoming {
    /// Of a connection from which nothing was read yet.
    pub fn new(stream: UnixStream) -> Incoming {
        Incoming { stream, buffer: Vec::new(), start: 0 }
    }

    /// Wakes a loop when there is something to read.
    ///
    /// # Errors
    /// As the system says.
    pub fn register(&self, registry: &Registry, token: Token) -> io::Result<()> {
        registry.register(&mut SourceFd(&self.stream.as_raw_fd()), token, Interest::READABLE)
    }

    /// The bytes of the next frame, if all of it has arrived. Until this is [`None`] there may be more.
    ///
    /// # Errors
    /// At the end of the connection, when a frame is too long, and as the system says.
    pub fn next_frame(&mut self) -> io::Result<Option<&[u8]>> {
        loop {
            let rest = &self.buffer[self.start..];
            let wanted = match rest.first_chunk::<4>() {
                Some(length) => {
                    let length = u32::from_le_bytes(*length) as usize;
                    if length > MAX_FRAME {
                        return Err(io::Error::other(FrameError::TooLong(length)));
                    }
                    4 + length
                }
                None => 4,
            };
            if wanted > 4 && rest.len() >= wanted {
                let from = self.start + 4;
                self.start += wanted;
                return Ok(Some(&self.buffer[from..self.start]));
            }
            if !self.read()? {
                return Ok(None);
            }
        }
    }

    /// Reads what there is. False if there is nothing.
    fn read(&mut self) -> io::Result<bool> {
        self.buffer.drain(..self.start);
        self.start = 0;
        if self.buffer.is_empty() && self.buffer.capacity() > KEPT {
            self.buffer = Vec::new();
        }
        let held = self.buffer.len();
        // Grows with what arrives, not with what a length promises.
        self.buffer.resize(held + AT_ONCE.max(held), 0);
        let read = recv(&self.stream, &mut self.buffer[held..], RecvFlags::DONTWAIT);
        let read = read.map(|(_, length)| length);
        self.buffer.truncate(held + read.unwrap_or(0));
        match read {
            Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(_) => Ok(true),
            Err(rustix::io::Errno::AGAIN) => Ok(false),
            Err(rustix::io::Errno::INTR) => Ok(true),
            Err(error) => Err(error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn frame(bytes: &[u8]) -> Vec<u8> {
        [&(bytes.len() as u32).to_le_bytes(), bytes].concat()
    }

    #[test]
    fn frames_come_whole_however_they_arrive() {
        let (near, mut far) = UnixStream::pair().unwrap();
        let mut incoming = Incoming::new(near);
        let frames: Vec<Vec<u8>> =
            [1, 5, 60_000, 2, 9].iter().map(|n| vec![*n as u8; *n as usize]).collect();
        let all: Vec<u8> = frames.iter().flat_map(|bytes| frame(bytes)).collect();
        let mut taken = Vec::new();
        for piece in all.chunks(7_001) {
            far.write_all(piece).unwrap();
            while let Some(bytes) = incoming.next_frame().unwrap() {
                taken.push(bytes.to_vec());
            }
        }
        assert!(taken == frames);
        far.write_all(&[3, 0]).unwrap();
        assert!(incoming.next_frame().unwrap().is_none());
        drop(far);
        assert_eq!(incoming.next_frame().unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }

    #[test]
    fn a_length_beyond_all_measure_is_refused() {
        let (near, mut far) = UnixStream::pair().unwrap();
        far.write_all(&u32::MAX.to_le_bytes()).unwrap();
        assert!(Incoming::new(near).next_frame().is_err());
    }
}
