//! One random run of a small cluster with everything that can go wrong, by its seed.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::Duration;

use fencing::agent::Action;
use fencing::clock::Seconds;
use fencing::device::DeviceDefinition;
use fencing::executor::CallId;
use fencing::fencer::{Configuration, FenceOrder, Input, Request, Response};
use fencing::name::{AgentName, DeviceId, NodeName};
use fencing::outcome::Outcome;
use fencing::secret::Parameters;
use fencing::topology::{LevelDefinition, LevelTarget};

use crate::cluster::evidence::{self, Rules};
use crate::cluster::{Seen, World, agents, node};

const NODES: [&str; 3] = ["A", "B", "C"];
const TARGETS: [&str; 5] = ["A", "B", "C", "X", "Y"];

/// How bad the weather is.
#[derive(Debug, Clone, Default)]
pub struct Weather {
    loss: u32,
    doubling: u32,
    longest_delay_ms: u64,
    cut: BTreeSet<(NodeName, NodeName)>,
}

pub struct Run {
    pub world: World,
    pub rules: Rules,
    calm: bool,
    asked: BTreeMap<CallId, NodeName>,
    weather: Rc<RefCell<Weather>>,
    configuration: Configuration,
    calls: u32,
    kills: bool,
    killed: usize,
}

impl Run {
    pub fn new(seed: u64) -> Self {
        let mut world = World::new(seed, &NODES);
        let calm = world.rng.u32(0..8) == 0;
        let weather = Rc::new(RefCell::new(match calm {
            true => Weather { longest_delay_ms: 5, ..Weather::default() },
            false => Weather {
                loss: world.rng.u32(0..15),
                doubling: world.rng.u32(0..15),
                longest_delay_ms: [5, 300, 3000, 12_000][world.rng.usize(0..4)],
                cut: BTreeSet::new(),
            },
        }));
        let net = weather.clone();
        world.network = Box::new(move |rng, from, to, _| transmit(&net.borrow(), rng, from, to));
        world.agents = Box::new(|rng, run| {
            let (time, mut report) = agents::run(run, rng.bool());
            // An agent that fails or takes too long may have done its work all the same.
            if run.action.is_fencing() && rng.u32(0..10) == 0 {
                report.outcome = Outcome::timeout("Fence agent did not complete within its time");
                return (run.timeout.duration(), report);
            }
            (time + Duration::from_millis(rng.u64(0..4000)), report)
        });
        let watchdog = world.rng.bool().then(|| (Duration::from_secs(5), Vec::new()));
        let tries = 1 + world.rng.usize(0..2);
        let with_levels = world.rng.u32(0..4) > 0;
        let kills = world.rng.bool();
        let mut run = Self {
            rules: Rules { levels: BTreeMap::new(), watchdog, tries },
            configuration: Configuration::default(),
            asked: BTreeMap::new(),
            calls: 0,
            killed: 0,
            world,
            calm,
            weather,
            kills,
        };
        run.configure(with_levels);
        for name in NODES {
            run.world.input(&node(name), Input::Configure(run.configuration.clone()));
        }
        run
    }

    fn configure(&mut self, with_levels: bool) {
        let modes = ["pass", "pass", "random", "fail"];
        for id in ["d1", "d2", "d3"] {
            let mode = modes[self.world.rng.usize(0..4)];
            let tries = self.rules.tries.to_string();
            let mut parameters = Parameters::new()
                .with("passwd", "s3cr3t")
                .with("mode", mode)
                .with("pcmk_off_retries", &tries)
                .with("pcmk_reboot_retries", &tries);
            match self.world.rng.u32(0..3) {
                0 => parameters.set("mock_dynamic_hosts", TARGETS.join(",")),
                _ => parameters.set("pcmk_host_list", TARGETS.join(",")),
            }
            if self.world.rng.u32(0..4) == 0 {
                parameters.set("pcmk_delay_max", "3");
            }
            let agents = ["fence_dummy", "fence_dummy_plain_on", "fence_dummy_no_reboot"];
            self.configuration.devices.push(DeviceDefinition {
                id: DeviceId::new(id).expect("an id"),
                agent: AgentName::new(agents[self.world.rng.usize(0..3)]).expect("a name"),
                parameters,
                provides_unfencing: false,
            });
        }
        self.configuration.watchdog_timeout = self.rules.watchdog.as_ref().map(|(time, _)| *time);
        if with_levels {
            self.levels("X", &[&["d1", "d2"], &["d3"]]);
            self.levels("B", &[&["d1"], &["d2", "d3"]]);
            self.levels("A", &[&["d1", "d2", "d3"]]);
        }
    }

