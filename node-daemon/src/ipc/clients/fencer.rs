//! The fencer's endpoint (spec 62 §9.5, 81 §14.1).

use std::collections::BTreeMap;

use cib_model::{Document, Element};

use super::cib::request as cib_request;
use super::session::{Session, SessionId};
use super::tag::Tag;
use super::{Clients, Kind};
use crate::ipc::frame::flag;
use crate::ipc::parts::Message;
use crate::subsystem::{
    CibOperation, FenceAnswer, FenceRequest, FenceVerb, FencingRecord, FencingResult, FencingTask,
    Now, Outputs, Room, Scope, SharedDocument,
};

/// Fencing of oneself is allowed.
const ALLOW_SELF: u32 = 2;
/// A human says that the node is down.
const MANUAL: u32 = 8;
/// Nobody reads the answer.
const DISCARD_REPLY: u32 = 16;
/// The answer goes out as a response.
const SYNCHRONOUS: u32 = 4096;
/// Past operations are to be forgotten.
const CLEAN_UP: u32 = 1 << 19;

/// Default time for what has none, in seconds.
const TIMEOUT_S: u32 = 120;

/// A call under way, as its answer names it.
#[derive(Debug, Clone)]
pub(super) struct Call {
    operation: String,
    id: String,
    options_text: Option<String>,
    options: u32,
    target: Option<String>,
    action: Option<String>,
    /// Devices in the configuration with their agents, for answers that name agents.
    agents: BTreeMap<String, String>,
    /// Past operations were asked for, not their deletion.
    lists: bool,
}

impl Call {
    fn read(root: Element<'_>) -> Call {
        let text = |name| root.attribute(name).map(str::to_owned);
        let within = |name| root.descendants().find_map(|e| e.attribute(name)).map(str::to_owned);
        let options_text = text("st_callopt");
        let options = options_text.as_deref().and_then(|text| text.parse().ok()).unwrap_or(0);
        Call {
            operation: text("st_op").unwrap_or_default(),
            id: text("st_callid").unwrap_or_else(|| "0".to_owned()),
            options,
            options_text,
            target: within("st_target"),
            action: within("st_device_action"),
            agents: BTreeMap::new(),
            lists: options & CLEAN_UP == 0,
        }
    }

    fn reply(
        &self,
        session: &Session,
        result: &FencingResult,
        delegate: Option<&str>,
        data: &str,
    ) -> String {
        let content =
            if data.is_empty() { String::new() } else { Tag::new("st_calldata").around(data) };
        let client = format!("{}.{}", session.name(), session.access.pid);
        let tag = Tag::new("st-reply")
            .attribute("t", "stonith-ng")
            .attribute("st_op", &self.operation)
            .attribute("st_callid", &self.id)
            .attribute("st_clientid", &session.uuid)
            .attribute("st_clientname", &client)
            .maybe("st_callopt", self.options_text.as_deref())
            .maybe("st_delegate", delegate);
        with_result(tag, result).around(&content)
    }
}

fn with_result(tag: Tag, result: &FencingResult) -> Tag {
    let output = Some(result.output.as_str()).filter(|output| !output.is_empty());
    tag.attribute("op-status", &result.status.to_string())
        .attribute("rc-code", &result.exit.to_string())
        .maybe("exit-reason", result.reason.as_deref())
        .maybe("st_output", output)
        .attribute("st_rc", &legacy_code(result).to_string())
}

/// The negative error number old clients read.
fn legacy_code(result: &FencingResult) -> i32 {
    match result {
        FencingResult { ok: true, .. } => 0,
        FencingResult { no_device: true, .. } => -19,
        FencingResult { exit: 4, .. } => -13,
        FencingResult { status: 2, .. } => -62,
        _ => -61,
    }
}

fn fine() -> FencingResult {
    FencingResult {
        ok: true,
        no_device: false,
        exit: 0,
        status: 0,
        reason: None,
        output: String::new(),
    }
}

fn refused(exit: i32, reason: &str) -> FencingResult {
    let reason = Some(reason.to_owned());
    FencingResult { ok: false, no_device: false, exit, status: 4, reason, output: String::new() }
}

impl Clients {
    pub(super) fn fencer_message(
        &mut self,
        _: Now,
        id: SessionId,
        message: Message,
        document: &Document,
        out: &mut Outputs,
    ) {
        let root = document.root();
        let call = Call::read(root);
        let Some(session) = self.sessions.get_mut(&id) else { return };
        if root.attribute("crm_task").is_some() {
            // Peers forget a node when the controller says so.
            return self.acknowledge(id, &message, 112);
        }
        if session.client.is_none() {
            session.client = root.attribute("st_clientname").map(str::to_owned);
        }
        match call.operation.as_str() {
            "register" => {
                let reply = Tag::new("stonith_command")
                    .attribute("st_op", "register")
                    .attribute("st_clientid", &session.uuid)
                    .closed();
                self.respond(id, &message, &reply);
            }
            "st_notify" => {
                if root.attribute("st_notify_activate") == Some("st_notify_fence") {
                    session.fencing = true;
                }
                if root.attribute("st_notify_deactivate") == Some("st_notify_fence") {
                    session.fencing = false;
                }
                self.acknowledge(id, &message, 0);
            }
            "poke" => {}
            "st_query" => {
                // Devices come without their agents, which the configuration knows.
                let token = self.ask(id, message, Kind::Fencer(call));
                let scope = Scope::Section("resources".to_owned());
                let query = CibOperation::Query { scope, children: true };
                out.here(Room::Cib, cib_request(token, query));
            }
            _ => match self.task(id, root, &call) {
                Ok(task) => self.order(id, message, call, task, out),
                Err(result) => self.fence_reply(id, &message, &call, &result, None, ""),
            },
        }
    }

