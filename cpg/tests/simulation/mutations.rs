//! Every planted mistake must be found.

use crate::world::{Scenario, World};
use cpg::mutation::Mutation;
use std::time::Duration;

#[test]
fn every_planted_mistake_is_found() {
    let mut missed = vec![];
    for mutation in Mutation::ALL {
        let found = (1..400).find_map(|seed| {
            // Small clusters and many faults in quick succession find most in the least time.
            let random = Scenario::random(seed);
            let scenario = Scenario {
                mutation: Some(mutation),
                nodes: random.nodes.min(5),
                faults: 80,
                pace: Duration::from_millis(60),
                ..random
            };
            World::new(scenario).run().err().map(|violation| (seed, violation))
        });
        match found {
            Some((seed, violation)) => println!("{mutation:?}: seed {seed}: {violation}"),
            None => missed.push(mutation),
        }
    }
    assert!(missed.is_empty(), "not found: {missed:?}");
}
