//! What the ring protocol hands to the layers around it.

use crate::identity::{Incarnation, NodeId, RingId};
use crate::time::Time;
use crate::wire::Guarantee;
use bytes::Bytes;
use std::sync::Arc;

/// How a packet travels to its receivers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Road {
    /// With everything else, in the order it was sent.
    Common,
    /// Past the data that waits at the receiver (spec 70 §20.3). A token goes there when it is passed
    /// on first; when it has to be sent again it takes the common road.
    Token,
}

/// What the protocol wants done, in order.
#[derive(Debug, Clone)]
pub enum Output {
    /// Make the ring sequence durable *before* any later output is acted upon.
    Persist {
        /// The number to hand in as [`Boot::ring_sequence`] at the next start.
        ring_sequence: u64,
    },
    /// Send a packet to each of these nodes.
    Send {
        /// Receivers; never this node.
        to: Arc<[NodeId]>,
        /// The encoded packet.
        bytes: Bytes,
        /// Which of two roads it takes where there are two.
        road: Road,
    },
}

/// What is delivered to the layer above, in the total order.
#[derive(Debug, Clone)]
pub enum Delivery {
    /// The payload of an ordered packet.
    Packet {
        /// The ring that ordered it.
        ring: RingId,
        /// Its number there.
        seq: u64,
        /// Who sent it.
        originator: NodeId,
        /// Under which condition it was delivered.
        guarantee: Guarantee,
        /// Chunks of messages.
        payload: Bytes,
    },
    /// The membership changed.
    Configuration(Configuration),
}

/// The two halves of a membership change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConfigurationKind {
    /// The nodes that come along from the old ring; more of its messages may follow.
    Transitional,
    /// The members of the new ring.
    Regular,
}

/// A change of configuration (spec 70 §7.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Configuration {
    /// Which half of the change.
    pub kind: ConfigurationKind,
    /// The new ring.
    pub ring: RingId,
    /// The ring before; together with `ring` it names the transitional configuration.
    pub old_ring: RingId,
    /// Members, ascending.
    pub members: Vec<NodeId>,
    /// Nodes of the old ring that did not come along; only in the transitional half.
    pub left: Vec<NodeId>,
    /// Nodes that were not in the old ring; only in the regular half.
    pub joined: Vec<NodeId>,
}

/// What a start of the node brings along.
#[derive(Debug, Clone, Copy)]
pub struct Boot {
    /// The sequence persisted last; 0 when there is none.
    pub ring_sequence: u64,
    /// A fresh random number.
    pub incarnation: Incarnation,
}

/// The phase a node is in, for status displays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum PhaseName {
    Operational,
    Gather,
    Commit,
    Recovery,
    Left,
}

/// Ordering state of an operational node, for observers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct OrderingState {
    pub ring: RingId,
    pub aru: u64,
    pub released: u64,
    pub delivered: u64,
    pub safe_to: u64,
    pub installed: Time,
}
