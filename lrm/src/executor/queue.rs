//! What runs next: the queue of a resource, its due repetitions, and starting (spec 80 §5.2–§5.5).

use std::time::Duration;

use super::conclude::Ending;
use super::output::{Input, Invocation, Now, Output, Scope, Task};
use super::task::{Due, Fate, Means, Phase, Queued, Running};
use super::timers::Owner;
use super::{Executor, Runner};
use crate::agent::Standard;
use crate::operation::{Action, CallId, Interval, Request};
use crate::outcome::{ExecStatus, OcfExit, Outcome, StartError, StartErrorKind};

/// How much longer than its timeout an action of a service manager may take to be answered.
const SERVICE_MARGIN: Duration = Duration::from_secs(5);

impl Executor {
    /// Starts whatever the resource may run now.
    pub(super) fn examine(&mut self, now: Now, registration: usize) {
        while let Some(op) = self.next_ready(now, registration) {
            self.start(now, op);
        }
    }

    /// The operation to start now: of the queue's head and the first due repetition the one that
    /// became ready first, so that neither starves the other.
    fn next_ready(&mut self, now: Now, key: usize) -> Option<usize> {
        let registration = self.registrations.get(key)?;
        if registration.active.is_some() {
            return None;
        }
        let head = registration.pending.front().copied();
        let head = head.and_then(|op| match &self.operations[op].phase {
            Phase::Queued(queued) => Some((queued.ready_at, op)),
            _ => None,
        });
        if let Some((ready_at, op)) = head
            && ready_at > now.monotonic
        {
            self.timers.set(Owner::Operation(op), Some(ready_at));
        }
        let due = registration.due.front().copied();
        let due = due.and_then(|op| match &self.operations[op].phase {
            Phase::Due(due) => Some((due.since, op)),
            _ => None,
        });
        [head, due]
            .into_iter()
            .flatten()
            .filter(|(ready_at, _)| *ready_at <= now.monotonic)
            .min_by_key(|(ready_at, _)| *ready_at)
            .map(|(_, op)| op)
    }

    fn start(&mut self, now: Now, op: usize) {
        self.unqueue(op);
        let run = self.next_run(Runner::Operation(op));
        let operation = &mut self.operations[op];
        let key = operation.registration;
        let registration = &mut self.registrations[key];
        registration.active = Some(op);
        if operation.request.interval.recurs() && !registration.recurring.contains(&op) {
            registration.recurring.push(op);
        }
        let from_queue = matches!(operation.phase, Phase::Queued(_));
        if from_queue && operation.clock.started.is_none() {
            operation.clock.started = Some(now.monotonic);
            operation.clock.last_run = now.epoch;
        }
        let fence = *registration.resource.agent.standard() == Standard::Stonith;
        operation.phase = Phase::Running(Running {
            run,
            since: now.monotonic,
            means: if fence { Means::Fencer } else { Means::Process(None) },
            fate: Fate::Own,
        });
        let immediate = if fence {
            self.start_fence(op, run).map(Output::Fence)
        } else {
            self.start_agent(op, run)
        };
        match immediate {
            Ok(output) => self.outputs.push_back(output),
            Err(outcome) => {
                self.runs.remove(&run);
                self.conclude(now, op, Ending::plain(outcome));
            }
        }
    }

    fn start_agent(&mut self, op: usize, run: super::RunId) -> Result<Output, Outcome> {
        let operation = &self.operations[op];
        let agent = self.agent(operation.registration).clone();
        if let Standard::Unknown(_) | Standard::Alert = agent.standard() {
            return Err(Outcome::not_started(StartError {
                kind: StartErrorKind::NotInstalled,
                text: format!("{}: No such file or directory", agent.kind()),
            }));
        }
        let parameters = if agent.standard().takes_parameters() {
            operation.request.parameters.clone()
        } else {
            Default::default()
        };
        let timeout = operation.time_left.unwrap_or(operation.request.timeout);
        let key = operation.request.key();
        self.arm_timeout(op);
        Ok(Output::Start(Invocation {
            run,
            task: Task::Resource { key, agent, parameters },
            timeout,
        }))
    }

    fn arm_timeout(&mut self, op: usize) {
        let operation = &self.operations[op];
        let Phase::Running(running) = &operation.phase else { return };
        let timeout = operation.time_left.unwrap_or(operation.request.timeout);
        let margin = match running.means {
            Means::Process(_) => Some(Duration::ZERO),
            Means::Service => Some(SERVICE_MARGIN),
            Means::Fencer => None,
        };
        let at = margin.filter(|_| !timeout.is_zero()).map(|m| running.since + timeout + m);
        self.timers.set(Owner::Operation(op), at);
    }

