//! From a CIB snapshot to a transition: placement, actions, ordering, graph, and offline simulation.
//!
//! [`plan`] is the heart: a pure function from a CIB (a [`cib_model::Document`]) and a time to a [`Plan`]:
//! what has to be started, stopped, moved, promoted, fenced, and in which order. It takes the decisions of
//! Pacemaker 3.0 (feature set [`FEATURE_SET`](transition::FEATURE_SET)) down to the numbering of actions.
//! [`simulate()`] lets events happen and the cluster react until it comes to rest; the module of that name
//! has the classic simulator with its reports as well. [`explain`] tells why a plan is as it is,
//! and [`survey()`] what would come of every failure.
//! [`fence_devices()`] tells which fence devices a node may use.
//! [`transition::executor`] is the state machine that executes a transition, for the simulator as for a
//! live controller.
//!
//! Data flows one way through the modules: `input` and `history` read the document into `model`;
//! `placement` decides where everything goes; `actions` and `ordering` decide what is done for that, and in
//! which order; `graph` makes the [`transition`] of it; `report` tells people.

mod actions;
pub mod explain;
pub mod fence_devices;
mod graph;
mod history;
mod input;
mod model;
mod ordering;
mod placement;
mod plan;
pub mod report;
mod schedule;
pub mod simulate;
pub mod survey;
pub mod transition;

pub use fence_devices::fence_devices;
pub use model::cluster::{Level, Message};
pub use model::score_line::{AssignStage, ScoreLine};
pub use plan::{Options, Plan, plan};
pub use simulate::simulate;
pub use survey::survey;
