//! The operational ring: token rotation, ordering, retransmission, flow control, delivery
//! (spec 70 §4 and §20).

mod custody;
mod flow;
mod operational;
mod rotation;
mod timing;
mod window;

pub use flow::{FlowLimits, WINDOW_BYTES};
pub use timing::{Reconfiguration, RingConfiguration, Timing};

pub(crate) use custody::Custody;
pub(crate) use operational::Operational;
pub(crate) use rotation::{Acceptance, Rotation, Source};
pub(crate) use window::Window;
