//! The state machine: what comes in, what goes out, and the dispatch between.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use super::client::{Answer, Token, Waiting};
use super::message::{Message, PROTOCOL_VERSION, Task, Update};
use super::table::{Attribute, NodeKey};
use super::write::{AttributeAlert, CibWrite, WriteFailure};

/// How an attribute manager is set up.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The name of the local node.
    pub local: String,
    /// Whether there is no CIB to write to.
    pub stand_alone: bool,
    /// How many attributes there may be.
    pub max_attributes: usize,
    /// How many nodes an attribute may have values for.
    pub max_nodes: usize,
    /// How many clients may wait for a sync point.
    pub max_waiting: usize,
}

impl Settings {
    /// The usual set-up for a node.
    pub fn new(local: &str) -> Settings {
        let local = local.to_owned();
        Settings {
            local,
            stand_alone: false,
            max_attributes: 100_000,
            max_nodes: 1_000,
            max_waiting: 10_000,
        }
    }
}

/// Where the election of the writer stands on this node.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum ElectionState {
    /// None was held yet.
    Start,
    /// One is being held.
    InProgress,
    /// Another node won.
    Lost,
    /// This node won.
    Won,
}

impl ElectionState {
    fn number(self) -> u8 {
        match self {
            ElectionState::Start => 0,
            ElectionState::InProgress => 1,
            ElectionState::Lost => 2,
            ElectionState::Won => 3,
        }
    }
}

/// What happens.
#[derive(Clone, Debug)]
pub enum Input {
    /// The CIB and the process group are connected.
    Start,
    /// A message from the process group was delivered, perhaps our own.
    Peer {
        /// The sender.
        from: String,
        /// The message.
        message: Message,
    },
    /// A client asks for something. Its user is already in the message where it counts.
    Client {
        /// What the answer goes by; unique among those waiting.
        token: Token,
        /// The request.
        message: Message,
    },
    /// A client is gone: nothing more is answered to these.
    ClientsGone {
        /// Its tokens.
        tokens: Vec<Token>,
    },
    /// A node is in the process group.
    Joined {
        /// Its name.
        node: String,
        /// Its id.
        id: Option<String>,
    },
    /// A node left the process group.
    Left {
        /// Its name.
        node: String,
    },
    /// The election changed.
    Election {
        /// Where it stands.
        state: ElectionState,
        /// Whose message changed it.
        from: Option<String>,
    },
    /// A write is complete.
    Written {
        /// Its number.
        call: u64,
        /// How it went.
        result: Result<(), WriteFailure>,
    },
    /// A client that is not known to be careful changed the status or the nodes in the CIB.
    UnsafeChange,
    /// Time passed.
    Timeout,
    /// The manager is asked to stop.
    Shutdown,
}

/// What is to be done.
#[derive(Clone, Debug)]
pub enum Output {
    /// Send to all nodes, this one included, in total order.
    Broadcast(Message),
    /// Send to one node.
    Send {
        /// The node.
        to: String,
        /// The message.
        message: Message,
    },
    /// Answer a client.
    Answer {
        /// Whose request.
        token: Token,
        /// The answer.
        answer: Answer,
    },
    /// Write to the CIB in one transaction.
    Write(CibWrite),
    /// Delete a node's transient attributes from the CIB.
    Erase {
        /// The name of the node.
        node: String,
    },
    /// Hold an election. With `clear_dampening` a recent loss does not count, as the writer is gone.
    Elect {
        /// Whether to forget a recent loss.
        clear_dampening: bool,
    },
    /// Forget a node.
    Reap {
        /// The name of the node.
        node: String,
    },
    /// Tell alert agents.
    Alert(Vec<AttributeAlert>),
}

/// The attribute manager of one node. See the [module documentation](super).
#[derive(Debug)]
pub struct AttributeManager {
    pub(super) settings: Settings,
    pub(super) attributes: BTreeMap<String, Attribute>,
    pub(super) node_ids: BTreeMap<NodeKey, String>,
    pub(super) members: BTreeSet<String>,
    pub(super) remote_nodes: BTreeSet<NodeKey>,
    /// Nodes whose values the next writer is to erase.
    pub(super) to_erase: BTreeMap<NodeKey, String>,
    pub(super) writer: Option<String>,
    pub(super) election: ElectionState,
    pub(super) protocols: BTreeMap<String, u32>,
    /// The least version any peer ever had; it only sinks.
    pub(super) minimum_protocol: Option<u32>,
    pub(super) waiting: BTreeMap<i64, Waiting>,
    pub(super) next_call_id: i64,
    pub(super) next_write: u64,
    pub(super) last_completed: u64,
    /// Running timers: when, and of which attribute.
    pub(super) timers: BTreeSet<(Duration, String)>,
    pub(super) outputs: VecDeque<Output>,
    pub(super) now: Duration,
    pub(super) shutting_down: bool,
}

