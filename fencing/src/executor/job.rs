//! Requests to fence, carried out with the devices of this fencer (spec 81 §6.1, §6.4).

use std::time::Duration;

use log::Level;

use crate::agent::Action;
use crate::clock::Seconds;
use crate::executor::queue::{Command, CommandId, NewCommand, Purpose};
use crate::executor::search::Wanted;
use crate::executor::{AgentReport, Effect, Executor, REMEMBERED_REQUESTS, SearchPurpose};
use crate::fault::{Fault, planted};
use crate::message::FenceRequest;
use crate::name::{DeviceId, NodeName};
use crate::outcome::{ExecutionStatus, Outcome, exit};

/// Number of one request under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JobId(pub(super) u64);

/// A request to fence and the devices to try for it.
#[derive(Debug, Clone)]
pub struct Job {
    /// Who sent it and gets the reply.
    pub owner: NodeName,
    /// The request.
    pub request: FenceRequest,
    candidates: Vec<DeviceId>,
    position: usize,
}

/// The end of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobReport {
    /// Who gets the reply.
    pub owner: NodeName,
    /// The request.
    pub request: FenceRequest,
    /// The result.
    pub outcome: Outcome,
    /// Whether it is the result of another request for the same.
    pub merged: bool,
}

impl Executor {
    /// Starts on a request. One that was handled before, by its operation and attempt, is ignored:
    /// a message that the network doubled must not fence a node twice.
    pub(crate) fn start_job(&mut self, now: Duration, owner: NodeName, request: FenceRequest) {
        let key = (request.operation, request.attempt);
        if !self.handled.insert(key) && !planted(Fault::DoubledRequestsRun) {
            return;
        }
        self.handled_order.push_back(key);
        if self.handled_order.len() > REMEMBERED_REQUESTS {
            let oldest = self.handled_order.pop_front();
            oldest.map(|oldest| self.handled.remove(&oldest));
        }
        let id = JobId(self.number());
        let job = Job { owner, candidates: Vec::new(), position: 0, request };
        if job.request.incarnation != self.incarnation {
            self.jobs.insert(id, job);
            let reason = "The request was for an earlier fencer process of this node";
            let outcome = Outcome::failed(ExecutionStatus::NotConnected, exit::ERROR, reason);
            self.end_job(id, outcome, false);
            return;
        }
        let (action, target) = (job.request.action, job.request.target.clone());
        match job.request.device.clone() {
            Some(device) if self.registry.get(&device).is_none() => {
                self.jobs.insert(id, job);
                let reason = format!("Requested device '{device}' not found");
                self.end_job(id, Outcome::no_fence_device(reason), false);
            }
            Some(device) => {
                self.jobs.insert(id, job);
                self.job_devices(now, id, vec![device]);
            }
            None => {
                let timeout = job.request.timeout;
                self.jobs.insert(id, job);
                let on_only = action == Action::On;
                let wanted =
                    Wanted { action, target: Some(target), timeout, allow_self: true, on_only };
                self.search(now, wanted, SearchPurpose::Job(id));
            }
        }
    }

    /// The devices to try for a job are known.
    pub(super) fn job_devices(&mut self, now: Duration, id: JobId, devices: Vec<DeviceId>) {
        let Some(job) = self.jobs.get_mut(&id) else {
            return;
        };
        if devices.is_empty() {
            let reason = format!("No device configured for target '{}'", job.request.target);
            self.end_job(id, Outcome::no_fence_device(reason), false);
            return;
        }
        job.candidates = devices;
        self.run_candidate(now, id, 0);
    }

    fn run_candidate(&mut self, now: Duration, id: JobId, position: usize) {
        let Some(job) = self.jobs.get_mut(&id) else {
            return;
        };
        job.position = position;
        let device = job.candidates[position].clone();
        let FenceRequest { action, timeout, delay, .. } = job.request;
        let target = Some(job.request.target.clone());
        let timeout = timeout.max(Seconds(1));
        let (delay, purpose) = (Some(delay), Purpose::Job(id));
        let device_id = device.clone();
        let new = NewCommand { device: device_id, action, target, timeout, delay, purpose };
        self.enqueue(now, new);
        self.start_ready(now, &device);
    }

    /// A device of a job has ended: on failure the next one is tried, on success of `on` the next
    /// one that unfencing requires.
    pub(super) fn job_progress(
        &mut self,
        now: Duration,
        id: JobId,
        command: &Command,
        report: AgentReport,
    ) {
        let Some(job) = self.jobs.get(&id) else {
            return;
        };
        let automatic = |id: &DeviceId| {
            self.registry.get(id).is_some_and(|device| device.is_automatic_unfencing())
        };
        let on = command.action == Action::On;
        let later = || (job.position + 1..job.candidates.len()).collect::<Vec<_>>();
        let remaining: Vec<usize> = if report.outcome.is_ok() {
            let wanted = |at: &usize| on && automatic(&job.candidates[*at]);
            later().into_iter().filter(wanted).collect()
        } else if on && automatic(&command.device) {
            Vec::new()
        } else {
            later()
        };
        let ok = report.outcome.is_ok();
        let tail = match (remaining.first(), ok) {
            (Some(next), false) => format!(", retrying with {}", job.candidates[*next]),
            (Some(_), true) => format!(" ({} devices remaining)", remaining.len()),
            (None, _) => String::new(),
        };
        let next = remaining.first().copied();
        self.log_result(command, &report, tail);
        match next {
            Some(next) => self.run_candidate(now, id, next),
            None => {
                let client = self.end_job(id, report.outcome.clone(), false);
                if let (true, Some(client)) = (ok, client) {
                    self.answer_same(now, command, &client, &report.outcome);
                }
            }
        }
    }

    /// Requests of other clients for the same that have not started take over a success.
    fn answer_same(&mut self, now: Duration, done: &Command, client: &str, outcome: &Outcome) {
        let same: Vec<(CommandId, JobId)> = self
            .not_started(&done.device)
            .into_iter()
            .filter_map(|id| {
                let command = self.command(id)?;
                let Purpose::Job(other) = command.purpose else {
                    return None;
                };
                let differs = self.jobs.get(&other).is_some_and(|job| job.request.client != client);
                let fits = command.action == done.action && command.target == done.target;
                (differs && fits).then_some((id, other))
            })
            .collect();
        for (command, other) in same {
            self.discard(command);
            self.log(
                Level::Info,
                format!(
                    "Merging fencing action '{}' of another request, which {} has just completed",
                    done.action, done.device
                ),
            );
            self.end_job(other, outcome.clone(), true);
        }
        self.start_ready(now, &done.device);
    }

    /// Reports the end of a job and returns the name of the client that wanted it.
    fn end_job(&mut self, id: JobId, outcome: Outcome, merged: bool) -> Option<String> {
        let Job { owner, request, .. } = self.jobs.remove(&id)?;
        let client = request.client.clone();
        self.effects.push_back(Effect::JobDone(JobReport { owner, request, outcome, merged }));
        Some(client)
    }
}
