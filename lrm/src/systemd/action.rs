//! One action of a unit: what to ask systemd, and what its answers mean (spec 80 §9.4).

use std::collections::VecDeque;

use super::UnitName;
use crate::outcome::{ExecStatus, OcfExit, Outcome};

/// A method call to systemd.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Call {
    /// Object path of a unit.
    LoadUnit(UnitName),
    /// A text property of the unit object at `path`.
    Property {
        /// The unit's object path.
        path: String,
        /// The property.
        name: &'static str,
    },
    /// Read unit files again; no answer is awaited.
    Reload,
    /// Queue a start job.
    Start(UnitName),
    /// Queue a stop job.
    Stop(UnitName),
    /// Queue a restart job.
    Restart(UnitName),
}

/// What to do next for an action.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Send a call. All but [`Call::Reload`] are answered with [`UnitAction::reply`].
    Call(Call),
    /// Write the unit's override file, and answer with [`UnitAction::override_written`].
    WriteOverride(UnitName),
    /// Remove the unit's override file, and answer with [`UnitAction::override_removed`].
    RemoveOverride(UnitName),
}

/// An answer to a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// An object path.
    Path(String),
    /// A text.
    Text(String),
    /// An error, by its D-Bus name.
    Error {
        /// The name.
        name: String,
        /// Its explanation.
        message: String,
    },
    /// Something else.
    Unexpected,
    /// The call could not be sent.
    NotSent,
}

/// How far an action is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    /// Do this, in order, then wait for answers.
    Steps(Vec<Step>),
    /// It is over.
    Over(Outcome),
    /// The type is no unit: for the `service` standard, run it as an init script.
    NoSuchUnit,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Status,
    Start,
    Stop,
    Restart,
}

/// Where the conversation is.
#[derive(Debug)]
enum Phase {
    /// Is it a unit at all? Asked for the `service` standard.
    Finding,
    /// The unit's load state is awaited.
    Judging,
    /// `LoadUnit` is under way.
    Loading,
    /// The active state is awaited.
    Reading,
    /// The override file is being changed.
    Overriding,
    /// A job is being queued; jobs that were removed meanwhile may be it.
    Queueing { removed: VecDeque<(String, String)> },
    /// A job runs.
    Working { job: String },
}

/// The most removed jobs that are kept while a call is under way.
const MOST_REMOVED: usize = 256;

/// One action of a unit. Drive it with [`begin`](Self::begin), then answers, until
/// [`Progress::Over`].
#[derive(Debug)]
pub struct UnitAction {
    kind: Kind,
    action: String,
    agent: String,
    unit: UnitName,
    phase: Phase,
}

impl UnitAction {
    /// An action of the agent type, and its first step. `may_be_script` asks first whether the type
    /// is a unit.
    ///
    /// # Errors
    /// The result, when systemd has no such action.
    pub fn begin(
        action: &str,
        agent: &str,
        may_be_script: bool,
    ) -> Result<(Self, Vec<Step>), Outcome> {
        let kind = match action {
            "monitor" | "status" => Kind::Status,
            "start" => Kind::Start,
            "stop" => Kind::Stop,
            "restart" => Kind::Restart,
            _ => {
                return Err(Outcome::new(
                    OcfExit::Unimplemented,
                    ExecStatus::Error,
                    format!("Action {action} not implemented for systemd resources"),
                ));
            }
        };
        let unit = UnitName::for_action(agent);
        if !unit.is_plain() {
            return Err(not_found(agent));
        }
        let (phase, name) = if may_be_script {
            (Phase::Finding, UnitName::for_existence(agent))
        } else {
            (Phase::Loading, unit.clone())
        };
        let this = Self { kind, action: action.into(), agent: agent.into(), unit, phase };
        Ok((this, vec![Step::Call(Call::LoadUnit(name))]))
    }

    /// Takes the answer to the last call.
    pub fn reply(&mut self, reply: Reply) -> Progress {
        let disconnected = self.is_disconnected(&reply);
        match (&mut self.phase, reply) {
            (Phase::Finding, Reply::Path(path)) => {
                self.phase = Phase::Judging;
                property(path, "LoadState")
            }
            (Phase::Judging, Reply::Text(state)) if state == "loaded" || state == "masked" => {
                self.phase = Phase::Loading;
                call(Call::LoadUnit(self.unit.clone()))
            }
            (Phase::Finding | Phase::Judging, _) => Progress::NoSuchUnit,
            (Phase::Loading, Reply::Path(path)) => self.loaded(path),
            (Phase::Loading | Phase::Reading, _) if disconnected => pending(),
            (Phase::Loading, _) => {
                failed(format!("No DBus object found for systemd unit {}", self.agent))
            }
            (Phase::Reading, Reply::Text(state)) => Progress::Over(state_outcome(state)),
            (Phase::Reading, _) => {
                failed(format!("Could not get state for unit {} from DBus", self.agent))
            }
            (Phase::Queueing { removed }, Reply::Path(job)) => {
                if self.kind == Kind::Restart {
                    return Progress::Over(Outcome::OK);
                }
                let over = removed.iter().find(|(path, _)| *path == job);
                let over = over.map(|(_, result)| result.clone());
                self.phase = Phase::Working { job };
                match over {
                    Some(result) => Progress::Over(self.job_outcome(&result)),
                    None => Progress::Steps(Vec::new()),
                }
            }
            (_, Reply::Error { name, .. }) => Progress::Over(self.error_outcome(&name)),
            (_, Reply::NotSent) => failed("Unable to send DBus message".into()),
            (_, _) => failed("systemd DBus method had unexpected reply".into()),
        }
    }

