//! Requests of clients, and clients that wait (spec 61 §6, §7).

use std::collections::BTreeSet;
use std::time::Duration;

use regex::Regex;

use super::manager::{AttributeManager, Output};
use super::message::{ClearFailure, Message, SyncPoint, Task, Update};
use crate::scalar::Score;

/// What the answer to a request goes by.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Token(pub u64);

/// An answer to a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It is done, or on its way.
    Accepted,
    /// The sync point was not reached in time.
    TimedOut,
    /// The values asked for.
    Values(QueryAnswer),
}

impl Answer {
    /// The status in the acknowledgement; nothing for values, which are a reply of their own.
    pub fn status(&self) -> Option<u32> {
        match self {
            Answer::Accepted => Some(112),
            Answer::TimedOut => Some(124),
            Answer::Values(_) => None,
        }
    }
}

/// The answer to a query.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QueryAnswer {
    /// The attribute; nothing when there is none of that name.
    pub name: Option<String>,
    /// Nodes and values.
    pub values: Vec<(String, Option<String>)>,
}

/// A client that waits for a sync point.
#[derive(Debug)]
pub(super) struct Waiting {
    pub token: Token,
    /// The nodes that have yet to confirm; nothing when it waits for this node only.
    pub expected: Option<BTreeSet<String>>,
    pub deadline: Option<Duration>,
}

/// How long a client waits for all nodes.
const PATIENCE: Duration = Duration::from_secs(15);

impl AttributeManager {
    pub(super) fn client_request(&mut self, token: Token, message: Message) {
        match message.task {
            Task::Update | Task::UpdateDelay | Task::UpdateBoth => {
                self.update_request(token, message)
            }
            Task::ClearFailure => self.clear_request(token, message),
            Task::PeerRemove => {
                self.accept(token);
                self.peer_remove_request(message);
            }
            Task::Query => self.query(token, &message.update),
            Task::Refresh => {
                self.accept(token);
                self.write_all(true);
            }
            Task::SyncResponse | Task::Confirm => {
                log::warn!("a client sent a message that only peers may send");
            }
        }
    }

    fn accept(&mut self, token: Token) {
        self.emit(Output::Answer { token, answer: Answer::Accepted });
    }

    fn update_request(&mut self, token: Token, mut message: Message) {
        let together = self.minimum_protocol.is_some_and(|version| version >= 4);
        let several = message.parts.len() > 1 || message.update.regex.is_some();
        if several && !together && message.sync_point.take().is_some() {
            log::warn!("a sync point for several updates is not understood by all nodes: ignored");
        }
        if message.sync_point.is_none() {
            self.accept(token);
        }
        let mut updates = Vec::new();
        for update in message.updates() {
            match self.expand_names(update) {
                Ok(expanded) => updates.extend(expanded),
                Err(error) => log::error!("an update is refused: {error}"),
            }
        }
        let updates: Vec<Update> = updates
            .into_iter()
            .filter(|update| self.is_applicable(message.task, update))
            .map(|update| self.prepared(update))
            .collect();
        if updates.is_empty() {
            if message.sync_point.is_some() {
                self.accept(token);
            }
            return;
        }
        if message.parts.is_empty() && message.update.regex.is_none() || !together {
            for update in updates {
                let single = Message { update, parts: Vec::new(), ..message.clone() };
                self.broadcast_request(token, single);
            }
        } else {
            let parent = Update::default();
            self.broadcast_request(token, Message { update: parent, parts: updates, ..message });
        }
    }

    /// The updates a request with a regular expression stands for.
    fn expand_names(&self, update: Update) -> Result<Vec<Update>, String> {
        match (&update.name, &update.regex) {
            (Some(_), _) => Ok(vec![Update { regex: None, ..update }]),
            (None, None) => Err("neither name nor regular expression".to_owned()),
            (None, Some(pattern)) => {
                let expression = Regex::new(pattern).map_err(|error| error.to_string())?;
                let names = self.attributes.keys().filter(|name| expression.is_match(name));
                Ok(names
                    .map(|name| Update { name: Some(name.clone()), regex: None, ..update.clone() })
                    .collect())
            }
        }
    }

    fn is_applicable(&self, task: Task, update: &Update) -> bool {
        let known = update.name.as_ref().is_some_and(|name| self.attributes.contains_key(name));
        if task == Task::UpdateDelay && !known {
            log::warn!("no such attribute to delay: {:?}", update.name);
        }
        task != Task::UpdateDelay || known
    }

    /// Fills in the local node, and computes a value that is written as a change.
    fn prepared(&self, mut update: Update) -> Update {
        if update.host.is_none() {
            update.host = Some(self.settings.local.clone());
            update.host_id = self.node_id(&self.settings.local).map(str::to_owned);
        }
        if let Some(change) = update.value.as_deref().and_then(ValueChange::read) {
            let host = update.host.as_deref().unwrap_or_default();
            let old = update
                .name
                .as_ref()
                .and_then(|name| self.attributes.get(name)?.value(host)?.current.as_deref());
            update.value = Some(change.apply(old));
        }
        update
    }

