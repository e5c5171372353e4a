//! Fence devices as one fencer knows them (spec 81 §2).

mod options;
mod registry;

pub use options::{ActionLimit, DEFAULT_TRIES, Delay, DeviceOptions, HostCheck};
pub use registry::{Registration, Registry, Source};

use std::sync::Arc;
use std::time::Duration;

use crate::agent::{Action, Metadata};
use crate::clock::Seconds;
use crate::message::{ActionTerms, Offer};
use crate::name::{AgentName, DeviceId, NodeName};
use crate::secret::Parameters;

/// How long the answer of an agent's `list` is used before it is asked again.
pub const LIST_LIFETIME: Duration = Duration::from_secs(60);

/// A device as it is configured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceDefinition {
    /// Its id.
    pub id: DeviceId,
    /// Its agent.
    pub agent: AgentName,
    /// All its parameters, those for the cluster and those for the agent.
    pub parameters: Parameters,
    /// Whether its resource says `provides=unfencing`.
    pub provides_unfencing: bool,
}

impl DeviceDefinition {
    /// Whether a registration of `other` changes nothing (spec 81 §2.5).
    pub fn is_duplicate_of(&self, other: &Self) -> bool {
        self.id.as_str().eq_ignore_ascii_case(other.id.as_str())
            && self.agent.as_str().eq_ignore_ascii_case(other.agent.as_str())
            && self.parameters.same_device_settings(&other.parameters)
    }
}

/// What is known about the abilities of a device's agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AgentKnowledge {
    /// The agent was asked for its metadata; queries about the device wait for the answer.
    Asked,
    /// Its metadata.
    Known(Arc<Metadata>),
    /// It did not answer; it will be asked again after this pause.
    Failed {
        /// Pause before the next attempt.
        pause: Duration,
    },
    /// There is no metadata to ask for: the internal watchdog agent.
    Internal,
}

/// A device in the table of a fencer.
#[derive(Debug, Clone)]
pub struct Device {
    /// How it is configured.
    pub definition: DeviceDefinition,
    /// Its options, parsed.
    pub options: DeviceOptions,
    /// What its agent can do.
    pub knowledge: AgentKnowledge,
    /// Registered from the configuration.
    pub cib_registered: bool,
    /// Registered by a client.
    pub api_registered: bool,
    /// Not confirmed yet by the configuration pass under way.
    pub dirty: bool,
    /// A list, status or monitor succeeded on this node since registration.
    pub verified: bool,
    /// The permanent change of an undeclared dynamic list that never worked to `status`.
    pub fell_back_to_status: bool,
    /// Targets: configured ones of a static list, or the last answer of `list`.
    pub targets: Option<Vec<String>>,
    /// When `list` last answered.
    pub listed_at: Option<Duration>,
}

impl Device {
    /// Builds a device from its definition.
    pub fn new(definition: DeviceDefinition) -> (Self, Vec<String>) {
        let (options, warnings) = DeviceOptions::parse(&definition.parameters);
        let knowledge = if definition.agent == AgentName::watchdog_internal() {
            AgentKnowledge::Internal
        } else {
            AgentKnowledge::Asked
        };
        let mut device = Self {
            definition,
            options,
            knowledge,
            cib_registered: false,
            api_registered: false,
            dirty: false,
            verified: false,
            fell_back_to_status: false,
            targets: None,
            listed_at: None,
        };
        device.targets = device.static_targets();
        (device, warnings)
    }

    /// The id.
    pub fn id(&self) -> &DeviceId {
        &self.definition.id
    }

    /// Configured targets and mapped ports, if the check is by static list; otherwise nothing.
    fn static_targets(&self) -> Option<Vec<String>> {
        if self.host_check() != HostCheck::StaticList {
            return None;
        }
        let mut targets = self.options.host_list.clone().unwrap_or_default();
        targets.extend(self.options.host_map.ports().map(str::to_owned));
        Some(targets)
    }

    fn metadata(&self) -> Option<&Metadata> {
        match &self.knowledge {
            AgentKnowledge::Known(metadata) => Some(metadata),
            _ => None,
        }
    }

    /// Whether the agent lists an action.
    pub fn supports(&self, action: Action) -> bool {
        match &self.knowledge {
            AgentKnowledge::Internal => action.is_fencing() || action == Action::On,
            _ => self.metadata().is_some_and(|metadata| metadata.action(action.as_str()).is_some()),
        }
    }

    /// Whether nodes need this device to let them in before they run resources.
    pub fn is_automatic_unfencing(&self) -> bool {
        self.definition.provides_unfencing
            || self
                .metadata()
                .and_then(|metadata| metadata.action("on"))
                .is_some_and(|on| on.automatic)
    }

    /// Whether only the target itself may run the action.
    pub fn runs_on_target(&self, action: Action) -> bool {
        self.metadata()
            .and_then(|metadata| metadata.action(action.as_str()))
            .is_some_and(|action| action.on_target)
    }

