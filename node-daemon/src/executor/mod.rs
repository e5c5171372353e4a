//! The executor: crate lrm behind a subsystem's face. It registers resources, runs operations on them and
//! tells their results in the form in which the CIB's history records them.

mod local;

pub use local::{LocalExecutor, RealExecutor};

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use cib_model::scalar::parse_interval_ms;
use lrm::agent::AgentSpec;
use lrm::executor::{Alert, Event, EventKind, FenceAction, OperationResult, RunId};
use lrm::history::{self, HistoryContext, HistoryEntry};
use lrm::metadata::{AgentMetadata, Reload};
use lrm::operation::{
    Action, ClientId, Interval, Parameters, Request, RequestError, Resource, ResourceId,
};
use lrm::outcome::{ExecStatus, OcfExit, Outcome};

use crate::subsystem::{
    Address, AgentName, AlertRun, Body, DeviceQuestion, Ending, Envelope, ExecutorEvent,
    ExecutorRequest, FenceAnswer, FenceRequest, FencerEvent, FencingTask, Now, Operation,
    OperationEnd, Outputs, Room, Subsystem,
};

/// The only client: the controller.
const CONTROLLER: ClientId = ClientId(1);

/// What is known of an agent's metadata.
#[derive(Debug)]
enum Metadata {
    /// Asked for; operations wait for the answer.
    Asked(VecDeque<Operation>),
    /// Read.
    Known(Arc<AgentMetadata>),
    /// Read, and asked for again; only starts wait for the answer.
    Refreshed(Arc<AgentMetadata>, VecDeque<Operation>),
    /// There is none that can be used.
    None,
}

/// See the [module](self).
pub struct ExecutorRoom<E> {
    name: String,
    local: E,
    metadata: BTreeMap<AgentSpec, Metadata>,
    /// Ends that a controller begun anew must know.
    memory: Vec<OperationEnd>,
    fences: BTreeMap<u64, RunId>,
    next_fence: u64,
    stopping: bool,
}

impl<E: LocalExecutor> ExecutorRoom<E> {
    /// The executor of the node of this name.
    pub fn new(name: &str, local: E) -> ExecutorRoom<E> {
        ExecutorRoom {
            name: name.to_owned(),
            local,
            metadata: BTreeMap::new(),
            memory: Vec::new(),
            fences: BTreeMap::new(),
            next_fence: 1,
            stopping: false,
        }
    }

    /// What runs the agents.
    pub fn local_mut(&mut self) -> &mut E {
        &mut self.local
    }

    /// What runs the agents.
    pub fn local(&self) -> &E {
        &self.local
    }

    fn request(&mut self, now: Now, request: ExecutorRequest, out: &mut Outputs) {
        match request {
            ExecutorRequest::Execute(operation) => self.execute(now, operation, out),
            ExecutorRequest::Cancel { resource, action, interval_ms } => {
                let cancelled =
                    ResourceId::new(&resource).and_then(|id| Ok((id, Action::new(&action)?)));
                let interval = Interval::from_millis(interval_ms);
                let done = cancelled.is_ok_and(|(id, action)| {
                    self.local.cancel(now, &id, &action, interval).is_ok()
                });
                if !done {
                    out.here(
                        Room::Controller,
                        ExecutorEvent::NotCancelled { resource, action, interval_ms },
                    );
                }
            }
            ExecutorRequest::Unregister { resource } => {
                self.memory.retain(|end| end.resource != resource);
                if let Ok(id) = ResourceId::new(&resource) {
                    self.local.unregister(now, &id);
                }
                out.here(Room::Controller, ExecutorEvent::Unregistered { resource });
            }
            ExecutorRequest::Alert(run) => self.alert(now, run),
            ExecutorRequest::Recall => {
                out.here(Room::Controller, ExecutorEvent::Recalled(self.memory.clone()));
            }
        }
    }

