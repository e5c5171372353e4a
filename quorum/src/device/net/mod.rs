//! The quorum device of model `net`: the client side of the arbiter daemon `corosync-qnetd`.
//!
//! [`NetSettings`] reads the configuration, [`Message`] is what goes over the wire, [`Client`] the
//! state machine without I/O, [`NetDevice`] the client on a TCP connection. The arbiter decides by
//! the algorithm the client names (`ffsplit`, `lms`); the client reports its rings and obeys.
//!
//! TLS and heuristics commands are not supported, and configurations that ask for them are refused.

mod client;
mod driver;
mod message;
mod settings;

pub use client::{Client, DEVICE_NAME, Input, NetNotice, Output, Problem};
pub use driver::{NetDevice, Wake};
pub use message::{
    Complaint, HEADER, ListKind, MAX_LENGTH, Malformed, Message, Stream, Tls, Verdict,
};
pub use settings::{IpVersion, NetAlgorithm, NetError, NetSettings, PORT};
