//! The end of a run: its result, who is told, and whether it repeats (spec 80 §3, §7, §9.5).

use std::time::Duration;

use super::output::{EventKind, Now, OperationResult, Recipients, RunEnd};
use super::task::{Expired, Fate, Means, Operation, Phase, Running};
use super::timers::Owner;
use super::{Executor, fence_outcome};
use crate::agent::Standard;
use crate::outcome::{ExecStatus, OcfExit, Outcome, ProcessEnd, ProcessKind, duration_text};

/// A result before it is reported.
#[derive(Debug)]
pub(super) struct Ending {
    pub(super) outcome: Outcome,
    /// The status before its mapping to an OCF code.
    raw: i32,
    output: Option<String>,
    pid: Option<u32>,
}

impl Ending {
    pub(super) fn plain(outcome: Outcome) -> Self {
        Self { raw: outcome.exit.code(), outcome, output: None, pid: None }
    }
}

/// The longest wait between two looks at a unit that is changing state.
const LONGEST_LOOK: Duration = Duration::from_secs(2);
/// Less time than this is not worth another look.
const SHORTEST_REST: Duration = Duration::from_millis(20);

impl Executor {
    /// What the end of an operation's run means, given what was done to it.
    pub(super) fn settle(&self, op: usize, end: RunEnd) -> Ending {
        let operation = &self.operations[op];
        let Phase::Running(running) = &operation.phase else {
            return Ending::plain(Outcome::cancelled(operation.exit));
        };
        let cancelled = running.fate == Fate::Cancelled;
        match end {
            RunEnd::Process { standard, end, stdout, stderr } => {
                settle_process(operation, running, &standard, end, stdout, stderr)
            }
            RunEnd::Answered(answer) if running.means == Means::Fencer => {
                let mut outcome = fence_outcome(operation.request.action.as_str(), answer);
                if cancelled {
                    outcome.status = ExecStatus::Cancelled;
                }
                Ending::plain(outcome)
            }
            _ if cancelled => Ending::plain(Outcome::cancelled(OcfExit::Ok)),
            RunEnd::NotStarted(error) => Ending::plain(Outcome::not_started(error)),
            RunEnd::Answered(outcome) => Ending::plain(outcome),
        }
    }

    /// Reports a result and decides what becomes of the operation. The caller has taken it out of
    /// the waiting lists, and examines the resource afterwards.
    pub(super) fn conclude(&mut self, now: Now, op: usize, mut ending: Ending) {
        self.remember_device(op, &ending.outcome);
        let operation = &mut self.operations[op];
        let key = operation.registration;
        self.timers.set(Owner::Operation(op), None);
        let registration = &mut self.registrations[key];
        if registration.active == Some(op) {
            registration.active = None;
        }
        if ending.outcome.status == ExecStatus::Pending && operation.request.action.asks_status() {
            if registration.gone {
                // There is nothing left to look at again for.
                ending = Ending::plain(Outcome::cancelled(operation.exit));
            } else if self.postponed(now, op, &mut ending) {
                return;
            }
        }
        let operation = &mut self.operations[op];
        if ending.outcome.status != ExecStatus::Cancelled && ending.raw != operation.exit.code() {
            operation.clock.last_change = now.epoch;
        }
        operation.exit = ending.outcome.exit;
        let cancelled = ending.outcome.status == ExecStatus::Cancelled;
        self.report(now, op, ending);

        let operation = &mut self.operations[op];
        let gone = self.registrations[key].gone;
        if operation.request.interval.recurs() && !cancelled && !gone {
            operation.phase = Phase::Resting;
            operation.time_left = None;
            operation.clock.reset();
            let at = now.monotonic + operation.request.interval.duration();
            // It may have failed before its first run.
            let registration = &mut self.registrations[key];
            if !registration.recurring.contains(&op) {
                registration.recurring.push(op);
            }
            self.timers.set(Owner::Operation(op), Some(at));
        } else {
            self.discard(op);
            self.bury(key);
        }
    }

    /// A unit is changing state. A single look is repeated until it is conclusive or its time is
    /// up; a recurring one is reported as it is, until the state has lasted longer than the timeout.
    fn postponed(&mut self, now: Now, op: usize, ending: &mut Ending) -> bool {
        let operation = &self.operations[op];
        let timeout = operation.request.timeout;
        let overdue = || {
            Outcome::new(
                OcfExit::Error,
                ExecStatus::Timeout,
                "Investigate reason for timeout, and adjust configured operation timeout if \
                 necessary",
            )
        };
        if operation.request.interval.recurs() {
            let lasting = operation.exit == ending.outcome.exit && operation.told.is_some();
            let since = operation.clock.last_change;
            if lasting && now.epoch >= since.saturating_add_unsigned(timeout.as_secs()) {
                *ending = Ending::plain(overdue());
            }
            return false;
        }
        let started = operation.clock.started.unwrap_or(now.monotonic);
        let left = timeout.saturating_sub(now.monotonic.saturating_sub(started));
        let mut delay = timeout / 10;
        if delay >= left && left > SHORTEST_REST {
            delay = left / 2;
        }
        delay = delay.min(LONGEST_LOOK);
        if delay < left {
            self.follow_up(now, op, delay, left);
            return true;
        }
        *ending = Ending::plain(overdue());
        false
    }

