//! Stories: one text file each, commands and what must be seen.
//!
//! ```text
//! cluster 4 auto_tie_breaker     size and options
//! up 1 2 | up all                start nodes; all running nodes form one ring
//! split 1 2 | 3 4                rings of running nodes
//! heal                           one ring again
//! kill 3                         a crash; the rest form a ring
//! leave 4                        an orderly exit
//! window                         timers go off until none is due
//! expected 5 on 1                set expected votes; "refused" behind it must be right
//! votes 2 9 on 1                 node 2 gets 9 votes
//! cancel on 1                    end the waiting
//! device 1 yes | no | silent     what the quorum device of a node answers
//! reload 1 two_node              new options on a node
//! 1 2: E4 T2 Q3 Y                what these nodes show
//! log 1: text                    node 1 has logged this since its last check
//! ```

use std::path::{Path, PathBuf};

use quorum::options::NodeVotes;
use quorum::votes::{Input, Request};

use crate::messaging::{Cluster, id, section};

struct Story {
    path: PathBuf,
    line: usize,
    cluster: Cluster,
    parts: Vec<Vec<usize>>,
}

fn numbers(text: &str) -> Vec<usize> {
    text.split_whitespace().map(|n| n.parse().unwrap()).collect()
}

impl Story {
    fn fail(&self, what: &str) -> ! {
        let log = self.cluster.log.join("\n");
        panic!("{}:{}: {what}\n{log}", self.path.display(), self.line)
    }

    fn rings(&mut self, parts: Vec<Vec<usize>>) {
        self.parts = parts.into_iter().filter(|part| !part.is_empty()).collect();
        let parts = self.parts.clone();
        self.cluster.reform(&parts, |rest| rest);
        self.cluster.settle();
        if let Some(violation) = self.cluster.violation.take() {
            self.fail(&violation);
        }
    }

    /// The rings after some nodes are gone; rings without one of them stay.
    fn without(&mut self, gone: &[usize]) {
        let (hit, kept): (Vec<_>, Vec<_>) =
            self.parts.clone().into_iter().partition(|part| part.iter().any(|n| gone.contains(n)));
        let rest: Vec<Vec<usize>> = hit
            .into_iter()
            .map(|part| part.into_iter().filter(|n| !gone.contains(n)).collect::<Vec<_>>())
            .filter(|part| !part.is_empty())
            .collect();
        self.rings(rest.clone());
        self.parts = kept.into_iter().chain(rest).collect();
    }

    fn command(&mut self, word: &str, rest: &str) {
        match word {
            "up" => {
                let all: Vec<_> = (1..=self.cluster.nodes.len()).collect();
                let wanted = if rest == "all" { all } else { numbers(rest) };
                let up = self.cluster.up();
                for n in wanted.into_iter().filter(|n| !up.contains(n)) {
                    self.cluster.start(n);
                }
                self.rings(vec![self.cluster.up()]);
            }
            "heal" => self.rings(vec![self.cluster.up()]),
            "split" => self.rings(rest.split('|').map(numbers).collect()),
            "kill" => {
                let gone = numbers(rest);
                for n in &gone {
                    self.cluster.crash(*n);
                }
                self.without(&gone);
            }
            "leave" => {
                let gone = numbers(rest);
                for n in &gone {
                    self.request(*n, Request::Leave);
                    self.cluster.crash(*n);
                }
                self.without(&gone);
            }
            "window" => self.window(),
            "expected" | "votes" | "cancel" => self.administer(word, rest),
            "device" => {
                let (n, answer) = rest.split_once(' ').unwrap();
                let n = n.parse().unwrap();
                self.cluster.node(n).device = match answer {
                    "yes" => Some(true),
                    "no" => Some(false),
                    _ => None,
                };
                self.cluster.poll_device(n);
                self.cluster.settle();
            }
            "reload" => {
                let (n, options) = rest.split_once(' ').unwrap_or((rest, ""));
                let size = self.cluster.nodes.len();
                let nodes = (1..=size).map(|n| NodeVotes { id: id(n), votes: 1 }).collect();
                let section = section(options);
                self.cluster.feed(n.parse().unwrap(), Input::Reload { section, nodes });
                self.cluster.settle();
            }
            "log" => {
                let (n, text) = rest.split_once(": ").unwrap();
                let line = format!("{n}: {text}");
                if !self.cluster.log.iter().any(|l| l.contains(&line)) {
                    self.fail(&format!("not in the log: {line}"));
                }
                self.cluster.log.clear();
            }
            other => self.fail(&format!("unknown command '{other}'")),
        }
    }

    fn window(&mut self) {
        let due: Vec<_> = self.cluster.up();
        for n in due {
            self.cluster.fire(n);
        }
        self.cluster.settle();
    }

    fn request(&mut self, n: usize, request: Request) -> bool {
        self.cluster.node(n).replies.clear();
        self.cluster.feed(n, Input::Request { token: 7, request });
        self.cluster.settle();
        match self.cluster.node(n).replies[..] {
            [(7, result)] => result.is_ok(),
            _ => self.fail("a request must have exactly one reply"),
        }
    }

    fn administer(&mut self, word: &str, rest: &str) {
        let (rest, refused) = match rest.strip_suffix(" refused") {
            Some(rest) => (rest, true),
            None => (rest, false),
        };
        let (what, node) = match rest.strip_prefix("on ") {
            Some(node) => ("", node),
            None => rest.split_once(" on ").unwrap(),
        };
        let values = numbers(what);
        let votes = |n: usize| u32::try_from(n).unwrap();
        let request = match (word, &values[..]) {
            ("expected", [e]) => Request::SetExpected(votes(*e)),
            ("votes", [n, v]) => Request::SetVotes { node: Some(id(*n)), votes: votes(*v) },
            ("cancel", []) => Request::CancelWaiting,
            _ => self.fail("bad request"),
        };
        if self.request(node.parse().unwrap(), request) == refused {
            self.fail(if refused { "should have been refused" } else { "was refused" });
        }
    }

    fn expect(&mut self, nodes: &str, wanted: &str) {
        for n in numbers(nodes) {
            let Some(votes) = &self.cluster.node(n).votes else { self.fail("is not up") };
            let v = votes.verdict();
            let quorate = if v.quorate { "Y" } else { "n" };
            let seen = format!("E{} T{} Q{} {quorate}", v.expected, v.total, v.quorum);
            if seen != wanted {
                self.fail(&format!("node {n} shows {seen}, expected {wanted}"));
            }
        }
    }
}

fn tell(path: &Path) {
    let text = std::fs::read_to_string(path).unwrap();
    let cluster = Cluster::new(0, "");
    let mut story = Story { path: path.to_owned(), line: 0, cluster, parts: Vec::new() };
    for (at, line) in text.lines().enumerate() {
        story.line = at + 1;
        let line = line.split('#').next().unwrap().trim();
        if line.is_empty() {
            continue;
        }
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        if word == "cluster" {
            let (size, options) = rest.split_once(' ').unwrap_or((rest, ""));
            story.cluster = Cluster::new(size.parse().unwrap(), options);
        } else if line.starts_with(|c: char| c.is_ascii_digit()) {
            let (nodes, wanted) = line.split_once(':').unwrap();
            story.expect(nodes, wanted.trim());
        } else {
            story.command(word, rest);
        }
    }
}

#[test]
fn every_story_is_told_as_written() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/stories");
    let mut paths: Vec<_> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    assert!(paths.len() >= 10, "the stories are missing");
    for path in paths {
        tell(&path);
    }
}
