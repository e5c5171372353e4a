//! A virtual cluster: fencers on a virtual clock and network, with virtual agents. Everything that
//! happens follows from the seed.

pub mod agents;
pub mod evidence;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use fencing::clock::Moment;
use fencing::executor::{AgentReport, AgentRun, CallId};
use fencing::fencer::{Fencer, Input, Notification, Output, Request, Response};
use fencing::message::Message;
use fencing::name::NodeName;

/// Wall-clock time at the start of every run.
pub const EPOCH: Duration = Duration::from_secs(1_700_000_000);

pub fn node(name: &str) -> NodeName {
    NodeName::new(name).expect("a node name")
}

/// What the network does to a message: one delay for each copy that arrives.
pub type Network =
    Box<dyn FnMut(&mut fastrand::Rng, &NodeName, &NodeName, &Message) -> Vec<Duration>>;

/// How an agent run ends, and after what time.
pub type Agents = Box<dyn FnMut(&mut fastrand::Rng, &AgentRun) -> (Duration, AgentReport)>;

enum Event {
    Deliver { to: NodeName, from: NodeName, bytes: Vec<u8> },
    AgentEnds { node: NodeName, boot: u64, run: AgentRun, report: AgentReport },
    Metadata { node: NodeName, boot: u64, agent: fencing::name::AgentName },
}

/// Something that happened, for checks.
#[derive(Debug, Clone)]
pub enum Seen {
    Log { node: NodeName, text: String },
    Sent { node: NodeName, message: Message },
    Started { node: NodeName, run: AgentRun },
    Ended { run: AgentRun, report: AgentReport },
    Replied { call: CallId, response: Response },
    Notified { node: NodeName, notification: Notification },
    SelfFenced { node: NodeName },
}

pub struct Machine {
    pub fencer: Option<Fencer>,
    pub boot: u64,
}

pub struct World {
    pub now: Duration,
    pub nodes: BTreeMap<NodeName, Machine>,
    pub rng: fastrand::Rng,
    pub network: Network,
    pub agents: Agents,
    pub seen: Vec<(Duration, Seen)>,
    events: BTreeMap<(Duration, u64), Event>,
    sequence: u64,
    boots: u64,
}

impl World {
    pub fn new(seed: u64, names: &[&str]) -> Self {
        let mut world = Self {
            now: Duration::ZERO,
            nodes: BTreeMap::new(),
            rng: fastrand::Rng::with_seed(seed),
            network: Box::new(|_, _, _, _| vec![Duration::from_millis(1)]),
            agents: Box::new(|rng, run| agents::run(run, rng.bool())),
            seen: Vec::new(),
            events: BTreeMap::new(),
            sequence: 0,
            boots: 0,
        };
        for name in names {
            world.nodes.insert(node(name), Machine { fencer: None, boot: 0 });
            world.boot(&node(name));
        }
        world
    }

    pub fn moment(&self) -> Moment {
        Moment { elapsed: self.now, wall: EPOCH + self.now }
    }

    /// Starts the fencer of a node and tells everybody.
    pub fn boot(&mut self, name: &NodeName) {
        self.boots += 1;
        let boot = self.boots;
        let seed = self.rng.u64(..);
        let fencer = Fencer::new(name.clone(), format!("pacemaker-fenced.{boot}"), seed);
        self.nodes.insert(name.clone(), Machine { fencer: Some(fencer), boot });
        self.tell_membership();
    }

    /// Ends the fencer of a node; what it had under way is lost.
    pub fn crash(&mut self, name: &NodeName) {
        self.crash_quietly(name);
        self.tell_membership();
    }

    pub fn crash_quietly(&mut self, name: &NodeName) {
        if let Some(machine) = self.nodes.get_mut(name) {
            machine.fencer = None;
        }
    }

    pub fn alive(&self) -> BTreeSet<NodeName> {
        let up = self.nodes.iter().filter(|(_, machine)| machine.fencer.is_some());
        up.map(|(name, _)| name.clone()).collect()
    }

    pub fn tell_membership(&mut self) {
        let alive = self.alive();
        for name in alive.clone() {
            self.input(&name, Input::Membership(alive.clone()));
        }
    }

    pub fn request(&mut self, at: &NodeName, call: CallId, client: &str, request: Request) {
        let client = client.to_owned();
        self.input(at, Input::Request { call, client, privileged: true, request });
    }

    pub fn input(&mut self, name: &NodeName, input: Input) {
        let now = self.moment();
        let fencer = self.nodes.get_mut(name).and_then(|machine| machine.fencer.as_mut());
        if let Some(fencer) = fencer {
            fencer.handle(now, input);
            self.drain(name);
        }
    }

    fn drain(&mut self, name: &NodeName) {
        while let Some(output) = self
            .nodes
            .get_mut(name)
            .and_then(|machine| machine.fencer.as_mut())
            .and_then(Fencer::poll_output)
        {
            self.output(name, output);
        }
    }

