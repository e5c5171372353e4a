//! The quorum section as typed values. What they mean together is the quorum crate's to judge.

use super::ConfigurationMap;

/// Votes and how they are counted; `None` where nothing was written.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[allow(missing_docs)]
pub struct QuorumSection {
    pub provider: Option<String>,
    pub expected_votes: Option<u32>,
    pub votes: Option<u32>,
    pub two_node: Option<u8>,
    pub wait_for_all: Option<u8>,
    pub last_man_standing: Option<u8>,
    pub last_man_standing_window: Option<u32>,
    pub auto_tie_breaker: Option<u8>,
    pub auto_tie_breaker_node: Option<String>,
    pub allow_downscale: Option<u8>,
    pub expected_votes_tracking: Option<u8>,
    pub device: Option<QuorumDevice>,
}

/// The device subsection.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[allow(missing_docs)]
pub struct QuorumDevice {
    pub model: Option<String>,
    pub timeout: Option<u32>,
    pub sync_timeout: Option<u32>,
    pub votes: Option<u32>,
    pub master_wins: Option<u8>,
    /// Keys of the model's own subsection, `net.host` and the like.
    pub model_keys: Vec<(String, String)>,
}

impl QuorumSection {
    pub(super) fn read(map: &ConfigurationMap) -> QuorumSection {
        let text = |key: &str| map.text(&format!("quorum.{key}")).map(str::to_owned);
        let u32 = |key: &str| {
            map.number(&format!("quorum.{key}")).and_then(|value| u32::try_from(value).ok())
        };
        let u8 = |key: &str| u32(key).and_then(|value| u8::try_from(value).ok());
        QuorumSection {
            provider: text("provider"),
            expected_votes: u32("expected_votes"),
            votes: u32("votes"),
            two_node: u8("two_node"),
            wait_for_all: u8("wait_for_all"),
            last_man_standing: u8("last_man_standing"),
            last_man_standing_window: u32("last_man_standing_window"),
            auto_tie_breaker: u8("auto_tie_breaker"),
            auto_tie_breaker_node: text("auto_tie_breaker_node"),
            allow_downscale: u8("allow_downscale"),
            expected_votes_tracking: u8("expected_votes_tracking"),
            device: map.has_prefix("quorum.device.").then(|| QuorumDevice {
                model: text("device.model"),
                timeout: u32("device.timeout"),
                sync_timeout: u32("device.sync_timeout"),
                votes: u32("device.votes"),
                master_wins: u8("device.master_wins"),
                model_keys: map
                    .under("quorum.device.")
                    .filter(|(key, _)| key.contains('.'))
                    .map(|(key, value)| (key.to_owned(), value.to_string()))
                    .collect(),
            }),
        }
    }
}
