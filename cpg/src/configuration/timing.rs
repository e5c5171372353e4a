//! The timing options of the totem section: defaults, formulas, limits (spec 70 §10).

use super::{Blame, ConfigurationError, ConfigurationMap};
use crate::ring::Timing;
use std::time::Duration;

const SMALLEST: u64 = 30;
const SMALLEST_HOLD: u64 = 14;

/// Values in force, in milliseconds where they are times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct TotemTiming {
    pub token: u64,
    pub token_warning: u64,
    pub token_retransmits_before_loss_const: u64,
    pub token_retransmit: u64,
    pub hold: u64,
    pub join: u64,
    pub send_join: u64,
    pub consensus: u64,
    pub merge: u64,
    pub downcheck: u64,
    pub fail_recv_const: u64,
    pub seqno_unchanged_const: u64,
    pub heartbeat_failures_allowed: u64,
    pub max_network_delay: u64,
    pub window_size: u64,
    pub max_messages: u64,
    pub miss_count_const: u64,
}

impl TotemTiming {
    /// Computes and checks; `nodes` is how many nodes link 0 lists. The first failed check wins.
    pub fn resolve(
        map: &ConfigurationMap,
        nodes: usize,
    ) -> Result<TotemTiming, ConfigurationError> {
        let given = |key: &str| map.number(&format!("totem.{key}"));
        let value = |key: &str, default: u64| given(key).filter(|v| *v != 0).unwrap_or(default);
        let zero_ok = |key: &str, default: u64| given(key).unwrap_or(default);
        let extra = nodes.saturating_sub(2) as u64;
        let token = value("token", 3000) + extra * zero_ok("token_coefficient", 650);
        let retransmits = value("token_retransmits_before_loss_const", 4);
        let computed = (token as f64 / (retransmits as f64 + 0.2)) as u64;
        let explicit = given("token_retransmit").filter(|v| *v != 0);
        let token_retransmit = explicit.unwrap_or(computed);
        let hold = (token_retransmit as f64 * 0.8 - 10.0).max(0.0) as u64;
        let timing = TotemTiming {
            token,
            token_warning: zero_ok("token_warning", 75),
            token_retransmits_before_loss_const: retransmits,
            token_retransmit,
            hold: value("hold", hold),
            join: value("join", 50),
            send_join: zero_ok("send_join", 0),
            consensus: value("consensus", token * 12 / 10),
            merge: value("merge", 200),
            downcheck: value("downcheck", 1000),
            fail_recv_const: value("fail_recv_const", 2500),
            seqno_unchanged_const: value("seqno_unchanged_const", 30),
            heartbeat_failures_allowed: zero_ok("heartbeat_failures_allowed", 0),
            max_network_delay: value("max_network_delay", 50),
            window_size: value("window_size", 50),
            max_messages: value("max_messages", 17),
            miss_count_const: value("miss_count_const", 5),
        };
        timing.check(map, explicit.is_some())?;
        Ok(timing)
    }

    fn check(
        &self,
        map: &ConfigurationMap,
        explicit_retransmit: bool,
    ) -> Result<(), ConfigurationError> {
        // A value that is not given follows from others, the token time-out in the end.
        let least = |name: &str, key: &str, value: u64, least: u64| {
            let text =
                format!("The {name} parameter ({value} ms) may not be less than ({least} ms).");
            let checked =
                if value < least { Err(ConfigurationError::Invalid(text)) } else { Ok(()) };
            checked.blame(map, &[&format!("totem.{key}"), "totem.token_retransmit", "totem.token"])
        };
        least("max_network_delay", "max_network_delay", self.max_network_delay, SMALLEST)?;
        least("token timeout", "token", self.token, SMALLEST)?;
        if self.token_warning > 100 {
            return Err(ConfigurationError::Invalid(format!(
                "The token warning parameter ({}%) must be between 0 (disabled) and 100.",
                self.token_warning
            )))
            .blame(map, &["totem.token_warning"]);
        }
        if self.token_retransmit < SMALLEST && !explicit_retransmit {
            return Err(ConfigurationError::Invalid(
                "Not appropriate token or token_retransmits_before_loss_const value set".to_owned(),
            ))
            .blame(map, &["totem.token_retransmits_before_loss_const", "totem.token"]);
        }
        least("token retransmit timeout", "token_retransmit", self.token_retransmit, SMALLEST)?;
        least("token hold timeout", "hold", self.hold, SMALLEST_HOLD)?;
        least("join timeout", "join", self.join, SMALLEST)?;
        least("consensus timeout", "consensus", self.consensus, SMALLEST)?;
        if self.consensus < self.join {
            return Err(ConfigurationError::Invalid(format!(
                "The consensus timeout parameter ({} ms) may not be less than join timeout ({} ms).",
                self.consensus, self.join
            )))
            .blame(map, &["totem.consensus", "totem.join"]);
        }
        least("merge timeout", "merge", self.merge, SMALLEST)?;
        least("downcheck timeout", "downcheck", self.downcheck, SMALLEST)
    }

    /// All values by the name of their option, in alphabetical order.
    pub fn entries(&self) -> [(&'static str, u64); 17] {
        [
            ("consensus", self.consensus),
            ("downcheck", self.downcheck),
            ("fail_recv_const", self.fail_recv_const),
            ("heartbeat_failures_allowed", self.heartbeat_failures_allowed),
            ("hold", self.hold),
            ("join", self.join),
            ("max_messages", self.max_messages),
            ("max_network_delay", self.max_network_delay),
            ("merge", self.merge),
            ("miss_count_const", self.miss_count_const),
            ("send_join", self.send_join),
            ("seqno_unchanged_const", self.seqno_unchanged_const),
            ("token", self.token),
            ("token_retransmit", self.token_retransmit),
            ("token_retransmits_before_loss_const", self.token_retransmits_before_loss_const),
            ("token_warning", self.token_warning),
            ("window_size", self.window_size),
        ]
    }

    /// The time-outs the ring runs with.
    pub fn ring(&self) -> Timing {
        Timing {
            token: Duration::from_millis(self.token),
            token_retransmit: Duration::from_millis(self.token_retransmit),
            hold: Duration::from_millis(self.hold),
            join: Duration::from_millis(self.join),
            consensus: Duration::from_millis(self.consensus),
            merge: Duration::from_millis(self.merge),
        }
    }
}
