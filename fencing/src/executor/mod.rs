//! What one fencer does for others: find out which of its devices can fence a target, and run
//! them. A state machine of its own, below the cluster-wide operation.

mod job;
mod queue;
mod registration;
mod search;

pub use job::{Job, JobReport};
pub use queue::CommandId;
pub(crate) use search::Wanted;
pub use search::{SearchId, SearchPurpose};

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use crate::agent::{Action, Metadata};
use crate::clock::{Seconds, Timers};
use crate::device::Registry;
use crate::name::{AgentName, DeviceId, NodeName, OperationId};
use crate::outcome::Outcome;
use crate::secret::Parameters;
use crate::watchdog::WatchdogPolicy;

use job::JobId;
use queue::Command;
use search::Search;

/// Most commands waiting or running at one fencer; further ones fail at once.
pub const MAX_COMMANDS: usize = 4096;

/// How many handled requests are remembered, so that a doubled message runs no agent twice.
pub const REMEMBERED_REQUESTS: usize = 1024;

/// Number of one agent run, unique for the life of a fencer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RunId(pub u64);

/// An agent to be run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentRun {
    /// Its number, to be given back with the result.
    pub run: RunId,
    /// The agent.
    pub agent: AgentName,
    /// The device, which also names the directory of its secrets.
    pub device: DeviceId,
    /// What it is asked to do.
    pub action: Action,
    /// What goes to its standard input; with secrets, so it does not show.
    pub parameters: Parameters,
    /// When it is to be killed.
    pub timeout: Seconds,
}

/// What became of an agent run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentReport {
    /// The result.
    pub outcome: Outcome,
    /// Its process id, if it was started.
    pub pid: Option<u32>,
    /// What it printed on standard error, secrets stripped.
    pub error_output: String,
}

/// Number a client gave its request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallId {
    /// The client.
    pub client: u64,
    /// Its request.
    pub call: u32,
}

/// One line for the log. No line holds a device parameter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// How important it is.
    pub level: log::Level,
    /// The text.
    pub text: String,
}

/// What the executor wants done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Effect {
    Run(AgentRun),
    ReadMetadata(AgentName),
    Searched { purpose: SearchPurpose, devices: Vec<DeviceId> },
    JobDone(JobReport),
    CallDone { call: CallId, report: AgentReport },
    SelfFence { action: Action },
    Log(LogLine),
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum ExecutorTimer {
    Delay(CommandId),
    Retry(CommandId),
    Metadata(AgentName),
}

/// The executing side of a fencer.
#[derive(Debug, Clone)]
pub struct Executor {
    local: NodeName,
    incarnation: u64,
    /// Known devices.
    pub registry: Registry,
    /// Watchdog fencing as this fencer knows it.
    pub watchdog: WatchdogPolicy,
    commands: BTreeMap<CommandId, Command>,
    queues: BTreeMap<DeviceId, BTreeSet<CommandId>>,
    searches: BTreeMap<SearchId, Search>,
    awaiting_metadata: BTreeSet<(DeviceId, SearchId)>,
    jobs: BTreeMap<JobId, Job>,
    handled: BTreeSet<(OperationId, u32)>,
    handled_order: VecDeque<(OperationId, u32)>,
    runs: BTreeMap<RunId, CommandId>,
    metadata: BTreeMap<AgentName, Arc<Metadata>>,
    asked: BTreeSet<AgentName>,
    timers: Timers<ExecutorTimer>,
    next_number: u64,
    rng: fastrand::Rng,
    effects: VecDeque<Effect>,
}

impl Executor {
    /// An executor without devices; `seed` drives the random part of delays.
    pub fn new(local: NodeName, seed: u64) -> Self {
        let mut rng = fastrand::Rng::with_seed(seed);
        Self {
            local,
            incarnation: rng.u64(..),
            registry: Registry::default(),
            watchdog: WatchdogPolicy::default(),
            commands: BTreeMap::new(),
            queues: BTreeMap::new(),
            searches: BTreeMap::new(),
            awaiting_metadata: BTreeSet::new(),
            jobs: BTreeMap::new(),
            handled: BTreeSet::new(),
            handled_order: VecDeque::new(),
            runs: BTreeMap::new(),
            metadata: BTreeMap::new(),
            asked: BTreeSet::new(),
            timers: Timers::default(),
            next_number: 1,
            rng,
            effects: VecDeque::new(),
        }
    }

    /// Number of this fencer process, drawn from its seed.
    pub fn incarnation(&self) -> u64 {
        self.incarnation
    }

    pub(crate) fn poll(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    /// When the executor wants to be called next.
    pub fn poll_timeout(&self) -> Option<Duration> {
        self.timers.next()
    }

    /// Lets due timers act.
    pub fn handle_time(&mut self, now: Duration) {
        while let Some(timer) = self.timers.pop_due(now) {
            match timer {
                ExecutorTimer::Delay(id) => self.delay_over(now, id),
                ExecutorTimer::Retry(id) => self.try_agent(now, id),
                ExecutorTimer::Metadata(agent) => self.ask_metadata(agent),
            }
        }
    }

    /// Whether nothing waits or runs here.
    pub fn is_idle(&self) -> bool {
        self.commands.is_empty() && self.searches.is_empty() && self.jobs.is_empty()
    }

    fn number(&mut self) -> u64 {
        let number = self.next_number;
        self.next_number += 1;
        number
    }

    fn log(&mut self, level: log::Level, text: impl Into<String>) {
        self.effects.push_back(Effect::Log(LogLine { level, text: text.into() }));
    }
}
