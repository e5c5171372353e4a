//! The other end: how our own command lines speak to a node.

use std::io::{self, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::time::{Duration, Instant};

use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};
use nix::unistd::{Uid, User};
use rustix::net::sockopt;
use thiserror::Error;

use super::endpoint::{Endpoint, Place};
use super::frame::{Layout, flag};
use super::handshake::{ANSWER_LENGTH, Answer, HandshakeError, MESSAGE_SIZE, Request};
use super::parts::{Assembly, Message, MessageError, frames};

/// How long a server may take to answer a handshake.
const HANDSHAKE: Duration = Duration::from_secs(5);

/// Why there is no connection, or no answer.
#[derive(Debug, Error)]
pub enum ClientError {
    /// Nobody listens.
    #[error("nothing answers at {endpoint}: {error}")]
    Unreachable {
        /// Where.
        endpoint: String,
        /// As the system says.
        error: io::Error,
    },
    /// Somebody listens who is neither root, nor the cluster's user, nor oneself.
    #[error("{endpoint} is served by user {uid}, who is not to be trusted")]
    Untrusted {
        /// Where.
        endpoint: String,
        /// By whom.
        uid: u32,
    },
    /// The handshake failed.
    #[error(transparent)]
    Handshake(#[from] HandshakeError),
    /// A message is wrong.
    #[error(transparent)]
    Message(#[from] MessageError),
    /// The server is gone.
    #[error("the server has closed the connection")]
    Closed,
    /// No answer in time.
    #[error("no answer within {} s", .0.as_secs())]
    Timeout(Duration),
    /// The system fails.
    #[error(transparent)]
    Io(#[from] io::Error),
}

const SETUP: Token = Token(0);
const RESPONSE: Token = Token(1);
const EVENT: Token = Token(2);

/// A connection to an endpoint.
#[derive(Debug)]
pub struct Client {
    poll: Poll,
    setup: UnixStream,
    response: UnixDatagram,
    event: UnixDatagram,
    responses: Assembly,
    events: Assembly,
    buffer: Vec<u8>,
    layout: Layout,
    next: i32,
    gone: bool,
}

impl Client {
    /// Connects.
    ///
    /// # Errors
    /// When nobody listens, or nobody to be trusted, or the handshake fails.
    pub fn connect(place: &Place, endpoint: Endpoint) -> Result<Client, ClientError> {
        Client::connect_to(place, endpoint.name())
    }

    /// Connects to an endpoint by its name, which need not be one that a node of ours has.
    ///
    /// # Errors
    /// As [`Client::connect`].
    pub fn connect_to(place: &Place, endpoint: &str) -> Result<Client, ClientError> {
        let unreachable = |error| ClientError::Unreachable { endpoint: endpoint.to_owned(), error };
        let address = place.named(endpoint).map_err(unreachable)?;
        let mut setup = UnixStream::connect_addr(&address).map_err(unreachable)?;
        let server = sockopt::socket_peercred(&setup).map_err(io::Error::from)?.uid.as_raw();
        if !is_trusted(server) {
            return Err(ClientError::Untrusted { endpoint: endpoint.to_owned(), uid: server });
        }
        setup.set_read_timeout(Some(HANDSHAKE))?;
        setup.write_all(&Request { message_size: MESSAGE_SIZE }.encode())?;
        let mut bytes = [0; ANSWER_LENGTH];
        setup.read_exact(&mut bytes).map_err(unreachable)?;
        let answer = Answer::decode(&bytes)?;
        setup.set_nonblocking(true)?;
        let response = datagram(&answer.base, "response", "request")?;
        let event = datagram(&answer.base, "event", "event-tx")?;
        let poll = Poll::new()?;
        let both = Interest::READABLE | Interest::WRITABLE;
        poll.registry().register(&mut SourceFd(&setup.as_raw_fd()), SETUP, Interest::READABLE)?;
        poll.registry().register(&mut SourceFd(&response.as_raw_fd()), RESPONSE, both)?;
        poll.registry().register(&mut SourceFd(&event.as_raw_fd()), EVENT, Interest::READABLE)?;
        Ok(Client {
            poll,
            setup,
            response,
            event,
            responses: Assembly::default(),
            events: Assembly::default(),
            buffer: vec![0; answer.message_size as usize],
            layout: Layout::New,
            next: 1,
            gone: false,
        })
    }

    /// Speaks another layout than the newest, to a server that knows no other.
    #[must_use]
    pub fn speaking(self, layout: Layout) -> Client {
        Client { layout, ..self }
    }

    /// Sends a request.
    ///
    /// # Errors
    /// When the server is gone, or does not take it in time.
    pub fn send(
        &mut self,
        text: &str,
        response_wanted: bool,
        timeout: Duration,
    ) -> Result<i32, ClientError> {
        let end = Instant::now() + timeout;
        let id = self.next;
        self.next = self.next.checked_add(1).unwrap_or(1);
        let flags = if response_wanted { flag::RESPONSE_WANTED } else { 0 };
        for frame in frames(id, flags, self.layout, text, self.buffer.len())? {
            loop {
                match self.response.send(&frame) {
                    Ok(_) => break,
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                        self.wait(end, timeout)?
                    }
                    Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                        return Err(ClientError::Closed);
                    }
                    Err(error) => return Err(error.into()),
                }
            }
        }
        Ok(id)
    }

    /// Waits for the response to a request.
    ///
    /// # Errors
    /// When the server is gone, or takes too long.
    pub fn response(&mut self, id: i32, timeout: Duration) -> Result<String, ClientError> {
        let end = Instant::now() + timeout;
        loop {
            match receive(&self.response, &mut self.responses, &mut self.buffer)? {
                Received::Message(message) if message.id == id => return Ok(message.text),
                Received::Message(_) | Received::Part => {}
                Received::Nothing => self.wait(end, timeout)?,
            }
        }
    }

    /// Waits for the next event.
    ///
    /// # Errors
    /// When the server is gone, or takes too long.
    pub fn event(&mut self, timeout: Duration) -> Result<String, ClientError> {
        let end = Instant::now() + timeout;
        loop {
            match receive(&self.event, &mut self.events, &mut self.buffer)? {
                Received::Message(message) => return Ok(message.text),
                Received::Part => {}
                Received::Nothing => self.wait(end, timeout)?,
            }
        }
    }

    /// Sends a request and waits for its response.
    ///
    /// # Errors
    /// When the server is gone, or takes too long.
    pub fn ask(&mut self, text: &str, timeout: Duration) -> Result<String, ClientError> {
        let id = self.send(text, true, timeout)?;
        self.response(id, timeout)
    }

    /// Waits until something can be read or written, or the server is gone.
    fn wait(&mut self, end: Instant, timeout: Duration) -> Result<(), ClientError> {
        if self.gone {
            return Err(ClientError::Closed);
        }
        let rest = end.saturating_duration_since(Instant::now());
        if rest.is_zero() {
            return Err(ClientError::Timeout(timeout));
        }
        let mut events = Events::with_capacity(4);
        match self.poll.poll(&mut events, Some(rest)) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(()),
            other => other?,
        }
        // What was sent before the end is still to be read.
        let setup = events.iter().any(|event| event.token() == SETUP);
        self.gone =
            setup && !matches!(self.setup.read(&mut [0; 16]), Err(error) if is_waiting(&error));
        Ok(())
    }
}

fn is_waiting(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}

fn datagram(base: &str, own: &str, peer: &str) -> io::Result<UnixDatagram> {
    let socket = UnixDatagram::bind_addr(&Place::datagram(base, own)?)?;
    socket.connect_addr(&Place::datagram(base, peer)?)?;
    socket.set_nonblocking(true)?;
    sockopt::set_socket_send_buffer_size(&socket, 2 * MESSAGE_SIZE as usize)?;
    Ok(socket)
}

enum Received {
    Message(Message),
    Part,
    Nothing,
}

fn receive(
    socket: &UnixDatagram,
    assembly: &mut Assembly,
    buffer: &mut [u8],
) -> Result<Received, ClientError> {
    loop {
        return match socket.recv(buffer) {
            Ok(length) => {
                Ok(assembly.take(&buffer[..length])?.map_or(Received::Part, Received::Message))
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(Received::Nothing),
            Err(error) => Err(error.into()),
        };
    }
}

fn is_trusted(uid: u32) -> bool {
    let uid = Uid::from_raw(uid);
    uid.is_root()
        || uid == Uid::effective()
        || User::from_name("hacluster").ok().flatten().is_some_and(|user| user.uid == uid)
}
