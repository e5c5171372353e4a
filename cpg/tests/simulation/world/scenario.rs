//! What a run looks like, by its seed.

use cpg::link::LinkMode;
use cpg::ring::FlowLimits;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::time::Duration;

/// What a run looks like. Everything follows from the seed.
#[derive(Debug, Clone)]
pub struct Scenario {
    pub seed: u64,
    pub nodes: usize,
    pub limits: FlowLimits,
    pub token: Duration,
    pub faults: u32,
    /// Longest wait between two faults.
    pub pace: Duration,
    pub safe: f64,
    pub lost_disks: bool,
    pub links: usize,
    pub mode: LinkMode,
    pub encrypted: bool,
    /// Longest payload of a ring packet.
    pub payload: usize,
    /// Nodes read tokens apart from data.
    pub token_roads: bool,
    #[cfg(feature = "mutations")]
    pub mutation: Option<cpg::mutation::Mutation>,
}

impl Scenario {
    pub fn random(seed: u64) -> Scenario {
        let mut rng = StdRng::seed_from_u64(seed ^ 0x5eed);
        let nodes = match rng.random_range(0..10) {
            0..4 => 3,
            4..6 => 2,
            6..8 => rng.random_range(4..6),
            8 => rng.random_range(6..9),
            _ => rng.random_range(9..17),
        };
        let visit = rng.random_range(2..40);
        let limits = FlowLimits {
            rotation: visit * 2,
            visit,
            accelerated: [0, visit / 2, visit][rng.random_range(0..3)],
            bytes: 64 << 10,
        };
        Scenario {
            seed,
            nodes,
            limits,
            token: Duration::from_millis([200, 400, 1000][rng.random_range(0..3)]),
            faults: rng.random_range(2..14),
            pace: Duration::from_millis([100, 1500, 4000][rng.random_range(0..3)]),
            safe: [0.0, 0.2, 0.5][rng.random_range(0..3)],
            lost_disks: rng.random_bool(0.1),
            links: if rng.random_bool(0.3) { 2 } else { 1 },
            mode: [LinkMode::Passive, LinkMode::Active, LinkMode::RoundRobin]
                [rng.random_range(0..3)],
            encrypted: rng.random_bool(0.3),
            payload: [600, 1300][rng.random_range(0..2)],
            token_roads: rng.random_bool(0.5),
            #[cfg(feature = "mutations")]
            mutation: None,
        }
    }

    pub fn quiet(seed: u64, nodes: usize) -> Scenario {
        Scenario { faults: 0, nodes, lost_disks: false, ..Scenario::random(seed) }
    }
}
