//! The timer table: at most one instant per owner.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Whose timer it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Owner {
    /// An operation, by its key in the arena.
    Operation(usize),
    /// A run without a resource.
    Detached(usize),
}

#[derive(Debug, Default)]
pub(super) struct Timers {
    by_time: BTreeSet<(Duration, Owner)>,
    by_owner: BTreeMap<Owner, Duration>,
}

impl Timers {
    /// Sets, moves or (with `None`) clears the owner's timer.
    pub(super) fn set(&mut self, owner: Owner, at: Option<Duration>) {
        if let Some(old) = self.by_owner.remove(&owner) {
            self.by_time.remove(&(old, owner));
        }
        if let Some(at) = at {
            self.by_owner.insert(owner, at);
            self.by_time.insert((at, owner));
        }
    }

    pub(super) fn next(&self) -> Option<Duration> {
        self.by_time.first().map(|(at, _)| *at)
    }

    /// Takes the earliest timer that is due.
    pub(super) fn take_due(&mut self, now: Duration) -> Option<Owner> {
        let (at, owner) = *self.by_time.first()?;
        if at > now {
            return None;
        }
        self.set(owner, None);
        Some(owner)
    }
}
