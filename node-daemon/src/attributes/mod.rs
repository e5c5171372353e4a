//! The attribute manager: [`cib_model::attribute_table`] in the node, with its election of a writer and its
//! writes to the CIB (spec 61).

use std::collections::BTreeMap;
use std::time::Duration;

use cib_model::Document;
use cib_model::attribute_table::{
    Answer, AttributeAlert, AttributeManager, CibWrite, ElectionState, Input, Message, Output,
    Settings, Token, WriteFailure,
};
use quorum::election::{self, Candidate, Election};

use crate::subsystem::{
    Address, AttributeValue, AttributesAnswer, AttributesPeer, AttributesRequest, Body, CibError,
    CibOperation, CibRequest, CibUpdate, ElectionBallot, Ending, Envelope, GroupView, NodeId, Now,
    Outputs, Room, Scope, SharedDocument, Subsystem, WrittenValue,
};

/// Most clients that may wait for an answer.
const MAX_WAITING: usize = 10_000;
/// How long the writer's election may take (spec 61 §2).
const ELECTION_TIMEOUT: Duration = Duration::from_secs(120);

/// See the [module](self).
pub struct Attributes {
    me: NodeId,
    name: String,
    manager: AttributeManager,
    election: Election,
    names: BTreeMap<NodeId, String>,
    members: Vec<NodeId>,
    begun: bool,
    /// What is left of the last life is removed.
    swept: bool,
    clients: BTreeMap<u64, (Address, u64)>,
    next_token: u64,
    writes: BTreeMap<u64, u64>,
}

/// Who elects and is elected: the candidate of a node.
pub(crate) fn candidate(me: NodeId, name: &str, timeout: Duration) -> Candidate {
    let version = policy_engine::transition::FEATURE_SET.parse().expect("our own feature set");
    Candidate { id: me.into(), name: name.to_owned(), version, timeout }
}

impl Attributes {
    /// The attribute manager of a node.
    pub fn new(me: NodeId, name: &str) -> Attributes {
        Attributes {
            me,
            name: name.to_owned(),
            manager: AttributeManager::new(Settings::new(name)),
            election: Election::new(candidate(me, name, ELECTION_TIMEOUT)),
            names: BTreeMap::from([(me, name.to_owned())]),
            members: Vec::new(),
            begun: false,
            swept: false,
            clients: BTreeMap::new(),
            next_token: 1,
            writes: BTreeMap::new(),
        }
    }

    /// The table.
    pub fn manager(&self) -> &AttributeManager {
        &self.manager
    }

    fn name_of(&self, node: NodeId) -> String {
        self.names.get(&node).cloned().unwrap_or_else(|| node.to_string())
    }

    fn request(&mut self, now: Now, from: Address, request: AttributesRequest, out: &mut Outputs) {
        let AttributesRequest { token, message } = request;
        let message = match Message::read(message.root()) {
            Ok(message) => message,
            Err(error) => return refuse(out, from, token, error.to_string()),
        };
        if self.clients.len() >= MAX_WAITING {
            return refuse(out, from, token, format!("{MAX_WAITING} requests wait already"));
        }
        let own = self.next_token;
        self.next_token += 1;
        if token != 0 {
            self.clients.insert(own, (from, token));
        }
        self.manager.handle(now.elapsed, Input::Client { token: Token(own), message });
    }

    fn view(&mut self, now: Now, view: GroupView, out: &mut Outputs) {
        if !view.members.contains(&self.me) {
            return;
        }
        // A node may have left and be there again: then it is a new process that knows nothing.
        let gone = |node: &NodeId| !view.members.contains(node) || view.left.contains(node);
        for node in self.members.clone() {
            if gone(&node) {
                let name = self.name_of(node);
                let was_controller = self.manager.writer() == Some(name.as_str());
                let _ = self.election.handle(
                    now.elapsed,
                    now.cpu,
                    election::Input::Left { node: node.into(), was_controller },
                );
                self.manager.handle(now.elapsed, Input::Left { node: name });
            }
        }
        for node in &view.members {
            let _ =
                self.election.handle(now.elapsed, now.cpu, election::Input::Joined((*node).into()));
        }
        if !self.begun {
            self.begun = true;
            self.manager.handle(now.elapsed, Input::Start);
        }
        self.members.retain(|node| !gone(node));
        for node in &view.members {
            if !self.members.contains(node) {
                let (name, id) = (self.name_of(*node), Some(node.to_string()));
                self.manager.handle(now.elapsed, Input::Joined { node: name, id });
            }
        }
        self.members = view.members;
        if self.members.len() > 1 && !std::mem::replace(&mut self.swept, true) {
            self.sweep(out);
        }
        let _ = self.election.handle(now.elapsed, now.cpu, election::Input::Check);
    }

