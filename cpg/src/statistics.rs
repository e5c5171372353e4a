//! Counters and figures of the ring, as the reference's tools show them (spec 70 §16.3).

use std::time::Duration;

/// What the ring protocol counted since the start.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct RingStatistics {
    pub orf_token_tx: u64,
    pub orf_token_rx: u64,
    pub token_retransmits: u64,
    pub mcast_tx: u64,
    pub mcast_rx: u64,
    pub mcast_retx: u64,
    /// Sequence numbers this node asked to have sent again.
    pub mcast_requested: u64,
    pub memb_join_tx: u64,
    pub memb_join_rx: u64,
    pub memb_merge_detect_tx: u64,
    pub memb_merge_detect_rx: u64,
    pub memb_commit_token_tx: u64,
    pub memb_commit_token_rx: u64,
    pub token_hold_cancel_tx: u64,
    pub token_hold_cancel_rx: u64,
    pub operational_entered: u64,
    pub operational_token_lost: u64,
    pub gather_entered: u64,
    pub commit_entered: u64,
    pub commit_token_lost: u64,
    pub recovery_entered: u64,
    pub recovery_token_lost: u64,
    pub consensus_timeouts: u64,
    pub continuous_gather: u64,
    /// Packets of another ring, duplicates, and packets that did not decode.
    pub rx_msg_dropped: u64,
    pub rx_undecodable: u64,
    /// Old-ring packets discarded in recovery because they may depend on a lost one.
    pub recovery_discarded: u64,
    /// Packets this node re-originated in recovery.
    pub recovery_originated: u64,
    /// Joins or probes refused because the configurations differ.
    pub configuration_mismatch: u64,
    /// Pauses of this process noticed.
    pub pauses: u64,
    /// Smoothed time between two visits of the token.
    pub mtt_rx_token: Duration,
    /// Smoothed packets waiting at this node on token arrival.
    pub avg_backlog_calc: u64,
}
