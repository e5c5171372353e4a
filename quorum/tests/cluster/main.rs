//! Whole clusters of votes machines on a virtual ordered messaging layer: stories in text files,
//! random runs from seeds, exhaustive exploration of small clusters, and elections on top.

mod devices;
mod elections;
mod exhaustive;
mod invariants;
mod leases;
mod messaging;
#[cfg(feature = "mutations")]
mod mutants;
mod random;
mod stories;
