//! The executor on real processes, a real clock, D-Bus and a fencer, in one `mio` loop.
//!
//! A program without a loop of its own calls [`Driver::turn`] again and again and takes events with
//! [`Driver::poll_event`]. A program that has one watches the descriptor of [`Driver`] (it is an
//! epoll descriptor) together with [`Driver::wait_time`], and calls `turn` with no wait when either
//! says so. Nothing here blocks but `turn`, for as long as it is told to.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

#[cfg(feature = "dbus")]
mod bus;
mod capture;
mod discovery;
mod journal;
mod launch;
mod process;
mod scheduling;
mod secrets;

#[cfg(feature = "dbus")]
use std::collections::BTreeMap;
use std::collections::VecDeque;
use std::ffi::OsString;
use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use mio::{Events, Poll, Token, Waker};

#[cfg(feature = "dbus")]
pub use bus::{SystemdConfig, describe_unit, list_units};
pub use discovery::{AgentPaths, NoAgents};
pub use journal::Orphan;
pub use process::User;
pub use scheduling::{Precedence, run_first};

use self::journal::Journal;
use self::process::{Processes, os_text};
use crate::agent::{AgentSpec, Standard};
use crate::executor::{
    Alert, CancelError, Config, Event, ExecuteError, Executor, FenceRequest, Input, Invocation,
    Now, Output, RunEnd, RunId, Started, Task, Unregistered,
};
use crate::invocation::CommandLine;
use crate::metadata;
use crate::operation::{Action, CallId, ClientId, Interval, Request, Resource, ResourceId};
use crate::outcome::{ExecStatus, OcfExit, Outcome, ProcessEnd, StartError, StartErrorKind};

/// Wakes the loop from another thread.
const WAKE: Token = Token(usize::MAX);

/// What a driver can be told at its making.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DriverConfig {
    /// The executor's own settings.
    pub executor: Config,
    /// Where agents are.
    pub paths: AgentPaths,
    /// Where systemd is.
    #[cfg(feature = "dbus")]
    pub systemd: SystemdConfig,
    /// Variables for every agent, over the inherited ones; without a value: to unset. See
    /// [`log_environment`](crate::invocation::log_environment).
    pub environment: Vec<(String, Option<OsString>)>,
    /// The user that alert agents run as, when this process is root's.
    pub alert_user: Option<User>,
    /// A file, in a directory cleared at boot, from which the next executor learns which agents
    /// this one left running should it die. Without it they run on unseen. One executor uses a
    /// journal at a time.
    pub journal: Option<PathBuf>,
    /// The agents' directory for temporary files, made if missing: `/run/resource-agents`.
    pub agent_directory: Option<PathBuf>,
    /// Where secret parameters are; without it their placeholders are passed on.
    pub secrets: Option<PathBuf>,
}

/// Who executes fence devices (spec 80 §15).
pub trait Fencer: Send {
    /// Begins what is asked. An outcome answers at once; without one, the answer is given later to
    /// [`Driver::fence_answered`].
    fn begin(&mut self, request: FenceRequest) -> Option<Outcome>;
}

/// No fencer: every request fails as a missing connection does.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoFencer;

impl Fencer for NoFencer {
    fn begin(&mut self, _: FenceRequest) -> Option<Outcome> {
        Some(Outcome::new(OcfExit::Error, ExecStatus::NotConnected, "No connection to fencer"))
    }
}

/// The executor on this machine; see the [module](self).
pub struct Driver {
    poll: Poll,
    ready: Events,
    executor: Executor,
    processes: Processes,
    #[cfg(feature = "dbus")]
    systemd: bus::Systemd,
    #[cfg(feature = "dbus")]
    units: BTreeMap<RunId, Invocation>,
    fencer: Box<dyn Fencer>,
    config: DriverConfig,
    waker: Arc<Waker>,
    began: Instant,
    events: VecDeque<Event>,
    orphans: Vec<Orphan>,
}