/// The attribute by which nodes tell each other their protocol.
pub(super) const PROTOCOL_ATTRIBUTE: &str = "#attrd-protocol";

impl AttributeManager {
    /// A manager that knows nothing yet.
    pub fn new(settings: Settings) -> AttributeManager {
        AttributeManager {
            settings,
            attributes: BTreeMap::new(),
            node_ids: BTreeMap::new(),
            members: BTreeSet::new(),
            remote_nodes: BTreeSet::new(),
            to_erase: BTreeMap::new(),
            writer: None,
            election: ElectionState::Start,
            protocols: BTreeMap::new(),
            minimum_protocol: None,
            waiting: BTreeMap::new(),
            next_call_id: 0,
            next_write: 0,
            last_completed: 0,
            timers: BTreeSet::new(),
            outputs: VecDeque::new(),
            now: Duration::ZERO,
            shutting_down: false,
        }
    }

    /// Takes in what happened at `now`, counted from any fixed instant.
    pub fn handle(&mut self, now: Duration, input: Input) {
        self.now = self.now.max(now);
        match input {
            Input::Start => self.start(),
            Input::Peer { from, message } => {
                if !self.shutting_down {
                    self.peer_message(&from, message);
                }
            }
            Input::Client { token, message } => self.client_request(token, message),
            Input::ClientsGone { tokens } => {
                self.waiting.retain(|_, waiting| !tokens.contains(&waiting.token));
            }
            Input::Joined { node, id } => self.joined(node, id),
            Input::Left { node } => self.left(&node),
            Input::Election { state, from } => self.election_changed(state, from),
            Input::Written { call, result } => self.written(call, result),
            Input::UnsafeChange => {
                if self.is_writer() && !self.shutting_down {
                    self.write_all(false);
                }
            }
            Input::Timeout => {}
            Input::Shutdown => {
                self.shutting_down = true;
                self.waiting.clear();
            }
        }
        self.expire();
    }

    /// The next thing to be done.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When to call [`AttributeManager::handle`] again at the latest.
    pub fn poll_timeout(&self) -> Option<Duration> {
        let timer = self.timers.first().map(|&(deadline, _)| deadline);
        let waiting = self.waiting.values().filter_map(|waiting| waiting.deadline).min();
        timer.into_iter().chain(waiting).min()
    }

    /// An attribute.
    pub fn attribute(&self, name: &str) -> Option<&Attribute> {
        self.attributes.get(name)
    }

    /// All attributes, by name.
    pub fn attributes(&self) -> impl Iterator<Item = (&str, &Attribute)> {
        self.attributes.iter().map(|(name, attribute)| (name.as_str(), attribute))
    }

    /// The node that writes to the CIB, if it is known.
    pub fn writer(&self) -> Option<&str> {
        self.writer.as_deref()
    }

    pub(super) fn is_writer(&self) -> bool {
        self.election == ElectionState::Won
    }

    pub(super) fn is_local(&self, node: &str) -> bool {
        node.eq_ignore_ascii_case(&self.settings.local)
    }

    fn is_member(&self, node: &str) -> bool {
        self.members.iter().any(|member| member.eq_ignore_ascii_case(node))
    }

    pub(super) fn emit(&mut self, output: Output) {
        self.outputs.push_back(output);
    }

    /// Sends a message with what every message carries.
    pub(super) fn broadcast(&mut self, message: Message) {
        let message = self.stamped(message);
        self.emit(Output::Broadcast(message));
    }

    pub(super) fn send(&mut self, to: &str, message: Message) {
        let message = self.stamped(message);
        self.emit(Output::Send { to: to.to_owned(), message });
    }

    fn stamped(&self, message: Message) -> Message {
        let (version, writer_state) = (Some(PROTOCOL_VERSION), Some(self.election.number()));
        Message { version, writer_state, ..message }
    }

    pub(super) fn own_protocol(&self) -> Message {
        let local = self.settings.local.clone();
        let update = Update {
            name: Some(PROTOCOL_ATTRIBUTE.to_owned()),
            value: Some(PROTOCOL_VERSION.to_string()),
            host_id: self.node_ids.get(&NodeKey::new(&local)).cloned(),
            host: Some(local),
            is_private: true,
            ..Update::default()
        };
        Message { update, ..Message::new(Task::Update) }
    }

    /// A restart too quick to be noticed must not leave values behind.
    fn start(&mut self) {
        let node = self.settings.local.clone();
        self.emit(Output::Erase { node });
        let protocol = self.own_protocol();
        self.broadcast(protocol);
    }

