//! The fencer of one node: the state machine that the driver runs.

mod client;
mod configuration;
mod interface;
mod owner;
mod peer;
mod result;

pub use interface::{Configuration, FenceOrder, Input, Notification, Output, Request, Response};

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use log::Level;

use crate::clock::{Moment, Timers};
use crate::executor::{CallId, Effect, Executor, LogLine, SearchPurpose};
use crate::history::History;
use crate::message::{Message, QueryReply};
use crate::name::{NodeName, OperationId};
use crate::operation::{Conduct, View};
use crate::topology::{NodeAttributes, Topology};

/// Most operations one fencer owns at a time; further requests fail at once.
pub const MAX_OWNED: usize = 1000;

/// Most requests of clients that wait for an answer; further ones fail at once.
pub const MAX_CALLS: usize = 4096;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Timer {
    /// Answers to the query.
    Query(OperationId),
    /// The whole operation.
    Total(OperationId),
    /// The current request to a peer.
    Request(OperationId),
    /// The target's watchdog.
    Watchdog(OperationId),
}

/// The fencer of one node.
///
/// After any [`Fencer::handle`], drain [`Fencer::poll_output`], then wait until
/// [`Fencer::poll_timeout`] or the next input. Spurious calls are harmless; inputs may be batched
/// before a drain. Queues are bounded: by [`MAX_CALLS`] requests and [`MAX_OWNED`] operations, by
/// [`MAX_COMMANDS`](crate::executor::MAX_COMMANDS) agent runs (further ones fail at once) and by
/// [`MAX_RECORDS`](crate::history::MAX_RECORDS) history records (old ones are dropped).
#[derive(Debug, Clone)]
pub struct Fencer {
    local: NodeName,
    own_client: String,
    executor: Executor,
    topology: Topology,
    attributes: NodeAttributes,
    node_ids: BTreeMap<u32, NodeName>,
    active: BTreeSet<NodeName>,
    history: History,
    conducts: BTreeMap<OperationId, Conduct>,
    calls: BTreeSet<CallId>,
    timers: Timers<Timer>,
    rng: fastrand::Rng,
    outputs: VecDeque<Output>,
    to_self: VecDeque<Message>,
}

impl Fencer {
    /// The fencer of node `local`.
    ///
    /// `own_client` is the name under which it asks on behalf of others, with its process id.
    /// `seed` drives delays and operation ids: it must be different on every node and at every
    /// start, or ids repeat.
    pub fn new(local: NodeName, own_client: impl Into<String>, seed: u64) -> Self {
        let mut rng = fastrand::Rng::with_seed(seed);
        Self {
            executor: Executor::new(local.clone(), rng.u64(..)),
            own_client: own_client.into(),
            topology: Topology::default(),
            attributes: NodeAttributes::new(),
            node_ids: BTreeMap::new(),
            active: BTreeSet::from([local.clone()]),
            history: History::default(),
            conducts: BTreeMap::new(),
            calls: BTreeSet::new(),
            timers: Timers::default(),
            rng,
            outputs: VecDeque::new(),
            to_self: VecDeque::new(),
            local,
        }
    }

    /// Takes one input.
    pub fn handle(&mut self, now: Moment, input: Input) {
        self.advance(now);
        match input {
            Input::Message { from, message } => self.message(now, &from, message),
            Input::Membership(active) => self.membership(now, active),
            Input::Request { call, client, privileged, request } => {
                self.request(now, call, client, privileged, request);
            }
            Input::ClientGone(client) => self.calls.retain(|call| call.client != client),
            Input::AgentEnded { run, report } => {
                self.executor.agent_ended(now.elapsed, run, report);
            }
            Input::MetadataRead { agent, answer } => {
                self.executor.metadata_read(now.elapsed, &agent, answer);
            }
            Input::Configure(configuration) => self.configure(now, configuration),
            Input::Tick => {}
        }
        self.settle(now);
    }

    /// Takes the bytes of a message; whatever is no message is logged and dropped.
    pub fn handle_bytes(&mut self, now: Moment, from: NodeName, bytes: &[u8]) {
        match Message::parse(bytes) {
            Ok(message) => self.handle(now, Input::Message { from, message }),
            Err(error) => {
                self.log(Level::Error, format!("Ignoring a message from {from}: {error}"));
            }
        }
    }

    /// The next thing to be done; call until there is none.
    #[must_use]
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When to call [`Fencer::handle`] with [`Input::Tick`], at the latest.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Duration> {
        [self.timers.next(), self.executor.poll_timeout()].into_iter().flatten().min()
    }

    /// The executing side: devices and their queues.
    pub fn executor(&self) -> &Executor {
        &self.executor
    }

    /// All operations this fencer knows of.
    pub fn history(&self) -> &History {
        &self.history
    }

    /// The topology table.
    pub fn topology(&self) -> &Topology {
        &self.topology
    }

    /// Name of this node.
    pub fn local(&self) -> &NodeName {
        &self.local
    }

