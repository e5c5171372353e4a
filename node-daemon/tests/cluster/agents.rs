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

/// What becomes of an order to a fence device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum FenceMode {
    /// The node loses its power.
    #[default]
    Works,
    /// The agent fails.
    Fails,
    /// The agent says that it worked, and nothing happens.
    Lies,
}

/// An action that an agent began.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deed {
    pub at: Duration,
    pub node: NodeId,
    pub resource: String,
    pub action: String,
    pub interval: u32,
}

/// What is active where, and what shall go wrong.
#[derive(Debug, Default)]
pub struct Reality {
    /// Resources active on a node: from the begin of a start to the end of a stop.
    pub active: BTreeMap<NodeId, BTreeSet<String>>,
    /// Resources promoted on a node: from the begin of a promotion to the end of a demotion.
    pub promoted: BTreeMap<NodeId, BTreeSet<String>>,
    /// What was active on a node that lost its power and was neither fenced nor switched on since.
    pub lost: BTreeMap<NodeId, BTreeSet<String>>,
    /// What was seen that must not be.
    pub violations: Vec<String>,
    /// Nodes to be powered off by a fence agent; true: and on again.
    pub power: Vec<(String, bool)>,
    /// Every power off that a fence agent did.
    pub fenced: Vec<String>,
    /// Every order that a fence agent got: when, on which node, for whom.
    pub orders: Vec<(Duration, NodeId, String)>,
    /// Everything that resource agents began.
    pub deeds: Vec<Deed>,
    /// Resources whose next start or monitor fails.
    pub failing: BTreeSet<(NodeId, String)>,
    /// Actions that fail with this code, until they are mended.
    pub broken: BTreeMap<(NodeId, String, String), i32>,
    /// Actions that take so long.
    pub slow: BTreeMap<(String, String), Duration>,
    /// What fence devices do.
    pub fencing: FenceMode,
    /// Nodes without quorum, and since when.
    pub without_quorum: BTreeMap<NodeId, Duration>,
    /// Without quorum nothing may be started.
    pub quorum_matters: bool,
    /// Attributes that agents set on their nodes; nothing: deleted.
    pub said: Vec<(NodeId, String, Option<String>)>,
    /// Transition keys by which something was executed.
    pub keys: BTreeSet<(NodeId, String, String)>,
    pub random: fastrand::Rng,
}

/// How long after the loss of quorum something may still be started that was on its way.
const ON_ITS_WAY: Duration = Duration::from_secs(2);

/// Whether a resource may be active on several nodes.
fn is_clone(resource: &str) -> bool {
    resource.contains(':') || resource.starts_with("clone") || resource == "s"
}

/// Whether its agent promotes, and has an opinion where.
fn is_promotable(resource: &str) -> bool {
    resource == "s"
}

impl Reality {
    fn begin(&mut self, at: Duration, node: NodeId, resource: &str, action: &str, interval: u32) {
        self.deeds.push(Deed {
            at,
            node,
            resource: resource.to_owned(),
            action: action.to_owned(),
            interval,
        });
        if !matches!(action, "start" | "promote") {
            return;
        }
        let late = self.without_quorum.get(&node).is_some_and(|since| at > *since + ON_ITS_WAY);
        if late && self.quorum_matters {
            let text = format!("{at:?}: {action} of {resource} on node {node} without quorum");
            self.violations.push(text);
        }
        let (table, single) = match action {
            "start" => (&mut self.active, !is_clone(resource)),
            _ => (&mut self.promoted, true),
        };
        let has = |table: &BTreeMap<NodeId, BTreeSet<String>>| -> Vec<NodeId> {
            let there = table.iter().filter(|(at, set)| **at != node && set.contains(resource));
            there.map(|(at, _)| *at).collect()
        };
        let elsewhere = has(table);
        table.entry(node).or_default().insert(resource.to_owned());
        let lost = if action == "start" { has(&self.lost) } else { Vec::new() };
        if single && !elsewhere.is_empty() {
            self.violations.push(format!(
                "{at:?}: {action} of {resource} on node {node} while it is active on {elsewhere:?}"
            ));
        }
        if single && !lost.is_empty() {
            self.violations.push(format!(
                "{at:?}: {action} of {resource} on node {node}; {lost:?} had it and was not fenced"
            ));
        }
    }

    /// The exit code of an action that ends.
    fn end(&mut self, node: NodeId, resource: &str, action: &str) -> i32 {
        let code = self.effect(node, resource, action);
        if is_promotable(resource)
            && matches!(action, "start" | "stop" | "promote" | "demote" | "monitor")
        {
            let active = self.active.get(&node).is_some_and(|set| set.contains(resource));
            let promoted = self.promoted.get(&node).is_some_and(|set| set.contains(resource));
            let score = if promoted { "10" } else { "5" };
            let value = active.then(|| score.to_owned());
            self.said.push((node, format!("master-{resource}"), value));
        }
        code
    }

