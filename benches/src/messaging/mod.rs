//! Group messaging side by side with corosync: three nodes of each in network namespaces, both reading
//! the same corosync.conf, each driven by the same load generator.
//!
//! Corosync is a black box behind its public client library (libcpg), which is loaded at run time;
//! where it is missing only our side is measured. Ours runs as the library it is: the node, the group
//! member and the load are one process. Corosync's member is a client of its daemon.

pub mod comparison;
pub mod fleet;
pub mod libcpg;
pub mod measurements;
pub mod member;
pub mod namespaces;
pub mod worker;

/// What ends a run.
pub type Failure = Box<dyn std::error::Error>;

/// Whose messaging is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub enum Stack {
    /// The crate `cpg`.
    Ours,
    /// The installed corosync.
    Corosync,
}

/// Nanoseconds of the monotonic clock, which all processes of a machine share.
pub fn monotonic() -> u64 {
    let clock = nix::time::ClockId::CLOCK_MONOTONIC;
    let now = nix::time::clock_gettime(clock).expect("Linux has a monotonic clock");
    now.tv_sec() as u64 * 1_000_000_000 + now.tv_nsec() as u64
}
