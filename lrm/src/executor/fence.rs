//! Fence devices as resources (spec 80 §15): probes from memory, everything else by the fencer.

use std::time::Duration;

use super::output::{FenceAction, FenceRequest, Now, Output, RunId};
use super::task::{Fate, Phase, Running};
use super::{Ending, Executor};
use crate::agent::Standard;
use crate::outcome::{ExecStatus, OcfExit, Outcome};

/// What is known of a device without asking.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DeviceMemory {
    /// Never started, or stopped.
    Unregistered,
    /// Started with success.
    Running,
    /// Was running when the fencer went away.
    Lost,
}

const LOST: &str = "Lost connection to fencer";

impl DeviceMemory {
    fn probe(self) -> Outcome {
        match self {
            Self::Unregistered => {
                Outcome { exit: OcfExit::NotRunning, status: ExecStatus::Error, reason: None }
            }
            Self::Running => Outcome::OK,
            Self::Lost => lost(),
        }
    }
}

fn lost() -> Outcome {
    Outcome::new(OcfExit::Error, ExecStatus::Error, LOST)
}

/// A timeout for the fencer, which counts seconds: rounded, at least one.
fn whole_seconds(timeout: Duration) -> Duration {
    Duration::from_secs(((timeout.as_millis() + 500) / 1000).max(1).try_into().unwrap_or(u64::MAX))
}

/// What the executor makes of the fencer's answer to an action (spec 80 §15).
#[must_use]
pub fn fence_outcome(action: &str, answer: Outcome) -> Outcome {
    let Outcome { exit, status, reason } = answer;
    let failed = if exit == OcfExit::Ok { OcfExit::Ok } else { OcfExit::Error };
    let (exit, status) = match status {
        ExecStatus::NotConnected | ExecStatus::Invalid => (failed, ExecStatus::Error),
        ExecStatus::NoFenceDevice => {
            let exit = match action {
                "monitor" => OcfExit::NotRunning,
                "stop" => OcfExit::Ok,
                _ => OcfExit::NotInstalled,
            };
            (exit, ExecStatus::Error)
        }
        ExecStatus::NotSupported => (OcfExit::Unimplemented, status),
        _ => (failed, status),
    };
    Outcome { exit, status, reason }
}

impl Executor {
    /// Starts an operation of a fence device, or answers it at once.
    pub(super) fn start_fence(&self, op: usize, run: RunId) -> Result<FenceRequest, Outcome> {
        let operation = &self.operations[op];
        let registration = &self.registrations[operation.registration];
        let request = &operation.request;
        let timeout = whole_seconds(request.timeout);
        let action = if request.action.is("start") {
            FenceAction::Start {
                agent: registration.resource.agent.clone(),
                parameters: request.parameters.clone(),
                timeout,
            }
        } else if request.action.is("stop") {
            FenceAction::Stop
        } else if !request.action.asks_status() {
            return Err(Outcome::new(
                OcfExit::Unimplemented,
                ExecStatus::Error,
                "Invalid fence device action (bug?)",
            ));
        } else if request.interval.recurs() {
            FenceAction::Monitor { timeout }
        } else {
            return Err(registration.device.probe());
        };
        Ok(FenceRequest { run, device: registration.resource.id.clone(), action })
    }

    /// Remembers what an answer says about the device.
    pub(super) fn remember_device(&mut self, op: usize, outcome: &Outcome) {
        let operation = &self.operations[op];
        let registration = &mut self.registrations[operation.registration];
        if *registration.resource.agent.standard() != Standard::Stonith || !outcome.is_ok() {
            return;
        }
        if operation.request.action.is("start") {
            registration.device = DeviceMemory::Running;
        } else if operation.request.action.is("stop") {
            registration.device = DeviceMemory::Unregistered;
        }
    }

    /// Ends everything that fence devices have in hand.
    pub(super) fn fencer_lost(&mut self, now: Now) {
        let devices: Vec<usize> = self
            .registrations
            .iter()
            .filter(|(_, r)| *r.resource.agent.standard() == Standard::Stonith)
            .map(|(key, _)| key)
            .collect();
        for key in devices {
            let registration = &mut self.registrations[key];
            if registration.device == DeviceMemory::Running {
                registration.device = DeviceMemory::Lost;
            }
            let mut affected: Vec<usize> = registration.active.into_iter().collect();
            for op in registration.pending.iter().chain(&registration.recurring) {
                if !affected.contains(op) {
                    affected.push(*op);
                }
            }
            for op in affected {
                let mut outcome = lost();
                if let Phase::Running(Running { run, fate, .. }) = self.operations[op].phase {
                    self.runs.remove(&run);
                    self.outputs.push_back(Output::Abandon(run));
                    if fate == Fate::Cancelled {
                        outcome.status = ExecStatus::Cancelled;
                    }
                }
                self.unqueue(op);
                self.conclude(now, op, Ending::plain(outcome));
            }
            self.examine(now, key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_of_the_fencer_are_mapped() {
        use ExecStatus as S;
        let cases = [
            ("start", 0, S::Done, 0, S::Done),
            ("start", 7, S::Done, 1, S::Done),
            ("start", 1, S::Cancelled, 1, S::Cancelled),
            ("start", 1, S::NotConnected, 1, S::Error),
            ("monitor", 1, S::Invalid, 1, S::Error),
            ("monitor", 1, S::NoFenceDevice, 7, S::Error),
            ("stop", 1, S::NoFenceDevice, 0, S::Error),
            ("start", 1, S::NoFenceDevice, 5, S::Error),
            ("start", 1, S::NotSupported, 3, S::NotSupported),
            ("start", 1, S::Timeout, 1, S::Timeout),
        ];
        for (action, exit, status, to_exit, to_status) in cases {
            let exit = OcfExit::from_code(exit).unwrap();
            let got = fence_outcome(action, Outcome { exit, status, reason: None });
            assert_eq!((got.exit.code(), got.status), (to_exit, to_status), "{action} {status:?}");
        }
    }

    #[test]
    fn fencer_timeouts_are_whole_seconds_of_at_least_one() {
        for (ms, seconds) in [(0, 1), (400, 1), (1_499, 1), (1_500, 2), (20_000, 20)] {
            assert_eq!(whole_seconds(Duration::from_millis(ms)), Duration::from_secs(seconds));
        }
    }
}
