//! Totally ordered group messaging with extended virtual synchrony over unreliable datagrams.

pub mod identity;
mod time;
pub mod wire;
pub mod packing;
mod environment;
pub mod ring;
pub mod membership;
mod recovery;
pub mod mutation;
pub mod protocol;
pub mod statistics;
pub mod group;
pub mod node;

pub use time::Time;
