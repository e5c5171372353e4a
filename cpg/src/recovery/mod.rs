//! Recovery: nodes that come from the same old ring end with the same packets of it, and the
//! layer above learns of the change in an order that keeps extended virtual synchrony
//! (spec 70 §6, §7).

mod install;
mod old_ring;
mod plan;
mod progress;

pub(crate) use old_ring::OldRing;
pub(crate) use plan::RecoveryPlan;
pub(crate) use progress::{Recovery, RecoveryStep};
