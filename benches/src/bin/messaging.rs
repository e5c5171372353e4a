//! Group messaging side by side with Debian's corosync: throughput, latency, detection of a dead node,
//! and processor time at rest, three nodes in network namespaces, encrypted with 256-bit AES on both sides.
//!
//! Needs root, `ip` and `setpriv`; `apt-get install corosync libcpg4` for the comparison.

use benches::messaging::comparison::Row;
use benches::messaging::measurements::{Plan, SIZES, detection, idle, latency, throughput};
use benches::messaging::{Failure, Stack, libcpg, worker};
use clap::{Parser, ValueEnum};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    Throughput,
    Latency,
    Kill,
    Idle,
}

/// Group messaging side by side with corosync.
#[derive(Debug, Parser)]
struct Options {
    /// What to measure.
    #[arg(long, value_delimiter = ',', value_enum,
          default_values_t = [Part::Throughput, Part::Latency, Part::Kill, Part::Idle])]
    only: Vec<Part>,
    /// Seconds of each throughput measurement.
    #[arg(long, default_value_t = 2.0)]
    seconds: f64,
    /// Seconds of the measurement at rest.
    #[arg(long, default_value_t = 20.0)]
    idle_seconds: f64,
    /// Repetitions of each measurement; the median counts.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Message sizes of the throughput measurement in bytes, at most 1 MiB less 1024.
    #[arg(long, value_delimiter = ',', default_values_t = SIZES)]
    sizes: Vec<usize>,
    /// Token time-out in milliseconds, except for the detection of dead nodes, which takes three.
    #[arg(long, default_value_t = 1000)]
    token: u64,
    /// Measure one side only.
    #[arg(long, value_enum)]
    stack: Option<Stack>,
    /// Also write the results, every repetition of them, to a file.
    #[arg(long)]
    json: Option<PathBuf>,
    /// The process of one member, started by the comparison itself.
    #[arg(long, hide = true, value_enum)]
    worker: Option<Stack>,
    #[arg(long, hide = true, default_value_t = 1)]
    node: u32,
    #[arg(long, hide = true, default_value = "corosync.conf")]
    configuration: PathBuf,
}

fn main() -> ExitCode {
    let options = Options::parse();
    let result = match options.worker {
        Some(stack) => worker::run(stack, options.node, &options.configuration),
        None => compare(&options),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("messaging: {error}");
            ExitCode::FAILURE
        }
    }
}

fn compare(options: &Options) -> Result<(), Failure> {
    let interrupted = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
        signal_hook::flag::register(signal, interrupted.clone())?;
    }
    let mut stacks = options.stack.map_or(vec![Stack::Ours, Stack::Corosync], |stack| vec![stack]);
    if stacks.contains(&Stack::Corosync) && !libcpg::is_installed() {
        eprintln!(
            "corosync is not installed (apt-get install corosync libcpg4): measuring ours only"
        );
        stacks.retain(|stack| *stack == Stack::Ours);
    }
    let plan = Plan {
        stacks,
        seconds: options.seconds,
        idle_seconds: options.idle_seconds,
        rounds: options.rounds.max(1),
        sizes: options.sizes.clone(),
        interrupted,
    };
    let load_before = load_average();
    let mut rows: Vec<Row> = vec![];
    let wants = |part| options.only.contains(&part);
    if [Part::Throughput, Part::Latency].into_iter().any(wants) {
        let mut fleets = plan.fleets(Some(options.token))?;
        if wants(Part::Throughput) {
            rows.extend(throughput(&plan, &mut fleets)?);
        }
        if wants(Part::Latency) {
            rows.extend(latency(&plan, &mut fleets)?);
        }
    }
    if wants(Part::Kill) {
        rows.extend(detection(&plan)?);
    }
    if wants(Part::Idle) {
        rows.extend(idle(&plan, &mut plan.fleets(Some(options.token))?)?);
    }
    let about = format!(
        "{} processors; load average before {load_before}, after {}; medians of {}; ratio = ours / corosync.\n\
         Ours: node and member in one process. Corosync: its daemon and a member connected to it.",
        std::thread::available_parallelism()?,
        load_average(),
        plan.rounds
    );
    println!("{about}\n{}", Row::head());
    for row in &rows {
        println!("{row}");
    }
    if let Some(path) = &options.json {
        let rows: Vec<_> = rows.iter().map(Row::to_json).collect();
        let document = serde_json::json!({ "about": about, "rows": rows });
        std::fs::write(path, serde_json::to_vec_pretty(&document)?)?;
    }
    Ok(())
}

/// The machine's load as the kernel tells it.
fn load_average() -> String {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split_whitespace().take(3).collect::<Vec<_>>().join(" ")
}