    /// Runs an operation, once the agent's metadata is at hand if the record needs it.
    fn execute(&mut self, now: Now, operation: Operation, out: &mut Outputs) {
        let agent = &operation.agent;
        let spec = match AgentSpec::new(&agent.class, agent.provider.as_deref(), &agent.kind) {
            Ok(spec) => spec,
            Err(error) => {
                let text = error.to_string();
                return refuse(&operation, OcfExit::NotConfigured, ExecStatus::Error, text, out);
            }
        };
        if history::needs_metadata(spec.standard(), &operation.action) {
            let starts = operation.action == "start";
            match self.metadata.get_mut(&spec) {
                Some(Metadata::Asked(waiting)) => return waiting.push_back(operation),
                Some(Metadata::Refreshed(_, waiting)) if starts => {
                    return waiting.push_back(operation);
                }
                Some(Metadata::Known(known)) if starts => {
                    // The agent may be another one by now (spec 80 §10.4).
                    let known = known.clone();
                    if self.local.metadata(now, CONTROLLER, Arc::new(spec.clone())).is_ok() {
                        let waiting = VecDeque::from([operation]);
                        self.metadata.insert(spec, Metadata::Refreshed(known, waiting));
                        return;
                    }
                }
                Some(_) => {}
                None => match self.local.metadata(now, CONTROLLER, Arc::new(spec.clone())) {
                    Ok(()) => {
                        self.metadata.insert(spec, Metadata::Asked(VecDeque::from([operation])));
                        return;
                    }
                    Err(error) => log::warn!("executor: metadata of {spec}: {error}"),
                },
            }
        }
        self.run(now, spec, operation, out);
    }

    fn run(&mut self, now: Now, spec: AgentSpec, mut operation: Operation, out: &mut Outputs) {
        let spec = Arc::new(spec);
        if matches!(&*operation.action, "reload" | "reload-agent") {
            // What a transition calls by either name agents do by the one that they know.
            let legacy = known(&self.metadata, &spec).map(AgentMetadata::reload);
            let name = if legacy == Some(Reload::Legacy) { "reload" } else { "reload-agent" };
            name.clone_into(&mut operation.action);
        }
        let request = match lrm_request(&operation) {
            Ok(request) => request,
            Err(error) => {
                let text = error.to_string();
                return refuse(&operation, OcfExit::NotConfigured, ExecStatus::Error, text, out);
            }
        };
        let resource =
            Resource { id: request.resource.clone(), agent: spec.clone(), drop_recurring: false };
        self.local.register(now, resource);
        let metadata = known(&self.metadata, &spec);
        let entry = history::pending_entry(&request, now.epoch(), &context(&self.name, metadata));
        out.here(
            Room::Controller,
            ExecutorEvent::Accepted {
                resource: operation.resource.clone(),
                agent: operation.agent.clone(),
                entry: entry.as_ref().map(attributes),
            },
        );
        if let Err(error) = self.local.execute(now, CONTROLLER, request) {
            let text = error.to_string();
            refuse(&operation, OcfExit::Error, ExecStatus::NotConnected, text, out);
        }
    }

    fn alert(&mut self, now: Now, run: AlertRun) {
        if self.stopping {
            return;
        }
        let environment =
            run.environment.into_iter().map(|(name, value)| (name, Some(value))).collect();
        let timeout = Duration::from_millis(run.timeout_ms);
        let alert = Alert { id: run.id, path: run.path.into(), environment, timeout };
        if let Err(error) = self.local.alert(now, alert) {
            log::warn!("executor: {error}");
        }
    }

    fn event(&mut self, now: Now, event: Event, out: &mut Outputs) {
        match event.kind {
            EventKind::Completed(result) => self.completed(&result, out),
            EventKind::Metadata { agent, result, .. } => self.learn(now, &agent, result, out),
            EventKind::Alerted { alert, outcome } if !outcome.is_ok() => {
                log::warn!("executor: alert {}: {}", alert.id, outcome.exit.text());
            }
            EventKind::Alerted { .. }
            | EventKind::Registered { .. }
            | EventKind::Unregistered { .. } => {}
        }
    }

