//! Clients on sockets: [`Clients`] with a listener per endpoint (spec 62 §6).
//!
//! Every connection is answered with the transport of datagram sockets, which clients of either kind speak:
//! no memory is shared with them, so nothing they do to it can hurt. [`Server`] is a
//! [`Subsystem`] that lives in the wiring's loop.

mod authority;
mod connection;
mod outbox;

pub use authority::{Authority, CLUSTER_USER, groups_of};

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixListener;
use std::time::Duration;

use mio::event::Event;
use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};

use self::connection::{Connection, Progress};
use super::clients::{Action, Clients, SessionId};
use super::endpoint::{Endpoint, Place};
use super::parts::Message;
use crate::subsystem::{Envelope, Now, Outputs, Room, Subsystem};

/// Most connections at a time.
pub const MAX_CONNECTIONS: usize = 4_096;
/// Most bytes that may be on their way from and to all clients together.
pub const MAX_MEMORY: usize = 256 << 20;
/// How long a client may take to introduce itself.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long to wait when the system is out of descriptors.
const EXHAUSTED: Duration = Duration::from_millis(100);
/// Messages of one client that are taken before it is another's turn.
const TURN: usize = 32;
/// Tokens of one connection.
const STRIDE: usize = 4;

/// See the [module](self).
pub struct Server {
    clients: Clients,
    authority: Authority,
    first_token: usize,
    registry: Option<Registry>,
    listeners: Vec<(Endpoint, UnixListener)>,
    connections: BTreeMap<usize, Connection>,
    sessions: BTreeMap<SessionId, usize>,
    next: usize,
    ready: BTreeSet<usize>,
    /// Messages are received through it.
    buffer: Vec<u8>,
    accept: bool,
    accept_again: Option<Duration>,
    /// Bytes that are held for connections, and their sum.
    held: BTreeMap<usize, usize>,
    total: usize,
    most: usize,
}

impl Server {
    /// Listens at the endpoints of a node. Tokens from `first_token` on are its own.
    ///
    /// # Errors
    /// When an address is taken, as by another daemon, or cannot be listened at.
    pub fn new(node: &str, place: &Place, first_token: usize) -> io::Result<Server> {
        let authority = Authority::of_system();
        raise_descriptor_limit();
        let mut listeners = Vec::new();
        for endpoint in Endpoint::ALL {
            let named = |error: io::Error| {
                io::Error::new(error.kind(), format!("endpoint {endpoint}: {error}"))
            };
            if let Place::Directory(directory) = place {
                remove_stale(&directory.join(endpoint.name())).map_err(named)?;
            }
            let listener =
                place.of(endpoint).and_then(|at| UnixListener::bind_addr(&at)).map_err(named)?;
            listener.set_nonblocking(true)?;
            if let Place::Directory(directory) = place {
                // Everybody may connect; who may do what is decided by who it is.
                let everybody = std::os::unix::fs::PermissionsExt::from_mode(0o777);
                std::fs::set_permissions(directory.join(endpoint.name()), everybody)?;
            }
            listeners.push((endpoint, listener));
        }
        Ok(Server {
            clients: Clients::new(node),
            authority,
            first_token,
            registry: None,
            listeners,
            connections: BTreeMap::new(),
            sessions: BTreeMap::new(),
            next: 0,
            ready: BTreeSet::new(),
            buffer: Vec::new(),
            accept: true,
            accept_again: None,
            held: BTreeMap::new(),
            total: 0,
            most: MAX_MEMORY,
        })
    }

    /// The same, with another limit than [`MAX_MEMORY`].
    pub fn with_memory(self, most: usize) -> Server {
        Server { most, ..self }
    }

    /// Takes note of how much is held for a connection. If it is too much for all together, the one for
    /// which the most is held has to go.
    fn account(&mut self, slot: usize) {
        let now = self.connections.get(&slot).map_or(0, Connection::held);
        let before = if now > 0 { self.held.insert(slot, now) } else { self.held.remove(&slot) };
        self.total = self.total + now - before.unwrap_or(0);
        while self.total > self.most {
            let largest = self.held.iter().max_by_key(|(_, held)| **held).map(|(slot, _)| *slot);
            let Some(largest) = largest else { return };
            log::warn!(
                "ipc: more than {} bytes wait; the client for which the most do loses its connection",
                self.most
            );
            self.close(largest);
        }
    }

    /// Registers the listeners.
    ///
    /// # Errors
    /// As the system says.
    pub fn register(&mut self, registry: &Registry) -> io::Result<()> {
        for (index, (_, listener)) in self.listeners.iter().enumerate() {
            let token = Token(self.first_token + index);
            registry.register(&mut SourceFd(&listener.as_raw_fd()), token, Interest::READABLE)?;
        }
        self.registry = Some(registry.try_clone()?);
        Ok(())
    }

    /// Takes note of an event; [`Subsystem::handle_timeout`] does what is to be done about it.
    pub fn note(&mut self, event: &Event) {
        let Some(own) = event.token().0.checked_sub(self.first_token) else { return };
        match own.checked_sub(self.listeners.len()) {
            None => self.accept = true,
            Some(own) => drop(self.ready.insert(own / STRIDE)),
        }
    }

    /// How many clients are connected.
    pub fn connections(&self) -> usize {
        self.connections.len()
    }

