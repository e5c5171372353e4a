//! A node's side of transitions: actions are handed to the executor, results are recorded in the CIB
//! (spec 60 §7.6, §8.1).

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use cib_model::Document;

use super::results::RESENT;
use super::{Controller, Timer, delete_all, modify_status};
use crate::subsystem::{
    ActionRequest, AgentName, CibOperation, CibUpdate, ControllerPeer, ExecutorEvent,
    ExecutorRequest, HistoryRecord, NodeId, Now, Operation, OperationEnd, Outputs, Room,
};

/// The attributes of a history entry.
type Entry = Vec<(String, String)>;

const DONE: i32 = 0;
const CANCELLED: i32 = 1;
const INVALID: i32 = 9;

/// A transition does not wait for a repeated operation that is to begin later than this.
const LONG_DELAY_MS: u64 = 5 * 60 * 1000;

/// Time in which a DC's own wish to leave reaches the CIB through the ring.
const HEARING: Duration = Duration::from_millis(100);

/// What is known of one resource on this node.
#[derive(Debug, Clone)]
struct Known {
    agent: AgentName,
    /// Parameters with which it was last started or found running, for its stop.
    started_with: Option<BTreeMap<String, String>>,
    /// Parameters that will be those if the operation with this key succeeds.
    asked_with: Option<(String, BTreeMap<String, String>)>,
    last: Option<Entry>,
    last_failure: Option<Entry>,
    recurring: BTreeMap<(String, u32), Entry>,
    /// Operations under way.
    pending: BTreeMap<(String, u32), Entry>,
    /// Recurring operations that the executor runs.
    active: BTreeSet<(String, u32)>,
    /// Since when it waits for this node, as the latest request said.
    lock: Option<i64>,
    /// Recurring operations to be forgotten once they are cancelled, with the key of the cancellation.
    removing: BTreeMap<(String, u32), Option<String>>,
}

impl Known {
    fn new(agent: AgentName) -> Known {
        Known {
            agent,
            started_with: None,
            asked_with: None,
            last: None,
            last_failure: None,
            recurring: BTreeMap::new(),
            pending: BTreeMap::new(),
            active: BTreeSet::new(),
            lock: None,
            removing: BTreeMap::new(),
        }
    }

    fn entries(&self) -> Vec<&Entry> {
        let settled = self.last_failure.iter().chain(&self.last).chain(self.recurring.values());
        let mut entries: Vec<&Entry> = settled.collect();
        // An operation under way counts as such: nobody may take its resource for stopped.
        for pending in self.pending.values() {
            let id = id_of(pending);
            entries.retain(|entry| id_of(entry) != id);
            entries.push(pending);
        }
        entries
    }
}

fn id_of(entry: &Entry) -> Option<&str> {
    entry.iter().find(|(name, _)| name == "id").map(|(_, value)| value.as_str())
}

/// All resources of this node that the executor knows.
#[derive(Debug, Clone, Default)]
pub(super) struct Resources(BTreeMap<String, Known>);

impl Resources {
    /// The node's `node_state` with the whole history, for a confirmation.
    pub fn node_state(&self, node: NodeId, name: &str) -> Document {
        let mut document = Document::new("node_state");
        let root = document.root_id();
        for (key, value) in
            [("id", &*node.to_string()), ("uname", name), ("crm-debug-origin", RESENT)]
        {
            document.set_attribute(root, key, value);
        }
        let lrm = document.append_element(root, "lrm");
        document.set_attribute(lrm, "id", &node.to_string());
        let list = document.append_element(lrm, "lrm_resources");
        for (id, known) in &self.0 {
            let resource = document.append_element(list, "lrm_resource");
            set_agent(&mut document, resource, id, &known.agent);
            for entry in known.entries() {
                let element = document.append_element(resource, "lrm_rsc_op");
                for (key, value) in entry {
                    document.set_attribute(element, key, value);
                }
                document.set_attribute(element, "crm-debug-origin", RESENT);
            }
        }
        document
    }

    /// The highest call number in the history of a resource.
    pub fn last_call(&self, resource: &str) -> u32 {
        let entries = self.0.get(resource).map(Known::entries).unwrap_or_default();
        let call = |entry: &Entry| {
            let pair = entry.iter().find(|(name, _)| name == "call-id");
            pair.and_then(|(_, value)| value.parse().ok())
        };
        entries.into_iter().filter_map(call).max().unwrap_or(1)
    }

