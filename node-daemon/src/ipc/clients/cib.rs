//! The CIB manager's endpoints (spec 51 §10, 62 §9.4).

use std::collections::BTreeMap;

use cib_model::operation::CallOptions;
use cib_model::patch::Patch;
use cib_model::{Document, Element};

use super::legacy::for_old_clients;
use super::session::{Session, SessionId};
use super::tag::Tag;
use super::{Clients, Kind};
use crate::ipc::endpoint::Endpoint;
use crate::ipc::frame::Layout;
use crate::ipc::parts::Message;
use crate::subsystem::{
    CibAnswer, CibChanged, CibError, CibOperation, CibRequest, CibUpdate, Interest, Now, Outputs,
    Room, Scope, SharedDocument, SharedPatch,
};

/// The answer is discarded.
const DISCARD_REPLY: u32 = 16;
/// Elements without what is below them.
const NO_CHILDREN: u32 = 32;
/// The answer goes out as a response.
const SYNCHRONOUS: u32 = 4096;

const INVALID: i32 = -22;
const DENIED: i32 = -13;
const NOT_PERMITTED: i32 = -1;
const NOT_SUPPORTED: i32 = -93;

/// A call under way, as its answer names it.
#[derive(Debug, Clone)]
pub(super) struct Call {
    operation: String,
    id: Option<String>,
    options_text: Option<String>,
    options: u32,
}

impl Call {
    fn read(root: Element<'_>) -> Call {
        let text = |name| root.attribute(name).map(str::to_owned);
        let options_text = text("cib_callopt");
        Call {
            operation: text("cib_op").unwrap_or_default(),
            id: text("cib_callid"),
            options: options_text.as_deref().and_then(|text| text.parse().ok()).unwrap_or(0),
            options_text,
        }
    }

    fn reply(&self, session: &Session, code: i32, output: Option<&Document>) -> String {
        let content = match output {
            Some(output) => Tag::new("cib_calldata").around(&text_for(session.layout, output)),
            None => String::new(),
        };
        Tag::new("cib-reply")
            .attribute("t", "cib")
            .attribute("cib_op", &self.operation)
            .maybe("cib_callid", self.id.as_deref())
            .attribute("cib_clientid", &session.uuid)
            .maybe("cib_callopt", self.options_text.as_deref())
            .attribute("cib_rc", &code.to_string())
            .around(&content)
    }
}

/// What a command asks for.
enum Asked {
    Operation(CibOperation),
    Nothing,
}

impl Clients {
    pub(super) fn cib_message(
        &mut self,
        now: Now,
        id: SessionId,
        message: Message,
        document: &Document,
        out: &mut Outputs,
    ) {
        let root = document.root();
        let call = Call::read(root);
        let Some(session) = self.sessions.get_mut(&id) else { return };
        if session.client.is_none() {
            session.client = root.attribute("cib_clientname").map(str::to_owned);
        }
        match call.operation.as_str() {
            "register" => {
                let reply = Tag::new("cib_common_callback_worker")
                    .attribute("cib_op", "register")
                    .attribute("cib_clientid", &session.uuid)
                    .closed();
                self.respond(id, &message, &reply);
            }
            "cib_notify" => self.notify_of_changes(id, &message, root, out),
            _ => self.command(now, id, message, root, call, out),
        }
    }

    fn notify_of_changes(
        &mut self,
        id: SessionId,
        message: &Message,
        root: Element<'_>,
        out: &mut Outputs,
    ) {
        let known = root.attribute("cib_notify_type") == Some("cib_diff_notify");
        let on = root.attribute("cib_notify_activate").and_then(cib_model::scalar::parse_boolean);
        let (true, Some(on)) = (known, on) else { return self.acknowledge(id, message, 2) };
        if let Some(session) = self.sessions.get_mut(&id) {
            session.changes = on;
        }
        if on && !self.subscribed {
            self.subscribed = true;
            out.here(Room::Cib, request(0, CibOperation::Subscribe(Interest::All)));
        }
        self.acknowledge(id, message, 0);
    }

    fn command(
        &mut self,
        _: Now,
        id: SessionId,
        message: Message,
        root: Element<'_>,
        call: Call,
        out: &mut Outputs,
    ) {
        let Some(session) = self.sessions.get(&id) else { return };
        let asked = operation(root, &call.operation, call.options);
        let modifies =
            !matches!(&asked, Ok(Asked::Nothing | Asked::Operation(CibOperation::Query { .. })));
        let asked = match asked {
            Ok(_) if modifies && session.endpoint == Endpoint::CibRead => Err(DENIED),
            other => other,
        };
        let wanted = root.attribute("acl_target").or_else(|| root.attribute("cib_user"));
        let (user, client) = (session.user(wanted), session.name());
        match asked {
            Ok(Asked::Nothing) => self.finish(id, &message, &call, 0, None),
            Ok(Asked::Operation(operation)) => {
                let token = self.ask(id, message, Kind::Cib(call));
                out.here(Room::Cib, CibRequest { token, operation, client, user });
            }
            Err(code) => self.finish(id, &message, &call, code, None),
        }
    }

    fn finish(
        &mut self,
        id: SessionId,
        question: &Message,
        call: &Call,
        code: i32,
        output: Option<&Document>,
    ) {
        if call.options & DISCARD_REPLY != 0 {
            return;
        }
        let Some(session) = self.sessions.get(&id) else { return };
        let reply = call.reply(session, code, output);
        if call.options & SYNCHRONOUS != 0 {
            self.respond(id, question, &reply);
        } else {
            self.event(id, &reply);
        }
    }

