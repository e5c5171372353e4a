//! Protocol stories in plain text, one file each under `tests/scripts`.
//!
//! A file holds steps separated by blank lines: a command, `----`, and what the nodes then report.
//! `CPG_UPDATE_SCRIPTS=1 cargo test -p cpg --test scripts` writes what is reported now into the files.
#![allow(clippy::disallowed_methods)]

use cpg::group::{Event, Member, View};
use cpg::memory::{Cluster, Group};
use cpg::node::NodeEvent;
use cpg::protocol::ConfigurationKind;
use cpg::wire::{Body, Packet};
use cpg::{GroupName, Guarantee, NodeId};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

type Rules = Rc<RefCell<Vec<Rule>>>;

/// Loses packets of a kind on a path, a number of times.
struct Rule {
    kind: String,
    from: NodeId,
    to: NodeId,
    left: u32,
}

fn kind(packet: &Packet) -> &'static str {
    match packet {
        Packet::Token(_) => "token",
        Packet::Data(data) if matches!(data.body, Body::Recovered(_)) => "recovered",
        Packet::Data(_) => "data",
        Packet::Join(_) => "join",
        Packet::Commit(_) => "commit",
        Packet::Probe(_) => "probe",
        Packet::HoldCancel(_) => "hold-cancel",
    }
}

struct Story {
    cluster: Cluster,
    nodes: u32,
    groups: BTreeMap<(u32, String), Group>,
    rules: Rules,
}

fn node(word: &str) -> NodeId {
    NodeId::new(word.parse().unwrap_or_else(|_| panic!("not a node: {word}"))).unwrap()
}

fn duration(word: &str) -> Duration {
    let (number, unit) = word.split_at(word.find(|c: char| c.is_alphabetic()).unwrap());
    let number: u64 = number.parse().unwrap();
    match unit {
        "ms" => Duration::from_millis(number),
        "us" => Duration::from_micros(number),
        "s" => Duration::from_secs(number),
        _ => panic!("unit {unit}"),
    }
}

impl Story {
    fn new() -> Story {
        let mut story = Story {
            cluster: Cluster::new(1),
            nodes: 0,
            groups: BTreeMap::new(),
            rules: Rules::default(),
        };
        story.start(1);
        story
    }

    fn start(&mut self, nodes: u32) {
        self.cluster = Cluster::new(nodes);
        self.cluster.record(true);
        self.nodes = nodes;
        let rules = self.rules.clone();
        self.cluster.set_filter(move |from, to, bytes| {
            let Ok(packet) = Packet::decode(bytes.clone()) else { return true };
            let mut rules = rules.borrow_mut();
            let hit = rules.iter_mut().find(|rule| {
                rule.left > 0 && rule.from == from && rule.to == to && rule.kind == kind(&packet)
            });
            hit.map(|rule| rule.left -= 1).is_none()
        });
    }

    fn command(&mut self, line: &str) -> String {
        let words: Vec<&str> = line.split_whitespace().collect();
        let mut said = String::new();
        match words[..] {
            ["nodes", count] => self.start(count.parse().unwrap()),
            ["run", time] => self.cluster.run_for(duration(time)),
            ["kill", id] => self.cluster.kill(node(id)),
            ["start", id] => self.cluster.start(node(id)),
            ["leave-cluster", id] => self.cluster.shut_down(node(id)),
            ["cut", side] => self.partition(side, true),
            ["heal", side] => self.partition(side, false),
            ["lose", kind, from, to, count] => self.rules.borrow_mut().push(Rule {
                kind: kind.to_owned(),
                from: node(from),
                to: node(to),
                left: count.parse().unwrap(),
            }),
            ["join", id, name] => {
                let group = GroupName::new(name).unwrap();
                match self.cluster.join(node(id), 100 + node(id).get(), group) {
                    Ok(group) => {
                        self.groups.insert((node(id).get(), name.to_owned()), group);
                    }
                    Err(refusal) => said = format!("refused: {refusal}\n"),
                }
            }
            ["leave", id, name] => {
                let group = self.groups[&(node(id).get(), name.to_owned())];
                if let Err(refusal) = self.cluster.leave(group) {
                    said = format!("refused: {refusal}\n");
                }
            }
            ["send", id, name, text] => said = self.send(id, name, text, Guarantee::Agreed),
            ["send-safe", id, name, text] => said = self.send(id, name, text, Guarantee::Safe),
            ["statistics", id] => {
                let node = self.cluster.node(node(id)).unwrap();
                let counted = node.protocol().statistics();
                said = format!(
                    "gathers {} retransmitted {} recovered {} token lost {}\n",
                    counted.gather_entered,
                    counted.mcast_retx,
                    counted.recovery_originated,
                    counted.operational_token_lost
                );
            }
            _ => panic!("unknown command: {line}"),
        }
        said + &self.report()
    }

