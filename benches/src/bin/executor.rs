//! Measures our executor on this machine, against the machine's limit and against the reference's
//! `pacemaker-execd` where that is installed and this user may start it.
//!
//! - *memory*: resident size with 1,000 resources that each have a recurring monitor. Ours lives in
//!   this process, whose own size is in it.
//! - *throughput*: operations per second of an agent that does nothing, for 1, 10 and 200 resources,
//!   against the rate at which this machine starts and reaps the same program bare, as many at once.
//!   Short turns in alternation, so that all see the same machine; the median counts. And the
//!   processor time of the executor itself for each operation; the requester's is in ours. The
//!   reference's requester waits for the answer to each request, as its controller does.
//! - *latency*: from the end of an agent to its result, as the agent's own clock has it, on the
//!   machine as it is, and with one computing process for each processor. There an agent that is as
//!   others are may wait for a processor after it looked at the clock, before it has ended; so the
//!   agent goes before others, and one that does not is shown as well.
//! - *drift*: of a monitor every second, with one computing process for each processor.
//!
//! The measuring thread, in which ours lives, and which starts the bare programs and asks the
//! reference, goes before others as far as the machine allows.

use benches::executor::agents::{Agents, CLOCK, CLOCK_FIRST, NOTHING};
use benches::executor::load::Load;
use benches::executor::measure::{Rate, bare_rate, drift, latency, median, memory, rate};
use benches::executor::own::Own;
use benches::executor::reference::Reference;
use benches::executor::report::{Report, Row, Wanted};
use benches::executor::{Fallible, Maker, Subject};
use clap::{Parser, ValueEnum};
use std::path::{Path, PathBuf};
use std::time::Duration;

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Measurement {
    Memory,
    Throughput,
    Latency,
    Drift,
}

/// Measures our executor against the machine's limit and the reference's executor.
#[derive(Debug, Parser)]
struct Arguments {
    /// Only these measurements.
    #[arg(long, value_delimiter = ',')]
    only: Vec<Measurement>,
    /// Writes the figures to a file too.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// The program that does nothing.
    #[arg(long, value_name = "PATH", default_value = "/bin/true")]
    program: PathBuf,
    /// Turns of throughput for each number of resources.
    #[arg(long, default_value_t = 25)]
    turns: usize,
    /// Milliseconds of each turn.
    #[arg(long, default_value_t = 300)]
    turn: u64,
    /// Runs for the latency.
    #[arg(long, default_value_t = 2000)]
    runs: usize,
    /// Seconds for which drift is watched.
    #[arg(long, default_value_t = 60)]
    seconds: usize,
}

fn main() -> Fallible {
    let arguments = Arguments::parse();
    match lrm::driver::run_first() {
        Ok(precedence) => eprintln!("the measuring thread goes first: {precedence:?}"),
        Err(error) => eprintln!("the measuring thread is as others are: {error}"),
    }
    let mut agents = Agents::new(&arguments.program)?;
    let mut report = Report::default();
    let reference_works = agents
        .link_into_system()
        .map_err(|error| format!("its agents cannot be installed: {error}").into())
        .and_then(|()| Reference::new().map(drop));
    if let Err(error) = reference_works {
        eprintln!("no reference to compare with: {error}");
        report.no_reference = Some(error.to_string());
    }
    let own = || Ok(Box::new(Own::new(agents.root())?) as Box<dyn Subject>);
    let reference = || Ok(Box::new(Reference::new()?) as Box<dyn Subject>);
    let sides = Sides { own: &own, reference: report.no_reference.is_none().then_some(&reference) };
    let wanted = |which| arguments.only.is_empty() || arguments.only.contains(&which);
    if wanted(Measurement::Memory) {
        report.rows.push(measure_memory(&sides)?);
    }
    if wanted(Measurement::Throughput) {
        let program = agents.path(NOTHING);
        for resources in [1, 10, 200] {
            report.rows.extend(measure_rate(&sides, &program, resources, &arguments)?);
        }
    }
    if wanted(Measurement::Latency) {
        let (runs, below) = (arguments.runs, Wanted::Below(2.0));
        report.rows.extend(measure_latency(&sides, CLOCK, "no load added", runs, below)?);
        let load = Load::on_every_processor()?;
        report.rows.extend(measure_latency(&sides, CLOCK_FIRST, "load added", runs, below)?);
        let waiting = "load added, agent waits too";
        report.rows.extend(measure_latency(&sides, CLOCK, waiting, runs, Wanted::Any)?);
        drop(load);
    }
    if wanted(Measurement::Drift) {
        report.rows.extend(measure_drift(&sides, arguments.seconds)?);
    }
    print!("{}", report.table());
    if let Some(path) = &arguments.json {
        std::fs::write(path, serde_json::to_string_pretty(&report.json())?)?;
    }
    Ok(())
}