    /// Whether operations are under way that are not repeated.
    pub fn is_busy(&self) -> bool {
        self.0.values().any(|known| known.pending.keys().any(|(_, interval)| *interval == 0))
    }
}

fn set_agent(document: &mut Document, element: cib_model::ElementId, id: &str, agent: &AgentName) {
    document.set_attribute(element, "id", id);
    document.set_attribute(element, "type", &agent.kind);
    document.set_attribute(element, "class", &agent.class);
    if let Some(provider) = &agent.provider {
        document.set_attribute(element, "provider", provider);
    }
}

/// History entries as a part of a status section.
pub(super) fn history_document(
    node_id: &str,
    node: &str,
    resource: &str,
    agent: &AgentName,
    entries: &[&Entry],
    lock: Option<i64>,
) -> Document {
    let mut document = Document::new("node_state");
    let root = document.root_id();
    for (key, value) in [("id", node_id), ("uname", node), ("crm-debug-origin", "controller")] {
        document.set_attribute(root, key, value);
    }
    let lrm = document.append_element(root, "lrm");
    document.set_attribute(lrm, "id", node_id);
    let list = document.append_element(lrm, "lrm_resources");
    let element = document.append_element(list, "lrm_resource");
    set_agent(&mut document, element, resource, agent);
    if let Some(lock) = lock {
        document.set_attribute(element, "shutdown-lock", &lock.to_string());
    }
    for entry in entries {
        let operation = document.append_element(element, "lrm_rsc_op");
        for (key, value) in *entry {
            document.set_attribute(operation, key, value);
        }
    }
    document
}

impl Controller {
    /// The DC wants something executed here.
    pub(super) fn invoked(
        &mut self,
        now: Now,
        from: NodeId,
        action: ActionRequest,
        out: &mut Outputs,
    ) {
        if self.dc != Some(from) {
            return self.refuse(from, &action, "Controller does not follow the sender", out);
        }
        let Some((resource, _)) = action.resource.clone() else {
            return log::warn!("controller: {} without a resource", action.operation);
        };
        match action.operation.as_str() {
            "cancel" => self.cancel_recurring(from, &action, &resource, out),
            // The first is the order of a tool, the second a step of a transition.
            "lrm_delete" | "delete" => {
                self.delete_resource(&resource, out);
                self.acknowledge_ok(from, &action, out);
            }
            "clear_failcount" => self.clear_failures(&action, &resource, out),
            "start" if self.shutting_down => {
                // Whoever planned this does not know, or no longer: nobody led when it was said, or the
                // attribute is lost.
                self.to_all(ControllerPeer::ShutdownRequest, out);
                if self.lead.is_some() {
                    // This node itself will plan again: not before that can have been heard.
                    self.timers.arm(Timer::TransitionDelay, now.elapsed + HEARING);
                }
                self.refuse(from, &action, "Not attempting start due to shutdown in progress", out);
            }
            operation if operation != "stop" && !self.state.may_act() => {
                self.refuse(from, &action, "Controller cannot attempt actions at this time", out);
            }
            _ => {
                self.execute(now, &action, resource, out);
                let recurs = action.meta("CRM_meta_interval").is_some_and(|text| text != "0");
                let delay = action.meta("CRM_meta_start_delay");
                let delay = delay.and_then(|text| text.parse().ok()).unwrap_or(0);
                if recurs && delay > LONG_DELAY_MS {
                    self.acknowledge_expected(from, &action, out);
                }
            }
        }
    }

