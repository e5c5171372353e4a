//! The measurements. Each takes whichever executor is to be measured.

use super::agents::NOTHING;
use super::{Fallible, Finished, Maker, Subject};
use std::collections::VecDeque;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant, SystemTime};

/// Operations per second, and processor time of the executor's own for each.
#[derive(Debug, Clone, Copy)]
pub struct Rate {
    /// Operations per second.
    pub per_second: f64,
    /// Microseconds of the executor itself, without its agents.
    pub own_us: f64,
}

impl Rate {
    fn of(done: usize, seconds: f64, own: Duration) -> Self {
        let done = done as f64;
        let own_us = own.as_secs_f64() * 1e6 / done.max(1.0);
        Self { per_second: done / seconds, own_us }
    }
}

/// One turn of operations without pause: each resource has a next one as soon as it had a result.
///
/// # Errors
/// When an operation fails.
pub fn rate(make: Maker<'_>, resources: usize, turn: Duration) -> Fallible<Rate> {
    let mut subject = make()?;
    subject.register(NOTHING, resources)?;
    for resource in 0..resources {
        subject.monitor(resource, Duration::ZERO)?;
    }
    // One round for each resource first, so that asking for it all at once is not in the figure.
    let mut first = 0;
    while first < resources {
        first += next_round(&mut *subject)?;
    }
    let (began, cpu) = (Instant::now(), processor_time(subject.process())?);
    let mut done = 0;
    while began.elapsed() < turn {
        done += next_round(&mut *subject)?;
    }
    let seconds = began.elapsed().as_secs_f64();
    let own = processor_time(subject.process())? - cpu;
    Ok(Rate::of(done, seconds, own))
}

/// Takes results, and asks for the same again; how many.
fn next_round(subject: &mut dyn Subject) -> Fallible<usize> {
    let mut found = Vec::new();
    subject.wait(&mut found)?;
    let count = found.len();
    for Finished { resource, ok, .. } in found {
        if !ok {
            return Err("the agent that does nothing failed".into());
        }
        subject.monitor(resource, Duration::ZERO)?;
    }
    Ok(count)
}

/// Starts and reaps a program without more, as many at once.
///
/// # Errors
/// When it cannot be started, or fails.
pub fn bare_rate(program: &Path, at_once: usize, turn: Duration) -> Fallible<Rate> {
    let mut running = VecDeque::new();
    let mut next = || -> Fallible<()> {
        while running.len() < at_once {
            let mut command = Command::new(program);
            command.arg("monitor").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
            running.push_back(command.spawn()?);
        }
        match running.pop_front().map(|mut child| child.wait()).transpose()? {
            Some(status) if !status.success() => Err("the program that does nothing failed".into()),
            _ => Ok(()),
        }
    };
    // One round first, as for executors.
    for _ in 0..at_once {
        next()?;
    }
    let (began, cpu) = (Instant::now(), processor_time(std::process::id())?);
    let mut done = 0;
    while began.elapsed() < turn {
        next()?;
        done += 1;
    }
    let seconds = began.elapsed().as_secs_f64();
    let own = processor_time(std::process::id())? - cpu;
    for mut child in running {
        child.wait()?;
    }
    Ok(Rate::of(done, seconds, own))
}

/// Resident MB with resources that each have a recurring monitor, after every one ran three times.
///
/// # Errors
/// When a monitor fails.
pub fn memory(make: Maker<'_>, resources: usize) -> Fallible<f64> {
    let mut subject = make()?;
    subject.register(NOTHING, resources)?;
    for resource in 0..resources {
        subject.monitor(resource, Duration::from_secs(3))?;
    }
    let (mut runs, mut found) = (vec![0; resources], Vec::new());
    let mut behind = resources;
    while behind > 0 {
        subject.wait(&mut found)?;
        for finished in found.drain(..) {
            // A repetition that changes nothing may go unreported, but not a failure.
            let count: &mut u32 = &mut runs[finished.resource];
            *count += 1;
            behind -= usize::from(*count == 3);
        }
    }
    resident_mb(subject.process())
}

/// How late repetitions of a monitor are.
#[derive(Debug, Clone, Copy)]
pub struct Drift {
    /// Milliseconds that all of them took longer than their intervals.
    pub total_ms: f64,
    /// For one repetition, on average.
    pub mean_ms: f64,
    /// For one repetition, at most.
    pub most_ms: f64,
}

/// Repeats a monitor every second; the time from result to result above a second. An interval is
/// counted from the end of a run (spec 80 §5.4), so the run itself is in it.
///
/// # Errors
/// When the monitor fails.
pub fn drift(make: Maker<'_>, repetitions: usize) -> Fallible<Drift> {
    let mut subject = make()?;
    subject.register(NOTHING, 1)?;
    subject.monitor(0, Duration::from_secs(1))?;
    let (mut ends, mut found) = (Vec::new(), Vec::new());
    while ends.len() <= repetitions {
        subject.wait(&mut found)?;
        let now = Instant::now();
        ends.extend(found.drain(..).map(|_| now));
    }
    let excess: Vec<f64> =
        ends.windows(2).map(|pair| ((pair[1] - pair[0]).as_secs_f64() - 1.0) * 1e3).collect();
    let total_ms: f64 = excess.iter().sum();
    Ok(Drift {
        total_ms,
        mean_ms: total_ms / excess.len() as f64,
        most_ms: excess.iter().copied().fold(0.0, f64::max),
    })
}

/// Milliseconds from the end of an agent to its result in the requester's hands.
#[derive(Debug, Clone, Copy)]
pub struct Latency {
    /// Median.
    pub p50_ms: f64,
    /// Of a hundred, the longest but one.
    pub p99_ms: f64,
}

/// Runs an agent that ends by printing the time; what has passed since when its result is here. So the
/// end of the process itself is in it.
///
/// # Errors
/// When the agent fails.
pub fn latency(make: Maker<'_>, agent: &str, runs: usize) -> Fallible<Latency> {
    let mut subject = make()?;
    subject.register(agent, 1)?;
    let (mut delays, mut found) = (Vec::new(), Vec::new());
    for _ in 0..runs {
        subject.monitor(0, Duration::ZERO)?;
        while found.is_empty() {
            subject.wait(&mut found)?;
        }
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
        for finished in found.drain(..) {
            let digits: String = finished.output.chars().take_while(char::is_ascii_digit).collect();
            let told = Duration::from_nanos(digits.parse()?);
            delays.push(now.saturating_sub(told).as_secs_f64() * 1e3);
        }
    }
    delays.sort_by(f64::total_cmp);
    let at = |share: f64| delays[((delays.len() - 1) as f64 * share) as usize];
    Ok(Latency { p50_ms: at(0.5), p99_ms: at(0.99) })
}

/// The median of some figures.
#[must_use]
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Processor time of a process's first thread.
fn processor_time(process: u32) -> Fallible<Duration> {
    let text = std::fs::read_to_string(format!("/proc/{process}/schedstat"))?;
    Ok(Duration::from_nanos(text.split_whitespace().next().ok_or("no figure")?.parse()?))
}

fn resident_mb(process: u32) -> Fallible<f64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status.lines().find(|line| line.starts_with("VmRSS")).ok_or("no VmRSS")?;
    let kib: u32 = line.split_whitespace().nth(1).ok_or("no figure")?.parse()?;
    Ok(f64::from(kib) * 1024.0 / 1e6)
}
