//! Every planted mistake is found by the runs that must find it.

use quorum::device::Algorithm;
use quorum::mutation::{ALL, Mutation, plant};

use crate::{devices, elections, leases, random};

/// The first seed that notices, within a bound.
fn found(mutation: Mutation) -> Option<(u64, String)> {
    plant(Some(mutation));
    let run = |seed| match mutation {
        Mutation::WinWithHalf | Mutation::NewerVersionWinsToo => elections::run(seed),
        Mutation::GrantUnconfirmed => devices::run(seed, 4, Algorithm::FiftyFifty, 1),
        Mutation::LateAnswerExtendsLease => leases::run(seed, 4, Algorithm::FiftyFifty, 1),
        _ => random::run(seed, 400),
    };
    let problem = (0..6000).find_map(|seed| run(seed).err().map(|problem| (seed, problem)));
    plant(None);
    problem
}

#[test]
fn every_planted_mistake_is_found() {
    for mutation in ALL {
        let Some((seed, problem)) = found(mutation) else { panic!("{mutation:?} is not found") };
        let line = problem.lines().find(|l| l.contains(": ")).unwrap_or_default().to_owned();
        let broken = problem.lines().find(|l| l.starts_with('Q')).unwrap_or(&line);
        println!("{mutation:?}: seed {seed}: {broken}");
    }
}
