//! The driver watches itself: whether it runs when it should, and whether anything can be sent.

use crate::protocol::{Fault, ScheduleMiss, Trouble};
use crate::time::Time;
use std::collections::VecDeque;
use std::time::{Duration, SystemTime};

/// So many sends may fail in a row on every link before that is told.
const MANY_FAILURES: u32 = 30;
/// Times in which the process did not run that are remembered.
const MISSES: usize = 10;

/// What the driver has noticed of itself.
#[derive(Debug, Default)]
pub(super) struct Watch {
    /// The end of the last turn.
    left: Option<Time>,
    /// Latest first.
    misses: VecDeque<ScheduleMiss>,
    troubles: VecDeque<Trouble>,
    /// No earlier than this the next failure to send is told.
    quiet_until: Time,
}

impl Watch {
    /// The caller is back for a turn.
    pub(super) fn entered(&mut self, now: Time, token: Duration) {
        if let Some(left) = self.left.take() {
            self.judge(now.since(left), token);
        }
    }

    /// The wait for readiness is over; it was to be so at `due`.
    pub(super) fn woke(&mut self, due: Option<Time>, now: Time, token: Duration) {
        if let Some(due) = due {
            self.judge(now.since(due), token);
        }
    }

    pub(super) fn left(&mut self, now: Time) {
        self.left = Some(now);
    }

    fn judge(&mut self, delay: Duration, token: Duration) {
        let threshold = token * 4 / 5;
        if delay <= threshold {
            return;
        }
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let at_ms = u64::try_from(since.as_millis()).unwrap_or(u64::MAX);
        let miss = ScheduleMiss { at_ms, delay, threshold };
        self.misses.push_front(miss);
        self.misses.truncate(MISSES);
        self.troubles.push_back(Trouble::NotScheduled(miss));
    }

    /// Looks at the sends that failed in a row, of the link where they are fewest.
    pub(super) fn sends(&mut self, failures: Option<u32>, now: Time, token: Duration) {
        if failures.is_some_and(|failures| failures > MANY_FAILURES) && self.quiet_until <= now {
            self.quiet_until = now + token;
            self.troubles.push_back(Trouble::CannotForm(Fault::SendFailures));
        }
    }

    pub(super) fn misses(&self) -> &VecDeque<ScheduleMiss> {
        &self.misses
    }

    pub(super) fn poll_trouble(&mut self) -> Option<Trouble> {
        self.troubles.pop_front()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: Duration = Duration::from_secs(1);

    fn at(ms: u64) -> Time {
        Time::ZERO + Duration::from_millis(ms)
    }

    fn misses(watch: &mut Watch) -> Vec<u128> {
        let delay = |trouble| match trouble {
            Trouble::NotScheduled(miss) => miss.delay.as_millis(),
            Trouble::CannotForm(_) => panic!("{trouble:?}"),
        };
        std::iter::from_fn(|| watch.poll_trouble()).map(delay).collect()
    }

    #[test]
    fn more_than_four_fifths_of_the_token_time_out_is_too_late() {
        let mut watch = Watch::default();
        watch.entered(at(5000), TOKEN); // before the first turn nothing is late
        watch.woke(Some(at(5100)), at(5900), TOKEN);
        watch.woke(None, at(9000), TOKEN);
        assert_eq!(misses(&mut watch), []);
        watch.woke(Some(at(5100)), at(5901), TOKEN);
        watch.left(at(6000));
        watch.entered(at(6800), TOKEN);
        watch.left(at(7000));
        watch.entered(at(9000), TOKEN);
        assert_eq!(misses(&mut watch), [801, 2000], "late from the wait, and kept by the caller");
        for _ in 0..MISSES {
            watch.woke(Some(at(0)), at(1000), TOKEN);
        }
        assert_eq!(watch.misses().len(), MISSES, "the earliest are forgotten");
        assert!(watch.misses().iter().all(|miss| miss.delay == TOKEN));
    }

    #[test]
    fn that_nothing_can_be_sent_is_told_once_per_token_time_out() {
        let mut watch = Watch::default();
        for (failures, ms, told) in [
            (None, 0, false),
            (Some(30), 0, false),
            (Some(31), 0, true),
            (Some(40), 999, false),
            (Some(50), 1000, true),
            (Some(0), 5000, false),
        ] {
            watch.sends(failures, at(ms), TOKEN);
            let expected = told.then_some(Trouble::CannotForm(Fault::SendFailures));
            assert_eq!(watch.poll_trouble(), expected, "{failures:?} at {ms}");
        }
    }
}
