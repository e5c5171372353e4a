//! The controller: it elects a DC, joins nodes, and carries out what the scheduler plans (spec 60).
//!
//! Every node has one. Whatever a node's controller does as a member is in `resources` (actions asked
//! for by the DC) and in one half of `join`; whatever it does as the DC hangs on `Lead`, which exists
//! only while it leads: the other half of `join`, `schedule`, `transition`, `results` and `fencing`.
//!
//! Where the classic controller waits for fixed times this one waits for facts. It elects a DC at once
//! when all configured nodes are there and none of them has one; `dc-deadtime` is for the rest. It plans
//! as soon as its own changes of the CIB are applied. And it begins nothing between the news of a
//! changed ring and the verdict of the votes on it.
//!
//! At a join the CIB that wins is not simply the one with the highest version: a node that was in a partition
//! with quorum more recently has the better one. So what a majority acknowledged is not undone by a minority
//! that changed more.

mod alerts;
mod election;
mod fencing;
mod join;
mod options;
mod peers;
mod requests;
mod resources;
mod results;
mod schedule;
mod shutdown;
mod state;
mod transition;

pub use options::Options;
pub use peers::{Expected, Peer, Peers, Phase};
pub use state::State;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use ::fencing::clock::Timers;
use cib_model::Document;
use quorum::election::Election;

use crate::mutation::{Mutation, planted};
use crate::subsystem::{
    Address, Body, CibAnswer, CibOperation, CibRequest, CibUpdate, ControllerPeer, Ending,
    Envelope, ExecutorRequest, GroupView, Interest, Membership, NodeId, Now, Outputs, Room, Scope,
    SharedDocument, Subsystem,
};

use join::Join;
use resources::Resources;
use transition::Run;

/// What a timer is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Timer {
    /// No DC was heard of.
    DcDeadtime,
    /// This node waits to be let in.
    Announce,
    /// Nodes do not answer the offer.
    Integration,
    /// Nodes do not confirm.
    Finalization,
    /// What only time changes.
    Recheck,
    /// Quorum came back.
    QuorumGained,
    /// A pause before the next transition.
    TransitionDelay,
    /// Calculations are made faster than the changes that they are for are worth.
    Pace,
    /// A failure is not yet counted.
    Count,
    /// The scheduler does not answer.
    Scheduler,
    /// An orderly shutdown takes too long.
    Escalation,
    /// A node does not answer for an action.
    Action(u32),
    /// A member without a controller.
    NodePending(NodeId),
    /// The CIB manager refused for now.
    Retry,
}

/// What an answer of the CIB manager is for.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Call {
    /// The options.
    Options,
    /// How new our CIB is, for a request to join in this round.
    Generation { dc: NodeId, round: u32 },
    /// The CIB is the same everywhere.
    Synchronised { round: u32, from: NodeId },
    /// A node's history is in the CIB.
    Confirmed { node: NodeId, round: u32 },
    /// The CIB to plan for; only the latest counts.
    Plan { number: u64 },
    /// A change that planning waits for.
    Write { what: &'static str },
    /// A node is recorded as fenced.
    Fenced,
}

/// What a controller has while it leads.
struct Lead {
    join: Join,
    run: Option<Run>,
    /// The scheduler's answer that counts.
    expected: Option<u64>,
    /// The query that counts.
    plan: Option<u64>,
    /// A calculation is wanted as soon as it may be made.
    wanted: bool,
    /// When the next calculation would be due if they were made at an even pace.
    paced: Duration,
    /// What the CIB was last told of quorum.
    told_quorum: Option<bool>,
    /// Changes of the CIB under way.
    outstanding: BTreeSet<u64>,
    /// The CIB here is that of the cluster.
    has_cib: bool,
}

/// See the [module](self).
pub struct Controller {
    me: NodeId,
    name: String,
    /// Tells our transitions from others'.
    uuid: String,
    has_watchdog: bool,
    state: State,
    options: Options,
    configured: bool,
    /// The executor has told what runs here.
    recalled: bool,
    membership: Option<Membership>,
    ever_quorate: bool,
    in_group: bool,
    peers: Peers,
    election: Election,
    dc: Option<NodeId>,
    lead: Option<Box<Lead>>,
    round: u32,
    resources: Resources,
    timers: Timers<Timer>,
    calls: BTreeMap<u64, Call>,
    next_token: u64,
    shutting_down: bool,
    fence_failures: BTreeMap<String, u32>,
    /// Nodes fenced while nobody led, to be recorded by whoever leads next.
    fenced_to_record: BTreeSet<String>,
    /// Actions sent to the fencer by token: action number and target.
    fences: BTreeMap<u64, (u32, String)>,
    clients: requests::Clients,
}

