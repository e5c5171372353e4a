//! What fencers say to one another (spec 81 §14.2), as types; the wire module writes them as bytes.
//!
//! No message carries a device parameter, so none can carry a secret.

mod wire;

pub use wire::{MAX_ENTRIES, MAX_MESSAGE, MAX_OFFERS, WireError};

use std::time::Duration;

use crate::agent::Action;
use crate::clock::Seconds;
use crate::device::Delay;
use crate::name::{DeviceId, NodeName, OperationId};
use crate::outcome::Outcome;

/// One message between fencers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// The owner of a new operation asks all who can fence the target.
    Query(Query),
    /// Devices at one fencer that can.
    QueryReply(QueryReply),
    /// The owner asks one fencer to run a device.
    Fence(FenceRequest),
    /// What became of it.
    FenceReply(FenceReply),
    /// A fencer asks another one to own an operation against itself.
    Relay(Relay),
    /// The end of an operation, told to all.
    Result(OperationResult),
    /// How long an operation that was relayed may take.
    TimeoutUpdate {
        /// The operation.
        operation: OperationId,
        /// Its time in total.
        total: Seconds,
    },
    /// Records of one fencer's history.
    History {
        /// Whether it is an answer, which is merged and not answered again.
        differential: bool,
        /// The records.
        entries: Vec<HistoryEntry>,
    },
    /// Forget the finished operations, of one target or of all.
    HistoryCleanup {
        /// The target.
        target: Option<NodeName>,
    },
}

/// Question of an owner; the sender is the originator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    /// The operation.
    pub operation: OperationId,
    /// Stand-in of the fencer that relayed the request.
    pub relay: Option<OperationId>,
    /// Whom to fence.
    pub target: NodeName,
    /// How, as requested.
    pub action: Action,
    /// Who asked.
    pub client: String,
    /// Time for one device if it has none of its own.
    pub base: Seconds,
    /// Whether the target may fence itself.
    pub allow_self: bool,
}

/// Answer to a [`Query`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueryReply {
    /// The operation.
    pub operation: OperationId,
    /// Number of the fencer process that answers, to be given back with requests to it.
    pub incarnation: u64,
    /// Eligible devices.
    pub offers: Vec<Offer>,
}

/// A device that one fencer can use for an operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// The device.
    pub device: DeviceId,
    /// Whether it answered this fencer since its registration.
    pub verified: bool,
    /// Whether its agent has `on`.
    pub supports_on: bool,
    /// Whether its agent has `reboot`.
    pub supports_reboot: bool,
    /// Whether nodes need it to let them in.
    pub automatic_unfencing: bool,
    /// Terms for the requested action.
    pub requested: ActionTerms,
    /// Terms for `off`, in answer to a reboot.
    pub off: Option<ActionTerms>,
    /// Terms for `on`, in answer to a reboot.
    pub on: Option<ActionTerms>,
}

/// Terms under which a fencer runs one action of a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ActionTerms {
    /// Unfencing is incomplete without it.
    pub required: bool,
    /// This fencer may not run it.
    pub disallowed: bool,
    /// Its own time limit; zero stands for that of the operation.
    pub timeout: Seconds,
    /// Its delay.
    pub delay: Delay,
}

/// Request to run a device, or the best device, against a target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FenceRequest {
    /// The operation.
    pub operation: OperationId,
    /// Number of the request within the operation. The reply repeats it, so that a late or doubled
    /// reply is never taken for the answer to another request.
    pub attempt: u32,
    /// Fencer process whose offer this takes. Any other process of that node refuses, so that a
    /// message that arrives twice, once before and once after a restart, runs no agent twice.
    pub incarnation: u64,
    /// Whom to fence.
    pub target: NodeName,
    /// How.
    pub action: Action,
    /// Who asked.
    pub client: String,
    /// Owner of the operation.
    pub originator: NodeName,
    /// Time for the agent, without delays.
    pub timeout: Seconds,
    /// Seconds to wait first; negative for no delay at all.
    pub delay: i32,
    /// The device, in a topology.
    pub device: Option<DeviceId>,
    /// Whether success of this request is success of the operation. Only then may the executor
    /// tell all on behalf of an owner that fences itself.
    pub completes: bool,
}

/// What became of a [`FenceRequest`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FenceReply {
    /// The operation.
    pub operation: OperationId,
    /// Number of the request.
    pub attempt: u32,
    /// The device of the request.
    pub device: Option<DeviceId>,
    /// The target.
    pub target: NodeName,
    /// The action.
    pub action: Action,
    /// Owner of the operation.
    pub originator: NodeName,
    /// Who asked.
    pub client: String,
    /// Answered with the result of another request for the same.
    pub merged: bool,
    /// The result.
    pub outcome: Outcome,
}

/// Request to own an operation against the sender.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Relay {
    /// The sender's stand-in.
    pub stand_in: OperationId,
    /// Whom to fence.
    pub target: NodeName,
    /// How.
    pub action: Action,
    /// Time for one device.
    pub base: Seconds,
    /// Delay of the first device; negative for none at all.
    pub delay: i32,
    /// Whether the target may fence itself.
    pub allow_self: bool,
}

/// End of an operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OperationResult {
    /// The operation.
    pub operation: OperationId,
    /// Its target.
    pub target: NodeName,
    /// Its action, as requested.
    pub action: Action,
    /// Its owner.
    pub originator: NodeName,
    /// Who asked.
    pub client: String,
    /// Who executed it.
    pub delegate: Option<NodeName>,
    /// The result.
    pub outcome: Outcome,
}

/// State of an operation, with its number on the classic wire (spec 81 §7.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum State {
    /// Devices are being looked for.
    Query = 0,
    /// A device is at work.
    Exec = 1,
    /// The target is fenced.
    Done = 2,
    /// Another operation does the same; its result will be taken over.
    Duplicate = 3,
    /// The target is not known to be fenced.
    Failed = 4,
}

impl State {
    /// Whether the end is still open.
    pub fn is_pending(self) -> bool {
        !matches!(self, Self::Done | Self::Failed)
    }

    /// As status displays show it.
    pub fn text(self) -> &'static str {
        match self {
            Self::Query => "querying",
            Self::Exec => "executing",
            Self::Done => "completed",
            Self::Duplicate => "duplicate",
            Self::Failed => "failed",
        }
    }

    /// The state with this number.
    pub fn from_number(number: u8) -> Option<Self> {
        [Self::Query, Self::Exec, Self::Done, Self::Duplicate, Self::Failed]
            .into_iter()
            .find(|state| *state as u8 == number)
    }
}

/// One record of a history, as peers and clients see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryEntry {
    /// The operation.
    pub operation: OperationId,
    /// Its target.
    pub target: NodeName,
    /// Its action.
    pub action: Action,
    /// Its owner.
    pub originator: NodeName,
    /// Who executed it.
    pub delegate: Option<NodeName>,
    /// Who asked.
    pub client: String,
    /// Its state.
    pub state: State,
    /// When it ended, since the Unix epoch; zero while pending.
    pub completed: Duration,
    /// How it ended.
    pub outcome: Option<Outcome>,
}