    fn order(
        &mut self,
        id: SessionId,
        message: Message,
        call: Call,
        task: FencingTask,
        out: &mut Outputs,
    ) {
        let client = self.sessions.get(&id).map(|s| format!("{}.{}", s.name(), s.access.pid));
        let token = self.ask(id, message, Kind::Fencer(call));
        out.here(Room::Fencer, FenceRequest { token, client: client.unwrap_or_default(), task });
    }

    /// What a command asks for, or how it is refused.
    fn task(
        &self,
        id: SessionId,
        root: Element<'_>,
        call: &Call,
    ) -> Result<FencingTask, FencingResult> {
        let needs_privilege = matches!(
            call.operation.as_str(),
            "st_fence"
                | "st_device_register"
                | "st_device_remove"
                | "st_level_add"
                | "st_level_remove"
        ) || call.operation == "st_fence_history" && !call.lists;
        if needs_privilege && !self.is_privileged(id) {
            return Err(refused(4, "Unprivileged users must not do this"));
        }
        let number = |name: &str| {
            let values = root.descendants().filter_map(|e| e.attribute(name));
            values.filter_map(|value| value.parse::<i32>().ok()).last()
        };
        let seconds = |name: &str| number(name).and_then(|value| u32::try_from(value).ok());
        let timeout_s = seconds("st_timeout").filter(|timeout| *timeout > 0).unwrap_or(TIMEOUT_S);
        let missing = || refused(76, "Fencer API request missing required information (bug?)");
        let data = root.child("st_calldata");
        match call.operation.as_str() {
            "st_fence" => {
                let target = call.target.clone().ok_or_else(missing)?;
                if call.options & MANUAL != 0 {
                    return Ok(FencingTask::Confirm { target });
                }
                let action =
                    call.action.as_deref().and_then(FenceVerb::from_name).ok_or_else(missing)?;
                Ok(FencingTask::Fence {
                    target,
                    action,
                    timeout_s,
                    delay_s: number("st_delay").unwrap_or(0),
                    tolerance_s: seconds("st_tolerance").unwrap_or(0),
                    allow_self: call.options & ALLOW_SELF != 0,
                })
            }
            "st_fence_history" => Ok(match call.lists {
                true => FencingTask::History { target: call.target.clone() },
                false => FencingTask::CleanUpHistory { target: call.target.clone() },
            }),
            "st_execute" => {
                let by_id = |name| root.descendants().find_map(|e| e.attribute(name));
                let device = by_id("st_device_id").ok_or_else(missing)?.to_owned();
                match call.action.as_deref() {
                    Some("monitor" | "status") => {
                        Ok(FencingTask::MonitorDevice { device, timeout_s })
                    }
                    _ => Err(refused(3, "Only monitor is available here")),
                }
            }
            "st_device_register" => {
                let device =
                    data.and_then(|data| data.child("st_device_id")).ok_or_else(missing)?;
                let text = |name| device.attribute(name).map(str::to_owned).ok_or_else(missing);
                let attributes = device.child("attributes");
                let parameters =
                    attributes.into_iter().flat_map(|attributes| attributes.attributes());
                Ok(FencingTask::StartDevice {
                    device: text("id")?,
                    agent: text("agent")?,
                    parameters: parameters
                        .map(|(name, value)| (name.to_owned(), value.to_owned()))
                        .collect(),
                    timeout_s,
                })
            }
            "st_device_remove" => {
                let device =
                    data.and_then(|data| data.child("st_device_id")).ok_or_else(missing)?;
                let id = device.attribute("id").ok_or_else(missing)?;
                Ok(FencingTask::StopDevice { device: id.to_owned() })
            }
            other => Err(refused(76, &format!("Unknown request type '{other}' (bug?)"))),
        }
    }

    /// The configuration has come: with it goes the question for devices.
    pub(super) fn devices_configured(
        &mut self,
        id: SessionId,
        question: Message,
        mut call: Call,
        resources: Option<SharedDocument>,
        out: &mut Outputs,
    ) {
        if let Some(resources) = resources {
            let devices =
                resources.root().descendants().filter(|e| e.attribute("class") == Some("stonith"));
            call.agents = devices
                .filter_map(|e| Some((e.xml_id()?.to_owned(), e.attribute("type")?.to_owned())))
                .collect();
        }
        let task = FencingTask::ListDevices { target: call.target.clone() };
        self.order(id, question, call, task, out);
    }

