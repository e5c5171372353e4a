//! The driver: an [`Endpoint`] on real sockets, a real clock and a real disk.
//!
//! [`Driver::turn`] waits for readiness with `mio`, reads datagrams in batches, lets timers run out and
//! sends what the endpoint wants sent, segmented by the kernel where it can. A program with sources of
//! its own registers them with [`Driver::registry`] and gets their tokens back.
//!
//! ```no_run
//! use cpg::driver::{Driver, DriverConfiguration, load_configuration};
//! use cpg::group::{Event, GroupName, ProcessId};
//! use cpg::node::NodeEvent;
//!
//! fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let cluster = load_configuration("/etc/corosync/corosync.conf".as_ref())?;
//!     let mut driver = Driver::start(DriverConfiguration::from_cluster(&cluster)?)?;
//!     let client = driver.act(|node, _| node.connect(ProcessId(std::process::id())))??;
//!     let group = GroupName::new("accounts")?;
//!     while !driver.endpoint().node().is_ready() {
//!         driver.turn(None)?;
//!     }
//!     driver.act(|node, now| node.join(client, group, now))??;
//!     loop {
//!         driver.turn(None)?;
//!         while let Some(event) = driver.poll_event() {
//!             if let NodeEvent::Client(_, Event::Message(message)) = event {
//!                 println!("{:?} says {:?}", message.sender, message.payload);
//!             }
//!         }
//!     }
//! }
//! ```
#![allow(clippy::disallowed_methods)] // here, and only here, the clock, sockets and files are real

mod clock;
mod key_file;
mod load;
mod outbound;
mod refusals;
mod socket;
mod store;
mod watch;

pub use key_file::{KeyFileError, read_key_file};
pub use load::{
    LoadError, SystemNames, load_configuration, local_host, read_configuration, read_key,
};
pub use socket::LinkBind;
pub use store::{RingStore, StoreError};

use crate::endpoint::{Endpoint, EndpointConfiguration, EndpointOutput};
use crate::link::{LinkConfiguration, MAX_LINKS};
use crate::node::{Node, NodeEvent};
use crate::protocol::{Road, ScheduleMiss};
use crate::ring::{FlowLimits, Reconfiguration, RingConfiguration};
use crate::time::Time;
use clock::Clock;
use mio::{Events, Poll, Registry, Token};
use outbound::Outbound;
use rand::TryRngCore;
use socket::LinkSocket;
use std::io;
use std::path::PathBuf;
use std::time::Duration;
use watch::Watch;

/// Tokens below this belong to the driver.
pub const FIRST_FREE_TOKEN: usize = 16;

/// What a driver is started with.
#[derive(Debug, Clone)]
pub struct DriverConfiguration {
    /// The node.
    pub endpoint: EndpointConfiguration,
    /// Where to listen, one address per link.
    pub binds: Vec<LinkBind>,
    /// Directory for the ring sequence; must exist.
    pub state_directory: PathBuf,
    /// Bytes of each socket buffer asked of the kernel.
    pub socket_buffer: usize,
}

