//! A day in the life of a cluster (spec 90), each with what must follow and what must not.

mod failure;
mod fencing;
mod leaving;
mod partition;
mod start;
mod subsystem;
