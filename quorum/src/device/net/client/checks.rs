//! When the node's own checks are made, and what becomes of their result.

use std::time::Duration;

use super::{Client, NetNotice, Output, Problem, Purpose};
use crate::device::Heuristics;

impl Client {
    /// Begins the node's own checks; `false` if there are none.
    pub(super) fn check(&mut self, now: Duration, purpose: Purpose) -> bool {
        let Some(checks) = &self.settings.checks else { return false };
        let timeout = match purpose {
            Purpose::Members => checks.sync_timeout,
            Purpose::Regular => checks.timeout,
        };
        self.next_check = checks.interval.map(|interval| now + interval);
        let round = self.checks.0.wrapping_add(1);
        self.checks = (round, Some(purpose));
        self.outputs.push_back(Output::Check { round, timeout });
        true
    }

    pub(super) fn checked(&mut self, now: Duration, round: u32, passed: bool) {
        let (present, Some(purpose)) = self.checks else { return };
        if present != round {
            return;
        }
        self.checks.1 = None;
        let result = if passed { Heuristics::Pass } else { Heuristics::Fail };
        if result != self.heuristics {
            self.outputs.push_back(Output::Notice(NetNotice::Checked { passed }));
        }
        match purpose {
            Purpose::Regular => self.set_heuristics(result),
            Purpose::Members => {
                self.heuristics = result;
                if let Err(problem) = self.report_members() {
                    self.lose(now, problem);
                }
            }
        }
    }

    /// Reports the members, with the result of new checks if there are any.
    pub(super) fn check_and_report_members(&mut self, now: Duration) -> Result<(), Problem> {
        if self.check(now, Purpose::Members) {
            return Ok(());
        }
        self.report_members()
    }

    /// When the next regular checks begin, unless some are running.
    pub(super) fn check_due(&self) -> Option<Duration> {
        self.next_check.filter(|_| self.checks.1.is_none())
    }
}
