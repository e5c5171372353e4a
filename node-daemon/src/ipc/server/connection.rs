//! One client on its sockets.

use std::fs::{DirBuilder, OpenOptions};
use std::io::{self, IoSliceMut, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg, sockopt};

use super::authority::Authority;
use super::outbox::Outbox;
use crate::ipc::clients::{Access, Channel, Credentials, SessionId};
use crate::ipc::endpoint::{Endpoint, Place};
use crate::ipc::frame::{DISCONNECT, Frame};
use crate::ipc::handshake::{Answer, REQUEST_LENGTH, Request};
use crate::ipc::parts::{Assembly, Message};

/// Under which every connection gets a directory of its own.
const DIRECTORIES: &str = "/dev/shm";
/// Length of the file shared with a client: three pairs of counters.
const CONTROL_LENGTH: usize = 24;
/// "Permission denied", as a refusal says it.
const EACCES: i32 = 13;

/// What came of letting a connection go on.
pub(super) enum Progress {
    /// Nothing to be done.
    Nothing,
    /// The client has said who it is and got its sockets.
    Introduced {
        /// What it may do.
        access: Access,
        /// Largest frame.
        size: usize,
    },
    /// It has sent messages.
    Messages {
        /// The session.
        session: SessionId,
        /// They.
        messages: Vec<Message>,
        /// There may be more.
        more: bool,
    },
    /// It is gone.
    Ended,
}

enum State {
    Waiting { opening: Vec<u8>, deadline: Duration },
    Open(Box<Channels>),
}

struct Channels {
    session: Option<SessionId>,
    uid: u32,
    directory: PathBuf,
    /// Requests come in, and responses go out.
    response: Outbox,
    event: Outbox,
    assembly: Assembly,
    size: usize,
}

/// A client's sockets.
pub(super) struct Connection {
    endpoint: Endpoint,
    setup: UnixStream,
    registered: bool,
    state: State,
}

impl Connection {
    pub fn new(
        endpoint: Endpoint,
        setup: UnixStream,
        deadline: Duration,
    ) -> io::Result<Connection> {
        setup.set_nonblocking(true)?;
        let state = State::Waiting { opening: Vec::new(), deadline };
        Ok(Connection { endpoint, setup, registered: false, state })
    }

    pub fn endpoint(&self) -> Endpoint {
        self.endpoint
    }

    pub fn session(&self) -> Option<SessionId> {
        match &self.state {
            State::Open(channels) => channels.session,
            State::Waiting { .. } => None,
        }
    }

    /// When it must have introduced itself.
    pub fn deadline(&self) -> Option<Duration> {
        match &self.state {
            State::Waiting { deadline, .. } => Some(*deadline),
            State::Open(_) => None,
        }
    }

    /// It has a session now.
    pub fn open(&mut self, session: SessionId) {
        if let State::Open(channels) = &mut self.state {
            channels.session = Some(session);
        }
    }

