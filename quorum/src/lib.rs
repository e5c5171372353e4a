//! Who may act.

pub mod device;
pub mod election;
pub mod id;
pub mod mutation;
pub mod notice;
pub mod options;
pub mod status;
pub mod store;
pub mod votes;
pub mod wire;
