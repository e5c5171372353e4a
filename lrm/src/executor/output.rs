//! What goes into and comes out of the executor core.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::agent::AgentSpec;
use crate::agent::Standard;
use crate::operation::{Action, CallId, ClientId, Interval, OpKey, Parameters, ResourceId};
use crate::outcome::{Outcome, ProcessEnd, StartError};

/// The present, on two clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    /// Since any fixed instant; never goes back.
    pub monotonic: Duration,
    /// Seconds since 1970, as recorded in results.
    pub epoch: i64,
}

/// One run of an agent. Never used twice, so a late word about an old run is recognised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RunId(pub(super) u64);

impl RunId {
    /// The number, for logs.
    #[must_use]
    pub fn number(self) -> u64 {
        self.0
    }
}

/// What the world tells the executor.
#[derive(Debug)]
pub enum Input {
    /// A run that [`Output::Start`] asked for has begun.
    Started {
        /// Which.
        run: RunId,
        /// As what.
        what: Started,
    },
    /// A run is over, or could not begin.
    Ended {
        /// Which.
        run: RunId,
        /// How.
        end: RunEnd,
    },
    /// The connection to the fencer is gone.
    FencerLost,
}

/// What a run turned out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Started {
    /// A process that leads its own process group.
    Process {
        /// Its id, and the id of its group.
        pid: u32,
    },
    /// Calls to a service manager. It keeps the timeout itself; here a last resort applies.
    Service,
}

/// How a run ended.
#[derive(Debug)]
pub enum RunEnd {
    /// A process was reaped.
    Process {
        /// The standard it was run under; never [`Standard::Service`].
        standard: Standard,
        /// Its end.
        end: ProcessEnd,
        /// What it wrote to standard output.
        stdout: Vec<u8>,
        /// What it wrote to standard error.
        stderr: Vec<u8>,
    },
    /// Nothing ran.
    NotStarted(StartError),
    /// A service manager or the fencer answered.
    Answered(Outcome),
}

/// What the executor wants done.
#[derive(Debug)]
pub enum Output {
    /// Run an agent. Answer with [`Input::Started`] (when it takes time) and [`Input::Ended`].
    Start(Invocation),
    /// Send a signal to a running process; one that is gone already is fine.
    Signal {
        /// To which run.
        run: RunId,
        /// Which signal.
        signal: Signal,
        /// To whom.
        scope: Scope,
    },
    /// The answer to this run is no longer wanted; [`Input::Ended`] may be left out.
    Abandon(RunId),
    /// Ask the fencer. Answer with [`Input::Ended`].
    Fence(FenceRequest),
    /// Tell clients.
    Event(Event),
}

/// A signal the executor sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// SIGTERM: please end.
    Terminate,
    /// SIGKILL: end.
    Kill,
}

/// Whom a signal reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// The process group: the agent and what it started. Whatever of the group outlives the agent
    /// is killed when the agent is reaped.
    Group,
    /// The agent's own process only.
    Process,
}

/// An agent to run.
#[derive(Debug, Clone)]
pub struct Invocation {
    /// The run's id.
    pub run: RunId,
    /// What is to run.
    pub task: Task,
    /// How long it may take; zero is no limit. Kept by the executor, given for information.
    pub timeout: Duration,
}

/// The kinds of things that run.
#[derive(Debug, Clone)]
pub enum Task {
    /// An action of a resource.
    Resource {
        /// The operation's name; for logs, and its resource id for the environment.
        key: OpKey,
        /// The agent.
        agent: Arc<AgentSpec>,
        /// Its parameters; none for standards that take none.
        parameters: Arc<Parameters>,
    },
    /// `meta-data` of an agent.
    Metadata {
        /// The agent.
        agent: Arc<AgentSpec>,
    },
    /// An alert agent.
    Alert(Arc<Alert>),
}

/// An alert to send (spec 80 §12).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alert {
    /// The alert's id, for logs.
    pub id: String,
    /// The alert agent.
    pub path: PathBuf,
    /// Environment to set; a key without value is unset.
    pub environment: Vec<(String, Option<String>)>,
    /// How long it may take.
    pub timeout: Duration,
}

/// Something to ask of the fencer.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct FenceRequest {
    /// The run to answer.
    pub run: RunId,
    /// The device's resource id.
    pub device: ResourceId,
    /// What to do.
    pub action: FenceAction,
}

/// What the fencer is asked for.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum FenceAction {
    /// Register the device, then monitor it; the answer is the monitor's.
    Start {
        /// The fence agent.
        agent: Arc<AgentSpec>,
        /// Its parameters.
        parameters: Arc<Parameters>,
        /// For the monitor, in whole seconds.
        timeout: Duration,
    },
    /// Forget the device.
    Stop,
    /// Monitor the device.
    Monitor {
        /// In whole seconds.
        timeout: Duration,
    },
}

/// Something clients are told.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Event {
    /// Who is told.
    pub to: Recipients,
    /// What.
    pub kind: EventKind,
}

/// Who is told of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Recipients {
    /// Every client.
    All,
    /// One client.
    Client(ClientId),
}

/// The kinds of events.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum EventKind {
    /// A resource was registered.
    Registered {
        /// Its id.
        resource: ResourceId,
        /// The request.
        call: CallId,
    },
    /// A resource was unregistered, or was not registered.
    Unregistered {
        /// Its id.
        resource: ResourceId,
        /// The request.
        call: CallId,
        /// An operation of it was still running.
        busy: bool,
    },
    /// An operation has a result.
    Completed(Box<OperationResult>),
    /// The metadata a client asked for.
    Metadata {
        /// The request.
        call: CallId,
        /// The agent.
        agent: Arc<AgentSpec>,
        /// What it printed, or why there is none.
        result: Result<String, String>,
    },
    /// An alert agent ended.
    Alerted {
        /// The alert.
        alert: Arc<Alert>,
        /// Its result.
        outcome: Outcome,
    },
}

/// The result of an operation (spec 80 §7).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OperationResult {
    /// Of which resource.
    pub resource: ResourceId,
    /// Its agent.
    pub agent: Arc<AgentSpec>,
    /// Which action, as requested.
    pub action: Action,
    /// Repeating how often.
    pub interval: Interval,
    /// The timeout requested.
    pub timeout: Duration,
    /// The start delay requested.
    pub start_delay: Duration,
    /// The request it answers.
    pub call: CallId,
    /// What the request carried along.
    pub user_data: Arc<str>,
    /// The parameters requested, including those a standard does not take.
    pub parameters: Arc<Parameters>,
    /// The result.
    pub outcome: Outcome,
    /// Standard error if the agent wrote any, else standard output if any.
    pub output: Option<String>,
    /// The registration is gone.
    pub deleted: bool,
    /// When the latest run from the queue began, seconds since 1970; 0 for a repetition.
    pub last_run: i64,
    /// When the exit status last changed, seconds since 1970; 0 if it never did.
    pub last_change: i64,
    /// How long the run took; zero for a repetition.
    pub exec_time: Duration,
    /// How long it waited in the queue; zero for a repetition.
    pub queue_time: Duration,
}

impl OperationResult {
    /// The operation's name.
    #[must_use]
    pub fn key(&self) -> OpKey {
        OpKey {
            resource: self.resource.clone(),
            action: self.action.clone(),
            interval: self.interval,
        }
    }
}
