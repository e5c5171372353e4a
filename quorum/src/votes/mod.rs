//! The votes state machine: from views and ordered messages to one agreed verdict per ring.
//!
//! It rides on ordered group messaging with extended virtual synchrony: all members of a view
//! receive the same messages in the same order, and members that go together from one view to the
//! next have received the same messages before. The machine does no I/O.
//!
//! # Drain contract
//! After every [`Votes::handle`] take outputs with [`Votes::poll_output`] until there is none, then
//! sleep until [`Votes::poll_timeout`] and call `handle` with [`Input::Timeout`]. Spurious calls are
//! harmless. Outputs are in order: a [`Output::Persist`] must be durable before a later output is
//! carried out.

mod calculation;
mod device_link;
mod ordered;
mod request;
mod synchronisation;
mod table;

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

pub use calculation::{Claim, Mandate, Roll, Rules, Verdict, judge, majority, merge};
pub use request::{DeviceRequest, Refusal, Request};
pub use synchronisation::{View, ViewError};
pub use table::{NodeRecord, NodeState, NodeTable};

use crate::id::{NodeId, RingId};
use crate::memory::{LastQuorate, Memory};
use crate::notice::Notice;
use crate::options::{NodeVotes, Section, Settings};
use crate::store::Persistent;
use crate::wire::Message;
use device_link::DeviceLink;
use synchronisation::Synchronisation;

/// What happens to the machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// Messaging installed a new view.
    View(View),
    /// Messaging delivered a message, in order.
    Message {
        /// Its sender, a member of the view.
        from: NodeId,
        /// The bytes given to messaging there.
        bytes: Vec<u8>,
    },
    /// A client asks for something.
    Request {
        /// Comes back with the reply.
        token: u64,
        /// What it asks.
        request: Request,
    },
    /// The configuration was read again.
    Reload {
        /// The `quorum` section.
        section: Section,
        /// The node list.
        nodes: Vec<NodeVotes>,
    },
    /// The time of [`Votes::poll_timeout`] has come.
    Timeout,
}

/// What the machine wants done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Send to all members through ordered messaging, oneself included.
    Multicast(Vec<u8>),
    /// Make durable before going on.
    Persist(Persistent),
    /// A ring is being synchronised; the quorum device is to be asked about it now.
    Synchronising {
        /// The ring.
        ring: RingId,
        /// Its members.
        members: Vec<NodeId>,
    },
    /// A ring has been synchronised; comes before its verdict.
    Members {
        /// The ring.
        ring: RingId,
        /// Its members.
        members: Vec<NodeId>,
        /// Members that were not in the previous ring, or restarted since.
        joined: Vec<NodeId>,
        /// Former members that are gone, or restarted since.
        left: Vec<NodeId>,
    },
    /// The verdict: once for each ring, and at each change between.
    Verdict {
        /// Whether this node may act.
        quorate: bool,
        /// The ring, `None` before the first.
        ring: Option<RingId>,
        /// Its members.
        members: Vec<NodeId>,
        /// All nodes ever seen.
        nodes: Vec<(NodeId, NodeState)>,
    },
    /// Expected votes changed.
    ExpectedVotes(u32),
    /// The information of a node's device changed; empty if cleared.
    ExtraInfo {
        /// The node.
        node: NodeId,
        /// The information.
        info: Vec<u8>,
    },
    /// Answer to a request.
    Reply {
        /// The request's token.
        token: u64,
        /// Done, or refused with nothing changed.
        result: Result<(), Refusal>,
    },
    /// For the log.
    Notice(Notice),
}

/// Requests under way at once; beyond it the answer is [`Refusal::TryAgain`].
const MAX_PENDING: usize = 64;

/// The votes state machine of one node.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Votes {
    settings: Settings,
    nodes: NodeTable,
    ring: Option<RingId>,
    members: Vec<NodeId>,
    verdict: Verdict,
    memory: Memory,
    /// Expected votes below which orderly departures do not lower them.
    barrier: u32,
    /// Highest expected votes ever seen, if they are tracked.
    tracking: u32,
    leaving: bool,
    device: DeviceLink,
    /// End of the last-man-standing window.
    window: Option<Duration>,
    synchronisation: Option<Synchronisation>,
    pending: BTreeMap<u64, u64>,
    next_ticket: u64,
    outputs: OutputQueue,
}

/// Outputs are on their way out, so they are no part of the machine's identity.
#[derive(Clone, Debug, Default)]
struct OutputQueue(VecDeque<Output>);

impl PartialEq for OutputQueue {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for OutputQueue {}

impl std::hash::Hash for OutputQueue {
    fn hash<H: std::hash::Hasher>(&self, _: &mut H) {}
}

impl Votes {
    /// A node right after its start, alone. `stored` is what the store holds
    /// ([`Persistent::default`] on the first start).
    #[must_use]
    pub fn new(settings: Settings, stored: Persistent) -> Votes {
        let tracking = if settings.expected_votes_tracking { stored.tracking } else { 0 };
        let me = settings.me;
        let mut votes = Votes {
            verdict: Verdict {
                expected: settings.expected_votes.max(tracking),
                total: 0,
                quorum: 0,
                quorate: false,
                waiting: settings.wait_for_all,
                by_votes: false,
            },
            barrier: settings.expected_votes,
            nodes: NodeTable::default(),
            ring: None,
            members: Vec::new(),
            memory: Memory::default(),
            tracking,
            leaving: false,
            device: DeviceLink::default(),
            window: None,
            synchronisation: None,
            pending: BTreeMap::new(),
            next_ticket: 0,
            outputs: OutputQueue::default(),
            settings,
        };
        let record = NodeRecord {
            state: NodeState::Member,
            votes: votes.settings.votes,
            device: Default::default(),
            extra_info: Vec::new(),
            digest: votes.settings.digest(),
        };
        votes.nodes.insert(me, record);
        votes.disable_last_man_if_uneven();
        votes.evaluate(Mandate::Sought);
        votes
    }