    /// The override file was written, or why not.
    pub fn override_written(&mut self, written: Result<(), OcfExit>) -> Progress {
        if let Err(exit) = written {
            return Progress::Over(Outcome::new(
                exit,
                ExecStatus::Error,
                format!("Failed to create systemd override file for {}", self.agent),
            ));
        }
        self.queue(true, Call::Start(self.unit.clone()))
    }

    /// The override file is gone; it was there if `existed`.
    pub fn override_removed(&mut self, existed: bool) -> Progress {
        self.queue(existed, Call::Stop(self.unit.clone()))
    }

    /// A job is over. Tell every action; it knows its own.
    pub fn job_removed(&mut self, path: &str, result: &str) -> Option<Outcome> {
        match &mut self.phase {
            Phase::Queueing { removed } => {
                if removed.len() >= MOST_REMOVED {
                    removed.pop_front();
                }
                removed.push_back((path.into(), result.into()));
                None
            }
            Phase::Working { job } if job == path => Some(self.job_outcome(result)),
            _ => None,
        }
    }

    fn loaded(&mut self, path: String) -> Progress {
        match self.kind {
            Kind::Status => {
                self.phase = Phase::Reading;
                property(path, "ActiveState")
            }
            Kind::Start => {
                self.phase = Phase::Overriding;
                Progress::Steps(vec![Step::WriteOverride(self.unit.clone())])
            }
            Kind::Stop => {
                self.phase = Phase::Overriding;
                Progress::Steps(vec![Step::RemoveOverride(self.unit.clone())])
            }
            Kind::Restart => self.queue(false, Call::Restart(self.unit.clone())),
        }
    }

    fn queue(&mut self, reload: bool, job: Call) -> Progress {
        self.phase = Phase::Queueing { removed: VecDeque::new() };
        let reload = reload.then_some(Step::Call(Call::Reload));
        Progress::Steps(reload.into_iter().chain([Step::Call(job)]).collect())
    }

    /// systemd is executing itself anew: the state will be known soon.
    fn is_disconnected(&self, reply: &Reply) -> bool {
        let Reply::Error { name, message } = reply else { return false };
        self.kind == Kind::Status && name.ends_with(".NoReply") && message.contains("disconnected")
    }

    fn job_outcome(&self, result: &str) -> Outcome {
        let about = format!("systemd {} job for {}", self.action, self.unit);
        match result {
            "done" => Outcome::OK,
            "timeout" => {
                Outcome::new(OcfExit::Error, ExecStatus::Timeout, format!("{about} timed out"))
            }
            other => Outcome::new(
                OcfExit::Error,
                ExecStatus::Error,
                format!("{about} failed with result '{other}'"),
            ),
        }
    }

    fn error_outcome(&self, name: &str) -> Outcome {
        let unknown = [".InvalidName", ".LoadFailed", ".NoSuchUnit"];
        if !unknown.iter().any(|suffix| name.ends_with(suffix)) {
            return Outcome::new(
                OcfExit::Error,
                ExecStatus::Error,
                "Unable to invoke systemd DBus method",
            );
        }
        match self.kind {
            Kind::Stop => Outcome::OK,
            _ => not_found(&self.agent),
        }
    }
}

fn call(call: Call) -> Progress {
    Progress::Steps(vec![Step::Call(call)])
}

fn property(path: String, name: &'static str) -> Progress {
    call(Call::Property { path, name })
}

fn failed(reason: String) -> Progress {
    Progress::Over(Outcome::new(OcfExit::Error, ExecStatus::Error, reason))
}

fn pending() -> Progress {
    Progress::Over(Outcome { exit: OcfExit::Unknown, status: ExecStatus::Pending, reason: None })
}

fn not_found(agent: &str) -> Outcome {
    Outcome::new(
        OcfExit::NotInstalled,
        ExecStatus::NotInstalled,
        format!("systemd unit {agent} not found"),
    )
}

