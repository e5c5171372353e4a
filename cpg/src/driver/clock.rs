use crate::time::Time;
use std::time::Instant;

/// The monotonic clock of the system, counted from the start of the driver.
#[derive(Debug)]
pub(super) struct Clock {
    origin: Instant,
}

impl Clock {
    pub(super) fn start() -> Clock {
        Clock { origin: Instant::now() }
    }

    pub(super) fn now(&self) -> Time {
        let nanos = self.origin.elapsed().as_nanos();
        Time::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }
}
