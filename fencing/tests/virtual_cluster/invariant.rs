//! A node is reported fenced only when an agent or the watchdog time says so: held in random runs
//! under lost, late, doubled and reordered messages, crashes, cuts and false memberships.

use crate::simulation;

/// `FENCING_SEED` replays one seed; `FENCING_SEEDS` sets how many are played.
#[test]
fn no_node_is_reported_fenced_without_evidence() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let seeds = match number("FENCING_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("FENCING_SEEDS").unwrap_or(1500),
    };
    for seed in seeds {
        if let Err(error) = simulation::play(seed) {
            panic!("{error}");
        }
    }
}
