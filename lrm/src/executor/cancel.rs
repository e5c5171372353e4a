//! Cancelling and releasing (spec 80 §5.6, §5.7).

use super::conclude::Ending;
use super::output::{Now, Output, Scope, Signal};
use super::task::{DEATH, Fate, Means, Operation, Phase};
use super::timers::Owner;
use super::{Executor, Runner};
use crate::outcome::Outcome;

impl Operation {
    /// Was cancelled, and its run is being ended.
    pub(super) fn is_cancelled(&self) -> bool {
        matches!(&self.phase, Phase::Running(running) if running.fate == Fate::Cancelled)
    }

    fn recurs(&self) -> bool {
        self.request.interval.recurs()
    }
}

impl Executor {
    /// Cancels one operation: at once, or, when its run must end first, as soon as it has.
    pub(super) fn cancel_operation(&mut self, now: Now, op: usize) {
        let operation = &mut self.operations[op];
        if let Phase::Running(running) = &mut operation.phase {
            let run = running.run;
            match running.means {
                Means::Process(_) => {
                    running.fate = Fate::Cancelled;
                    self.outputs.push_back(Output::Signal {
                        run,
                        signal: Signal::Kill,
                        scope: Scope::Group,
                    });
                    self.timers.set(Owner::Operation(op), Some(now.monotonic + DEATH));
                    return;
                }
                Means::Fencer => {
                    running.fate = Fate::Cancelled;
                    return;
                }
                Means::Service => {
                    self.runs.remove(&run);
                    self.outputs.push_back(Output::Abandon(run));
                }
            }
        }
        self.unqueue(op);
        let exit = self.operations[op].exit;
        self.conclude(now, op, Ending::plain(Outcome::cancelled(exit)));
    }

    /// Cancels the recurring operations of a resource that `which` picks.
    pub(super) fn cancel_all_recurring(
        &mut self,
        now: Now,
        key: usize,
        which: impl Fn(&Operation) -> bool,
    ) {
        let registration = &self.registrations[key];
        let mut all: Vec<usize> =
            registration.pending.iter().chain(&registration.recurring).copied().collect();
        all.sort_unstable();
        all.dedup();
        for op in all {
            let operation = &self.operations[op];
            if operation.recurs() && !operation.is_cancelled() && which(operation) {
                self.cancel_operation(now, op);
            }
        }
    }

    pub(super) fn drop_recurring(&mut self, now: Now, which: impl Fn(&Operation) -> bool) {
        let keys: Vec<usize> = self
            .registrations
            .iter()
            .filter(|(_, registration)| registration.resource.drop_recurring && !registration.gone)
            .map(|(key, _)| key)
            .collect();
        for key in keys {
            self.cancel_all_recurring(now, key, &which);
            self.examine(now, key);
        }
    }

    /// Frees a registration: waiting operations are cancelled, a single run under way goes on.
    pub(super) fn release(&mut self, now: Now, key: usize) {
        let registration = &mut self.registrations[key];
        registration.gone = true;
        self.by_id.remove(&registration.resource.id);
        let waiting: Vec<usize> = registration.pending.iter().copied().collect();
        for op in waiting {
            self.cancel_operation(now, op);
        }
        if self.registrations.contains(key) {
            self.cancel_all_recurring(now, key, |_| true);
        }
        self.bury(key);
    }

    /// Forgets a registration that is gone and has nothing left.
    pub(super) fn bury(&mut self, key: usize) {
        if let Some(registration) = self.registrations.get(key)
            && registration.gone
            && registration.active.is_none()
            && registration.pending.is_empty()
            && registration.recurring.is_empty()
        {
            self.registrations.remove(key);
        }
    }

    /// Forgets an operation.
    pub(super) fn discard(&mut self, op: usize) {
        self.unqueue(op);
        let operation = self.operations.remove(op);
        if let Phase::Running(running) = &operation.phase {
            debug_assert!(!matches!(self.runs.get(&running.run), Some(Runner::Operation(_))));
        }
        let registration = &mut self.registrations[operation.registration];
        registration.recurring.retain(|other| *other != op);
    }
}
