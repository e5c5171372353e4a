//! The executor: one queue per resource, recurring operations, merging, cancelling, delays and
//! reporting (spec 80 §5–§7). A state machine without I/O.
//!
//! # Drain contract
//! After any call that takes a [`Now`], take outputs with [`Executor::poll_output`] until there are
//! none, then wait for an input, at most until [`Executor::poll_timeout`], and at that instant call
//! [`Executor::handle_timeout`]. Spurious calls do nothing. Answers about runs that are over are
//! ignored. Outputs of one call are bounded by the operations it touches; a resource's queue is
//! bounded by [`Config::max_queue`], at which [`ExecuteError::QueueFull`] is returned.

mod cancel;
mod conclude;
mod detached;
mod fence;
mod output;
mod queue;
mod task;
mod timers;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use slab::Slab;
use thiserror::Error;

pub use fence::fence_outcome;
pub use output::{
    Alert, Event, EventKind, FenceAction, FenceRequest, Input, Invocation, Now, OperationResult,
    Output, Recipients, RunEnd, RunId, Scope, Signal, Started, Task,
};

use self::conclude::Ending;
use self::detached::Detached;
use self::task::{Clock, Means, Operation, Phase, Queued, Registration};
use self::timers::{Owner, Timers};
use crate::agent::AgentSpec;
use crate::operation::{Action, CallId, ClientId, Interval, Request, Resource, ResourceId};
use crate::outcome::OcfExit;

/// How an agent that takes too long is ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Termination {
    /// SIGKILL at once, as Pacemaker does. An agent that exits in the last moment counts as ended
    /// by itself.
    Immediate,
    /// SIGTERM, and SIGKILL after a grace period. Whatever the agent says once it was asked to end
    /// is a timeout.
    Graceful {
        /// How long the agent may take to clean up. It delays recovery, so a second or less.
        grace: Duration,
    },
}

/// What an executor can be told at its making.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// How agents are ended after their timeout; graceful with one second unless changed.
    pub termination: Termination,
    /// How many operations of one resource may wait; 1,000 unless changed. A controller queues
    /// a handful.
    pub max_queue: usize,
    /// How many alerts and metadata requests may run; 1,000 unless changed.
    pub max_detached: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            termination: Termination::Graceful { grace: Duration::from_secs(1) },
            max_queue: 1_000,
            max_detached: 1_000,
        }
    }
}

/// Why an operation was not queued.
#[derive(Debug, Clone, PartialEq, Eq, Error, Serialize, Deserialize)]
pub enum ExecuteError {
    /// The resource is not registered.
    #[error("resource `{0}` is not registered; register it first")]
    NoSuchResource(ResourceId),
    /// Too many operations wait.
    #[error("resource `{0}` has {1} operations waiting; no more are accepted")]
    QueueFull(ResourceId, usize),
    /// Too many alerts or metadata requests run.
    #[error("{0} alerts and metadata requests are running; no more are accepted")]
    Busy(usize),
}

/// Why nothing was cancelled.
#[derive(Debug, Clone, PartialEq, Eq, Error, Serialize, Deserialize)]
pub enum CancelError {
    /// The resource is not registered.
    #[error("resource `{0}` is not registered")]
    NoSuchResource(ResourceId),
    /// There is no such operation, or it is a single run under way.
    #[error("no operation of `{0}` with that action and interval can be cancelled")]
    NoSuchOperation(ResourceId),
}

impl ExecuteError {
    /// The negative error number of the executor protocol.
    #[must_use]
    pub fn errno(&self) -> i32 {
        match self {
            Self::NoSuchResource(_) => -19,
            Self::QueueFull(..) | Self::Busy(_) => -11,
        }
    }
}

impl CancelError {
    /// The negative error number of the executor protocol.
    #[must_use]
    pub fn errno(&self) -> i32 {
        match self {
            Self::NoSuchResource(_) => -19,
            Self::NoSuchOperation(_) => -95,
        }
    }
}

/// What became of an unregistration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Unregistered {
    /// It is gone, or never was.
    Done,
    /// It is gone, and an operation of it still runs.
    Busy,
}

/// A recurring operation, as listed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recurring {
    /// Of which resource.
    pub resource: ResourceId,
    /// Which action.
    pub action: Action,
    /// How often.
    pub interval: Interval,
    /// Its timeout.
    pub timeout: Duration,
}

