//! Known faults that tests plant, one at a time, to prove that the simulation finds them. Without
//! the feature `planted-faults` every one of them is compiled out.

/// A fault that can be planted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// A fence request that nobody answered in time counts as success.
    TimeoutsAreSuccess,
    /// One device of a level is enough.
    OneDeviceIsEnough,
    /// A reply counts whichever request it answers.
    AnyReplyCounts,
    /// What an earlier process left behind counts as done.
    LeftoversAreDone,
    /// Watchdog fencing is believed after half the time.
    WatchdogHalfTime,
    /// A doubled request runs the agent again.
    DoubledRequestsRun,
    /// The executor tells all about every success on behalf of an owner that fences itself.
    AnySuccessCompletes,
}

#[cfg(feature = "planted-faults")]
mod planting {
    use super::Fault;
    use std::cell::Cell;

    thread_local! {
        static PLANTED: Cell<Option<Fault>> = const { Cell::new(None) };
    }

    impl Fault {
        /// All faults.
        pub const ALL: [Self; 7] = [
            Self::TimeoutsAreSuccess,
            Self::OneDeviceIsEnough,
            Self::AnyReplyCounts,
            Self::LeftoversAreDone,
            Self::WatchdogHalfTime,
            Self::DoubledRequestsRun,
            Self::AnySuccessCompletes,
        ];

        /// Plants a fault in this thread, or removes it.
        pub fn plant(fault: Option<Self>) {
            PLANTED.set(fault);
        }
    }

    pub(crate) fn planted(fault: Fault) -> bool {
        PLANTED.get() == Some(fault)
    }
}

#[cfg(feature = "planted-faults")]
pub(crate) use planting::planted;

#[cfg(not(feature = "planted-faults"))]
pub(crate) const fn planted(_: Fault) -> bool {
    false
}
