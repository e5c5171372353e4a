//! What an agent is called and what its calling convention can do (spec 80 §1).

mod spec;
mod standard;

pub use spec::{AgentSpec, AgentSpecError};
pub use standard::Standard;
