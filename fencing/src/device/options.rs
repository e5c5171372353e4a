//! Device parameters that are for the cluster and not for the agent (spec 81 §2.6).

use std::collections::BTreeMap;
use std::num::NonZeroU32;

use crate::agent::Action;
use crate::clock::Seconds;
use crate::interval;
use crate::name::NodeName;
use crate::secret::Parameters;
use crate::targets::{self, HostMap};

/// Tries of an agent if `pcmk_ACTION_retries` does not say otherwise.
pub const DEFAULT_TRIES: u32 = 2;

/// How a fencer finds out whether a device can fence a target (spec 81 §4.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HostCheck {
    /// The target is in the configured list or map.
    StaticList,
    /// The agent's `list` names the target.
    DynamicList,
    /// The agent's `status` knows the target.
    Status,
    /// Every target is taken to be known.
    None,
    /// A word that is none of the above: no target is known.
    Invalid(String),
}

impl HostCheck {
    fn parse(text: &str) -> Self {
        let is = |word: &str| text.eq_ignore_ascii_case(word);
        match () {
            () if is("static-list") => Self::StaticList,
            () if is("dynamic-list") => Self::DynamicList,
            () if is("status") => Self::Status,
            () if is("none") => Self::None,
            () => Self::Invalid(text.to_owned()),
        }
    }

    /// The word in the configuration.
    pub fn as_str(&self) -> &str {
        match self {
            Self::StaticList => "static-list",
            Self::DynamicList => "dynamic-list",
            Self::Status => "status",
            Self::None => "none",
            Self::Invalid(text) => text,
        }
    }
}

/// How many commands of one device run at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ActionLimit {
    /// At most so many.
    AtMost(NonZeroU32),
    /// Any number.
    Unlimited,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct PerAction {
    command: Option<String>,
    timeout_ms: Option<u64>,
    tries: Option<u32>,
}

/// The parsed options of a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceOptions {
    /// Configured targets; absent and empty are different (an empty list still makes the check
    /// static).
    pub host_list: Option<Vec<String>>,
    /// Ports by node.
    pub host_map: HostMap,
    /// Whether a map was configured, even an empty one.
    pub has_host_map: bool,
    /// Host check, if configured.
    pub host_check: Option<HostCheck>,
    /// Agent parameter that takes the target.
    pub host_argument: Option<String>,
    /// Concurrent commands.
    pub action_limit: ActionLimit,
    delay_base: Option<String>,
    delay_max: Seconds,
    actions: BTreeMap<String, PerAction>,
}

/// Delay of a fencing command on a device for one target, in whole seconds (spec 81 §6.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Delay {
    /// Fixed part.
    pub base: Seconds,
    /// Upper bound of the fixed and the random part together.
    pub max: Seconds,
}

enum ActionOption {
    Command,
    Timeout,
    Tries,
}

/// Splits `pcmk_X_action`, `pcmk_X_timeout`, `pcmk_X_retries`; X is the text up to the next
/// underscore.
fn per_action(name: &str) -> Option<(&str, ActionOption)> {
    let (action, option) = name.strip_prefix("pcmk_")?.split_once('_')?;
    match option {
        "action" => Some((action, ActionOption::Command)),
        "timeout" => Some((action, ActionOption::Timeout)),
        "retries" => Some((action, ActionOption::Tries)),
        _ => None,
    }
}