struct Sides<'m> {
    own: Maker<'m>,
    reference: Option<Maker<'m>>,
}

fn measure_memory(sides: &Sides<'_>) -> Fallible<Row> {
    eprintln!("memory: 1,000 resources ...");
    Ok(Row {
        name: "resident with 1,000 resources and monitors".to_owned(),
        unit: "MB",
        own: memory(sides.own, 1000)?,
        limit: None,
        reference: sides.reference.map(|make| memory(make, 1000)).transpose()?,
        wanted: Wanted::Below(30.0),
    })
}

fn measure_rate(
    sides: &Sides<'_>,
    program: &Path,
    resources: usize,
    arguments: &Arguments,
) -> Fallible<[Row; 2]> {
    let turn = Duration::from_millis(arguments.turn);
    let [mut own, mut bare, mut reference] = [const { Vec::new() }; 3];
    for number in 1..=arguments.turns {
        eprint!("\rthroughput: {resources} resources, turn {number} of {} ", arguments.turns);
        own.push(rate(sides.own, resources, turn)?);
        bare.push(bare_rate(program, resources, turn)?);
        if let Some(make) = sides.reference {
            reference.push(rate(make, resources, turn)?);
        }
    }
    eprintln!();
    let row = |name: &str, unit, figure: fn(&Rate) -> f64, wanted| Row {
        name: format!("{name}, {resources} resources"),
        unit,
        own: median(own.iter().map(figure).collect()),
        limit: Some(median(bare.iter().map(figure).collect())),
        reference: sides.reference.map(|_| median(reference.iter().map(figure).collect())),
        wanted,
    };
    let per_second = row("operations", "1/s", |rate| rate.per_second, Wanted::ShareOfLimit(0.8));
    let cpu = row("executor's own time an operation", "us", |rate| rate.own_us, Wanted::Any);
    Ok([per_second, cpu])
}

fn measure_latency(
    sides: &Sides<'_>,
    agent: &str,
    machine: &str,
    runs: usize,
    wanted: Wanted,
) -> Fallible<[Row; 2]> {
    eprintln!("latency: {runs} runs, {machine} ...");
    let own = latency(sides.own, agent, runs)?;
    let reference = sides.reference.map(|make| latency(make, agent, runs)).transpose()?;
    let row = |which: &str, own, reference, wanted| Row {
        name: format!("agent's end to result, {machine}, {which}"),
        unit: "ms",
        own,
        limit: None,
        reference,
        wanted,
    };
    Ok([
        row("p50", own.p50_ms, reference.map(|theirs| theirs.p50_ms), Wanted::Any),
        row("p99", own.p99_ms, reference.map(|theirs| theirs.p99_ms), wanted),
    ])
}

fn measure_drift(sides: &Sides<'_>, seconds: usize) -> Fallible<[Row; 3]> {
    let _load = Load::on_every_processor()?;
    eprintln!("drift: {seconds} s each ...");
    let own = drift(sides.own, seconds)?;
    let reference = sides.reference.map(|make| drift(make, seconds)).transpose()?;
    let row = |what: &str, own, reference| Row {
        name: format!("1 s monitor for {seconds} s, busy, {what}"),
        unit: "ms",
        own,
        limit: None,
        reference,
        wanted: Wanted::Any,
    };
    Ok([
        row("drift in all", own.total_ms, reference.map(|theirs| theirs.total_ms)),
        row("mean", own.mean_ms, reference.map(|theirs| theirs.mean_ms)),
        row("most", own.most_ms, reference.map(|theirs| theirs.most_ms)),
    ])
}
