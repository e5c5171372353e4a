//! A node is reported fenced only when an agent says so: held in every order of events for three
//! nodes, within a bound on steps and on how often the world may be unkind.
//!
//! A asks for a reboot of X; B and C have the devices. At every step any message in flight may
//! arrive and any agent may end well. A bounded number of times a message is lost or doubled, an
//! agent ends without a word, a timer fires early, or a node starts anew with nothing in mind.

use std::collections::{BTreeSet, HashSet};
use std::fmt::Write;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::rc::Rc;
use std::time::Duration;

use fencing::agent::{Action, Metadata};
use fencing::clock::{Moment, Seconds};
use fencing::device::DeviceDefinition;
use fencing::executor::{AgentRun, CallId};
use fencing::fencer::{Configuration, FenceOrder, Fencer, Input, Notification, Output, Request};
use fencing::message::{Message, State as End};
use fencing::name::{AgentName, DeviceId, NodeName};
use fencing::outcome::Outcome;
use fencing::secret::Parameters;
use fencing::topology::{LevelDefinition, LevelTarget};

const NODES: [&str; 3] = ["A", "B", "C"];

/// What has to be achieved before X counts as fenced.
#[derive(Clone, Copy)]
enum Need {
    /// Any device.
    Any,
    /// Both devices off.
    BothOff,
}

#[derive(Clone)]
struct World {
    now: Duration,
    fencers: [Rc<Fencer>; 3],
    hashes: [u64; 3],
    flight: Vec<(usize, usize, Rc<[u8]>)>,
    runs: Vec<(usize, u32, Rc<AgentRun>)>,
    boots: [u32; 3],
    said: BTreeSet<(String, String)>,
    misfortunes: u32,
}

struct HashWriter(DefaultHasher);

impl Write for HashWriter {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        self.0.write(text.as_bytes());
        Ok(())
    }
}

fn node(name: &str) -> NodeName {
    NodeName::new(name).unwrap()
}

fn device(id: &str) -> DeviceDefinition {
    DeviceDefinition {
        id: DeviceId::new(id).unwrap(),
        agent: AgentName::new("fence_dummy").unwrap(),
        parameters: Parameters::new()
            .with("pcmk_host_list", "X")
            .with("pcmk_off_retries", "1")
            .with("pcmk_reboot_retries", "1"),
        provides_unfencing: false,
    }
}

fn metadata() -> Metadata {
    Metadata::parse(
        "<resource-agent><actions><action name='off'/><action name='reboot'/></actions></resource-agent>",
    )
    .unwrap()
}

fn start(at: usize, boot: u32, need: Need) -> Fencer {
    let mut fencer = Fencer::new(node(NODES[at]), "fencer.1", u64::from(boot) * 10 + at as u64);
    let devices = match (need, at) {
        (Need::Any, 1 | 2) => vec![device("d1")],
        (Need::BothOff, 1) => vec![device("d1")],
        (Need::BothOff, 2) => vec![device("d2")],
        _ => vec![],
    };
    let levels = match need {
        Need::Any => vec![],
        Need::BothOff => vec![LevelDefinition {
            id: "l".into(),
            target: Some(LevelTarget::Name(node("X"))),
            index: 1,
            devices: ["d1", "d2"].map(|id| DeviceId::new(id).unwrap()).to_vec(),
        }],
    };
    let configuration = Configuration { devices, levels, ..Configuration::default() };
    let active = NODES.iter().map(|name| node(name)).collect();
    let now = Moment::default();
    fencer.handle(now, Input::Membership(active));
    fencer.handle(now, Input::Configure(configuration));
    let agent = AgentName::new("fence_dummy").unwrap();
    fencer.handle(now, Input::MetadataRead { agent, answer: Ok(metadata()) });
    while fencer.poll_output().is_some() {}
    fencer
}

impl World {
    fn new(need: Need, misfortunes: u32) -> Self {
        Self {
            now: Duration::ZERO,
            fencers: [0, 1, 2].map(|at| Rc::new(start(at, 1, need))),
            hashes: [0; 3],
            flight: Vec::new(),
            runs: Vec::new(),
            boots: [1; 3],
            said: BTreeSet::new(),
            misfortunes,
        }
    }

    fn hash(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        (self.now, self.hashes, &self.flight, self.boots).hash(&mut hasher);
        (&self.said, self.misfortunes).hash(&mut hasher);
        self.runs.iter().for_each(|(at, boot, run)| (at, boot, run.run).hash(&mut hasher));
        hasher.finish()
    }

    fn input(&mut self, need: Need, at: usize, input: Input) -> Result<(), String> {
        let now = Moment { elapsed: self.now, wall: self.now };
        let fencer = Rc::make_mut(&mut self.fencers[at]);
        fencer.handle(now, input);
        let outputs: Vec<Output> = std::iter::from_fn(|| fencer.poll_output()).collect();
        let mut writer = HashWriter(DefaultHasher::new());
        write!(writer, "{fencer:?}").unwrap();
        self.hashes[at] = writer.0.finish();
        let mut heard = Vec::new();
        for output in outputs {
            match output {
                Output::Send { to, message } => {
                    let bytes: Rc<[u8]> = message.encode().into();
                    let own_query = matches!(message, Message::Query(_));
                    for (other, name) in NODES.iter().enumerate() {
                        // The owner has no devices, so when it hears its own query is all one.
                        if other == at && own_query {
                            heard.push(message.clone());
                        } else if to.as_ref().is_none_or(|to| *to == node(name)) {
                            self.flight.push((other, at, bytes.clone()));
                        }
                    }
                }
                Output::Run(run) => {
                    self.runs.push((at, self.boots[at], Rc::new(run)));
                }
                Output::Notify(Notification::Fenced { result, state, .. })
                    if state == End::Done && !self.achieved(need) =>
                {
                    return Err(format!("{} reports {result:?} with {:?}", NODES[at], self.said));
                }
                _ => {}
            }
        }
        for message in heard {
            self.input(need, at, Input::Message { from: node(NODES[at]), message })?;
        }
        // The network keeps no order, so equal sets of messages are equal states.
        self.flight.sort();
        Ok(())
    }

