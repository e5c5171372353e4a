//! Transient node attributes: a table kept equal on all nodes, which one of them, the writer, copies
//! into the status section (spec 61).
//!
//! [`AttributeManager`] is a state machine without I/O. The driver feeds it [`Input`]s with the current
//! time, drains [`Output`]s with [`AttributeManager::poll_output`] until there is none, and calls again
//! at [`AttributeManager::poll_timeout`]; spurious calls are harmless. An update takes effect on every
//! node when its ordered broadcast is delivered, on the node it came from, too.
//!
//! Which node writes is settled by an election outside: the manager asks for one with
//! [`Output::Elect`] and learns the state with [`Input::Election`].
//!
//! Bounds: at most [`Settings::max_attributes`] attributes with values for [`Settings::max_nodes`] nodes,
//! beyond which updates of new ones are refused, and [`Settings::max_waiting`] clients that wait for a sync point, beyond which they are answered at
//! once. Outputs of one input number at most as many as the table has values.
//!
//! ```
//! use std::time::Duration;
//! use cib_model::attribute_table::{AttributeManager, ElectionState, Input, Output, Settings, Task};
//! use cib_model::attribute_table::{Message, Update};
//!
//! let now = Duration::ZERO;
//! let mut manager = AttributeManager::new(Settings::new("n1"));
//! manager.handle(now, Input::Start);
//! manager.handle(now, Input::Joined { node: "n1".into(), id: Some("1".into()) });
//! manager.handle(now, Input::Election { state: ElectionState::Won, from: None });
//! while manager.poll_output().is_some() {}
//!
//! let update = Update { name: Some("ping".into()), value: Some("100".into()), host: Some("n1".into()),
//!     ..Update::default() };
//! let message = Message { update, ..Message::new(Task::Update) };
//! manager.handle(now, Input::Peer { from: "n1".into(), message });
//! let Some(Output::Write(write)) = manager.poll_output() else { panic!() };
//! assert_eq!(write.changes[0].pair_id, "status-1-ping");
//! ```

mod apply;
mod client;
mod manager;
mod message;
mod synchronise;
mod table;
mod write;

pub use client::{Answer, QueryAnswer, Token};
pub use manager::{AttributeManager, ElectionState, Input, Output, Settings};
pub use message::{ClearFailure, Message, MessageError, PROTOCOL_VERSION, SyncPoint, Task, Update};
pub use table::{Attribute, SetType, Value};
pub use write::{AttributeAlert, CibChange, CibWrite, WriteFailure};
