//! What has to be done: actions by resource, by node, and around them (spec 30 §3–§14).

mod collective;
mod fencing;
mod fencing_marks;
mod migration;
pub mod notify;
mod probes;
mod recurring;
pub mod remote;
mod request;
mod roles;

pub use fencing::{clear_removed_failcounts, create as fence_and_shut_down};
pub use probes::{create as probe, sort_by_number};
pub use roles::{adopt_for_summary, because};

use crate::model::cluster::Cluster;

/// Stage 12: actions of every resource, in list order.
pub fn create(cluster: &mut Cluster<'_>) {
    for i in 0..cluster.order.len() {
        let r = cluster.order[i];
        collective::create(cluster, r);
    }
}