    fn execute(&mut self, _: Now, action: &ActionRequest, resource: String, out: &mut Outputs) {
        let Some(agent) = action.agent.clone() else { return };
        let known =
            self.resources.0.entry(resource.clone()).or_insert_with(|| Known::new(agent.clone()));
        known.agent.clone_from(&agent);
        known.lock = action.shutdown_lock;
        let millis =
            |name: &str| action.meta(name).and_then(|text| text.parse::<u64>().ok()).unwrap_or(0);
        let interval = u32::try_from(millis("CRM_meta_interval")).unwrap_or(u32::MAX);
        let task = action.operation.as_str();
        let interval = if matches!(task, "start" | "stop") { 0 } else { interval };
        let mut parameters = action.attributes.clone();
        parameters.remove("CRM_meta_op_target_rc");
        if task == "stop"
            && let Some(started) = &known.started_with
        {
            let meta = |name: &String| name.starts_with("CRM_meta_");
            let own = parameters.into_iter().filter(|(name, _)| meta(name));
            parameters =
                started.iter().filter(|(name, _)| !meta(name)).map(own_pair).chain(own).collect();
        }
        let once = interval == 0;
        if once && matches!(task, "start" | "reload" | "reload-agent" | "monitor") {
            known.asked_with = Some((action.transition_key.clone(), parameters.clone()));
        }
        let mut cancels = Vec::new();
        if once && !matches!(task, "monitor" | "notify") {
            cancels.extend(known.active.iter().cloned());
            known.active.clear();
        } else if !once && known.active.contains(&(task.to_owned(), interval)) {
            cancels.push((task.to_owned(), interval));
        }
        for (action, interval_ms) in cancels {
            let resource = resource.clone();
            out.here(Room::Executor, ExecutorRequest::Cancel { resource, action, interval_ms });
        }
        let timeout = millis("CRM_meta_timeout");
        let operation = Operation {
            resource,
            agent,
            action: task.to_owned(),
            interval_ms: interval,
            timeout_ms: if timeout == 0 { interval.into() } else { timeout },
            start_delay_ms: millis("CRM_meta_start_delay"),
            parameters: parameters.into(),
            key: action.transition_key.clone(),
        };
        out.here(Room::Executor, ExecutorRequest::Execute(operation));
    }

    fn cancel_recurring(
        &mut self,
        from: NodeId,
        action: &ActionRequest,
        resource: &str,
        out: &mut Outputs,
    ) {
        let task = action.meta("CRM_meta_operation").unwrap_or("monitor").to_owned();
        let interval_ms =
            action.meta("CRM_meta_interval").and_then(|text| text.parse().ok()).unwrap_or(0);
        let Some(known) = self.resources.0.get_mut(resource) else {
            return self.acknowledge_ok(from, action, out);
        };
        let key = (task.clone(), interval_ms);
        known.removing.insert(key, Some(action.transition_key.clone()));
        let resource = resource.to_owned();
        out.here(Room::Executor, ExecutorRequest::Cancel { resource, action: task, interval_ms });
    }

    /// Forgets a recurring operation, here and in the CIB, and tells the DC.
    fn forget_recurring(&mut self, resource: &str, task: &str, interval: u32, out: &mut Outputs) {
        let Some(known) = self.resources.0.get_mut(resource) else { return };
        let key = (task.to_owned(), interval);
        known.active.remove(&key);
        known.pending.remove(&key);
        known.recurring.remove(&key);
        let Some(cancellation) = known.removing.remove(&key) else { return };
        let agent = known.agent.clone();
        let expression = format!(
            "//node_state[@uname='{}']//lrm_resource[@id='{resource}']/lrm_rsc_op[@id='{resource}_{task}_{interval}']",
            self.name
        );
        self.change_history(delete_all(expression), out);
        if let (Some(transition_key), Some(dc)) = (cancellation, self.dc) {
            let record =
                acknowledgement(&self.name, resource, agent, "cancel", &transition_key, 0, 0, None);
            self.to_node(dc, ControllerPeer::Acknowledge(record), out);
        }
    }

    fn change_history(&mut self, update: CibUpdate, out: &mut Outputs) {
        self.cib(CibOperation::Update { update, dry_run: false }, None, out);
    }

    /// Forgets a resource altogether.
    pub(super) fn delete_resource(&mut self, resource: &str, out: &mut Outputs) {
        self.resources.0.remove(resource);
        out.here(Room::Executor, ExecutorRequest::Unregister { resource: resource.to_owned() });
        let expression =
            format!("//node_state[@uname='{}']//lrm_resource[@id='{resource}']", self.name);
        self.change_history(delete_all(expression), out);
    }

    /// Forgets all resources of this node.
    pub(super) fn delete_all_resources(&mut self, out: &mut Outputs) {
        let all: Vec<String> = self.resources.0.keys().cloned().collect();
        for resource in all {
            self.resources.0.remove(&resource);
            out.here(Room::Executor, ExecutorRequest::Unregister { resource });
        }
        let expression = format!("//node_state[@uname='{}']/lrm", self.name);
        self.change_history(delete_all(expression), out);
    }

