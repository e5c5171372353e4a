//! The client's state machine: connects, introduces the node, reports rings, keeps the lease.
//!
//! The arbiter's word is a lease. The client asks for a sign of life twice per heartbeat interval
//! and withdraws the votes when the newest request that was answered is one interval old. The
//! arbiter, which has heard that request no earlier than it was sent, takes the node for gone only
//! 1.5 intervals later, so it never gives the votes to others while they count here.
//!
//! A "no" is confirmed to the arbiter only after the votes layer has been told, because the arbiter
//! says "yes" elsewhere once it is confirmed.

mod checks;
mod handshake;

use std::collections::VecDeque;
use std::time::Duration;

use crate::device::{Heuristics, QuorumDevice};
use crate::id::{NodeId, RingId};
use crate::mutation::{self, Mutation};
use crate::votes::{DeviceRequest, NodeState};

use super::message::{Complaint, HEADER, ListKind, Malformed, Message, Stream, Verdict};
use super::settings::NetSettings;

/// Name under which the reference registers its device; nodes of both kinds share it.
pub const DEVICE_NAME: &str = "Qdevice";
/// Most "no" of the arbiter that may wait to be confirmed.
const MAX_UNCONFIRMED: usize = 16;
/// Shortest wait before the next attempt to connect; up to twice as much, by node and attempt.
const RECONNECT: Duration = Duration::from_secs(1);

/// What happens to the client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input<'a> {
    /// The connection asked for stands.
    Connected,
    /// It could not be made, or is gone.
    Closed(String),
    /// Bytes came over it.
    Received(&'a [u8]),
    /// From here on the connection is encrypted and the arbiter is who it says it is.
    Secured,
    /// The checks asked for have ended.
    Checked {
        /// As it came with [`Output::Check`].
        round: u32,
        /// All commands succeeded in time.
        passed: bool,
    },
    /// The time of `poll_timeout` has come.
    Timeout,
}

/// What the client wants done, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Connect to the arbiter; answer with [`Input::Connected`] or [`Input::Closed`].
    Connect,
    /// Send these bytes.
    Send(Vec<u8>),
    /// After what was sent so far, begin TLS; answer with [`Input::Secured`] or [`Input::Closed`]. What
    /// is received until then is the handshake's.
    Secure,
    /// Run the node's own checks, in place of those that still run; answer with [`Input::Checked`].
    Check {
        /// Number for the answer.
        round: u32,
        /// What runs longer is killed and has failed.
        timeout: Duration,
    },
    /// Drop the connection, or the attempt; it is not spoken of again. The same holds for checks.
    Disconnect,
    /// For the log.
    Notice(NetNotice),
}

/// For the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NetNotice {
    /// The arbiter has accepted this node.
    Connected {
        /// Whether over TLS.
        encrypted: bool,
    },
    /// The node's own checks have another result than before.
    Checked {
        /// All commands succeeded in time.
        passed: bool,
    },
    /// There is no connection, and the votes are withdrawn. Told once per reason.
    Apart(Problem),
    /// The arbiter's word on a ring.
    Word {
        /// The ring.
        ring: RingId,
        /// Whether the votes count.
        cast: bool,
    },
}

/// Why there is no connection.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// It cannot be reached, or has closed the connection.
    #[error("{0}")]
    Closed(String),
    /// It takes too long to accept this node.
    #[error("no answer within {} ms", .0.as_millis())]
    TimedOut(Duration),
    /// It was not heard for a heartbeat interval.
    #[error("not heard for {} ms", .0.as_millis())]
    Silent(Duration),
    /// It does not want this node.
    #[error("refused: {0}")]
    Refused(Complaint),
    /// It speaks only TLS.
    #[error("it requires TLS; use tls: on or tls: required")]
    TlsRequired,
    /// It does not speak TLS.
    #[error("it does not offer TLS, and tls: required is configured")]
    TlsMissing,
    /// It does not take lists of this many nodes.
    #[error("it takes messages of at most {limit} bytes, a list of nodes needs {needed}")]
    TooManyNodes {
        /// Its bound.
        limit: u32,
        /// Needed.
        needed: usize,
    },
    /// It does not speak the protocol.
    #[error("it does not keep to the protocol: {0}")]
    Malformed(#[from] Malformed),
    /// A message that does not belong here, or far too many of one kind.
    #[error("it does not keep to the protocol: a message out of turn")]
    OutOfTurn,
}