/// The token of requests whose answer nobody waits for.
const NO_ANSWER: u64 = 0;

impl Controller {
    /// The same, on a node whose watchdog is fed.
    #[must_use]
    pub fn with_watchdog(mut self, there: bool) -> Controller {
        self.has_watchdog = there;
        self
    }

    /// The controller of a node. `seed` must differ between starts.
    pub fn new(me: NodeId, name: &str, seed: u64) -> Controller {
        let timeout = Options::default().election_timeout;
        let mut random = fastrand::Rng::with_seed(seed);
        let hex = |digits: usize, random: &mut fastrand::Rng| -> String {
            (0..digits).map(|_| char::from_digit(random.u32(0..16), 16).unwrap_or('0')).collect()
        };
        let uuid = [8, 4, 4, 4, 12].map(|digits| hex(digits, &mut random)).join("-");
        let mut peers = Peers::default();
        name.clone_into(&mut peers.entry(me).name);
        Controller {
            me,
            name: name.to_owned(),
            uuid,
            has_watchdog: false,
            state: State::Starting,
            options: Options::default(),
            configured: false,
            recalled: false,
            membership: None,
            ever_quorate: false,
            in_group: false,
            peers,
            election: Election::new(crate::attributes::candidate(me, name, timeout)),
            dc: None,
            lead: None,
            round: 0,
            resources: Resources::default(),
            timers: Timers::default(),
            calls: BTreeMap::new(),
            next_token: 1,
            shutting_down: false,
            fence_failures: BTreeMap::new(),
            fenced_to_record: BTreeSet::new(),
            fences: BTreeMap::new(),
            clients: requests::Clients::default(),
        }
    }

    /// Where it stands.
    pub fn state(&self) -> State {
        self.state
    }

    /// The DC it follows.
    pub fn dc(&self) -> Option<NodeId> {
        self.dc
    }

    /// Whether it leads.
    pub fn leads(&self) -> bool {
        self.lead.is_some()
    }

    /// Whether it has nothing to do and waits for nothing.
    pub fn is_settled(&self) -> bool {
        match (self.state, &self.lead) {
            (State::NotDc, None) => true,
            (State::Idle, Some(lead)) => lead.outstanding.is_empty() && !lead.wanted,
            _ => false,
        }
    }

    /// What it knows of the nodes.
    pub fn peers(&self) -> &Peers {
        &self.peers
    }

    fn is_quorate(&self) -> bool {
        let settled = self.is_ring_settled();
        self.membership.as_ref().is_some_and(|membership| membership.quorate && settled)
    }

    fn is_ring_settled(&self) -> bool {
        let early = planted(Mutation::ActBeforeVerdict);
        self.membership.as_ref().is_some_and(|membership| membership.settled || early)
    }

    /// Sequence number of the last ring with a verdict.
    fn ring(&self) -> u64 {
        self.membership.as_ref().map_or(0, |membership| membership.sequence)
    }

    fn become_state(&mut self, now: Now, state: State, out: &mut Outputs) {
        let before = std::mem::replace(&mut self.state, state);
        if before == state {
            return;
        }
        log::info!("controller: State transition {before} -> {state}");
        if state != State::Idle {
            self.timers.cancel(&Timer::Recheck);
        }
        if self.shutting_down && matches!(state, State::NotDc | State::Idle) {
            self.to_all(ControllerPeer::ShutdownRequest, out);
        }
        match state {
            State::Pending => {
                self.timers.arm(Timer::DcDeadtime, now.elapsed + self.options.dc_deadtime)
            }
            State::NotDc => {
                self.timers.cancel(&Timer::DcDeadtime);
                self.fenced_to_record.clear();
            }
            State::Idle => {
                self.arm_recheck(now);
            }
            _ => self.timers.cancel(&Timer::DcDeadtime),
        }
        if state != State::Integration {
            self.timers.cancel(&Timer::Integration);
        }
        if state != State::FinalizeJoin {
            self.timers.cancel(&Timer::Finalization);
        }
    }

