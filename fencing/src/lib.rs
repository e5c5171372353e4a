//! Fence devices, topology, and the cluster-wide fencing operation.
//!
//! A cluster that does not know whether a node is dead makes sure: it *fences* the node. This crate
//! is the fencer of one node as a library. It knows which of its devices can cut which node off,
//! runs their agents, and with its peers conducts each fencing as one operation with one owner,
//! whose end all of them record alike.
//!
//! **A node is reported fenced only when an agent says so, or the time of its watchdog is over, or
//! a human takes the blame.** A timeout, a lost message, an agent killed by a signal, a peer that
//! is gone, an owner that starts anew: every ambiguous end counts as *not fenced*. Simulation under
//! all of these, and an exhaustive search for three nodes within a bound, hold the crate to it.
//!
//! # How to use it
//!
//! [`Fencer`] is a state machine without I/O. Hand it [`Input`]s
//! with the time; after each, drain its [`Output`]s until there is none, then wait
//! until [`poll_timeout`](Fencer::poll_timeout) or the next input. Spurious calls are
//! harmless. Broadcasts must come back to their sender in one order for all, as
//! a process group provides.
//!
//! ```
//! use fencing::agent::{Action, Metadata};
//! use fencing::clock::{Moment, Seconds};
//! use fencing::device::DeviceDefinition;
//! use fencing::executor::CallId;
//! use fencing::fencer::{FenceOrder, Fencer, Input, Output, Request, Response};
//! use fencing::name::{AgentName, DeviceId, NodeName};
//! use fencing::outcome::Outcome;
//! use fencing::secret::Parameters;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let local = NodeName::new("node1")?;
//! let mut fencer = Fencer::new(local.clone(), "fencer.1", 42);
//! let now = Moment::default();
//! let mut ask = |fencer: &mut Fencer, call, request| {
//!     let call = CallId { client: 1, call };
//!     let client = "example.1".to_owned();
//!     fencer.handle(now, Input::Request { call, client, privileged: true, request });
//! };
//! ask(&mut fencer, 1, Request::RegisterDevice(DeviceDefinition {
//!     id: DeviceId::new("pdu")?,
//!     agent: AgentName::new("fence_example")?,
//!     parameters: Parameters::new().with("pcmk_host_map", "node2:7").with("passwd", "secret"),
//!     provides_unfencing: false,
//! }));
//! let order = FenceOrder::new(NodeName::new("node2")?, Action::Off, Seconds(60));
//! ask(&mut fencer, 2, Request::Fence(order));
//!
//! // A driver would send messages to peers and run agents; here everything is at hand.
//! let mut fenced = false;
//! while let Some(output) = fencer.poll_output() {
//!     match output {
//!         Output::ReadMetadata(agent) => {
//!             let answer = Metadata::parse(
//!                 "<resource-agent><parameters><parameter name='plug'/></parameters>
//!                  <actions><action name='off'/></actions></resource-agent>",
//!             );
//!             let answer = answer.map_err(|error| error.to_string());
//!             fencer.handle(now, Input::MetadataRead { agent, answer });
//!         }
//!         Output::Run(run) => {
//!             assert_eq!(run.parameters.get("plug"), Some("7"));
//!             fencer.handle(now, Input::AgentEnded { run: run.run, report: Outcome::ok().into() });
//!         }
//!         Output::Send { to: None, message } => {
//!             fencer.handle(now, Input::Message { from: local.clone(), message });
//!         }
//!         Output::Reply { response: Response::Ended(outcome), call } if call.call == 2 => {
//!             fenced = outcome.is_ok();
//!         }
//!         _ => {}
//!     }
//! }
//! assert!(fenced);
//! # Ok(())
//! # }
//! ```
//!
//! [`Driver`] runs a fencer on real time with real agents inside a program's own
//! `mio` loop; [`Standalone`] is one with a loop of its own.
//!
//! # Secrets
//!
//! Parameters of devices go to agents on standard input and nowhere else: they are
//! [`Secret`](secret::Secret)s, which do not show, and no [`Message`](message::Message) can carry
//! one. What agents print is stripped of passwords before anyone else sees it.
//!
//! # Where this differs from the reference
//!
//! Replies carry the number of the request they answer, so a late or doubled one is never taken for
//! the answer to another. A request for a real device at a peer is judged by its result even if the
//! target has a watchdog; only when no peer can do it is the watchdog's time waited for. A peer or
//! an owner that leaves is noticed at once instead of by a timer. Devices are tried in ascending
//! order of their ids. Exit status 2 of `status` is an answer and is not retried. Differential
//! histories are merged. A target's success that an executor tells on behalf of an owner that
//! fences itself is told only if it completes the operation.

#![deny(unsafe_code)]
#![warn(missing_docs)]

pub mod name;

pub mod clock;

pub mod interval;

pub mod secret;

pub mod outcome;

pub mod targets;

pub mod agent;

pub mod device;

pub mod topology;

pub mod watchdog;

pub mod message;

pub mod executor;

pub mod operation;

pub mod history;

pub mod fencer;

pub mod process;

pub mod driver;

#[cfg(feature = "planted-faults")]
pub mod fault;
#[cfg(not(feature = "planted-faults"))]
mod fault;

pub use driver::{Driver, Standalone};
pub use fencer::{Fencer, Input, Output, Request, Response};
