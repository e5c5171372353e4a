//! From a CIB snapshot to a transition: placement, actions, ordering, graph, and offline simulation.

mod actions;
mod graph;
mod history;
mod input;
mod model;
mod ordering;
mod placement;
pub mod report;
mod schedule;
pub mod simulate;
pub mod transition;
