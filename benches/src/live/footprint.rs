//! Many resources on one node, and what three nodes need while nothing happens.

use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::agents::{primitive, primitives};
use super::cluster::{Cluster, Setup};
use super::{Failure, Figures, millis, wait_for, wall};

const RESOURCES: usize = 200;
const LIMIT: Duration = Duration::from_secs(120);
/// How long an idle cluster is watched.
const IDLE: Duration = Duration::from_secs(30);

/// Measures memory and CPU time of three nodes, with one resource and with many.
///
/// # Errors
/// When the cluster does not do what it must.
pub fn idle(setup: &Setup, figures: &mut Figures) -> Result<(), Failure> {
    let cluster = Cluster::up(setup.clone(), &[("stonith-enabled", "false")])?;
    cluster.change("resources", &primitive("r1"))?;
    watch(&cluster, "1", figures)?;
    let began = wall();
    cluster.change("resources", &primitives(RESOURCES))?;
    wait_for("all resources run", LIMIT, Duration::from_millis(500), || {
        let running = cluster.status().map_or(0, |status| status.active.len());
        Ok((running > RESOURCES).then_some(()))
    })?;
    let events = cluster.events()?;
    let starts = events.lines().filter_map(super::cluster::Event::read);
    let last = starts.filter(|event| event.action == "start").map(|event| event.at).max();
    figures.add("added", millis(began, last.unwrap_or(began)));
    watch(&cluster, "200", figures)
}

fn watch(cluster: &Cluster, key: &str, figures: &mut Figures) -> Result<(), Failure> {
    cluster.settled(&[])?;
    std::thread::sleep(Duration::from_secs(5));
    let mut all = 0.0;
    let mut shared = 0.0;
    let mut parts = std::collections::BTreeMap::<String, f64>::new();
    for node in cluster.alive() {
        for daemon in node.daemons() {
            let text = fs::read_to_string(daemon.join("smaps_rollup"))?;
            let rss = mebibytes(&text, "Rss:");
            all += rss;
            shared += mebibytes(&text, "Pss:");
            let largest = parts.entry(name(&daemon)).or_default();
            *largest = largest.max(rss);
        }
    }
    let parts: Vec<String> = parts.iter().map(|(name, mib)| format!("{name} {mib:.1}")).collect();
    println!("    resident MiB, largest of each: {}", parts.join(", "));
    figures.add(&format!("memory {key}"), all);
    figures.add(&format!("proportional memory {key}"), shared);
    let before = cpu(cluster);
    std::thread::sleep(IDLE);
    figures.add(&format!("idle {key}"), cpu(cluster) - before);
    Ok(())
}

/// What a process is, from its command line.
fn name(process: &Path) -> String {
    let line = fs::read_to_string(process.join("cmdline")).unwrap_or_default();
    let mut words = line.split('\0').skip(1);
    match words.next() {
        Some("subsystem") => words.next().unwrap_or_default().to_owned(),
        _ => "supervisor".to_owned(),
    }
}

fn mebibytes(rollup: &str, what: &str) -> f64 {
    let line = rollup.lines().find_map(|line| line.strip_prefix(what));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
    kib.unwrap_or(0.0) / 1024.0
}

/// CPU time of all daemons so far, in milliseconds.
fn cpu(cluster: &Cluster) -> f64 {
    let mut nanos = 0.0;
    for daemon in cluster.alive().flat_map(super::node::Node::daemons) {
        for thread in fs::read_dir(daemon.join("task")).into_iter().flatten().flatten() {
            let text = fs::read_to_string(thread.path().join("schedstat")).unwrap_or_default();
            nanos += text.split(' ').next().and_then(|n| n.parse::<f64>().ok()).unwrap_or(0.0);
        }
    }
    nanos / 1e6
}

fn target_role(cluster: &Cluster, role: &str) -> Result<(), Failure> {
    cluster.change(
        "rsc_defaults",
        &format!("<meta_attributes id=\"rd\"><nvpair id=\"rd-t\" name=\"target-role\" value=\"{role}\"/></meta_attributes>"),
    )
}

/// Measures the start of many stopped resources on one node by one change.
///
/// # Errors
/// When the cluster does not do what it must.
pub fn many(setup: &Setup, runs: usize, figures: &mut Figures) -> Result<(), Failure> {
    let setup = Setup { nodes: 1, ..setup.clone() };
    let cluster = Cluster::up(setup, &[("stonith-enabled", "false"), ("dc-deadtime", "2s")])?;
    target_role(&cluster, "Stopped")?;
    cluster.change("resources", &primitives(RESOURCES))?;
    cluster.settled(&[])?;
    let run = cluster.any()?.root().join("run");
    for _ in 0..runs {
        std::thread::sleep(Duration::from_secs(1));
        let began = wall();
        target_role(&cluster, "Started")?;
        let last = wait_for("all started", LIMIT, Duration::from_millis(100), || {
            let times = states(&run);
            Ok(times.iter().max().copied().filter(|_| times.len() == RESOURCES))
        })?;
        figures.add("many", millis(began, last));
        cluster.settled(&[])?;
        target_role(&cluster, "Stopped")?;
        wait_for("all stopped", LIMIT, Duration::from_millis(200), || {
            Ok(states(&run).is_empty().then_some(()))
        })?;
        cluster.settled(&[])?;
    }
    Ok(())
}

/// When the state files of the resources were written.
fn states(run: &Path) -> Vec<u128> {
    let files = fs::read_dir(run).into_iter().flatten().flatten();
    let files = files.filter(|file| file.file_name().to_string_lossy().starts_with("stamp.d"));
    files
        .filter_map(|file| file.metadata().ok()?.modified().ok())
        .map(|time: SystemTime| time.duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos())
        .collect()
}
