//! Standards (calling conventions) of agents and their capabilities (spec 80 §1.1).

use std::fmt;
use std::sync::Arc;

/// The calling convention of an agent, also called its class.
///
/// Names are read case-insensitively. A name that is not known is kept: a resource of such a
/// standard may be registered, and running it reports "not installed".
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Standard {
    /// Open Cluster Framework agents, grouped by provider.
    Ocf,
    /// Init scripts.
    Lsb,
    /// systemd units, driven over D-Bus.
    Systemd,
    /// Whichever of [`Lsb`](Self::Lsb) and [`Systemd`](Self::Systemd) has the name.
    Service,
    /// Fence devices; monitored here, executed by the fencer.
    Stonith,
    /// Alert agents; never a resource.
    Alert,
    /// Anything else, by its lower-cased name.
    Unknown(Arc<str>),
}

impl Standard {
    /// The standard of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Self {
        match name.to_ascii_lowercase().as_str() {
            "ocf" => Self::Ocf,
            "lsb" => Self::Lsb,
            "systemd" => Self::Systemd,
            "service" => Self::Service,
            "stonith" => Self::Stonith,
            "alert" => Self::Alert,
            other => Self::Unknown(other.into()),
        }
    }

    /// The name in lower case.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Ocf => "ocf",
            Self::Lsb => "lsb",
            Self::Systemd => "systemd",
            Self::Service => "service",
            Self::Stonith => "stonith",
            Self::Alert => "alert",
            Self::Unknown(name) => name,
        }
    }

    /// Agents of this standard live in a provider's name space.
    #[must_use]
    pub fn needs_provider(&self) -> bool {
        matches!(self, Self::Ocf)
    }

    /// Parameters reach the agent; for other standards they are dropped before it runs.
    #[must_use]
    pub fn takes_parameters(&self) -> bool {
        matches!(self, Self::Ocf | Self::Stonith)
    }

    /// Clone instances may have identities of their own.
    #[must_use]
    pub fn allows_unique_clones(&self) -> bool {
        matches!(self, Self::Ocf | Self::Stonith)
    }

    /// Resources may be promoted.
    #[must_use]
    pub fn is_promotable(&self) -> bool {
        matches!(self, Self::Ocf)
    }

    /// `monitor` is called `status`.
    #[must_use]
    pub fn says_status(&self) -> bool {
        matches!(self, Self::Lsb | Self::Systemd | Self::Service)
    }

    /// Parameters are written to standard input instead of the environment.
    #[must_use]
    pub fn takes_stdin(&self) -> bool {
        matches!(self, Self::Stonith)
    }

    /// Resources accept the special `pcmk_*` fence device parameters.
    #[must_use]
    pub fn takes_fence_parameters(&self) -> bool {
        matches!(self, Self::Stonith)
    }

    /// Command-line tools may run its agents directly.
    #[must_use]
    pub fn runs_from_command_line(&self) -> bool {
        matches!(self, Self::Ocf | Self::Lsb)
    }
}

impl fmt::Display for Standard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_in_any_case_and_unknown_ones_have_no_capabilities() {
        assert_eq!(Standard::from_name("OCF"), Standard::Ocf);
        assert_eq!(Standard::from_name("SystemD"), Standard::Systemd);
        let upstart = Standard::from_name("Upstart");
        assert_eq!(upstart.name(), "upstart");
        assert!(!upstart.takes_parameters() && !upstart.needs_provider());
        assert!(!upstart.says_status() && !upstart.takes_stdin());
    }
}
