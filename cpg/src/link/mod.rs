//! The links between nodes: which paths work, which one to use, and the frames on them
//! (spec 70 §11).
//!
//! Each node pings every other on every link. An answer proves that datagrams travel both ways;
//! hearing nothing at all is evidence that a node is gone. Both are handed to the ring, which bases
//! merges and the detection of failures on them (§19, W1 to W3).

mod fragment;
mod path;
mod peers;
mod statistics;

pub use path::LinkState;
pub use peers::{LinkEvent, Links, Transmit};
pub use statistics::LinkStatistics;

use crate::identity::NodeId;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

/// Most links between two nodes.
pub const MAX_LINKS: usize = 8;
/// Datagram size that every path is assumed to carry.
pub const SMALLEST_DATAGRAM: usize = 1200;
/// Datagram size assumed until probing shows another: an Ethernet path over IPv6.
pub const ASSUMED_DATAGRAM: usize = 1452;

/// How several links are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LinkMode {
    /// The working link with the highest priority, the lowest number among equals.
    #[default]
    Passive,
    /// Every working link; receivers drop the copies.
    Active,
    /// The working links in turn.
    RoundRobin,
}

/// One end of a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LinkAddress {
    /// Number of the link, 0 to 7, the same at all nodes.
    pub link: u8,
    /// Where the node listens.
    pub address: SocketAddr,
}

/// A node as the transport knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// Its id.
    pub node: NodeId,
    /// Its addresses, one per link.
    pub addresses: Vec<LinkAddress>,
}

/// How a link is watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Probing {
    /// Time between pings while the link works.
    pub interval: Duration,
    /// A link without an answer for this long is down; a node of which nothing was heard for this long, on
    /// the link where it is longest, is silent.
    pub timeout: Duration,
    /// Answers that make the link work; at least 1.
    pub pong_count: u32,
    /// Over how many answers the round-trip time that is shown is averaged; at least 1.
    pub precision: u32,
}

impl Probing {
    /// Answers that make a link work unless something else is configured.
    pub const PONG_COUNT: u32 = 2;
    /// Answers over which a round-trip time is averaged unless something else is configured.
    pub const PRECISION: u32 = 2048;
    /// Pings within a time-out unless something else is configured.
    pub const PINGS: u32 = 4;

    /// What follows from the token time-out: a time-out of `token / pong_count`, and four pings in it. The
    /// reference sends two (spec 70 §11). There, a link that seems down only makes datagrams take another;
    /// here what links say shortens the detection of failures (§19, W1), so it takes more than two lost
    /// datagrams to say it.
    pub fn from_token(token: Duration, pong_count: u32) -> Probing {
        Probing::with_timeout(token / pong_count.max(1), pong_count)
    }

    /// The same for a given time-out.
    pub fn with_timeout(timeout: Duration, pong_count: u32) -> Probing {
        let (interval, precision) = (timeout / Probing::PINGS, Probing::PRECISION);
        Probing { interval, timeout, pong_count, precision }
    }
}

/// Configuration of the links of one node.
#[derive(Debug, Clone)]
pub struct LinkConfiguration {
    /// This node.
    pub node: NodeId,
    /// The other nodes, and this one with its own addresses.
    pub peers: Vec<Peer>,
    /// How several links are used.
    pub mode: LinkMode,
    /// Priority per link for passive mode; missing ones count as 1.
    pub priorities: Vec<u8>,
    /// Multicast address per link, where data goes to all nodes with one datagram.
    pub multicast: Vec<Option<SocketAddr>>,
    /// Port per link where this node reads tokens apart from data, 0 or missing for none. Pings tell
    /// the peers, and each uses it once a challenge through it was answered.
    pub token_ports: Vec<u16>,
    /// How the links are watched that have nothing of their own in `link_probing`.
    pub probing: Probing,
    /// How single links are watched.
    pub link_probing: BTreeMap<u8, Probing>,
}

impl LinkConfiguration {
    /// Defaults that follow from the token time-out, see [`Probing::from_token`].
    pub fn new(node: NodeId, peers: Vec<Peer>, token: Duration) -> LinkConfiguration {
        LinkConfiguration {
            node,
            peers,
            mode: LinkMode::default(),
            priorities: Vec::new(),
            multicast: Vec::new(),
            token_ports: Vec::new(),
            probing: Probing::from_token(token, Probing::PONG_COUNT),
            link_probing: BTreeMap::new(),
        }
    }

    /// How a link is watched.
    pub fn probing_of(&self, link: u8) -> &Probing {
        self.link_probing.get(&link).unwrap_or(&self.probing)
    }
}

#[cfg(test)]
mod tests;
