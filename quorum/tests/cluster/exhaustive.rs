//! Every interleaving of deliveries, membership changes, crashes, restarts and timers that fits a
//! budget, for two and three nodes.
//!
//! Messages are ordered the moment they are sent, so the order of deliveries decides their order.
//! `QUORUM_CHANGES=1 cargo test --release -p quorum --test cluster exhaustive` adds membership
//! changes.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};

use crate::invariants::{Demands, check};
use crate::messaging::Cluster;

#[derive(Clone, PartialEq, Eq, Hash)]
struct State {
    cluster: Cluster,
    changes: u32,
    crashes: u32,
    timers: u32,
}

/// What one exploration may use up.
#[derive(Clone, Copy, Debug)]
pub struct Budget {
    pub nodes: usize,
    pub options: &'static str,
    pub changes: u32,
    pub crashes: u32,
    pub timers: u32,
    pub exclusive: bool,
}

/// All ways to part nodes into groups.
fn partitions(nodes: &[usize]) -> Vec<Vec<Vec<usize>>> {
    let Some((first, rest)) = nodes.split_first() else { return vec![Vec::new()] };
    let mut all = Vec::new();
    for parts in partitions(rest) {
        for at in 0..parts.len() {
            let mut joined = parts.clone();
            joined[at].insert(0, *first);
            all.push(joined);
        }
        let mut alone = parts;
        alone.insert(0, vec![*first]);
        all.push(alone);
    }
    all
}

impl State {
    fn new(budget: Budget) -> State {
        let mut cluster = Cluster::new(budget.nodes, budget.options);
        cluster.eager = true;
        for n in 1..=budget.nodes {
            cluster.start(n);
        }
        cluster.reform(&[(1..=budget.nodes).collect()], |rest| rest);
        let Budget { changes, crashes, timers, .. } = budget;
        State { cluster, changes, crashes, timers }
    }

    fn next(&self) -> Vec<(String, State)> {
        let mut next = Vec::new();
        let mut add = |what: String, act: &dyn Fn(&mut State) -> bool| {
            let mut state = self.clone();
            if act(&mut state) {
                state.tidy();
                next.push((what, state));
            }
        };
        for node in &self.cluster.nodes {
            let n = node.number;
            let log = node.delivered_ring.map_or(0, |ring| self.cluster.rings[ring].log.len());
            if node.view.is_some() || node.cursor < log {
                add(format!("deliver {n}"), &|s| s.cluster.deliver(n));
            }
            if self.timers > 0 {
                add(format!("timer {n}"), &|s| s.timer(n));
            }
            if self.crashes > 0 || node.votes.is_none() {
                add(format!("crash or start {n}"), &|s| s.crash_or_start(n));
            }
        }
        if self.changes > 0 {
            for groups in partitions(&self.cluster.up()) {
                for all in [false, true] {
                    let what = format!("change to {groups:?}, all received: {all}");
                    add(what, &|s| s.change(&groups, all));
                }
            }
        }
        next
    }

    fn timer(&mut self, n: usize) -> bool {
        self.timers -= 1;
        self.cluster.fire(n)
    }

    fn crash_or_start(&mut self, n: usize) -> bool {
        if self.cluster.up().contains(&n) {
            if self.crashes == 0 {
                return false;
            }
            self.crashes -= 1;
            self.cluster.crash(n);
        } else {
            self.cluster.start(n);
        }
        true
    }

    fn change(&mut self, groups: &[Vec<usize>], all: bool) -> bool {
        let ring_of = |n: usize| self.cluster.nodes[n - 1].ring;
        let changed: Vec<_> = groups
            .iter()
            .filter(|g| ring_of(g[0]).is_none_or(|r| self.cluster.rings[r].members != **g))
            .cloned()
            .collect();
        if changed.is_empty() {
            return false;
        }
        self.changes -= 1;
        self.cluster.reform(&changed, |rest| if all { rest } else { 0 });
        true
    }

    /// Forgets what nobody can see any more, so that equal futures are equal states.
    fn tidy(&mut self) {
        self.cluster.log.clear();
        for (at, ring) in self.cluster.rings.iter_mut().enumerate() {
            if !self.cluster.nodes.iter().any(|n| n.delivered_ring == Some(at)) {
                ring.log.clear();
            }
        }
        for node in &mut self.cluster.nodes {
            node.replies.clear();
        }
    }
}

/// Explores everything within the budget; how many states there were, or the way to a violation.
pub fn explore(budget: Budget) -> Result<usize, String> {
    let hash = |state: &State| {
        let mut hasher = DefaultHasher::new();
        state.hash(&mut hasher);
        hasher.finish()
    };
    let demands = Demands { exclusive: budget.exclusive, agreed: true };
    let start = State::new(budget);
    let mut seen = HashSet::from([hash(&start)]);
    let mut trail: Vec<(String, Vec<(String, State)>)> = vec![(String::new(), start.next())];
    while let Some((_, open)) = trail.last_mut() {
        let Some((what, state)) = open.pop() else {
            trail.pop();
            continue;
        };
        if !seen.insert(hash(&state)) {
            continue;
        }
        if let Err(problem) = check(&state.cluster, demands) {
            let way: Vec<_> = trail.iter().map(|(step, _)| step.as_str()).collect();
            return Err(format!("{budget:?}:{}\n{what}\n{problem}", way.join("\n")));
        }
        let open = state.next();
        trail.push((what, open));
    }
    Ok(seen.len())
}

#[test]
fn no_interleaving_of_two_or_three_nodes_breaks_an_invariant() {
    let more: u32 = std::env::var("QUORUM_CHANGES").ok().map_or(0, |text| text.parse().unwrap());
    let two =
        Budget { nodes: 2, options: "", changes: 2 + more, crashes: 1, timers: 0, exclusive: true };
    // Without optimisation three nodes take minutes: there only the forming of their ring.
    let changes = if cfg!(debug_assertions) { more } else { 1 + more };
    let three = Budget { nodes: 3, changes, crashes: 0, ..two };
    for budget in [
        two,
        Budget { options: "wait_for_all", ..two },
        Budget { options: "two_node", exclusive: false, ..two },
        Budget { options: "auto_tie_breaker", crashes: 0, ..two },
        Budget { options: "last_man_standing,wait_for_all,auto_tie_breaker", timers: 1, ..two },
        three,
        Budget { options: "last_man_standing,wait_for_all", timers: 1, ..three },
    ] {
        match explore(budget) {
            Ok(states) => println!("{budget:?}: {states} states"),
            Err(problem) => panic!("{problem}"),
        }
    }
}