fn state_outcome(state: String) -> Outcome {
    match state.as_str() {
        "active" | "reloading" => Outcome::OK,
        "activating" | "deactivating" => {
            Outcome { exit: OcfExit::Unknown, status: ExecStatus::Pending, reason: None }
        }
        _ => Outcome::new(OcfExit::NotRunning, ExecStatus::Done, state),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATH: &str = "/u";
    const NO_UNIT: &str = "org.freedesktop.systemd1.NoSuchUnit";

    fn loaded(action: &str) -> (UnitAction, Progress) {
        let (mut unit, steps) = UnitAction::begin(action, "web", false).unwrap();
        assert_eq!(steps, [Step::Call(Call::LoadUnit(UnitName::for_action("web")))]);
        let progress = unit.reply(Reply::Path(PATH.into()));
        (unit, progress)
    }

    fn error(name: &str, message: &str) -> Reply {
        Reply::Error { name: name.into(), message: message.into() }
    }

    #[test]
    fn a_monitor_reads_the_active_state() {
        let cases = [
            ("active", 0, ExecStatus::Done),
            ("reloading", 0, ExecStatus::Done),
            ("activating", 193, ExecStatus::Pending),
            ("deactivating", 193, ExecStatus::Pending),
            ("inactive", 7, ExecStatus::Done),
            ("failed", 7, ExecStatus::Done),
        ];
        for (state, exit, status) in cases {
            let (mut unit, progress) = loaded("monitor");
            assert_eq!(progress, property(PATH.into(), "ActiveState"));
            let Progress::Over(outcome) = unit.reply(Reply::Text(state.into())) else {
                panic!("{state}: not over");
            };
            assert_eq!((outcome.exit.code(), outcome.status), (exit, status), "{state}");
            assert_eq!(outcome.reason.as_deref(), (exit == 7).then_some(state));
        }
    }

    #[test]
    fn a_start_waits_for_its_own_job() {
        let name = UnitName::for_action("web");
        let (mut unit, progress) = loaded("start");
        assert_eq!(progress, Progress::Steps(vec![Step::WriteOverride(name.clone())]));
        let queued = unit.override_written(Ok(()));
        let expected = vec![Step::Call(Call::Reload), Step::Call(Call::Start(name))];
        assert_eq!(queued, Progress::Steps(expected));
        assert_eq!(unit.job_removed("/j/other", "failed"), None);
        assert_eq!(unit.reply(Reply::Path("/j/1".into())), Progress::Steps(vec![]));
        assert_eq!(unit.job_removed("/j/2", "failed"), None);
        assert_eq!(unit.job_removed("/j/1", "done"), Some(Outcome::OK));
    }

    #[test]
    fn a_job_that_is_over_before_its_call_is_answered_counts() {
        let (mut unit, _) = loaded("stop");
        assert_eq!(unit.override_removed(false), call(Call::Stop(UnitName::for_action("web"))));
        assert_eq!(unit.job_removed("/j/1", "done"), None);
        assert_eq!(unit.reply(Reply::Path("/j/1".into())), Progress::Over(Outcome::OK));
    }

    #[test]
    fn jobs_that_fail_say_how() {
        for (result, status, text) in [
            ("timeout", ExecStatus::Timeout, "systemd start job for web.service timed out"),
            (
                "dependency",
                ExecStatus::Error,
                "systemd start job for web.service failed with result 'dependency'",
            ),
        ] {
            let (mut unit, _) = loaded("start");
            unit.override_written(Ok(()));
            unit.reply(Reply::Path("/j".into()));
            let outcome = unit.job_removed("/j", result).unwrap();
            assert_eq!(outcome, Outcome::new(OcfExit::Error, status, text));
        }
    }

    #[test]
    fn an_unknown_unit_is_not_installed_but_stopped() {
        let (mut unit, _) = loaded("start");
        unit.override_written(Ok(()));
        assert_eq!(unit.reply(error(NO_UNIT, "")), Progress::Over(not_found("web")));
        let (mut unit, _) = loaded("stop");
        unit.override_removed(true);
        assert_eq!(unit.reply(error(NO_UNIT, "")), Progress::Over(Outcome::OK));
    }

    #[test]
    fn a_monitor_while_systemd_restarts_is_pending() {
        let lost = || error("org.freedesktop.DBus.Error.NoReply", "remote peer disconnected");
        let (mut unit, _) = UnitAction::begin("monitor", "web", false).unwrap();
        assert_eq!(unit.reply(lost()), pending());
        let (mut unit, _) = UnitAction::begin("start", "web", false).unwrap();
        let Progress::Over(outcome) = unit.reply(lost()) else { panic!("not over") };
        assert_eq!(outcome.reason.as_deref(), Some("No DBus object found for systemd unit web"));
    }

    #[test]
    fn a_service_that_is_no_unit_is_a_script() {
        let (mut unit, _) = UnitAction::begin("start", "web", true).unwrap();
        assert_eq!(unit.reply(Reply::Path(PATH.into())), property(PATH.into(), "LoadState"));
        assert_eq!(unit.reply(Reply::Text("not-found".into())), Progress::NoSuchUnit);
        let (mut unit, _) = UnitAction::begin("start", "web", true).unwrap();
        unit.reply(Reply::Path(PATH.into()));
        let next = unit.reply(Reply::Text("masked".into()));
        assert_eq!(next, call(Call::LoadUnit(UnitName::for_action("web"))));
    }

    #[test]
    fn other_actions_and_names_with_slashes_are_refused() {
        let outcome = UnitAction::begin("promote", "web", false).unwrap_err();
        assert_eq!(outcome.exit, OcfExit::Unimplemented);
        let outcome = UnitAction::begin("start", "../../etc/x", false).unwrap_err();
        assert_eq!(outcome.exit, OcfExit::NotInstalled);
    }
}
