//! Offline simulation: inject, schedule, execute, and look again (spec 40).

mod execute;
mod inject;
mod opspec;
mod report;
mod step;
mod working;

pub use inject::{Injections, TicketChange};
pub use opspec::{OperationKey, OperationSpec, OperationSpecError};
pub use report::{Artifacts, End, Request, RunData, SimulationReport, run};
pub use step::Step;
pub use working::WorkingError;
