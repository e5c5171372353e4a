//! From recorded results to current state: which resource is active where, what failed, what is under
//! way, and which recorded operations no longer fit their definition (spec 11).
//!
//! [`unpack`] reads all node states in passes; each `lrm_resource` is matched to a resource, its
//! entries are sorted and interpreted one by one, and the outcome is applied. After the constraints,
//! [`definition_changes`] compares what is active with the configuration.

pub mod active;
mod definition_changes;
pub mod digest;
pub mod entry;
#[cfg(test)]
mod examples;
mod expiry;
pub mod fail_count;
mod failure;
mod interpret;
mod matching;
mod migration;
mod passes;
mod remap;
mod remote_state;
mod removed;
pub mod sort;
mod state;
pub mod status;
mod success;
mod window;

pub use definition_changes::{deferred_checks, definition_changes};
pub use passes::unpack;

use cib_model::ElementId;
use foldhash::HashSet;

/// What reading history leaves for later stages.
#[derive(Debug, Default)]
pub struct Memory {
    /// Digests already computed.
    pub(crate) digests: digest::Cache,
    /// Entries of recurring operations whose failure expired: they count as having a restart digest
    /// that matches nothing (spec 11 §6.2 step 3).
    pub(crate) expired_recurring: HashSet<ElementId>,
}
