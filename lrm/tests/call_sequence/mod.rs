//! Plays any bytes as a sequence of calls to the executor core and checks what must always hold:
//!
//! - one run of a registration at a time, and no run started twice;
//! - every accepted single operation has exactly one result, once the world has answered;
//! - no timer is left in the past, and time alone always comes to rest;
//! - what is registered, runs and repeats is what a plain model of the calls says.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use lrm::agent::Standard;
use lrm::executor::{
    Config, EventKind, Executor, Input, Now, Output, RunEnd, RunId, Started, Task, Termination,
};
use lrm::operation::{
    Action, CallId, ClientId, Interval, Parameters, Request, Resource, ResourceId,
};
use lrm::outcome::{ExecStatus, OcfExit, Outcome, ProcessEnd};

const AGENTS: [&str; 4] = ["ocf:p:T", "lsb:x", "systemd:u", "stonith:fence_x"];
const ACTIONS: [&str; 5] = ["start", "stop", "monitor", "promote", "status"];

/// The bytes that decide.
struct Choices<'a>(&'a [u8]);

impl Choices<'_> {
    fn next(&mut self) -> Option<usize> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(usize::from(*first))
    }

    fn below(&mut self, bound: usize) -> usize {
        self.next().unwrap_or(0) % bound
    }
}

struct World {
    core: Executor,
    now: Duration,
    /// Runs under way, by what they keep busy: a resource and its registration's number.
    running: BTreeMap<RunId, (String, u32)>,
    /// How often each id was registered anew.
    generation: BTreeMap<String, u32>,
    agents: BTreeMap<String, String>,
    /// Single operations without a result.
    owed: BTreeSet<CallId>,
    started: BTreeSet<RunId>,
}

/// Plays the bytes.
pub fn play(bytes: &[u8]) {
    let mut choices = Choices(bytes);
    let termination = match choices.below(2) {
        0 => Termination::Immediate,
        _ => Termination::Graceful { grace: Duration::from_millis(300) },
    };
    let config = Config { termination, max_queue: 8, ..Config::default() };
    let mut world = World {
        core: Executor::new(config),
        now: Duration::ZERO,
        running: BTreeMap::new(),
        generation: BTreeMap::new(),
        agents: BTreeMap::new(),
        owed: BTreeSet::new(),
        started: BTreeSet::new(),
    };
    while let Some(choice) = choices.next() {
        world.step(choice, &mut choices);
        world.drain();
    }
    world.settle();
}

impl World {
    fn now(&self) -> Now {
        Now { monotonic: self.now, epoch: 1_000 + self.now.as_secs() as i64 }
    }

    fn step(&mut self, choice: usize, choices: &mut Choices<'_>) {
        let now = self.now();
        let name = format!("r{}", choices.below(3));
        let id = ResourceId::new(&name).unwrap();
        let action = Action::new(ACTIONS[choices.below(ACTIONS.len())]).unwrap();
        let interval = Interval::from_millis([0, 0, 100, 250][choices.below(4)]);
        match choice % 10 {
            0 => self.register(&name, AGENTS[choices.below(AGENTS.len())]),
            1 => {
                self.core.unregister(now, &id);
                self.agents.remove(&name);
            }
            2..=4 => {
                let mut request = Request::once(id, action, Duration::from_millis(500));
                request.interval = interval;
                request.start_delay = Duration::from_millis([0, 0, 0, 700][choices.below(4)]);
                request.changes_only = choices.below(2) == 1;
                request.parameters = Arc::new(Parameters::new());
                let accepted = self.core.execute(now, ClientId(choices.below(2) as u64), request);
                if let Ok(call) = accepted
                    && !interval.recurs()
                {
                    self.owed.insert(call);
                }
            }
            5 => {
                let _ = self.core.cancel(now, &id, &action, interval);
            }
            6 => self.core.client_gone(now, ClientId(choices.below(2) as u64)),
            7 => {
                if choices.below(8) == 0 {
                    self.core.handle(now, Input::FencerLost);
                }
            }
            8 => {
                let run = self.running.keys().nth(choices.below(4)).copied();
                if let Some(run) = run {
                    self.end(run, choices);
                }
            }
            _ => self.pass(Duration::from_millis(50 * choices.below(20) as u64)),
        }
    }

