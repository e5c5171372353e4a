//! A cluster starts: from the start of the daemons to the first stable state of the DC.

use std::fs;
use std::time::Duration;

use super::cluster::{Cluster, Setup};
use super::{Failure, Figures, millis, wait_for};

/// Measures starts of all nodes with nothing configured.
///
/// # Errors
/// When the cluster does not become stable.
pub fn measure(setup: &Setup, runs: usize, figures: &mut Figures) -> Result<(), Failure> {
    for _ in 0..runs {
        let cluster = Cluster::build(setup.clone())?;
        let began = cluster.launch_all()?;
        let idle = wait_for("idle", Duration::from_secs(60), Duration::from_millis(10), || {
            Ok(cluster.alive().find_map(|node| {
                let text = fs::read_to_string(node.log()).ok()?;
                text.lines().find(|line| line.contains("-> S_IDLE")).and_then(time_of)
            }))
        })?;
        figures.add("start", millis(began, idle));
        // All nodes are in, not only the DC.
        cluster.settled(&[])?;
    }
    Ok(())
}

/// When a line was logged, in nanoseconds since 1970.
fn time_of(line: &str) -> Option<u128> {
    let time: jiff::Timestamp = line.split(' ').next()?.parse().ok()?;
    u128::try_from(time.as_nanosecond()).ok()
}
