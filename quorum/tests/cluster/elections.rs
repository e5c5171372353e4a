//! Elections among controllers on ordered messaging: random runs and exhaustive exploration.
//!
//! E1: of the nodes in one view at most one leads by an election won there. E2: once nothing
//! changes any more, every view ends with one leader whom all follow. E3: of fresh candidates the
//! best wins.

use std::collections::{HashSet, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

use quorum::election::{Ballot, Candidate, DEFAULT_TIMEOUT, Election, Input, Output, State};

use crate::messaging::id;

/// Without a leader for this long a controller starts an election.
const DEAD_TIME: Duration = Duration::from_secs(20);

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Event {
    View {
        number: u32,
        members: Vec<usize>,
    },
    Ballot {
        from: usize,
        ballot: Ballot,
    },
    Leading {
        from: usize,
    },
    /// A member asks its leader to be taken in.
    Join {
        from: usize,
        leader: usize,
    },
    /// The one asked does not lead.
    Refused {
        to: usize,
        leader: usize,
    },
}

/// One controller: an election and the little around it that matters here.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Controller {
    number: usize,
    election: Election,
    view: u32,
    members: Vec<usize>,
    inbox: VecDeque<Event>,
    leader: Option<usize>,
    /// View in which the present leadership was won by votes.
    won_in: Option<u32>,
    dead_time: Option<Duration>,
    cpu: Duration,
}

#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Community {
    now: Duration,
    controllers: Vec<Controller>,
    views: u32,
}

impl Community {
    fn new(candidates: &[(&str, u64, &str)]) -> Community {
        let controller = |(at, (version, age, name)): (usize, &(&str, u64, &str))| {
            let number = at + 1;
            let candidate = Candidate {
                id: id(number),
                name: (*name).to_owned(),
                version: version.parse().unwrap(),
                timeout: DEFAULT_TIMEOUT,
            };
            Controller {
                number,
                election: Election::new(candidate),
                view: 0,
                members: Vec::new(),
                inbox: VecDeque::new(),
                leader: None,
                won_in: None,
                dead_time: None,
                cpu: Duration::from_secs(*age),
            }
        };
        let controllers = candidates.iter().enumerate().map(controller).collect();
        Community { now: Duration::ZERO, controllers, views: 0 }
    }

    fn controller(&mut self, number: usize) -> &mut Controller {
        &mut self.controllers[number - 1]
    }

    /// New views: messages under way still arrive before them.
    fn change(&mut self, groups: &[Vec<usize>]) {
        for group in groups {
            self.views += 1;
            let number = self.views;
            for n in group {
                let members = group.clone();
                self.controller(*n).inbox.push_back(Event::View { number, members });
            }
        }
    }

    /// Sends to those that are, or are about to be, in the sender's view.
    fn broadcast(&mut self, from: usize, event: &Event) {
        let view = self.controller(from).view;
        let enters = |c: &Controller| {
            let last = c.inbox.iter().rev().find_map(|event| match event {
                Event::View { number, .. } => Some(*number),
                _ => None,
            });
            last.unwrap_or(c.view)
        };
        for c in &mut self.controllers {
            if enters(c) == view {
                c.inbox.push_back(event.clone());
            }
        }
    }

    fn feed(&mut self, n: usize, input: Input) {
        let now = self.now;
        let c = self.controller(n);
        let cpu = c.cpu;
        // Agreement that comes too late for its election is of no consequence.
        let _ = c.election.handle(now, cpu, input);
        while let Some(output) = self.controller(n).election.poll_output() {
            match output {
                Output::Broadcast(ballot) => {
                    self.broadcast(n, &Event::Ballot { from: n, ballot });
                }
                Output::Send { to, ballot } => {
                    let to = to.get() as usize;
                    let view = self.controller(n).view;
                    let c = self.controller(to);
                    let changes = c.inbox.iter().any(|e| matches!(e, Event::View { .. }));
                    if c.view == view && !changes {
                        c.inbox.push_back(Event::Ballot { from: n, ballot });
                    }
                }
                Output::Restart => self.feed(n, Input::Start),
                Output::Lost => self.follow(n, None),
                Output::Won => self.lead(n),
                Output::Storm => {}
            }
        }
    }

    fn follow(&mut self, n: usize, leader: Option<usize>) {
        let now = self.now;
        let c = self.controller(n);
        c.leader = leader;
        c.won_in = None;
        c.dead_time = if leader.is_none() { Some(now + DEAD_TIME) } else { None };
    }

    fn lead(&mut self, n: usize) {
        self.follow(n, Some(n));
        let c = self.controller(n);
        c.won_in = Some(c.view);
        self.broadcast(n, &Event::Leading { from: n });
    }