    /// Has what the CIB of those we come to says of this node's last life removed: it may have ended so
    /// lately that they did not come to do it (spec 61 §2).
    fn sweep(&self, out: &mut Outputs) {
        let known = self.manager.attributes().filter(|(name, attribute)| {
            !name.contains('\'') && attribute.value(&self.name).is_some_and(|v| v.current.is_some())
        });
        let known: Vec<String> = known.map(|(name, _)| format!("@name='{name}'")).collect();
        let which =
            if known.is_empty() { String::new() } else { format!("[not({})]", known.join(" or ")) };
        let state = format!("//node_state[@uname='{}']", self.name);
        let expression = format!("{state}/transient_attributes//nvpair{which}");
        let scope = Scope::XPath { expression, multiple: true };
        cib(out, 0, vec![CibUpdate::Delete { scope, content: None }], None);
    }

    fn ballot(&mut self, now: Now, from: NodeId, ballot: &ElectionBallot) {
        match ballot.read() {
            Ok(ballot) => {
                let input = election::Input::Ballot { from: from.into(), ballot };
                if let Err(error) = self.election.handle(now.elapsed, now.cpu, input) {
                    log::debug!("attributes: {error}");
                }
                let _ = self.election.handle(now.elapsed, now.cpu, election::Input::Check);
            }
            Err(error) => log::warn!("attributes: from {}: {error}", self.name_of(from)),
        }
    }

    /// A synchronisation without values of nodes that left after it was written: everybody has dropped
    /// those, its sender too, which does not take its own message.
    fn without_the_departed(&self, mut message: Document) -> Document {
        if message.root().attribute("task") != Some("sync-response") {
            return message;
        }
        let here = |name: &str| {
            self.members.iter().any(|node| self.names.get(node).is_some_and(|own| own == name))
        };
        let departed: Vec<_> = message
            .root()
            .children()
            .filter(|value| value.attribute("attr_is_remote") != Some("1"))
            .filter(|value| value.attribute("attr_host").is_some_and(|name| !here(name)))
            .map(|value| value.id())
            .collect();
        for value in departed {
            message.remove(value);
        }
        message
    }

    /// Carries what manager and election want to each other and out.
    fn drain(&mut self, now: Now, from: Option<NodeId>, out: &mut Outputs) {
        loop {
            if let Some(output) = self.election.poll_output() {
                self.elected(now, from, output, out);
            } else if let Some(output) = self.manager.poll_output() {
                self.carry_out(now, output, out);
            } else {
                return;
            }
        }
    }

    fn elected(
        &mut self,
        now: Now,
        from: Option<NodeId>,
        output: election::Output,
        out: &mut Outputs,
    ) {
        let state = match output {
            election::Output::Broadcast(ballot) => {
                return out
                    .all(Room::Attributes, AttributesPeer::Ballot(ElectionBallot::new(&ballot)));
            }
            election::Output::Send { to, ballot } => {
                let ballot = AttributesPeer::Ballot(ElectionBallot::new(&ballot));
                return out.node(to.into(), Room::Attributes, ballot);
            }
            election::Output::Storm => {
                return log::warn!("attributes: an unusual number of elections");
            }
            election::Output::Restart => {
                self.manager.handle(
                    now.elapsed,
                    Input::Election { state: ElectionState::Start, from: None },
                );
                let _ = self.election.handle(now.elapsed, now.cpu, election::Input::Start);
                ElectionState::InProgress
            }
            election::Output::Lost => ElectionState::Lost,
            election::Output::Won => ElectionState::Won,
        };
        let from = from.filter(|_| state == ElectionState::Lost).map(|node| self.name_of(node));
        self.manager.handle(now.elapsed, Input::Election { state, from });
    }

    fn carry_out(&mut self, now: Now, output: Output, out: &mut Outputs) {
        match output {
            Output::Broadcast(message) => {
                let message = message.to_document(&self.name).into();
                out.all(Room::Attributes, AttributesPeer::Message(message));
            }
            Output::Send { to, message } => {
                let node = self.names.iter().find(|(_, name)| **name == to).map(|(node, _)| *node);
                if let Some(node) = node {
                    let message = message.to_document(&self.name).into();
                    out.node(node, Room::Attributes, AttributesPeer::Message(message));
                }
            }
            Output::Answer { token, answer } => {
                if let Some((client, token)) = self.clients.remove(&token.0) {
                    out.reply(client, answered(token, answer));
                }
            }
            Output::Write(write) => self.write(write, out),
            Output::Erase { node } => {
                let expression = format!("//node_state[@uname='{node}']/transient_attributes");
                let scope = Scope::XPath { expression, multiple: true };
                cib(out, 0, vec![CibUpdate::Delete { scope, content: None }], None);
            }
            Output::Elect { .. } => {
                let _ = self.election.handle(now.elapsed, now.cpu, election::Input::Start);
                let state = ElectionState::InProgress;
                self.manager.handle(now.elapsed, Input::Election { state, from: None });
            }
            Output::Reap { node } => log::info!("attributes: {node} is forgotten"),
            Output::Alert(alerts) => {
                let written = |alert: AttributeAlert| WrittenValue {
                    node: alert.node,
                    node_id: alert.node_id,
                    name: alert.name,
                    value: alert.value,
                };
                let values = alerts.into_iter().map(written).collect();
                out.here(Room::Controller, AttributesAnswer::Written(values));
            }
        }
    }

