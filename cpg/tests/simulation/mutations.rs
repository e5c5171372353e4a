//! Every planted mistake must be found.

use crate::world::{Scenario, World};
use cpg::mutation::Mutation;

#[test]
fn every_planted_mistake_is_found() {
    let mut missed = vec![];
    for mutation in Mutation::ALL {
        let found = (1..200).find_map(|seed| {
            let scenario = Scenario { mutation: Some(mutation), ..Scenario::random(seed) };
            World::new(scenario).run().err().map(|violation| (seed, violation))
        });
        match found {
            Some((seed, violation)) => println!("{mutation:?}: seed {seed}: {violation}"),
            None => missed.push(mutation),
        }
    }
    assert!(missed.is_empty(), "not found: {missed:?}");
}