    /// Reads and writes what can be read and written; at most `turn` messages, through a buffer that
    /// connections share.
    ///
    /// # Errors
    /// When it breaks a rule, or the system fails: it is to be closed.
    pub fn progress(
        &mut self,
        registry: &Registry,
        token: Token,
        authority: &Authority,
        (turn, buffer): (usize, &mut Vec<u8>),
    ) -> io::Result<Progress> {
        if !self.registered {
            registry.register(&mut SourceFd(&self.setup.as_raw_fd()), token, Interest::READABLE)?;
            self.registered = true;
        }
        match &mut self.state {
            State::Waiting { opening, .. } => {
                let mut buffer = [0; REQUEST_LENGTH];
                while opening.len() < REQUEST_LENGTH {
                    let rest = REQUEST_LENGTH - opening.len();
                    match self.setup.read(&mut buffer[..rest]) {
                        Ok(0) => return Ok(Progress::Ended),
                        Ok(length) => opening.extend_from_slice(&buffer[..length]),
                        Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                            return Ok(Progress::Nothing);
                        }
                        Err(error) => return Err(error),
                    }
                }
                buffer.copy_from_slice(opening);
                let request = Request::decode(&buffer).map_err(io::Error::other)?;
                self.introduce(request, registry, token, authority)
            }
            State::Open(channels) => {
                if is_hung_up(&mut self.setup)? {
                    return Ok(Progress::Ended);
                }
                channels.progress(turn, buffer)
            }
        }
    }

    fn introduce(
        &mut self,
        request: Request,
        registry: &Registry,
        token: Token,
        authority: &Authority,
    ) -> io::Result<Progress> {
        let peer = sockopt::socket_peercred(&self.setup)?;
        let (uid, gid) = (peer.uid.as_raw(), peer.gid.as_raw());
        let client = Credentials { pid: peer.pid.as_raw_nonzero().get(), uid, gid };
        let Some(access) = authority.access(client) else {
            log::warn!(
                "ipc: {}: process {} of user {uid} may not connect",
                self.endpoint,
                client.pid
            );
            self.setup.write_all(&Answer::refusal(EACCES))?;
            return Ok(Progress::Ended);
        };
        let size = request.agreed_size();
        let directory = make_directory(client, self.setup.as_fd())?;
        let opened = Channels::open(self.endpoint, client, directory.clone(), authority, size);
        let channels = opened.inspect_err(|_| remove(&directory))?;
        let both = Interest::READABLE | Interest::WRITABLE;
        for (index, outbox) in [&channels.response, &channels.event].into_iter().enumerate() {
            let token = Token(token.0 + 1 + index);
            registry.register(&mut SourceFd(&outbox.socket.as_raw_fd()), token, both)?;
        }
        let answer = Answer {
            message_size: size,
            token: fastrand::u64(..),
            control: control_file(&directory, self.endpoint),
            base: base_name(&directory, self.endpoint),
        };
        self.state = State::Open(Box::new(channels));
        // The socket's buffer is empty and larger than the answer.
        self.setup.write_all(&answer.encode())?;
        Ok(Progress::Introduced { access, size: size as usize })
    }

    /// Sends frames, now or later.
    ///
    /// # Errors
    /// When the client is gone or does not read.
    pub fn send(&mut self, channel: Channel, frames: Vec<Vec<u8>>) -> io::Result<()> {
        match &mut self.state {
            State::Waiting { .. } => Ok(()),
            State::Open(channels) => match channel {
                Channel::Response => channels.response.send(frames),
                Channel::Event => channels.event.send(frames),
            },
        }
    }

    /// Bytes that are held for it: of a message that is not complete, and of what it has not read yet.
    pub fn held(&self) -> usize {
        match &self.state {
            State::Waiting { .. } => 0,
            State::Open(channels) => {
                channels.assembly.held() + channels.response.held() + channels.event.held()
            }
        }
    }

    /// Takes its sockets from a registry.
    pub fn deregister(&self, registry: &Registry) {
        // Closing them would do the same.
        let _ = registry.deregister(&mut SourceFd(&self.setup.as_raw_fd()));
        if let State::Open(channels) = &self.state {
            for outbox in [&channels.response, &channels.event] {
                let _ = registry.deregister(&mut SourceFd(&outbox.socket.as_raw_fd()));
            }
        }
    }
}

impl Channels {
    fn open(
        endpoint: Endpoint,
        client: Credentials,
        directory: PathBuf,
        authority: &Authority,
        size: u32,
    ) -> io::Result<Channels> {
        give_to_client(&directory, client, endpoint, authority)?;
        let base = base_name(&directory, endpoint);
        let address = |suffix| Place::datagram(&base, suffix);
        let response = Outbox::new(&address("request")?, address("response")?)?;
        let event = Outbox::new(&address("event-tx")?, address("event")?)?;
        sockopt::set_socket_passcred(&response.socket, true)?;
        for outbox in [&response, &event] {
            sockopt::set_socket_send_buffer_size(&outbox.socket, 2 * size as usize)?;
        }
        Ok(Channels {
            session: None,
            uid: client.uid,
            directory,
            response,
            event,
            assembly: Assembly::default(),
            size: size as usize,
        })
    }