    pub(super) fn operation_started(&mut self, op: usize, means: Means) {
        if let Phase::Running(running) = &mut self.operations[op].phase {
            running.means = means;
            if running.fate == Fate::Own {
                self.arm_timeout(op);
            }
        }
    }

    /// The operation's timer fired.
    pub(super) fn operation_due(&mut self, now: Now, op: usize) {
        let operation = &mut self.operations[op];
        let registration = operation.registration;
        match &mut operation.phase {
            Phase::Queued(_) | Phase::Due(_) => {}
            Phase::Resting => self.repeat(now, op),
            Phase::Running(running) if running.means == Means::Service => {
                let run = running.run;
                let outcome = Outcome::new(
                    OcfExit::Error,
                    ExecStatus::Timeout,
                    format!(
                        "{} action for systemd unit {} did not complete in time",
                        operation.request.action,
                        self.registrations[registration].resource.agent.kind()
                    ),
                );
                self.outputs.push_back(Output::Abandon(run));
                let end = super::RunEnd::Answered(outcome);
                self.handle(now, Input::Ended { run, end });
            }
            Phase::Running(running) => {
                let request = &operation.request;
                let keep = request.parameters.get("CRM_meta_on_fail");
                let scope = match keep {
                    Some(value) if value.eq_ignore_ascii_case("block") => Scope::Process,
                    _ => Scope::Group,
                };
                let name = || request.key().to_string();
                let (output, next) = running.press(now.monotonic, &self.config, scope, &name);
                self.outputs.extend(output);
                self.timers.set(Owner::Operation(op), next);
            }
        }
        self.examine(now, registration);
    }

    /// The interval has passed, or a duplicate request hurries it. Fence devices go through the
    /// queue; other repetitions wait only for the resource.
    fn repeat(&mut self, now: Now, op: usize) {
        let operation = &mut self.operations[op];
        let key = operation.registration;
        self.timers.set(Owner::Operation(op), None);
        if *self.registrations[key].resource.agent.standard() == Standard::Stonith {
            let operation = &mut self.operations[op];
            operation.clock.queued = Some(now.monotonic);
            operation.phase = Phase::Queued(Queued { ready_at: now.monotonic });
            self.registrations[key].pending.push_back(op);
        } else {
            operation.phase = Phase::Due(Due { since: now.monotonic });
            self.registrations[key].due.push_back(op);
        }
    }

    /// Puts an operation whose answer was not conclusive back at the tail of the queue.
    pub(super) fn follow_up(&mut self, now: Now, op: usize, delay: Duration, left: Duration) {
        let operation = &mut self.operations[op];
        operation.time_left = Some(left);
        operation.phase = Phase::Queued(Queued { ready_at: now.monotonic + delay });
        self.registrations[operation.registration].pending.push_back(op);
    }

    /// Takes an operation out of the lists in which it waits to run.
    pub(super) fn unqueue(&mut self, op: usize) {
        let registration = &mut self.registrations[self.operations[op].registration];
        for list in [&mut registration.pending, &mut registration.due] {
            if list.front() == Some(&op) {
                list.pop_front();
            } else {
                list.retain(|other| *other != op);
            }
        }
        self.timers.set(Owner::Operation(op), None);
    }

    /// An operation that waits or repeats: the queue first, then the recurring ones.
    pub(super) fn find(
        &self,
        registration: usize,
        action: &Action,
        interval: Interval,
    ) -> Option<usize> {
        let registration = &self.registrations[registration];
        registration.pending.iter().chain(&registration.recurring).copied().find(|op| {
            let operation = &self.operations[*op];
            operation.request.interval == interval
                && operation.request.action.is(action.as_str())
                && !operation.is_cancelled()
        })
    }

    /// Merges a recurring request with an operation of the same name, if there is one: that takes
    /// over call id and user data only, and runs at once if it was resting.
    pub(super) fn merge(
        &mut self,
        now: Now,
        registration: usize,
        call: CallId,
        request: &Request,
    ) -> bool {
        let Some(op) = self.find(registration, &request.action, request.interval) else {
            return false;
        };
        log::warn!(
            "Duplicate recurring op entry detected ({}), merging with previous op entry",
            request.key()
        );
        let operation = &mut self.operations[op];
        operation.call = call;
        operation.request.user_data = request.user_data.clone();
        operation.told = None;
        if matches!(operation.phase, Phase::Resting) {
            self.repeat(now, op);
        }
        true
    }
}
