//! A member of the measured group, whatever carries it.

use super::Failure;
use cpg::driver::{Driver, DriverConfiguration, load_configuration};
use cpg::group::{ClientId, Event, GroupName, ProcessId, Refusal};
use cpg::node::NodeEvent;
use cpg::{Guarantee, NodeId};
use std::path::Path;
use std::time::{Duration, Instant};

/// The group of every measurement.
pub const GROUP: &str = "measured";

/// What a member sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen {
    /// A message was delivered.
    Message {
        /// This member sent it.
        own: bool,
        /// The first eight bytes as a big-endian number, 0 when there are fewer.
        stamp: u64,
        /// Its size in bytes.
        size: usize,
    },
    /// The group has this many members now.
    View(usize),
}

impl Seen {
    /// A delivered message.
    pub fn message(own: bool, payload: &[u8]) -> Seen {
        let stamp = payload.first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes));
        Seen::Message { own, stamp, size: payload.len() }
    }
}

/// One joined member.
pub trait Member {
    /// Hands a message in; false when flow control refuses it for now.
    fn send(&mut self, payload: &[u8]) -> Result<bool, Failure>;
    /// Waits for something to happen, at most so long, and takes it in.
    fn turn(&mut self, longest: Duration) -> Result<(), Failure>;
    /// What came, in order.
    fn next_seen(&mut self) -> Option<Seen>;
}

/// A member with its node in the same process.
#[derive(Debug)]
pub struct OurMember {
    driver: Driver,
    client: ClientId,
    me: NodeId,
}

impl OurMember {
    /// Starts a node from a corosync.conf and joins.
    pub fn start(configuration: &Path) -> Result<OurMember, Failure> {
        let cluster = load_configuration(configuration)?;
        let me = cluster.local_node().id;
        let mut driver = Driver::start(DriverConfiguration::from_cluster(&cluster)?)?;
        let client = driver.act(|node, _| node.connect(ProcessId(std::process::id())))??;
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            driver.turn(Some(Duration::from_millis(10)))?;
            while driver.poll_event().is_some() {}
            if driver.endpoint().node().is_ready() {
                match driver.act(|node, now| {
                    node.join(client, GroupName::new(GROUP)?, now).map_err(Failure::from)
                })? {
                    Ok(()) => return Ok(OurMember { driver, client, me }),
                    Err(error) if Instant::now() > deadline => return Err(error),
                    Err(_) => {}
                }
            }
            if Instant::now() > deadline {
                return Err("the node was not ready within 30 s".into());
            }
        }
    }
}

impl Member for OurMember {
    fn send(&mut self, payload: &[u8]) -> Result<bool, Failure> {
        let (client, payload) = (self.client, payload.to_vec());
        let sent = self
            .driver
            .act(|node, now| node.multicast(client, Guarantee::Agreed, payload.into(), now))?;
        match sent {
            Ok(()) => Ok(true),
            Err(Refusal::TryAgain) => Ok(false),
            Err(refusal) => Err(refusal.into()),
        }
    }

    fn turn(&mut self, longest: Duration) -> Result<(), Failure> {
        self.driver.turn(Some(longest))?;
        Ok(())
    }

    fn next_seen(&mut self) -> Option<Seen> {
        loop {
            match self.driver.poll_event()? {
                NodeEvent::Client(_, Event::Message(message)) => {
                    return Some(Seen::message(message.sender.node == self.me, &message.payload));
                }
                NodeEvent::Client(_, Event::View(view)) => {
                    return Some(Seen::View(view.members.len()));
                }
                _ => {}
            }
        }
    }
}
