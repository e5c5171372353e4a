//! In what order: from constraints to settled actions (spec 30 §15–§23).

mod anti_colocation;
mod blocking;
mod defer;
mod effective;
mod evaluate;
pub mod implicit;
mod interleave;
mod invalid;
mod materialise;
mod probe_order;
mod propagate;
pub mod user;

pub use anti_colocation::anti_colocation;
pub use effective::{Known, effective};

use crate::model::cluster::Cluster;

/// Stage 15: relations are made, blocked, extended by probes, propagated, and cleaned.
pub fn apply(cluster: &mut Cluster<'_>) {
    materialise::materialise(cluster);
    blocking::block_all(cluster);
    probe_order::order_probes(cluster);
    propagate::propagate(cluster);
    invalid::drop_invalid(cluster);
}
