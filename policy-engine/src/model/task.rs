//! Tasks and operation keys, typed so that no string is compared on a hot path.

use std::fmt;

/// A string of this run that is no known task: index into `Actions::names`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NameId(pub u32);

/// What an action does (spec 30 §3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Task {
    /// Start.
    Start,
    /// Completion of start.
    Running,
    /// Stop.
    Stop,
    /// Completion of stop.
    Stopped,
    /// Promote.
    Promote,
    /// Completion of promote.
    Promoted,
    /// Demote.
    Demote,
    /// Completion of demote.
    Demoted,
    /// Monitor (interval 0: probe).
    Monitor,
    /// Notify.
    Notify,
    /// Completion of notify.
    Notified,
    /// Cancel of a recurring operation.
    Cancel,
    /// History clean-up through the executor.
    Delete,
    /// History clean-up in the CIB only.
    LrmDelete,
    /// Clear fail counts.
    ClearFailcount,
    /// Reload parameters.
    ReloadAgent,
    /// First half of a live migration.
    MigrateTo,
    /// Second half of a live migration.
    MigrateFrom,
    /// Fencing (or unfencing).
    Stonith,
    /// Node shutdown.
    DoShutdown,
    /// Utilization barrier.
    LoadStopped,
    /// `one-or-more`, `clone-one-or-more` barriers.
    OneOrMore,
    /// Maintenance state update of Pacemaker Remote nodes.
    MaintenanceNodes,
    /// Any other name.
    Other(NameId),
}

impl Task {
    /// Known names. `Other` has none here: ask the action store.
    pub fn known_name(self) -> Option<&'static str> {
        Some(match self {
            Task::Start => "start",
            Task::Running => "running",
            Task::Stop => "stop",
            Task::Stopped => "stopped",
            Task::Promote => "promote",
            Task::Promoted => "promoted",
            Task::Demote => "demote",
            Task::Demoted => "demoted",
            Task::Monitor => "monitor",
            Task::Notify => "notify",
            Task::Notified => "notified",
            Task::Cancel => "cancel",
            Task::Delete => "delete",
            Task::LrmDelete => "lrm_delete",
            Task::ClearFailcount => "clear_failcount",
            Task::ReloadAgent => "reload-agent",
            Task::MigrateTo => "migrate_to",
            Task::MigrateFrom => "migrate_from",
            Task::Stonith => "stonith",
            Task::DoShutdown => "do_shutdown",
            Task::LoadStopped => "load_stopped",
            Task::OneOrMore => "one-or-more",
            Task::MaintenanceNodes => "maintenance_nodes",
            Task::Other(_) => return None,
        })
    }

    /// The known task of that exact name.
    pub fn from_known_name(name: &str) -> Option<Task> {
        const KNOWN: [Task; 20] = [
            Task::Start,
            Task::Running,
            Task::Stop,
            Task::Stopped,
            Task::Promote,
            Task::Promoted,
            Task::Demote,
            Task::Demoted,
            Task::Monitor,
            Task::Notify,
            Task::Notified,
            Task::Cancel,
            Task::Delete,
            Task::LrmDelete,
            Task::ClearFailcount,
            Task::ReloadAgent,
            Task::MigrateTo,
            Task::MigrateFrom,
            Task::Stonith,
            Task::DoShutdown,
        ];
        KNOWN.into_iter().find(|t| t.known_name() == Some(name))
    }

    /// `running` for `start` and so on; other tasks stay (spec 30 §20 step 5).
    pub fn completion(self) -> Task {
        match self {
            Task::Start => Task::Running,
            Task::Stop => Task::Stopped,
            Task::Promote => Task::Promoted,
            Task::Demote => Task::Demoted,
            Task::Notify => Task::Notified,
            other => other,
        }
    }

    /// `start` for `running` and so on; other tasks stay (spec 30 §4).
    pub fn plain(self) -> Task {
        match self {
            Task::Running => Task::Start,
            Task::Stopped => Task::Stop,
            Task::Promoted => Task::Promote,
            Task::Demoted => Task::Demote,
            other => other,
        }
    }
}

/// Moment of a notification (spec 30 §11.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum NotifyPhase {
    /// Before the operation.
    Pre,
    /// All told before the operation.
    ConfirmedPre,
    /// After the operation.
    Post,
    /// All told after the operation.
    ConfirmedPost,
}

impl NotifyPhase {
    /// The word used in keys.
    pub fn name(self) -> &'static str {
        match self {
            NotifyPhase::Pre => "pre",
            NotifyPhase::ConfirmedPre => "confirmed-pre",
            NotifyPhase::Post => "post",
            NotifyPhase::ConfirmedPost => "confirmed-post",
        }
    }
}

/// Identity of an action among those of its resource, or of the run (spec 30 §1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Key {
    /// `RSC_TASK_INTERVAL`.
    Op {
        /// Task named in the key (a cancel keeps the cancelled task here).
        task: Task,
        /// Interval in ms.
        interval_ms: u64,
    },
    /// `RSC_PHASE_notify_TASK_0`.
    Notify {
        /// Moment.
        phase: NotifyPhase,
        /// Operation or completion named in the key.
        task: Task,
    },
    /// Free text of an action without resource.
    Named(NameId),
}

impl Key {
    /// A one-shot operation.
    pub fn op(task: Task) -> Key {
        Key::Op { task, interval_ms: 0 }
    }

    /// A recurring operation.
    pub fn recurring(task: Task, interval_ms: u64) -> Key {
        Key::Op { task, interval_ms }
    }

    /// Interval in ms; 0 for everything that does not recur.
    pub fn interval_ms(self) -> u64 {
        match self {
            Key::Op { interval_ms, .. } => interval_ms,
            _ => 0,
        }
    }

    /// Does its text end in `_TASK_0`? So do the keys of notifications about the task.
    pub fn ends_in(self, wanted: Task) -> bool {
        match self {
            Key::Op { task, interval_ms } => task == wanted && interval_ms == 0,
            Key::Notify { task, .. } => task == wanted,
            Key::Named(_) => false,
        }
    }

    /// Is it the one-shot key of this task (`RSC_TASK_0`)?
    pub fn is_op(self, wanted: Task) -> bool {
        self == Key::op(wanted)
    }
}

impl fmt::Display for NotifyPhase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