#[derive(Clone, Debug)]
enum Phase {
    /// Before the first ring there is nothing to ask.
    Idle,
    Apart {
        until: Duration,
    },
    /// On the way to be accepted.
    Underway {
        deadline: Duration,
        step: Step,
    },
    Online(Session),
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Connecting,
    Greeting,
    Securing,
    Introducing,
    Tuning { asked: Duration, limit: u32 },
}

#[derive(Clone, Debug)]
struct Session {
    /// Longest message the arbiter takes.
    limit: u32,
    /// When the newest request was sent that has been answered.
    heard: Duration,
    /// Signs of life asked for.
    echoes: VecDeque<(u32, Duration)>,
    next_echo: Duration,
    /// When the members are told again, unless the arbiter has decided on the present ring.
    remind: Option<Duration>,
}

/// What the running checks are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Purpose {
    /// The report of the members waits for them.
    Members,
    Regular,
}

/// The client of one node, without I/O. After every call drain [`poll_output`](Client::poll_output).
#[derive(Clone, Debug)]
pub struct Client {
    settings: NetSettings,
    phase: Phase,
    stream: Stream,
    attempts: u32,
    told: Option<Problem>,
    sequence: u32,
    ring: Option<(RingId, Vec<NodeId>)>,
    quorum: Option<(bool, Vec<(NodeId, NodeState)>)>,
    heuristics: Heuristics,
    /// The number of the last checks, and what they are for if they still run.
    checks: (u32, Option<Purpose>),
    next_check: Option<Duration>,
    encrypted: bool,
    /// The word on the present ring.
    word: Option<bool>,
    /// When it is to be told to the votes layer.
    due: Option<Duration>,
    /// "No" of the arbiter that are not confirmed.
    unconfirmed: Vec<u32>,
    /// A poll with the newest word is out; the next call means that it was fed.
    handed: bool,
    outputs: VecDeque<Output>,
}

impl Client {
    /// A client that has not connected yet; it does so with the first ring.
    #[must_use]
    pub fn new(settings: NetSettings) -> Client {
        Client {
            settings,
            phase: Phase::Idle,
            stream: Stream::default(),
            attempts: 0,
            told: None,
            sequence: 0,
            ring: None,
            quorum: None,
            heuristics: Heuristics::Disabled,
            checks: (0, None),
            next_check: None,
            encrypted: false,
            word: None,
            due: None,
            unconfirmed: Vec::new(),
            handed: false,
            outputs: VecDeque::new(),
        }
    }

    /// What it runs with.
    #[must_use]
    pub fn settings(&self) -> &NetSettings {
        &self.settings
    }

    /// Whether the arbiter has accepted this node.
    #[must_use]
    pub fn is_online(&self) -> bool {
        matches!(self.phase, Phase::Online(_))
    }

    /// The next output.
    #[must_use]
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// Feeds one input. `now` is the time since any fixed instant; it must not go back.
    pub fn handle(&mut self, now: Duration, input: Input<'_>) {
        // First of all: after a pause the lease may be over, whatever has arrived meanwhile.
        self.expire(now);
        match input {
            Input::Timeout => {}
            Input::Connected => {
                if let Phase::Underway { step: step @ Step::Connecting, .. } = &mut self.phase {
                    *step = Step::Greeting;
                    let cluster = self.settings.cluster.clone();
                    self.ask(|sequence| Message::Preinit { sequence, cluster });
                }
            }
            Input::Closed(reason) => {
                if matches!(self.phase, Phase::Underway { .. } | Phase::Online(_)) {
                    self.lose(now, Problem::Closed(reason));
                }
            }
            Input::Received(bytes) => self.receive(now, bytes),
            Input::Secured => {
                if let Phase::Underway { step: step @ Step::Securing, .. } = &mut self.phase {
                    *step = Step::Introducing;
                    self.encrypted = true;
                    self.introduce_self();
                }
            }
            Input::Checked { round, passed } => self.checked(now, round, passed),
        }
    }

