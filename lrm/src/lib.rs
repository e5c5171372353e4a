//! Runs resource agents of every standard, one queue per resource, with recurring monitors: the
//! local executor of a high-availability cluster, as a library.
//!
//! A *resource* is registered under an id with the agent that implements it. *Operations* are then
//! requested on it: `start`, `stop`, `monitor` every ten seconds. One operation of a resource runs
//! at a time, those of different resources run side by side. Each result is reported as an event,
//! with an OCF exit code, an execution status and a reason.
//!
//! The [`executor`] is a state machine without I/O; its docs hold the drain contract. The [`driver`]
//! runs it on real processes, D-Bus and clocks in one `mio` loop; on a busy machine results come at
//! once from a thread that goes before others ([`driver::run_first`]). What an agent is handed is in
//! [`invocation`], what its end means in [`outcome`], and what the cluster records of it in
//! [`history`].
//!
//! ```
//! # #[cfg(feature = "driver")]
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use std::{sync::Arc, time::Duration};
//! use lrm::driver::{AgentPaths, Driver, DriverConfig};
//! use lrm::executor::EventKind;
//! use lrm::operation::{Action, ClientId, Parameters, Request, Resource, ResourceId};
//!
//! let agents = concat!(env!("CARGO_MANIFEST_DIR"), "/agents");
//! let paths = AgentPaths::below(agents.into());
//! let mut driver = Driver::new(DriverConfig { paths, ..Default::default() })?;
//!
//! let id = ResourceId::new("example")?;
//! let agent = Arc::new("ocf:understudy:Dummy".parse()?);
//! driver.register(Resource { id: id.clone(), agent, drop_recurring: true });
//!
//! let state = std::env::temp_dir().join(format!("example-{}", std::process::id()));
//! let parameters = Parameters::from_pairs([("state", state.to_str().ok_or("path")?)])?;
//! let start = Request::once(id.clone(), Action::new("start")?, Duration::from_secs(20));
//! driver.execute(ClientId(1), start.with(parameters.clone()))?;
//! let stop = Request::once(id, Action::new("stop")?, Duration::from_secs(20));
//! driver.execute(ClientId(1), stop.with(parameters))?;
//!
//! let mut results = Vec::new();
//! while results.len() < 2 {
//!     driver.turn(None)?;
//!     while let Some(event) = driver.poll_event() {
//!         if let EventKind::Completed(result) = event.kind {
//!             results.push(format!("{} {}", result.key(), result.outcome.exit.text()));
//!         }
//!     }
//! }
//! assert_eq!(results, ["example_start_0 OK", "example_stop_0 OK"]);
//! # Ok(())
//! # }
//! # #[cfg(not(feature = "driver"))]
//! # fn main() {}
//! ```
//!
//! # What it does not do
//! It decides nothing: which resource runs where, whether a failure matters, and when to fence is
//! the policy engine's. It executes no fence device; it asks a fencer ([`driver::Fencer`]). It
//! speaks no network protocol.
//!
//! # Features
//! `driver` is the process driver; without it the crate is the pure core. `dbus` (default, with
//! `driver`) adds systemd units.
//!
//! Agents of our own, for demonstrations and tests, are in `agents/`: `Dummy`, `Stateful` and
//! `Service`.

#![cfg_attr(not(feature = "driver"), forbid(unsafe_code))]
#![deny(unsafe_code)]

pub mod agent;
pub mod operation;

pub mod executor;
pub mod invocation;
pub mod outcome;
pub mod systemd;

pub mod metadata;

pub mod digest;
pub mod history;

#[cfg(feature = "driver")]
pub mod driver;