/// Why a driver could not start or go on.
#[derive(Debug, thiserror::Error)]
pub enum DriverError {
    /// A socket could not be opened or bound.
    #[error("link {link}: cannot listen on {address}: {source}")]
    Bind {
        /// The link.
        link: u8,
        /// Its address.
        address: std::net::SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// The ring sequence could not be read or made durable.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Waiting for readiness failed, or there is no randomness.
    #[error(transparent)]
    System(#[from] io::Error),
}

/// See the module's documentation.
#[derive(Debug)]
pub struct Driver {
    poll: Poll,
    ready: Events,
    clock: Clock,
    endpoint: Endpoint,
    sockets: Vec<LinkSocket>,
    outbound: Outbound,
    /// The token that is expected was looked for before data.
    token_sought: bool,
    /// Bytes asked of the kernel for each socket buffer.
    socket_buffer: usize,
    store: RingStore,
    watch: Watch,
}

impl Driver {
    /// Opens sockets and the store, and starts the node.
    pub fn start(mut configuration: DriverConfiguration) -> Result<Driver, DriverError> {
        let poll = Poll::new()?;
        let socket_buffer = configuration.socket_buffer;
        let mut sockets = Vec::new();
        for bind in &configuration.binds {
            sockets.push(open(bind, socket_buffer, poll.registry())?);
        }
        let EndpointConfiguration { ring, links, .. } = &mut configuration.endpoint;
        fit_to_sockets(&sockets, &mut ring.limits, links)?;
        let node = configuration.endpoint.ring.node;
        let store = RingStore::open(&configuration.state_directory, node)?;
        let mut seed = [0; 32];
        rand::rngs::OsRng
            .try_fill_bytes(&mut seed)
            .map_err(|error| io::Error::other(error.to_string()))?;
        let clock = Clock::start();
        let sequence = store.sequence();
        let endpoint = Endpoint::new(configuration.endpoint, sequence, seed, clock.now());
        let ready = Events::with_capacity(64);
        let outbound = Outbound::default();
        let token_sought = false;
        let mut driver = Driver {
            poll,
            ready,
            clock,
            endpoint,
            sockets,
            outbound,
            token_sought,
            socket_buffer,
            store,
            watch: Watch::default(),
        };
        driver.flush()?;
        Ok(driver)
    }

    /// For sources of the caller's own, with tokens from [`FIRST_FREE_TOKEN`].
    pub fn registry(&self) -> &Registry {
        self.poll.registry()
    }

    /// The endpoint, for reading.
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// The present moment of the driver's clock.
    pub fn now(&self) -> Time {
        self.clock.now()
    }

    /// Acts on the node and sends what follows from it.
    pub fn act<R>(&mut self, act: impl FnOnce(&mut Node, Time) -> R) -> Result<R, DriverError> {
        let now = self.clock.now();
        let result = self.endpoint.with_node(now, |node| act(node, now));
        self.flush()?;
        Ok(result)
    }

    /// Acts on the endpoint (peers, keys) and sends what follows from it.
    pub fn act_on_endpoint<R>(
        &mut self,
        act: impl FnOnce(&mut Endpoint, Time) -> R,
    ) -> Result<R, DriverError> {
        let now = self.clock.now();
        let result = act(&mut self.endpoint, now);
        self.flush()?;
        Ok(result)
    }

    /// Changes at run time what may change, see [`Endpoint::reconfigure`], and where this node listens. What
    /// the sockets can take bounds the windows as at the start. Links that cannot be opened stay down, and
    /// are returned; the others go on.
    pub fn reconfigure(
        &mut self,
        ring: RingConfiguration,
        mut links: LinkConfiguration,
        binds: &[LinkBind],
    ) -> Result<Vec<DriverError>, DriverError> {
        self.flush()?;
        let mut failed = Vec::new();
        self.sockets.retain(|socket| binds.contains(socket.bind()));
        for bind in binds {
            if !self.sockets.iter().any(|socket| socket.bind() == bind) {
                match open(bind, self.socket_buffer, self.poll.registry()) {
                    Ok(socket) => self.sockets.push(socket),
                    Err(error) => failed.push(error),
                }
            }
        }
        let mut change = Reconfiguration::from(ring);
        fit_to_sockets(&self.sockets, &mut change.limits, &mut links)?;
        self.act_on_endpoint(|endpoint, now| endpoint.reconfigure(change, links, now))?;
        Ok(failed)
    }

    /// The next event; drain after every call.
    #[must_use]
    pub fn poll_event(&mut self) -> Option<NodeEvent> {
        match self.watch.poll_trouble() {
            Some(trouble) => Some(NodeEvent::Trouble(trouble)),
            None => self.endpoint.poll_event(),
        }
    }

    /// The last ten times in which the process did not run when it should have, latest first.
    pub fn schedule_misses(&self) -> impl Iterator<Item = &ScheduleMiss> {
        self.watch.misses().iter()
    }

    /// Waits until something happens or `longest` has passed, handles it, and returns the tokens of
    /// the caller's own sources that became ready.
    pub fn turn(&mut self, longest: Option<Duration>) -> Result<Vec<Token>, DriverError> {
        let now = self.clock.now();
        let token = self.endpoint.node().protocol().configuration().timing.token;
        self.watch.entered(now, token);
        let timer = self.endpoint.poll_timeout().map(|at| at.since(now));
        let wait = match (timer, longest) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        // Readiness is told once: what the last turn left unread will not be announced again.
        let wait = if self.is_behind() { Some(Duration::ZERO) } else { wait };
        let due = wait.map(|wait| now + wait);
        match self.poll.poll(&mut self.ready, wait) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => result?,
        }
        self.watch.woke(due, self.clock.now(), token);
        let mut foreign = Vec::new();
        for event in &self.ready {
            let token = event.token();
            if !self.sockets.iter_mut().any(|socket| socket.mark_readable(token)) {
                foreign.push(token);
            }
        }
        self.receive()?;
        let now = self.clock.now();
        if self.endpoint.poll_timeout().is_some_and(|at| at <= now) {
            self.endpoint.handle_timeout(now);
            self.flush()?;
            let fewest = self.sockets.iter().map(LinkSocket::failures).min();
            self.watch.sends(fewest, now, token);
        }
        self.watch.left(now);
        Ok(foreign)
    }

    /// Reads what the sockets hold, a bounded number of batches per turn.
    fn receive(&mut self) -> Result<(), DriverError> {
        for index in 0..self.sockets.len() {
            for _ in 0..BATCHES_PER_TURN {
                let data = self.sockets[index].receive()?;
                self.handle_received(index)?;
                if self.sockets[index].tokens_are_readable() {
                    self.sockets[index].receive_tokens()?;
                    self.handle_received(index)?;
                } else if !data {
                    break;
                }
            }
            for refused in self.sockets[index].take_refused() {
                self.endpoint.handle_refused(refused, self.clock.now());
            }
        }
        self.flush()
    }

    fn handle_received(&mut self, index: usize) -> Result<(), DriverError> {
        let now = self.clock.now();
        let link = self.sockets[index].link();
        while let Some((from, datagram)) = self.sockets[index].next_datagram() {
            self.endpoint.handle_datagram(link, from, datagram, now);
            self.collect()?;
            if !self.outbound.is_empty() {
                self.outbound.send(&mut self.sockets); // a token must not wait behind data
            }
            let expected = self.endpoint.expects_token();
            if expected && !self.token_sought {
                self.sockets[index].receive_tokens()?;
            }
            self.token_sought = expected;
        }
        Ok(())
    }

    /// Takes the endpoint's outputs; makes durable what must be before anything later is sent.
    fn collect(&mut self) -> Result<(), DriverError> {
        while let Some(output) = self.endpoint.poll_output() {
            match output {
                EndpointOutput::Persist { ring_sequence } => {
                    self.outbound.send(&mut self.sockets);
                    self.store.persist(ring_sequence)?;
                }
                EndpointOutput::Transmit { link, to, datagram, road: Road::Common } => {
                    self.outbound.push(link, to, datagram);
                }
                EndpointOutput::Transmit { link, to, datagram, road: Road::Token } => {
                    // After what precedes it, before what follows it.
                    self.outbound.send(&mut self.sockets);
                    self.outbound.push(link, to, datagram);
                    self.outbound.send(&mut self.sockets);
                }
            }
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), DriverError> {
        self.collect()?;
        self.outbound.send(&mut self.sockets);
        Ok(())
    }

    /// Whether the sockets may hold more than the last turn read; the next turn does not wait.
    pub fn is_behind(&self) -> bool {
        self.sockets.iter().any(LinkSocket::is_readable)
    }
}

fn open(bind: &LinkBind, buffer: usize, registry: &Registry) -> Result<LinkSocket, DriverError> {
    let (link, address) = (bind.link, bind.address);
    LinkSocket::open(bind, buffer, registry).map_err(|source| DriverError::Bind {
        link,
        address,
        source,
    })
}

/// What follows from the sockets for the windows and for where tokens are read.
fn fit_to_sockets(
    sockets: &[LinkSocket],
    limits: &mut FlowLimits,
    links: &mut LinkConfiguration,
) -> io::Result<()> {
    links.token_ports = vec![0; MAX_LINKS];
    let mut smallest: Option<usize> = None;
    for socket in sockets {
        if let Some(port) = links.token_ports.get_mut(usize::from(socket.link())) {
            *port = socket.token_port()?;
        }
        let granted = socket.receive_buffer()?;
        smallest = Some(smallest.map_or(granted, |known| known.min(granted)));
    }
    if let Some(granted) = smallest {
        fit_to_buffer(limits, granted);
    }
    Ok(())
}

const BATCHES_PER_TURN: usize = 8;
/// What the kernel charges a socket for one datagram of ring size.
const CHARGE: usize = 2304;
/// What such a datagram carries.
const CARRIED: u32 = 1400;

/// A rotation's packets must fit the receive buffer, or the ring loses what it sends itself.
fn fit_to_buffer(limits: &mut FlowLimits, granted: usize) {
    let fits = u32::try_from(granted / CHARGE).unwrap_or(u32::MAX).max(16);
    // The others learn of this one from the token.
    limits.bytes = limits.bytes.min(fits.saturating_mul(CARRIED));
    if limits.rotation <= fits {
        return;
    }
    log::warn!(
        "socket buffers of {granted} bytes hold {fits} packets, less than the {} of a rotation: sending less at once; raise net.core.rmem_max",
        limits.rotation
    );
    limits.rotation = fits;
    limits.visit = limits.visit.min(fits);
    limits.accelerated = limits.accelerated.min(limits.visit);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::{Fault, Trouble};

    #[test]
    fn flow_control_never_exceeds_the_socket_buffer() {
        let limits = FlowLimits { rotation: 384, visit: 256, accelerated: 128, bytes: 544 << 10 };
        for (granted, rotation, visit, bytes) in
            [(8 << 20, 384, 256, 544 << 10), (425_984, 184, 184, 257_600), (4096, 16, 16, 22_400)]
        {
            let mut fitted = limits;
            fit_to_buffer(&mut fitted, granted);
            assert_eq!((fitted.rotation, fitted.visit, fitted.bytes), (rotation, visit, bytes));
            assert!(fitted.accelerated <= fitted.visit);
        }
    }

    /// A node whose only peer is at an address that its socket cannot send to.
    fn lonely_configuration(state: &std::path::Path) -> DriverConfiguration {
        let address = |link, ip: [u8; 4], port| crate::link::LinkAddress {
            link,
            address: std::net::SocketAddr::from((ip, port)),
        };
        let ids: Vec<crate::NodeId> = (1..=2).filter_map(crate::NodeId::new).collect();
        let peers = vec![
            crate::link::Peer { node: ids[0], addresses: vec![address(0, [127, 0, 0, 1], 0)] },
            crate::link::Peer { node: ids[1], addresses: vec![address(0, [192, 0, 2, 1], 5405)] },
        ];
        let token = Duration::from_millis(200);
        let mut ring = RingConfiguration::new(ids[0], ids.clone());
        ring.timing = crate::ring::Timing::from_token(token);
        let links = LinkConfiguration::new(ids[0], peers, token);
        DriverConfiguration {
            endpoint: EndpointConfiguration { ring, links, keyring: None },
            binds: vec![LinkBind::unicast(0, std::net::SocketAddr::from(([127, 0, 0, 1], 0)))],
            state_directory: state.to_owned(),
            socket_buffer: 1 << 18,
        }
    }

    fn until(driver: &mut Driver, what: &str, wanted: impl Fn(&Trouble) -> bool) {
        let end = std::time::Instant::now() + Duration::from_secs(60);
        loop {
            driver.turn(Some(Duration::from_millis(20))).unwrap();
            while let Some(event) = driver.poll_event() {
                if matches!(&event, NodeEvent::Trouble(trouble) if wanted(trouble)) {
                    return;
                }
            }
            assert!(std::time::Instant::now() < end, "{what}: not told within a minute");
        }
    }

    #[test]
    fn a_node_that_cannot_send_or_does_not_run_says_so() {
        let state = std::env::temp_dir().join(format!("cpg-lonely-{}", std::process::id()));
        std::fs::create_dir_all(&state).unwrap();
        let mut driver = Driver::start(lonely_configuration(&state)).unwrap();
        let sends = Trouble::CannotForm(Fault::SendFailures);
        until(&mut driver, "nothing can be sent", |trouble| *trouble == sends);
        let away = Duration::from_millis(300);
        std::thread::sleep(away); // longer than four fifths of the token time-out of 200 ms
        let missed =
            |trouble: &Trouble| matches!(trouble, Trouble::NotScheduled(m) if m.delay >= away);
        until(&mut driver, "it did not run", missed);
        assert!(driver.schedule_misses().any(|miss| miss.delay >= away));
        std::fs::remove_dir_all(&state).unwrap();
    }

    /// Spec 70 §2.2: without a durable ring number there is no ring.
    #[test]
    fn a_ring_number_that_cannot_be_made_durable_ends_the_node() {
        let state = std::env::temp_dir().join(format!("cpg-gone-{}", std::process::id()));
        // Where the new number is to be written there is a directory.
        std::fs::create_dir_all(state.join("ringid_1.new")).unwrap();
        let error = Driver::start(lonely_configuration(&state)).map(drop).unwrap_err();
        std::fs::remove_dir_all(&state).unwrap();
        assert!(matches!(error, DriverError::Store(_)), "{error}");
    }
}