    /// Lets due timers act, those of operations before those of devices.
    fn advance(&mut self, now: Moment) {
        while let Some(timer) = self.timers.pop_due(now.elapsed) {
            self.timer(now, timer);
            self.settle(now);
        }
        self.executor.handle_time(now.elapsed);
        self.settle(now);
    }

    fn timer(&mut self, now: Moment, timer: Timer) {
        match timer {
            Timer::Query(id) => {
                self.conducted(now, id, |conduct, view| conduct.query_expired(view))
            }
            Timer::Request(id) => {
                self.conducted(now, id, |conduct, view| conduct.request_expired(view));
            }
            Timer::Watchdog(id) => {
                self.conducted(now, id, |conduct, view| conduct.watchdog_expired(view));
            }
            Timer::Total(id) if self.conducts.contains_key(&id) => {
                self.conducted(now, id, |conduct, _| conduct.total_expired());
            }
            Timer::Total(id) => self.waiting_expired(now, id),
        }
    }

    /// Carries out what the executor wants, and delivers what this fencer sends to itself.
    fn settle(&mut self, now: Moment) {
        loop {
            if let Some(effect) = self.executor.poll() {
                self.effect(effect);
            } else if let Some(message) = self.to_self.pop_front() {
                let local = self.local.clone();
                self.message(now, &local, message);
            } else {
                break;
            }
        }
    }

    fn effect(&mut self, effect: Effect) {
        match effect {
            Effect::Run(run) => self.outputs.push_back(Output::Run(run)),
            Effect::ReadMetadata(agent) => self.outputs.push_back(Output::ReadMetadata(agent)),
            Effect::Log(line) => self.outputs.push_back(Output::Log(line)),
            Effect::SelfFence { action } => self.outputs.push_back(Output::SelfFence { action }),
            Effect::CallDone { call, report } => self.reply(call, Response::Agent(report)),
            Effect::JobDone(report) => self.job_done(report),
            Effect::Searched { purpose, devices } => match purpose {
                SearchPurpose::Call(call) => self.reply(call, Response::Devices(devices)),
                SearchPurpose::Job(_) => {}
                SearchPurpose::Peer { owner, operation, action, target, allow_self } => {
                    let offers = devices
                        .iter()
                        .filter_map(|id| self.executor.registry.get(id))
                        .map(|device| device.offer(action, Some(&target), &self.local, allow_self))
                        .collect();
                    let incarnation = self.executor.incarnation();
                    let reply = QueryReply { operation, incarnation, offers };
                    self.send(&owner, Message::QueryReply(reply));
                }
            },
        }
    }

    fn message(&mut self, now: Moment, from: &NodeName, message: Message) {
        match message {
            Message::Query(query) => self.peer_query(now, from, query),
            Message::QueryReply(reply) => self.peer_query_reply(now, from, reply),
            Message::Fence(request) => {
                self.executor.start_job(now.elapsed, from.clone(), request);
            }
            Message::FenceReply(reply) => self.peer_fence_reply(now, from, reply),
            Message::Relay(relay) => self.peer_relay(now, from, relay),
            Message::Result(result) => self.operation_ended(now, from, result),
            Message::TimeoutUpdate { operation, total } => {
                if let Some(record) = self.history.get_mut(operation) {
                    record.total = Some(total);
                    if let Some(call) = record.call {
                        self.reply_interim(call, Response::Timeout(total));
                    }
                }
            }
            Message::History { differential, entries } => {
                self.peer_history(now, from, differential, &entries);
            }
            Message::HistoryCleanup { target } => {
                self.history.clean_up(target.as_ref());
                self.notify(Notification::HistoryChanged);
            }
        }
    }

    fn view(&self) -> View<'_> {
        View {
            local: &self.local,
            active: &self.active,
            watchdog: &self.executor.watchdog,
            devices: &self.executor.registry,
        }
    }

    /// Sends to one fencer; what is for this one does not leave it.
    fn send(&mut self, to: &NodeName, message: Message) {
        if *to == self.local {
            self.to_self.push_back(message);
        } else {
            self.outputs.push_back(Output::Send { to: Some(to.clone()), message });
        }
    }

    fn broadcast(&mut self, message: Message) {
        self.outputs.push_back(Output::Send { to: None, message });
    }

    /// The final answer to a request.
    fn reply(&mut self, call: CallId, response: Response) {
        if self.calls.remove(&call) {
            self.outputs.push_back(Output::Reply { call, response });
        }
    }

    fn reply_interim(&mut self, call: CallId, response: Response) {
        if self.calls.contains(&call) {
            self.outputs.push_back(Output::Reply { call, response });
        }
    }

    fn notify(&mut self, notification: Notification) {
        self.outputs.push_back(Output::Notify(notification));
    }

    fn log(&mut self, level: Level, text: impl Into<String>) {
        self.outputs.push_back(Output::Log(LogLine { level, text: text.into() }));
    }
}