    /// The node's own checks have a new result.
    pub fn set_heuristics(&mut self, heuristics: Heuristics) {
        let changed = std::mem::replace(&mut self.heuristics, heuristics) != heuristics;
        if changed && self.is_online() {
            self.ask(|sequence| Message::HeuristicsChange { sequence, heuristics });
        }
    }

    fn receive(&mut self, now: Duration, bytes: &[u8]) {
        if matches!(self.phase, Phase::Idle | Phase::Apart { .. }) {
            return;
        }
        self.stream.extend(bytes);
        loop {
            let step = match self.stream.next_message() {
                Ok(Some(message)) => self.message(now, message),
                Ok(None) => return,
                Err(malformed) => Err(malformed.into()),
            };
            if let Err(problem) = step {
                return self.lose(now, problem);
            }
            if matches!(self.phase, Phase::Underway { step: Step::Securing, .. }) {
                // What somebody sent ahead in clear must not be taken for what comes encrypted.
                if !self.stream.is_empty() {
                    return self.lose(now, Problem::OutOfTurn);
                }
                return;
            }
        }
    }

    fn message(&mut self, now: Duration, message: Message) -> Result<(), Problem> {
        match message {
            Message::ServerError { error } => return Err(Problem::Refused(error.into())),
            Message::InitReply { error, .. } if error != 0 => {
                return Err(Problem::Refused(error.into()));
            }
            _ => {}
        }
        match &mut self.phase {
            Phase::Underway { step, .. } => {
                let step = *step;
                self.introduce(now, step, &message)
            }
            Phase::Online(session) => match message {
                Message::EchoReply { sequence } => {
                    let known = session.echoes.iter().position(|(sent, _)| *sent == sequence);
                    let (_, sent) = known
                        .and_then(|at| session.echoes.drain(..=at).next_back())
                        .ok_or(Problem::OutOfTurn)?;
                    let late = mutation::planted(Mutation::LateAnswerExtendsLease);
                    session.heard = session.heard.max(if late { now } else { sent });
                    Ok(())
                }
                Message::NodeListReply { ring, verdict, .. }
                | Message::HeuristicsReply { ring, verdict } => {
                    self.hear(now, ring, verdict);
                    Ok(())
                }
                Message::VoteInfo { sequence, ring, verdict } => {
                    self.decided(now, sequence, ring, verdict)
                }
                _ => Err(Problem::OutOfTurn),
            },
            Phase::Idle | Phase::Apart { .. } => Ok(()),
        }
    }

    fn report(
        &mut self,
        kind: ListKind,
        ring: Option<RingId>,
        quorate: Option<bool>,
        nodes: Vec<(NodeId, Option<NodeState>)>,
    ) -> Result<(), Problem> {
        let Phase::Online(Session { limit, .. }) = self.phase else { return Ok(()) };
        let heuristics = match kind {
            ListKind::Members => self.heuristics,
            _ => Heuristics::Disabled,
        };
        let sequence = self.next_sequence();
        let message = Message::NodeList { sequence, kind, ring, quorate, nodes, heuristics };
        let bytes = message.encode();
        let needed = bytes.len() - HEADER;
        if needed > limit as usize {
            return Err(Problem::TooManyNodes { limit, needed });
        }
        self.outputs.push_back(Output::Send(bytes));
        Ok(())
    }

    fn report_members(&mut self) -> Result<(), Problem> {
        let Some((ring, members)) = &self.ring else { return Ok(()) };
        let nodes = members.iter().map(|node| (*node, None)).collect();
        self.report(ListKind::Members, Some(*ring), None, nodes)
    }

