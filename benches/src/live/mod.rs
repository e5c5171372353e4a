//! A running cluster measured: three nodes, each in namespaces of its own, as real processes.
//!
//! In the order in which data flows: [`agents`] are what the nodes run, [`node`] is one node in its
//! namespaces, [`cluster`] is three of them. [`crash`], [`planned`], [`rates`], [`start`] and [`footprint`]
//! measure; [`peer`] reads what a script that measures another cluster stack says; [`figure`] is the table.

pub mod agents;

pub mod node;

pub mod cluster;

pub mod crash;

pub mod planned;

pub mod rates;

pub mod start;

pub mod footprint;

pub mod peer;

pub mod figure;

pub use cluster::Cluster;
pub use figure::{Figures, Table};

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Why a measurement ended early.
pub type Failure = Box<dyn std::error::Error>;

/// Wall-clock time in nanoseconds since 1970, as agents write it.
pub fn wall() -> u128 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos()
}

/// Milliseconds from one wall-clock time to a later one.
pub fn millis(from: u128, to: u128) -> f64 {
    to.saturating_sub(from) as f64 / 1e6
}

/// The middle value; the upper one of two.
pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Calls `attempt` until it gives something.
///
/// # Errors
/// As `attempt` says, and when it gives nothing within `limit`.
pub fn wait_for<T>(
    what: &str,
    limit: Duration,
    step: Duration,
    mut attempt: impl FnMut() -> Result<Option<T>, Failure>,
) -> Result<T, Failure> {
    let end = Instant::now() + limit;
    loop {
        if let Some(value) = attempt()? {
            return Ok(value);
        }
        if Instant::now() > end {
            return Err(format!("not within {} s: {what}", limit.as_secs()).into());
        }
        std::thread::sleep(step);
    }
}
