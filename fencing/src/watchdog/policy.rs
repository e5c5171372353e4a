//! Which nodes fence themselves by watchdog, and the time after which they have.

use std::time::Duration;

use crate::agent::Action;
use crate::clock::Seconds;
use crate::interval;
use crate::name::{AgentName, DeviceId, NodeName};

/// The option `fencing-watchdog-timeout` (spec 81 §10.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WatchdogOption {
    /// Absent, or zero: no watchdog fencing.
    Off,
    /// Wait so long.
    Time(Duration),
    /// Negative or no interval: twice the local watchdog's own time.
    Automatic,
}

impl WatchdogOption {
    /// Reads the option.
    pub fn parse(text: Option<&str>) -> Self {
        let Some(text) = text.filter(|text| !text.trim().is_empty()) else {
            return Self::Off;
        };
        match interval::parse_millis(text) {
            Ok(0) => Self::Off,
            Ok(millis) => Self::Time(Duration::from_millis(millis)),
            Err(_) => Self::Automatic,
        }
    }

    /// The time to wait, if watchdog fencing is on; `own` is the time after which the local
    /// watchdog resets the host (`SBD_WATCHDOG_TIMEOUT`).
    pub fn effective(self, own: Option<Duration>) -> Option<Duration> {
        match self {
            Self::Off => None,
            Self::Time(time) => Some(time),
            Self::Automatic => own.map(|own| own.saturating_mul(2)),
        }
        .filter(|time| !time.is_zero())
    }
}

/// Why a node must not go on with the configured watchdog time (spec 81 §10.4).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WatchdogMismatch {
    /// Nothing feeds a watchdog here, so this node could never fence itself.
    #[error("fencing-watchdog-timeout configured ({configured}) but SBD not active")]
    NotActive {
        /// The option as configured.
        configured: String,
    },
    /// Others would take this node for fenced before its watchdog resets it.
    #[error("fencing-watchdog-timeout ({configured}) too short (must be >{least_ms}ms)")]
    TooShort {
        /// The option as configured.
        configured: String,
        /// The local watchdog's own time.
        least_ms: u128,
    },
}

/// Checks the option against the local watchdog, on a node that does watchdog fencing. `own` is the
/// time after which the local watchdog resets the host; none if no watchdog is active. A value
/// that is no number counts as zero here, which asks for nothing.
pub fn check_own_watchdog(
    configured: Option<&str>,
    own: Option<Duration>,
) -> Result<(), WatchdogMismatch> {
    let text = configured.unwrap_or_default().trim();
    let wanted = match interval::parse_millis(text) {
        Ok(0) => return Ok(()),
        Ok(millis) => Some(Duration::from_millis(millis)),
        // Automatic: twice the watchdog's own time, which is long enough by itself.
        Err(interval::IntervalError::Negative { .. }) => None,
        Err(_) => return Ok(()),
    };
    let configured = text.to_owned();
    match (own, wanted) {
        (None, _) => Err(WatchdogMismatch::NotActive { configured }),
        (Some(own), Some(wanted)) if wanted < own => {
            Err(WatchdogMismatch::TooShort { configured, least_ms: own.as_millis() })
        }
        (Some(_), _) => Ok(()),
    }
}

/// Why a watchdog device is not registered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WatchdogRefusal {
    /// Watchdog fencing is off.
    #[error("Ignoring watchdog fence device without fencing-watchdog-timeout set")]
    Off,
    /// The device of this id must use one of the two watchdog agents.
    #[error("Ignoring watchdog fence device with unknown agent '{agent}' (must be fence_watchdog)")]
    Agent {
        /// The agent configured.
        agent: AgentName,
    },
    /// The agent works for the device of one id only.
    #[error("Ignoring watchdog fence device named '{id}' (must be 'watchdog')")]
    Id {
        /// The id configured.
        id: DeviceId,
    },
}

/// What a fencer knows about watchdog fencing in the cluster.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct WatchdogPolicy {
    /// Time after which a node that does watchdog fencing has reset itself; none if it is off.
    pub timeout: Option<Duration>,
    /// Nodes that do watchdog fencing; empty for all.
    pub targets: Vec<NodeName>,
}

impl WatchdogPolicy {
    /// Whether a node does watchdog fencing.
    pub fn covers(&self, node: &NodeName) -> bool {
        self.timeout.is_some() && (self.targets.is_empty() || self.targets.contains(node))
    }