    fn learn(
        &mut self,
        now: Now,
        agent: &AgentSpec,
        result: Result<String, String>,
        out: &mut Outputs,
    ) {
        let parsed =
            result.and_then(|xml| AgentMetadata::from_xml(&xml).map_err(|e| e.to_string()));
        let metadata = match parsed {
            Ok(metadata) => Metadata::Known(Arc::new(metadata)),
            Err(error) => {
                log::info!("executor: no metadata of {agent}: {error}");
                Metadata::None
            }
        };
        let before = self.metadata.insert(agent.clone(), metadata);
        if let Some(Metadata::Asked(waiting) | Metadata::Refreshed(_, waiting)) = before {
            for operation in waiting {
                self.run(now, agent.clone(), operation, out);
            }
        }
        if matches!(self.metadata.get(agent), Some(Metadata::None)) {
            self.metadata.remove(agent); // it may be installed by the next time
        }
    }

    fn completed(&mut self, result: &OperationResult, out: &mut Outputs) {
        let metadata = known(&self.metadata, &result.agent);
        let entries = history::entries(result, &context(&self.name, metadata));
        let outcome = history::for_controller(result.outcome.clone());
        let end = OperationEnd {
            resource: result.resource.as_str().to_owned(),
            agent: AgentName {
                class: result.agent.standard().to_string(),
                provider: result.agent.provider().map(str::to_owned),
                kind: result.agent.kind().to_owned(),
            },
            action: result.action.as_str().to_owned(),
            interval_ms: result.interval.as_millis(),
            key: result.user_data.to_string(),
            call: result.call.0,
            exit: outcome.exit.code(),
            status: outcome.status.code(),
            reason: outcome.reason,
            deleted: result.deleted,
            exec_ms: u64::try_from(result.exec_time.as_millis()).unwrap_or(u64::MAX),
            timeout_ms: u64::try_from(result.timeout.as_millis()).unwrap_or(u64::MAX),
            entries: entries.iter().map(attributes).collect(),
        };
        self.memorise(&end);
        out.here(Room::Controller, ExecutorEvent::Ended(Box::new(end)));
    }

    /// Keeps an end in place of those it makes obsolete.
    fn memorise(&mut self, end: &OperationEnd) {
        if !history::is_recordable(&end.action) || end.deleted {
            return;
        }
        let failed = |end: &OperationEnd| {
            let id = end.entries.first().and_then(|entry| entry.first());
            id.is_some_and(|(_, id)| id.ends_with("_last_failure_0"))
        };
        let cancelled = end.status == ExecStatus::Cancelled.code();
        let once = end.interval_ms == 0;
        let changes = once && end.action != "monitor" && !cancelled;
        self.memory.retain(|old| {
            let same = old.action == end.action && old.interval_ms == end.interval_ms;
            old.resource != end.resource
                || (failed(old) && !failed(end))
                || match (once, old.interval_ms == 0) {
                    (true, true) => false,
                    (true, false) => !changes,
                    (false, _) => !same,
                }
        });
        if !cancelled {
            self.memory.push(end.clone());
        }
    }

    fn fence(&mut self, request: lrm::executor::FenceRequest, out: &mut Outputs) {
        let token = self.next_fence;
        self.next_fence += 1;
        let device = request.device.as_str().to_owned();
        let seconds = |time: Duration| u32::try_from(time.as_secs().max(1)).unwrap_or(u32::MAX);
        let task = match request.action {
            FenceAction::Start { agent, parameters, timeout } => FencingTask::StartDevice {
                device,
                agent: agent.kind().to_owned(),
                parameters: parameters.iter().map(|(n, v)| (n.to_owned(), v.to_owned())).collect(),
                timeout_s: seconds(timeout),
            },
            FenceAction::Stop => FencingTask::StopDevice { device },
            FenceAction::Monitor { timeout } => FencingTask::AskDevice {
                device,
                question: DeviceQuestion::Monitor,
                timeout_s: seconds(timeout),
            },
        };
        self.fences.insert(token, request.run);
        out.here(Room::Fencer, FenceRequest { token, client: "executor".to_owned(), task });
    }

    /// Takes what the local executor has to tell.
    fn drain(&mut self, now: Now, out: &mut Outputs) {
        loop {
            if let Some(event) = self.local.poll_event() {
                self.event(now, event, out);
            } else if let Some(request) = self.local.poll_fence() {
                self.fence(request, out);
            } else {
                break;
            }
        }
        if self.stopping && self.local.running() == 0 {
            out.end(Ending::Done);
        }
    }
}