    /// Feeds one input. `now` is the time since any fixed instant; it must not go back.
    pub fn handle(&mut self, now: Duration, input: Input) {
        match input {
            Input::View(view) => self.begin(now, view),
            Input::Message { from, bytes } => match Message::parse(&bytes) {
                Ok(message) => self.deliver(now, from, message),
                Err(reason) => self.notice(Notice::Unreadable { from, reason }),
            },
            Input::Request { token, request } => self.request(now, token, request),
            Input::Reload { section, nodes } => self.reload(&section, &nodes),
            Input::Timeout => {}
        }
        self.expire(now);
    }

    /// The next output.
    #[must_use]
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.0.pop_front()
    }

    /// When the machine next wants [`Input::Timeout`].
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Duration> {
        [self.window, self.device.deadline].into_iter().flatten().min()
    }

    /// Whether this node may act. Holds for the last synchronised ring until the next verdict.
    #[must_use]
    pub fn is_quorate(&self) -> bool {
        self.verdict.quorate
    }

    /// The present verdict with its numbers.
    #[must_use]
    pub fn verdict(&self) -> &Verdict {
        &self.verdict
    }

    /// The ring of the present verdict, `None` before the first.
    #[must_use]
    pub fn ring(&self) -> Option<RingId> {
        self.ring
    }

    /// The members of that ring.
    #[must_use]
    pub fn members(&self) -> &[NodeId] {
        &self.members
    }

    /// Whether a new ring is being synchronised.
    #[must_use]
    pub fn is_synchronising(&self) -> bool {
        self.synchronisation.is_some()
    }

    /// All nodes ever seen.
    #[must_use]
    pub fn nodes(&self) -> &NodeTable {
        &self.nodes
    }

    /// The settings in force.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// What is remembered of views that had quorum by votes.
    #[must_use]
    pub fn memory(&self) -> &Memory {
        &self.memory
    }

    /// What a reload with this section and node list would make of the settings; nothing changes.
    #[must_use]
    pub fn settings_after(&self, section: &Section, nodes: &[NodeVotes]) -> Settings {
        self.settings.reload(section, nodes, self.device.flags.registered).0
    }

    pub(crate) fn barriers(&self) -> (u32, u32) {
        (self.barrier, self.tracking)
    }

    pub(crate) fn device_name(&self) -> Option<&str> {
        self.device.name.as_deref()
    }

    fn emit(&mut self, output: Output) {
        self.outputs.0.push_back(output);
    }

    fn notice(&mut self, notice: Notice) {
        self.emit(Output::Notice(notice));
    }

    fn multicast(&mut self, message: &Message) {
        self.emit(Output::Multicast(message.encode()));
    }

    fn expire(&mut self, now: Duration) {
        if self.window.is_some_and(|at| at <= now) {
            self.window = None;
            self.window_passed();
        }
        self.device_expire(now);
    }

    /// The members whose votes count, with this node's own word on its device.
    fn roll(&self) -> Roll {
        let (ids, votes) = self.nodes.members().map(|(id, record)| (id, record.votes)).unzip();
        Roll { ids, votes, device_casts: self.device.flags.casts }
    }

    /// Judges the present ring again after something in it changed.
    fn evaluate(&mut self, mandate: Mandate) {
        let mandate = if self.verdict.quorate { Mandate::Held } else { mandate };
        let roll = self.roll();
        let rules = Rules::of(&self.settings);
        let verdict = judge(&rules, &roll, self.verdict.expected, &self.memory, mandate);
        self.commit(verdict, &roll, false);
    }

    /// Takes a verdict over and tells of it, always or only if it changed.
    fn commit(&mut self, mut verdict: Verdict, roll: &Roll, always: bool) {
        if !verdict.quorate && !verdict.waiting && self.device_overrules() {
            verdict.quorate = true;
        }
        if verdict.by_votes {
            self.memory.confirm(LastQuorate { ring: self.ring, members: roll.pairs() });
        }
        let old = std::mem::replace(&mut self.verdict, verdict);
        let new = &self.verdict;
        let (expected, quorate) = (new.expected, new.quorate);
        let withheld = new.waiting && new.total != expected;
        let waiting_for = withheld.then_some(Notice::WaitingForAll { votes: new.total, expected });
        if expected != old.expected {
            self.emit(Output::ExpectedVotes(expected));
        }
        if self.settings.expected_votes_tracking && expected > self.tracking {
            self.tracking = expected;
            self.emit(Output::Persist(Persistent { tracking: expected }));
        }
        if let Some(waiting) = waiting_for {
            self.notice(waiting);
        }
        if quorate != old.quorate {
            self.notice(if quorate { Notice::Primary } else { Notice::NonPrimary });
        }
        if always || quorate != old.quorate {
            self.tell_verdict();
        }
    }

    fn tell_verdict(&mut self) {
        self.notice(Notice::Members(self.members.clone()));
        let nodes = self.nodes.iter().map(|(id, record)| (id, record.state)).collect();
        self.emit(Output::Verdict {
            quorate: self.verdict.quorate,
            ring: self.ring,
            members: self.members.clone(),
            nodes,
        });
    }

    /// Re-basing on survivors counts heads, so it is off where a node has more than one vote.
    fn disable_last_man_if_uneven(&mut self) {
        let uneven = self.nodes.members().any(|(_, record)| record.votes > 1);
        if uneven && self.settings.last_man_standing.take().is_some() {
            self.window = None;
            self.notice(Notice::LastManNeedsSingleVotes);
        }
    }
}
