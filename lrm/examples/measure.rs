//! Measures the executor on this machine:
//!
//!     cargo run --release -p lrm --example measure [throughput|memory|drift|latency]
//!
//! - *throughput*: operations per second of an agent that does nothing, for 1, 10 and 200 resources,
//!   against the rate at which this machine starts and reaps the same program bare, as many at once.
//! - *memory*: resident size with 1,000 resources that each have a recurring monitor.
//! - *drift*: of a monitor every second, over a minute, while the machine is busy.
//! - *latency*: from the end of an agent to its result, as the agent's own clock has it.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

use std::collections::BTreeMap;
use std::error::Error;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use lrm::driver::{AgentPaths, Driver, DriverConfig};
use lrm::executor::{EventKind, OperationResult};
use lrm::operation::{Action, ClientId, Interval, Parameters, Request, Resource, ResourceId};

type Fallible<T = ()> = Result<T, Box<dyn Error>>;

const TURN: Duration = Duration::from_millis(400);
const CLIENT: ClientId = ClientId(1);

fn main() -> Fallible {
    let which = std::env::args().nth(1);
    let wanted = |name: &str| which.as_deref().is_none_or(|which| which == name);
    let scratch = tempfile::tempdir()?;
    make_agents(scratch.path())?;
    if wanted("throughput") {
        throughput(scratch.path())?;
    }
    if wanted("latency") {
        latency(scratch.path())?;
    }
    if wanted("memory") {
        memory(scratch.path())?;
    }
    if wanted("drift") {
        drift(scratch.path())?;
    }
    Ok(())
}

/// An agent that does nothing, the cheapest program there is, and one that tells when it ends.
fn make_agents(root: &Path) -> Fallible {
    let provider = root.join("resource.d/measure");
    std::fs::create_dir_all(&provider)?;
    std::os::unix::fs::symlink("/bin/true", provider.join("nothing"))?;
    let script = root.join("script");
    std::fs::write(&script, "#!/bin/sh\nexec date +%s%N\n")?;
    let installed = Command::new("install")
        .args(["-m", "755"])
        .arg(&script)
        .arg(provider.join("clock"))
        .status()?;
    assert!(installed.success());
    Ok(())
}

fn driver(root: &Path) -> Fallible<Driver> {
    let paths = AgentPaths::below(root.into());
    let journal = Some(root.join("runs"));
    Ok(Driver::new(DriverConfig { paths, journal, ..DriverConfig::default() })?)
}

fn register(driver: &mut Driver, kind: &str, count: usize) -> Fallible<Vec<ResourceId>> {
    let agent = Arc::new(format!("ocf:measure:{kind}").parse()?);
    let mut ids = Vec::new();
    for number in 0..count {
        let id = ResourceId::new(&format!("r{number}"))?;
        driver.register(Resource {
            id: id.clone(),
            agent: Arc::clone(&agent),
            drop_recurring: true,
        });
        ids.push(id);
    }
    while driver.poll_event().is_some() {}
    Ok(ids)
}

/// The parameters a controller sends along.
fn parameters() -> Fallible<Parameters> {
    Ok(Parameters::from_pairs([
        ("state", "/run/state"),
        ("CRM_meta_timeout", "20000"),
        ("CRM_meta_interval", "10000"),
        ("CRM_meta_name", "monitor"),
        ("crm_feature_set", "3.20.5"),
    ])?)
}

fn monitor(id: &ResourceId, parameters: &Arc<Parameters>) -> Fallible<Request> {
    let mut request = Request::once(id.clone(), Action::new("monitor")?, Duration::from_secs(20));
    request.parameters = Arc::clone(parameters);
    Ok(request)
}

fn next_results(driver: &mut Driver, found: &mut Vec<OperationResult>) -> Fallible {
    driver.turn(None)?;
    while let Some(event) = driver.poll_event() {
        if let EventKind::Completed(result) = event.kind {
            found.push(*result);
        }
    }
    Ok(())
}

fn throughput(root: &Path) -> Fallible {
    println!("resources   operations/s   bare fork+exec/s   ratio");
    for resources in [1, 10, 200] {
        // Alternating in short turns, so that both see the same machine; the median of each counts.
        let (mut own, mut bare) = (Vec::new(), Vec::new());
        for _ in 0..25 {
            own.push(operations_per_second(root, resources, TURN)?);
            bare.push(bare_per_second(root, resources, TURN)?);
        }
        let (own, bare) = (median(own), median(bare));
        println!("{resources:9}   {own:12.0}   {bare:16.0}   {:4.0} %", own / bare * 100.0);
    }
    Ok(())
}

