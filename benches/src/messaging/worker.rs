//! The process of one member: puts load on the group and measures it, as told on standard input.
//!
//! | command | does | answers |
//! |---|---|---|
//! | `flood SIZE` | sends as fast as flow control lets it | |
//! | `pace SIZE RATE` | sends RATE messages per second | |
//! | `quiet` | stops sending | |
//! | `measure MILLISECONDS` | counts what is delivered | `rate MESSAGES BYTES`, per second |
//! | `ping COUNT PAUSE` | one message at a time, PAUSE microseconds apart, for at most 10 s | `latency NANOSECONDS…` |
//!
//! Each view is told as `view TIME MEMBERS`, TIME in nanoseconds of the shared monotonic clock.

use super::libcpg::{CorosyncMember, DaemonGone};
use super::member::{Member, OurMember, Seen};
use super::{Failure, Stack, monotonic};
use std::io::{BufRead, Write};
use std::path::Path;
use std::sync::mpsc::{Receiver, TryRecvError, channel};
use std::time::Duration;

/// Messages handed in before the member takes in what came.
const BURST: usize = 64;
/// The size of a ping.
const PING: usize = 64;
const SECOND: u64 = 1_000_000_000;

#[derive(Debug, Clone, Copy)]
enum Load {
    Quiet,
    Flood { size: usize },
    Pace { size: usize, interval: u64, next: u64 },
}

#[derive(Debug)]
enum Task {
    None,
    Measure { begin: u64, end: u64, messages: u64, bytes: u64 },
    Ping { left: u32, pause: u64, end: u64, sent: Option<u64>, next: u64, latencies: Vec<u64> },
}

/// Runs until standard input ends.
pub fn run(stack: Stack, node: u32, configuration: &Path) -> Result<(), Failure> {
    let (sender, commands) = channel();
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                break;
            }
        }
    });
    let mut member: Box<dyn Member> = match stack {
        Stack::Ours => Box::new(OurMember::start(configuration)?),
        Stack::Corosync => Box::new(CorosyncMember::start(node)?),
    };
    let mut worker = Worker { load: Load::Quiet, task: Task::None, payload: vec![0; 1 << 20] };
    while worker.obey(&commands)? {
        let wait = worker.work(&mut *member)?;
        match member.turn(wait) {
            Err(error) if error.is::<DaemonGone>() => return Ok(()),
            result => result?,
        }
        while let Some(seen) = member.next_seen() {
            worker.take(seen)?;
        }
    }
    Ok(())
}

struct Worker {
    load: Load,
    task: Task,
    payload: Vec<u8>,
}

impl Worker {
    /// False when there is nobody left to obey.
    fn obey(&mut self, commands: &Receiver<String>) -> Result<bool, Failure> {
        let line = match commands.try_recv() {
            Ok(line) => line,
            Err(TryRecvError::Empty) => return Ok(true),
            Err(TryRecvError::Disconnected) => return Ok(false),
        };
        let mut words = line.split_whitespace();
        let verb = words.next().unwrap_or_default();
        let numbers: Vec<u64> = words.map(str::parse).collect::<Result<_, _>>()?;
        let now = monotonic();
        match (verb, numbers.as_slice()) {
            ("quiet", []) => self.load = Load::Quiet,
            ("flood", [size]) => self.load = Load::Flood { size: *size as usize },
            ("pace", [size, rate]) => {
                let interval = SECOND / (*rate).max(1);
                self.load = Load::Pace { size: *size as usize, interval, next: now };
            }
            ("measure", [milliseconds]) => {
                let end = now + milliseconds * 1_000_000;
                self.task = Task::Measure { begin: now, end, messages: 0, bytes: 0 };
            }
            ("ping", [count, pause]) => {
                self.task = Task::Ping {
                    left: *count as u32,
                    pause: pause * 1000,
                    end: now + 10 * SECOND,
                    sent: None,
                    next: now,
                    latencies: vec![],
                };
            }
            _ => return Err(format!("unknown command {line:?}").into()),
        }
        Ok(true)
    }

    /// Does what is due; gives how long to wait then.
    fn work(&mut self, member: &mut dyn Member) -> Result<Duration, Failure> {
        let now = monotonic();
        let mut wait = 250_000_000;
        match &mut self.load {
            Load::Quiet => {}
            Load::Flood { size } => {
                let mut sent = 0;
                while sent < BURST && member.send(&self.payload[..*size])? {
                    sent += 1;
                }
                wait = if sent == BURST { 0 } else { 1_000_000 };
            }
            Load::Pace { size, interval, next } => {
                let mut sent = 0;
                while *next <= now && sent < BURST && member.send(&self.payload[..*size])? {
                    *next += *interval;
                    sent += 1;
                }
                wait = next.saturating_sub(now).clamp(100_000, 1_000_000);
            }
        }
        match &mut self.task {
            Task::None => {}
            Task::Measure { end, .. } => wait = wait.min(end.saturating_sub(now)),
            Task::Ping { sent: Some(_), .. } => {}
            Task::Ping { sent, next, .. } if *next <= now => {
                let stamp = monotonic();
                self.payload[..8].copy_from_slice(&stamp.to_be_bytes());
                if member.send(&self.payload[..PING])? {
                    *sent = Some(stamp);
                } else {
                    wait = wait.min(100_000);
                }
                self.payload[..8].fill(0);
            }
            Task::Ping { next, .. } => wait = wait.min(*next - now),
        }
        self.finish()?;
        Ok(Duration::from_nanos(wait))
    }

    fn take(&mut self, seen: Seen) -> Result<(), Failure> {
        match seen {
            Seen::View(members) => say(&format!("view {} {members}", monotonic()))?,
            Seen::Message { own, stamp, size } => match &mut self.task {
                Task::None => {}
                Task::Measure { messages, bytes, .. } => {
                    *messages += 1;
                    *bytes += size as u64;
                }
                Task::Ping { left, pause, sent, next, latencies, .. } => {
                    if own && sent.is_some_and(|sent| sent == stamp) {
                        let now = monotonic();
                        latencies.push(now - stamp);
                        *sent = None;
                        *left = left.saturating_sub(1);
                        *next = now + *pause;
                    }
                }
            },
        }
        Ok(())
    }

    /// Answers when a task has come to its end.
    fn finish(&mut self) -> Result<(), Failure> {
        let now = monotonic();
        match &self.task {
            Task::Measure { begin, end, messages, bytes } if *end <= now => {
                let seconds = (now - begin) as f64 / SECOND as f64;
                let (messages, bytes) = (*messages as f64 / seconds, *bytes as f64 / seconds);
                say(&format!("rate {messages:.1} {bytes:.1}"))?;
            }
            Task::Ping { left, end, latencies, .. } if *left == 0 || *end <= now => {
                let all: Vec<String> = latencies.iter().map(u64::to_string).collect();
                say(&format!("latency {}", all.join(" ")))?;
            }
            _ => return Ok(()),
        }
        self.task = Task::None;
        Ok(())
    }
}

fn say(line: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}")?;
    Ok(out.flush()?)
}
