//! What the votes layer has to tell the log: typed, with the wording of the reference.

use std::fmt;

use crate::id::NodeId;
use crate::options::ConfigurationError;

/// How much a notice matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The configuration asks for something impossible.
    Critical,
    /// Something is not as it should be.
    Warning,
    /// A normal event of consequence.
    Notice,
    /// For the curious.
    Info,
}

/// One message for the log. Its `Display` text may hold several lines.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Notice {
    /// A key of the section that means nothing here.
    UnknownKey {
        /// The key.
        key: String,
        /// Its line.
        line: u32,
    },
    /// A combination that cannot work, found on reload.
    Configuration(ConfigurationError),
    /// After such an error nothing changes.
    KeepRunningData,
    /// The registered device wins over `two_node`.
    DeviceDisablesTwoNode,
    /// `two_node` wins over a device that never registered.
    TwoNodeDisablesDevice,
    /// The device cannot be used with what was reloaded.
    DeviceDisabled,
    /// `two_node` gave way to the tie-breaker.
    TwoNodeWithTieBreaker,
    /// The tie-breaker is off in a cluster that cannot split evenly.
    OddTieBreaker,
    /// The rule of the tie-breaker is not readable.
    TieBreakerNodeInvalid,
    /// A rule without a tie-breaker.
    TieBreakerNodeWithoutTieBreaker,
    /// Last man standing needs one vote per node.
    LastManNeedsSingleVotes,
    /// Quorum is withheld until all are present.
    WaitingForAll {
        /// Votes present.
        votes: u32,
        /// Votes wanted.
        expected: u32,
    },
    /// An administrator ended the waiting.
    WaitingCancelled {
        /// Where the request came from.
        by: NodeId,
    },
    /// Quorum gained.
    Primary,
    /// Quorum lost.
    NonPrimary,
    /// Members at a verdict.
    Members(Vec<NodeId>),
    /// Members at the start of a synchronisation.
    SyncMembers(Vec<NodeId>),
    /// Of them, who is new.
    SyncJoined(Vec<NodeId>),
    /// Who is gone.
    SyncLeft(Vec<NodeId>),
    /// No poll within the time.
    DeviceLost {
        /// Name of the device.
        name: String,
    },
    /// The synchronisation waits for the device.
    WaitingForDevice {
        /// Name of the device.
        name: String,
        /// Longest wait in milliseconds.
        millis: u128,
    },
    /// A member runs with other settings, so verdicts may differ.
    SettingsDiffer {
        /// The member.
        node: NodeId,
    },
    /// More messages arrived during one synchronisation than are kept; the rest is dropped, on all
    /// members alike.
    SynchronisationOverrun,
    /// A message that is not of this layer or of another version; it was dropped.
    Unreadable {
        /// Its sender.
        from: NodeId,
        /// Why.
        reason: crate::wire::WireError,
    },
}