    fn levels(&mut self, target: &str, levels: &[&[&'static str]]) {
        for (index, devices) in (1..).zip(levels) {
            self.configuration.levels.push(LevelDefinition {
                id: format!("{target}-{index}"),
                target: Some(LevelTarget::Name(node(target))),
                index,
                devices: devices.iter().map(|id| DeviceId::new(id).expect("an id")).collect(),
            });
        }
        let levels = levels.iter().map(|devices| devices.to_vec()).collect();
        self.rules.levels.insert(node(target), levels);
    }

    fn pick<'a>(&mut self, names: &'a [&'a str]) -> NodeName {
        node(names[self.world.rng.usize(0..names.len())])
    }

    fn order(&mut self) {
        let (at, mut target) = (self.pick(&NODES), self.pick(&TARGETS));
        if !self.calm && self.world.rng.u32(0..8) == 0 {
            // A node that believes itself alone fences itself, and then learns of the others.
            target = at.clone();
            self.world.input(&at, Input::Membership(BTreeSet::from([at.clone()])));
        }
        let action = [Action::Off, Action::Reboot, Action::Reboot][self.world.rng.usize(0..3)];
        let mut order = FenceOrder::new(target, action, Seconds(self.world.rng.u32(1..12)));
        order.allow_self = self.world.rng.bool();
        order.delay = self.world.rng.i32(-1..3);
        self.calls += 1;
        let call = CallId { client: 1, call: self.calls };
        if self.world.nodes[&at].fencer.is_some() {
            self.asked.insert(call, at.clone());
        }
        let client = format!("client.{}", self.world.rng.u32(0..3));
        self.world.request(&at, call, &client, Request::Fence(order));
    }

    fn misfortune(&mut self) {
        let name = self.pick(&NODES);
        match self.world.rng.u32(0..9) {
            0 => self.world.crash(&name),
            1 => self.world.crash_quietly(&name),
            2 | 3 => {
                self.world.boot(&name);
                self.world.input(&name, Input::Configure(self.configuration.clone()));
            }
            4 => {
                // A membership that is not how things are.
                let others = NODES.iter().filter(|_| self.world.rng.bool()).map(|n| node(n));
                let view: BTreeSet<NodeName> = others.collect();
                self.world.input(&name, Input::Membership(view));
            }
            5 => self.world.tell_membership(),
            6 => {
                let other = self.pick(&NODES);
                self.weather.borrow_mut().cut.insert((name, other));
            }
            7 => self.weather.borrow_mut().cut.clear(),
            _ => {
                self.calls += 1;
                let call = CallId { client: 9, call: self.calls };
                self.world.request(&name, call, "sync.1", Request::SynchroniseHistory);
            }
        }
    }

    /// Whoever is really cut off stops.
    fn bury_the_fenced(&mut self) {
        let seen = &self.world.seen[self.killed..];
        let dead: Vec<NodeName> = seen
            .iter()
            .filter_map(|(_, seen)| match seen {
                Seen::Ended { run, report, .. } if report.outcome.is_ok() => {
                    let fencing = run.action.is_fencing();
                    run.parameters.get("nodename").filter(|_| fencing).map(node)
                }
                _ => None,
            })
            .collect();
        self.killed = self.world.seen.len();
        for name in dead.into_iter().filter(|_| self.kills) {
            if self.world.nodes.contains_key(&name) {
                self.world.crash_quietly(&name);
            }
        }
    }

    pub fn play(mut self) -> Result<(), String> {
        for _ in 0..12 {
            self.order();
            for _ in 0..3 {
                let pause = Duration::from_millis(self.world.rng.u64(0..1500));
                self.world.run_for(pause);
                self.bury_the_fenced();
                if !self.calm && self.world.rng.bool() {
                    self.misfortune();
                }
            }
        }
        self.world.run_for(Duration::from_secs(600));
        evidence::check(&self.world, &self.rules)?;
        self.nothing_is_stuck()
    }

    /// Whatever went wrong, no fencer has timers or agents left; in fair weather every request has
    /// had its answer.
    fn nothing_is_stuck(&self) -> Result<(), String> {
        for (name, machine) in &self.world.nodes {
            let Some(fencer) = &machine.fencer else {
                continue;
            };
            if let Some(wake) = fencer.poll_timeout() {
                return Err(format!("{name} waits for {wake:?} at {:?}", self.world.now));
            }
            if !fencer.executor().is_idle() {
                return Err(format!("{name} still has commands"));
            }
        }
        let answered: BTreeSet<CallId> = self
            .world
            .seen
            .iter()
            .filter_map(|(_, seen)| match seen {
                Seen::Replied { call, response: Response::Ended(_), .. } => Some(*call),
                _ => None,
            })
            .collect();
        let died = self.world.seen.iter().any(|(_, seen)| matches!(seen, Seen::SelfFenced { .. }));
        let open = self.asked.keys().find(|call| !answered.contains(call));
        match open.filter(|_| self.calm && !self.kills && !died) {
            Some(call) => Err(format!("{call:?} at {} has no answer", self.asked[call])),
            None => Ok(()),
        }
    }
}

fn transmit(
    weather: &Weather,
    rng: &mut fastrand::Rng,
    from: &NodeName,
    to: &NodeName,
) -> Vec<Duration> {
    let delay = |rng: &mut fastrand::Rng| {
        Duration::from_micros(rng.u64(0..=weather.longest_delay_ms * 1000))
    };
    if weather.cut.contains(&(from.clone(), to.clone())) || rng.u32(0..100) < weather.loss {
        return Vec::new();
    }
    let mut copies = vec![delay(rng)];
    while rng.u32(0..100) < weather.doubling {
        copies.push(delay(rng));
    }
    copies
}

/// Plays a seed; a violation tells how to see it again.
pub fn play(seed: u64) -> Result<(), String> {
    Run::new(seed).play().map_err(|error| {
        format!("seed {seed}: {error}\nreplay: FENCING_SEED={seed} cargo test -p fencing --test virtual_cluster invariant")
    })
}