    fn report_quorum(&mut self) -> Result<(), Problem> {
        let Some((quorate, nodes)) = &self.quorum else { return Ok(()) };
        let nodes = nodes.iter().map(|(node, state)| (*node, Some(*state))).collect();
        self.report(ListKind::Quorum, None, Some(*quorate), nodes)
    }

    fn next_sequence(&mut self) -> u32 {
        self.sequence = self.sequence.wrapping_add(1);
        self.sequence
    }

    fn ask(&mut self, message: impl FnOnce(u32) -> Message) {
        let sequence = self.next_sequence();
        self.outputs.push_back(Output::Send(message(sequence).encode()));
    }

    /// The arbiter has decided, and waits for a confirmation.
    fn decided(
        &mut self,
        now: Duration,
        sequence: u32,
        ring: RingId,
        verdict: Verdict,
    ) -> Result<(), Problem> {
        self.hear(now, ring, verdict);
        if verdict != Verdict::Nack || self.ring.is_none() {
            let reply = Message::VoteInfoReply { sequence };
            self.outputs.push_back(Output::Send(reply.encode()));
            return Ok(());
        }
        if self.unconfirmed.len() >= MAX_UNCONFIRMED {
            return Err(Problem::OutOfTurn);
        }
        self.unconfirmed.push(sequence);
        self.handed = false; // a poll from before the "no" confirms nothing
        self.due = Some(now);
        Ok(())
    }

    /// A "yes" is about one ring. A "no" counts for any: the votes may still count from an older.
    fn hear(&mut self, now: Duration, ring: RingId, verdict: Verdict) {
        let about_present = self.ring.as_ref().is_some_and(|(present, _)| *present == ring);
        if let (Phase::Online(session), true) = (&mut self.phase, about_present)
            && matches!(verdict, Verdict::Ack | Verdict::Nack)
        {
            session.remind = None;
        }
        match verdict {
            Verdict::Ack if about_present => self.take(now, true),
            Verdict::Nack => self.take(now, false),
            // Undecided again: what was given for this ring is taken back.
            Verdict::AskLater | Verdict::WaitForReply
                if about_present && self.word == Some(true) =>
            {
                self.take(now, false);
            }
            _ => {}
        }
    }

    fn take(&mut self, now: Duration, cast: bool) {
        let Some((ring, _)) = self.ring else { return };
        if self.word != Some(cast) {
            self.word = Some(cast);
            self.due = Some(now);
            self.outputs.push_back(Output::Notice(NetNotice::Word { ring, cast }));
        }
    }

    /// The connection is of no use any more.
    fn lose(&mut self, now: Duration, problem: Problem) {
        self.outputs.push_back(Output::Disconnect);
        self.stream = Stream::default();
        self.encrypted = false;
        self.checks.1 = None;
        self.attempts = self.attempts.wrapping_add(1);
        let spread = self.settings.me.get().wrapping_mul(7919);
        let spread = spread.wrapping_add(self.attempts.wrapping_mul(104_729)) % 1000;
        self.phase = Phase::Apart { until: now + RECONNECT + Duration::from_millis(spread.into()) };
        self.unconfirmed.clear();
        self.withdraw(now);
        if self.told.as_ref() != Some(&problem) {
            self.told = Some(problem.clone());
            self.outputs.push_back(Output::Notice(NetNotice::Apart(problem)));
        }
    }

    fn withdraw(&mut self, now: Duration) {
        if self.ring.is_some() && self.word != Some(false) {
            self.word = Some(false);
            self.due = Some(now);
        }
    }

