//! How envelopes travel outside of a simulation: between threads, between processes, between nodes.
//!
//! Every subsystem runs in a loop of its own ([`room`]) with a mailbox. Within the process that holds the
//! ring ([`ring`]) the mailboxes are known to each other ([`post`]); a subsystem that is a process of its
//! own is connected by a Unix socket ([`hub`]): it sends through a [`mod@line`] and reads what is [`incoming`].
//! [`settings`] is what a node is configured with.

pub mod clock;
pub mod hub;
pub mod incoming;
pub mod line;
pub mod orders;
pub mod post;
mod reload;
pub mod ring;
pub mod room;
pub mod rooms;
pub mod settings;
pub mod window;

pub use clock::Clock;
pub use post::{Inbox, Mail, Post, Postmaster};
pub use settings::{NodeSettings, SettingsError, WatchdogSettings};
