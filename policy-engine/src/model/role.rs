//! Roles and their order.

use std::fmt;

/// What a resource is or shall be on its node; the order is the one comparisons use (spec 10 §0).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Role {
    /// Not known, or not decided.
    #[default]
    Unknown,
    /// Not running.
    Stopped,
    /// Running (the only active role outside promotable clones).
    Started,
    /// Running in the lower of two active roles.
    Unpromoted,
    /// Running in the higher of two active roles.
    Promoted,
}

impl Role {
    /// Reads a role name, the legacy `Slave` and `Master` included; letter case does not matter.
    pub fn parse(text: &str) -> Option<Role> {
        let is = |word: &str| text.eq_ignore_ascii_case(word);
        match () {
            _ if is("stopped") => Some(Role::Stopped),
            _ if is("started") => Some(Role::Started),
            _ if is("unpromoted") || is("slave") => Some(Role::Unpromoted),
            _ if is("promoted") || is("master") => Some(Role::Promoted),
            _ if is("unknown") => Some(Role::Unknown),
            _ => None,
        }
    }

    /// The name as the configuration and reports write it.
    pub fn name(self) -> &'static str {
        match self {
            Role::Unknown => "Unknown",
            Role::Stopped => "Stopped",
            Role::Started => "Started",
            Role::Unpromoted => "Unpromoted",
            Role::Promoted => "Promoted",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
