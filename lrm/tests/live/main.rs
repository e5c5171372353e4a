//! The executor on real processes, buses and agents.

mod rig;
#[cfg(feature = "dbus")]
mod scripted_systemd;

mod debian;
mod misbehaving;
mod restart;
mod scenarios;
#[cfg(feature = "dbus")]
mod units;
