//! The demonstration from beginning to end.

use std::io;
use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use super::client::{Answers, Client};
use super::layout::Cluster;
use super::observer::{self, Observer, View};
use super::{Arguments, Interrupted};

/// How long any one step may take.
const PATIENCE: Duration = Duration::from_secs(25);

/// The teller of the story.
struct Teller<'t> {
    cluster: Cluster,
    interrupted: &'t Interrupted,
    began: Instant,
    shown: String,
}

/// Tells it. True if all went as it must.
pub fn tell(
    arguments: &Arguments,
    cluster: Cluster,
    interrupted: &Interrupted,
) -> io::Result<bool> {
    let addresses: Vec<SocketAddr> = cluster
        .nodes
        .iter()
        .filter_map(|node| format!("{}:{}", node.address, cluster.port).parse().ok())
        .collect();
    let mut teller = Teller { cluster, interrupted, began: Instant::now(), shown: String::new() };
    let client = Client::start(addresses);
    let good = teller.play(&client)?;
    if arguments.keep && !interrupted.is_set() {
        teller.explain();
        while !interrupted.is_set() {
            teller.show_change();
            thread::sleep(Duration::from_millis(300));
        }
    }
    println!("\nCleaning up.");
    Ok(good)
}

impl Teller<'_> {
    fn say(&self, text: &str) {
        println!("[{:6.2} s] {text}", self.began.elapsed().as_secs_f64());
    }

    fn play(&mut self, client: &Client) -> io::Result<bool> {
        let count = self.cluster.nodes.len();
        self.say(&format!("Starting {count} nodes below {}.", self.cluster.directory.display()));
        for index in 0..count {
            self.cluster.start(index)?;
        }
        let ready = |view: &View, answers: &Answers| {
            view.is_idle() && view.online() == count && !answers.instances.is_empty()
        };
        if !self.wait(client, ready) {
            return Ok(self.give_up("the cluster does not come up"));
        }
        self.say("All nodes are in, everything runs. The service answers.");
        self.pause(Duration::from_millis(1500));
        let answers = client.answers();
        let Some(victim) =
            answers.last().map(|who| who.split(' ').next().unwrap_or(who).to_owned())
        else {
            return Ok(self.give_up("nobody answers"));
        };
        let Some(index) = self.cluster.nodes.iter().position(|node| node.name == victim) else {
            return Ok(self.give_up("a stranger answers"));
        };
        let before = answers.instances.len();
        let killed_at = jiff::Timestamp::now().as_millisecond();
        let processes = self.cluster.kill(index);
        self.say(&format!(
            "SIGKILL to all {processes} processes of {victim}, where the service runs."
        ));
        let moved = |_: &View, answers: &Answers| answers.instances.len() > before;
        if !self.wait(client, moved) {
            return Ok(self.give_up("the service does not come back"));
        }
        self.say("The service answers again.");
        let settled = |view: &View, _: &Answers| view.is_idle() && view.online() == count - 1;
        let settled = self.wait(client, settled);
        self.timeline(&victim, killed_at);
        if !settled {
            return Ok(self.give_up("the cluster does not come to rest"));
        }
        self.say(&format!("Starting {victim} again."));
        self.cluster.start(index)?;
        let whole = |view: &View, _: &Answers| view.is_idle() && view.online() == count;
        if !self.wait(client, whole) {
            return Ok(self.give_up("the node does not come back"));
        }
        self.say(&format!("{victim} is back."));
        self.pause(Duration::from_millis(500));
        Ok(self.verdict(&client.answers()))
    }

    fn pause(&self, time: Duration) {
        let end = Instant::now() + time;
        while Instant::now() < end && !self.interrupted.is_set() {
            thread::sleep(Duration::from_millis(20));
        }
    }

    fn give_up(&self, why: &str) -> bool {
        if !self.interrupted.is_set() {
            println!("\nFAILED: {why}. The logs:");
            for node in &self.cluster.nodes {
                let text = std::fs::read_to_string(node.log()).unwrap_or_default();
                let lines: Vec<&str> = text.lines().collect();
                println!("--- {} ({} lines)", node.name, lines.len());
                lines.iter().rev().take(15).rev().for_each(|line| println!("{line}"));
            }
        }
        false
    }

    /// What some node sees, preferably the DC.
    fn view(&self) -> Option<View> {
        let views = self.cluster.nodes.iter().filter_map(|node| {
            let view =
                Observer::connect(node.number, &node.state()).and_then(|mut o| o.view()).ok()?;
            Some((node.name.clone(), view))
        });
        let mut any = None;
        for (name, view) in views {
            if view.dc.as_deref() == Some(name.as_str()) {
                return Some(view);
            }
            any.get_or_insert(view);
        }
        any
    }

    fn show_change(&mut self) -> Option<View> {
        let view = self.view()?;
        let listing = view.listing();
        if listing != self.shown {
            println!("{listing}");
            self.shown = listing;
        }
        Some(view)
    }

    /// Shows the status as it changes until a condition is met.
    fn wait(&mut self, client: &Client, met: impl Fn(&View, &Answers) -> bool) -> bool {
        let end = Instant::now() + PATIENCE;
        while Instant::now() < end && !self.interrupted.is_set() {
            if let Some(view) = self.show_change()
                && met(&view, &client.answers())
            {
                return true;
            }
            thread::sleep(Duration::from_millis(50));
        }
        false
    }

    fn timeline(&self, victim: &str, since: i64) {
        println!("\n  What happened, in milliseconds after the kill:");
        let mut told = Vec::new();
        for node in self.cluster.nodes.iter().filter(|node| node.name != victim) {
            told.extend(observer::events(&node.name, &node.log(), since));
        }
        told.sort_by_key(|line| line.at);
        for line in told {
            println!("  {:>6}  {}: {}", line.at - since, line.node, line.text);
        }
        println!();
    }

    fn verdict(&self, answers: &Answers) -> bool {
        println!(
            "\n  Instances of the service, by the answers of {} rounds of questions to all nodes:",
            answers.rounds
        );
        for (who, first, last, count) in &answers.instances {
            let at =
                |instant: &Instant| instant.saturating_duration_since(self.began).as_secs_f64();
            println!(
                "  {who:<16} answered {count:>6} times, from {:7.3} s to {:7.3} s",
                at(first),
                at(last)
            );
        }
        let outage = answers.longest_gap().unwrap_or_default();
        println!("\n  Outage: {} ms without an answer.", outage.as_millis());
        let good = answers.double == 0 && !answers.overlap();
        if good {
            println!(
                "  No round was answered by two nodes, and no two instances answered in overlapping times."
            );
        } else {
            println!("  WRONG: {} rounds were answered by more than one node.", answers.double);
        }
        good
    }

    fn explain(&self) {
        println!("\n  The cluster keeps running until Ctrl-C. Things to try:");
        println!("    tail -f {}/node1/log", self.cluster.directory.display());
        println!(
            "    export {}={}/node1/state    # for crm_mon and its kin: links to node-daemon",
            crate::ipc::endpoint::DIRECTORY_VARIABLE,
            self.cluster.directory.display()
        );
        println!(
            "    for i in {}; do nc -w1 127.0.0.$i {}; done",
            self.numbers(),
            self.cluster.port
        );
        println!("    pkill -9 -f 'name node2 '        # kill the daemon of a node");
        println!("  Configuration: {}/node1/state/cib/cib.xml", self.cluster.directory.display());
    }

    fn numbers(&self) -> String {
        let numbers: Vec<String> =
            self.cluster.nodes.iter().map(|node| node.number.to_string()).collect();
        numbers.join(" ")
    }
}
