//! Exhaustive exploration of small clusters: every order of a bounded number of arrivals, losses,
//! time-outs, submissions and crashes, each followed by calm in which all must come together.
//!
//! `CPG_EXPLORATION_DEPTH` sets the number of free choices.

use crate::load::Payload;
use crate::observer::{Observer, Verdict};
use bytes::Bytes;
use cpg::Time;
use cpg::group::{ClientId, GroupName, ProcessId};
use cpg::identity::{Incarnation, NodeId};
use cpg::node::Node;
use cpg::protocol::{Boot, Output};
use cpg::ring::{FlowLimits, RingConfiguration, Timing};
use cpg::wire::Guarantee;
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Choice {
    Deliver((usize, usize)),
    Lose((usize, usize)),
    Timeout(usize),
    Submit(usize),
    Crash(usize),
}

/// How many of the costly choices one history may contain.
#[derive(Debug, Clone, Copy)]
struct Budget {
    losses: u32,
    timeouts: u32,
    submissions: u32,
    crashes: u32,
}

struct Cluster {
    now: Time,
    nodes: Vec<Option<Node>>,
    clients: Vec<Option<ClientId>>,
    disks: Vec<u64>,
    boots: u32,
    /// Packets on their way, numbered in the order of sending.
    channels: BTreeMap<(usize, usize), VecDeque<(u64, Bytes)>>,
    serial: u64,
    observer: Observer,
    budget: Budget,
    sent: u64,
    limits: FlowLimits,
}

fn id(index: usize) -> NodeId {
    NodeId::new(index as u32 + 1).unwrap()
}

impl Cluster {
    /// All nodes in one ring and one group.
    fn settled(size: usize, budget: Budget) -> Result<Cluster, String> {
        let mut cluster = Cluster {
            now: Time::from_nanos(1_000_000),
            nodes: (0..size).map(|_| None).collect(),
            clients: vec![None; size],
            disks: vec![0; size],
            boots: 0,
            channels: BTreeMap::new(),
            serial: 0,
            observer: Observer::default(),
            budget,
            sent: 0,
            limits: FlowLimits { rotation: 8, visit: 4, accelerated: 2, bytes: 1 << 16 },
        };
        for index in 0..size {
            cluster.boot(index)?;
        }
        cluster.calm()?;
        for index in 0..size {
            let now = cluster.now;
            let node = cluster.nodes[index].as_mut().ok_or("down")?;
            let client = node.connect(ProcessId(1)).map_err(|refusal| refusal.to_string())?;
            let group = GroupName::new("all").map_err(|error| error.to_string())?;
            node.join(client, group, now).map_err(|refusal| refusal.to_string())?;
            cluster.clients[index] = Some(client);
            cluster.drain(index)?;
        }
        cluster.calm()?;
        Ok(cluster)
    }

    fn boot(&mut self, index: usize) -> Verdict {
        self.boots += 1;
        let everyone = (0..self.nodes.len()).map(id).collect();
        let mut configuration = RingConfiguration::new(id(index), everyone);
        configuration.timing = Timing::from_token(Duration::from_millis(200));
        configuration.limits = self.limits;
        let boot =
            Boot { ring_sequence: self.disks[index], incarnation: Incarnation(self.boots.into()) };
        let mut node = Node::new(configuration, boot, self.now);
        node.trace_deliveries(true);
        self.nodes[index] = Some(node);
        self.observer.boot(id(index));
        self.drain(index)?;
        for other in (0..self.nodes.len()).filter(|other| *other != index) {
            for (a, b) in [(index, other), (other, index)] {
                let now = self.now;
                if let Some(node) = &mut self.nodes[a] {
                    node.handle_silent(id(b), false, now);
                    node.handle_reachable(id(b), true, now);
                }
                self.drain(a)?;
            }
        }
        Ok(())
    }

    fn enabled(&self) -> Vec<Choice> {
        let mut choices = vec![];
        let waiting = self.channels.iter().filter(|(_, queue)| !queue.is_empty());
        for (channel, _) in waiting {
            choices.push(Choice::Deliver(*channel));
            if self.budget.losses > 0 {
                choices.push(Choice::Lose(*channel));
            }
        }
        for index in 0..self.nodes.len() {
            if self.nodes[index].is_none() {
                continue;
            }
            if self.budget.timeouts > 0 {
                choices.push(Choice::Timeout(index));
            }
            if self.budget.submissions > 0 {
                choices.push(Choice::Submit(index));
            }
            if self.budget.crashes > 0 {
                choices.push(Choice::Crash(index));
            }
        }
        choices
    }

    fn take(&mut self, choice: Choice) -> Verdict {
        match choice {
            Choice::Deliver(channel) => self.deliver(channel),
            Choice::Lose(channel) => {
                self.budget.losses -= 1;
                self.channels.get_mut(&channel).and_then(VecDeque::pop_front);
                Ok(())
            }
            Choice::Timeout(index) => {
                self.budget.timeouts -= 1;
                self.time_out(index)
            }
            Choice::Submit(index) => {
                self.budget.submissions -= 1;
                self.submit(index)
            }
            Choice::Crash(index) => {
                self.budget.crashes -= 1;
                self.nodes[index] = None;
                self.clients[index] = None;
                Ok(())
            }
        }
    }

    fn deliver(&mut self, channel: (usize, usize)) -> Verdict {
        let Some((_, packet)) = self.channels.get_mut(&channel).and_then(VecDeque::pop_front)
        else {
            return Ok(());
        };
        self.now = self.now + Duration::from_micros(10);
        let (to, now) = (channel.1, self.now);
        if let Some(node) = &mut self.nodes[to] {
            node.handle_packet(packet, now);
        }
        self.drain(to)
    }

