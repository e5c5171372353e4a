//! Runs without a resource: alerts (spec 80 §12) and metadata (§10.1). Not queued, run in parallel.

use std::sync::Arc;
use std::time::Duration;

use super::conclude::fate_of;
use super::output::{
    Alert, EventKind, Input, Invocation, Now, Output, Recipients, RunEnd, Scope, Task,
};
use super::task::{Fate, Means, Running};
use super::timers::Owner;
use super::{ExecuteError, Executor, Runner};
use crate::agent::AgentSpec;
use crate::operation::{CallId, ClientId};
use crate::outcome::{Outcome, ProcessEnd, ProcessKind};

/// How long an agent may take to print its metadata.
const METADATA_TIMEOUT: Duration = Duration::from_secs(20);

#[derive(Debug)]
pub(super) struct Detached {
    kind: Kind,
    pub(super) running: Running,
    timeout: Duration,
}

#[derive(Debug)]
enum Kind {
    Alert(Arc<Alert>),
    Metadata { client: ClientId, call: CallId, agent: Arc<AgentSpec> },
}

impl Executor {
    /// Runs an alert agent.
    ///
    /// # Errors
    /// When too many run already.
    pub fn alert(&mut self, now: Now, mut alert: Alert) -> Result<CallId, ExecuteError> {
        let call = self.next_call();
        self.last_alert += 1;
        let sequence = ("CRM_alert_node_sequence".to_owned(), Some(self.last_alert.to_string()));
        alert.environment.push(sequence);
        let timeout = alert.timeout;
        let alert = Arc::new(alert);
        self.start_detached(now, Kind::Alert(alert.clone()), Task::Alert(alert), timeout)?;
        Ok(call)
    }

    /// Asks an agent for its metadata; the answer is an [`EventKind::Metadata`] for that client.
    ///
    /// # Errors
    /// When too many such requests run already.
    pub fn metadata(
        &mut self,
        now: Now,
        client: ClientId,
        agent: Arc<AgentSpec>,
    ) -> Result<CallId, ExecuteError> {
        let call = self.next_call();
        let task = Task::Metadata { agent: agent.clone() };
        let kind = Kind::Metadata { client, call, agent };
        self.start_detached(now, kind, task, METADATA_TIMEOUT)?;
        Ok(call)
    }

    /// How many alerts run; before it ends, a daemon waits for none, or until
    /// [`alerts_deadline`](Self::alerts_deadline).
    #[must_use]
    pub fn alerts_running(&self) -> usize {
        self.alerts().count()
    }

    /// How long a daemon that ends waits for its alerts: the largest timeout and five seconds.
    #[must_use]
    pub fn alerts_deadline(&self) -> Option<Duration> {
        self.alerts().map(|detached| detached.timeout).max().map(|t| t + Duration::from_secs(5))
    }

    fn alerts(&self) -> impl Iterator<Item = &Detached> {
        let alerts = self.detached.iter().map(|(_, detached)| detached);
        alerts.filter(|detached| matches!(detached.kind, Kind::Alert(_)))
    }

    fn start_detached(
        &mut self,
        now: Now,
        kind: Kind,
        task: Task,
        timeout: Duration,
    ) -> Result<(), ExecuteError> {
        if self.detached.len() >= self.config.max_detached {
            return Err(ExecuteError::Busy(self.detached.len()));
        }
        let key = self.detached.vacant_key();
        let run = self.next_run(Runner::Detached(key));
        let running =
            Running { run, since: now.monotonic, means: Means::Process(None), fate: Fate::Own };
        self.detached.insert(Detached { kind, running, timeout });
        let at = (!timeout.is_zero()).then(|| now.monotonic + timeout);
        self.timers.set(Owner::Detached(key), at);
        self.outputs.push_back(Output::Start(Invocation { run, task, timeout }));
        Ok(())
    }

    pub(super) fn detached_due(&mut self, now: Now, key: usize) {
        let detached = &mut self.detached[key];
        let run = detached.running.run;
        if detached.running.means == Means::Service {
            self.outputs.push_back(Output::Abandon(run));
            let outcome = Outcome::timed_out(ProcessKind::ResourceAgent, detached.timeout);
            self.handle(now, Input::Ended { run, end: RunEnd::Answered(outcome) });
            return;
        }
        let name = || match &detached.kind {
            Kind::Alert(alert) => alert.id.clone(),
            Kind::Metadata { agent, .. } => format!("{agent} meta-data"),
        };
        let (output, next) =
            detached.running.press(now.monotonic, &self.config, Scope::Group, &name);
        self.outputs.extend(output);
        self.timers.set(Owner::Detached(key), next);
    }

    pub(super) fn detached_ended(&mut self, key: usize, end: RunEnd) {
        self.timers.set(Owner::Detached(key), None);
        let detached = self.detached.remove(key);
        let (outcome, stdout) = settle(&detached, end);
        match detached.kind {
            Kind::Alert(alert) => {
                if outcome.is_ok() {
                    log::info!("Alert {} ended: {}", alert.id, outcome.exit.text());
                } else {
                    log::warn!("Alert {} failed: {outcome:?}", alert.id);
                }
                self.tell(Recipients::All, EventKind::Alerted { alert, outcome });
            }
            Kind::Metadata { client, call, agent } => {
                let result = if outcome.is_ok() && !stdout.is_empty() {
                    Ok(stdout)
                } else {
                    let why = outcome.reason.as_deref().unwrap_or(outcome.exit.text());
                    Err(format!("metadata of {agent}: input/output error: {why}"))
                };
                let kind = EventKind::Metadata { call, agent, result };
                self.tell(Recipients::Client(client), kind);
            }
        }
    }
}

fn settle(detached: &Detached, end: RunEnd) -> (Outcome, String) {
    let kind = match &detached.kind {
        Kind::Alert(_) => ProcessKind::AlertAgent,
        Kind::Metadata { .. } => ProcessKind::ResourceAgent,
    };
    match end {
        RunEnd::NotStarted(error) => (Outcome::not_started(error), String::new()),
        RunEnd::Answered(outcome) => (outcome, String::new()),
        RunEnd::Process { standard, end, stdout, stderr } => {
            let outcome = match fate_of(detached.running.fate, end) {
                Fate::Own => Outcome::of_process(&standard, "meta-data", end, &stderr),
                _ => Outcome::timed_out(kind, detached.timeout),
            };
            let ran = matches!(end, ProcessEnd::Exited(_));
            let text =
                if ran { String::from_utf8_lossy(&stdout).into_owned() } else { String::new() };
            (outcome, text)
        }
    }
}