    fn token(&mut self) -> u64 {
        self.next_token += 1;
        self.next_token
    }

    /// Asks the CIB manager.
    fn cib(&mut self, operation: CibOperation, call: Option<Call>, out: &mut Outputs) -> u64 {
        let token = match call {
            Some(call) => {
                let token = self.token();
                self.calls.insert(token, call);
                token
            }
            None => NO_ANSWER,
        };
        let client = "controller".to_owned();
        out.here(Room::Cib, CibRequest { token, operation, client, user: None });
        token
    }

    /// Changes the CIB; while this controller leads, planning waits for it.
    fn write(&mut self, updates: Vec<CibUpdate>, call: Call, out: &mut Outputs) {
        let token = self.cib(CibOperation::Transaction(updates), Some(call), out);
        if let Some(lead) = &mut self.lead {
            lead.outstanding.insert(token);
        }
    }

    fn write_node_state(&mut self, node: NodeId, out: &mut Outputs) {
        if self.lead.is_none() {
            return;
        }
        if let Some(state) = self.peers.node_state(node) {
            self.write(vec![modify_status(state)], Call::Write { what: "node_state" }, out);
        }
    }

    fn ask_options(&mut self, out: &mut Outputs) {
        let scope = Scope::Section("configuration".to_owned());
        self.cib(CibOperation::Query { scope, children: true }, Some(Call::Options), out);
    }

    fn cib_answer(&mut self, now: Now, answer: CibAnswer, out: &mut Outputs) {
        let Some(call) = self.calls.remove(&answer.token) else { return };
        if let Some(lead) = &mut self.lead {
            lead.outstanding.remove(&answer.token);
        }
        match (call, answer.result) {
            (Call::Options, Ok(Some(document))) => self.configure(now, &document, out),
            (Call::Options, other) => {
                log::error!("controller: no configuration: {other:?}");
                self.timers.arm(Timer::Retry, now.elapsed + Duration::from_millis(200));
            }
            (Call::Generation { dc, round }, Ok(Some(root))) => {
                self.send_join_request(dc, round, &root, out)
            }
            (Call::Generation { .. }, _) => {}
            (Call::Synchronised { round, from }, result) => {
                self.synchronised(now, round, from, result.err(), out);
            }
            (Call::Confirmed { node, round }, result) => {
                self.confirm_written(now, node, round, result.err(), out);
            }
            (Call::Plan { number }, Ok(Some(cib))) => {
                self.plan(now, number, cib.into_document(), out)
            }
            (Call::Plan { .. }, _) => {}
            (Call::Write { what }, Err(error)) => log::error!("controller: {what}: {error}"),
            (Call::Fenced, Err(error)) => {
                log::error!("controller: a fenced node could not be recorded: {error}");
                out.end(Ending::Failed);
            }
            (Call::Write { .. } | Call::Fenced, Ok(_)) => {}
        }
        self.proceed(now, out);
    }

    fn configure(&mut self, now: Now, configuration: &Document, out: &mut Outputs) {
        self.options = Options::read(configuration, now.epoch());
        if !self.configured {
            self.configured = true;
            self.begin(now, out);
        }
        if self.lead.is_some() {
            self.write_leader_options(out);
        }
    }

    /// Leaves the first state once all it waits for is there.
    fn begin(&mut self, now: Now, out: &mut Outputs) {
        if self.state == State::Starting
            && self.configured
            && self.recalled
            && self.in_group
            && self.membership.is_some()
        {
            self.become_state(now, State::Pending, out);
            self.greet(out);
            self.announce(now, out);
        }
    }

    /// Tells all whom this controller follows.
    fn greet(&mut self, out: &mut Outputs) {
        let dc = if self.lead.is_some() { Some(self.me) } else { self.dc };
        let pending = matches!(self.state, State::Pending | State::Election) && self.lead.is_none();
        self.to_all(ControllerPeer::Hello { dc, pending }, out);
    }