    pub(super) fn cib_answer(&mut self, answer: CibAnswer) {
        let Some(pending) = self.answered(answer.token) else { return };
        let code = answer.result.as_ref().err().map_or(0, CibError::code);
        let output = answer.result.ok().flatten();
        match pending.kind {
            Kind::Cib(call) => {
                self.finish(pending.session, &pending.question, &call, code, output.as_deref());
            }
            Kind::Attributes | Kind::Fencer(_) | Kind::Controller(_) | Kind::Supervisor(_) => {}
        }
    }

    pub(super) fn cib_changed(&mut self, changed: &CibChanged) {
        let listeners: Vec<SessionId> = self
            .sessions
            .iter()
            .filter(|(_, session)| session.changes)
            .map(|(id, _)| *id)
            .collect();
        if listeners.is_empty() {
            return;
        }
        let patch = changed.patch.to_document();
        let mut texts: BTreeMap<Layout, String> = BTreeMap::new();
        for id in listeners {
            let Some(layout) = self.sessions.get(&id).map(|session| session.layout) else {
                continue;
            };
            let text = texts.entry(layout).or_insert_with(|| notification(layout, changed, &patch));
            self.event(id, text);
        }
    }
}

/// A document as text for clients of a layout.
fn text_for(layout: Layout, document: &Document) -> String {
    match layout {
        Layout::Old => for_old_clients(document).root().to_xml_compact(),
        Layout::New => document.root().to_xml_compact(),
    }
}

fn notification(layout: Layout, changed: &CibChanged, patch: &Document) -> String {
    Tag::new("notify")
        .attribute("t", "cib_notify")
        .attribute("subt", "cib_diff_notify")
        .attribute("cib_op", "cib_apply_diff")
        .attribute("cib_clientname", &changed.origin.client)
        .attribute("src", &changed.origin.node_name)
        .attribute("cib_rc", "0")
        .around(&Tag::new("cib_update_result").around(&text_for(layout, patch)))
}

/// A request of our own.
pub(super) fn request(token: u64, operation: CibOperation) -> CibRequest {
    CibRequest { token, operation, client: "clients".to_owned(), user: None }
}

/// Reads what a command asks for, or says with which code it is refused.
fn operation(root: Element<'_>, name: &str, options: u32) -> Result<Asked, i32> {
    let data = root.child("cib_calldata").and_then(|data| data.children().next());
    let scope = scope(root, options);
    let operation = match name {
        "cib_query" => CibOperation::Query { scope, children: options & NO_CHILDREN == 0 },
        "cib_commit_transact" => CibOperation::Transaction(transaction(data)?),
        "noop" | "ping" | "cib_sync" | "cib_sync_one" => return Ok(Asked::Nothing),
        "cib_ismaster" | "cib_master" | "cib_slave" | "cib_shutdown_req" => {
            return Err(NOT_PERMITTED);
        }
        "cib_schemas" => return Err(NOT_SUPPORTED),
        _ => CibOperation::Update {
            update: update(name, scope, options, data)?,
            dry_run: options & CallOptions::DRY_RUN.0 != 0,
        },
    };
    Ok(Asked::Operation(operation))
}

fn scope(root: Element<'_>, options: u32) -> Scope {
    match root.attribute("cib_section") {
        None | Some("" | "cib" | "all") => Scope::All,
        Some(expression) if options & CallOptions::XPATH.0 != 0 => Scope::XPath {
            expression: expression.to_owned(),
            multiple: options & CallOptions::MULTIPLE.0 != 0,
        },
        Some(name) => Scope::Section(name.to_owned()),
    }
}

fn update(
    name: &str,
    scope: Scope,
    options: u32,
    data: Option<Element<'_>>,
) -> Result<CibUpdate, i32> {
    let content = || match data {
        Some(data) => Ok(SharedDocument::new(Document::from_subtree(data))),
        None => Err(INVALID),
    };
    Ok(match name {
        "cib_create" => CibUpdate::Create { scope, content: content()? },
        "cib_modify" => CibUpdate::Modify {
            scope,
            content: content()?,
            create: options & CallOptions::CAN_CREATE.0 != 0,
            scores: options & CallOptions::SCORE_UPDATE.0 != 0,
        },
        "cib_replace" => CibUpdate::Replace { scope, content: content()?, keep_version: false },
        "cib_delete" => {
            let content = data.map(|data| SharedDocument::new(Document::from_subtree(data)));
            if content.is_none() && !matches!(scope, Scope::XPath { .. }) {
                return Err(INVALID);
            }
            CibUpdate::Delete { scope, content }
        }
        "cib_erase" => CibUpdate::Erase,
        "cib_bump" => CibUpdate::Bump,
        "cib_upgrade" => CibUpdate::Upgrade,
        "cib_apply_diff" => {
            let patch = Patch::read(data.ok_or(INVALID)?).map_err(|_| INVALID)?;
            CibUpdate::Patch(SharedPatch::new(patch))
        }
        _ => return Err(INVALID),
    })
}

fn transaction(data: Option<Element<'_>>) -> Result<Vec<CibUpdate>, i32> {
    let commands = data.filter(|data| data.name() == "cib_transaction").ok_or(NOT_SUPPORTED)?;
    commands
        .children()
        .map(|command| {
            let options =
                command.attribute("cib_callopt").and_then(|o| o.parse().ok()).unwrap_or(0);
            let name = command.attribute("cib_op").unwrap_or_default();
            let data = command.child("cib_calldata").and_then(|data| data.children().next());
            update(name, scope(command, options), options, data)
        })
        .collect()
}
