//! Virtual agents: what they do takes time, and what is active where is known exactly.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use fencing::agent::{Action as FenceAction, Metadata};
use fencing::executor::{AgentReport, AgentRun};
use fencing::name::AgentName;
use fencing::outcome::Outcome as FenceOutcome;
use fencing::process::Finished;
use lrm::agent::{AgentSpec, Standard};
use lrm::executor::{
    Alert, CancelError, Config, Event, ExecuteError, Executor, FenceRequest, Input, Now as LrmNow,
    Output, RunEnd, RunId, Started, Task,
};
use lrm::operation::{Action, ClientId, Interval, Request, Resource, ResourceId};
use lrm::outcome::{Outcome, ProcessEnd};
use node_daemon::executor::LocalExecutor;
use node_daemon::fencer::FenceAgents;
use node_daemon::subsystem::{NodeId, Now};

const RESOURCE_METADATA: &str = r#"<resource-agent name="Virtual" version="1.0"><version>1.1</version>
<parameters><parameter name="state"><content type="string"/></parameter></parameters>
<actions><action name="start" timeout="20s"/><action name="stop" timeout="20s"/>
<action name="monitor" timeout="20s" interval="10s"/><action name="promote" timeout="20s"/>
<action name="demote" timeout="20s"/></actions></resource-agent>"#;

const FENCE_METADATA: &str = r#"<resource-agent name="fence_virtual"><parameters>
<parameter name="plug"><content type="string"/></parameter></parameters><actions>
<action name="off"/><action name="on"/><action name="reboot"/><action name="monitor"/>
<action name="metadata"/></actions></resource-agent>"#;

/// What is active where, and what shall go wrong.
#[derive(Debug, Default)]
pub struct Reality {
    /// Resources active on a node: from the begin of a start to the end of a stop.
    pub active: BTreeMap<NodeId, BTreeSet<String>>,
    /// What was seen that must not be.
    pub violations: Vec<String>,
    /// Nodes to be powered off by a fence agent; true: and on again.
    pub power: Vec<(String, bool)>,
    /// Every power off that a fence agent did.
    pub fenced: Vec<String>,
    /// Starts begun, for the test's own assertions.
    pub starts: Vec<(Duration, NodeId, String)>,
    /// Resources whose next start or monitor fails.
    pub failing: BTreeSet<(NodeId, String)>,
    /// Fencing fails.
    pub fencing_fails: bool,
    pub random: fastrand::Rng,
}

impl Reality {
    fn begin(&mut self, at: Duration, node: NodeId, resource: &str, action: &str) {
        if action != "start" {
            return;
        }
        self.starts.push((at, node, resource.to_owned()));
        let clone = resource.contains(':') || resource.starts_with("clone");
        let elsewhere: Vec<NodeId> = self
            .active
            .iter()
            .filter(|(other, set)| **other != node && set.contains(resource))
            .map(|(other, _)| *other)
            .collect();
        if !clone && !elsewhere.is_empty() {
            self.violations.push(format!(
                "{at:?}: {resource} is started on node {node} while it is active on {elsewhere:?}"
            ));
        }
        self.active.entry(node).or_default().insert(resource.to_owned());
    }

    /// The exit code of an action that ends.
    fn end(&mut self, node: NodeId, resource: &str, action: &str) -> i32 {
        let failing = self.failing.contains(&(node, resource.to_owned()));
        let active = self.active.entry(node).or_default();
        match action {
            "start" if failing => {
                self.failing.remove(&(node, resource.to_owned()));
                active.remove(resource);
                1
            }
            "stop" => {
                active.remove(resource);
                0
            }
            "monitor" if failing && active.contains(resource) => {
                self.failing.remove(&(node, resource.to_owned()));
                active.remove(resource);
                7
            }
            "monitor" if active.contains(resource) => 0,
            "monitor" => 7,
            _ => 0,
        }
    }
}

/// One agent at work.
struct Work {
    at: Duration,
    run: RunId,
    task: Task,
}

/// The executor core with virtual agents.
pub struct VirtualExecutor {
    node: NodeId,
    core: Executor,
    reality: Arc<Mutex<Reality>>,
    work: Vec<Work>,
    events: VecDeque<Event>,
    fences: VecDeque<FenceRequest>,
}

impl VirtualExecutor {
    pub fn new(node: NodeId, reality: Arc<Mutex<Reality>>) -> VirtualExecutor {
        VirtualExecutor {
            node,
            core: Executor::new(Config::default()),
            reality,
            work: Vec::new(),
            events: VecDeque::new(),
            fences: VecDeque::new(),
        }
    }

    fn with<R>(&mut self, now: Now, call: impl FnOnce(&mut Executor, LrmNow) -> R) -> R {
        let lrm_now = LrmNow { monotonic: now.elapsed, epoch: now.epoch() };
        let result = call(&mut self.core, lrm_now);
        while let Some(output) = self.core.poll_output() {
            match output {
                Output::Event(event) => self.events.push_back(event),
                Output::Fence(request) => self.fences.push_back(request),
                Output::Start(invocation) => {
                    let mut reality = self.reality.lock().unwrap();
                    let millis = reality.random.u64(1..60);
                    if let Task::Resource { key, .. } = &invocation.task {
                        let (resource, action) = (key.resource.as_str(), key.action.as_str());
                        reality.begin(now.elapsed, self.node, resource, action);
                    }
                    drop(reality);
                    let run = invocation.run;
                    let at = now.elapsed + Duration::from_millis(millis);
                    self.work.push(Work { at, run, task: invocation.task });
                    let what = Started::Process { pid: 1 };
                    self.core.handle(lrm_now, Input::Started { run, what });
                }
                Output::Signal { .. } | Output::Abandon(_) => {}
            }
        }
        result
    }

