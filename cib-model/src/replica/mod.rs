//! A replica of the CIB: one on every node, kept equal by processing the same requests in the same
//! order (spec 51).
//!
//! [`Replica`] is a state machine without I/O. The driver feeds it [`Input`]s with the current time,
//! drains [`Output`]s with [`Replica::poll_output`] until there is none, and calls again at
//! [`Replica::poll_timeout`]; spurious calls are harmless. Requests that change something go to the
//! process group and take effect, on every node alike, when they come back in total order; the
//! replica that sent one answers its client then.
//!
//! Bounds: outputs of one input are at most one for each client that is notified, and a few more. A
//! replica keeps nothing of a request while it travels.
//!
//! ```
//! use std::time::Duration;
//! use cib_model::replica::{Channel, Command, Input, Now, Output, Replica, Settings};
//! use cib_model::{DateTime, Document};
//!
//! let now = Now { monotonic: Duration::ZERO, wall: DateTime::from_epoch(0, 0) };
//! let mut replica = Replica::new(Settings::new("n1", "3.20.5"));
//! replica.handle(now, Input::Loaded { document: None });
//! while replica.poll_output().is_some() {}
//!
//! let mut command = Command::new("cib_modify");
//! command.section = Some("nodes".into());
//! command.options = 8; // may create
//! command.data = Some(Document::parse(r#"<node id="1" uname="n1"/>"#)?);
//! replica.handle(now, Input::Request { client: "c".into(), channel: Channel::ReadWrite, command });
//! let Some(Output::Broadcast(command)) = replica.poll_output() else { panic!() };
//! // The process group delivers it to all.
//! replica.handle(now, Input::Peer { from: "n1".into(), command });
//! let outputs: Vec<_> = std::iter::from_fn(|| replica.poll_output()).collect();
//! assert!(matches!(outputs[..], [Output::Store { .. }, Output::Reply { .. }]));
//! assert_eq!(replica.cib().root().attribute("epoch"), Some("1"));
//! # Ok::<(), cib_model::ParseError>(())
//! ```

mod command;
mod core;
mod loading;
mod peer;
mod synchronise;
mod upgrade;

pub use command::Command;
pub use core::{Channel, GroupLookup, Input, Notification, Now, Output, Replica, Role, Settings};
