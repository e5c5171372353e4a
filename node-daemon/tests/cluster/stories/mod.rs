//! A day in the life of a cluster: the scenarios of chapter 90, each with what must follow and what must not.

mod change;
mod failure;
mod fencing;
mod leaving;
mod loss;
mod partition;
mod start;
mod subsystem;
