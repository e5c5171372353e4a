//! Agents as processes: started with their parameters on standard input, read without blocking,
//! killed with their whole group when their time is over.

mod agents;
mod ask;
mod child;
mod secrets;

pub use agents::{AGENT_DIRECTORY, Finished, ProcessDriver, installed_agents};
pub use ask::ask_agent;
pub use secrets::{SECRETS_DIRECTORY, SecretError, SecretStore};
