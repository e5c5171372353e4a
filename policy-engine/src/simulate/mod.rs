//! Offline simulation: inject, schedule, execute, and look again (spec 40).

mod execute;
mod inject;
mod opspec;
mod places;
mod report;
mod signature;
mod step;
mod story;
mod working;

pub use inject::{Injections, TicketChange};
pub use opspec::{OperationKey, OperationSpec, OperationSpecError};
pub use places::{Overload, Place, Places};
pub use report::{Artifacts, End, Request, RunData, SimulationReport, run};
pub use step::Step;
pub(crate) use story::run as run_story;
pub use story::{Bounds, Ending, Event, Round, Simulation, simulate};
pub(crate) use working::Working;
pub use working::WorkingError;