impl DeviceOptions {
    /// Reads the options from a device's parameters. Whatever is malformed falls back to its
    /// default; the second value says what, one line each.
    pub fn parse(parameters: &Parameters) -> (Self, Vec<String>) {
        let mut warnings = Vec::new();
        let host_list = parameters.get("pcmk_host_list").map(|text| {
            let (list, refused) = targets::parse_list(text);
            warnings.extend(refused.iter().map(|entry| {
                format!("pcmk_host_list: Ignoring '{entry}', which does not begin like a name")
            }));
            list
        });
        let map_text = parameters.get("pcmk_host_map");
        let (host_map, malformed) = map_text.map(HostMap::parse).unwrap_or_default();
        warnings
            .extend(malformed.iter().map(|m| format!("pcmk_host_map: Malformed mapping '{m}'")));
        let mut options = Self {
            host_list,
            host_map,
            has_host_map: map_text.is_some(),
            host_check: parameters.get("pcmk_host_check").map(HostCheck::parse),
            host_argument: parameters.get("pcmk_host_argument").map(str::to_owned),
            action_limit: limit(parameters.get("pcmk_action_limit")),
            delay_base: parameters.get("pcmk_delay_base").map(str::to_owned),
            delay_max: parameters.get("pcmk_delay_max").map_or(Seconds::ZERO, |text| {
                let millis = interval::parse_millis(text).unwrap_or_else(|error| {
                    warnings.push(format!("pcmk_delay_max: {error}"));
                    0
                });
                truncated(millis)
            }),
            actions: BTreeMap::new(),
        };
        for (name, value) in parameters.iter() {
            if let Some((action, option)) = per_action(name) {
                let entry = options.actions.entry(action.to_owned()).or_default();
                let value = value.expose();
                match option {
                    ActionOption::Command => entry.command = Some(value.to_owned()),
                    ActionOption::Timeout => match interval::parse_millis(value) {
                        Ok(millis) => entry.timeout_ms = Some(millis),
                        Err(error) => warnings.push(format!("{name}: {error}")),
                    },
                    ActionOption::Tries => match value.trim().parse() {
                        Ok(tries) => entry.tries = Some(tries),
                        Err(_) => warnings.push(format!("{name}: a number of tries is wanted")),
                    },
                }
            }
        }
        (options, warnings)
    }

    /// Whether a parameter is for the cluster and is kept from the agent.
    pub fn is_hidden(name: &str) -> bool {
        matches!(
            name,
            "pcmk_host_argument"
                | "pcmk_host_map"
                | "pcmk_host_list"
                | "pcmk_host_check"
                | "pcmk_delay_max"
                | "pcmk_delay_base"
                | "pcmk_action_limit"
                | "provides"
                | "stonith-timeout"
                | "crm_feature_set"
                | "action"
        ) || name.starts_with("CRM_meta_")
            || per_action(name).is_some()
    }

    /// Command to give the agent for an action (`pcmk_ACTION_action`).
    pub fn agent_action(&self, action: Action) -> &str {
        self.per(action).and_then(|entry| entry.command.as_deref()).unwrap_or(action.as_str())
    }

    /// Configured time limit of an action (`pcmk_ACTION_timeout`), if it is set and not zero.
    pub fn timeout(&self, action: Action) -> Option<Seconds> {
        let millis = self.per(action)?.timeout_ms.filter(|millis| *millis > 0)?;
        Some(Seconds::from_millis_at_least_one(millis))
    }

    /// Most tries of an action (`pcmk_ACTION_retries`, which counts tries), at least one.
    pub fn tries(&self, action: Action) -> u32 {
        self.per(action).and_then(|entry| entry.tries).unwrap_or(DEFAULT_TRIES).max(1)
    }

    fn per(&self, action: Action) -> Option<&PerAction> {
        self.actions.get(action.as_str())
    }

    /// Delay before a fencing command, as configured.
    pub fn delay(&self, target: Option<&NodeName>) -> Delay {
        let base =
            self.delay_base.as_deref().map_or(0, |text| targets::delay_base_millis(text, target).0);
        Delay { base: truncated(base), max: self.delay_max }
    }

    /// Mappings of `pcmk_delay_base` that are malformed, for one target.
    pub fn malformed_delays(&self, target: Option<&NodeName>) -> Vec<String> {
        let text = self.delay_base.as_deref();
        text.map(|text| targets::delay_base_millis(text, target).1).unwrap_or_default()
    }
}

impl Delay {
    /// Base and bound after the rules for a missing bound and a bound below the base.
    pub fn effective(self) -> Self {
        match self {
            Self { base, max: Seconds(0) } => Self { base, max: base },
            Self { base, max } => Self { base: base.min(max), max },
        }
    }

