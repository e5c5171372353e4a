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

/// Configuration of the links of one node.
#[derive(Debug, Clone)]
pub struct LinkConfiguration {
    /// This node.
    pub node: NodeId,
    /// The other nodes.
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
    /// Time between pings on a working link.
    pub ping_interval: Duration,
    /// A link without an answer for this long is down; a node not heard for this long is silent.
    pub ping_timeout: Duration,
    /// Answers that make a link work.
    pub pong_count: u32,
}

impl LinkConfiguration {
    /// Defaults that follow from the token time-out: ping timeout token/2, interval token/8.
    pub fn new(node: NodeId, peers: Vec<Peer>, token: Duration) -> LinkConfiguration {
        LinkConfiguration {
            node,
            peers,
            mode: LinkMode::default(),
            priorities: Vec::new(),
            multicast: Vec::new(),
            token_ports: Vec::new(),
            ping_interval: token / 8,
            ping_timeout: token / 2,
            pong_count: 2,
        }
    }
}

#[cfg(test)]
mod tests;
