//! The controller's endpoint (spec 62 §9.1).

use cib_model::{Document, Element};

use super::envelope::{Answerer, Request};
use super::session::SessionId;
use super::tag::Tag;
use super::{Clients, Kind};
use crate::ipc::parts::Message;
use crate::subsystem::{
    AgentName, ControllerAnswer, ControllerRequest, NodeId, Now, Outputs, PeerListing, Room,
};

/// A request under way, with what its answer repeats.
#[derive(Debug)]
pub(super) struct Call {
    request: Request,
    subject: Option<Subject>,
}

/// The resource an action is about.
#[derive(Debug, Clone)]
struct Subject {
    resource: String,
    agent: Option<AgentName>,
    node: String,
    transition_key: String,
}

impl Clients {
    pub(super) fn controller_message(
        &mut self,
        id: SessionId,
        message: Message,
        document: &Document,
        out: &mut Outputs,
    ) {
        self.acknowledge(id, &message, 112);
        let Some(request) = Request::read(document) else {
            return log::info!("ipc: crmd: a message without crm_task");
        };
        if request.task == "hello" {
            return self.hello(id, document);
        }
        let Some(session) = self.sessions.get(&id) else { return };
        if session.client.is_none() && request.task != "rm_node_cache" {
            log::info!("ipc: crmd: {} did not say hello", session.access.pid);
            return self.close(id);
        }
        let changes = matches!(
            request.task.as_str(),
            "lrm_delete" | "lrm_fail" | "probe_again" | "rm_node_cache"
        );
        if changes && !session.access.privileged {
            log::warn!("ipc: crmd: {} may not {}", session.access.user, request.task);
            return self.close(id);
        }
        self.controller_request(
            id,
            message,
            document.root(),
            request,
            Request::payload(document),
            out,
        );
    }

    fn hello(&mut self, id: SessionId, document: &Document) {
        let options = Request::payload(document);
        let text = |name| options.and_then(|options| options.attribute(name));
        let version = ["major_version", "minor_version"]
            .into_iter()
            .all(|name| text(name).is_some_and(|text| text.parse::<u32>().is_ok()));
        let name = text("client_name").filter(|name| !name.is_empty());
        match (name, self.sessions.get_mut(&id)) {
            (Some(name), Some(session)) if version => session.client = Some(name.to_owned()),
            _ => self.close(id),
        }
    }

    fn controller_request(
        &mut self,
        id: SessionId,
        message: Message,
        root: Element<'_>,
        request: Request,
        payload: Option<Element<'_>>,
        out: &mut Outputs,
    ) {
        let number =
            |name| root.attribute(name).and_then(|id| id.parse().ok()).and_then(NodeId::new);
        let name = root.attribute("uname").map(str::to_owned);
        let own = self.node.clone();
        let subject =
            payload.and_then(|payload| subject(payload, request.host.as_deref().unwrap_or(&own)));
        let (task, host, system) =
            (request.task.clone(), request.host.clone(), request.system.clone());
        if task == "rm_node_cache" {
            return out
                .here(Room::Controller, ControllerRequest::ForgetNode { id: number("id"), name });
        }
        let router = payload.and_then(|payload| payload.attribute("on_node")).map(str::to_owned);
        let call = Call { request, subject: subject.clone() };
        let mut ask = |clients: &mut Clients, asked: &dyn Fn(u64) -> ControllerRequest| {
            let token = clients.ask(
                id,
                message.clone(),
                Kind::Controller(Call {
                    request: call.request.clone(),
                    subject: call.subject.clone(),
                }),
            );
            out.here(Room::Controller, asked(token));
        };
        match (task.as_str(), subject) {
            ("ping", _) => {
                let node = host.clone().filter(|_| system != "dc");
                ask(self, &|token| ControllerRequest::Ping { token, node: node.clone() });
            }
            ("node-info", _) => {
                let id = number("id");
                ask(self, &|token| ControllerRequest::NodeInfo { token, id, name: name.clone() });
            }
            ("list-nodes", _) => ask(self, &|token| ControllerRequest::ListNodes { token }),
            ("probe_again", _) => {
                ask(self, &|token| ControllerRequest::Reprobe { token, node: router.clone() });
            }
            ("lrm_delete", Some(Subject { resource, agent, node, .. })) => ask(self, &|token| {
                let (node, resource, agent) = (node.clone(), resource.clone(), agent.clone());
                ControllerRequest::CleanUp { token, node, resource, agent }
            }),
            ("lrm_fail", Some(Subject { resource, agent, node, .. })) => ask(self, &|token| {
                let (node, resource, agent) = (node.clone(), resource.clone(), agent.clone());
                ControllerRequest::Fail { token, node, resource, agent }
            }),
            _ => log::info!("ipc: crmd: {task} is not understood"),
        }
    }

