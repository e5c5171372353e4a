//! Random runs: a seed gives the cluster's size, its options and every event.
//!
//! `QUORUM_SEEDS=200000 cargo test --release -p quorum --test cluster random` makes a long run,
//! `QUORUM_SEED=17 …` repeats one.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

use quorum::votes::{DeviceRequest, Input, Refusal, Request};

use crate::invariants::{Demands, check};
use crate::messaging::{Cluster, id};

/// Options and what they promise. `crashes`: the promise survives nodes that lose their memory.
struct Scheme {
    options: &'static str,
    even_only: bool,
    crashes: bool,
    exclusive: bool,
    admin: bool,
    device: bool,
}

const PLAIN: Scheme = Scheme {
    options: "",
    even_only: false,
    crashes: true,
    exclusive: true,
    admin: false,
    device: false,
};

const SCHEMES: &[Scheme] = &[
    PLAIN,
    Scheme { options: "wait_for_all", ..PLAIN },
    Scheme { options: "auto_tie_breaker", even_only: true, crashes: false, ..PLAIN },
    Scheme {
        options: "auto_tie_breaker,auto_tie_breaker_node=3 1",
        even_only: true,
        crashes: false,
        ..PLAIN
    },
    Scheme { options: "auto_tie_breaker,auto_tie_breaker_node=highest,wait_for_all", ..PLAIN },
    Scheme { options: "last_man_standing", crashes: false, ..PLAIN },
    Scheme { options: "last_man_standing,wait_for_all", ..PLAIN },
    Scheme { options: "last_man_standing,wait_for_all,auto_tie_breaker", ..PLAIN },
    Scheme { options: "expected_votes_tracking", ..PLAIN },
    Scheme { options: "wait_for_all", exclusive: false, admin: true, ..PLAIN },
    Scheme { options: "", exclusive: false, admin: true, ..PLAIN },
    Scheme { options: "allow_downscale,expected_votes=2", exclusive: false, admin: true, ..PLAIN },
    Scheme { options: "device.model=net,device.votes=1", exclusive: false, device: true, ..PLAIN },
];

struct Run {
    rng: ChaCha8Rng,
    cluster: Cluster,
    scheme: &'static Scheme,
    token: u64,
}

/// Runs one seed; the error says what broke.
pub fn run(seed: u64, events: u32) -> Result<(), String> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let scheme = &SCHEMES[rng.next_u32() as usize % SCHEMES.len()];
    let mut size = 2 + rng.next_u32() as usize % 6;
    if scheme.even_only {
        size += size % 2;
    }
    let cluster = Cluster::new(size, scheme.options);
    let mut run = Run { rng, cluster, scheme, token: 0 };
    for n in 1..=size {
        run.cluster.start(n);
        run.cluster.node(n).device = scheme.device.then_some(n == 1);
    }
    let all = run.cluster.up();
    run.cluster.reform(&[all], |rest| rest);
    let demands = Demands { exclusive: scheme.exclusive, agreed: !scheme.device };
    for event in 0..events {
        let done = run.step()?;
        check(&run.cluster, demands).map_err(|problem| {
            let log = run.cluster.log.join("\n");
            format!("seed {seed}, event {event} ({done}), {:?}:\n{problem}\n{log}", scheme.options)
        })?;
    }
    Ok(())
}

impl Run {
    fn below(&mut self, n: usize) -> usize {
        self.rng.next_u32() as usize % n.max(1)
    }

    fn step(&mut self) -> Result<String, String> {
        let up = self.cluster.up();
        let node = if up.is_empty() { None } else { Some(up[self.below(up.len())]) };
        Ok(match (self.below(100), node) {
            (0..4, _) => self.reform(),
            (4..6, Some(n)) if self.scheme.crashes => {
                self.cluster.crash(n);
                format!("crash {n}")
            }
            (6..9, _) => {
                let down = (1..=self.cluster.nodes.len()).find(|n| !up.contains(n));
                if let Some(n) = down {
                    self.cluster.start(n);
                }
                format!("start {down:?}")
            }
            (9..12, Some(n)) => {
                self.cluster.fire(n);
                format!("timer {n}")
            }
            (12..15, Some(n)) if self.scheme.admin => self.request(n)?,
            (12..18, Some(n)) if self.scheme.device => self.device(n)?,
            (18..25, _) => {
                self.cluster.settle();
                "settle".to_owned()
            }
            (25..55, Some(n)) => {
                self.cluster.order(n);
                format!("order {n}")
            }
            (_, Some(n)) => {
                self.cluster.deliver(n);
                format!("deliver {n}")
            }
            (_, None) => "nothing runs".to_owned(),
        })
    }

