//! Which parameters an agent gets, and the text that carries them on its standard input.

use crate::agent::Action;
use crate::device::DeviceOptions;
use crate::name::NodeName;
use crate::secret::Parameters;

/// Why an agent cannot be asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvocationError {
    /// Each parameter is one line, so neither name nor value may hold a line break, and a name no
    /// equals sign.
    #[error("parameter `{name}` does not fit on one line of the form name=value")]
    NotOneLine {
        /// Its name, cut to what is printable.
        name: String,
    },
}

/// The parameters of one agent run (spec 81 §3.2): action, target and host argument first, then
/// what is configured and not meant for the cluster itself; the later one wins.
pub fn build_parameters(
    configured: &Parameters,
    options: &DeviceOptions,
    default_host_argument: Option<&str>,
    action: Action,
    target: Option<&NodeName>,
) -> Parameters {
    let mut parameters = Parameters::new();
    parameters.set("action", options.agent_action(action));
    if configured.is_empty() {
        return parameters;
    }
    if let Some(target) = target {
        parameters.set("nodename", target.as_str());
        let argument = options.host_argument.as_deref().or(default_host_argument);
        if let Some(argument) = argument.filter(|name| !name.eq_ignore_ascii_case("none")) {
            let fixed =
                configured.get(argument).filter(|value| !value.eq_ignore_ascii_case("dynamic"));
            if fixed.is_none() {
                let alias = options.host_map.port(target).unwrap_or(target.as_str());
                parameters.set(argument, alias);
            }
        }
    }
    for (name, value) in configured.iter().filter(|(name, _)| !DeviceOptions::is_hidden(name)) {
        let replaced_by_target = parameters.get(name).is_some()
            && name != "nodename"
            && value.expose().eq_ignore_ascii_case("dynamic");
        if !replaced_by_target {
            parameters.set(name, value.expose());
        }
    }
    parameters
}

/// Text for the standard input of an agent. It holds secrets, so it does not show.
#[derive(Clone, PartialEq, Eq)]
pub struct StdinScript(String);

impl StdinScript {
    /// One line `name=value` for each parameter, the action first.
    pub fn new(parameters: &Parameters) -> Result<Self, InvocationError> {
        let mut text = String::new();
        let first = parameters.iter().filter(|(name, _)| *name == "action");
        let others = parameters.iter().filter(|(name, _)| *name != "action");
        for (name, value) in first.chain(others) {
            let breaks = |text: &str| text.contains(['\n', '\r', '\0']);
            if name.contains('=') || breaks(name) || breaks(value.expose()) {
                let name = name.chars().filter(|c| !c.is_control()).take(64).collect();
                return Err(InvocationError::NotOneLine { name });
            }
            text.push_str(name);
            text.push('=');
            text.push_str(value.expose());
            text.push('\n');
        }
        Ok(Self(text))
    }

    /// The bytes to write.
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl std::fmt::Debug for StdinScript {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "StdinScript({} bytes)", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stdin(configured: &Parameters, argument: Option<&str>, target: Option<&str>) -> String {
        let (options, _) = DeviceOptions::parse(configured);
        let target = target.map(|name| NodeName::new(name).unwrap());
        let parameters =
            build_parameters(configured, &options, argument, Action::Reboot, target.as_ref());
        String::from_utf8(StdinScript::new(&parameters).unwrap().as_bytes().to_vec()).unwrap()
    }

    #[test]
    fn action_target_port_then_the_agents_own() {
        let device = Parameters::new()
            .with("pcmk_host_map", "n1:1,2")
            .with("pcmk_off_timeout", "3")
            .with("CRM_meta_timeout", "20")
            .with("crm_feature_set", "3.20.0")
            .with("action", "off")
            .with("provides", "unfencing")
            .with("ip", "10.0.0.1");
        assert_eq!(
            stdin(&device, Some("plug"), Some("n1")),
            "action=reboot\nip=10.0.0.1\nnodename=n1\nplug=1,2\n"
        );
    }

    #[test]
    fn the_host_argument_and_its_exceptions() {
        let device = |name: &str, value: &str| Parameters::new().with("x", "y").with(name, value);
        for (device, expected) in [
            (device("pcmk_host_argument", "slot"), "action=reboot\nnodename=n1\nslot=n1\nx=y\n"),
            (device("pcmk_host_argument", "NONE"), "action=reboot\nnodename=n1\nx=y\n"),
            (device("plug", "7"), "action=reboot\nnodename=n1\nplug=7\nx=y\n"),
            (device("plug", "Dynamic"), "action=reboot\nnodename=n1\nplug=n1\nx=y\n"),
            (device("nodename", "own"), "action=reboot\nnodename=own\nplug=n1\nx=y\n"),
            (device("pcmk_reboot_action", "off"), "action=off\nnodename=n1\nplug=n1\nx=y\n"),
        ] {
            assert_eq!(stdin(&device, Some("plug"), Some("n1")), expected);
        }
        assert_eq!(stdin(&Parameters::new(), Some("plug"), Some("n1")), "action=reboot\n");
        assert_eq!(stdin(&device("a", "b"), Some("plug"), None), "action=reboot\na=b\nx=y\n");
    }

    #[test]
    fn no_parameter_can_smuggle_in_another() {
        let smuggled = Parameters::new().with("ip", "x\naction=on");
        assert_eq!(
            StdinScript::new(&smuggled),
            Err(InvocationError::NotOneLine { name: "ip".into() })
        );
        assert!(StdinScript::new(&Parameters::new().with("a=b", "c")).is_err());
        let secret = Parameters::new().with("passwd", "hunter2");
        assert!(!format!("{:?}", StdinScript::new(&secret)).contains("hunter2"));
    }
}