    fn to_all(&self, message: ControllerPeer, out: &mut Outputs) {
        out.all(Room::Controller, Body::from(Box::new(message)));
    }

    fn to_node(&self, node: NodeId, message: ControllerPeer, out: &mut Outputs) {
        out.node(node, Room::Controller, Body::from(Box::new(message)));
    }

    fn ring_changed(&mut self, now: Now, membership: Membership, out: &mut Outputs) {
        let changed = self.peers.take_membership(&membership, now.epoch());
        let was_settled = self.is_ring_settled();
        self.membership = Some(membership);
        for (node, member) in changed {
            self.alert_node(now, node, member, out);
            self.await_controller(now, node);
            if member {
                self.write_node_state(node, out);
            } else {
                self.node_lost(now, node, out);
            }
        }
        if self.is_ring_settled() {
            if self.is_quorate() {
                self.ever_quorate = true;
            }
            if self.lead.is_some() {
                self.tell_quorum(now, out);
            }
            self.begin(now, out);
            if !was_settled {
                self.consider_election(now, out);
            }
        }
        self.proceed(now, out);
    }

    fn group_changed(&mut self, now: Now, view: GroupView, out: &mut Outputs) {
        let here = view.members.contains(&self.me);
        if self.in_group && !here && self.state < State::Stopping {
            log::error!("controller: no longer in the group");
            return out.end(Ending::Failed);
        }
        self.in_group = here;
        let changed = self.peers.take_group(&view.members, now.epoch());
        self.elect_among(now, &changed);
        for (node, online) in &changed {
            self.await_controller(now, *node);
            if *online {
                self.write_node_state(*node, out);
            } else {
                self.node_lost(now, *node, out);
            }
        }
        self.begin(now, out);
        if changed.iter().any(|(_, online)| *online) && self.state != State::Starting {
            self.greet(out);
        }
        if self.state == State::Election && changed.iter().any(|(_, online)| *online) {
            // Whoever came has not heard the vote, and its word is needed.
            self.start_election(now, out);
        }
        self.check_election(now, out);
        self.consider_election(now, out);
        self.proceed(now, out);
    }

    /// A node's controller, or the node itself, is gone.
    fn node_lost(&mut self, now: Now, node: NodeId, out: &mut Outputs) {
        if node == self.me {
            return;
        }
        self.peers.entry(node).phase = Phase::None;
        if self.dc == Some(node) {
            self.dc_lost(now, out);
        }
        if self.lead.is_some() {
            self.member_lost(now, node, out);
        }
    }

    /// A member without a controller is fenced after a time, if it is configured so.
    fn await_controller(&mut self, now: Now, node: NodeId) {
        let timeout = self.options.node_pending_timeout;
        let waits = self.peers.get(node).is_some_and(|peer| peer.member && !peer.online);
        if waits && !timeout.is_zero() {
            self.timers.arm(Timer::NodePending(node), now.elapsed + timeout);
        } else {
            self.timers.cancel(&Timer::NodePending(node));
        }
    }

    fn peer_message(&mut self, now: Now, from: NodeId, message: ControllerPeer, out: &mut Outputs) {
        match message {
            ControllerPeer::Hello { dc, pending } => self.greeted(now, from, dc, pending, out),
            ControllerPeer::Ballot(ballot) => self.ballot(now, from, &ballot, out),
            ControllerPeer::JoinAnnounce => self.announced(now, from, out),
            ControllerPeer::JoinOffer { round, leaving, feature_set } => {
                self.offered(now, from, round, leaving, &feature_set, out);
            }
            ControllerPeer::JoinRequest { round, feature_set, generation } => {
                self.requested(now, from, round, &feature_set, generation, out);
            }
            ControllerPeer::JoinResult { round, accepted, leaving } => {
                self.join_result(now, from, round, accepted, leaving, out);
            }
            ControllerPeer::JoinConfirm { round, state } => {
                self.confirmed(now, from, round, state.into_document(), out);
            }
            ControllerPeer::Invoke(action) => self.invoked(now, from, action, out),
            ControllerPeer::Acknowledge(record) => self.acknowledged(now, &record, out),
            ControllerPeer::ShutdownRequest => self.shutdown_requested(now, from, out),
            ControllerPeer::DoShutdown => self.told_to_stop(now, from, out),
            ControllerPeer::Request(request) => {
                let from = Address { node: from, room: Room::Controller };
                self.client_request(now, from, *request, out);
            }
            ControllerPeer::Forget { id, name } => self.forget_node(id, name.as_deref()),
        }
        self.proceed(now, out);
    }