    pub(super) fn controller_answer(&mut self, now: Now, answer: ControllerAnswer) {
        let token = match &answer {
            ControllerAnswer::State { token, .. }
            | ControllerAnswer::Node { token, .. }
            | ControllerAnswer::Nodes { token, .. }
            | ControllerAnswer::Done { token, .. } => *token,
        };
        let of_supervisor =
            self.pending.get(&token).is_some_and(|p| matches!(p.kind, Kind::Supervisor(_)));
        if let (true, ControllerAnswer::State { state, .. }) = (of_supervisor, &answer) {
            self.patience.retain(|(_, waiting)| *waiting != token);
            return self.supervisor_state(now, token, Some(state));
        }
        let Some(pending) = self.answered(token) else { return };
        let (Kind::Controller(call), Some(session)) =
            (&pending.kind, self.sessions.get(&pending.session))
        else {
            return;
        };
        let mut from = Answerer { system: "crmd", node: Some(self.node.as_str()) };
        let mut task = call.request.task.as_str();
        let payload = match &answer {
            ControllerAnswer::State { state, dc, node, .. } => {
                from.node = Some(node.as_str());
                if call.request.system == "dc" {
                    from = Answerer { system: "dc", node: dc.as_deref() };
                }
                ping_response(from.system, state)
            }
            ControllerAnswer::Node { node, quorate, .. } => node_info(node.as_ref(), *quorate),
            ControllerAnswer::Nodes { nodes, .. } => list_nodes(nodes),
            ControllerAnswer::Done { result, .. } => match &call.subject {
                Some(subject) => {
                    (task, from.system) = ("lrm_invoke", "lrmd");
                    invoked(subject, &call.request.task, result.as_ref().err())
                }
                None => String::new(),
            },
        };
        let text = call.request.answer(session, now, from, task, &payload);
        self.event(pending.session, &text);
    }
}

fn subject(payload: Element<'_>, node: &str) -> Option<Subject> {
    let primitive = payload.child("primitive")?;
    let text = |name| primitive.attribute(name).map(str::to_owned);
    let agent = text("class").zip(text("type")).map(|(class, kind)| AgentName {
        class,
        provider: text("provider"),
        kind,
    });
    Some(Subject {
        resource: text("id")?,
        agent,
        node: payload.attribute("on_node").unwrap_or(node).to_owned(),
        transition_key: payload.attribute("transition-key").unwrap_or_default().to_owned(),
    })
}

fn ping_response(system: &str, state: &str) -> String {
    Tag::new("ping_response")
        .attribute("crm_subsystem", system)
        .attribute("crmd_state", state)
        .attribute("result", "ok")
        .closed()
}

fn node_info(node: Option<&PeerListing>, quorate: bool) -> String {
    let id = node.map(|node| node.id.to_string());
    let state = node.map(|node| if node.member { "member" } else { "lost" });
    Tag::new("node")
        .attribute("crm_subsystem", "crmd")
        .attribute("have-quorum", if quorate { "true" } else { "false" })
        .maybe("id", id.as_deref())
        .maybe("uname", node.map(|node| node.name.as_str()))
        .maybe("crmd", state)
        .attribute("remote_node", "false")
        .closed()
}

fn list_nodes(nodes: &[PeerListing]) -> String {
    let listed: String = nodes
        .iter()
        .map(|node| {
            Tag::new("node")
                .attribute("id", &node.id.to_string())
                .attribute("uname", &node.name)
                .attribute("in_ccm", if node.member { "member" } else { "lost" })
                .closed()
        })
        .collect();
    Tag::new("nodes").around(&listed)
}

/// The history entry with which a controller answers that an action was done (spec 60 §11.2).
fn invoked(subject: &Subject, task: &str, failure: Option<&String>) -> String {
    let Subject { resource, agent, node, transition_key } = subject;
    let operation = if task == "lrm_fail" { "asyncmon" } else { "delete" };
    let (code, status) = if failure.is_some() { ("1", "4") } else { ("0", "0") };
    let kind = if operation == "delete" { "last" } else { "last_failure" };
    let entry = Tag::new("lrm_rsc_op")
        .attribute("id", &format!("{resource}_{kind}_0"))
        .attribute("operation_key", &format!("{resource}_{operation}_0"))
        .attribute("operation", operation)
        .attribute("transition-key", transition_key)
        .attribute("transition-magic", &format!("{status}:{code};{transition_key}"))
        .maybe("exit-reason", failure.map(String::as_str))
        .attribute("rc-code", code)
        .attribute("op-status", status)
        .attribute("call-id", "0")
        .attribute("interval", "0")
        .closed();
    let history = Tag::new("lrm_resource")
        .attribute("id", resource)
        .maybe("class", agent.as_ref().map(|agent| agent.class.as_str()))
        .maybe("provider", agent.as_ref().and_then(|agent| agent.provider.as_deref()))
        .maybe("type", agent.as_ref().map(|agent| agent.kind.as_str()))
        .around(&entry);
    let lrm =
        Tag::new("lrm").attribute("id", node).around(&Tag::new("lrm_resources").around(&history));
    Tag::new("node_state").attribute("id", node).attribute("uname", node).around(&lrm)
}