    fn clear_failures(&mut self, action: &ActionRequest, resource: &str, out: &mut Outputs) {
        let mut message = Document::new("attrd");
        let root = message.root_id();
        for (name, value) in [
            ("task", "clear-failure"),
            ("attr_resource", resource),
            ("attr_host", action.on_node.as_str()),
        ] {
            message.set_attribute(root, name, value);
        }
        if let Some(operation) = action.meta("CRM_meta_clear_failure_op") {
            message.set_attribute(root, "attr_clear_operation", operation);
            let interval = action.meta("CRM_meta_clear_failure_interval").unwrap_or("0");
            message.set_attribute(root, "attr_clear_interval", &format!("{interval}ms"));
        }
        let request = crate::subsystem::AttributesRequest { token: 0, message: message.into() };
        out.here(Room::Attributes, request);
        if let Some(known) = self.resources.0.get_mut(resource) {
            known.last_failure = None;
        }
        let expression = format!(
            "//node_state[@uname='{}']//lrm_resource[@id='{resource}']/lrm_rsc_op[@id='{resource}_last_failure_0']",
            self.name
        );
        self.change_history(delete_all(expression), out);
    }

    fn refuse(&self, from: NodeId, action: &ActionRequest, reason: &str, out: &mut Outputs) {
        let (Some((resource, _)), Some(agent)) = (&action.resource, &action.agent) else { return };
        log::info!("controller: {} of {resource} refused: {reason}", action.operation);
        let key = &action.transition_key;
        let agent = agent.clone();
        let record = acknowledgement(
            &self.name,
            resource,
            agent,
            &action.operation,
            key,
            1,
            INVALID,
            Some(reason),
        );
        self.to_node(from, ControllerPeer::Acknowledge(record), out);
    }

    /// Answers for an operation that nobody shall wait for.
    fn acknowledge_expected(&self, from: NodeId, action: &ActionRequest, out: &mut Outputs) {
        let (Some((resource, _)), Some(agent)) = (&action.resource, &action.agent) else { return };
        let (key, agent) = (&action.transition_key, agent.clone());
        let rc = lrm::history::expected_exit(key);
        let operation = &action.operation;
        let record = acknowledgement(&self.name, resource, agent, operation, key, rc, DONE, None);
        self.to_node(from, ControllerPeer::Acknowledge(record), out);
    }

    fn acknowledge_ok(&self, from: NodeId, action: &ActionRequest, out: &mut Outputs) {
        let (Some((resource, _)), Some(agent)) = (&action.resource, &action.agent) else { return };
        let (key, agent) = (&action.transition_key, agent.clone());
        let record =
            acknowledgement(&self.name, resource, agent, &action.operation, key, 0, 0, None);
        self.to_node(from, ControllerPeer::Acknowledge(record), out);
    }

    pub(super) fn executor_event(&mut self, now: Now, event: ExecutorEvent, out: &mut Outputs) {
        match event {
            ExecutorEvent::Accepted { resource, agent, entry } => {
                let Some(entry) = entry else { return };
                let text = |name: &str| {
                    entry
                        .iter()
                        .find(|(key, _)| key == name)
                        .map(|(_, v)| v.clone())
                        .unwrap_or_default()
                };
                let key = (text("operation"), text("interval").parse().unwrap_or(0));
                let known = self
                    .resources
                    .0
                    .entry(resource.clone())
                    .or_insert_with(|| Known::new(agent.clone()));
                known.pending.insert(key.clone(), entry.clone());
                if key.1 > 0 {
                    known.active.insert(key);
                }
                self.record(&resource, &agent, &[&entry], None, out);
            }
            ExecutorEvent::Ended(end) => self.operation_ended(now, *end, out),
            ExecutorEvent::NotCancelled { resource, action, interval_ms } => {
                self.forget_recurring(&resource, &action, interval_ms, out);
            }
            ExecutorEvent::Recalled(ends) => self.recalled(now, &ends, out),
            ExecutorEvent::Unregistered { .. } => {}
        }
        if self.state == super::State::Stopping {
            self.leave_when_idle(now, out);
        }
    }

    /// What an earlier controller of this node had executed.
    fn recalled(&mut self, now: Now, ends: &[OperationEnd], out: &mut Outputs) {
        for end in ends {
            let key = key_of(end);
            let known = self.resources.0.entry(end.resource.clone());
            let known = known.or_insert_with(|| Known::new(end.agent.clone()));
            if end.interval_ms > 0 {
                known.active.insert(key.clone());
            }
            self.remember(end, &key);
        }
        self.recalled = true;
        self.begin(now, out);
    }

    fn record(
        &mut self,
        resource: &str,
        agent: &AgentName,
        entries: &[&Entry],
        lock: Option<i64>,
        out: &mut Outputs,
    ) {
        let (me, name) = (self.me.to_string(), &self.name);
        let document = history_document(&me, name, resource, agent, entries, lock);
        self.change_history(modify_status(document), out);
    }

