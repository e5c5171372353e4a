//! The command queue of each device, and the tries of an agent (spec 81 §3.4, §6.2, §6.3).

use std::time::Duration;

use log::Level;

use crate::agent::{Action, build_parameters};
use crate::clock::Seconds;
use crate::device::{ActionLimit, AgentKnowledge};
use crate::executor::job::JobId;
use crate::executor::{
    AgentReport, AgentRun, CallId, Effect, Executor, ExecutorTimer, MAX_COMMANDS, RunId, SearchId,
};
use crate::name::{DeviceId, NodeName};
use crate::outcome::{ExecutionStatus, Outcome, exit};

/// Pause between two tries of an agent.
const TRY_PAUSE: Duration = Duration::from_secs(1);

/// Number of one command; ascending numbers are the order of arrival.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CommandId(pub u64);

/// One agent execution, queued, delayed or under way.
#[derive(Debug, Clone)]
pub(super) struct Command {
    pub device: DeviceId,
    pub action: Action,
    pub target: Option<NodeName>,
    pub timeout: Seconds,
    pub purpose: Purpose,
    stage: Stage,
}

/// A command to be queued.
pub(super) struct NewCommand {
    pub device: DeviceId,
    pub action: Action,
    pub target: Option<NodeName>,
    pub timeout: Seconds,
    /// Delay of the request in seconds, negative for none at all; counts for fencing actions only.
    pub delay: Option<i32>,
    pub purpose: Purpose,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Purpose {
    Searches(Vec<SearchId>),
    Job(JobId),
    Call(CallId),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Stage {
    Delayed,
    Waiting,
    Started(Tries),
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Tries {
    since: Duration,
    limit: Seconds,
    action: Action,
    made: u32,
    run: Option<RunId>,
}

impl From<Outcome> for AgentReport {
    fn from(outcome: Outcome) -> Self {
        Self { outcome, pid: None, error_output: String::new() }
    }
}

impl Executor {
    /// Queues a command.
    pub(super) fn enqueue(&mut self, now: Duration, new: NewCommand) -> CommandId {
        let NewCommand { device, action, target, timeout, delay, purpose } = new;
        let id = CommandId(self.number());
        let full = self.commands.len() >= MAX_COMMANDS;
        let wait = match delay {
            Some(requested) if action.is_fencing() && !full => {
                self.choose_delay(&device, action, target.as_ref(), timeout, requested)
            }
            _ => Seconds::ZERO,
        };
        let stage = if wait > Seconds::ZERO { Stage::Delayed } else { Stage::Waiting };
        if stage == Stage::Delayed {
            self.timers.arm(ExecutorTimer::Delay(id), now + wait.duration());
        }
        let command = Command { device: device.clone(), action, target, timeout, purpose, stage };
        self.commands.insert(id, command);
        self.queues.entry(device).or_default().insert(id);
        if full {
            let reason = format!("More than {MAX_COMMANDS} fencing commands are waiting");
            let outcome = Outcome::failed(ExecutionStatus::Error, exit::ERROR, reason);
            self.finish(now, id, outcome.into());
        }
        id
    }

    fn choose_delay(
        &mut self,
        id: &DeviceId,
        action: Action,
        target: Option<&NodeName>,
        timeout: Seconds,
        requested: i32,
    ) -> Seconds {
        let (Ok(requested), Some(device)) = (u32::try_from(requested), self.registry.get(id))
        else {
            return Seconds::ZERO;
        };
        let effective = device.effective_action(action);
        let timeout = device.timeout(action, timeout);
        let (delay, malformed) =
            (device.options.delay(target), device.options.malformed_delays(target));
        for mapping in malformed {
            self.log(Level::Error, format!("{id}: pcmk_delay_base: Malformed mapping '{mapping}'"));
        }
        if delay.max > Seconds::ZERO && delay.max < delay.base {
            self.log(
                Level::Warn,
                format!(
                    "{id}: Base delay ({}) is larger than max delay ({})",
                    delay.base, delay.max
                ),
            );
        }
        let delay = delay.effective();
        let random = match delay.max.0 - delay.base.0 {
            0 => 0,
            spread => self.rng.u32(0..=spread),
        };
        let total = Seconds(requested).plus(delay.base).plus(Seconds(random));
        if total > Seconds::ZERO {
            let whom = target.map(|target| format!(" targeting {target}")).unwrap_or_default();
            self.log(
                Level::Info,
                format!(
                    "Delaying '{effective}' action{whom} using {id} for {total} | timeout={timeout} requested_delay={requested}s base={} max={}",
                    delay.base, delay.max
                ),
            );
        }
        total
    }

    pub(super) fn delay_over(&mut self, now: Duration, id: CommandId) {
        if let Some(command) = self.commands.get_mut(&id) {
            command.stage = Stage::Waiting;
            let device = command.device.clone();
            self.start_ready(now, &device);
        }
    }

    /// Starts waiting commands of a device in order of arrival as far as its limit allows;
    /// delayed ones do not block those behind them.
    pub(super) fn start_ready(&mut self, now: Duration, id: &DeviceId) {
        while let Some(next) = self.next_ready(id) {
            self.start(now, next);
        }
    }

    fn next_ready(&self, id: &DeviceId) -> Option<CommandId> {
        let device = self.registry.get(id)?;
        if device.knowledge == AgentKnowledge::Asked {
            return None;
        }
        let queue = self.queues.get(id)?;
        let command = |id: &CommandId| self.commands.get(id);
        let started = |id: &&CommandId| {
            command(id).is_some_and(|command| matches!(command.stage, Stage::Started(_)))
        };
        if let ActionLimit::AtMost(limit) = device.options.action_limit
            && queue.iter().filter(started).count() >= limit.get() as usize
        {
            return None;
        }
        let waiting =
            |id: &&CommandId| command(id).is_some_and(|command| command.stage == Stage::Waiting);
        queue.iter().find(waiting).copied()
    }

    fn start(&mut self, now: Duration, id: CommandId) {
        let Some(command) = self.commands.get(&id) else {
            return;
        };
        let Some(device) = self.registry.get(&command.device) else {
            return;
        };
        if device.definition.agent.is_watchdog() {
            return self.start_watchdog(now, id);
        }
        let action = device.effective_action(command.action);
        if action != command.action {
            let whom = command.target.as_ref().map(|target| format!(" targeting {target}"));
            let text = format!(
                "Remapping '{}' action{} using {} to '{action}' because agent '{}' does not support reboot",
                command.action,
                whom.unwrap_or_default(),
                command.device,
                device.definition.agent
            );
            self.log(Level::Info, text);
        }
        let Some(command) = self.commands.get_mut(&id) else {
            return;
        };
        let limit = self
            .registry
            .get(&command.device)
            .map_or(command.timeout, |device| device.timeout(command.action, command.timeout));
        command.stage = Stage::Started(Tries { since: now, limit, action, made: 0, run: None });
        self.try_agent(now, id);
    }

    /// The watchdog device: a fencing action takes this host down and is never answered; whatever
    /// else is asked of it succeeds.
    fn start_watchdog(&mut self, now: Duration, id: CommandId) {
        let action = self.commands.get(&id).map(|command| command.action);
        match action {
            Some(action) if action.is_fencing() && self.watchdog.covers(&self.local) => {
                self.log(Level::Error, "Panicking this host: asked to fence itself by watchdog");
                self.effects.push_back(Effect::SelfFence { action });
                self.discard(id);
            }
            Some(action) if action.is_fencing() => {
                let outcome = Outcome::no_fence_device("Watchdog fence device not configured");
                self.finish(now, id, outcome.into());
            }
            _ => self.finish(now, id, Outcome::ok().into()),
        }
    }

    /// Makes one try, with what is left of the time.
    pub(super) fn try_agent(&mut self, now: Duration, id: CommandId) {
        let run = RunId(self.number());
        let Some(command) = self.commands.get_mut(&id) else {
            return;
        };
        let Some(device) = self.registry.get(&command.device) else {
            let outcome =
                Outcome::no_fence_device("Device was removed before action could be executed");
            return self.finish(now, id, outcome.into());
        };
        let Stage::Started(tries) = &mut command.stage else {
            return;
        };
        tries.made += 1;
        tries.run = Some(run);
        let elapsed = u32::try_from((now - tries.since).as_secs()).unwrap_or(u32::MAX);
        let timeout = Seconds(tries.limit.0.saturating_sub(elapsed));
        let (made, action) = (tries.made, tries.action);
        let agent = device.definition.agent.clone();
        let parameters = build_parameters(
            &device.definition.parameters,
            &device.options,
            device.default_host_argument(),
            action,
            command.target.as_ref(),
        );
        let device = command.device.clone();
        if made > 1 {
            self.log(Level::Info, format!("Attempt {made} to execute '{action}' action of agent {agent} ({timeout} timeout remaining)"));
        }
        self.runs.insert(run, id);
        self.effects.push_back(Effect::Run(AgentRun {
            run,
            agent,
            device,
            action,
            parameters,
            timeout,
        }));
    }

    /// Takes the result of an agent run. Results of runs that are not known are ignored.
    pub fn agent_ended(&mut self, now: Duration, run: RunId, report: AgentReport) {
        let Some(id) = self.runs.remove(&run) else {
            return;
        };
        let Some(command) = self.commands.get_mut(&id) else {
            return;
        };
        let Stage::Started(tries) = &mut command.stage else {
            return;
        };
        tries.run = None;
        let outcome = &report.outcome;
        let answered = outcome.is_ok()
            || (tries.action == Action::Status
                && outcome.status == ExecutionStatus::Done
                && outcome.exit == 2);
        let elapsed = (now - tries.since).as_secs();
        let in_time = elapsed * 10 < u64::from(tries.limit.0) * 7;
        let device = self.registry.get(&command.device);
        let most = device.map_or(1, |device| device.options.tries(tries.action));
        let (made, action) = (tries.made, tries.action);
        if !answered && outcome.status != ExecutionStatus::Timeout && in_time && made < most {
            self.timers.arm(ExecutorTimer::Retry(id), now + TRY_PAUSE);
            return;
        }
        if !answered && made >= most {
            let agent = device.map(|device| device.definition.agent.to_string());
            let agent = agent.unwrap_or_else(|| "of a removed device".into());
            self.log(Level::Info, format!("Attempted to execute agent {agent} ({action}) the maximum number of times ({most}) allowed"));
        }
        self.finish(now, id, report);
    }

    /// Ends a command: tells who asked for it, and lets the next one start.
    pub(super) fn finish(&mut self, now: Duration, id: CommandId, report: AgentReport) {
        let Some(command) = self.discard(id) else {
            return;
        };
        let learns = !command.action.is_fencing() && command.action != Action::On;
        if let (true, true, Some(device)) =
            (learns, report.outcome.is_ok(), self.registry.get_mut(&command.device))
        {
            device.verified = true;
        }
        let device = command.device.clone();
        match command.purpose.clone() {
            Purpose::Searches(searches) => {
                self.searches_answered(now, &device, command.action, &searches, &report.outcome);
            }
            Purpose::Job(job) => self.job_progress(now, job, &command, report),
            Purpose::Call(call) => {
                self.log_result(&command, &report, String::new());
                self.effects.push_back(Effect::CallDone { call, report });
            }
        }
        self.start_ready(now, &device);
    }

    /// Takes a command off its queue without an answer.
    pub(super) fn discard(&mut self, id: CommandId) -> Option<Command> {
        let command = self.commands.remove(&id)?;
        self.timers.cancel(&ExecutorTimer::Delay(id));
        self.timers.cancel(&ExecutorTimer::Retry(id));
        if let Some(queue) = self.queues.get_mut(&command.device) {
            queue.remove(&id);
            if queue.is_empty() {
                self.queues.remove(&command.device);
            }
        }
        Some(command)
    }

    /// Commands of a device that wait or are delayed.
    pub(super) fn not_started(&self, device: &DeviceId) -> Vec<CommandId> {
        let queue = self.queues.get(device).into_iter().flatten();
        let idle = |id: &&CommandId| {
            self.commands.get(id).is_some_and(|command| !matches!(command.stage, Stage::Started(_)))
        };
        queue.filter(idle).copied().collect()
    }

    pub(super) fn command(&self, id: CommandId) -> Option<&Command> {
        self.commands.get(&id)
    }

    pub(super) fn command_mut(&mut self, id: CommandId) -> Option<&mut Command> {
        self.commands.get_mut(&id)
    }

    /// Commands of a device in order of arrival.
    pub(super) fn queued(&self, device: &DeviceId) -> Vec<CommandId> {
        self.queues.get(device).into_iter().flatten().copied().collect()
    }

    /// A command of a client on a device: list, monitor or status.
    pub(crate) fn call(
        &mut self,
        now: Duration,
        call: CallId,
        device: &DeviceId,
        action: Action,
        target: Option<NodeName>,
        timeout: Seconds,
    ) {
        let purpose = Purpose::Call(call);
        let device_id = device.clone();
        let new = NewCommand { device: device_id, action, target, timeout, delay: None, purpose };
        self.enqueue(now, new);
        self.start_ready(now, device);
    }

    /// The log line about the end of a command (spec 81 §6.4).
    pub(super) fn log_result(&mut self, command: &Command, report: &AgentReport, tail: String) {
        let outcome = &report.outcome;
        let pid = report.pid.map(|pid| format!(" [{pid}]")).unwrap_or_default();
        let whom = command
            .target
            .as_ref()
            .map(|target| format!(" targeting {target}"))
            .unwrap_or_default();
        let end = match outcome.status {
            ExecutionStatus::Done => format!("returned {}", outcome.exit),
            status => format!("could not be executed: {status}"),
        };
        let reason = outcome.reason.as_deref().map(|reason| format!(" ({reason})"));
        let level = match (outcome.is_ok(), command.target.is_some()) {
            (true, true) | (false, false) => Level::Info,
            (true, false) => Level::Debug,
            (false, true) => Level::Error,
        };
        self.log(
            level,
            format!(
                "Operation '{}'{pid}{whom} using {} {end}{}{tail}",
                command.action,
                command.device,
                reason.unwrap_or_default()
            ),
        );
        for line in report.error_output.lines().filter(|line| !line.trim().is_empty()).take(50) {
            let text = format!("{}{pid} stderr: [ {line} ]", command.device);
            self.log(Level::Warn, text);
        }
    }
}
