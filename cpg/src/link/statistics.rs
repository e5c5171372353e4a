/// What the links counted since the start.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct LinkStatistics {
    pub datagrams_tx: u64,
    pub bytes_tx: u64,
    pub datagrams_rx: u64,
    pub bytes_rx: u64,
    pub pings_tx: u64,
    pub pongs_rx: u64,
    /// Not authentic: wrong key, altered, truncated, or not ours.
    pub rx_refused: u64,
    /// From a node or an address that is not configured.
    pub rx_unlisted: u64,
    /// Seen before: replayed, duplicated by the network, or the copy of another link.
    pub rx_replayed: u64,
    /// From a boot that has not answered a challenge yet.
    pub rx_unproven: u64,
    /// Authentic but malformed.
    pub rx_malformed: u64,
    pub link_up: u64,
    pub link_down: u64,
}
