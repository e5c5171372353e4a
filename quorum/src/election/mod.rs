//! Election of the designated controller among the members (spec 60 §4).
//!
//! Whoever wants an election votes for itself, with its software version, age and name. A member
//! that is worse agrees (a *no-vote*), one that is better votes itself. The oldest version wins, so
//! that a cluster in upgrade is led by a member all others understand; then the longest-running;
//! then the first name. A node that has collected the word of every active member has won.
//!
//! The machine does no I/O and follows the crate's drain contract: after every
//! [`Election::handle`] take all of [`Election::poll_output`], then wait until
//! [`Election::poll_timeout`].

mod ballot;
mod feature_set;

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

pub use ballot::{Ballot, BallotError, Kind};
pub use feature_set::{FeatureSet, FeatureSetError};

use crate::id::NodeId;
use crate::mutation::{self, Mutation};

/// After a loss a node accepts losing again for this long, so that a restless cluster settles.
const DAMPENING: Duration = Duration::from_secs(2);
/// Window for counting wins.
const STORM_WINDOW: Duration = Duration::from_secs(2);
/// The own age is kept as sampled until nobody has asked for it for this long.
const AGE_KEPT: Duration = Duration::from_secs(2);
/// Time after which a round counts as won if no better vote arrived.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(120);

/// The local candidate.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Candidate {
    /// Its id.
    pub id: NodeId,
    /// Its name, compared without regard to ASCII case.
    pub name: String,
    /// Feature set of its software.
    pub version: FeatureSet,
    /// Time a round may take.
    pub timeout: Duration,
}

/// Where the election stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State {
    /// None yet, or a better vote is due from here.
    Start,
    /// Votes are being collected.
    InProgress,
    /// Another is better.
    Lost,
    /// All agreed, or nobody objected in time.
    Won,
}

/// What happens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// Begin a round. Ignored while this node is not active itself.
    Start,
    /// Count a ballot that messaging delivered.
    Ballot {
        /// Its sender.
        from: NodeId,
        /// The ballot.
        ballot: Ballot,
    },
    /// A member became active.
    Joined(NodeId),
    /// A member is no longer active; its word is void.
    Left {
        /// The member.
        node: NodeId,
        /// It was the controller (writer) that everybody followed.
        was_controller: bool,
    },
    /// Whether this node may win at all; `true` at first.
    Eligible(bool),
    /// See whether the round is won.
    Check,
    /// Forget the round.
    Reset,
    /// The time of [`Election::poll_timeout`] has come.
    Timeout,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Output {
    /// Send to all members, oneself included, in order.
    Broadcast(Ballot),
    /// Send to one member, in order with the broadcasts.
    Send {
        /// The member.
        to: NodeId,
        /// The ballot.
        ballot: Ballot,
    },
    /// A worse vote was seen: begin a round.
    Restart,
    /// Another is better; whoever leads here must stop.
    Lost,
    /// This node leads.
    Won,
    /// Unusually many wins in a short time (diagnostic only).
    Storm,
}

/// Why a ballot was not counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CountError {
    /// Agreement with somebody else's round arrived here.
    #[error("no-vote for the election of node {0}, which is not ours")]
    NotOurs(NodeId),
}

/// One node's part in elections.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Election {
    me: Candidate,
    eligible: bool,
    active: BTreeSet<NodeId>,
    state: State,
    round: u32,
    voters: BTreeSet<NodeId>,
    deadline: Option<Duration>,
    last_loss: Option<Duration>,
    storm: Option<(Duration, u64)>,
    age: Option<(Duration, Duration)>,
    outputs: VecDeque<Output>,
}

/// What comes of one ballot.
enum Count {
    Ignored,
    Recorded,
    Better,
    Worse,
}

impl Election {
    /// A candidate before its first round. Tell it of all active members, itself included, with
    /// [`Input::Joined`].
    #[must_use]
    pub fn new(me: Candidate) -> Election {
        Election {
            me,
            eligible: true,
            active: BTreeSet::new(),
            state: State::Start,
            round: 0,
            voters: BTreeSet::new(),
            deadline: None,
            last_loss: None,
            storm: None,
            age: None,
            outputs: VecDeque::new(),
        }
    }

    /// Feeds one input. `now` is the time since any fixed instant and must not go back; `cpu` the
    /// CPU time this process has used so far, by which age is measured.
    ///
    /// # Errors
    /// A ballot that does not belong here; nothing has changed.
    pub fn handle(&mut self, now: Duration, cpu: Duration, input: Input) -> Result<(), CountError> {
        match input {
            Input::Start => self.start(now, cpu),
            Input::Ballot { from, ballot } => return self.count(now, cpu, from, &ballot),
            Input::Joined(node) => {
                self.active.insert(node);
            }
            Input::Left { node, was_controller } => {
                self.active.remove(&node);
                self.voters.remove(&node);
                if was_controller {
                    self.last_loss = None;
                }
            }
            Input::Eligible(eligible) => self.eligible = eligible,
            Input::Check => self.check(),
            Input::Reset => self.reset(),
            Input::Timeout => {
                if self.deadline.is_some_and(|at| at <= now) {
                    self.win();
                }
            }
        }
        Ok(())
    }

    /// The next output.
    #[must_use]
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When the machine next wants [`Input::Timeout`].
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Duration> {
        self.deadline
    }

    /// Where the election stands.
    #[must_use]
    pub fn state(&self) -> State {
        self.state
    }

