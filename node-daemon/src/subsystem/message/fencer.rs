//! The fencer's messages (spec 81), within a node.

use serde::{Deserialize, Serialize};

use super::HiddenValues;

/// How to fence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum FenceVerb {
    /// Cut off.
    Off,
    /// Cut off and let come back.
    Reboot,
    /// Let back in.
    On,
}

impl FenceVerb {
    /// The action's name.
    pub const fn name(self) -> &'static str {
        match self {
            FenceVerb::Off => "off",
            FenceVerb::Reboot => "reboot",
            FenceVerb::On => "on",
        }
    }

    /// The action of this name.
    pub fn from_name(name: &str) -> Option<FenceVerb> {
        [FenceVerb::Off, FenceVerb::Reboot, FenceVerb::On]
            .into_iter()
            .find(|verb| verb.name() == name)
    }
}

/// A request to the fencer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FenceRequest {
    /// Comes back with the answer.
    pub token: u64,
    /// Who asks.
    pub client: String,
    /// What.
    pub task: FencingTask,
}

/// What a fencer can be asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum FencingTask {
    /// Fence a node.
    Fence {
        /// The node's name.
        target: String,
        /// How.
        action: FenceVerb,
        /// Time for a device without one of its own, in seconds.
        timeout_s: u32,
        /// Delay in seconds; negative for none at all.
        delay_s: i32,
        /// Be content with a success at most so old, in seconds.
        tolerance_s: u32,
        /// The node may fence itself.
        allow_self: bool,
        /// The node is given by its id in the cluster.
        by_id: bool,
    },
    /// A human says that the node is off.
    Confirm {
        /// The node's name.
        target: String,
    },
    /// Register a device and see whether it answers.
    StartDevice {
        /// Its id.
        device: String,
        /// Its agent.
        agent: String,
        /// Its parameters.
        parameters: HiddenValues,
        /// Time for it, in seconds.
        timeout_s: u32,
    },
    /// Register a device, without a look at it.
    RegisterDevice {
        /// Its id.
        device: String,
        /// Its agent.
        agent: String,
        /// Its parameters.
        parameters: HiddenValues,
        /// It lets nodes back in.
        unfences: bool,
    },
    /// Forget a device that was registered so.
    StopDevice {
        /// Its id.
        device: String,
    },
    /// Ask a device something that fences nobody.
    AskDevice {
        /// Its id.
        device: String,
        /// What.
        question: DeviceQuestion,
        /// Time for it, in seconds.
        timeout_s: u32,
    },
    /// Add devices to a topology level.
    AddLevel {
        /// Its id.
        id: String,
        /// For which nodes.
        target: Option<LevelTarget>,
        /// Its index, 1 to 9.
        index: u32,
        /// Devices in the order in which they must succeed.
        devices: Vec<String>,
    },
    /// Empty a topology level.
    RemoveLevel {
        /// Whose.
        target: LevelTarget,
        /// Its index; 0 for all.
        index: u32,
    },
    /// Devices that can fence a node, or all.
    ListDevices {
        /// The node's name.
        target: Option<String>,
    },
    /// Past operations, of one node or of all.
    History {
        /// The node's name.
        target: Option<String>,
    },
    /// Forget past operations, of one node or of all.
    CleanUpHistory {
        /// The node's name.
        target: Option<String>,
    },
    /// Compare past operations with those of all peers.
    SynchroniseHistory,
}

/// What a device can be asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum DeviceQuestion {
    /// Whether it answers.
    Monitor,
    /// Which targets it knows.
    List,
    /// Whether a target is on.
    Status(String),
}

/// Nodes of a topology level.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum LevelTarget {
    /// The node of this name.
    Node(String),
    /// Nodes in whose name this expression finds a match.
    Pattern(String),
    /// Nodes with an attribute of this value.
    Attribute {
        /// Its name.
        name: String,
        /// Its value.
        value: String,
    },
}

/// A registered device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FenceDevice {
    /// Its id.
    pub id: String,
    /// Its agent.
    pub agent: String,
    /// It has answered since it was registered.
    pub verified: bool,
}

/// What a fencer tells clients, besides the ends of operations.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum FencerEvent {
    /// It has begun anew: to the executor, which waits for answers of an earlier one in vain.
    Began,
    /// A client registered a device.
    DeviceRegistered(String),
    /// A client made the fencer forget a device.
    DeviceRemoved(String),
    /// Past operations were added or forgotten.
    HistoryChanged,
    /// Past operations were compared with those of a peer.
    HistorySynchronised,
}

/// How fencing ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FencingResult {
    /// It is certain that it worked.
    pub ok: bool,
    /// No device can do it; trying again is of no use.
    pub no_device: bool,
    /// Exit status.
    pub exit: i32,
    /// Execution status.
    pub status: i32,
    /// In one line.
    pub reason: Option<String>,
    /// What an agent printed.
    pub output: String,
}

/// A past operation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FencingRecord {
    /// Its id.
    pub id: String,
    /// The node.
    pub target: String,
    /// How.
    pub action: String,
    /// Who was asked.
    pub origin: String,
    /// Who executed.
    pub delegate: Option<String>,
    /// Who asked.
    pub client: String,
    /// State, by its number on the classic wire.
    pub state: u8,
    /// When it ended, in nanoseconds since 1970; 0 while it runs.
    pub completed_ns: u64,
    /// How it ended.
    pub result: Option<FencingResult>,
}

/// The fencer's answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum FenceAnswer {
    /// It has ended.
    Ended {
        /// The request's token.
        token: u64,
        /// How.
        result: FencingResult,
    },
    /// It may take this long.
    MayTake {
        /// The request's token.
        token: u64,
        /// Seconds.
        seconds: u32,
    },
    /// Devices.
    Devices {
        /// The request's token.
        token: u64,
        /// They, in the order in which they would be tried.
        devices: Vec<FenceDevice>,
    },
    /// Past operations.
    History {
        /// The request's token.
        token: u64,
        /// They.
        records: Vec<FencingRecord>,
    },
}

/// What a fencer tells of an operation's end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FencerNotice {
    /// The operation's id.
    pub operation: String,
    /// The node.
    pub target: String,
    /// How.
    pub action: String,
    /// Who executed.
    pub delegate: Option<String>,
    /// Who asked.
    pub client: String,
    /// Which fencer was asked.
    pub origin: String,
    /// How it ended.
    pub result: FencingResult,
}
