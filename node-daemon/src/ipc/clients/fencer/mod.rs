//! The fencer's endpoint (spec 62 §9.5, 81 §14.1).

mod answers;
mod orders;

use cib_model::{Document, Element};

pub(super) use self::answers::News;
use self::answers::with_result;
use super::session::{Session, SessionId};
use super::tag::Tag;
use super::{Clients, Kind};
use crate::ipc::parts::Message;
use crate::subsystem::{FenceRequest, FencingResult, FencingTask, Now, Outputs, Room};

/// Fencing of oneself is allowed.
const ALLOW_SELF: u32 = 2;
/// A human says that the node is down.
const MANUAL: u32 = 8;
/// The target is given by its id.
const BY_ID: u32 = 1 << 9;
/// Nobody reads the answer.
const DISCARD_REPLY: u32 = 16;
/// The answer goes out as a response.
const SYNCHRONOUS: u32 = 4096;
/// Past operations are to be forgotten.
const CLEAN_UP: u32 = 1 << 19;
/// Past operations are to be compared with those of peers.
const BROADCAST: u32 = 1 << 20;

/// A call under way, as its answer names it.
#[derive(Debug, Clone)]
pub(super) struct Call {
    operation: String,
    id: String,
    options_text: Option<String>,
    options: u32,
    target: Option<String>,
    action: Option<String>,
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
                let news = |name| root.attribute(name).and_then(News::from_name);
                if let Some(news) = news("st_notify_activate") {
                    session.fencing.insert(news);
                }
                if let Some(news) = news("st_notify_deactivate") {
                    session.fencing.remove(&news);
                }
                self.acknowledge(id, &message, 0);
            }
            "poke" => {}
            _ => match orders::task(self.is_privileged(id), root, &call) {
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
}