    /// Running nodes fall into random groups; a group that stays as it was keeps its ring.
    fn reform(&mut self) -> String {
        let up = self.cluster.up();
        let parts = 1 + self.below(3);
        let mut groups = vec![Vec::new(); parts];
        for n in up {
            let part = self.below(parts);
            groups[part].push(n);
        }
        groups.retain(|group| {
            let ring = group.first().and_then(|n| self.cluster.nodes[*n - 1].ring);
            let same = ring.is_some_and(|ring| self.cluster.rings[ring].members == *group);
            !group.is_empty() && !same
        });
        let mut rng = self.rng.clone();
        self.cluster.reform(&groups, |rest| rng.next_u32() as usize % (rest + 1));
        self.rng = rng;
        format!("reform {groups:?}")
    }

    /// Q8: a refused request changes nothing, whether it is refused here or where it is delivered.
    fn request(&mut self, n: usize) -> Result<String, String> {
        let value = self.below(12) as u32;
        let request = match self.below(5) {
            0 => Request::CancelWaiting,
            1 | 2 => Request::SetExpected(value),
            3 => Request::Leave,
            _ => Request::SetVotes { node: Some(id(1 + self.below(3))), votes: value / 3 },
        };
        let done = format!("request {n} {request:?}");
        self.refused_without_effect(n, &done, |run| {
            run.token += 1;
            let token = run.token;
            run.cluster.feed(n, Input::Request { token, request });
        })?;
        for _ in 0..self.below(4) {
            self.cluster.order(n);
            self.refused_without_effect(n, &done, |run| {
                run.cluster.deliver(n);
            })?;
        }
        Ok(done)
    }

    fn refused_without_effect(
        &mut self,
        n: usize,
        what: &str,
        act: impl FnOnce(&mut Run),
    ) -> Result<(), String> {
        let view = |run: &Run| {
            let votes = run.cluster.nodes[n - 1].votes.as_ref().expect("the node runs");
            (votes.status(), votes.map_keys(), votes.is_synchronising())
        };
        self.cluster.feed(n, Input::Timeout);
        let before = view(self);
        self.cluster.node(n).replies.clear();
        act(self);
        let after = view(self);
        let refused = matches!(self.cluster.node(n).replies[..], [(_, Err(_))]);
        if refused && !before.2 && !after.2 && before != after {
            return Err(format!("Q8: {what} was refused and had an effect"));
        }
        Ok(())
    }

    /// Q7: an answer about another ring is refused and changes nothing.
    fn device(&mut self, n: usize) -> Result<String, String> {
        match self.below(3) {
            0 => {
                let answer = self.below(2) == 0;
                self.cluster.node(n).device = Some(answer);
                self.cluster.poll_device(n);
                Ok(format!("device {n} {answer}"))
            }
            1 => {
                self.cluster.poll_device(n);
                Ok(format!("poll {n}"))
            }
            _ => {
                self.cluster.feed(n, Input::Timeout);
                let node = self.cluster.node(n);
                let known = node.sequence;
                let before = node.votes.clone();
                let ring = quorum::id::RingId { sequence: known + 1, representative: id(n) };
                let name = "Qdevice".to_owned();
                let request = Request::Device(DeviceRequest::Poll { name, cast: true, ring });
                node.replies.clear();
                self.cluster.feed(n, Input::Request { token: 0, request });
                let node = self.cluster.node(n);
                let refused = matches!(
                    node.replies[..],
                    [(_, Err(Refusal::StaleRing | Refusal::NotRegistered))]
                );
                if !refused || node.votes != before {
                    return Err("Q7: a stale answer of the device had an effect".to_owned());
                }
                Ok(format!("stale poll {n}"))
            }
        }
    }
}

pub fn from_environment(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|value| value.parse().unwrap())
}

#[test]
fn random_runs_keep_all_invariants() {
    if let Some(seed) = from_environment("QUORUM_SEED") {
        return run(seed, 2000).unwrap();
    }
    for seed in 0..from_environment("QUORUM_SEEDS").unwrap_or(600) {
        if let Err(problem) = run(seed, 400) {
            panic!("{problem}");
        }
    }
}
