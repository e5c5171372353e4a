//! When to feed the watchdog: a state machine that stops feeding rather than feed wrongly.

use std::time::Duration;

/// What the feeder is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FeederInput {
    /// The node is well: in the majority, its subsystems answer.
    Healthy,
    /// The node must go: nothing feeds the watchdog again.
    MustReset,
    /// An orderly stop: the watchdog is to be disarmed.
    Stop,
    /// Time has passed.
    Tick,
}

/// What the feeder wants done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FeederOutput {
    /// Feed the watchdog.
    Feed,
    /// Disarm it.
    Disarm,
}

/// Feeds a watchdog of a given time as long as health is confirmed.
///
/// The hardware resets the host `timeout` after the last feeding. Feedings come every third of
/// that, and none is later than `timeout / 3` after the last confirmation of health; so a node
/// that lost its health is reset at most 4/3 of `timeout` later. Anyone who waits for it waits
/// twice the timeout ([`WatchdogOption::Automatic`](crate::watchdog::WatchdogOption::Automatic)).
#[derive(Debug, Clone)]
pub struct Feeder {
    period: Duration,
    healthy_until: Duration,
    next: Option<Duration>,
}

impl Feeder {
    /// A feeder for a watchdog that resets the host `timeout` after the last feeding.
    pub fn new(now: Duration, timeout: Duration) -> Self {
        let period = timeout / 3;
        Self { period, healthy_until: now + period, next: Some(now) }
    }

    /// Takes an input and says what to do now.
    pub fn handle(&mut self, now: Duration, input: FeederInput) -> Option<FeederOutput> {
        match input {
            FeederInput::Healthy if self.next.is_some() => self.healthy_until = now + self.period,
            FeederInput::Healthy | FeederInput::Tick => {}
            FeederInput::MustReset => self.next = None,
            FeederInput::Stop => {
                return self.next.take().map(|_| FeederOutput::Disarm);
            }
        }
        let due = self.next.is_some_and(|next| next <= now);
        if !due || now > self.healthy_until {
            return None;
        }
        self.next = Some(now + self.period);
        Some(FeederOutput::Feed)
    }

    /// When to call again; never once feeding has ended.
    pub fn poll_timeout(&self) -> Option<Duration> {
        self.next.filter(|next| *next <= self.healthy_until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use FeederInput::*;

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn feeds_while_healthy_and_not_after() {
        let mut feeder = Feeder::new(at(0), at(9));
        assert_eq!(feeder.handle(at(0), Tick), Some(FeederOutput::Feed));
        assert_eq!(feeder.handle(at(2), Healthy), None);
        assert_eq!(feeder.poll_timeout(), Some(at(3)));
        assert_eq!(feeder.handle(at(3), Tick), Some(FeederOutput::Feed));
        assert_eq!(feeder.handle(at(6), Tick), None, "health was last confirmed at 2");
        assert_eq!(feeder.poll_timeout(), None);
        assert_eq!(feeder.handle(at(7), Healthy), Some(FeederOutput::Feed));
    }

    #[test]
    fn a_node_that_must_go_is_never_fed_again() {
        let mut feeder = Feeder::new(at(0), at(9));
        assert_eq!(feeder.handle(at(1), MustReset), None);
        for input in [Healthy, Tick, Stop, Healthy] {
            assert_eq!(feeder.handle(at(2), input), None);
        }
        assert_eq!(feeder.poll_timeout(), None);
    }

    #[test]
    fn an_orderly_stop_disarms_once() {
        let mut feeder = Feeder::new(at(0), at(9));
        assert_eq!(feeder.handle(at(1), Stop), Some(FeederOutput::Disarm));
        assert_eq!(feeder.handle(at(1), Stop), None);
    }
}