    fn deliver(&mut self, n: usize) -> bool {
        let Some(event) = self.controller(n).inbox.pop_front() else { return false };
        match event {
            Event::View { number, members } => self.enter(n, number, members),
            Event::Ballot { from, ballot } => {
                self.feed(n, Input::Ballot { from: id(from), ballot });
                if self.controller(n).election.state() == State::InProgress {
                    self.feed(n, Input::Check);
                }
            }
            Event::Leading { from } if from != n => {
                let c = self.controller(n);
                if c.leader == Some(n) {
                    // Two lead: vote again.
                    self.feed(n, Input::Start);
                } else if c.election.state() != State::InProgress {
                    self.follow(n, Some(from));
                    self.broadcast(n, &Event::Join { from: n, leader: from });
                }
            }
            Event::Join { from, leader } if leader == n => {
                if self.controller(n).leader != Some(n) {
                    self.broadcast(n, &Event::Refused { to: from, leader: n });
                }
            }
            Event::Refused { to, leader } if to == n => {
                if self.controller(n).leader == Some(leader) {
                    self.follow(n, None);
                }
            }
            Event::Leading { .. } | Event::Join { .. } | Event::Refused { .. } => {}
        }
        true
    }

    fn enter(&mut self, n: usize, number: u32, members: Vec<usize>) {
        let c = self.controller(n);
        c.view = number;
        let old = std::mem::replace(&mut c.members, members.clone());
        let leader = c.leader;
        for gone in old.iter().filter(|m| !members.contains(m)) {
            let was_controller = leader == Some(*gone);
            self.feed(n, Input::Left { node: id(*gone), was_controller });
        }
        for new in members.iter().filter(|m| !old.contains(m)) {
            self.feed(n, Input::Joined(id(*new)));
        }
        let c = self.controller(n);
        if c.leader == Some(n) {
            c.won_in = None;
            self.broadcast(n, &Event::Leading { from: n });
        } else if c.leader.is_none_or(|leader| !members.contains(&leader)) {
            self.follow(n, None);
            self.feed(n, Input::Start);
        } else if let Some(leader) = c.leader {
            self.broadcast(n, &Event::Join { from: n, leader });
        }
        if self.controller(n).election.state() == State::InProgress {
            self.feed(n, Input::Check);
        }
    }

    fn next_timer(&self, n: usize) -> Option<Duration> {
        let c = &self.controllers[n - 1];
        [c.dead_time, c.election.poll_timeout()].into_iter().flatten().min()
    }

    fn fire(&mut self, n: usize) -> bool {
        let Some(at) = self.next_timer(n) else { return false };
        self.now = self.now.max(at);
        let now = self.now;
        if self.controller(n).dead_time.is_some_and(|at| at <= now) {
            self.controller(n).dead_time = None;
            self.feed(n, Input::Start);
        }
        let collecting = self.controller(n).election.state() == State::InProgress;
        self.feed(n, Input::Timeout);
        let c = self.controller(n);
        if collecting && c.election.state() == State::Won {
            // Won by silence, not by votes.
            c.won_in = None;
        }
        true
    }

    fn deliver_all(&mut self) -> bool {
        // A restless election must not hang the test.
        for _ in 0..2000 {
            let up: Vec<_> = (1..=self.controllers.len()).collect();
            if up.iter().filter(|n| self.deliver(**n)).count() == 0 {
                return true;
            }
        }
        false
    }

    /// E1.
    fn one_leader_per_view(&self) -> Result<(), String> {
        for (at, a) in self.controllers.iter().enumerate() {
            for b in &self.controllers[at + 1..] {
                if a.view == b.view && a.won_in == Some(a.view) && b.won_in == Some(b.view) {
                    return Err(format!("E1: {} and {} both lead", a.number, b.number));
                }
            }
        }
        Ok(())
    }

    /// E2: lets everything happen that is due and looks who leads.
    fn comes_to_rest(&mut self) -> Result<(), String> {
        for _ in 0..40 {
            if !self.deliver_all() {
                return Err("E2: the election never ends".to_owned());
            }
            self.one_leader_per_view()?;
            let timers = (1..=self.controllers.len()).filter_map(|n| self.next_timer(n));
            let Some(at) = timers.min() else { break };
            self.now = self.now.max(at);
            for n in 1..=self.controllers.len() {
                if self.next_timer(n).is_some_and(|at| at <= self.now) {
                    self.fire(n);
                }
            }
        }
        for c in self.controllers.iter().filter(|c| !c.members.is_empty()) {
            let Some(leader) = c.leader else {
                return Err(format!("E2: {} has no leader", c.number));
            };
            let led = &self.controllers[leader - 1];
            if led.leader != Some(leader) || !c.members.contains(&leader) {
                return Err(format!("E2: {} follows {leader}, who does not lead it", c.number));
            }
        }
        Ok(())
    }
}

