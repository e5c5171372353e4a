//! The fencer's messages (spec 81), within a node.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

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
        parameters: BTreeMap<String, String>,
        /// Time for it, in seconds.
        timeout_s: u32,
    },
    /// Forget a device that was registered so.
    StopDevice {
        /// Its id.
        device: String,
    },
    /// See whether a device answers.
    MonitorDevice {
        /// Its id.
        device: String,
        /// Time for it, in seconds.
        timeout_s: u32,
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
        /// Their ids.
        devices: Vec<String>,
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
