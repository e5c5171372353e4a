//! A cluster of real processes: every node in namespaces of its own (or, without root, on loopback), with
//! faults done to it, and what must follow and what must not.
//!
//! [`bed`] builds and breaks clusters; [`scenarios`] are a day in the life of one (spec 90); [`postgresql`]
//! is a real service with a client that must not lose what was acknowledged. One cluster runs at a time.
//! `LIVE_KEEP=1` leaves its files behind.

mod bed;
mod postgresql;
mod scenarios;
