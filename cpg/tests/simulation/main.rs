//! Deterministic simulation of whole clusters on a faulty network.
//!
//! `CPG_SIMULATION_SECONDS=120 cargo test --release -p cpg --test simulation` runs new seeds for two
//! minutes; `CPG_SIMULATION_SEED=17` replays one.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

mod exploration;
mod load;
#[cfg(feature = "mutations")]
mod mutations;
mod network;
mod observer;
mod world;

use std::time::{Duration, Instant};
use world::{Scenario, World};

fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name}={text} is not a number")))
}

#[test]
fn random_faults_break_no_invariant() {
    if let Some(seed) = number("CPG_SIMULATION_SEED") {
        let mut world = World::new(Scenario::random(seed));
        world.verbose = true;
        if let Err(violation) = world.run() {
            panic!("seed {seed}: {violation}");
        }
        return;
    }
    let limit = Duration::from_secs(number("CPG_SIMULATION_SECONDS").unwrap_or(4));
    let first = number("CPG_SIMULATION_FIRST").unwrap_or(1);
    let start = Instant::now();
    let mut seed = first;
    let mut totals = world::Totals::default();
    while start.elapsed() < limit || seed == first {
        let mut world = World::new(Scenario::random(seed));
        if let Err(violation) = world.run() {
            panic!(
                "seed {seed}: {violation}\nreplay: CPG_SIMULATION_SEED={seed} cargo test -p cpg --test simulation"
            );
        }
        totals.add(&world);
        seed += 1;
    }
    println!("{} seeds from {first}: {totals:?}", seed - first);
    assert!(totals.deliveries > 0 && totals.rings > 0);
}

#[test]
fn a_seed_reproduces_its_run() {
    let run = |seed| {
        let mut world = World::new(Scenario::random(seed));
        world.run().unwrap_or_else(|violation| panic!("seed {seed}: {violation}"));
        world.fingerprint()
    };
    assert_eq!(run(5), run(5));
    assert_ne!(run(5), run(6));
}

#[test]
fn a_quiet_cluster_keeps_its_ring_and_retransmits_nothing() {
    let mut world = World::new(Scenario::quiet(3, 3));
    world.run().unwrap_or_else(|violation| panic!("{violation}"));
    assert_eq!(world.retransmissions(), 0, "spec 70 §20.4, A2");
    assert!(world.rings_at_most(3), "a ring was left without a reason (spec 70 §18, M6)");
}