    fn time_out(&mut self, index: usize) -> Verdict {
        let Some(node) = &mut self.nodes[index] else { return Ok(()) };
        self.now = self.now.max(node.poll_timeout().unwrap_or(self.now));
        node.handle_timeout(self.now);
        self.drain(index)
    }

    fn submit(&mut self, index: usize) -> Verdict {
        let now = self.now;
        let (Some(node), Some(client)) = (&mut self.nodes[index], self.clients[index]) else {
            return Ok(());
        };
        let message = (index as u32 + 1, 1, self.sent + 1);
        let payload = Payload { id: message, cause: None, length: 3 };
        let guarantee = [Guarantee::Agreed, Guarantee::Safe][self.sent as usize % 2];
        if node.multicast(client, guarantee, payload.encode(), now).is_ok() {
            self.sent += 1;
            self.observer.submitted.insert(message);
        }
        self.drain(index)
    }

    fn drain(&mut self, index: usize) -> Verdict {
        let Some(node) = &mut self.nodes[index] else { return Ok(()) };
        let mut events = vec![];
        while let Some(event) = node.poll_event() {
            events.push(event);
        }
        while let Some(output) = node.poll_output() {
            match output {
                Output::Persist { ring_sequence } => self.disks[index] = ring_sequence,
                Output::Send { to, bytes, .. } => {
                    // What the step delivered is observed before what it sent.
                    self.observer.step(node, std::mem::take(&mut events), true)?;
                    self.observer.sent(node.id(), &bytes, self.limits)?;
                    for peer in to.iter() {
                        let channel = (index, peer.get() as usize - 1);
                        self.serial += 1;
                        let queue = self.channels.entry(channel).or_default();
                        queue.push_back((self.serial, bytes.clone()));
                    }
                }
            }
        }
        self.observer.step(node, events, true)?;
        let running: Vec<&Node> = self.nodes.iter().flatten().collect();
        self.observer.released(&running)
    }

    /// Everything arrives and time passes until all running nodes are in one ring and synchronised.
    fn calm(&mut self) -> Verdict {
        for index in 0..self.nodes.len() {
            if self.nodes[index].is_none() {
                self.boot(index)?;
            }
        }
        let end = self.now + Duration::from_secs(4);
        let mut settled = 0;
        while self.now < end {
            let fronts = self.channels.iter();
            let fronts = fronts.filter_map(|(channel, queue)| Some((queue.front()?.0, *channel)));
            if let Some((_, channel)) = fronts.min() {
                self.deliver(channel)?;
                continue;
            }
            settled += u32::from(self.is_together());
            if settled > 12 {
                return Ok(());
            }
            let timers = self.nodes.iter().enumerate();
            let next = timers.filter_map(|(at, node)| Some((node.as_ref()?.poll_timeout()?, at)));
            let Some((_, index)) = next.min() else { break };
            self.time_out(index)?;
        }
        if self.is_together() { Ok(()) } else { Err("M5: not together after calm".to_owned()) }
    }

    fn is_together(&self) -> bool {
        let rings: Vec<_> = self
            .nodes
            .iter()
            .flatten()
            .map(|node| {
                let (ring, members) = node.protocol().ring()?;
                (members.len() == self.nodes.len() && node.is_ready()).then_some(ring)
            })
            .collect();
        rings.iter().all(|ring| ring.is_some() && *ring == rings[0])
    }
}

/// Goes through all histories of `depth` choices; returns how many there were.
fn explore(size: usize, depth: usize, budget: Budget) -> Result<u64, String> {
    let mut path: Vec<(usize, usize)> = vec![];
    let mut histories = 0;
    loop {
        let mut cluster = Cluster::settled(size, budget)?;
        let mut taken = vec![];
        let mut verdict = Ok(());
        for step in 0..depth {
            let choices = cluster.enabled();
            if choices.is_empty() {
                break;
            }
            if step == path.len() {
                path.push((0, choices.len()));
            }
            let choice = choices[path[step].0];
            taken.push(choice);
            verdict = cluster.take(choice);
            if verdict.is_err() {
                break;
            }
        }
        path.truncate(taken.len());
        verdict
            .and_then(|()| cluster.calm())
            .map_err(|violation| format!("{violation} after {taken:?}"))?;
        histories += 1;
        while let Some((choice, count)) = path.pop() {
            if choice + 1 < count {
                path.push((choice + 1, count));
                break;
            }
        }
        if path.is_empty() {
            return Ok(histories);
        }
    }
}

fn depth(default: usize) -> usize {
    crate::number("CPG_EXPLORATION_DEPTH").map_or(default, |depth| depth as usize)
}

#[test]
fn every_short_history_of_two_nodes_is_correct() {
    let budget = Budget { losses: 2, timeouts: 3, submissions: 2, crashes: 1 };
    let histories = explore(2, depth(if cfg!(debug_assertions) { 4 } else { 5 }), budget).unwrap();
    println!("{histories} histories of two nodes");
    assert!(histories > 100);
}

#[test]
fn every_short_history_of_three_nodes_is_correct() {
    let budget = Budget { losses: 1, timeouts: 2, submissions: 2, crashes: 1 };
    let histories = explore(3, depth(if cfg!(debug_assertions) { 3 } else { 4 }), budget).unwrap();
    println!("{histories} histories of three nodes");
    assert!(histories > 100);
}
