//! The simulation finds every fault that can be planted.
use fencing::fault::Fault;

use crate::simulation;

#[test]
fn every_planted_fault_is_found() {
    let missed: Vec<String> = Fault::ALL
        .into_iter()
        .filter_map(|fault| {
            Fault::plant(Some(fault));
            let found = (0..3000).find(|seed| simulation::play(*seed).is_err());
            Fault::plant(None);
            match found {
                Some(seed) => {
                    println!("{fault:?} is found with seed {seed}");
                    None
                }
                None => Some(format!("{fault:?}")),
            }
        })
        .collect();
    assert!(missed.is_empty(), "not found: {missed:?}");
}
