//! Registered resources and their operations; one type per phase of an operation.

use std::collections::VecDeque;
use std::time::Duration;

use super::fence::DeviceMemory;
use super::output::{Output, RunId, Scope, Signal};
use super::{Config, Termination};
use crate::operation::{CallId, ClientId, Request, Resource};
use crate::outcome::{ExecStatus, OcfExit};

/// A registered resource and its operations, by their keys in the arena.
#[derive(Debug)]
pub(super) struct Registration {
    pub(super) resource: Resource,
    /// Waiting for their first run, in order of arrival. The head blocks the rest.
    pub(super) pending: VecDeque<usize>,
    /// Ran at least once and repeat.
    pub(super) recurring: Vec<usize>,
    /// Repetitions that are due, in the order in which they became so.
    pub(super) due: VecDeque<usize>,
    /// Running now.
    pub(super) active: Option<usize>,
    /// Unregistered or replaced; lives on until its active operation ends.
    pub(super) gone: bool,
    /// What a fence device's probe is answered from.
    pub(super) device: DeviceMemory,
}

impl Registration {
    pub(super) fn new(resource: Resource) -> Self {
        Self {
            resource,
            pending: VecDeque::new(),
            recurring: Vec::new(),
            due: VecDeque::new(),
            active: None,
            gone: false,
            device: DeviceMemory::Unregistered,
        }
    }
}

/// One requested operation, from request to removal.
#[derive(Debug)]
pub(super) struct Operation {
    pub(super) registration: usize,
    pub(super) request: Request,
    pub(super) client: ClientId,
    pub(super) call: CallId,
    pub(super) phase: Phase,
    pub(super) clock: Clock,
    /// Exit code of the latest run.
    pub(super) exit: OcfExit,
    /// Last exit and execution status that clients were told, since the latest request.
    pub(super) told: Option<(OcfExit, ExecStatus)>,
    /// Time left for a conclusive answer, when an earlier one was not.
    pub(super) time_left: Option<Duration>,
}

/// The times of an operation that its result reports.
#[derive(Debug, Default)]
pub(super) struct Clock {
    pub(super) queued: Option<Duration>,
    pub(super) started: Option<Duration>,
    pub(super) last_run: i64,
    pub(super) last_change: i64,
}

impl Clock {
    /// A repetition has no times but that of the last change.
    pub(super) fn reset(&mut self) {
        *self = Self { last_change: self.last_change, ..Self::default() };
    }
}

/// Where an operation is in its life.
#[derive(Debug)]
pub(super) enum Phase {
    /// In its resource's queue.
    Queued(Queued),
    /// A repetition is due and waits for its resource.
    Due(Due),
    /// A run is under way.
    Running(Running),
    /// Waiting for its interval to pass.
    Resting,
}

/// In the queue.
#[derive(Debug)]
pub(super) struct Queued {
    pub(super) ready_at: Duration,
}

/// Due since.
#[derive(Debug)]
pub(super) struct Due {
    pub(super) since: Duration,
}

/// A run under way.
#[derive(Debug)]
pub(super) struct Running {
    pub(super) run: RunId,
    pub(super) since: Duration,
    pub(super) means: Means,
    pub(super) fate: Fate,
}

/// By what means a run happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Means {
    /// A process, or not yet known.
    Process(Option<u32>),
    /// Calls to a service manager.
    Service,
    /// The fencer.
    Fencer,
}

/// What will be said of a run when it ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// What it says itself.
    Own,
    /// It was too late.
    Expired(Expired),
    /// It was cancelled.
    Cancelled,
}

/// How far the end of a late run was pressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Expired {
    /// Asked to end.
    Terminated,
    /// Killed; `asked` says whether it was asked before, and so had no more time of its own.
    Killed { asked: bool },
}

/// How long a killed process may take to die before it is complained about.
pub(super) const DEATH: Duration = Duration::from_secs(5);

impl Running {
    /// The timer fired: what to send, and when to come back.
    pub(super) fn press(
        &mut self,
        now: Duration,
        config: &Config,
        scope: Scope,
        name: &dyn Fn() -> String,
    ) -> (Option<Output>, Option<Duration>) {
        let (signal, wait) = match (self.fate, config.termination) {
            (Fate::Own, Termination::Graceful { grace }) => {
                self.fate = Fate::Expired(Expired::Terminated);
                (Signal::Terminate, grace)
            }
            (Fate::Own, Termination::Immediate) => {
                self.fate = Fate::Expired(Expired::Killed { asked: false });
                (Signal::Kill, DEATH)
            }
            (Fate::Expired(Expired::Terminated), _) => {
                self.fate = Fate::Expired(Expired::Killed { asked: true });
                (Signal::Kill, DEATH)
            }
            (Fate::Expired(Expired::Killed { .. }) | Fate::Cancelled, _) => {
                let pid = match self.means {
                    Means::Process(Some(pid)) => pid.to_string(),
                    _ => "unknown".into(),
                };
                log::error!("{} process (PID {pid}) will not die!", name());
                return (None, None);
            }
        };
        (Some(Output::Signal { run: self.run, signal, scope }), Some(now + wait))
    }
}