    fn ended(&mut self, now: Now, work: Work) {
        let mut stdout = Vec::new();
        let code = match &work.task {
            Task::Resource { key, .. } => {
                let mut reality = self.reality.lock().unwrap();
                reality.end(self.node, key.resource.as_str(), key.action.as_str())
            }
            Task::Metadata { .. } => {
                stdout = RESOURCE_METADATA.into();
                0
            }
            Task::Alert(_) => 0,
        };
        let standard = Standard::Ocf;
        let end =
            RunEnd::Process { standard, end: ProcessEnd::Exited(code), stdout, stderr: Vec::new() };
        self.with(now, |core, at| core.handle(at, Input::Ended { run: work.run, end }));
    }
}

impl LocalExecutor for VirtualExecutor {
    fn register(&mut self, now: Now, resource: Resource) {
        self.with(now, |core, at| core.register(at, resource));
    }

    fn unregister(&mut self, now: Now, id: &ResourceId) {
        self.with(now, |core, at| core.unregister(at, id));
    }

    fn execute(
        &mut self,
        now: Now,
        client: ClientId,
        request: Request,
    ) -> Result<(), ExecuteError> {
        self.with(now, |core, at| core.execute(at, client, request)).map(drop)
    }

    fn cancel(
        &mut self,
        now: Now,
        resource: &ResourceId,
        action: &Action,
        interval: Interval,
    ) -> Result<(), CancelError> {
        self.with(now, |core, at| core.cancel(at, resource, action, interval)).map(drop)
    }

    fn metadata(
        &mut self,
        now: Now,
        client: ClientId,
        agent: Arc<AgentSpec>,
    ) -> Result<(), ExecuteError> {
        self.with(now, |core, at| core.metadata(at, client, agent)).map(drop)
    }

    fn alert(&mut self, now: Now, alert: Alert) -> Result<(), ExecuteError> {
        self.with(now, |core, at| core.alert(at, alert)).map(drop)
    }

    fn fence_answered(&mut self, now: Now, run: RunId, outcome: Outcome) {
        let end = RunEnd::Answered(outcome);
        self.with(now, |core, at| core.handle(at, Input::Ended { run, end }));
    }

    fn turn(&mut self, now: Now) {
        while let Some(index) = self.work.iter().position(|work| work.at <= now.elapsed) {
            let work = self.work.remove(index);
            self.ended(now, work);
        }
        self.with(now, Executor::handle_timeout);
    }

    fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    fn poll_fence(&mut self) -> Option<FenceRequest> {
        self.fences.pop_front()
    }

    fn poll_timeout(&self) -> Option<Duration> {
        let work = self.work.iter().map(|work| work.at).min();
        [work, self.core.poll_timeout()].into_iter().flatten().min()
    }

    fn running(&self) -> usize {
        self.work.len()
    }
}

/// Fence agents that turn virtual nodes off.
pub struct VirtualFence {
    reality: Arc<Mutex<Reality>>,
    work: Vec<(Duration, AgentRun)>,
    done: Vec<Finished>,
}

impl VirtualFence {
    pub fn new(reality: Arc<Mutex<Reality>>) -> VirtualFence {
        VirtualFence { reality, work: Vec::new(), done: Vec::new() }
    }
}

impl FenceAgents for VirtualFence {
    fn run(&mut self, now: Now, run: AgentRun) {
        let millis = self.reality.lock().unwrap().random.u64(5..200);
        self.work.push((now.elapsed + Duration::from_millis(millis), run));
    }

    fn read_metadata(&mut self, _: Now, agent: AgentName) {
        let answer = Metadata::parse(FENCE_METADATA).map_err(|error| error.to_string());
        self.done.push(Finished::Metadata(agent, answer));
    }

    fn turn(&mut self, now: Now) {
        while let Some(index) = self.work.iter().position(|(at, _)| *at <= now.elapsed) {
            let (_, run) = self.work.remove(index);
            let mut reality = self.reality.lock().unwrap();
            let target = run.parameters.get("nodename").unwrap_or_default().to_owned();
            let cuts = matches!(run.action, FenceAction::Off | FenceAction::Reboot);
            let outcome = if cuts && reality.fencing_fails {
                FenceOutcome::exited(1)
            } else {
                if cuts {
                    reality.power.push((target.clone(), run.action == FenceAction::Reboot));
                    reality.fenced.push(target);
                }
                FenceOutcome::ok()
            };
            let report = AgentReport { outcome, pid: Some(1), error_output: String::new() };
            self.done.push(Finished::Run(run.run, report));
        }
    }

    fn take_finished(&mut self) -> Vec<Finished> {
        std::mem::take(&mut self.done)
    }

    fn poll_timeout(&self) -> Option<Duration> {
        if !self.done.is_empty() {
            return Some(Duration::ZERO);
        }
        self.work.iter().map(|(at, _)| *at).min()
    }
}