    fn expire(&mut self, now: Duration) {
        let heartbeat = self.settings.heartbeat();
        match &mut self.phase {
            Phase::Idle => {}
            Phase::Apart { until } => {
                if *until <= now {
                    let deadline = now + self.settings.connect_timeout;
                    self.phase = Phase::Underway { deadline, step: Step::Connecting };
                    self.outputs.push_back(Output::Connect);
                }
            }
            Phase::Underway { deadline, .. } => {
                if *deadline <= now {
                    self.lose(now, Problem::TimedOut(self.settings.connect_timeout));
                }
            }
            Phase::Online(session) => {
                if session.heard + heartbeat <= now {
                    self.lose(now, Problem::Silent(heartbeat));
                } else if session.next_echo <= now {
                    session.next_echo = now + heartbeat / 2;
                    self.sequence = self.sequence.wrapping_add(1);
                    let sequence = self.sequence;
                    session.echoes.push_back((sequence, now));
                    self.outputs.push_back(Output::Send(Message::Echo { sequence }.encode()));
                }
            }
        }
        self.remind(now);
        if self.is_online() && self.check_due().is_some_and(|at| at <= now) {
            self.check(now, Purpose::Regular);
        }
    }

    /// An arbiter that is told of a new ring before it has decided on the one before may never decide on
    /// the new one; told again, it does.
    fn remind(&mut self, now: Duration) {
        let heartbeat = self.settings.heartbeat();
        let Phase::Online(session) = &mut self.phase else { return };
        if session.remind.is_none_or(|at| at > now) {
            return;
        }
        session.remind = Some(now + heartbeat);
        if self.checks.1 == Some(Purpose::Members) {
            return; // not told yet
        }
        if let Err(problem) = self.report_members() {
            self.lose(now, problem);
        }
    }
}

impl QuorumDevice for Client {
    fn name(&self) -> &str {
        DEVICE_NAME
    }

    fn synchronising(&mut self, now: Duration, ring: RingId, members: &[NodeId]) {
        self.expire(now);
        self.ring = Some((ring, members.to_vec()));
        if matches!(self.phase, Phase::Idle) {
            self.phase = Phase::Apart { until: now };
            self.expire(now);
        }
        // Online the arbiter's word is awaited, but a "no" that is not confirmed must be fed first.
        let wait = self.is_online() && self.unconfirmed.is_empty();
        if let Phase::Online(session) = &mut self.phase {
            session.remind = Some(now + self.settings.heartbeat());
        }
        self.word = (!wait).then_some(false);
        self.due = (!wait).then_some(now);
        let told = match self.is_online() {
            true => self.check_and_report_members(now),
            false => Ok(()),
        };
        if let Err(problem) = told {
            self.lose(now, problem);
        }
    }

    fn verdict(&mut self, now: Duration, quorate: bool, nodes: &[(NodeId, NodeState)]) {
        self.expire(now);
        self.quorum = Some((quorate, nodes.to_vec()));
        if let Err(problem) = self.report_quorum() {
            self.lose(now, problem);
        }
    }

    fn poll(&mut self, now: Duration) -> Option<DeviceRequest> {
        self.expire(now);
        if std::mem::take(&mut self.handed) {
            for sequence in std::mem::take(&mut self.unconfirmed) {
                let reply = Message::VoteInfoReply { sequence };
                self.outputs.push_back(Output::Send(reply.encode()));
            }
        }
        let (cast, (ring, _)) = (self.word?, self.ring.as_ref()?);
        if self.due.is_none_or(|due| due > now) {
            return None;
        }
        let ring = *ring;
        self.due = Some(now + self.settings.interval());
        self.handed = true;
        Some(DeviceRequest::Poll { name: DEVICE_NAME.to_owned(), cast, ring })
    }

    fn poll_timeout(&self) -> Option<Duration> {
        let timer = match &self.phase {
            Phase::Idle => None,
            Phase::Apart { until } => Some(*until),
            Phase::Underway { deadline, .. } => Some(*deadline),
            Phase::Online(session) => {
                let lease = session.heard + self.settings.heartbeat();
                let timers =
                    [Some(session.next_echo), Some(lease), session.remind, self.check_due()];
                timers.into_iter().flatten().min()
            }
        };
        let due = self.due.filter(|_| self.word.is_some());
        [timer, due].into_iter().flatten().min()
    }
}

#[cfg(test)]
#[path = "client_tests.rs"]
mod tests;
