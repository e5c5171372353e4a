//! What fence agents are asked to do, and how (spec 81 §3).

mod invocation;
mod metadata;

pub use invocation::{InvocationError, StdinScript, build_parameters};
pub use metadata::{
    AgentAction, AgentParameter, MAX_METADATA, Metadata, MetadataError, normalised_xml,
};

use std::fmt;

/// An action the cluster asks of a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Action {
    /// Cut the target off.
    Off,
    /// Cut the target off and let it come back.
    Reboot,
    /// Let the target back in: unfencing.
    On,
    /// Tell which targets the device knows.
    List,
    /// Tell whether the device knows a target.
    Status,
    /// Tell whether the device can be reached.
    Monitor,
}

impl Action {
    /// All actions.
    pub const ALL: [Self; 6] =
        [Self::Off, Self::Reboot, Self::On, Self::List, Self::Status, Self::Monitor];

    /// Whether this cuts a node off: `off` and `reboot` only. Delays, watchdog rules and the rule
    /// about a target that asks for its own fencing apply to these alone.
    pub fn is_fencing(self) -> bool {
        matches!(self, Self::Off | Self::Reboot)
    }

    /// The name agents know.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Reboot => "reboot",
            Self::On => "on",
            Self::List => "list",
            Self::Status => "status",
            Self::Monitor => "monitor",
        }
    }

    /// The action of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|action| action.as_str() == name)
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
