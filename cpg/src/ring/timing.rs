//! Time-outs of the ring and how they follow from the token time-out (spec 70 §10).

use super::{FlowLimits, WINDOW_BYTES};
use crate::identity::NodeId;
use std::time::Duration;

/// Time-outs in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    /// Without a token for this long the ring is given up.
    pub token: Duration,
    /// Longest wait before the token is sent to the successor again.
    pub token_retransmit: Duration,
    /// How long an idle ring's representative keeps the token.
    pub hold: Duration,
    /// Join messages are repeated this often.
    pub join: Duration,
    /// Nodes that stay silent for this long while a ring is formed are excluded.
    pub consensus: Duration,
    /// How often a ring announces itself to reachable nodes outside.
    pub merge: Duration,
}

impl Timing {
    /// The default formulas for a token time-out in force (coefficient already applied).
    pub fn from_token(token: Duration) -> Timing {
        let ms = token.as_millis() as f64;
        let retransmit = (ms / 4.2).floor();
        Timing {
            token,
            token_retransmit: Duration::from_millis(retransmit as u64),
            hold: Duration::from_millis((retransmit * 0.8 - 10.0).max(1.0) as u64),
            join: Duration::from_millis(50),
            consensus: Duration::from_millis((1.2 * ms) as u64),
            merge: Duration::from_millis(200),
        }
    }

    /// The defaults for a cluster of `nodes` configured nodes: token 3000 ms and 650 ms for each
    /// node beyond two.
    pub fn for_nodes(nodes: usize) -> Timing {
        let extra = nodes.saturating_sub(2) as u64;
        Timing::from_token(Duration::from_millis(3000 + 650 * extra))
    }
}

/// Configuration of the ring protocol at one node.
#[derive(Debug, Clone)]
pub struct RingConfiguration {
    /// This node.
    pub node: NodeId,
    /// All configured nodes, this one included or not.
    pub peers: Vec<NodeId>,
    /// Time-outs.
    pub timing: Timing,
    /// Per cent of the token time-out after which a late token is reported; 0 for never.
    pub token_warning: u32,
    /// Flow control.
    pub limits: FlowLimits,
    /// Token visits without progress after which the node that holds the ring back is evicted.
    pub fail_recv_const: u32,
    /// Idle visits before the representative keeps the token.
    pub seqno_unchanged_const: u32,
    /// Bytes of one ring packet's payload, 200 to 60000.
    pub payload: usize,
    /// Client messages are refused while more bytes than this wait for the token.
    pub queue_bytes: usize,
    /// Digest of what all members must agree on; 0 switches the comparison off.
    pub digest: u64,
}

/// What a reload of the configuration may change.
#[derive(Debug, Clone)]
pub struct Reconfiguration {
    /// See [`RingConfiguration::timing`].
    pub timing: Timing,
    /// See [`RingConfiguration::token_warning`].
    pub token_warning: u32,
    /// See [`RingConfiguration::limits`].
    pub limits: FlowLimits,
    /// See [`RingConfiguration::peers`].
    pub peers: Vec<NodeId>,
    /// See [`RingConfiguration::fail_recv_const`].
    pub fail_recv_const: u32,
    /// See [`RingConfiguration::seqno_unchanged_const`].
    pub seqno_unchanged_const: u32,
    /// See [`RingConfiguration::digest`]: all members must change it at one point of the order.
    pub digest: u64,
}

impl From<RingConfiguration> for Reconfiguration {
    fn from(new: RingConfiguration) -> Reconfiguration {
        Reconfiguration {
            timing: new.timing,
            token_warning: new.token_warning,
            limits: new.limits,
            peers: new.peers,
            fail_recv_const: new.fail_recv_const,
            seqno_unchanged_const: new.seqno_unchanged_const,
            digest: new.digest,
        }
    }
}

impl RingConfiguration {
    /// Defaults for `node` in a cluster of `peers`: accelerated ring, datagrams for a path MTU of 1500.
    pub fn new(node: NodeId, peers: Vec<NodeId>) -> RingConfiguration {
        let mut all = peers.clone();
        all.push(node);
        all.sort_unstable();
        all.dedup();
        RingConfiguration {
            node,
            peers,
            timing: Timing::for_nodes(all.len()),
            token_warning: 75,
            limits: FlowLimits { rotation: 384, visit: 256, accelerated: 128, bytes: WINDOW_BYTES },
            fail_recv_const: 2500,
            seqno_unchanged_const: 30,
            payload: 1336,
            queue_bytes: 4 << 20,
            digest: 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn effective_values_follow_the_table() {
        for (nodes, token, retransmit, hold, consensus) in [
            (2, 3000, 714, 561, 3600),
            (3, 3650, 869, 685, 4380),
            (4, 4300, 1023, 808, 5160),
            (5, 4950, 1178, 932, 5940),
            (16, 12100, 2880, 2294, 14520),
        ] {
            let timing = Timing::for_nodes(nodes);
            let ms = |duration: Duration| duration.as_millis();
            assert_eq!(
                [ms(timing.token), ms(timing.token_retransmit), ms(timing.hold)],
                [token, retransmit, hold]
            );
            assert_eq!(ms(timing.consensus), consensus);
        }
    }
}
