//! systemd units as resources (spec 80 §9): names, and the conversation with systemd that one
//! action takes. No I/O; the bus is the driver's.

mod action;
mod unit;

pub use action::{Call, Progress, Reply, Step, UnitAction};
pub use unit::{UnitName, override_directory, override_text, unit_agents};