    fn effect(&mut self, node: NodeId, resource: &str, action: &str) -> i32 {
        let broken = (node, resource.to_owned(), action.to_owned());
        if let Some(code) = self.broken.get(&broken) {
            // What became of it nobody knows: it may be half active.
            return *code;
        }
        let failing = self.failing.contains(&(node, resource.to_owned()));
        let active = self.active.entry(node).or_default();
        let promoted = self.promoted.entry(node).or_default();
        match action {
            "start" if failing => {
                self.failing.remove(&(node, resource.to_owned()));
                active.remove(resource);
                1
            }
            "stop" => {
                active.remove(resource);
                promoted.remove(resource);
                0
            }
            "demote" => {
                promoted.remove(resource);
                0
            }
            "monitor" if failing && active.contains(resource) => {
                self.failing.remove(&(node, resource.to_owned()));
                active.remove(resource);
                promoted.remove(resource);
                7
            }
            "monitor" if promoted.contains(resource) => 8,
            "monitor" if active.contains(resource) => 0,
            "monitor" => 7,
            "start" | "promote" | "notify" => 0,
            _ => 3,
        }
    }

    /// A node has lost its power; what ran on it does so no more, and nobody knows.
    pub fn power_lost(&mut self, node: NodeId) {
        self.promoted.remove(&node);
        let active = self.active.remove(&node).unwrap_or_default();
        self.lost.entry(node).or_default().extend(active);
    }

    /// What a node's services were is known: nothing.
    pub fn is_clean(&mut self, node: NodeId) {
        self.lost.remove(&node);
    }

    /// Where a resource is active.
    pub fn places(&self, resource: &str) -> Vec<NodeId> {
        let there = self.active.iter().filter(|(_, set)| set.contains(resource));
        there.map(|(node, _)| *node).collect()
    }

    /// A service dies by itself.
    pub fn dies(&mut self, node: NodeId, resource: &str) {
        for table in [&mut self.active, &mut self.promoted] {
            if let Some(set) = table.get_mut(&node) {
                set.remove(resource);
            }
        }
    }
}

/// One agent at work.
struct Work {
    at: Duration,
    run: RunId,
    task: Task,
    killed: bool,
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

    /// The executor is gone; the agents it started end nevertheless.
    pub fn orphan(&mut self) {
        let mut reality = self.reality.lock().unwrap();
        for work in self.work.drain(..) {
            if let Task::Resource { key, .. } = &work.task {
                reality.end(self.node, key.resource.as_str(), key.action.as_str());
            }
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
                    let mut takes = Duration::from_millis(millis);
                    if let Task::Resource { key, .. } = &invocation.task {
                        let (resource, action) = (key.resource.as_str(), key.action.as_str());
                        let interval = key.interval.as_millis();
                        reality.begin(now.elapsed, self.node, resource, action, interval);
                        let slow = (resource.to_owned(), action.to_owned());
                        takes = reality.slow.get(&slow).copied().unwrap_or(takes);
                    }
                    drop(reality);
                    let run = invocation.run;
                    let at = now.elapsed + takes;
                    self.work.push(Work { at, run, task: invocation.task, killed: false });
                    let what = Started::Process { pid: 1 };
                    self.core.handle(lrm_now, Input::Started { run, what });
                }
                Output::Signal { run, .. } => {
                    for work in self.work.iter_mut().filter(|work| work.run == run) {
                        (work.at, work.killed) = (now.elapsed, true);
                    }
                }
                Output::Abandon(_) => {}
            }
        }
        result
    }

    fn ended(&mut self, now: Now, work: Work) {
        let mut stdout = Vec::new();
        let code = match &work.task {
            // Killed, it has done nothing.
            Task::Resource { .. } if work.killed => 0,
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
        let end = if work.killed { ProcessEnd::Signaled(9) } else { ProcessEnd::Exited(code) };
        let end = RunEnd::Process { standard, end, stdout, stderr: Vec::new() };
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
        let key = (self.node, request.resource.as_str().to_owned(), request.user_data.to_string());
        let mut reality = self.reality.lock().unwrap();
        if !reality.keys.insert(key) {
            let text = format!("{:?}: {request:?} is executed twice", now.elapsed);
            reality.violations.push(text);
        }
        drop(reality);
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

    fn fencer_lost(&mut self, now: Now) {
        self.with(now, |core, at| core.handle(at, Input::FencerLost));
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
    node: NodeId,
    reality: Arc<Mutex<Reality>>,
    work: Vec<(Duration, AgentRun)>,
    done: Vec<Finished>,
}

impl VirtualFence {
    pub fn new(node: NodeId, reality: Arc<Mutex<Reality>>) -> VirtualFence {
        VirtualFence { node, reality, work: Vec::new(), done: Vec::new() }
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
            if cuts {
                reality.orders.push((now.elapsed, self.node, target.clone()));
            }
            let outcome = if cuts && reality.fencing == FenceMode::Fails {
                FenceOutcome::exited(1)
            } else {
                if cuts && reality.fencing == FenceMode::Works {
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