    fn register(&mut self, name: &str, agent: &str) {
        let agent_spec = Arc::new(agent.parse().unwrap());
        let id = ResourceId::new(name).unwrap();
        let resource = Resource { id, agent: agent_spec, drop_recurring: agent.starts_with("ocf") };
        if self.agents.insert(name.into(), agent.into()).as_deref() != Some(agent) {
            *self.generation.entry(name.into()).or_default() += 1;
        }
        self.core.register(self.now(), resource);
    }

    /// The world answers a run in some way, possibly more than once.
    fn end(&mut self, run: RunId, choices: &mut Choices<'_>) {
        let process = |end| RunEnd::Process {
            standard: Standard::Ocf,
            end,
            stdout: Vec::new(),
            stderr: Vec::new(),
        };
        let pending = Outcome { exit: OcfExit::Unknown, status: ExecStatus::Pending, reason: None };
        let end = match choices.below(6) {
            0 => process(ProcessEnd::Exited(0)),
            1 => process(ProcessEnd::Exited(7)),
            2 => process(ProcessEnd::Signaled(9)),
            3 => RunEnd::Answered(Outcome::OK),
            4 => RunEnd::Answered(pending),
            _ => {
                let what = Started::Service;
                return self.core.handle(self.now(), Input::Started { run, what });
            }
        };
        self.running.remove(&run);
        self.core.handle(self.now(), Input::Ended { run, end });
        // Said again, it is ignored.
        self.drain();
        let end = RunEnd::Answered(Outcome::OK);
        self.core.handle(self.now(), Input::Ended { run, end });
    }

    fn pass(&mut self, length: Duration) {
        let end = self.now + length;
        let mut calls = 0;
        while let Some(at) = self.core.poll_timeout().filter(|at| *at <= end) {
            assert!(at >= self.now, "a timer was left in the past");
            self.now = at;
            self.core.handle_timeout(self.now());
            self.drain();
            calls += 1;
            assert!(calls < 10_000, "timers come without end");
        }
        self.now = end;
        // A spurious call does nothing.
        self.core.handle_timeout(self.now());
        assert!(self.core.poll_output().is_none(), "a spurious call had an effect");
    }

    fn drain(&mut self) {
        while let Some(output) = self.core.poll_output() {
            match output {
                Output::Start(invocation) => {
                    let Task::Resource { key, .. } = &invocation.task else { continue };
                    self.begin(invocation.run, key.resource.as_str());
                }
                Output::Fence(request) => self.begin(request.run, request.device.as_str()),
                Output::Signal { run, .. } => {
                    assert!(self.running.contains_key(&run), "a signal to what does not run");
                }
                Output::Abandon(run) => {
                    self.running.remove(&run);
                }
                Output::Event(event) => {
                    if let EventKind::Completed(result) = event.kind
                        && !result.interval.recurs()
                    {
                        assert!(self.owed.remove(&result.call), "a second result: {result:?}");
                    }
                }
            }
        }
    }

    fn begin(&mut self, run: RunId, resource: &str) {
        assert!(self.started.insert(run), "run {} was started twice", run.number());
        let generation = self.generation.get(resource).copied().unwrap_or(0);
        let busy = (resource.to_string(), generation);
        let other = self.running.iter().find(|(_, other)| **other == busy);
        assert!(other.is_none(), "two runs of {resource} at once");
        self.running.insert(run, busy);
    }

    /// The world answers everything; then every single operation has had its result.
    fn settle(&mut self) {
        for _ in 0..200 {
            let names: Vec<String> = self.agents.keys().cloned().collect();
            for name in names {
                let id = ResourceId::new(&name).unwrap();
                for recurring in self.core.recurring(&id).unwrap_or_default() {
                    let (action, interval) = (&recurring.action, recurring.interval);
                    let _ = self.core.cancel(self.now(), &id, action, interval);
                }
            }
            self.drain();
            let Some(run) = self.running.keys().next().copied() else {
                if self.owed.is_empty() {
                    break;
                }
                self.pass(Duration::from_secs(1));
                continue;
            };
            self.running.remove(&run);
            let end = RunEnd::Process {
                standard: Standard::Ocf,
                end: ProcessEnd::Exited(0),
                stdout: Vec::new(),
                stderr: Vec::new(),
            };
            self.core.handle(self.now(), Input::Ended { run, end });
            self.drain();
        }
        assert!(self.owed.is_empty(), "without a result: {:?}", self.owed);
    }
}