    fn achieved(&self, need: Need) -> bool {
        let said = |device: &str| self.said.contains(&(device.into(), "off".into()));
        match need {
            Need::Any => !self.said.is_empty(),
            Need::BothOff => said("d1") && said("d2"),
        }
    }

    /// Every world that may follow.
    fn successors(&self, need: Need) -> Result<Vec<World>, String> {
        let mut next = Vec::new();
        for at in 0..self.flight.len() {
            if at > 0 && self.flight[at] == self.flight[at - 1] {
                continue;
            }
            let (to, from, bytes) = self.flight[at].clone();
            let message = Message::parse(&bytes).map_err(|error| error.to_string())?;
            let mut without = self.clone();
            without.flight.remove(at);
            let input = Input::Message { from: node(NODES[from]), message };
            let mut delivered = without.clone();
            delivered.input(need, to, input.clone())?;
            next.push(delivered);
            if self.misfortunes > 0 {
                without.misfortunes -= 1;
                next.push(without);
                let mut doubled = self.clone();
                doubled.misfortunes -= 1;
                doubled.input(need, to, input)?;
                next.push(doubled);
            }
        }
        for at in 0..self.runs.len() {
            let (owner, boot, run) = self.runs[at].clone();
            for ok in [true, false] {
                let mut world = self.clone();
                world.runs.remove(at);
                if !ok {
                    match self.misfortunes.checked_sub(1) {
                        Some(left) => world.misfortunes = left,
                        None => continue,
                    }
                }
                let outcome = if ok { Outcome::ok() } else { Outcome::timeout("no word") };
                if ok {
                    let action = run.parameters.get("action").unwrap_or_default().to_owned();
                    world.said.insert((run.device.to_string(), action));
                }
                if world.boots[owner] == boot {
                    let report = outcome.into();
                    world.input(need, owner, Input::AgentEnded { run: run.run, report })?;
                }
                next.push(world);
            }
        }
        if self.misfortunes > 0 {
            self.timers_and_crashes(need, &mut next)?;
        }
        Ok(next)
    }

    fn timers_and_crashes(&self, need: Need, next: &mut Vec<World>) -> Result<(), String> {
        let wake = self.fencers.iter().filter_map(|fencer| fencer.poll_timeout()).min();
        if let Some(wake) = wake {
            let mut world = self.clone();
            world.misfortunes -= 1;
            world.now = world.now.max(wake);
            for at in 0..3 {
                world.input(need, at, Input::Tick)?;
            }
            next.push(world);
        }
        for at in 0..3 {
            let mut world = self.clone();
            world.misfortunes -= 1;
            world.boots[at] += 1;
            world.fencers[at] = Rc::new(start(at, world.boots[at], need));
            world.hashes[at] = 0;
            if at == 0 {
                // A peer of the owner that started anew tells it what it has left behind.
                let entries = self.fencers[1].history().entries(None);
                let history = Message::History { differential: true, entries };
                world.flight.push((0, 1, history.encode().into()));
                world.flight.sort();
            }
            next.push(world);
        }
        Ok(())
    }
}

/// Visits every state within `steps` of the request; returns how many there are.
fn explore(need: Need, misfortunes: u32, steps: u32) -> Result<usize, String> {
    let mut first = World::new(need, misfortunes);
    let order = FenceOrder::new(node("X"), Action::Reboot, Seconds(5));
    let (call, client) = (CallId { client: 1, call: 1 }, "admin.1".to_owned());
    let request = Request::Fence(order);
    first.input(need, 0, Input::Request { call, client, privileged: true, request })?;
    let mut visited = HashSet::from([first.hash()]);
    let mut layer = vec![first];
    for _ in 0..steps {
        let mut following = Vec::new();
        for world in &layer {
            for next in world.successors(need)? {
                if visited.insert(next.hash()) {
                    following.push(next);
                }
            }
        }
        layer = following;
    }
    Ok(visited.len())
}

/// A bound from the environment, for longer runs: `FENCING_MISFORTUNES` and `FENCING_STEPS`.
fn bound(name: &str, default: u32) -> u32 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

fn hold(need: Need, steps: u32) {
    let (misfortunes, steps) = (bound("FENCING_MISFORTUNES", 2), bound("FENCING_STEPS", steps));
    match explore(need, misfortunes, steps) {
        Ok(states) => {
            println!("{states} states within {steps} steps and {misfortunes} misfortunes")
        }
        Err(violation) => panic!("{violation}"),
    }
}

#[test]
fn one_device_is_enough_without_topology() {
    hold(Need::Any, 20);
}

#[test]
fn a_level_needs_both_devices() {
    hold(Need::BothOff, 20);
}
