//! What other fencers say, and who they are (spec 81 §7.5, §7.8, §12).

use std::collections::BTreeSet;

use log::Level;

use crate::clock::{Moment, Seconds};
use crate::executor::{JobReport, SearchPurpose, Wanted};
use crate::fault::{Fault, planted};
use crate::fencer::{FenceOrder, Fencer, MAX_OWNED, Notification, Timer, client};
use crate::history::{MAX_RECORDS, Record};
use crate::message::{
    FenceReply, HistoryEntry, Message, OperationResult, Query, QueryReply, Relay, State,
};
use crate::name::{NodeName, OperationId};
use crate::operation::Next;

impl Fencer {
    pub(super) fn membership(&mut self, now: Moment, mut active: BTreeSet<NodeName>) {
        active.insert(self.local.clone());
        if active == self.active {
            return;
        }
        self.active = active;
        let owned: Vec<OperationId> = self.conducts.keys().copied().collect();
        for id in owned {
            self.conducted(now, id, |conduct, view| match conduct.peer_lost(view) {
                Next::Wait if conduct.membership_changed(view) => conduct.next(view),
                next => next,
            });
        }
        // A node that fences itself is expected to leave; its executor tells how that ended.
        let orphaned = |record: &&Record| {
            record.state.is_pending()
                && record.state != State::Duplicate
                && record.originator != record.target
                && !self.active.contains(&record.originator)
        };
        let orphans: Vec<OperationId> =
            self.history.iter().filter(orphaned).map(|record| record.id).collect();
        for id in orphans {
            self.give_up(now, id);
        }
    }

    pub(super) fn peer_query(&mut self, now: Moment, from: &NodeName, query: Query) {
        if *from != self.local && self.history.get(query.operation).is_none() {
            let mut record = Record::new(now, &query, from.clone());
            let stand_in = query
                .relay
                .and_then(|id| self.history.get(id))
                .filter(|stand_in| stand_in.stand_in && stand_in.state.is_pending())
                .filter(|stand_in| {
                    stand_in.target == query.target && stand_in.action == query.action
                })
                .map(|stand_in| stand_in.id);
            if let Some(stand_in) = stand_in.and_then(|id| self.history.remove(id)) {
                self.timers.cancel(&Timer::Total(stand_in.id));
                record.call = stand_in.call;
                record.duplicates = stand_in.duplicates;
            }
            self.history.insert(record);
        }
        let Query { operation, target, action, base, allow_self, .. } = query;
        let wanted = Wanted {
            action,
            target: Some(target.clone()),
            timeout: base,
            allow_self,
            on_only: false,
        };
        let owner = from.clone();
        let purpose = SearchPurpose::Peer { owner, operation, action, target, allow_self };
        self.executor.search(now.elapsed, wanted, purpose);
    }

    pub(super) fn peer_query_reply(&mut self, now: Moment, from: &NodeName, reply: QueryReply) {
        self.conducted(now, reply.operation, |conduct, view| {
            match conduct.replied(view, from.clone(), reply) {
                true => conduct.next(view),
                false => Next::Wait,
            }
        });
    }

    /// A request of a peer has been carried out here.
    pub(super) fn job_done(&mut self, report: JobReport) {
        let JobReport { owner, request, outcome, merged } = report;
        let for_itself = request.action.is_fencing() && request.originator == request.target;
        let decisive = request.completes && (outcome.is_ok() || request.device.is_none());
        let decisive = decisive || (planted(Fault::AnySuccessCompletes) && outcome.is_ok());
        if for_itself && decisive && request.originator != self.local {
            let record = self.history.get(request.operation);
            self.broadcast(Message::Result(OperationResult {
                operation: request.operation,
                target: request.target.clone(),
                action: record.map_or(request.action, |record| record.action),
                originator: request.originator.clone(),
                client: request.client.clone(),
                delegate: Some(self.local.clone()),
                outcome: outcome.clone(),
            }));
        }
        let reply = FenceReply {
            operation: request.operation,
            attempt: request.attempt,
            device: request.device,
            target: request.target,
            action: request.action,
            originator: request.originator,
            client: request.client,
            merged,
            outcome,
        };
        self.send(&owner, Message::FenceReply(reply));
    }

    pub(super) fn peer_fence_reply(&mut self, now: Moment, from: &NodeName, reply: FenceReply) {
        if self.history.get(reply.operation).is_none() && reply.outcome.is_ok() {
            // Of an operation that is not known here, perhaps of an earlier fencer process: the
            // reply is about one device only, so it does not say that the target is fenced.
            let text = format!(
                "{from} executed '{}' targeting {} for an operation that is not known here | id={}",
                reply.action,
                reply.target,
                reply.operation.short()
            );
            self.log(Level::Info, text);
        }
        self.conducted(now, reply.operation, |conduct, view| conduct.reply(view, from, &reply));
    }

    /// A peer asks this fencer to own an operation against the peer itself.
    pub(super) fn peer_relay(&mut self, now: Moment, from: &NodeName, relay: Relay) {
        let known = |record: &Record| {
            record.relayed_for.as_ref().is_some_and(|(_, stand_in)| *stand_in == relay.stand_in)
        };
        let full = self.conducts.len() >= MAX_OWNED || self.history.len() > MAX_RECORDS;
        if full || self.history.iter().any(known) {
            return;
        }
        let order = FenceOrder {
            delay: relay.delay,
            allow_self: relay.allow_self,
            ..FenceOrder::new(relay.target, relay.action, relay.base.max(Seconds(1)))
        };
        let task = client::order_task(self.own_client.clone(), &order);
        self.own(now, task, relay.allow_self, None, Some((from.clone(), relay.stand_in)));
    }

    pub(super) fn peer_history(
        &mut self,
        now: Moment,
        from: &NodeName,
        differential: bool,
        entries: &[HistoryEntry],
    ) {
        if *from == self.local {
            return self.notify(Notification::HistorySynchronised);
        }
        let merged = self.history.merge(now, &self.local, entries);
        for left in &merged.leftovers {
            self.broadcast(Message::Result(OperationResult {
                operation: left.operation,
                target: left.target.clone(),
                action: left.action,
                originator: left.originator.clone(),
                client: left.client.clone(),
                delegate: None,
                outcome: left.outcome.clone().unwrap_or_else(crate::outcome::Outcome::ok),
            }));
        }
        for id in merged.ended {
            self.finish_duplicates(now, id);
        }
        if !differential && !merged.missing_there.is_empty() {
            let entries = merged.missing_there;
            self.broadcast(Message::History { differential: true, entries });
        }
        if merged.changed {
            self.notify(Notification::HistoryChanged);
        }
        self.notify(Notification::HistorySynchronised);
    }
}
