//! Watchdog self-fencing: who does it, how long to wait for it, and the timer that carries it out
//! (spec 81 §10).

mod device;
mod feeder;
mod policy;

pub use device::{
    HardwareWatchdog, HostReset, PanicAction, SelfReset, Watchdog, WatchdogError,
    parse_panic_action,
};
pub use feeder::{Feeder, FeederInput, FeederOutput};
pub use policy::{
    WatchdogMismatch, WatchdogOption, WatchdogPolicy, WatchdogRefusal, check_own_watchdog,
};
