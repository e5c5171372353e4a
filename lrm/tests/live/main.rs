//! The executor on real processes, buses and agents.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

#[cfg(feature = "dbus")]
mod private_bus;
mod rig;
#[cfg(feature = "dbus")]
mod scripted_systemd;

mod debian;
mod misbehaving;
#[cfg(feature = "dbus")]
mod real_systemd;
mod restart;
mod scenarios;
mod secrets;
#[cfg(feature = "dbus")]
mod units;