    /// Number of the latest round started here.
    #[must_use]
    pub fn round(&self) -> u32 {
        self.round
    }

    fn reset(&mut self) {
        self.voters.clear();
        self.deadline = None;
    }

    fn start(&mut self, now: Duration, cpu: Duration) {
        if !self.active.contains(&self.me.id) {
            return;
        }
        self.reset();
        self.state = State::InProgress;
        // The number travels as a non-negative 31-bit value.
        self.round = self.round.wrapping_add(1) & 0x7fff_ffff;
        self.deadline = Some(now + self.me.timeout);
        let kind = Kind::Vote { age: self.own_age(now, cpu) };
        let ballot = self.ballot(kind, self.me.id, self.round);
        self.outputs.push_back(Output::Broadcast(ballot));
    }

    fn ballot(&self, kind: Kind, owner: NodeId, round: u32) -> Ballot {
        let (name, version) = (self.me.name.clone(), self.me.version.clone());
        Ballot { kind, owner, round, name, version }
    }

    fn own_age(&mut self, now: Duration, cpu: Duration) -> Duration {
        let kept = self.age.filter(|(accessed, _)| now.saturating_sub(*accessed) < AGE_KEPT);
        // As exact as ballots tell it: with more, each of two could be better than what it hears of the other.
        let heard = Duration::from_micros(u64::try_from(cpu.as_micros()).unwrap_or(u64::MAX));
        let age = kept.map_or(heard, |(_, age)| age);
        self.age = Some((now, age));
        age
    }

    fn count(
        &mut self,
        now: Duration,
        cpu: Duration,
        from: NodeId,
        ballot: &Ballot,
    ) -> Result<(), CountError> {
        match self.weigh(now, cpu, from, ballot)? {
            Count::Ignored => {}
            Count::Recorded => {
                self.voters.insert(from);
            }
            Count::Better if self.may_object(now) => {
                self.count_win(now);
                self.last_loss = None;
                self.deadline = None;
                self.state = State::Start;
                self.outputs.push_back(Output::Restart);
            }
            Count::Better => {
                self.count_win(now);
                self.lose(now, from, ballot);
            }
            Count::Worse => self.lose(now, from, ballot),
        }
        Ok(())
    }

    /// The rules in their order.
    fn weigh(
        &mut self,
        now: Duration,
        cpu: Duration,
        from: NodeId,
        ballot: &Ballot,
    ) -> Result<Count, CountError> {
        let mine = ballot.owner == self.me.id;
        let superseded = mine && ballot.round != self.round;
        if !self.eligible || !self.active.contains(&self.me.id) {
            return Ok(Count::Worse);
        }
        if superseded || !self.active.contains(&from) {
            return Ok(Count::Ignored);
        }
        let Kind::Vote { age } = ballot.kind else { return self.agreement(ballot) };
        if from == self.me.id {
            return self.agreement(ballot);
        }
        let own_age = self.own_age(now, cpu);
        Ok(if self.is_better(own_age, age, ballot) { Count::Better } else { Count::Worse })
    }

    fn agreement(&self, ballot: &Ballot) -> Result<Count, CountError> {
        if ballot.owner != self.me.id {
            return Err(CountError::NotOurs(ballot.owner));
        }
        Ok(if self.state == State::InProgress { Count::Recorded } else { Count::Ignored })
    }

    fn is_better(&self, own_age: Duration, age: Duration, ballot: &Ballot) -> bool {
        use std::cmp::Ordering::{Equal, Greater, Less};
        match self.me.version.compare(&ballot.version) {
            Less => return true,
            Greater => return mutation::planted(Mutation::NewerVersionWinsToo),
            Equal => {}
        }
        match own_age.cmp(&age) {
            Less => false,
            Greater => true,
            Equal => self.me.name.to_ascii_lowercase() <= ballot.name.to_ascii_lowercase(),
        }
    }

    /// Whoever lost just now accepts losing again.
    fn may_object(&self, now: Duration) -> bool {
        self.last_loss.is_none_or(|at| now.saturating_sub(at) > DAMPENING)
    }

    fn count_win(&mut self, now: Duration) {
        let storm = self.storm.filter(|(since, _)| now.saturating_sub(*since) <= STORM_WINDOW);
        let (since, wins) = storm.unwrap_or((now, 0));
        self.storm = Some((since, wins + 1));
        let most = (self.active.len() as u64 + 1).pow(2);
        if wins + 1 > most {
            self.storm = None;
            self.outputs.push_back(Output::Storm);
        }
    }

    fn lose(&mut self, now: Duration, from: NodeId, ballot: &Ballot) {
        self.last_loss = Some(now);
        self.reset();
        self.state = State::Lost;
        let answer = self.ballot(Kind::NoVote, ballot.owner, ballot.round);
        self.outputs.push_back(Output::Send { to: from, ballot: answer });
        self.outputs.push_back(Output::Lost);
    }

    fn check(&mut self) {
        let needed = if mutation::planted(Mutation::WinWithHalf) {
            self.active.len().div_ceil(2)
        } else {
            self.active.len()
        };
        if !self.voters.is_empty() && self.voters.len() >= needed {
            self.win();
        }
    }

    fn win(&mut self) {
        self.reset();
        self.state = State::Won;
        self.outputs.push_back(Output::Won);
    }
}

#[cfg(test)]
mod tests;