impl Driver {
    /// Makes a driver, and ends what an earlier one left running if there is a journal.
    ///
    /// # Errors
    /// When the kernel gives no epoll descriptor, or the journal cannot be opened or is in use.
    pub fn new(config: DriverConfig) -> io::Result<Self> {
        let poll = Poll::new()?;
        let waker = Arc::new(Waker::new(poll.registry(), WAKE)?);
        let (journal, orphans) = match &config.journal {
            Some(path) => Journal::open(path).map(|(journal, found)| (Some(journal), found))?,
            None => (None, Vec::new()),
        };
        if let Some(directory) = &config.agent_directory {
            make_agent_directory(directory);
        }
        Ok(Self {
            processes: Processes::new(poll.registry().try_clone()?, journal)?,
            poll,
            ready: Events::with_capacity(256),
            executor: Executor::new(config.executor.clone()),
            #[cfg(feature = "dbus")]
            systemd: bus::Systemd::new(config.systemd.clone(), waker.clone()),
            #[cfg(feature = "dbus")]
            units: BTreeMap::new(),
            fencer: Box::new(NoFencer),
            config,
            waker,
            began: Instant::now(),
            events: VecDeque::new(),
            orphans,
        })
    }

    /// Sets the fencer.
    #[must_use]
    pub fn with_fencer(mut self, fencer: Box<dyn Fencer>) -> Self {
        self.fencer = fencer;
        self
    }

    /// What an earlier executor left running and this one ended.
    #[must_use]
    pub fn orphans(&self) -> &[Orphan] {
        &self.orphans
    }

    /// Wakes [`turn`](Self::turn) from another thread.
    #[must_use]
    pub fn waker(&self) -> Arc<Waker> {
        self.waker.clone()
    }

    /// The core, for questions.
    #[must_use]
    pub fn executor(&self) -> &Executor {
        &self.executor
    }

    /// Where agents are looked for.
    #[must_use]
    pub fn paths(&self) -> &AgentPaths {
        &self.config.paths
    }

    /// How many processes run.
    #[must_use]
    pub fn processes(&self) -> usize {
        self.processes.len()
    }

    /// The present, as the executor counts it.
    #[must_use]
    pub fn now(&self) -> Now {
        let epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Now {
            monotonic: self.began.elapsed(),
            epoch: i64::try_from(epoch.as_secs()).unwrap_or(i64::MAX),
        }
    }

    /// See [`Executor::next_call`].
    pub fn next_call(&mut self) -> CallId {
        self.executor.next_call()
    }

    /// See [`Executor::register`].
    pub fn register(&mut self, resource: Resource) -> CallId {
        self.with_core(|core, now| core.register(now, resource))
    }

    /// See [`Executor::unregister`].
    pub fn unregister(&mut self, id: &ResourceId) -> (CallId, Unregistered) {
        self.with_core(|core, now| core.unregister(now, id))
    }

    /// See [`Executor::execute`].
    ///
    /// # Errors
    /// As there.
    pub fn execute(&mut self, client: ClientId, request: Request) -> Result<CallId, ExecuteError> {
        self.with_core(|core, now| core.execute(now, client, request))
    }

    /// See [`Executor::cancel`].
    ///
    /// # Errors
    /// As there.
    pub fn cancel(
        &mut self,
        resource: &ResourceId,
        action: &Action,
        interval: Interval,
    ) -> Result<CallId, CancelError> {
        self.with_core(|core, now| core.cancel(now, resource, action, interval))
    }

    /// See [`Executor::client_gone`].
    pub fn client_gone(&mut self, client: ClientId) {
        self.with_core(|core, now| core.client_gone(now, client));
    }

    /// See [`Executor::remote_clients_gone`].
    pub fn remote_clients_gone(&mut self) {
        self.with_core(Executor::remote_clients_gone);
    }

    /// See [`Executor::alert`].
    ///
    /// # Errors
    /// As there.
    pub fn alert(&mut self, alert: Alert) -> Result<CallId, ExecuteError> {
        self.with_core(|core, now| core.alert(now, alert))
    }

    /// See [`Executor::metadata`]. Init scripts have theirs made from their comments.
    ///
    /// # Errors
    /// As there.
    pub fn metadata(
        &mut self,
        client: ClientId,
        agent: Arc<AgentSpec>,
    ) -> Result<CallId, ExecuteError> {
        self.with_core(|core, now| core.metadata(now, client, agent))
    }

    /// The fencer's answer to a request it did not answer at once.
    pub fn fence_answered(&mut self, run: RunId, outcome: Outcome) {
        let end = RunEnd::Answered(outcome);
        self.with_core(|core, now| core.handle(now, Input::Ended { run, end }));
    }

    /// The connection to the fencer is gone.
    pub fn fencer_lost(&mut self) {
        self.with_core(|core, now| core.handle(now, Input::FencerLost));
    }