    fn output(&mut self, name: &NodeName, output: Output) {
        let shown = format!("{output:?}");
        assert!(!shown.contains("s3cr3t"), "a secret shows: {shown}");
        let boot = self.nodes[name].boot;
        match output {
            Output::Send { to, message } => {
                self.see(Seen::Sent { node: name.clone(), message: message.clone() });
                self.transmit(name, to, &message);
            }
            Output::Run(run) => {
                self.see(Seen::Started { node: name.clone(), run: run.clone() });
                let (time, report) = (self.agents)(&mut self.rng, &run);
                self.at(time, Event::AgentEnds { node: name.clone(), boot, run, report });
            }
            Output::ReadMetadata(agent) => {
                self.at(Duration::ZERO, Event::Metadata { node: name.clone(), boot, agent });
            }
            Output::Reply { call, response } => {
                self.see(Seen::Replied { call, response });
            }
            Output::Notify(notification) => {
                self.see(Seen::Notified { node: name.clone(), notification });
            }
            Output::SelfFence { .. } => {
                self.see(Seen::SelfFenced { node: name.clone() });
                self.crash(name);
            }
            Output::Log(line) => self.see(Seen::Log { node: name.clone(), text: line.text }),
        }
    }

    fn transmit(&mut self, from: &NodeName, to: Option<NodeName>, message: &Message) {
        let bytes = message.encode();
        assert!(!bytes.windows(6).any(|part| part == b"s3cr3t"), "a secret is sent: {message:?}");
        let addressees = match to {
            Some(to) => vec![to],
            None => self.nodes.keys().cloned().collect(),
        };
        for to in addressees {
            for delay in (self.network)(&mut self.rng, from, &to, message) {
                let (from, bytes) = (from.clone(), bytes.clone());
                self.at(delay, Event::Deliver { to: to.clone(), from, bytes });
            }
        }
    }

    fn at(&mut self, delay: Duration, event: Event) {
        self.sequence += 1;
        self.events.insert((self.now + delay, self.sequence), event);
    }

    fn see(&mut self, seen: Seen) {
        self.seen.push((self.now, seen));
    }

    fn next_time(&self) -> Option<Duration> {
        let event = self.events.first_key_value().map(|((at, _), _)| *at);
        let fencers = self.nodes.values().filter_map(|machine| machine.fencer.as_ref());
        fencers.filter_map(Fencer::poll_timeout).chain(event).min()
    }

    /// Lets the next thing happen, if it is not after `until`.
    pub fn step(&mut self, until: Duration) -> bool {
        let Some(at) = self.next_time().filter(|at| *at <= until) else {
            self.now = self.now.max(until);
            return false;
        };
        self.now = self.now.max(at);
        let due = self.events.first_key_value().is_some_and(|((at, _), _)| *at <= self.now);
        if let Some((_, event)) = due.then(|| self.events.pop_first()).flatten() {
            self.event(event);
            return true;
        }
        let names: Vec<NodeName> = self.nodes.keys().cloned().collect();
        for name in names {
            let waits = self.nodes[&name].fencer.as_ref().and_then(Fencer::poll_timeout);
            if waits.is_some_and(|wake| wake <= self.now) {
                self.input(&name, Input::Tick);
            }
        }
        true
    }

    fn event(&mut self, event: Event) {
        match event {
            Event::Deliver { to, from, bytes } => {
                let now = self.moment();
                let fencer = self.nodes.get_mut(&to).and_then(|machine| machine.fencer.as_mut());
                if let Some(fencer) = fencer {
                    fencer.handle_bytes(now, from, &bytes);
                    self.drain(&to);
                }
            }
            Event::AgentEnds { node, boot, run, report } => {
                let (number, ended) = (run.run, report.clone());
                self.see(Seen::Ended { run, report: ended });
                if self.nodes[&node].boot == boot {
                    self.input(&node, Input::AgentEnded { run: number, report });
                }
            }
            Event::Metadata { node, boot, agent } => {
                if self.nodes[&node].boot == boot {
                    let answer = agents::metadata(agent.as_str());
                    self.input(&node, Input::MetadataRead { agent, answer });
                }
            }
        }
    }

    /// Runs for some virtual time.
    pub fn run_for(&mut self, time: Duration) {
        let until = self.now + time;
        while self.step(until) {}
    }

    /// Runs until `done` or until nothing can happen within an hour.
    pub fn run_until(&mut self, mut done: impl FnMut(&[(Duration, Seen)]) -> bool) -> bool {
        let until = self.now + Duration::from_secs(7200);
        loop {
            if done(&self.seen) {
                return true;
            }
            if !self.step(until) {
                return false;
            }
        }
    }

    /// All log lines so far.
    pub fn logs(&self) -> impl Iterator<Item = (&NodeName, &str)> {
        self.seen.iter().filter_map(|(_, seen)| match seen {
            Seen::Log { node, text } => Some((node, text.as_str())),
            _ => None,
        })
    }
}
