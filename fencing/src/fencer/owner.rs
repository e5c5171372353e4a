//! Owning operations: start, merge, carry out what the conduct decides, conclude (spec 81 §7.4,
//! §7.9, §7.10).

use log::Level;

use crate::clock::{Moment, Seconds};
use crate::executor::CallId;
use crate::fault::{Fault, planted};
use crate::fencer::{Fencer, Response, Timer};
use crate::history::Record;
use crate::message::{Message, OperationResult, Query, State};
use crate::name::{NodeName, OperationId};
use crate::operation::{Conduct, Next, Task, View};
use crate::outcome::Outcome;

impl Fencer {
    /// Becomes the owner of a new operation, or lets it wait for an identical one.
    pub(super) fn own(
        &mut self,
        now: Moment,
        task: Task,
        allow_self: bool,
        call: Option<CallId>,
        relayed_for: Option<(NodeName, OperationId)>,
    ) {
        let query = Query {
            operation: OperationId::random(&mut self.rng),
            relay: relayed_for.as_ref().map(|(_, stand_in)| *stand_in),
            target: task.target.clone(),
            action: task.action,
            client: task.client.clone(),
            base: task.base,
            allow_self,
        };
        let mut record = Record::new(now, &query, self.local.clone());
        record.call = call;
        record.relayed_for = relayed_for;
        let merged = self.merge_into_others(now, &mut record);
        self.history.insert(record);
        if merged {
            return;
        }
        let levels = self.topology.levels(&task.target, &self.attributes);
        let conduct = Conduct::new(query.operation, task, levels, self.active.len());
        let id = query.operation;
        let patience = query.base.with_allowance().max(Seconds(1));
        self.timers.arm(Timer::Query(id), now.elapsed + patience.duration());
        self.conducts.insert(id, conduct);
        self.log_conduct(id);
        self.broadcast(Message::Query(query));
    }

    /// Attaches a new operation to all pending ones for the same. Those whose owner is gone will
    /// never end, so they have failed.
    fn merge_into_others(&mut self, now: Moment, record: &mut Record) -> bool {
        let mut merged = false;
        for id in self.history.same_requests(record) {
            let Some(other) = self.history.get(id) else {
                continue;
            };
            if !self.active.contains(&other.originator) {
                self.give_up(now, id);
                continue;
            }
            let overdue =
                other.total.is_some_and(|total| now.elapsed > other.created + total.duration());
            if overdue {
                continue;
            }
            let text = format!(
                "Merging fencing action '{}' targeting {} originating from client {} with identical request from {}@{}{}",
                record.action,
                record.target,
                record.client,
                other.client,
                other.originator,
                other.total.map(|total| format!(" ({total})")).unwrap_or_default()
            );
            let total = other.total.unwrap_or_else(|| record.base.with_allowance());
            self.log(Level::Info, text);
            record.total = Some(total);
            record.state = State::Duplicate;
            if let Some(other) = self.history.get_mut(id) {
                other.duplicates.push(record.id);
            }
            merged = true;
        }
        if let (true, Some(total)) = (merged, record.total) {
            // The result of the other operation may be lost with its owner; this one does not
            // wait for it beyond all measure.
            let patience = total.plus(record.base).with_allowance().max(Seconds(1));
            self.timers.arm(Timer::Total(record.id), now.elapsed + patience.duration());
            record
                .call
                .into_iter()
                .for_each(|call| self.reply_interim(call, Response::Timeout(total)));
        }
        merged
    }

    /// Lets the conduct of an operation act, and carries out its decision.
    pub(super) fn conducted(
        &mut self,
        now: Moment,
        id: OperationId,
        act: impl FnOnce(&mut Conduct, View<'_>) -> Next,
    ) {
        let Some(mut conduct) = self.conducts.remove(&id) else {
            return;
        };
        let known_total = conduct.total().is_some();
        let next = act(&mut conduct, self.view());
        let total = conduct.total().filter(|_| !known_total);
        self.conducts.insert(id, conduct);
        self.log_conduct(id);
        if let Some(total) = total {
            self.total_known(now, id, total);
        }
        self.carry_out(now, id, next);
    }

    fn log_conduct(&mut self, id: OperationId) {
        let lines = self.conducts.get_mut(&id).map(Conduct::take_log).unwrap_or_default();
        self.outputs.extend(lines.into_iter().map(crate::fencer::Output::Log));
    }

    fn total_known(&mut self, now: Moment, id: OperationId, total: Seconds) {
        self.timers.arm(Timer::Total(id), now.elapsed + total.duration());
        let Some(record) = self.history.get_mut(id) else {
            return;
        };
        record.total = Some(total);
        let (call, relayed) = (record.call, record.relayed_for.clone());
        if let Some(call) = call {
            self.reply_interim(call, Response::Timeout(total));
        }
        if let Some((node, _)) = relayed {
            self.send(&node, Message::TimeoutUpdate { operation: id, total });
        }
    }

    fn carry_out(&mut self, now: Moment, id: OperationId, next: Next) {
        let watchdog_time = |wait: Seconds| {
            if planted(Fault::WatchdogHalfTime) { wait.duration() / 2 } else { wait.duration() }
        };
        match next {
            Next::Wait => {}
            Next::Request { peer, request, timer, watchdog } => {
                self.timers.cancel(&Timer::Request(id));
                self.timers.cancel(&Timer::Watchdog(id));
                self.executing(id);
                match watchdog {
                    Some(wait) => {
                        self.timers.arm(Timer::Watchdog(id), now.elapsed + watchdog_time(wait));
                    }
                    None => self.timers.arm(Timer::Request(id), now.elapsed + timer.duration()),
                }
                self.send(&peer, Message::Fence(request));
            }
            Next::Watchdog { wait } => {
                self.executing(id);
                self.timers.cancel(&Timer::Request(id));
                // The wait may begin late in the operation and is not to be cut short.
                self.timers.cancel(&Timer::Total(id));
                self.timers.arm(Timer::Watchdog(id), now.elapsed + watchdog_time(wait));
            }
            Next::Finish(outcome) => self.conclude(id, outcome),
        }
    }

    fn executing(&mut self, id: OperationId) {
        if let Some(record) = self.history.get_mut(id) {
            record.state = State::Exec;
        }
    }

    /// The operation has ended for its owner. All, the owner included, take the end from the
    /// broadcast.
    fn conclude(&mut self, id: OperationId, outcome: Outcome) {
        let delegate = self.conducts.remove(&id).and_then(|conduct| conduct.delegate().cloned());
        self.cancel_timers(id);
        let Some(record) = self.history.get_mut(id) else {
            return;
        };
        record.concluded = true;
        let unattributed = outcome.status == crate::outcome::ExecutionStatus::NoFenceDevice;
        let result = OperationResult {
            operation: id,
            target: record.target.clone(),
            action: record.action,
            originator: record.originator.clone(),
            client: record.client.clone(),
            delegate: delegate.filter(|_| !unattributed),
            outcome,
        };
        self.broadcast(Message::Result(result));
    }

    pub(super) fn cancel_timers(&mut self, id: OperationId) {
        for timer in [Timer::Query(id), Timer::Total(id), Timer::Request(id), Timer::Watchdog(id)] {
            self.timers.cancel(&timer);
        }
    }

    /// Nobody will say how an operation of another owner has ended.
    pub(super) fn give_up(&mut self, now: Moment, id: OperationId) {
        let reason = "Originator left the cluster before the result was known";
        let outcome = Outcome::invalid(crate::outcome::exit::EXPIRED, reason);
        self.end_record(now, id, outcome, None, false);
    }
}
