//! Counters and figures of the ring, as the reference's tools show them (spec 70 §16.3).

use std::time::Duration;

/// What the ring protocol counted since the start.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct RingStatistics {
    pub orf_token_tx: u64,
    pub orf_token_rx: u64,
    pub token_retransmits: u64,
    /// How often the token was reported as late.
    pub token_warnings: u64,
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
    /// 1 while no ring has come about for several attempts.
    pub firewall_enabled_or_nic_failure: u64,
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

impl RingStatistics {
    /// All counters by name, as they stand under `stats.srp.` in the statistics map.
    pub fn entries(&self) -> Vec<(&'static str, u64)> {
        vec![
            ("orf_token_tx", self.orf_token_tx),
            ("orf_token_rx", self.orf_token_rx),
            ("token_retransmits", self.token_retransmits),
            ("token_warnings", self.token_warnings),
            ("mcast_tx", self.mcast_tx),
            ("mcast_rx", self.mcast_rx),
            ("mcast_retx", self.mcast_retx),
            ("mcast_requested", self.mcast_requested),
            ("memb_join_tx", self.memb_join_tx),
            ("memb_join_rx", self.memb_join_rx),
            ("memb_merge_detect_tx", self.memb_merge_detect_tx),
            ("memb_merge_detect_rx", self.memb_merge_detect_rx),
            ("memb_commit_token_tx", self.memb_commit_token_tx),
            ("memb_commit_token_rx", self.memb_commit_token_rx),
            ("token_hold_cancel_tx", self.token_hold_cancel_tx),
            ("token_hold_cancel_rx", self.token_hold_cancel_rx),
            ("operational_entered", self.operational_entered),
            ("operational_token_lost", self.operational_token_lost),
            ("gather_entered", self.gather_entered),
            ("commit_entered", self.commit_entered),
            ("commit_token_lost", self.commit_token_lost),
            ("recovery_entered", self.recovery_entered),
            ("recovery_token_lost", self.recovery_token_lost),
            ("consensus_timeouts", self.consensus_timeouts),
            ("continuous_gather", self.continuous_gather),
            ("firewall_enabled_or_nic_failure", self.firewall_enabled_or_nic_failure),
            ("rx_msg_dropped", self.rx_msg_dropped),
            ("rx_undecodable", self.rx_undecodable),
            ("recovery_discarded", self.recovery_discarded),
            ("recovery_originated", self.recovery_originated),
            ("configuration_mismatch", self.configuration_mismatch),
            ("pauses", self.pauses),
            ("avg_backlog_calc", self.avg_backlog_calc),
            ("mtt_rx_token", self.mtt_rx_token.as_millis() as u64),
        ]
    }
}