    fn write(&mut self, write: CibWrite, out: &mut Outputs) {
        let update = |change: &cib_model::attribute_table::CibChange| match &change.value {
            Some(_) => CibUpdate::Modify {
                scope: Scope::Section("status".to_owned()),
                content: SharedDocument::new(change.to_document()),
                create: true,
                scores: false,
            },
            None => CibUpdate::Delete {
                scope: Scope::XPath { expression: change.xpath(), multiple: false },
                content: None,
            },
        };
        let token = self.next_token;
        self.next_token += 1;
        self.writes.insert(token, write.call);
        cib(out, token, write.changes.iter().map(update).collect(), write.user);
    }

    fn written(&mut self, now: Now, token: u64, error: Option<CibError>) {
        let Some(call) = self.writes.remove(&token) else { return };
        let result = match error {
            None => Ok(()),
            Some(CibError::NotFound(_) | CibError::PatchFailed(_) | CibError::NotConnected) => {
                Err(WriteFailure::Transient)
            }
            Some(_) => Err(WriteFailure::Other),
        };
        self.manager.handle(now.elapsed, Input::Written { call, result });
    }
}

fn cib(out: &mut Outputs, token: u64, updates: Vec<CibUpdate>, user: Option<String>) {
    let operation = CibOperation::Transaction(updates);
    out.here(Room::Cib, CibRequest { token, operation, client: "attributes".to_owned(), user });
}

fn refuse(out: &mut Outputs, to: Address, token: u64, reason: String) {
    log::warn!("attributes: {reason}");
    if token != 0 {
        out.reply(to, AttributesAnswer::Refused { token, reason });
    }
}

fn answered(token: u64, answer: Answer) -> AttributesAnswer {
    match answer {
        Answer::Accepted => AttributesAnswer::Accepted { token },
        Answer::TimedOut => AttributesAnswer::TimedOut { token },
        Answer::Values(values) => AttributesAnswer::Values {
            token,
            name: values.name,
            values: values
                .values
                .into_iter()
                .map(|(node, value)| AttributeValue { node, value })
                .collect(),
        },
    }
}

impl Subsystem for Attributes {
    fn room(&self) -> Room {
        Room::Attributes
    }

    fn start(&mut self, _: Now, _: &mut Outputs) {}

    fn handle(&mut self, now: Now, envelope: Envelope, out: &mut Outputs) {
        let sender = envelope.from.node;
        match envelope.body {
            Body::AttributesRequest(request) => self.request(now, envelope.from, request, out),
            Body::AttributesPeer(AttributesPeer::Ballot(ballot)) => {
                self.ballot(now, sender, &ballot)
            }
            Body::AttributesPeer(AttributesPeer::Message(message)) => {
                let from = self.name_of(sender);
                let message = self.without_the_departed(message.into_document());
                match Message::read(message.root()) {
                    Ok(message) => self.manager.handle(now.elapsed, Input::Peer { from, message }),
                    Err(error) => log::warn!("attributes: from {from}: {error}"),
                }
            }
            Body::GroupView(view) => self.view(now, view, out),
            Body::Membership(membership) => {
                let named = membership.configured.into_iter().map(|node| (node.id, node.name));
                self.names.extend(named);
            }
            Body::CibAnswer(answer) => self.written(now, answer.token, answer.result.err()),
            Body::Stop => {
                self.manager.handle(now.elapsed, Input::Shutdown);
                out.end(Ending::Done);
            }
            other => log::warn!("attributes: unexpected {other:?}"),
        }
        self.drain(now, Some(sender), out);
    }

    fn handle_timeout(&mut self, now: Now, out: &mut Outputs) {
        if self.election.poll_timeout().is_some_and(|at| at <= now.elapsed) {
            let _ = self.election.handle(now.elapsed, now.cpu, election::Input::Timeout);
        }
        if self.manager.poll_timeout().is_some_and(|at| at <= now.elapsed) {
            self.manager.handle(now.elapsed, Input::Timeout);
        }
        self.drain(now, None, out);
    }

    fn poll_timeout(&self) -> Option<Duration> {
        [self.election.poll_timeout(), self.manager.poll_timeout()].into_iter().flatten().min()
    }
}
