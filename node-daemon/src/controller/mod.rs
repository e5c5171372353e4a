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
mod calls;
mod election;
mod fencing;
mod join;
mod members;
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
use quorum::election::Election;

use crate::subsystem::{
    Address, AttributesAnswer, Body, CibOperation, ControllerPeer, Ending, Envelope,
    ExecutorRequest, Interest, Membership, NodeId, Now, Outputs, Room, Subsystem,
};

use calls::{Call, delete_all, modify_status};
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
    /// Seconds east of UTC.
    utc_offset: i32,
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

impl Controller {
    /// The same, on a node whose watchdog is fed.
    #[must_use]
    pub fn with_watchdog(mut self, there: bool) -> Controller {
        self.has_watchdog = there;
        self
    }

    /// The same with a time zone, in seconds east of UTC, for the times that alerts tell and for rules about
    /// the calendar.
    #[must_use]
    pub fn with_utc_offset(mut self, seconds: i32) -> Controller {
        self.utc_offset = seconds;
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
            utc_offset: 0,
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
            Body::AttributesAnswer(AttributesAnswer::Written(values)) => {
                self.alert_attributes(now, &values, out);
            }
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
