//! What goes into a fencer and what comes out.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::agent::{Action, Metadata};
use crate::clock::Seconds;
use crate::device::DeviceDefinition;
use crate::executor::{AgentReport, AgentRun, CallId, LogLine, RunId};
use crate::message::{HistoryEntry, Message, OperationResult, State};
use crate::name::{AgentName, DeviceId, NodeName};
use crate::outcome::Outcome;
use crate::topology::{LevelDefinition, LevelTarget, NodeAttributes};

/// One input.
#[derive(Debug, Clone)]
pub enum Input {
    /// A message of a fencer. Broadcasts come back to their sender, in the same total order in
    /// which all get them.
    Message {
        /// The sender.
        from: NodeName,
        /// The message.
        message: Message,
    },
    /// The fencers that are there now, this one included.
    Membership(BTreeSet<NodeName>),
    /// A request of a local client.
    Request {
        /// Client and number of the request.
        call: CallId,
        /// Name of the client, with its process id.
        client: String,
        /// Whether it may register devices and levels.
        privileged: bool,
        /// The request.
        request: Request,
    },
    /// A local client is gone; what it asked for goes on without an answer.
    ClientGone(u64),
    /// An agent has ended, or could not be run.
    AgentEnded {
        /// Its run.
        run: RunId,
        /// What became of it.
        report: AgentReport,
    },
    /// An agent's metadata.
    MetadataRead {
        /// The agent.
        agent: AgentName,
        /// The metadata, or why there is none.
        answer: Result<Metadata, String>,
    },
    /// The configuration, whole.
    Configure(Configuration),
    /// Time has passed.
    Tick,
}

/// The fencing part of the configuration, evaluated for this node: devices that its location
/// constraints keep from it are not in it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Configuration {
    /// Devices this node may use.
    pub devices: Vec<DeviceDefinition>,
    /// Topology levels in the order of the configuration.
    pub levels: Vec<LevelDefinition>,
    /// Permanent attributes of the nodes.
    pub attributes: NodeAttributes,
    /// Names by cluster node id.
    pub node_ids: BTreeMap<u32, NodeName>,
    /// Watchdog time; none if watchdog fencing is off.
    pub watchdog_timeout: Option<Duration>,
}

/// A request of a local client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// Fence a node, or let it back in.
    Fence(FenceOrder),
    /// A human says that the node is off. Nothing is checked: if it is not off, data may be lost.
    DangerousConfirm {
        /// The node.
        target: NodeName,
    },
    /// Register a device.
    RegisterDevice(DeviceDefinition),
    /// Take a registered device away.
    RemoveDevice(DeviceId),
    /// Add devices to a topology level.
    RegisterLevel(LevelDefinition),
    /// Empty a topology level; index 0 stands for all.
    RemoveLevel {
        /// Whose level.
        target: LevelTarget,
        /// Which.
        index: u32,
    },
    /// Devices of this fencer that can fence a node, or all.
    ListDevices {
        /// The node.
        target: Option<NodeName>,
        /// With which action.
        action: Action,
    },
    /// Run an action that fences nobody on a device of this fencer.
    Execute {
        /// The device.
        device: DeviceId,
        /// `list`, `monitor` or `status`.
        action: Action,
        /// For `status`.
        target: Option<NodeName>,
        /// Time for the agent.
        timeout: Seconds,
    },
    /// Past and pending operations, of one target or of all.
    History {
        /// The target.
        target: Option<NodeName>,
    },
    /// Make all fencers forget ended operations, of one target or of all.
    CleanUpHistory {
        /// The target.
        target: Option<NodeName>,
    },
    /// Make all fencers compare their histories.
    SynchroniseHistory,
}

/// An order to fence a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FenceOrder {
    /// The node.
    pub target: NodeName,
    /// `off`, `reboot`, or `on`.
    pub action: Action,
    /// Time for each device that has none of its own.
    pub timeout: Seconds,
    /// Seconds before the first device; negative for no delay at all.
    pub delay: i32,
    /// Be content with a success of the same that is at most so old; zero for none.
    pub tolerance: Seconds,
    /// Whether the node may fence itself.
    pub allow_self: bool,
    /// Whether the target is given as a cluster node id.
    pub target_is_id: bool,
}

impl FenceOrder {
    /// An order with the usual settings.
    pub fn new(target: NodeName, action: Action, timeout: Seconds) -> Self {
        Self {
            target,
            action,
            timeout,
            delay: 0,
            tolerance: Seconds::ZERO,
            allow_self: true,
            target_is_id: false,
        }
    }
}

/// One output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Send a message, to one fencer or, in total order, to all including this one.
    Send {
        /// The addressee; none for all.
        to: Option<NodeName>,
        /// The message.
        message: Message,
    },
    /// Run an agent.
    Run(AgentRun),
    /// Ask an agent for its metadata.
    ReadMetadata(AgentName),
    /// Answer a client.
    Reply {
        /// Its request.
        call: CallId,
        /// The answer.
        response: Response,
    },
    /// Tell subscribers.
    Notify(Notification),
    /// Take this host down now.
    SelfFence {
        /// Off, or reboot.
        action: Action,
    },
    /// A line for the log.
    Log(LogLine),
}

/// An answer to a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Response {
    /// The end of the request.
    Ended(Outcome),
    /// How long the request may take; the end comes later.
    Timeout(Seconds),
    /// Devices, in the order in which they would be tried.
    Devices(Vec<DeviceId>),
    /// What an agent answered.
    Agent(AgentReport),
    /// History records.
    History(Vec<HistoryEntry>),
}

/// News for subscribers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notification {
    /// An operation has ended: the target is fenced if, and only if, the outcome is success.
    Fenced {
        /// The operation.
        result: OperationResult,
        /// Its state.
        state: State,
        /// Whether it took over the result of another operation.
        merged: bool,
    },
    /// A client registered a device.
    DeviceRegistered(DeviceId),
    /// A client removed a device.
    DeviceRemoved(DeviceId),
    /// The history has changed.
    HistoryChanged,
    /// The history has been compared with that of a peer.
    HistorySynchronised,
}