    fn report(&mut self, now: Now, op: usize, ending: Ending) {
        let operation = &mut self.operations[op];
        let registration = &self.registrations[operation.registration];
        let request = &operation.request;
        let clock = &operation.clock;
        let exec_time = clock.started.map_or(Duration::ZERO, |at| now.monotonic.saturating_sub(at));
        let queue_time = match (clock.queued, clock.started) {
            (Some(queued), Some(started)) => started.saturating_sub(queued),
            _ => Duration::ZERO,
        };
        let pair = (ending.outcome.exit, ending.outcome.status);
        let unchanged = request.changes_only && operation.told == Some(pair);
        operation.told = Some(pair);
        if unchanged {
            return;
        }
        let to = if request.originator_only {
            Recipients::Client(operation.client)
        } else {
            Recipients::All
        };
        let result = OperationResult {
            resource: request.resource.clone(),
            agent: registration.resource.agent.clone(),
            action: request.action.clone(),
            interval: request.interval,
            timeout: request.timeout,
            start_delay: request.start_delay,
            call: operation.call,
            user_data: request.user_data.clone(),
            parameters: request.parameters.clone(),
            outcome: ending.outcome,
            output: ending.output,
            deleted: registration.gone,
            last_run: clock.last_run,
            last_change: clock.last_change,
            exec_time,
            queue_time,
        };
        log_result(&result, ending.pid);
        self.tell(to, EventKind::Completed(Box::new(result)));
    }
}

fn settle_process(
    operation: &Operation,
    running: &Running,
    standard: &Standard,
    end: ProcessEnd,
    stdout: Vec<u8>,
    stderr: Vec<u8>,
) -> Ending {
    let request = &operation.request;
    let pid = match running.means {
        Means::Process(pid) => pid,
        Means::Service | Means::Fencer => None,
    };
    let key = || request.key().to_string();
    log_output(log::Level::Info, "error output", &key, pid, &stderr);
    log_output(log::Level::Debug, "output", &key, pid, &stdout);
    let outcome = match fate_of(running.fate, end) {
        Fate::Own => Outcome::of_process(standard, request.action.as_str(), end, &stderr),
        Fate::Cancelled => Outcome::cancelled(OcfExit::Ok),
        Fate::Expired(_) => {
            let timeout = operation.time_left.unwrap_or(request.timeout);
            Outcome::timed_out(ProcessKind::of(standard), timeout)
        }
    };
    let raw = match end {
        ProcessEnd::Exited(code) if outcome.status == ExecStatus::Done => code,
        _ => outcome.exit.code(),
    };
    let output = [stderr, stdout].into_iter().find(|text| !text.is_empty());
    let output = output.map(|text| match String::from_utf8(text) {
        Ok(text) => text,
        Err(error) => String::from_utf8_lossy(error.as_bytes()).into_owned(),
    });
    Ending { outcome, raw, output, pid }
}

/// What counts at the end of a run: a process that ended by itself before it was touched counts
/// for itself, whatever was about to happen to it.
pub(super) fn fate_of(fate: Fate, end: ProcessEnd) -> Fate {
    match (fate, end) {
        (Fate::Expired(Expired::Killed { asked: false }), ProcessEnd::Exited(_)) => Fate::Own,
        (fate, _) => fate,
    }
}

/// Logs what an agent wrote, line by line.
fn log_output(
    level: log::Level,
    what: &str,
    key: &dyn Fn() -> String,
    pid: Option<u32>,
    text: &[u8],
) {
    if text.is_empty() || !log::log_enabled!(level) {
        return;
    }
    let (key, pid) = (key(), pid.unwrap_or(0));
    for line in String::from_utf8_lossy(text).lines() {
        log::log!(level, "{key}[{pid}] {what} [ {line} ]");
    }
}

fn log_result(result: &OperationResult, pid: Option<u32>) {
    let level = if result.action.is("monitor") { log::Level::Debug } else { log::Level::Info };
    if !log::log_enabled!(level) {
        return;
    }
    let pid = pid.map(|pid| format!(", PID {pid}")).unwrap_or_default();
    let what = match result.outcome.status {
        ExecStatus::Done => format!(") exited with status {}", result.outcome.exit.code()),
        ExecStatus::Cancelled => ") cancelled".into(),
        status => format!(") could not be executed: {}", status.text()),
    };
    let reason = result.outcome.reason.as_ref().map(|why| format!(" ({why})")).unwrap_or_default();
    let queued = if result.queue_time.is_zero() {
        String::new()
    } else {
        format!(" after being queued {}", duration_text(result.queue_time))
    };
    log::log!(
        level,
        "{} {} (call {}{pid}{what}{reason} (execution time {}{queued})",
        result.resource,
        result.action,
        result.call.0,
        duration_text(result.exec_time),
    );
}
