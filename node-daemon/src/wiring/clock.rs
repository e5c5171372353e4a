//! The clocks of a process.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rustix::time::{ClockId, clock_gettime};

use crate::subsystem::Now;

/// Reads the clocks; one per process, copied to all who need it.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    began: Instant,
}

impl Clock {
    /// Starts counting.
    pub fn start() -> Clock {
        Clock { began: Instant::now() }
    }

    /// The origin of [`Now::elapsed`].
    pub fn began(self) -> Instant {
        self.began
    }

    /// The present.
    pub fn now(self) -> Now {
        let cpu = clock_gettime(ClockId::ProcessCPUTime);
        let seconds = u64::try_from(cpu.tv_sec).unwrap_or(0);
        let nanos = u32::try_from(cpu.tv_nsec).unwrap_or(0);
        Now {
            elapsed: self.began.elapsed(),
            wall: SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default(),
            cpu: Duration::new(seconds, nanos),
        }
    }
}