    /// The agent parameter that takes the target, if the device does not say.
    pub fn default_host_argument(&self) -> Option<&'static str> {
        self.metadata().and_then(Metadata::default_host_argument)
    }

    /// How targets of this device are found (spec 81 §4.1).
    pub fn host_check(&self) -> HostCheck {
        if let Some(check) = &self.options.host_check {
            check.clone()
        } else if self.options.host_list.is_some() || self.options.has_host_map {
            HostCheck::StaticList
        } else if self.fell_back_to_status {
            HostCheck::Status
        } else if self.supports(Action::List) {
            HostCheck::DynamicList
        } else if self.supports(Action::Status) {
            HostCheck::Status
        } else {
            HostCheck::None
        }
    }

    /// The action asked of the agent for the requested one: a reboot becomes `off` on an agent
    /// that has no `reboot`.
    pub fn effective_action(&self, action: Action) -> Action {
        match action {
            Action::Reboot if !self.supports(Action::Reboot) => Action::Off,
            action => action,
        }
    }

    /// Time limit of an action: the configured one, else that of the request.
    pub fn timeout(&self, action: Action, requested: Seconds) -> Seconds {
        self.options.timeout(self.effective_action(action)).unwrap_or(requested)
    }

    /// Whether the local node may execute the action (spec 81 §4.4).
    pub fn may_execute(
        &self,
        action: Action,
        target: Option<&NodeName>,
        local: &NodeName,
        allow_self: bool,
    ) -> bool {
        let is_target = target == Some(local);
        if self.runs_on_target(action) { is_target } else { !is_target || allow_self }
    }

    /// Whether one of the device's known targets is this one, by its alias or its name.
    pub fn knows_target(&self, target: &NodeName) -> bool {
        let alias = self.options.host_map.port(target).unwrap_or(target.as_str());
        self.targets
            .as_ref()
            .is_some_and(|targets| targets.iter().any(|known| known.eq_ignore_ascii_case(alias)))
    }

    /// Whether the target is in the configured list, or has an alias.
    pub fn is_static_target(&self, target: &NodeName) -> bool {
        self.options.host_map.port(target).is_some()
            || self.targets.as_ref().is_some_and(|targets| {
                targets.iter().any(|known| known.eq_ignore_ascii_case(target.as_str()))
            })
    }

    /// What this node offers in answer to a query (spec 81 §4.5).
    pub fn offer(
        &self,
        action: Action,
        target: Option<&NodeName>,
        local: &NodeName,
        allow_self: bool,
    ) -> Offer {
        let terms = |action: Action, allow_self: bool| {
            let run = self.effective_action(action);
            let delay =
                if run.is_fencing() { self.options.delay(target) } else { Delay::default() };
            ActionTerms {
                required: run == Action::On && self.is_automatic_unfencing(),
                disallowed: !self.may_execute(action, target, local, allow_self),
                timeout: self.options.timeout(run).unwrap_or_default(),
                delay,
            }
        };
        let phases = action == Action::Reboot;
        Offer {
            device: self.id().clone(),
            verified: self.verified,
            supports_on: self.supports(Action::On),
            supports_reboot: self.supports(Action::Reboot),
            automatic_unfencing: self.is_automatic_unfencing(),
            requested: terms(action, allow_self),
            off: phases.then(|| terms(Action::Off, allow_self)),
            on: phases.then(|| terms(Action::On, false)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn device(parameters: &[(&str, &str)], actions: &[&str]) -> Device {
        let mut set = Parameters::new();
        parameters.iter().for_each(|(name, value)| set.set(*name, *value));
        let definition = DeviceDefinition {
            id: DeviceId::new("d").unwrap(),
            agent: AgentName::new("fence_test").unwrap(),
            parameters: set,
            provides_unfencing: false,
        };
        let mut device = Device::new(definition).0;
        let actions: String =
            actions.iter().map(|name| format!("<action name='{name}'/>")).collect();
        let text = format!("<resource-agent><actions>{actions}</actions></resource-agent>");
        device.knowledge = AgentKnowledge::Known(Arc::new(Metadata::parse(&text).unwrap()));
        device
    }

    #[test]
    fn host_check_chain() {
        let all = ["list", "status", "off"];
        for (parameters, actions, expected) in [
            (vec![("pcmk_host_check", "None"), ("pcmk_host_list", "a")], &all[..], HostCheck::None),
            (vec![("pcmk_host_list", "a")], &all[..], HostCheck::StaticList),
            (vec![("pcmk_host_map", "a:1")], &all[..], HostCheck::StaticList),
            (vec![], &all[..], HostCheck::DynamicList),
            (vec![], &all[1..], HostCheck::Status),
            (vec![], &all[2..], HostCheck::None),
            (vec![("pcmk_host_check", "x")], &all[..], HostCheck::Invalid("x".into())),
        ] {
            assert_eq!(device(&parameters, actions).host_check(), expected, "{parameters:?}");
        }
    }

    #[test]
    fn mapped_ports_are_targets_too() {
        let device = device(&[("pcmk_host_map", "n2:3")], &[]);
        for (name, known) in [("n2", true), ("N2", true), ("3", true), ("n3", false)] {
            assert_eq!(device.is_static_target(&NodeName::new(name).unwrap()), known, "{name}");
        }
    }

    #[test]
    fn who_may_execute() {
        let local = NodeName::new("n1").unwrap();
        let other = NodeName::new("n2").unwrap();
        let device = device(&[], &["off"]);
        assert!(device.may_execute(Action::Off, Some(&other), &local, false));
        assert!(!device.may_execute(Action::Off, Some(&local), &local, false));
        assert!(device.may_execute(Action::Off, Some(&local), &local, true));
    }

    #[test]
    fn a_reboot_without_reboot_is_off() {
        let device = device(&[("pcmk_off_timeout", "7"), ("pcmk_reboot_timeout", "9")], &["off"]);
        assert_eq!(device.effective_action(Action::Reboot), Action::Off);
        assert_eq!(device.timeout(Action::Reboot, Seconds(60)), Seconds(7));
        let local = NodeName::new("n1").unwrap();
        let offer = device.offer(Action::Reboot, None, &local, false);
        assert_eq!(offer.requested.timeout, Seconds(7));
    }
}