    /// The longest this can take: the bound if there is one, else the base.
    pub fn longest(self) -> Seconds {
        if self.max > Seconds::ZERO { self.max } else { self.base }
    }
}

fn truncated(millis: u64) -> Seconds {
    Seconds(u32::try_from(millis / 1000).unwrap_or(u32::MAX))
}

fn limit(text: Option<&str>) -> ActionLimit {
    let number = text.and_then(|text| text.trim().parse::<i64>().ok()).unwrap_or(1);
    if number < 0 {
        return ActionLimit::Unlimited;
    }
    let number = u32::try_from(number).unwrap_or(u32::MAX);
    ActionLimit::AtMost(NonZeroU32::new(number).unwrap_or(NonZeroU32::MIN))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(parameters: &[(&str, &str)]) -> DeviceOptions {
        let mut set = Parameters::new();
        parameters.iter().for_each(|(name, value)| set.set(*name, *value));
        DeviceOptions::parse(&set).0
    }

    #[test]
    fn per_action_options() {
        let options = options(&[
            ("pcmk_reboot_action", "off"),
            ("pcmk_off_timeout", "1499ms"),
            ("pcmk_list_timeout", "20ms"),
            ("pcmk_status_timeout", "0"),
            ("pcmk_on_timeout", "later"),
            ("pcmk_off_retries", "5"),
            ("pcmk_on_retries", "0"),
        ]);
        assert_eq!(options.agent_action(Action::Reboot), "off");
        assert_eq!(options.agent_action(Action::Off), "off");
        assert_eq!(options.timeout(Action::Off), Some(Seconds(1)));
        assert_eq!(options.timeout(Action::List), Some(Seconds(1)));
        assert_eq!(options.timeout(Action::Status), None);
        assert_eq!(options.timeout(Action::On), None);
        assert_eq!(options.tries(Action::Off), 5);
        assert_eq!(options.tries(Action::On), 1);
        assert_eq!(options.tries(Action::Reboot), DEFAULT_TRIES);
    }

    #[test]
    fn action_limits() {
        let at_most = |n| ActionLimit::AtMost(NonZeroU32::new(n).unwrap());
        for (text, expected) in [
            ("3", at_most(3)),
            ("0", at_most(1)),
            ("many", at_most(1)),
            ("-1", ActionLimit::Unlimited),
        ] {
            assert_eq!(options(&[("pcmk_action_limit", text)]).action_limit, expected, "{text}");
        }
        assert_eq!(options(&[]).action_limit, at_most(1));
    }

    #[test]
    fn hidden_names() {
        for name in ["pcmk_host_map", "pcmk_off_timeout", "pcmk_x_retries", "provides", "action"] {
            assert!(DeviceOptions::is_hidden(name), "{name}");
        }
        for name in ["ip", "pcmk_", "pcmk_a_b_timeout", "timeout", "plug"] {
            assert!(!DeviceOptions::is_hidden(name), "{name}");
        }
    }

    #[test]
    fn delays() {
        let delay = |base: &str, max: &str| {
            options(&[("pcmk_delay_base", base), ("pcmk_delay_max", max)]).delay(None)
        };
        let pair = |delay: Delay| (delay.base.0, delay.max.0);
        assert_eq!(pair(delay("2", "0").effective()), (2, 2));
        assert_eq!(pair(delay("2", "1").effective()), (1, 1));
        assert_eq!(pair(delay("1", "2900ms").effective()), (1, 2));
        assert_eq!(delay("2", "1").longest(), Seconds(1));
        assert_eq!(delay("2", "0").longest(), Seconds(2));
    }

    #[test]
    fn malformed_options_are_told() {
        let parameters = Parameters::new()
            .with("pcmk_host_map", "n1:1;oops")
            .with("pcmk_host_list", "?x")
            .with("pcmk_off_timeout", "later");
        let (_, warnings) = DeviceOptions::parse(&parameters);
        assert!(warnings.contains(&"pcmk_host_map: Malformed mapping 'oops'".to_owned()));
        assert_eq!(warnings.len(), 3, "{warnings:?}");
    }
}