    /// The time to wait in place of an agent, where an operation may be left to the watchdog of
    /// the target (spec 81 §10.3).
    pub fn applies(
        &self,
        device: Option<&DeviceId>,
        action: Action,
        target: &NodeName,
    ) -> Option<Seconds> {
        let device_fits = device.is_none_or(DeviceId::is_watchdog);
        if device_fits && action.is_fencing() && self.covers(target) {
            self.seconds()
        } else {
            None
        }
    }

    /// The time in whole seconds, rounded up: a node is never taken for fenced early.
    pub fn seconds(&self) -> Option<Seconds> {
        let millis = self.timeout?.as_millis().div_ceil(1000);
        Some(Seconds(u32::try_from(millis).unwrap_or(u32::MAX)))
    }

    /// Checks a device that has the watchdog's id or agent; any other device passes.
    pub fn check(&self, id: &DeviceId, agent: &AgentName) -> Result<(), WatchdogRefusal> {
        match (id.is_watchdog(), agent.is_watchdog()) {
            (false, false) => Ok(()),
            _ if self.timeout.is_none() => Err(WatchdogRefusal::Off),
            (true, false) => Err(WatchdogRefusal::Agent { agent: agent.clone() }),
            (false, true) => Err(WatchdogRefusal::Id { id: id.clone() }),
            (true, true) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(name: &str) -> NodeName {
        NodeName::new(name).unwrap()
    }

    #[test]
    fn the_option() {
        let own = Some(Duration::from_secs(5));
        for (text, own, expected) in [
            (None, own, None),
            (Some(""), own, None),
            (Some("0"), own, None),
            (Some("10s"), None, Some(10)),
            (Some("-1"), own, Some(10)),
            (Some("-1"), None, None),
            (Some("long"), own, Some(10)),
        ] {
            let effective = WatchdogOption::parse(text).effective(own);
            assert_eq!(effective.map(|time| time.as_secs()), expected, "{text:?}");
        }
    }

    #[test]
    fn the_option_against_the_local_watchdog() {
        let own = Some(Duration::from_secs(5));
        for (text, own, fits) in [
            (None, None, true),
            (Some("0"), None, true),
            (Some("ten"), None, true),
            (Some("10"), None, false),
            (Some("-1"), None, false),
            (Some("-1"), own, true),
            (Some("5s"), own, true),
            (Some("4999ms"), own, false),
        ] {
            assert_eq!(check_own_watchdog(text, own).is_ok(), fits, "{text:?} {own:?}");
        }
        let error = check_own_watchdog(Some("4s"), own).unwrap_err();
        assert_eq!(error.to_string(), "fencing-watchdog-timeout (4s) too short (must be >5000ms)");
    }

    #[test]
    fn where_it_applies() {
        let policy = WatchdogPolicy {
            timeout: Some(Duration::from_millis(9_100)),
            targets: vec![node("n1")],
        };
        let watchdog = DeviceId::watchdog();
        let other = DeviceId::new("pdu").unwrap();
        assert_eq!(policy.applies(None, Action::Off, &node("N1")), Some(Seconds(10)));
        assert_eq!(policy.applies(Some(&watchdog), Action::Reboot, &node("n1")), Some(Seconds(10)));
        assert_eq!(policy.applies(Some(&other), Action::Off, &node("n1")), None);
        assert_eq!(policy.applies(None, Action::On, &node("n1")), None);
        assert_eq!(policy.applies(None, Action::Off, &node("n2")), None);
        let off = WatchdogPolicy::default();
        assert_eq!(off.applies(None, Action::Off, &node("n1")), None);
    }

    #[test]
    fn devices_that_pose_as_the_watchdog() {
        let on = WatchdogPolicy { timeout: Some(Duration::from_secs(1)), targets: vec![] };
        let other = |id: &str| DeviceId::new(id).unwrap();
        let agent = AgentName::new("fence_x").unwrap();
        assert!(on.check(&DeviceId::watchdog(), &AgentName::watchdog()).is_ok());
        assert!(on.check(&other("d"), &agent).is_ok());
        assert!(on.check(&DeviceId::watchdog(), &agent).is_err());
        assert!(on.check(&other("d"), &AgentName::watchdog()).is_err());
        let refusal =
            WatchdogPolicy::default().check(&DeviceId::watchdog(), &AgentName::watchdog());
        assert_eq!(refusal, Err(WatchdogRefusal::Off));
    }
}
