//! Where a controller stands (spec 60 §1).

use std::fmt;

/// The state of a controller. The names are those that tools and logs show.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// Waits for membership, its group and the configuration.
    Starting,
    /// Waits for a DC to let it in.
    Pending,
    /// In, under another node's lead.
    NotDc,
    /// A DC is being elected.
    Election,
    /// Leads, and collects requests to join.
    Integration,
    /// Leads, and waits for those it let in to confirm.
    FinalizeJoin,
    /// Leads, and waits for the scheduler.
    PolicyEngine,
    /// Leads, and carries out a transition.
    TransitionEngine,
    /// Leads, with nothing to do.
    Idle,
    /// On its way out.
    Stopping,
    /// Out.
    Terminate,
}

impl State {
    /// The name tools and logs show.
    pub const fn name(self) -> &'static str {
        match self {
            State::Starting => "S_STARTING",
            State::Pending => "S_PENDING",
            State::NotDc => "S_NOT_DC",
            State::Election => "S_ELECTION",
            State::Integration => "S_INTEGRATION",
            State::FinalizeJoin => "S_FINALIZE_JOIN",
            State::PolicyEngine => "S_POLICY_ENGINE",
            State::TransitionEngine => "S_TRANSITION_ENGINE",
            State::Idle => "S_IDLE",
            State::Stopping => "S_STOPPING",
            State::Terminate => "S_TERMINATE",
        }
    }

    /// Whether resources may be acted upon.
    pub const fn may_act(self) -> bool {
        matches!(
            self,
            State::NotDc
                | State::Integration
                | State::FinalizeJoin
                | State::PolicyEngine
                | State::TransitionEngine
                | State::Idle
        )
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