    fn send(&mut self, id: &str, name: &str, text: &str, guarantee: Guarantee) -> String {
        let group = self.groups[&(node(id).get(), name.to_owned())];
        match self.cluster.multicast(group, guarantee, text.to_owned()) {
            Ok(()) => String::new(),
            Err(refusal) => format!("refused: {refusal}\n"),
        }
    }

    fn partition(&mut self, side: &str, apart: bool) {
        let side: Vec<NodeId> = side.split(',').map(node).collect();
        self.cluster.partition(&side, apart);
    }

    fn report(&mut self) -> String {
        let mut said = String::new();
        for id in 1..=self.nodes {
            for event in self.cluster.take_record(NodeId::new(id).unwrap()) {
                if let Some(text) = describe(&event) {
                    said.push_str(&format!("{id}: {text}\n"));
                }
            }
        }
        said
    }
}

fn list(nodes: &[NodeId]) -> String {
    let nodes: Vec<String> = nodes.iter().map(NodeId::to_string).collect();
    nodes.join(" ")
}

fn member(member: &Member) -> String {
    format!("{}/{}", member.node, member.process.0)
}

fn view(view: &View) -> String {
    let members: Vec<String> = view.members.iter().map(member).collect();
    let mut text = format!("view of {}: {}", view.group, members.join(" "));
    for (who, why) in &view.left {
        text += &format!(", {} left ({why:?})", member(who));
    }
    for (who, why) in &view.joined {
        text += &format!(", {} joined ({why:?})", member(who));
    }
    text
}

fn describe(event: &NodeEvent) -> Option<String> {
    match event {
        NodeEvent::Configuration(change) if change.kind == ConfigurationKind::Transitional => Some(
            format!("transitional {{{}}} left {{{}}}", list(&change.members), list(&change.left)),
        ),
        NodeEvent::Configuration(change) => Some(format!(
            "ring {} {{{}}} joined {{{}}}",
            change.ring,
            list(&change.members),
            list(&change.joined)
        )),
        NodeEvent::Client(_, Event::Message(message)) => Some(format!(
            "message {} from {}",
            String::from_utf8_lossy(&message.payload),
            member(&message.sender)
        )),
        NodeEvent::Client(_, Event::View(change)) => Some(view(change)),
        NodeEvent::Synchronised(_) => Some("synchronised".to_owned()),
        NodeEvent::Trouble(trouble) => Some(format!("trouble: {trouble:?}")),
        NodeEvent::Client(_, Event::Ring(_))
        | NodeEvent::Delivered { .. }
        | NodeEvent::ActivateKey(_)
        | NodeEvent::RetireKeysExcept(_) => None,
    }
}

/// Runs a script and returns it with what was reported in place of what was expected.
fn play(script: &str) -> String {
    let mut story = Story::new();
    let mut played = String::new();
    for step in script.split("\n\n").map(str::trim).filter(|step| !step.is_empty()) {
        let commands = step.split("----").next().unwrap_or(step).trim();
        if !played.is_empty() {
            played.push('\n');
        }
        let mut reported = String::new();
        for line in commands.lines() {
            played.push_str(line);
            played.push('\n');
            if !line.starts_with('#') {
                reported += &story.command(line);
            }
        }
        if !commands.lines().all(|line| line.starts_with('#')) {
            played.push_str("----\n");
            played.push_str(&reported);
        }
    }
    played
}

#[test]
fn every_story_goes_as_written() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/scripts");
    let mut paths: Vec<_> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    assert!(paths.len() >= 12, "scripts are missing");
    let update = std::env::var_os("CPG_UPDATE_SCRIPTS").is_some();
    for path in paths {
        let script = std::fs::read_to_string(&path).unwrap();
        let played = play(&script);
        if update {
            std::fs::write(&path, played).unwrap();
        } else {
            assert!(played == script, "{} goes differently now:\n{played}", path.display());
        }
    }
}
