//! What is measured, each repetition on both stacks in turn.

use super::comparison::{Row, Wanted, percentile};
use super::fleet::Fleet;
use super::{Failure, Stack, monotonic};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

/// The sizes of messages in bytes.
pub const SIZES: [usize; 5] = [64, 1000, 8000, 60_000, 250_000];
/// The senders' rate under load, messages of 1000 bytes per second, where corosync's own peak is not
/// known because it is not installed.
const ASSUMED_PEAK: f64 = 35_000.0;
const ALL: [usize; 3] = [1, 2, 3];

/// How much is measured.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The stacks, in the order of turns.
    pub stacks: Vec<Stack>,
    /// Seconds of each throughput measurement.
    pub seconds: f64,
    /// Seconds of each measurement at rest.
    pub idle_seconds: f64,
    /// Repetitions of each measurement.
    pub rounds: usize,
    /// The sizes of messages for throughput.
    pub sizes: Vec<usize>,
    /// Set when the run is to end.
    pub interrupted: Arc<AtomicBool>,
}

impl Plan {
    /// One running cluster of each stack.
    pub fn fleets(&self, token: Option<u64>) -> Result<Vec<Fleet>, Failure> {
        self.stacks.iter().map(|stack| Fleet::start(*stack, token, &self.interrupted)).collect()
    }
}

/// Messages and bytes per second, as the slowest receiver counts them.
pub fn throughput(plan: &Plan, fleets: &mut [Fleet]) -> Result<Vec<Row>, Failure> {
    let mut rows = vec![];
    for senders in [&ALL[..1], &ALL[..]] {
        for size in &plan.sizes {
            let who = if senders.len() == 1 { "one sender" } else { "all send" };
            let wanted = Wanted::RatioAtLeast(2.0);
            let mut messages = Row::new(format!("throughput {size} B, {who}"), "msg/s", wanted);
            let mut bytes = Row::new(format!("throughput {size} B, {who}"), "MB/s", wanted);
            for _ in 0..plan.rounds {
                for fleet in fleets.iter_mut() {
                    let (rate, volume) = flood(fleet, senders, *size, plan.seconds)?;
                    messages.add(fleet.stack(), rate);
                    bytes.add(fleet.stack(), volume / 1e6);
                }
            }
            progress(&messages);
            rows.extend([messages, bytes]);
        }
    }
    Ok(rows)
}

fn flood(
    fleet: &mut Fleet,
    senders: &[usize],
    size: usize,
    seconds: f64,
) -> Result<(f64, f64), Failure> {
    for sender in senders {
        fleet.tell(*sender, &format!("flood {size}"))?;
    }
    fleet.rest(Duration::from_millis(500))?;
    fleet.tell_all(&format!("measure {}", (seconds * 1000.0) as u64))?;
    let answers = fleet.answers(&ALL, "rate", Duration::from_secs_f64(seconds + 20.0))?;
    fleet.tell_all("quiet")?;
    fleet.rest(Duration::from_millis(400))?;
    let least = |column: usize| {
        answers.iter().filter_map(|answer| answer.get(column)).copied().fold(f64::MAX, f64::min)
    };
    Ok((least(0), least(1)))
}

/// From handing a message in to its own delivery in the total order.
pub fn latency(plan: &Plan, fleets: &mut [Fleet]) -> Result<Vec<Row>, Failure> {
    let mut peak = ASSUMED_PEAK;
    if let Some(corosync) = fleets.iter_mut().find(|fleet| fleet.stack() == Stack::Corosync) {
        peak = flood(corosync, &ALL[..1], 1000, plan.seconds)?.0;
    }
    let rate = (peak / 2.0) as u64;
    let cases = [
        ("back to back".to_owned(), 2000, 0, None),
        ("after 50 ms of silence".to_owned(), 60, 50_000, None),
        (format!("another sends {rate} x 1 kB/s"), 1000, 1000, Some(rate)),
    ];
    let mut rows = vec![];
    for (name, count, pause, load) in cases {
        let wanted = Wanted::RatioAtMost(0.5);
        let mut middle = Row::new(format!("latency p50, {name}"), "us", wanted);
        let mut high = Row::new(format!("latency p99, {name}"), "us", wanted);
        for _ in 0..plan.rounds {
            for fleet in fleets.iter_mut() {
                if let Some(rate) = load {
                    fleet.tell(2, &format!("pace 1000 {rate}"))?;
                    fleet.rest(Duration::from_millis(500))?;
                }
                fleet.tell(1, &format!("ping {count} {pause}"))?;
                let answers = fleet.answers(&[1], "latency", Duration::from_secs(30))?;
                fleet.tell_all("quiet")?;
                fleet.rest(Duration::from_millis(300))?;
                let none = "no message came back";
                middle.add(fleet.stack(), percentile(&answers[0], 0.5).ok_or(none)? / 1000.0);
                high.add(fleet.stack(), percentile(&answers[0], 0.99).ok_or(none)? / 1000.0);
            }
        }
        progress(&middle);
        progress(&high);
        rows.extend([middle, high]);
    }
    Ok(rows)
}

/// From the death of a node to the view without it at the others.
pub fn detection(plan: &Plan) -> Result<Vec<Row>, Failure> {
    // What a token of 3000 ms and its coefficient of 650 ms come to with three nodes.
    let cases = [(Some(1000), 1000.0), (Some(300), 300.0), (None, 3650.0)];
    let mut rows = vec![];
    for (setting, token) in cases {
        let name = setting.map_or("defaults".to_owned(), |token| format!("token {token}"));
        for (how, unplugged) in [("kill -9", false), ("cable pulled", true)] {
            let wanted = Wanted::AtMost(1.2 * token);
            let mut row = Row::new(format!("{how} to new view, {name}"), "ms", wanted);
            for round in 0..plan.rounds {
                for stack in &plan.stacks {
                    let mut fleet = Fleet::start(*stack, setting, &plan.interrupted)?;
                    fleet.rest(Duration::from_secs(1))?;
                    let victim = 3 - round % 3;
                    let others: Vec<usize> = ALL.into_iter().filter(|n| *n != victim).collect();
                    let at = if unplugged { fleet.unplug(victim)? } else { fleet.kill(victim)? };
                    let seen = fleet.wait_for_view(&others, 2, Duration::from_secs(60))?;
                    row.add(*stack, seen.saturating_sub(at) as f64 / 1e6);
                }
            }
            progress(&row);
            rows.push(row);
        }
    }
    Ok(rows)
}

/// Processor time of a cluster at rest, as a part of one processor.
pub fn idle(plan: &Plan, fleets: &mut [Fleet]) -> Result<Vec<Row>, Failure> {
    let mut row = Row::new("idle, all three nodes", "% CPU", Wanted::RatioAtMost(1.0));
    for fleet in fleets {
        fleet.rest(Duration::from_secs(2))?;
        let (begin, before) = (monotonic(), fleet.processor_time()?);
        fleet.rest(Duration::from_secs_f64(plan.idle_seconds))?;
        let used = fleet.processor_time()?.saturating_sub(before);
        let passed = (monotonic() - begin) as f64 / 1e9;
        row.add(fleet.stack(), used.as_secs_f64() / passed * 100.0);
    }
    progress(&row);
    Ok(vec![row])
}

fn progress(row: &Row) {
    eprintln!("{row}");
}
