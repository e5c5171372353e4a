//! What the ring protocol hands to the layers around it.

use crate::identity::{Incarnation, NodeId, RingId};
use crate::time::Time;
use crate::wire::Guarantee;
use bytes::Bytes;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

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

/// Something that whoever runs the node should look into. Shown, it is the text that operators of the
/// reference know (spec 70 §17).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trouble {
    /// No ring with others comes about.
    CannotForm(Fault),
    /// The process did not run when it should have; a driver notices.
    NotScheduled(ScheduleMiss),
}

/// Why no ring comes about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// One attempt after the other fails, see [`MANY_ATTEMPTS`].
    ContinuousGather,
    /// Nothing can be sent on any link; a driver notices.
    SendFailures,
}

/// So many attempts to form a ring may fail in a row before that is told.
pub const MANY_ATTEMPTS: u32 = 3;

/// A time in which the process did not run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ScheduleMiss {
    /// When it ran again, in milliseconds since 1970.
    pub at_ms: u64,
    /// How long it did not.
    pub delay: Duration,
    /// From when on that is told: four fifths of the token time-out.
    pub threshold: Duration,
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Trouble::CannotForm(fault) => {
                let reason = match fault {
                    Fault::ContinuousGather => "totem is continuously in gather state",
                    Fault::SendFailures => {
                        "number of multicast sendmsg failures is above threshold"
                    }
                };
                write!(
                    f,
                    "Totem is unable to form a cluster because of an operating system or network fault \
                     (reason: {reason}). The most common cause of this message is that the local \
                     firewall is configured improperly."
                )
            }
            Trouble::NotScheduled(ScheduleMiss { at_ms, delay, threshold }) => {
                let ms = |time: &Duration| time.as_secs_f64() * 1000.0;
                write!(
                    f,
                    "Corosync main process was not scheduled (@{at_ms}) for {:.4} ms (threshold is \
                     {:.4} ms). Consider token timeout increase.",
                    ms(delay),
                    ms(threshold)
                )
            }
        }
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Spec 70 §17.
    #[test]
    fn troubles_are_told_in_the_words_that_operators_know() {
        let form = |reason| {
            format!(
                "Totem is unable to form a cluster because of an operating system or network fault (reason: \
                 {reason}). The most common cause of this message is that the local firewall is configured \
                 improperly."
            )
        };
        let miss = ScheduleMiss {
            at_ms: 1_764_565_072_123,
            delay: Duration::from_micros(2_920_100),
            threshold: Duration::from_millis(2400),
        };
        for (trouble, text) in [
            (
                Trouble::CannotForm(Fault::ContinuousGather),
                form("totem is continuously in gather state"),
            ),
            (
                Trouble::CannotForm(Fault::SendFailures),
                form("number of multicast sendmsg failures is above threshold"),
            ),
            (
                Trouble::NotScheduled(miss),
                "Corosync main process was not scheduled (@1764565072123) for 2920.1000 ms (threshold is \
                 2400.0000 ms). Consider token timeout increase."
                    .to_owned(),
            ),
        ] {
            assert_eq!(trouble.to_string(), text);
        }
    }
}
