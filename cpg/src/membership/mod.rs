//! Forming the next ring: who takes part (gather), and agreeing on it (commit) (spec 70 §5).

mod candidates;
mod commit;
mod gather;
mod merge;

pub(crate) use candidates::{Candidates, JoinEffect};
pub(crate) use commit::Commit;
pub(crate) use gather::{Gather, GatherStep};
pub(crate) use merge::{Flapping, MergeWatch, Sighting};

/// Why a node gave up its ring, or started over forming one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Reason {
    ConsensusTimeout = 0,
    TokenLost = 2,
    ConsensusExpired = 3,
    TokenLostInCommit = 4,
    TokenLostInRecovery = 5,
    FailedToReceive = 6,
    MergeDuringOperational = 9,
    MergeDuringJoin = 11,
    JoinDuringOperational = 12,
    JoinDuringCommit = 13,
    JoinDuringRecovery = 14,
    InterfaceChange = 15,
}

impl Reason {
    /// Whether it is the end of an attempt to form a ring.
    pub(crate) const fn is_failed_attempt(self) -> bool {
        matches!(
            self,
            Reason::ConsensusTimeout
                | Reason::ConsensusExpired
                | Reason::TokenLostInCommit
                | Reason::TokenLostInRecovery
        )
    }

    /// The text operators know from the log (spec 70 §5.1).
    pub const fn text(self) -> &'static str {
        match self {
            Reason::ConsensusTimeout => "consensus timeout",
            Reason::TokenLost => "The token was lost in the OPERATIONAL state.",
            Reason::ConsensusExpired => "The consensus timeout expired.",
            Reason::TokenLostInCommit => "The token was lost in the COMMIT state.",
            Reason::TokenLostInRecovery => "The token was lost in the RECOVERY state.",
            Reason::FailedToReceive => "failed to receive",
            Reason::MergeDuringOperational => "merge during operational state",
            Reason::MergeDuringJoin => "merge during join",
            Reason::JoinDuringOperational => "join during operational state",
            Reason::JoinDuringCommit => "join during commit state",
            Reason::JoinDuringRecovery => "join during recovery",
            Reason::InterfaceChange => "interface change",
        }
    }
}
