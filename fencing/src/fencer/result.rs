//! The end of operations, as every fencer takes it from the broadcast (spec 81 §7.10).

use log::Level;

use crate::clock::{Moment, Seconds};
use crate::fencer::{Fencer, Notification, Response};
use crate::history::Record;
use crate::message::{Message, OperationResult, Query, State};
use crate::name::{NodeName, OperationId};
use crate::outcome::Outcome;

impl Fencer {
    /// An operation has ended, says a fencer.
    pub(super) fn operation_ended(
        &mut self,
        now: Moment,
        from: &NodeName,
        result: OperationResult,
    ) {
        let id = result.operation;
        match self.history.get(id) {
            None if result.originator == *from || result.originator == result.target => {
                self.remember(now, &result);
            }
            None => {
                let text = format!(
                    "Ignoring a result from {from}, which does not own the operation | id={}",
                    id.short()
                );
                return self.log(Level::Error, text);
            }
            Some(record) if !record.state.is_pending() => {
                let text = format!(
                    "Already sent notifications for '{}' targeting {}: Result arrived too late | id={}",
                    record.action,
                    record.target,
                    id.short()
                );
                return self.log(Level::Info, text);
            }
            Some(record) => {
                let may_say = record.originator == *from || record.originator == record.target;
                let fits = record.target == result.target && record.action == result.action;
                if !may_say || !fits {
                    let text = format!(
                        "Ignoring a result from {from}, which does not own the operation | id={}",
                        id.short()
                    );
                    return self.log(Level::Error, text);
                }
            }
        }
        let delegate = result.delegate.clone().or_else(|| attributed(&result, from));
        self.end_record(now, id, result.outcome, delegate, false);
    }

    /// An operation that was not known here until it ended.
    fn remember(&mut self, now: Moment, result: &OperationResult) {
        let query = Query {
            operation: result.operation,
            relay: None,
            target: result.target.clone(),
            action: result.action,
            client: result.client.clone(),
            base: Seconds::ZERO,
            allow_self: false,
        };
        self.history.insert(Record::new(now, &query, result.originator.clone()));
    }

    /// Ends a record: state, log, answer, news, and then the same for those that waited for it.
    pub(super) fn end_record(
        &mut self,
        now: Moment,
        id: OperationId,
        outcome: Outcome,
        delegate: Option<NodeName>,
        merged: bool,
    ) {
        self.cancel_timers(id);
        self.conducts.remove(&id);
        let Some(record) = self.history.get_mut(id).filter(|record| record.state.is_pending())
        else {
            return;
        };
        let state = if outcome.is_ok() { State::Done } else { State::Failed };
        record.state = state;
        record.concluded = true;
        record.completed = now.wall;
        record.delegate = delegate;
        record.outcome = Some(outcome.clone());
        let (call, relayed_for) = (record.call.take(), record.relayed_for.clone());
        let result = OperationResult {
            operation: id,
            target: record.target.clone(),
            action: record.action,
            originator: record.originator.clone(),
            client: record.client.clone(),
            delegate: record.delegate.clone(),
            outcome,
        };
        self.log_end(&result, merged);
        if let Some(call) = call {
            self.reply(call, Response::Ended(result.outcome.clone()));
        }
        if let (true, Some((node, stand_in))) = (merged, relayed_for) {
            // The node that relayed the request never saw a query for it.
            let stand_in = OperationResult { operation: stand_in, ..result.clone() };
            self.send(&node, Message::Result(stand_in));
        }
        self.notify(Notification::Fenced { result, state, merged });
        self.notify(Notification::HistoryChanged);
        self.finish_duplicates(now, id);
    }

    fn log_end(&mut self, result: &OperationResult, merged: bool) {
        let by = result.delegate.as_ref().map_or("unknown node", NodeName::as_str);
        let ours = result.originator == self.local;
        let level = if !result.outcome.is_ok() && ours { Level::Error } else { Level::Info };
        let text = format!(
            "Operation '{}' targeting {} by {by} for {}@{}{}: {} | id={}",
            result.action,
            result.target,
            result.client,
            result.originator,
            if merged { " (merged)" } else { "" },
            result.outcome.summary(),
            result.operation.short()
        );
        self.log(level, text);
    }

    /// Operations that waited for another one take over its end.
    pub(super) fn finish_duplicates(&mut self, now: Moment, id: OperationId) {
        let Some(record) = self.history.get_mut(id) else {
            return;
        };
        let (outcome, delegate) = (record.outcome.clone(), record.delegate.clone());
        let duplicates = std::mem::take(&mut record.duplicates);
        let Some(outcome) = outcome else {
            return;
        };
        for duplicate in duplicates {
            let waits = self.history.get(duplicate).is_some_and(|d| d.state == State::Duplicate);
            if waits {
                self.end_record(now, duplicate, outcome.clone(), delegate.clone(), true);
            } else {
                let text = format!("Skipping duplicate notification | id={}", duplicate.short());
                self.log(Level::Info, text);
            }
        }
    }

    /// Something that waited for another fencer has waited long enough: a stand-in, or a duplicate
    /// of an operation whose end was never heard.
    pub(super) fn waiting_expired(&mut self, now: Moment, id: OperationId) {
        let waits = |record: &Record| record.stand_in || record.state == State::Duplicate;
        if self.history.get(id).is_some_and(waits) {
            let reason = "No result was heard from the fencer in charge in time";
            self.end_record(now, id, Outcome::timeout(reason), None, false);
        }
    }
}

/// Who executed an operation, if its result does not say: the sender, unless there was no device
/// or the operation was merely given up.
fn attributed(result: &OperationResult, from: &NodeName) -> Option<NodeName> {
    use crate::outcome::{ExecutionStatus, exit};
    let Outcome { status, exit, .. } = result.outcome;
    let given_up = status == ExecutionStatus::Invalid && exit == exit::EXPIRED;
    (status != ExecutionStatus::NoFenceDevice && !given_up).then(|| from.clone())
}