    fn progress(&mut self, turn: usize, buffer: &mut Vec<u8>) -> io::Result<Progress> {
        let Some(session) = self.session else { return Ok(Progress::Nothing) };
        self.response.flush()?;
        self.event.flush()?;
        if buffer.len() < self.size {
            buffer.resize(self.size, 0);
        }
        let buffer = &mut buffer[..self.size];
        let mut messages = Vec::new();
        for _ in 0..turn {
            match self.receive(buffer) {
                Ok(None) => return Ok(Progress::Messages { session, messages, more: false }),
                Ok(Some(length)) => {
                    let bytes = &buffer[..length];
                    if Frame::id_of(bytes) == Some(DISCONNECT) {
                        return Ok(Progress::Ended);
                    }
                    match self.assembly.take(bytes) {
                        Ok(message) => messages.extend(message),
                        Err(error) => return Err(io::Error::other(error)),
                    }
                }
                Err(error) => return Err(error),
            }
        }
        Ok(Progress::Messages { session, messages, more: true })
    }

    /// Reads one datagram of the client; those of anybody else are dropped.
    fn receive(&self, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        loop {
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmCredentials(1))];
            let mut control = RecvAncillaryBuffer::new(&mut space);
            let mut into = [IoSliceMut::new(buffer)];
            let flags = RecvFlags::DONTWAIT | RecvFlags::TRUNC;
            let received = match recvmsg(&self.response.socket, &mut into, &mut control, flags) {
                Ok(received) => received,
                Err(rustix::io::Errno::INTR) => continue,
                Err(rustix::io::Errno::AGAIN) => return Ok(None),
                Err(error) => return Err(error.into()),
            };
            let sender = control.drain().find_map(|message| match message {
                RecvAncillaryMessage::ScmCredentials(sender) => Some(sender.uid.as_raw()),
                _ => None,
            });
            if sender != Some(self.uid) {
                log::warn!(
                    "ipc: a message of user {sender:?} on a connection of user {}",
                    self.uid
                );
                continue;
            }
            if received.bytes > self.size {
                let size = self.size;
                return Err(io::Error::other(format!("a message of more than {size} bytes")));
            }
            return Ok(Some(received.bytes));
        }
    }
}

impl Drop for Channels {
    fn drop(&mut self) {
        remove(&self.directory);
    }
}

/// Whether the client is gone. What it writes on the setup socket means nothing here.
fn is_hung_up(setup: &mut UnixStream) -> io::Result<bool> {
    let mut buffer = [0; 64];
    for _ in 0..16 {
        match setup.read(&mut buffer) {
            Ok(0) => return Ok(true),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => return Ok(true),
            Err(error) => return Err(error),
        }
    }
    Err(io::Error::other("a client that floods its setup socket"))
}

fn base_name(directory: &Path, endpoint: Endpoint) -> String {
    format!("{}/qb-{endpoint}", directory.display())
}

fn control_file(directory: &Path, endpoint: Endpoint) -> String {
    format!("{}/qb-control-{endpoint}", directory.display())
}

/// Makes a directory whose name nobody can foresee.
fn make_directory(client: Credentials, setup: BorrowedFd<'_>) -> io::Result<PathBuf> {
    let own = std::process::id();
    loop {
        let random: String = std::iter::repeat_with(fastrand::alphanumeric).take(6).collect();
        let name = format!("qb-{own}-{}-{}-{random}", client.pid, setup.as_raw_fd());
        let path = Path::new(DIRECTORIES).join(name);
        match DirBuilder::new().mode(0o700).create(&path) {
            Ok(()) => return Ok(path),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
}

/// Makes the control file, and lets the client open it (spec 62 §6.2).
fn give_to_client(
    directory: &Path,
    client: Credentials,
    endpoint: Endpoint,
    authority: &Authority,
) -> io::Result<()> {
    let path = control_file(directory, endpoint);
    let mut control = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
    control.write_all(&[0; CONTROL_LENGTH])?;
    if rustix::process::geteuid().is_root() && client.uid != 0 {
        std::os::unix::fs::chown(directory, Some(client.uid), Some(client.gid))?;
        std::os::unix::fs::fchown(&control, None, authority.group().map(|group| group.as_raw()))?;
        control.set_permissions(std::fs::Permissions::from_mode(0o660))?;
    }
    std::fs::set_permissions(directory, std::fs::Permissions::from_mode(0o770))
}

/// Removes a connection's directory; the client may have been first.
fn remove(directory: &Path) {
    match std::fs::remove_dir_all(directory) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            log::info!("ipc: {}: {error}", directory.display());
        }
        _ => {}
    }
}
