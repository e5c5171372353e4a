//! What waits to be sent to a client.

use std::collections::VecDeque;
use std::io;
use std::os::unix::net::{SocketAddr, UnixDatagram};

use crate::ipc::parts::MAX_TEXT;

/// Most frames that wait.
const MAX_FRAMES: usize = 500;
/// Most bytes that wait: one answer of any size, and something besides.
const MAX_BYTES: usize = MAX_TEXT + (8 << 20);

/// A datagram socket to a client, with what it could not take yet.
#[derive(Debug)]
pub(super) struct Outbox {
    pub socket: UnixDatagram,
    peer: Option<SocketAddr>,
    waiting: VecDeque<Vec<u8>>,
    bytes: usize,
}

impl Outbox {
    /// A socket with an address of its own. It is connected to `peer` when first used, for the peer binds
    /// its own in the meantime.
    pub fn new(own: &SocketAddr, peer: SocketAddr) -> io::Result<Outbox> {
        let socket = UnixDatagram::bind_addr(own)?;
        socket.set_nonblocking(true)?;
        Ok(Outbox { socket, peer: Some(peer), waiting: VecDeque::new(), bytes: 0 })
    }

    /// Sends frames, or keeps them until they can be sent.
    ///
    /// # Errors
    /// When the client is gone, or too much waits.
    pub fn send(&mut self, frames: Vec<Vec<u8>>) -> io::Result<()> {
        self.bytes += frames.iter().map(Vec::len).sum::<usize>();
        self.waiting.extend(frames);
        self.flush()?;
        if self.waiting.len() > MAX_FRAMES || self.bytes > MAX_BYTES {
            let behind =
                format!("{} messages wait for a client that does not read", self.waiting.len());
            return Err(io::Error::other(behind));
        }
        Ok(())
    }

    /// Bytes that wait.
    pub fn held(&self) -> usize {
        self.bytes
    }

    /// Sends what waits, as far as it can be sent.
    ///
    /// # Errors
    /// When the client is gone.
    pub fn flush(&mut self) -> io::Result<()> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        if let Some(peer) = &self.peer {
            self.socket.connect_addr(peer)?;
            self.peer = None;
        }
        while let Some(frame) = self.waiting.front() {
            match self.socket.send(frame) {
                Ok(_) => {
                    self.bytes -= frame.len();
                    self.waiting.pop_front();
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}