    fn accept(&mut self, now: Now) {
        let Server { listeners, connections, next, ready, accept_again, .. } = self;
        for (endpoint, listener) in listeners.iter() {
            loop {
                match listener.accept() {
                    Ok((stream, _)) if connections.len() < MAX_CONNECTIONS => {
                        match Connection::new(*endpoint, stream, now.elapsed + PATIENCE) {
                            Ok(connection) => {
                                connections.insert(*next, connection);
                                ready.insert(*next);
                                *next += 1;
                            }
                            Err(error) => log::warn!("ipc: {endpoint}: {error}"),
                        }
                    }
                    Ok(_) => log::warn!(
                        "ipc: {endpoint}: {MAX_CONNECTIONS} clients are connected already"
                    ),
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                    Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                    Err(error) => {
                        log::warn!("ipc: {endpoint}: {error}");
                        *accept_again = Some(now.elapsed + EXHAUSTED);
                        break;
                    }
                }
            }
        }
    }

    fn token(&self, slot: usize) -> Token {
        Token(self.first_token + self.listeners.len() + slot * STRIDE)
    }

    /// Lets a connection go on.
    fn progress(&mut self, now: Now, slot: usize, out: &mut Outputs) {
        let token = self.token(slot);
        let Some(connection) = self.connections.get_mut(&slot) else { return };
        let Some(registry) = &self.registry else { return };
        let turn = (TURN, &mut self.buffer);
        let progress = connection.progress(registry, token, &self.authority, turn);
        match progress {
            Ok(Progress::Nothing) => {}
            Ok(Progress::Introduced { access, size }) => {
                let session = self.clients.connected(connection.endpoint(), access, size);
                connection.open(session);
                self.sessions.insert(session, slot);
                self.ready.insert(slot);
            }
            Ok(Progress::Messages { session, messages, more }) => {
                if more {
                    self.ready.insert(slot);
                }
                self.account(slot);
                self.take(now, session, messages, out);
            }
            Ok(Progress::Ended) => self.close(slot),
            Err(error) => {
                log::info!("ipc: {}: {error}", connection.endpoint());
                self.close(slot);
            }
        }
    }

    fn take(&mut self, now: Now, session: SessionId, messages: Vec<Message>, out: &mut Outputs) {
        for message in messages {
            self.clients.received(now, session, message, out);
            self.carry_out();
        }
    }

    /// Does what the clients' protocols call for.
    fn carry_out(&mut self) {
        while let Some(action) = self.clients.poll_action() {
            match action {
                Action::Send { session, channel, frames } => {
                    let Some(slot) = self.sessions.get(&session).copied() else { continue };
                    let Some(connection) = self.connections.get_mut(&slot) else { continue };
                    if let Err(error) = connection.send(channel, frames) {
                        log::info!("ipc: {}: {error}", connection.endpoint());
                        self.close(slot);
                    }
                    self.account(slot);
                }
                Action::Close(session) => {
                    if let Some(slot) = self.sessions.get(&session).copied() {
                        self.close(slot);
                    }
                }
            }
        }
    }

    fn close(&mut self, slot: usize) {
        let Some(connection) = self.connections.remove(&slot) else { return };
        self.ready.remove(&slot);
        self.total -= self.held.remove(&slot).unwrap_or(0);
        if let Some(session) = connection.session() {
            self.sessions.remove(&session);
            self.clients.closed(session);
        }
        if let Some(registry) = &self.registry {
            connection.deregister(registry);
        }
    }

    fn expire(&mut self, now: Now) {
        let late: Vec<usize> = self
            .connections
            .iter()
            .filter(|(_, connection)| connection.deadline().is_some_and(|at| at <= now.elapsed))
            .map(|(slot, _)| *slot)
            .collect();
        for slot in late {
            self.close(slot);
        }
    }
}

impl Subsystem for Server {
    fn room(&self) -> Room {
        Room::Clients
    }

    fn start(&mut self, _: Now, _: &mut Outputs) {}

    fn handle(&mut self, now: Now, envelope: Envelope, out: &mut Outputs) {
        self.clients.handle(now, envelope, out);
        self.carry_out();
    }

    fn handle_timeout(&mut self, now: Now, out: &mut Outputs) {
        let again = self.accept_again.take_if(|at| *at <= now.elapsed).is_some();
        if std::mem::take(&mut self.accept) || again {
            self.accept(now);
        }
        for slot in std::mem::take(&mut self.ready) {
            self.progress(now, slot, out);
        }
        self.expire(now);
        self.clients.handle_timeout(now);
        self.carry_out();
    }

    fn poll_timeout(&self) -> Option<Duration> {
        if self.accept || !self.ready.is_empty() {
            return Some(Duration::ZERO);
        }
        let unknown = self.connections.values().filter_map(Connection::deadline);
        unknown.chain(self.accept_again).chain(self.clients.poll_timeout()).min()
    }
}

/// Removes a socket nobody listens at.
fn remove_stale(path: &std::path::Path) -> io::Result<()> {
    if std::os::unix::net::UnixStream::connect(path).is_ok() {
        return Err(io::ErrorKind::AddrInUse.into());
    }
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Three descriptors for each of many clients are more than the usual limit.
fn raise_descriptor_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let wanted = limit.maximum.unwrap_or(u64::MAX).min(4 * MAX_CONNECTIONS as u64);
    if limit.current.is_some_and(|current| current < wanted) {
        let raised = Rlimit { current: Some(wanted), maximum: limit.maximum };
        if let Err(error) = setrlimit(Resource::Nofile, raised) {
            log::warn!("ipc: descriptors cannot be raised to {wanted}: {error}");
        }
    }
}