/// Whose run it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Runner {
    Operation(usize),
    Detached(usize),
}

/// The executor core; see the [module](self).
#[derive(Debug)]
pub struct Executor {
    config: Config,
    registrations: Slab<Registration>,
    by_id: BTreeMap<ResourceId, usize>,
    operations: Slab<Operation>,
    detached: Slab<Detached>,
    runs: BTreeMap<RunId, Runner>,
    timers: Timers,
    outputs: VecDeque<Output>,
    last_run: u64,
    last_call: u32,
    last_alert: u64,
}

impl Executor {
    /// An executor that knows no resource.
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self {
            config,
            registrations: Slab::new(),
            by_id: BTreeMap::new(),
            operations: Slab::new(),
            detached: Slab::new(),
            runs: BTreeMap::new(),
            timers: Timers::default(),
            outputs: VecDeque::new(),
            last_run: 0,
            last_call: 0,
            last_alert: 0,
        }
    }

    /// Takes a number for a request. One counter serves all requests of all clients; the methods
    /// below take theirs, a server calls this for requests it answers itself.
    pub fn next_call(&mut self) -> CallId {
        self.last_call = self.last_call.checked_add(1).filter(|n| *n <= 0x7fff_ffff).unwrap_or(1);
        CallId(self.last_call)
    }

    /// Registers a resource. The same again changes nothing; the same id with another agent
    /// replaces the registration and cancels what it had.
    pub fn register(&mut self, now: Now, resource: Resource) -> CallId {
        let call = self.next_call();
        let id = resource.id.clone();
        let known = self.by_id.get(&id).copied();
        let same = known
            .is_some_and(|key| self.registrations[key].resource.agent.same_agent(&resource.agent));
        if !same {
            if let Some(key) = known {
                self.release(now, key);
            }
            let key = self.registrations.insert(Registration::new(resource));
            self.by_id.insert(id.clone(), key);
        }
        self.tell(Recipients::All, EventKind::Registered { resource: id, call });
        call
    }

    /// Removes a registration. Its waiting operations are cancelled; one that runs goes on, and its
    /// result says that the resource is gone. An unknown id is fine.
    pub fn unregister(&mut self, now: Now, id: &ResourceId) -> (CallId, Unregistered) {
        let call = self.next_call();
        let busy = match self.by_id.get(id).copied() {
            Some(key) => {
                let busy = self.registrations[key].active.is_some();
                self.release(now, key);
                busy
            }
            None => false,
        };
        self.tell(Recipients::All, EventKind::Unregistered { resource: id.clone(), call, busy });
        (call, if busy { Unregistered::Busy } else { Unregistered::Done })
    }

    /// Queues an operation, or merges it with a recurring one of the same name.
    ///
    /// # Errors
    /// When the resource is unknown or its queue is full; nothing is changed then, except that a
    /// stop has cancelled the recurring operations.
    pub fn execute(
        &mut self,
        now: Now,
        client: ClientId,
        request: Request,
    ) -> Result<CallId, ExecuteError> {
        let call = self.next_call();
        let Some(&registration) = self.by_id.get(&request.resource) else {
            return Err(ExecuteError::NoSuchResource(request.resource));
        };
        if request.action.is("stop") {
            self.cancel_all_recurring(now, registration, |_| true);
        }
        if !(request.interval.recurs() && self.merge(now, registration, call, &request)) {
            self.enqueue_new(now, registration, client, call, request)?;
        }
        self.examine(now, registration);
        Ok(call)
    }

    /// Cancels a waiting or recurring operation.
    ///
    /// # Errors
    /// When there is none of that name, or it is a single run under way.
    pub fn cancel(
        &mut self,
        now: Now,
        resource: &ResourceId,
        action: &Action,
        interval: Interval,
    ) -> Result<CallId, CancelError> {
        let call = self.next_call();
        let Some(&registration) = self.by_id.get(resource) else {
            return Err(CancelError::NoSuchResource(resource.clone()));
        };
        let op = self
            .find(registration, action, interval)
            .ok_or_else(|| CancelError::NoSuchOperation(resource.clone()))?;
        self.cancel_operation(now, op);
        self.examine(now, registration);
        Ok(call)
    }

    /// A client left: cancels the recurring operations it asked for, of resources registered with
    /// [`Resource::drop_recurring`].
    pub fn client_gone(&mut self, now: Now, client: ClientId) {
        self.drop_recurring(now, |operation| operation.client == client);
    }

    /// The last remote client left: cancels the recurring operations of all resources registered
    /// with [`Resource::drop_recurring`], whoever asked.
    pub fn remote_clients_gone(&mut self, now: Now) {
        self.drop_recurring(now, |_| true);
    }

    /// A registered resource's agent.
    #[must_use]
    pub fn resource(&self, id: &ResourceId) -> Option<&Resource> {
        self.by_id.get(id).map(|key| &self.registrations[*key].resource)
    }

    /// All registered resources, by id.
    pub fn resources(&self) -> impl Iterator<Item = &Resource> {
        self.by_id.values().map(|key| &self.registrations[*key].resource)
    }

    /// The recurring operations of a resource that have run at least once; `None` if it is unknown.
    #[must_use]
    pub fn recurring(&self, id: &ResourceId) -> Option<Vec<Recurring>> {
        let registration = &self.registrations[*self.by_id.get(id)?];
        let list = registration.recurring.iter().map(|op| {
            let request = &self.operations[*op].request;
            Recurring {
                resource: id.clone(),
                action: request.action.clone(),
                interval: request.interval,
                timeout: request.timeout,
            }
        });
        Some(list.collect())
    }

    /// Takes a word from the world.
    pub fn handle(&mut self, now: Now, input: Input) {
        match input {
            Input::Started { run, what } => self.started(run, what),
            Input::Ended { run, end } => match self.runs.remove(&run) {
                Some(Runner::Operation(op)) => {
                    let registration = self.operations[op].registration;
                    let ending = self.settle(op, end);
                    self.conclude(now, op, ending);
                    self.examine(now, registration);
                }
                Some(Runner::Detached(key)) => self.detached_ended(key, end),
                None => log::debug!("run {} ended after it was given up", run.number()),
            },
            Input::FencerLost => self.fencer_lost(now),
        }
    }

    /// Does what is due at `now`.
    pub fn handle_timeout(&mut self, now: Now) {
        while let Some(owner) = self.timers.take_due(now.monotonic) {
            match owner {
                Owner::Operation(op) => self.operation_due(now, op),
                Owner::Detached(key) => self.detached_due(now, key),
            }
        }
    }

    /// The next thing to be done, until `None`.
    #[must_use]
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When to call [`handle_timeout`](Self::handle_timeout) next. Ask again after every call.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Duration> {
        self.timers.next()
    }

    fn tell(&mut self, to: Recipients, kind: EventKind) {
        self.outputs.push_back(Output::Event(Event { to, kind }));
    }

    fn next_run(&mut self, runner: Runner) -> RunId {
        self.last_run += 1;
        let run = RunId(self.last_run);
        self.runs.insert(run, runner);
        run
    }

    fn agent(&self, registration: usize) -> &Arc<AgentSpec> {
        &self.registrations[registration].resource.agent
    }

    fn enqueue_new(
        &mut self,
        now: Now,
        registration: usize,
        client: ClientId,
        call: CallId,
        request: Request,
    ) -> Result<(), ExecuteError> {
        let waiting = self.registrations[registration].pending.len();
        if waiting >= self.config.max_queue {
            return Err(ExecuteError::QueueFull(request.resource, waiting));
        }
        let ready_at = now.monotonic + request.start_delay;
        let op = self.operations.insert(Operation {
            registration,
            request,
            client,
            call,
            phase: Phase::Queued(Queued { ready_at }),
            clock: Clock { queued: Some(now.monotonic), ..Clock::default() },
            exit: OcfExit::Ok,
            told: None,
            time_left: None,
        });
        self.registrations[registration].pending.push_back(op);
        Ok(())
    }

    fn started(&mut self, run: RunId, what: Started) {
        let means = match what {
            Started::Process { pid } => Means::Process(Some(pid)),
            Started::Service => Means::Service,
        };
        match self.runs.get(&run).copied() {
            Some(Runner::Operation(op)) => self.operation_started(op, means),
            Some(Runner::Detached(key)) => self.detached[key].running.means = means,
            None => {}
        }
    }
}