    /// Does whatever has become possible.
    fn proceed(&mut self, now: Now, out: &mut Outputs) {
        self.check_join(now, out);
        self.pass(now, out);
        self.calculate_if_wanted(now, out);
    }

    fn timer(&mut self, now: Now, timer: Timer, out: &mut Outputs) {
        match timer {
            Timer::DcDeadtime => self.no_dc(now, out),
            Timer::Announce => self.announce(now, out),
            Timer::Integration => self.integration_over(now, out),
            Timer::Finalization => self.offer_to_all(now, out),
            Timer::Recheck => self.recheck(now),
            Timer::QuorumGained => self.restart_transition(now, "Quorum gained", out),
            Timer::TransitionDelay => self.want_calculation(),
            Timer::Pace => {}
            Timer::Count => {}
            Timer::Scheduler => {
                log::error!("controller: the scheduler does not answer");
                out.end(Ending::Failed);
            }
            Timer::Escalation => {
                log::error!("controller: shutdown takes too long; stopping now");
                self.stop_now(now, out);
            }
            Timer::Action(number) => self.action_lost(now, number, out),
            Timer::NodePending(_) => self.restart_transition(now, "Node pending timed out", out),
            Timer::Retry => {
                if !self.configured {
                    self.ask_options(out);
                }
                self.calculate_if_wanted(now, out);
            }
        }
    }
}

impl Subsystem for Controller {
    fn room(&self) -> Room {
        Room::Controller
    }

    fn start(&mut self, _: Now, out: &mut Outputs) {
        out.here(Room::Executor, ExecutorRequest::Recall);
        self.cib(CibOperation::Subscribe(Interest::Options), None, out);
        self.ask_options(out);
    }

    fn handle(&mut self, now: Now, envelope: Envelope, out: &mut Outputs) {
        let from = envelope.from;
        match envelope.body {
            Body::ControllerPeer(message) => self.peer_message(now, from.node, *message, out),
            Body::CibChanged(changed) => {
                self.cib_changed(now, &changed, out);
                self.proceed(now, out);
            }
            Body::CibAnswer(answer) => self.cib_answer(now, answer, out),
            Body::ExecutorEvent(event) => {
                self.executor_event(now, event, out);
                self.proceed(now, out);
            }
            Body::ScheduleAnswer(answer) => self.scheduled(now, answer, out),
            Body::FenceAnswer(answer) => {
                self.fence_answer(now, answer, out);
                self.proceed(now, out);
            }
            Body::FencerNotice(notice) => {
                self.fencing_notice(now, &notice, out);
                self.proceed(now, out);
            }
            Body::Membership(membership) => self.ring_changed(now, membership, out),
            Body::GroupView(view) => self.group_changed(now, view, out),
            Body::ControllerRequest(request) => self.client_request(now, from, request, out),
            Body::ControllerAnswer(answer) => self.answered_elsewhere(answer, out),
            Body::AttributesAnswer(_) => {}
            Body::Stop => self.shut_down(now, out),
            other => log::warn!("controller: unexpected {other:?}"),
        }
    }

    fn handle_timeout(&mut self, now: Now, out: &mut Outputs) {
        while let Some(timer) = self.timers.pop_due(now.elapsed) {
            self.timer(now, timer, out);
            self.proceed(now, out);
        }
        self.election_timeout(now, out);
    }

    fn poll_timeout(&self) -> Option<Duration> {
        [self.timers.next(), self.election.poll_timeout()].into_iter().flatten().min()
    }
}

/// A merge of one element into the status section.
fn modify_status(content: Document) -> CibUpdate {
    CibUpdate::Modify {
        scope: Scope::Section("status".to_owned()),
        content: SharedDocument::new(content),
        create: true,
        scores: false,
    }
}

/// The removal of all that an XPath expression selects.
fn delete_all(expression: String) -> CibUpdate {
    CibUpdate::Delete { scope: Scope::XPath { expression, multiple: true }, content: None }
}
