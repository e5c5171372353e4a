//! The client on a real TCP connection, driven by somebody else's event loop.

use std::io::{self, Read, Write};
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver};
use std::time::Duration;

use mio::net::TcpStream;
use mio::{Interest, Registry, Token};
use rustls::ClientConnection;

use crate::device::QuorumDevice;
use crate::id::{NodeId, RingId};
use crate::votes::{DeviceRequest, NodeState};

use super::client::{Client, Input, NetNotice, Output};
use super::commands::Run;
use super::settings::{IpVersion, NetSettings, TlsMode};
use super::tls::{Credentials, TlsError};

/// Bytes that may wait to be sent.
const MAX_OUTGOING: usize = 1 << 18;
/// Reads per turn; what is left is read in the next.
const READS_PER_TURN: usize = 16;

/// Wakes the event loop when a name has been resolved or checks have ended; called from another thread.
pub type Wake = Arc<dyn Fn() + Send + Sync>;

/// Why there can be no device.
#[derive(Debug, thiserror::Error)]
pub enum NetDeviceError {
    /// The registry cannot be shared.
    #[error(transparent)]
    System(#[from] io::Error),
    /// TLS is wanted and its file cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

/// The quorum device with its connection. The owner of the event loop calls
/// [`turn`](QuorumDevice::turn) when the token is ready, after a wake, and at
/// [`poll_timeout`](QuorumDevice::poll_timeout).
pub struct NetDevice {
    client: Client,
    registry: Registry,
    token: Token,
    wake: Wake,
    tell: Box<dyn FnMut(NetNotice) + Send>,
    credentials: Option<Credentials>,
    connection: Connection,
    checks: Option<Run>,
}

enum Connection {
    None,
    Resolving(Receiver<io::Result<Vec<SocketAddr>>>),
    /// Being made; the further addresses are tried if it fails.
    Connecting {
        stream: TcpStream,
        further: Vec<SocketAddr>,
    },
    Open {
        stream: TcpStream,
        outgoing: Vec<u8>,
        unread: bool,
        tls: Option<Box<ClientConnection>>,
    },
}

impl NetDevice {
    /// A device that will connect with the first ring.
    ///
    /// # Errors
    /// When the registry cannot be shared, or TLS is wanted and its file cannot be used.
    pub fn new(
        settings: NetSettings,
        registry: &Registry,
        token: Token,
        wake: Wake,
        tell: impl FnMut(NetNotice) + Send + 'static,
    ) -> Result<NetDevice, NetDeviceError> {
        let credentials = match settings.tls {
            TlsMode::Off => None,
            TlsMode::On | TlsMode::Required => {
                Some(Credentials::read(&settings.tls_file, &settings.cluster)?)
            }
        };
        Ok(NetDevice {
            client: Client::new(settings),
            registry: registry.try_clone()?,
            token,
            wake,
            tell: Box::new(tell),
            credentials,
            connection: Connection::None,
            checks: None,
        })
    }

    /// The state machine.
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Carries out what the client wants.
    fn carry(&mut self, now: Duration) {
        while let Some(output) = self.client.poll_output() {
            match output {
                Output::Connect => self.resolve(now),
                Output::Disconnect => {
                    self.connection = Connection::None;
                    self.checks = None;
                }
                Output::Send(bytes) => self.send(now, &bytes),
                Output::Secure => self.secure(now),
                Output::Check { round, timeout } => self.check(now, round, timeout),
                Output::Notice(notice) => (self.tell)(notice),
            }
        }
        if let Err(error) = self.write() {
            self.close(now, &error);
        }
    }

    fn send(&mut self, now: Duration, bytes: &[u8]) {
        let Connection::Open { outgoing, tls, .. } = &mut self.connection else { return };
        let Some(tls) = tls else { return outgoing.extend(bytes) };
        let sealed = tls.writer().write_all(bytes).and_then(|()| seal(tls, outgoing));
        if let Err(error) = sealed {
            self.close(now, &error);
        }
    }

    /// Begins TLS behind what waits to be sent.
    fn secure(&mut self, now: Duration) {
        let Connection::Open { outgoing, tls, .. } = &mut self.connection else { return };
        let missing = || io::Error::other("there are no credentials for TLS");
        let begun = self.credentials.as_ref().ok_or_else(missing).and_then(Credentials::connect);
        match begun.and_then(|mut new| seal(&mut new, outgoing).map(|()| new)) {
            Ok(new) => *tls = Some(Box::new(new)),
            Err(error) => self.close(now, &error),
        }
    }

    fn check(&mut self, now: Duration, round: u32, timeout: Duration) {
        let checks = self.client.settings().checks.as_ref();
        let commands = checks.map(|checks| checks.commands.clone()).unwrap_or_default();
        match Run::start(commands, round, timeout, Arc::clone(&self.wake)) {
            Ok(run) => self.checks = Some(run),
            Err(_) => self.client.handle(now, Input::Checked { round, passed: false }),
        }
    }

    fn close(&mut self, now: Duration, error: &io::Error) {
        self.connection = Connection::None;
        self.client.handle(now, Input::Closed(error.to_string()));
        self.carry(now);
    }

    fn resolve(&mut self, now: Duration) {
        let NetSettings { host, port, .. } = self.client.settings();
        if let Ok(address) = host.parse::<IpAddr>() {
            let address = SocketAddr::new(address, *port);
            return self.connect(now, Ok(vec![address]));
        }
        let (answer, question) = mpsc::channel();
        let (name, wake) = ((host.clone(), *port), Arc::clone(&self.wake));
        let thread = std::thread::Builder::new().name("qnetd-name".to_owned()).spawn(move || {
            let found = name.to_socket_addrs().map(Iterator::collect);
            // Nobody listens any more if it took too long.
            if answer.send(found).is_ok() {
                wake();
            }
        });
        match thread {
            Ok(_) => self.connection = Connection::Resolving(question),
            Err(error) => self.close(now, &error),
        }
    }

    fn connect(&mut self, now: Duration, found: io::Result<Vec<SocketAddr>>) {
        let mut addresses = match found {
            Ok(addresses) => addresses,
            Err(error) => return self.close(now, &error),
        };
        match self.client.settings().ip_version {
            IpVersion::Any => addresses.sort_by_key(SocketAddr::is_ipv4),
            IpVersion::V4 => addresses.retain(SocketAddr::is_ipv4),
            IpVersion::V6 => addresses.retain(SocketAddr::is_ipv6),
        }
        self.try_next(now, addresses, io::Error::other("the name has no usable address"));
    }

    fn try_next(&mut self, now: Duration, mut further: Vec<SocketAddr>, mut error: io::Error) {
        while !further.is_empty() {
            let address = further.remove(0);
            let interest = Interest::READABLE | Interest::WRITABLE;
            let made = TcpStream::connect(address).and_then(|mut stream| {
                self.registry.register(&mut stream, self.token, interest).map(|()| stream)
            });
            match made {
                Ok(stream) => {
                    self.connection = Connection::Connecting { stream, further };
                    return;
                }
                Err(failed) => error = failed,
            }
        }
        self.close(now, &error);
    }

    /// Whether a connection in the making stands.
    fn progress(&mut self, now: Duration) {
        match std::mem::replace(&mut self.connection, Connection::None) {
            Connection::Resolving(question) => match question.try_recv() {
                Ok(found) => self.connect(now, found),
                Err(mpsc::TryRecvError::Empty) => self.connection = Connection::Resolving(question),
                Err(gone) => self.close(now, &io::Error::other(gone)),
            },
            Connection::Connecting { stream, further } => {
                let failed = match (stream.take_error(), stream.peer_addr()) {
                    (Err(error), _) | (Ok(Some(error)), _) => Some(error),
                    (Ok(None), Ok(_)) => None,
                    (Ok(None), Err(error)) if error.kind() == io::ErrorKind::NotConnected => {
                        self.connection = Connection::Connecting { stream, further };
                        return;
                    }
                    (Ok(None), Err(error)) => Some(error),
                };
                if let Some(error) = failed {
                    drop(stream);
                    return self.try_next(now, further, error);
                }
                // Messages are small and answered one by one.
                let _ = stream.set_nodelay(true);
                self.connection =
                    Connection::Open { stream, outgoing: Vec::new(), unread: true, tls: None };
                self.client.handle(now, Input::Connected);
                self.carry(now);
            }
            other => self.connection = other,
        }
    }

    fn read(&mut self, now: Duration) {
        let mut buffer = [0; 16_384];
        for _ in 0..READS_PER_TURN {
            let Connection::Open { stream, unread, .. } = &mut self.connection else { return };
            match stream.read(&mut buffer) {
                Ok(0) => {
                    let closed = io::Error::other("the arbiter has closed the connection");
                    return self.close(now, &closed);
                }
                Ok(length) => self.received(now, &buffer[..length]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    *unread = false;
                    return;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return self.close(now, &error),
            }
        }
        if let Connection::Open { unread, .. } = &mut self.connection {
            *unread = true;
        }
    }

    fn received(&mut self, now: Duration, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let Connection::Open { tls, outgoing, .. } = &mut self.connection else { return };
            let Some(tls) = tls else {
                self.client.handle(now, Input::Received(bytes));
                return self.carry(now);
            };
            let shaking = tls.is_handshaking();
            let opened = open(tls, &mut bytes);
            let sealed = seal(tls, outgoing);
            let secured = shaking && !tls.is_handshaking();
            let clear = match (opened, sealed) {
                (Ok(clear), Ok(())) => clear,
                (Err(error), _) | (Ok(_), Err(error)) => {
                    let _ = self.write(); // the arbiter may read why
                    return self.close(now, &error);
                }
            };
            if secured {
                self.client.handle(now, Input::Secured);
            }
            if !clear.is_empty() {
                self.client.handle(now, Input::Received(&clear));
            }
            self.carry(now);
        }
    }

    fn write(&mut self) -> io::Result<()> {
        let Connection::Open { stream, outgoing, .. } = &mut self.connection else {
            return Ok(());
        };
        while !outgoing.is_empty() {
            match stream.write(outgoing) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(length) => drop(outgoing.drain(..length)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        if outgoing.len() > MAX_OUTGOING {
            return Err(io::Error::other("the arbiter does not read"));
        }
        Ok(())
    }
}

/// Takes what TLS wants sent.
fn seal(tls: &mut ClientConnection, outgoing: &mut Vec<u8>) -> io::Result<()> {
    while tls.wants_write() {
        tls.write_tls(outgoing)?;
    }
    Ok(())
}

/// Hands TLS some of what came; returns what is in it.
fn open(tls: &mut ClientConnection, bytes: &mut &[u8]) -> io::Result<Vec<u8>> {
    tls.read_tls(bytes)?;
    let state = tls.process_new_packets().map_err(io::Error::other)?;
    let mut clear = vec![0; state.plaintext_bytes_to_read()];
    tls.reader().read_exact(&mut clear)?;
    Ok(clear)
}

impl QuorumDevice for NetDevice {
    fn name(&self) -> &str {
        self.client.name()
    }

    fn synchronising(&mut self, now: Duration, ring: RingId, members: &[NodeId]) {
        self.client.synchronising(now, ring, members);
        self.carry(now);
    }

    fn verdict(&mut self, now: Duration, quorate: bool, nodes: &[(NodeId, NodeState)]) {
        self.client.verdict(now, quorate, nodes);
        self.carry(now);
    }

    fn turn(&mut self, now: Duration) {
        self.client.handle(now, Input::Timeout);
        self.carry(now);
        self.progress(now);
        self.read(now);
        if let Some((round, passed)) =
            self.checks.as_ref().and_then(|c| Some((c.round, c.result()?)))
        {
            self.checks = None;
            self.client.handle(now, Input::Checked { round, passed });
        }
        self.carry(now);
    }

    fn poll(&mut self, now: Duration) -> Option<DeviceRequest> {
        let poll = self.client.poll(now);
        self.carry(now);
        poll
    }

    fn poll_timeout(&self) -> Option<Duration> {
        match self.connection {
            Connection::Open { unread: true, .. } => Some(Duration::ZERO),
            _ => self.client.poll_timeout(),
        }
    }
}
