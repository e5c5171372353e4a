//! What agents say about themselves (spec 80 §10): parsed for OCF agents, made up for init scripts
//! and systemd units.

mod ocf;
mod synthesis;

pub use ocf::{ActionAdvice, AgentMetadata, MetadataError, OcfVersion, Parameter, Reload};
pub use synthesis::{lsb_metadata, systemd_metadata};