    /// Sends a request to all nodes; its client waits if it wants to.
    fn broadcast_request(&mut self, token: Token, mut message: Message) {
        let Some(point) = message.sync_point else { return self.broadcast(message) };
        if self.waiting.len() >= self.settings.max_waiting {
            log::warn!("too many clients wait for a sync point: not waiting");
            self.accept(token);
            message.sync_point = None;
            return self.broadcast(message);
        }
        self.next_call_id = self.next_call_id.checked_add(1).unwrap_or(1);
        let call_id = self.next_call_id;
        message.call_id = Some(call_id);
        let waiting = match point {
            SyncPoint::Local => Waiting { token, expected: None, deadline: None },
            SyncPoint::Cluster => {
                message.confirm = true;
                let confirming = self.protocols.iter().filter(|(_, version)| **version >= 5);
                Waiting {
                    token,
                    expected: Some(confirming.map(|(node, _)| node.clone()).collect()),
                    deadline: Some(self.now + PATIENCE),
                }
            }
        };
        self.waiting.insert(call_id, waiting);
        self.broadcast(message);
    }

    fn clear_request(&mut self, token: Token, message: Message) {
        if message.sync_point.is_none() {
            self.accept(token);
        }
        if self.minimum_protocol.is_some_and(|version| version >= 2) {
            self.broadcast_request(token, message);
            return;
        }
        // Older nodes know the same as an update for all names that match.
        let pattern = message.clear.pattern();
        let update = Update { regex: Some(pattern), value: None, ..message.update };
        match self.expand_names(update) {
            Ok(updates) => {
                for update in updates {
                    self.broadcast(Message { update, ..Message::new(Task::Update) });
                }
            }
            Err(error) => log::error!("clearing failures is refused: {error}"),
        }
        if message.sync_point.is_some() {
            self.accept(token);
        }
    }

    fn peer_remove_request(&mut self, mut message: Message) {
        if message.update.host.is_none() {
            let id = message.update.host_id.clone();
            let member = self.members.iter().find(|node| self.node_id(node) == id.as_deref());
            message.update.host = member.filter(|_| id.is_some()).cloned();
        }
        if message.update.host.is_some() {
            message.clear = ClearFailure::default();
            self.broadcast(message);
        }
    }

    fn query(&mut self, token: Token, update: &Update) {
        let Some(name) = &update.name else { return };
        let mut values = QueryAnswer::default();
        if let Some(attribute) = self.attributes.get(name) {
            values.name = Some(name.clone());
            match update.host.as_deref() {
                None => {
                    values.values =
                        attribute.values().map(|v| (v.node.clone(), v.current.clone())).collect();
                }
                Some(host) => {
                    let host = if host == "localhost" { &self.settings.local } else { host };
                    let value = attribute.value(host).and_then(|value| value.current.clone());
                    values.values.push((host.to_owned(), value));
                }
            }
        }
        self.emit(Output::Answer { token, answer: Answer::Values(values) });
    }

    /// A request of our own was applied here.
    pub(super) fn applied_locally(&mut self, call_id: Option<i64>) {
        let Some(call_id) = call_id else { return };
        if self.waiting.get(&call_id).is_some_and(|waiting| waiting.expected.is_none())
            && let Some(waiting) = self.waiting.remove(&call_id)
        {
            self.accept(waiting.token);
        }
    }

    /// A node processed a request of our own.
    pub(super) fn confirmed(&mut self, node: &str, call_id: i64) {
        let Some(waiting) = self.waiting.get_mut(&call_id) else { return };
        let Some(expected) = &mut waiting.expected else { return };
        expected.remove(node);
        if expected.is_empty()
            && let Some(waiting) = self.waiting.remove(&call_id)
        {
            self.accept(waiting.token);
        }
    }

    /// A node that left counts as having confirmed.
    pub(super) fn forget_confirmations(&mut self, node: &str) {
        let calls: Vec<i64> = self.waiting.keys().copied().collect();
        for call_id in calls {
            self.confirmed(node, call_id);
        }
    }

    pub(super) fn time_out_waiting(&mut self) {
        let now = self.now;
        let late = |waiting: &Waiting| waiting.deadline.is_some_and(|deadline| deadline <= now);
        let calls: Vec<i64> =
            self.waiting.iter().filter(|(_, w)| late(w)).map(|(call, _)| *call).collect();
        for call_id in calls {
            if let Some(waiting) = self.waiting.remove(&call_id) {
                self.emit(Output::Answer { token: waiting.token, answer: Answer::TimedOut });
            }
        }
    }
}

/// A value that is given as a change of the old one: five characters, then `++`, or `+=` and a score.
struct ValueChange(Score);

impl ValueChange {
    fn read(text: &str) -> Option<ValueChange> {
        let (at, _) = text.char_indices().nth(5)?;
        let rest = &text[at..];
        if rest.starts_with("++") {
            return Some(ValueChange(Score::new(1)));
        }
        let amount = rest.strip_prefix("+=")?;
        Some(ValueChange(Score::parse(amount).unwrap_or(Score::ZERO)))
    }

    /// The new value: an old one that is no score gives 0.
    fn apply(&self, old: Option<&str>) -> String {
        match old.map(Score::parse) {
            None => self.0.value().to_string(),
            Some(Ok(old)) => (old + self.0).value().to_string(),
            Some(Err(_)) => "0".to_owned(),
        }
    }
}