fn operations_per_second(root: &Path, resources: usize, length: Duration) -> Fallible<f64> {
    let mut driver = driver(root)?;
    let ids = register(&mut driver, "nothing", resources)?;
    let parameters = Arc::new(parameters()?);
    let began = Instant::now();
    for id in &ids {
        driver.execute(CLIENT, monitor(id, &parameters)?)?;
    }
    let (mut done, mut results) = (0, Vec::new());
    while began.elapsed() < length {
        next_results(&mut driver, &mut results)?;
        for result in results.drain(..) {
            assert!(result.outcome.is_ok(), "{result:?}");
            done += 1;
            driver.execute(CLIENT, monitor(&result.resource, &parameters)?)?;
        }
    }
    let rate = f64::from(done) / began.elapsed().as_secs_f64();
    while driver.processes() > 0 {
        next_results(&mut driver, &mut results)?;
    }
    Ok(rate)
}

fn bare_per_second(root: &Path, at_once: usize, length: Duration) -> Fallible<f64> {
    let path = root.join("resource.d/measure/nothing");
    let mut running = std::collections::VecDeque::new();
    let (mut done, began) = (0, Instant::now());
    while began.elapsed() < length {
        while running.len() < at_once {
            let mut command = Command::new(&path);
            command.arg("monitor").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
            running.push_back(command.spawn()?);
        }
        if let Some(mut child) = running.pop_front() {
            assert!(child.wait()?.success());
            done += 1;
        }
    }
    let rate = f64::from(done) / began.elapsed().as_secs_f64();
    for mut child in running {
        child.wait()?;
    }
    Ok(rate)
}

fn latency(root: &Path) -> Fallible {
    let mut driver = driver(root)?;
    let ids = register(&mut driver, "clock", 1)?;
    let parameters = Arc::new(parameters()?);
    let (mut delays, mut results) = (Vec::new(), Vec::new());
    for _ in 0..2_000 {
        driver.execute(CLIENT, monitor(&ids[0], &parameters)?)?;
        while results.is_empty() {
            next_results(&mut driver, &mut results)?;
        }
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
        for result in results.drain(..) {
            let told: u64 = result.output.ok_or("no output")?.trim().parse()?;
            delays.push((now - Duration::from_nanos(told)).as_secs_f64() * 1e3);
        }
    }
    delays.sort_by(f64::total_cmp);
    let at = |share: f64| delays[((delays.len() - 1) as f64 * share) as usize];
    println!(
        "exit to result (ms): median {:.3}, p99 {:.3}, most {:.3}; includes the end of `date`",
        at(0.5),
        at(0.99),
        at(1.0)
    );
    Ok(())
}

fn memory(root: &Path) -> Fallible {
    let before = resident_kib()?;
    let mut driver = driver(root)?;
    let ids = register(&mut driver, "nothing", 1_000)?;
    for id in &ids {
        // Each with parameters of its own, as a controller sends them.
        let parameters = Arc::new(parameters()?);
        let every = monitor(id, &parameters)?.every(Interval::from_millis(3_000));
        driver.execute(CLIENT, every)?;
    }
    let mut results = Vec::new();
    let mut runs: BTreeMap<ResourceId, u32> = BTreeMap::new();
    while runs.len() < ids.len() || runs.values().any(|count| *count < 3) {
        next_results(&mut driver, &mut results)?;
        for result in results.drain(..) {
            *runs.entry(result.resource).or_default() += 1;
        }
    }
    let (after, most) = (resident_kib()?, status_kib("VmHWM")?);
    println!(
        "1,000 resources with a monitor each, three rounds: {:.1} MB resident ({:.1} MB at most, \
         {:.1} MB before)",
        after as f64 / 1024.0,
        most as f64 / 1024.0,
        before as f64 / 1024.0
    );
    Ok(())
}

fn resident_kib() -> Fallible<u64> {
    status_kib("VmRSS")
}

fn status_kib(name: &str) -> Fallible<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find(|line| line.starts_with(name)).ok_or("no such line")?;
    Ok(line.split_whitespace().nth(1).ok_or("no number")?.parse()?)
}

fn drift(root: &Path) -> Fallible {
    let mut driver = driver(root)?;
    let ids = register(&mut driver, "nothing", 101)?;
    let parameters = Arc::new(parameters()?);
    // The load: a hundred resources with monitors four times a second.
    for id in &ids[1..] {
        let every = monitor(id, &parameters)?.every(Interval::from_millis(250));
        driver.execute(CLIENT, every)?;
    }
    let every = monitor(&ids[0], &parameters)?.every(Interval::from_millis(1_000));
    driver.execute(CLIENT, every)?;
    let (mut ends, mut results) = (Vec::new(), Vec::new());
    while ends.len() < 61 {
        next_results(&mut driver, &mut results)?;
        let now = Instant::now();
        ends.extend(results.drain(..).filter(|result| result.resource == ids[0]).map(|_| now));
    }
    let excess: Vec<f64> =
        ends.windows(2).map(|pair| ((pair[1] - pair[0]).as_secs_f64() - 1.0) * 1e3).collect();
    let total: f64 = excess.iter().sum();
    println!(
        "monitor every 1 s, 60 times, under load: {total:.1} ms longer than 60 s in all; each {:.2} \
         ms on average, {:.2} ms at most, the run itself included",
        total / excess.len() as f64,
        excess.iter().copied().fold(0.0, f64::max)
    );
    Ok(())
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