fn known<'m>(
    table: &'m BTreeMap<AgentSpec, Metadata>,
    agent: &AgentSpec,
) -> Option<&'m AgentMetadata> {
    match table.get(agent) {
        Some(Metadata::Known(metadata) | Metadata::Refreshed(metadata, _)) => Some(metadata),
        _ => None,
    }
}

fn context<'c>(node: &'c str, metadata: Option<&'c AgentMetadata>) -> HistoryContext<'c> {
    HistoryContext {
        node,
        origin: "controller",
        feature_set: policy_engine::transition::FEATURE_SET,
        metadata,
    }
}

fn attributes(entry: &HistoryEntry) -> Vec<(String, String)> {
    entry.attributes().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

fn lrm_request(operation: &Operation) -> Result<Request, RequestError> {
    let pairs = operation.parameters.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let parameters = Parameters::from_pairs(pairs)?;
    Ok(Request {
        resource: ResourceId::new(&operation.resource)?,
        action: Action::new(&operation.action)?,
        interval: Interval::from_millis(operation.interval_ms),
        timeout: Duration::from_millis(timeout_ms(operation)),
        start_delay: Duration::from_millis(operation.start_delay_ms),
        parameters: Arc::new(parameters),
        user_data: operation.key.as_str().into(),
        changes_only: operation.interval_ms > 0,
        originator_only: false,
    })
}

/// A fence device may say how long its monitors may take (spec 80 §13.1).
fn timeout_ms(operation: &Operation) -> u64 {
    let monitors = operation.action == "monitor" && operation.interval_ms > 0;
    if !monitors || !operation.agent.class.eq_ignore_ascii_case("stonith") {
        return operation.timeout_ms;
    }
    let own = operation.parameters.get("pcmk_monitor_timeout");
    let own = own.and_then(|text| parse_interval_ms(text).ok()).filter(|millis| *millis > 0);
    own.unwrap_or(operation.timeout_ms)
}

/// An operation that cannot even begin: the result says so.
fn refuse(
    operation: &Operation,
    exit: OcfExit,
    status: ExecStatus,
    reason: String,
    out: &mut Outputs,
) {
    let end = OperationEnd {
        resource: operation.resource.clone(),
        agent: operation.agent.clone(),
        action: operation.action.clone(),
        interval_ms: operation.interval_ms,
        key: operation.key.clone(),
        call: 0,
        exit: exit.code(),
        status: status.code(),
        reason: Some(reason),
        deleted: false,
        exec_ms: 0,
        timeout_ms: operation.timeout_ms,
        entries: Vec::new(),
    };
    out.here(Room::Controller, ExecutorEvent::Ended(Box::new(end)));
}

impl<E: LocalExecutor> Subsystem for ExecutorRoom<E> {
    fn room(&self) -> Room {
        Room::Executor
    }

    fn start(&mut self, _: Now, _: &mut Outputs) {}

    fn handle(&mut self, now: Now, envelope: Envelope, out: &mut Outputs) {
        let Envelope { from: Address { room, .. }, body, .. } = envelope;
        match body {
            Body::ExecutorRequest(request) if room == Room::Controller => {
                self.request(now, request, out)
            }
            Body::FenceAnswer(FenceAnswer::Ended { token, result }) => {
                if let Some(run) = self.fences.remove(&token) {
                    let exit = OcfExit::from_code(result.exit).unwrap_or(OcfExit::Error);
                    let status = ExecStatus::from_code(result.status).unwrap_or(ExecStatus::Error);
                    let outcome = if result.ok {
                        Outcome { exit: OcfExit::Ok, status: ExecStatus::Done, reason: None }
                    } else {
                        Outcome::new(exit, status, result.reason.unwrap_or_default())
                    };
                    self.local.fence_answered(now, run, outcome);
                }
            }
            Body::FencerEvent(FencerEvent::Began) if room == Room::Fencer => {
                self.fences.clear();
                self.local.fencer_lost(now);
            }
            Body::Stop => self.stopping = true,
            _ => {}
        }
        self.drain(now, out);
    }

    fn handle_timeout(&mut self, now: Now, out: &mut Outputs) {
        self.local.turn(now);
        self.drain(now, out);
    }

    fn poll_timeout(&self) -> Option<Duration> {
        self.local.poll_timeout()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::subsystem::{HiddenValues, NodeId, Target};
    use lrm::executor::{CancelError, ExecuteError, FenceRequest};

    /// Writes down what it is asked for.
    #[derive(Default)]
    struct Notes {
        requests: Vec<Request>,
        alerts: usize,
        fencers_lost: usize,
        /// Agents that were asked for metadata, if any may be.
        asked: Option<Vec<Arc<AgentSpec>>>,
        events: VecDeque<Event>,
    }

    impl LocalExecutor for Notes {
        fn register(&mut self, _: Now, _: Resource) {}

        fn unregister(&mut self, _: Now, _: &ResourceId) {}

        fn execute(&mut self, _: Now, _: ClientId, request: Request) -> Result<(), ExecuteError> {
            self.requests.push(request);
            Ok(())
        }

        fn cancel(
            &mut self,
            _: Now,
            _: &ResourceId,
            _: &Action,
            _: Interval,
        ) -> Result<(), CancelError> {
            Ok(())
        }

        fn metadata(
            &mut self,
            _: Now,
            _: ClientId,
            agent: Arc<AgentSpec>,
        ) -> Result<(), ExecuteError> {
            self.asked.as_mut().map(|asked| asked.push(agent)).ok_or(ExecuteError::Busy(0))
        }

        fn alert(&mut self, _: Now, _: Alert) -> Result<(), ExecuteError> {
            self.alerts += 1;
            Ok(())
        }

        fn fence_answered(&mut self, _: Now, _: RunId, _: Outcome) {}

        fn fencer_lost(&mut self, _: Now) {
            self.fencers_lost += 1;
        }

        fn turn(&mut self, _: Now) {}

        fn poll_event(&mut self) -> Option<Event> {
            self.events.pop_front()
        }

        fn poll_fence(&mut self) -> Option<FenceRequest> {
            None
        }

        fn poll_timeout(&self) -> Option<Duration> {
            None
        }

        fn running(&self) -> usize {
            1
        }
    }

    fn hear(executor: &mut ExecutorRoom<Notes>, room: Room, body: impl Into<Body>) {
        let from = Address { node: NodeId::new(1).unwrap(), room };
        let envelope = Envelope { from, to: Target::Here(Room::Executor), body: body.into() };
        executor.handle(Now::default(), envelope, &mut Outputs::default());
    }

    #[test]
    fn a_fencer_that_begins_anew_answers_nothing_of_what_the_last_one_was_asked() {
        let mut executor = ExecutorRoom::new("n1", Notes::default());
        hear(&mut executor, Room::Clients, FencerEvent::Began);
        hear(&mut executor, Room::Fencer, FencerEvent::HistoryChanged);
        assert_eq!(executor.local.fencers_lost, 0);
        hear(&mut executor, Room::Fencer, FencerEvent::Began);
        assert_eq!(executor.local.fencers_lost, 1);
    }

    #[test]
    fn a_fence_device_says_how_long_its_monitors_may_take() {
        for (class, action, interval_ms, own, seconds) in [
            ("stonith", "monitor", 1000, "90s", 90),
            ("stonith", "monitor", 1000, "often", 20),
            ("stonith", "monitor", 1000, "-5", 20),
            ("stonith", "monitor", 0, "90s", 20),
            ("stonith", "start", 0, "90s", 20),
            ("lsb", "monitor", 1000, "90s", 20),
        ] {
            let mut executor = ExecutorRoom::new("n1", Notes::default());
            let pair = ("pcmk_monitor_timeout".to_owned(), own.to_owned());
            let operation = Operation {
                resource: "d".to_owned(),
                agent: AgentName {
                    class: class.to_owned(),
                    provider: None,
                    kind: "fence_x".to_owned(),
                },
                action: action.to_owned(),
                interval_ms,
                timeout_ms: 20_000,
                start_delay_ms: 0,
                parameters: HiddenValues::from_iter([pair]),
                key: "1:1:0:x".to_owned(),
            };
            hear(&mut executor, Room::Controller, ExecutorRequest::Execute(operation));
            let [request] = &executor.local.requests[..] else { panic!("one request") };
            assert_eq!(request.timeout, Duration::from_secs(seconds), "{class} {action} {own}");
        }
    }

    fn operation(resource: &str, action: &str) -> Operation {
        let provider = Some("p".to_owned());
        Operation {
            resource: resource.to_owned(),
            agent: AgentName { class: "ocf".to_owned(), provider, kind: "T".to_owned() },
            action: action.to_owned(),
            interval_ms: 0,
            timeout_ms: 20_000,
            start_delay_ms: 0,
            parameters: HiddenValues::from_iter([]),
            key: "1:1:0:x".to_owned(),
        }
    }

    /// An executor whose agent tells this about itself each time it is asked.
    struct Asked {
        executor: ExecutorRoom<Notes>,
        answered: usize,
    }

    impl Asked {
        fn new() -> Asked {
            let notes = Notes { asked: Some(Vec::new()), ..Notes::default() };
            Asked { executor: ExecutorRoom::new("n1", notes), answered: 0 }
        }

        fn order(&mut self, resource: &str, action: &str) {
            let request = ExecutorRequest::Execute(operation(resource, action));
            hear(&mut self.executor, Room::Controller, request);
        }

        fn answer(&mut self, version: &str, action: &str) {
            let xml = format!(
                "<resource-agent name='T'><version>{version}</version><parameters/><actions>\
                 <action name='{action}'/></actions></resource-agent>"
            );
            let agent = self.executor.local.asked.as_ref().unwrap()[self.answered].clone();
            self.answered += 1;
            let call = lrm::operation::CallId(1);
            let kind = EventKind::Metadata { call, agent, result: Ok(xml) };
            let to = lrm::executor::Recipients::Client(CONTROLLER);
            self.executor.local.events.push_back(Event { to, kind });
            self.executor.handle_timeout(Now::default(), &mut Outputs::default());
        }

        fn asked(&self) -> usize {
            self.executor.local.asked.as_ref().unwrap().len()
        }

        fn done(&self) -> Vec<String> {
            let done = self.executor.local.requests.iter();
            done.map(|r| format!("{} {}", r.resource.as_str(), r.action.as_str())).collect()
        }
    }

    #[test]
    fn a_reload_has_the_name_that_the_agent_knows() {
        for (version, action) in [("1.0", "reload"), ("1.1", "reload-agent"), ("1.1", "start")] {
            for asked in ["reload", "reload-agent"] {
                let mut room = Asked::new();
                room.order("r", asked);
                room.answer(version, action);
                let name = if action == "reload" { "reload" } else { "reload-agent" };
                assert_eq!(room.done(), [format!("r {name}")]);
            }
        }
    }

    #[test]
    fn a_start_asks_the_agent_anew_and_nothing_else_waits_for_that() {
        let mut room = Asked::new();
        room.order("r", "monitor");
        assert_eq!((room.asked(), room.done()), (1, vec![]));
        room.answer("1.0", "reload");
        room.order("r", "start");
        room.order("s", "start");
        room.order("s", "reload");
        assert_eq!((room.asked(), room.done()), (2, vec!["r monitor".into(), "s reload".into()]));
        room.answer("1.1", "reload-agent");
        room.order("s", "reload");
        assert_eq!(room.done()[2..], ["r start", "s start", "s reload-agent"]);
        assert_eq!(room.asked(), 2);
    }

    #[test]
    fn an_executor_that_ends_sends_no_more_alerts() {
        let alert = || {
            let (id, path) = ("a".to_owned(), "/x".to_owned());
            ExecutorRequest::Alert(AlertRun { id, path, timeout_ms: 1, environment: Vec::new() })
        };
        let mut executor = ExecutorRoom::new("n1", Notes::default());
        hear(&mut executor, Room::Controller, alert());
        hear(&mut executor, Room::Supervisor, Body::Stop);
        hear(&mut executor, Room::Controller, alert());
        assert_eq!(executor.local.alerts, 1);
    }
}