    /// The next event for clients, until `None`. Events wait without bound: take them every turn.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// How long a loop may wait before it calls [`turn`](Self::turn); `None` is for ever.
    #[must_use]
    pub fn wait_time(&self) -> Option<Duration> {
        if self.processes.has_unread() || !self.events.is_empty() {
            return Some(Duration::ZERO);
        }
        let wakes = [self.executor.poll_timeout(), self.processes.poll_timeout()];
        let at = wakes.into_iter().flatten().min()?;
        Some(at.saturating_sub(self.began.elapsed()))
    }

    /// Waits for something to happen, at most `longest`, and does what there is to do.
    ///
    /// # Errors
    /// When waiting fails.
    pub fn turn(&mut self, longest: Option<Duration>) -> io::Result<()> {
        let wait = match (self.wait_time(), longest) {
            (Some(own), Some(longest)) => Some(own.min(longest)),
            (own, longest) => own.or(longest),
        };
        match self.poll.poll(&mut self.ready, wait) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error),
            _ => {}
        }
        let mut tokens: Vec<Token> = self.ready.iter().map(|event| event.token()).collect();
        tokens.extend(self.processes.take_unread());
        for token in tokens {
            if token == WAKE {
                continue;
            }
            if let Some((run, end)) = self.processes.ready(token) {
                self.ended(run, end);
            }
        }
        self.processes.watch_output(self.began.elapsed());
        self.turn_systemd();
        if self.executor.poll_timeout().is_some() {
            self.with_core(Executor::handle_timeout);
        }
        Ok(())
    }

    fn ended(&mut self, run: RunId, end: RunEnd) {
        self.with_core(|core, now| core.handle(now, Input::Ended { run, end }));
    }

    fn with_core<R>(&mut self, call: impl FnOnce(&mut Executor, Now) -> R) -> R {
        let now = self.now();
        let result = call(&mut self.executor, now);
        while let Some(output) = self.executor.poll_output() {
            self.perform(output);
        }
        result
    }

    fn perform(&mut self, output: Output) {
        match output {
            Output::Event(event) => self.events.push_back(event),
            Output::Start(invocation) => self.start(invocation),
            Output::Signal { run, signal, scope } => self.processes.signal(run, signal, scope),
            Output::Abandon(run) => {
                #[cfg(feature = "dbus")]
                {
                    self.systemd.abandon(run);
                    self.units.remove(&run);
                }
                log::debug!("run {} given up", run.number());
            }
            Output::Fence(request) => {
                let run = request.run;
                if let Some(outcome) = self.fencer.begin(request) {
                    self.tell_core(Input::Ended { run, end: RunEnd::Answered(outcome) });
                }
            }
        }
    }

    /// Like [`with_core`](Self::with_core), inside its loop, which drains what this leads to.
    fn tell_core(&mut self, input: Input) {
        let now = self.now();
        self.executor.handle(now, input);
    }

    fn start(&mut self, invocation: Invocation) {
        let run = invocation.run;
        let (standard, path) = match &invocation.task {
            Task::Alert(alert) => (Standard::Alert, Some(alert.path.clone())),
            Task::Metadata { agent } | Task::Resource { agent, .. } => {
                (agent.standard().clone(), self.config.paths.find(agent))
            }
        };
        match (&invocation.task, &standard, path) {
            (Task::Metadata { agent }, Standard::Lsb, path) => {
                let end = lsb_metadata(agent, path);
                self.tell_core(Input::Ended { run, end });
            }
            (Task::Resource { key, agent, .. }, Standard::Systemd, _) => {
                self.start_unit(&invocation, key.action.as_str(), agent.kind(), false);
            }
            (Task::Resource { key, agent, .. }, Standard::Service, None) => {
                self.start_unit(&invocation, key.action.as_str(), agent.kind(), true);
            }
            (_, Standard::Service, Some(path)) => self.spawn(&invocation, Standard::Lsb, path),
            (Task::Resource { agent, .. }, Standard::Lsb, None) => {
                let path = self.config.paths.init_script(agent.kind());
                self.spawn(&invocation, Standard::Lsb, path);
            }
            (_, _, Some(path)) => self.spawn(&invocation, standard, path),
            (Task::Metadata { agent } | Task::Resource { agent, .. }, _, None) => {
                let error = StartError {
                    kind: StartErrorKind::NotInstalled,
                    text: format!("{}: No such file or directory", agent.kind()),
                };
                self.tell_core(Input::Ended { run, end: RunEnd::NotStarted(error) });
            }
            (Task::Alert(_), _, None) => {}
        }
    }

    fn spawn(&mut self, invocation: &Invocation, standard: Standard, path: PathBuf) {
        let run = invocation.run;
        let input = match self.try_spawn(invocation, standard, path) {
            Ok(pid) => Input::Started { run, what: Started::Process { pid } },
            Err(error) => Input::Ended { run, end: RunEnd::NotStarted(error) },
        };
        self.tell_core(input);
    }

    fn try_spawn(
        &mut self,
        invocation: &Invocation,
        standard: Standard,
        path: PathBuf,
    ) -> Result<u32, StartError> {
        let root = &self.config.paths.ocf_root;
        let mut line = CommandLine::of_task(&invocation.task, &standard, &path, root);
        line.environment.splice(0..0, self.config.environment.iter().cloned());
        if let Some(directory) = &self.config.secrets {
            secrets::substitute(directory, &invocation.task, &mut line)?;
        }
        let user = match standard {
            Standard::Alert if rustix::process::geteuid().is_root() => self.config.alert_user,
            _ => None,
        };
        let now = self.began.elapsed();
        self.processes.spawn(now, invocation.run, standard, &line, user)
    }

    #[cfg(feature = "dbus")]
    fn start_unit(&mut self, invocation: &Invocation, action: &str, kind: &str, script: bool) {
        let run = invocation.run;
        self.tell_core(Input::Started { run, what: Started::Service });
        if let Some(end) = self.systemd.begin(run, action, kind, script) {
            self.unit_ended(invocation, end);
        } else {
            self.units.insert(run, invocation.clone());
        }
    }

    #[cfg(feature = "dbus")]
    fn unit_ended(&mut self, invocation: &Invocation, end: bus::UnitEnd) {
        let run = invocation.run;
        match (end, &invocation.task) {
            (bus::UnitEnd::Answered(outcome), _) => {
                self.tell_core(Input::Ended { run, end: RunEnd::Answered(outcome) });
            }
            (bus::UnitEnd::Script, Task::Resource { agent, .. }) => {
                let path = self.config.paths.init_script(agent.kind());
                self.spawn(invocation, Standard::Lsb, path);
            }
            (bus::UnitEnd::Script, _) => {}
        }
    }

    #[cfg(feature = "dbus")]
    fn turn_systemd(&mut self) {
        for (run, end) in self.systemd.turn() {
            if let Some(invocation) = self.units.remove(&run) {
                self.unit_ended(&invocation, end);
            }
        }
        self.with_core(|_, _| ());
    }

    #[cfg(not(feature = "dbus"))]
    fn start_unit(&mut self, invocation: &Invocation, _: &str, kind: &str, script: bool) {
        let run = invocation.run;
        if script {
            let path = self.config.paths.init_script(kind);
            return self.spawn(invocation, Standard::Lsb, path);
        }
        let outcome = Outcome::new(OcfExit::Error, ExecStatus::Error, "No DBus connection");
        self.tell_core(Input::Ended { run, end: RunEnd::Answered(outcome) });
    }

    #[cfg(not(feature = "dbus"))]
    fn turn_systemd(&mut self) {}
}

fn make_agent_directory(directory: &std::path::Path) {
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o755).create(directory);
    if let Err(error) = made {
        log::warn!("cannot make {}: {}", directory.display(), os_text(&error));
    }
}

/// The metadata of an init script, as if it had printed it.
fn lsb_metadata(agent: &AgentSpec, path: Option<PathBuf>) -> RunEnd {
    let text = path.ok_or_else(|| io::Error::from_raw_os_error(2)).and_then(std::fs::read);
    match text {
        Ok(text) => RunEnd::Process {
            standard: Standard::Lsb,
            end: ProcessEnd::Exited(0),
            stdout: metadata::lsb_metadata(agent.kind(), &String::from_utf8_lossy(&text)).into(),
            stderr: Vec::new(),
        },
        Err(error) => RunEnd::NotStarted(StartError::from_errno(
            error.raw_os_error().unwrap_or(0),
            &os_text(&error),
            agent.kind(),
        )),
    }
}

impl AsRawFd for Driver {
    /// The epoll descriptor, readable when [`turn`](Driver::turn) has something to do.
    fn as_raw_fd(&self) -> RawFd {
        self.poll.as_raw_fd()
    }
}
