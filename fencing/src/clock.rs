//! Time as an input: readings of the clock, whole seconds, and a table of timers.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

/// One reading of the clock, handed to the state machine with every input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Moment {
    /// Monotonic time since any fixed instant; all timers run on it.
    pub elapsed: Duration,
    /// Wall-clock time since the Unix epoch; it dates history records and is never waited on.
    pub wall: Duration,
}

/// A number of whole seconds, the unit of all fencing timeouts (spec 81 §8).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Hash)]
pub struct Seconds(pub u32);

impl Seconds {
    /// None at all.
    pub const ZERO: Self = Self(0);

    /// 1.2 times this, truncated to whole seconds: the allowance for everything that comes on
    /// top of the agents' own time (spec 81 §8).
    pub fn with_allowance(self) -> Self {
        let value = u64::from(self.0) * 12 / 10;
        Self(u32::try_from(value).unwrap_or(u32::MAX))
    }

    /// Milliseconds to seconds as the device options want it: at least 1, halves rounded up.
    pub fn from_millis_at_least_one(millis: u64) -> Self {
        let rounded = (millis.saturating_add(500)) / 1000;
        Self(u32::try_from(rounded.max(1)).unwrap_or(u32::MAX))
    }

    /// As a duration.
    pub fn duration(self) -> Duration {
        Duration::from_secs(u64::from(self.0))
    }

    /// Sum that stays at the largest value instead of wrapping.
    pub fn plus(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}s", self.0)
    }
}

/// Timers that are armed, each under a key that says what it is for.
#[derive(Debug, Clone)]
pub struct Timers<K> {
    due: BTreeMap<K, Duration>,
    order: BTreeSet<(Duration, K)>,
}

impl<K: Ord + Clone> Default for Timers<K> {
    fn default() -> Self {
        Self { due: BTreeMap::new(), order: BTreeSet::new() }
    }
}

impl<K: Ord + Clone> Timers<K> {
    /// Arms the timer `key` for `at`, in place of an earlier setting.
    pub fn arm(&mut self, key: K, at: Duration) {
        self.cancel(&key);
        self.due.insert(key.clone(), at);
        self.order.insert((at, key));
    }

    /// Disarms the timer, if it is armed.
    pub fn cancel(&mut self, key: &K) {
        if let Some(at) = self.due.remove(key) {
            self.order.remove(&(at, key.clone()));
        }
    }

    /// Whether the timer is armed.
    pub fn is_armed(&self, key: &K) -> bool {
        self.due.contains_key(key)
    }

    /// Takes the earliest timer that is due at `now`.
    pub fn pop_due(&mut self, now: Duration) -> Option<K> {
        let (at, key) = self.order.first()?.clone();
        if at > now {
            return None;
        }
        self.cancel(&key);
        Some(key)
    }

    /// When the earliest timer is due.
    pub fn next(&self) -> Option<Duration> {
        self.order.first().map(|(at, _)| *at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn allowance_truncates() {
        for (sum, total) in [(3, 3), (5, 6), (6, 7), (15, 18), (40, 48), (18, 21), (606, 727)] {
            assert_eq!(Seconds(sum).with_allowance(), Seconds(total), "1.2 x {sum}");
        }
    }

    #[test]
    fn timers_fire_in_order_and_once() {
        let mut timers = Timers::default();
        timers.arm("late", Duration::from_secs(3));
        timers.arm("early", Duration::from_secs(9));
        timers.arm("early", Duration::from_secs(1));
        assert_eq!(timers.next(), Some(Duration::from_secs(1)));
        assert_eq!(timers.pop_due(Duration::from_millis(999)), None);
        assert_eq!(timers.pop_due(Duration::from_secs(5)), Some("early"));
        assert_eq!(timers.pop_due(Duration::from_secs(5)), Some("late"));
        assert_eq!(timers.pop_due(Duration::from_secs(50)), None);
    }
}