    pub(super) fn fence_answer(&mut self, answer: FenceAnswer) {
        let token = match &answer {
            FenceAnswer::Ended { token, .. }
            | FenceAnswer::MayTake { token, .. }
            | FenceAnswer::Devices { token, .. }
            | FenceAnswer::History { token, .. } => *token,
        };
        if let FenceAnswer::MayTake { seconds, .. } = answer {
            return self.may_take(token, seconds);
        }
        let Some(pending) = self.answered(token) else { return };
        let (id, question) = (pending.session, pending.question);
        let Kind::Fencer(call) = pending.kind else { return };
        match answer {
            FenceAnswer::Ended { result, .. } => self.ended(id, &question, &call, &result),
            FenceAnswer::Devices { devices, .. } => {
                let data = devices_data(&call, &devices);
                self.fence_reply(id, &question, &call, &fine(), None, &data);
            }
            FenceAnswer::History { records, .. } => {
                let past: String = records.iter().map(record).collect();
                let data = Tag::new("st_history").around(&past);
                self.fence_reply(id, &question, &call, &fine(), None, &data);
            }
            FenceAnswer::MayTake { .. } => {}
        }
    }

    fn may_take(&mut self, token: u64, seconds: u32) {
        let Some(pending) = self.pending.get(&token) else { return };
        let Kind::Fencer(call) = &pending.kind else { return };
        let text = Tag::new("st-async-timeout-value")
            .attribute("t", "st-async-timeout-value")
            .attribute("st_callid", &call.id)
            .attribute("st_timeout", &seconds.to_string())
            .closed();
        self.event(pending.session, &text);
    }

    fn ended(&mut self, id: SessionId, question: &Message, call: &Call, result: &FencingResult) {
        let delegate = (call.options & MANUAL != 0).then_some("a human");
        self.fence_reply(id, question, call, result, delegate, "");
        if call.operation == "st_fence" {
            self.tell_of_fencing(call, result, delegate);
        }
    }

    /// Tells those who asked to be told.
    fn tell_of_fencing(&mut self, call: &Call, result: &FencingResult, delegate: Option<&str>) {
        let data = Tag::new("st_notify_fence")
            .attribute("state", if result.ok { "2" } else { "4" })
            .maybe("st_target", call.target.as_deref())
            .maybe("st_device_action", call.action.as_deref())
            .maybe("st_delegate", delegate)
            .attribute("st_origin", &self.node)
            .closed();
        let tag = Tag::new("notify")
            .attribute("t", "st_notify")
            .attribute("subt", "st_notify_fence")
            .attribute("st_op", "st_notify_fence");
        let text = with_result(tag, result).around(&Tag::new("st_calldata").around(&data));
        let told: Vec<SessionId> = self
            .sessions
            .iter()
            .filter(|(_, session)| session.fencing)
            .map(|(id, _)| *id)
            .collect();
        for id in told {
            self.event(id, &text);
        }
    }

    fn fence_reply(
        &mut self,
        id: SessionId,
        question: &Message,
        call: &Call,
        result: &FencingResult,
        delegate: Option<&str>,
        data: &str,
    ) {
        if call.options & DISCARD_REPLY != 0 {
            return;
        }
        let Some(session) = self.sessions.get(&id) else { return };
        let reply = call.reply(session, result, delegate, data);
        if call.options & SYNCHRONOUS != 0 || question.flags & flag::RESPONSE_WANTED != 0 {
            self.respond(id, question, &reply);
        } else {
            self.event(id, &reply);
        }
    }
}

fn devices_data(call: &Call, devices: &[String]) -> String {
    let listed: String = devices
        .iter()
        .map(|device| {
            Tag::new("st_device_id")
                .attribute("id", device)
                .attribute("namespace", "stonith-ng")
                .attribute("agent", call.agents.get(device).map_or("unknown", String::as_str))
                .closed()
        })
        .collect();
    Tag::new("st_query")
        .maybe("st_target", call.target.as_deref())
        .attribute("st-available-devices", &devices.len().to_string())
        .around(&listed)
}

fn record(record: &FencingRecord) -> String {
    let seconds = (record.completed_ns / 1_000_000_000).to_string();
    let nanoseconds = (record.completed_ns % 1_000_000_000).to_string();
    let done = record.completed_ns > 0;
    let reason = record.result.as_ref().and_then(|result| result.reason.as_deref());
    Tag::new("st_execute")
        .attribute("st_remote_op", &record.id)
        .attribute("st_target", &record.target)
        .attribute("st_device_action", &record.action)
        .attribute("st_origin", &record.origin)
        .maybe("st_delegate", record.delegate.as_deref())
        .attribute("st_clientname", &record.client)
        .maybe("st_date", done.then_some(seconds.as_str()))
        .maybe("st_date_nsec", done.then_some(nanoseconds.as_str()))
        .attribute("st_state", &record.state.to_string())
        .maybe("exit-reason", reason)
        .closed()
}
