//! Local IPC: how command lines, agents and other programs of a node talk to it (spec 62 B, C).
//!
//! Wire and catalogue are those of the classic stack, so its unmodified tools work. The modules in the
//! order in which data flows: an [`endpoint`] is what a client connects to; the [`handshake`] settles
//! sizes and names; a [`frame`] is one message, [`parts`] make whole texts of frames. [`clients`] is the
//! state machine that understands them and speaks with the subsystems; [`server`] runs it on sockets.
//! [`client`] is the other end, for our own command lines.

pub mod endpoint;

pub mod handshake;

pub mod frame;

pub mod parts;

pub mod clients;

pub mod server;

pub mod client;

pub use clients::{Clients, Credentials};
pub use endpoint::{Endpoint, Place};
pub use server::{MAX_MEMORY, Server, groups_of};