    fn operation_ended(&mut self, now: Now, end: OperationEnd, out: &mut Outputs) {
        let key = key_of(&end);
        if end.status == CANCELLED {
            if end.interval_ms > 0 {
                self.forget_recurring(&end.resource, &end.action, end.interval_ms, out);
            } else if let Some(known) = self.resources.0.get_mut(&end.resource) {
                known.pending.remove(&key);
                self.acknowledge_end(&end, out);
            }
            return;
        }
        let expected = lrm::history::expected_exit(&end.key);
        self.alert_resource(now, &end, expected, out);
        let recordable =
            lrm::history::is_recordable(&end.action) && !end.deleted && !end.entries.is_empty();
        if !recordable || !self.resources.0.contains_key(&end.resource) {
            if let Some(known) = self.resources.0.get_mut(&end.resource) {
                known.pending.remove(&key);
            }
            return self.acknowledge_end(&end, out);
        }
        self.remember(&end, &key);
        let entries: Vec<&Entry> = end.entries.iter().collect();
        let lock = self.resources.0.get_mut(&end.resource).and_then(|known| known.lock.take());
        // Stopped, or not found, the resource goes on waiting for this node; otherwise it does no longer.
        let waits = matches!((end.action.as_str(), end.exit), ("stop", 0) | ("monitor", 7));
        let lock = lock.map(|since| if waits && self.options.shutdown_lock { since } else { 0 });
        self.record(&end.resource, &end.agent, &entries, lock, out);
    }

    /// Keeps what a confirmation of a join will tell.
    fn remember(&mut self, end: &OperationEnd, key: &(String, u32)) {
        let Some(known) = self.resources.0.get_mut(&end.resource) else { return };
        known.pending.remove(key);
        if known.asked_with.as_ref().is_some_and(|(asked, _)| *asked == end.key) {
            let asked = known.asked_with.take();
            if (end.status, end.exit) == (DONE, 0) || (end.status, end.exit) == (DONE, 8) {
                known.started_with = asked.map(|(_, parameters)| parameters);
            }
        }
        let once = end.interval_ms == 0;
        if once && end.action != "monitor" {
            known.recurring.clear();
        }
        for entry in &end.entries {
            let id = id_of(entry).unwrap_or_default();
            if id.ends_with("_last_failure_0") {
                known.last_failure = Some(entry.clone());
            } else if once {
                known.last = Some(entry.clone());
            } else {
                known.recurring.insert(key.clone(), entry.clone());
            }
        }
    }

    fn acknowledge_end(&self, end: &OperationEnd, out: &mut Outputs) {
        let Some(dc) = self.dc else { return };
        let record = match end.entries.first() {
            Some(entry) => HistoryRecord {
                resource: end.resource.clone(),
                agent: end.agent.clone(),
                entry: entry.clone(),
            },
            None => acknowledgement(
                &self.name,
                &end.resource,
                end.agent.clone(),
                &end.action,
                &end.key,
                end.exit,
                end.status,
                end.reason.as_deref(),
            ),
        };
        self.to_node(dc, ControllerPeer::Acknowledge(record), out);
    }
}

/// Under which key an operation is pending: a reload is recorded as a monitor until it is done.
fn key_of(end: &OperationEnd) -> (String, u32) {
    let reloads = matches!(&*end.action, "reload" | "reload-agent");
    (if reloads { "monitor".to_owned() } else { end.action.clone() }, end.interval_ms)
}

fn own_pair((name, value): (&String, &String)) -> (String, String) {
    (name.clone(), value.clone())
}

/// A result that is told to the DC and recorded nowhere.
#[expect(clippy::too_many_arguments, reason = "these are the facts of a result")]
fn acknowledgement(
    node: &str,
    resource: &str,
    agent: AgentName,
    operation: &str,
    key: &str,
    rc: i32,
    status: i32,
    reason: Option<&str>,
) -> HistoryRecord {
    let entry = [
        ("operation", operation.to_owned()),
        ("operation_key", format!("{resource}_{operation}_0")),
        ("transition-key", key.to_owned()),
        ("transition-magic", format!("{status}:{rc};{key}")),
        ("on_node", node.to_owned()),
        ("rc-code", rc.to_string()),
        ("op-status", status.to_string()),
        ("interval", "0".to_owned()),
        ("exit-reason", reason.unwrap_or_default().to_owned()),
    ];
    let entry = entry.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    HistoryRecord { resource: resource.to_owned(), agent, entry }
}