    fn peer_message(&mut self, from: &str, message: Message) {
        let (confirm, call_id) = (message.confirm, message.call_id);
        match message.task {
            Task::Update | Task::UpdateDelay | Task::UpdateBoth => self.apply(from, &message),
            Task::SyncResponse => self.synchronise(from, message),
            Task::ClearFailure => self.clear_failure(from, &message),
            Task::PeerRemove => {
                // Without reaping it is about a node's past life. If the node is here that life either ends
                // with its leaving, or is over and its values are those of a new one.
                let of_the_living = |host: &String| !message.reap && self.is_member(host);
                if let Some(host) = message.update.host.as_ref().filter(|h| !of_the_living(h)) {
                    self.remove_node(host, message.reap);
                }
            }
            Task::Confirm => {
                if let Some(call_id) = call_id {
                    self.confirmed(from, call_id);
                }
                return;
            }
            Task::Query | Task::Refresh => {
                log::warn!("{from} sent a request that only clients may make");
                return;
            }
        }
        if confirm {
            if self.is_local(from) {
                if let Some(call_id) = call_id {
                    let local = self.settings.local.clone();
                    self.confirmed(&local, call_id);
                }
            } else {
                self.send(from, Message { call_id, ..Message::new(Task::Confirm) });
            }
        }
    }

    fn joined(&mut self, node: String, id: Option<String>) {
        if let Some(id) = id {
            self.learn_id(&node, &id);
        }
        if !self.members.insert(node.clone()) || self.is_local(&node) {
            return;
        }
        let message = if self.is_writer() { self.everything() } else { self.own_protocol() };
        self.send(&node, message);
    }

    fn left(&mut self, node: &str) {
        if !self.members.remove(node) {
            return;
        }
        self.protocols.remove(node);
        self.forget_confirmations(node);
        self.remove_node(node, false);
        if self.writer.as_deref() == Some(node) {
            self.writer = None;
            self.elect(true);
        }
    }

    fn election_changed(&mut self, state: ElectionState, from: Option<String>) {
        let before = std::mem::replace(&mut self.election, state);
        match state {
            ElectionState::Start => self.writer = None,
            ElectionState::InProgress => {}
            ElectionState::Lost => {
                if self.writer.is_none() || before != ElectionState::Lost {
                    self.writer = from.or(self.writer.take());
                }
            }
            ElectionState::Won if before != ElectionState::Won => self.become_writer(),
            ElectionState::Won => {}
        }
    }

    fn become_writer(&mut self) {
        self.writer = Some(self.settings.local.clone());
        let everything = self.everything();
        self.broadcast(everything);
        for (_, node) in std::mem::take(&mut self.to_erase) {
            self.emit(Output::Erase { node });
        }
        self.write_all(false);
    }

    /// Asks for an election unless there is a writer, one is being held, or we are stopping.
    pub(super) fn elect(&mut self, clear_dampening: bool) {
        let running = self.election == ElectionState::InProgress;
        if self.writer.is_none() && !running && !self.shutting_down {
            self.emit(Output::Elect { clear_dampening });
        }
    }

    /// Removes a node's values everywhere; with `reap` all knowledge of it.
    pub(super) fn remove_node(&mut self, node: &str, reap: bool) {
        let key = NodeKey::new(node);
        for attribute in self.attributes.values_mut() {
            attribute.values.remove(&key);
        }
        if self.is_writer() {
            self.emit(Output::Erase { node: node.to_owned() });
        } else {
            self.to_erase.insert(key.clone(), node.to_owned());
            self.elect(false);
        }
        if reap {
            self.node_ids.remove(&key);
            self.remote_nodes.remove(&key);
            self.emit(Output::Reap { node: node.to_owned() });
        }
    }

    /// Learns the id of a node. Values that could not be written for want of it can be now.
    pub(super) fn learn_id(&mut self, node: &str, id: &str) {
        let key = NodeKey::new(node);
        if self.node_ids.get(&key).is_some_and(|known| known == id) {
            return;
        }
        self.node_ids.insert(key, id.to_owned());
        if self.is_writer() {
            self.write_changed();
        }
    }

    /// Lets timers run out.
    fn expire(&mut self) {
        while let Some((deadline, name)) = self.timers.first().cloned() {
            if deadline > self.now {
                break;
            }
            self.stop_timer(&name);
            self.write_or_elect(&name);
        }
        self.time_out_waiting();
    }

    pub(super) fn start_timer(&mut self, name: &str, after: Duration) {
        self.stop_timer(name);
        let deadline = self.now + after;
        if let Some(attribute) = self.attributes.get_mut(name) {
            attribute.deadline = Some(deadline);
            self.timers.insert((deadline, name.to_owned()));
        }
    }

    pub(super) fn stop_timer(&mut self, name: &str) {
        if let Some(deadline) = self.attributes.get_mut(name).and_then(|a| a.deadline.take()) {
            self.timers.remove(&(deadline, name.to_owned()));
        }
    }
}