const VERSIONS: [&str; 3] = ["3.19.7", "3.20.0", "3.9.1"];
const NAMES: [&str; 6] = ["ada", "Bob", "cleo", "dan", "eve", "fay"];

/// One random run.
pub fn run(seed: u64) -> Result<(), String> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut below = |n: usize| rng.next_u32() as usize % n;
    let size = 2 + below(5);
    let candidates: Vec<_> =
        (0..size).map(|n| (VERSIONS[below(3)], below(4) as u64, NAMES[n])).collect();
    let mut community = Community::new(&candidates);
    community.change(&[(1..=size).collect()]);
    for _ in 0..300 {
        match below(40) {
            0 => {
                let mut groups = vec![Vec::new(); 1 + below(3)];
                for n in 1..=size {
                    let at = below(groups.len());
                    groups[at].push(n);
                }
                groups.retain(|g| !g.is_empty());
                community.change(&groups);
            }
            1 => {
                community.fire(1 + below(size));
            }
            _ => {
                community.deliver(1 + below(size));
            }
        }
        community.one_leader_per_view().map_err(|e| format!("seed {seed} {candidates:?}: {e}"))?;
    }
    community.comes_to_rest().map_err(|e| format!("seed {seed} {candidates:?}: {e}"))
}

/// Every interleaving of deliveries and of view changes within the budget; the number of states.
pub fn explore(candidates: &[(&str, u64, &str)], changes: u32) -> Result<usize, String> {
    let mut start = Community::new(candidates);
    let all: Vec<_> = (1..=candidates.len()).collect();
    start.change(std::slice::from_ref(&all));
    if candidates.len() > 2 {
        // All enter the first view before anything else is delivered: fewer, still all, orders of
        // the ballots.
        for n in &all {
            start.deliver(*n);
        }
    }
    let mut seen = HashSet::new();
    let mut open = vec![(start, changes)];
    while let Some(state) = open.pop() {
        let mut hasher = DefaultHasher::new();
        state.hash(&mut hasher);
        if !seen.insert(hasher.finish()) {
            continue;
        }
        let (community, changes) = state;
        community.one_leader_per_view()?;
        if community.controllers.iter().all(|c| c.inbox.is_empty()) {
            community.clone().comes_to_rest()?;
        }
        for n in &all {
            let mut next = community.clone();
            if next.deliver(*n) {
                open.push((next, changes));
            }
        }
        if changes > 0 {
            for alone in &all {
                let rest = all.iter().copied().filter(|n| n != alone).collect();
                let mut next = community.clone();
                next.change(&[vec![*alone], rest]);
                open.push((next.clone(), changes - 1));
                next.change(std::slice::from_ref(&all));
                open.push((next, changes - 1));
            }
        }
    }
    Ok(seen.len())
}

#[test]
fn random_elections_end_with_one_leader() {
    for seed in 0..crate::random::from_environment("QUORUM_SEEDS").unwrap_or(1500) {
        if let Err(problem) = run(seed) {
            panic!("{problem}");
        }
    }
}

#[test]
fn no_interleaving_of_two_or_three_candidates_elects_two() {
    let two = [("3.19.7", 3, "ada"), ("3.19.7", 3, "bob")];
    let three = [("3.19.7", 1, "ada"), ("3.20.0", 9, "bob"), ("3.19.7", 2, "cleo")];
    for (candidates, changes) in [(&two[..], 2), (&three[..], 0)] {
        match explore(candidates, changes) {
            Ok(states) => {
                println!("{} candidates, {changes} changes: {states} states", candidates.len())
            }
            Err(problem) => panic!("{problem}"),
        }
    }
}

#[test]
fn of_fresh_candidates_the_oldest_version_then_the_longest_running_then_the_first_name_wins() {
    for (candidates, best) in [
        ([("3.20", 9, "ada"), ("3.19", 1, "bob"), ("3.20", 5, "cleo")], 2),
        ([("3.9", 1, "ada"), ("3.10", 9, "bob"), ("3.9", 2, "cleo")], 3),
        ([("3.9", 1, "Cleo"), ("3.9", 1, "bob"), ("3.9", 1, "ada")], 3),
    ] {
        let mut community = Community::new(&candidates);
        community.change(&[vec![1, 2, 3]]);
        community.comes_to_rest().unwrap();
        assert!(community.controllers.iter().all(|c| c.leader == Some(best)), "{candidates:?}");
    }
}