impl Notice {
    /// Level to log at.
    #[must_use]
    pub fn severity(&self) -> Severity {
        match self {
            Notice::Configuration(_)
            | Notice::KeepRunningData
            | Notice::DeviceDisablesTwoNode
            | Notice::TwoNodeDisablesDevice
            | Notice::DeviceDisabled
            | Notice::TwoNodeWithTieBreaker
            | Notice::OddTieBreaker => Severity::Critical,
            Notice::UnknownKey { .. }
            | Notice::TieBreakerNodeInvalid
            | Notice::TieBreakerNodeWithoutTieBreaker
            | Notice::LastManNeedsSingleVotes
            | Notice::SettingsDiffer { .. }
            | Notice::SynchronisationOverrun
            | Notice::Unreadable { .. } => Severity::Warning,
            Notice::WaitingCancelled { .. }
            | Notice::DeviceLost { .. }
            | Notice::WaitingForDevice { .. } => Severity::Info,
            _ => Severity::Notice,
        }
    }
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Notice::UnknownKey { key, line } => {
                write!(f, "line {line}: quorum.{key} is not known and has no effect")
            }
            Notice::Configuration(error) => error.fmt(f),
            Notice::KeepRunningData => f.write_str("will continue with current runtime data"),
            Notice::DeviceDisablesTwoNode => {
                f.write_str("quorum device is registered, disabling two_node")
            }
            Notice::TwoNodeDisablesDevice => {
                f.write_str("quorum device is not registered, allowing two_node")
            }
            Notice::DeviceDisabled => f.write_str("disabling quorum device operations"),
            Notice::TwoNodeWithTieBreaker => f.write_str(
                "two_node and auto_tie_breaker are both specified but are not compatible.\n\
                 two_node has been disabled, please fix your corosync.conf",
            ),
            Notice::OddTieBreaker => f.write_str(
                "auto_tie_breaker is set and the cluster has an odd number of nodes.\n\
                 wait_for_all needs to be set for this configuration but it is missing\n\
                 Therefore auto_tie_breaker has been disabled. Please fix your corosync.conf",
            ),
            Notice::TieBreakerNodeInvalid => f.write_str(
                "auto_tie_breaker_nodes is not valid. It must be 'lowest', 'highest' or a \
                 space-separated list of node IDs. auto_tie_breaker is disabled",
            ),
            Notice::TieBreakerNodeWithoutTieBreaker => {
                f.write_str("auto_tie_breaker_node: is meaningless if auto_tie_breaker is set to 0")
            }
            // The blank is missing where operators look for it, too.
            Notice::LastManNeedsSingleVotes => f.write_str(
                "Last Man Standing feature is supported only when allcluster nodes votes are set \
                 to 1. Disabling LMS.",
            ),
            Notice::WaitingForAll { votes, expected } => write!(
                f,
                "Waiting for all cluster members. Current votes: {votes} expected_votes: {expected}"
            ),
            Notice::WaitingCancelled { by } => {
                write!(f, "wait_for_all_status reset by user on node {by}.")
            }
            Notice::Primary => {
                f.write_str("This node is within the primary component and will provide service.")
            }
            Notice::NonPrimary => f.write_str(
                "This node is within the non-primary component and will NOT provide any services.",
            ),
            Notice::Members(ids) => id_list(f, "Members", ids),
            Notice::SyncMembers(ids) => id_list(f, "Sync members", ids),
            Notice::SyncJoined(ids) => id_list(f, "Sync joined", ids),
            Notice::SyncLeft(ids) => id_list(f, "Sync left", ids),
            Notice::DeviceLost { name } => write!(f, "lost contact with quorum device {name}"),
            Notice::WaitingForDevice { name, millis } => {
                write!(f, "waiting for quorum device {name} poll (but maximum for {millis} ms)")
            }
            Notice::SettingsDiffer { node } => {
                write!(f, "node {node} runs with different quorum settings; verdicts may differ")
            }
            Notice::SynchronisationOverrun => {
                f.write_str("too many requests during synchronisation; the rest was dropped")
            }
            Notice::Unreadable { from, reason } => {
                write!(f, "dropped a quorum message of node {from}: {reason}")
            }
        }
    }
}

/// `prefix[count]: ids`; a line holds at most 63 characters of ids, a broken one ends in `\` and
/// the next repeats the prefix.
fn id_list(f: &mut fmt::Formatter<'_>, prefix: &str, ids: &[NodeId]) -> fmt::Result {
    const WIDTH: usize = 63;
    let mut line = String::new();
    for id in ids {
        let text = format!(" {id}");
        if line.len() + text.len() > WIDTH {
            writeln!(f, "{prefix}[{}]:{line}\\", ids.len())?;
            line.clear();
        }
        line.push_str(&text);
    }
    write!(f, "{prefix}[{}]:{line}", ids.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn id_lists_are_broken_after_63_characters() {
        let ids = |n| (1..=n).filter_map(NodeId::new).collect::<Vec<_>>();
        assert_eq!(Notice::Members(ids(3)).to_string(), "Members[3]: 1 2 3");
        assert_eq!(Notice::Members(vec![]).to_string(), "Members[0]:");
        let text = Notice::SyncLeft(ids(40)).to_string();
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines.len(), 2);
        assert!(lines[0].ends_with('\\') && lines[0].len() <= "Sync left[40]:".len() + 64);
        assert!(lines[1].starts_with("Sync left[40]: "));
    }
}
