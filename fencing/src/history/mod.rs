//! Every operation a fencer knows of, pending or ended (spec 81 §12).

mod display;

pub use display::{LaterSuccess, later_success, reduced};

use std::collections::BTreeMap;
use std::time::Duration;

use crate::agent::Action;
use crate::clock::{Moment, Seconds};
use crate::executor::CallId;
use crate::message::{HistoryEntry, Query, State};
use crate::name::{NodeName, OperationId};
use crate::outcome::{Outcome, exit};

/// More records than this are cut down to [`KEPT_RECORDS`].
pub const MAX_RECORDS: usize = 500;

/// Position from which ended records are dropped once there are too many.
pub const KEPT_RECORDS: usize = 250;

/// One operation as this fencer knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Its id.
    pub id: OperationId,
    /// Its target.
    pub target: NodeName,
    /// Its action, as requested.
    pub action: Action,
    /// Its owner.
    pub originator: NodeName,
    /// Who asked.
    pub client: String,
    /// Its state.
    pub state: State,
    /// Who executed it.
    pub delegate: Option<NodeName>,
    /// How it ended.
    pub outcome: Option<Outcome>,
    /// When it ended, since the Unix epoch.
    pub completed: Duration,
    /// When it was first heard of, on the monotonic clock.
    pub created: Duration,
    /// Time for one device.
    pub base: Seconds,
    /// Time in total, once it is known.
    pub total: Option<Seconds>,
    /// The local request that waits for it.
    pub call: Option<CallId>,
    /// Operations that take over its result.
    pub duplicates: Vec<OperationId>,
    /// It stands in for an operation that another fencer was asked to own.
    pub stand_in: bool,
    /// It is owned on behalf of that node, whose stand-in has this id.
    pub relayed_for: Option<(NodeName, OperationId)>,
    /// Its result is on its way to all.
    pub concluded: bool,
    number: u64,
}

impl Record {
    /// A pending operation that has just been heard of.
    pub fn new(now: Moment, query: &Query, originator: NodeName) -> Self {
        Self {
            id: query.operation,
            target: query.target.clone(),
            action: query.action,
            originator,
            client: query.client.clone(),
            state: State::Query,
            delegate: None,
            outcome: None,
            completed: Duration::ZERO,
            created: now.elapsed,
            base: query.base,
            total: None,
            call: None,
            duplicates: Vec::new(),
            stand_in: false,
            relayed_for: None,
            concluded: false,
            number: 0,
        }
    }

    /// As peers and clients see it.
    pub fn entry(&self) -> HistoryEntry {
        HistoryEntry {
            operation: self.id,
            target: self.target.clone(),
            action: self.action,
            originator: self.originator.clone(),
            delegate: self.delegate.clone(),
            client: self.client.clone(),
            state: self.state,
            completed: self.completed,
            outcome: self.outcome.clone(),
        }
    }

    fn take_end(&mut self, entry: &HistoryEntry) {
        self.state = entry.state;
        self.delegate = entry.delegate.clone();
        self.outcome = entry.outcome.clone();
        self.completed = entry.completed;
    }

    /// Whether an identical request may wait for this one instead of running by itself; what the
    /// originator must be and the time it may take are the caller's to check.
    fn same_request(&self, other: &Record) -> bool {
        self.id != other.id
            && matches!(self.state, State::Query | State::Exec)
            && self.target == other.target
            && self.action == other.action
            && self.client != other.client
            && self.target != self.originator
    }
}

/// What merging the history of a peer changed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Merged {
    /// Whether anything did.
    pub changed: bool,
    /// Operations that had been pending here and have ended there.
    pub ended: Vec<OperationId>,
    /// Pending operations that name this node as owner and are unknown here.
    pub leftovers: Vec<HistoryEntry>,
    /// What the peer does not have, or has only as pending.
    pub missing_there: Vec<HistoryEntry>,
}

/// All records by id.
#[derive(Debug, Clone, Default)]
pub struct History {
    records: BTreeMap<OperationId, Record>,
    next_number: u64,
}

impl History {
    /// Adds a record and drops old ones if there are too many.
    pub fn insert(&mut self, mut record: Record) {
        record.number = self.next_number;
        self.next_number += 1;
        self.records.insert(record.id, record);
        self.trim();
    }

    /// The record of that id.
    pub fn get(&self, id: OperationId) -> Option<&Record> {
        self.records.get(&id)
    }

    /// The record of that id, to be changed.
    pub fn get_mut(&mut self, id: OperationId) -> Option<&mut Record> {
        self.records.get_mut(&id)
    }

    /// Forgets a record.
    pub fn remove(&mut self, id: OperationId) -> Option<Record> {
        self.records.remove(&id)
    }

    /// All records by ascending id.
    pub fn iter(&self) -> impl Iterator<Item = &Record> {
        self.records.values()
    }

    /// How many records there are.
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    fn sorted(&self) -> Vec<&Record> {
        let mut records: Vec<&Record> = self.records.values().collect();
        records.sort_by(|a, b| {
            let pending = b.state.is_pending().cmp(&a.state.is_pending());
            let ended = b.completed.cmp(&a.completed);
            pending.then(ended).then(b.number.cmp(&a.number))
        });
        records
    }

    /// Records of one target or of all: pending ones, the latest first, then ended ones, the
    /// newest first. Stand-ins are left out; the operation they stand for has its own record.
    pub fn entries(&self, target: Option<&NodeName>) -> Vec<HistoryEntry> {
        self.sorted()
            .into_iter()
            .filter(|record| target.is_none_or(|target| *target == record.target))
            .filter(|record| !record.stand_in)
            .map(Record::entry)
            .collect()
    }

    /// When a target was last known to be fenced by exactly this action.
    pub fn last_done(&self, target: &NodeName, action: Action) -> Option<Duration> {
        self.records
            .values()
            .filter(|record| record.state == State::Done)
            .filter(|record| record.target == *target && record.action == action)
            .map(|record| record.completed)
            .max()
    }

    /// Drops ended records beyond the bounds. Pending ones of other owners, whose end may never
    /// be heard, are dropped oldest first, so that the table stays bounded whatever peers send.
    fn trim(&mut self) {
        if self.records.len() <= MAX_RECORDS {
            return;
        }
        let sorted = self.sorted();
        let mut drop: Vec<OperationId> = sorted[KEPT_RECORDS..]
            .iter()
            .filter(|record| !record.state.is_pending())
            .map(|record| record.id)
            .collect();
        if sorted.len() - drop.len() > MAX_RECORDS {
            let idle = |record: &&&Record| {
                record.state == State::Query
                    && record.call.is_none()
                    && record.duplicates.is_empty()
            };
            drop.extend(
                sorted.iter().rev().filter(idle).map(|record| record.id).take(KEPT_RECORDS),
            );
        }
        for id in drop {
            self.records.remove(&id);
        }
    }

    /// Forgets ended operations, of one target or of all.
    pub fn clean_up(&mut self, target: Option<&NodeName>) {
        self.records.retain(|_, record| {
            record.state.is_pending() || target.is_some_and(|target| *target != record.target)
        });
    }

    /// Operations that a new one for the same may wait for.
    pub fn same_requests(&self, new: &Record) -> Vec<OperationId> {
        self.records.values().filter(|old| old.same_request(new)).map(|old| old.id).collect()
    }

    /// Merges the history of a peer (spec 81 §12).
    pub fn merge(&mut self, now: Moment, local: &NodeName, entries: &[HistoryEntry]) -> Merged {
        let mut merged = Merged::default();
        for entry in entries {
            match self.records.get_mut(&entry.operation) {
                Some(own) if own.state.is_pending() && !entry.state.is_pending() => {
                    // Whether the target is fenced is for the owner to say; it knows, and tells.
                    if own.originator != *local || own.stand_in {
                        own.take_end(entry);
                        merged.ended.push(entry.operation);
                        merged.changed = true;
                    }
                }
                Some(_) => {}
                None if entry.state.is_pending() && entry.originator == *local => {
                    let left = leftover(entry, now);
                    self.insert_entry(now, &left);
                    merged.leftovers.push(left);
                    merged.changed = true;
                }
                None => {
                    self.insert_entry(now, entry);
                    merged.changed = true;
                }
            }
        }
        let theirs: BTreeMap<OperationId, State> =
            entries.iter().map(|entry| (entry.operation, entry.state)).collect();
        let missing = |record: &&Record| match theirs.get(&record.id) {
            None => true,
            Some(state) => state.is_pending() && !record.state.is_pending(),
        };
        merged.missing_there = self
            .records
            .values()
            .filter(|record| !record.stand_in)
            .filter(missing)
            .map(Record::entry)
            .collect();
        self.trim();
        merged
    }

    fn insert_entry(&mut self, now: Moment, entry: &HistoryEntry) {
        let query = Query {
            operation: entry.operation,
            relay: None,
            target: entry.target.clone(),
            action: entry.action,
            client: entry.client.clone(),
            base: Seconds::ZERO,
            allow_self: false,
        };
        let mut record = Record::new(now, &query, entry.originator.clone());
        record.take_end(entry);
        if record.state == State::Duplicate {
            record.state = State::Query;
        }
        self.insert(record);
    }
}

/// An operation of an earlier fencer process of this node: nobody knows how it would have ended,
/// so it has failed.
fn leftover(entry: &HistoryEntry, now: Moment) -> HistoryEntry {
    let planted = crate::fault::planted(crate::fault::Fault::LeftoversAreDone);
    let (state, outcome) = if planted {
        (State::Done, Outcome::ok())
    } else {
        let reason = "Initiated by earlier fencer process and presumed failed";
        (State::Failed, Outcome::invalid(exit::EXPIRED, reason))
    };
    HistoryEntry { state, outcome: Some(outcome), completed: now.wall, ..entry.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(name: &str) -> NodeName {
        NodeName::new(name).unwrap()
    }

    fn at(seconds: u64) -> Moment {
        Moment { elapsed: Duration::from_secs(seconds), wall: Duration::from_secs(1000 + seconds) }
    }

    fn record(number: u8, state: State) -> Record {
        let query = Query {
            operation: OperationId([number; 16]),
            relay: None,
            target: node("t"),
            action: Action::Off,
            client: format!("c.{number}"),
            base: Seconds(5),
            allow_self: false,
        };
        let mut record = Record::new(at(u64::from(number)), &query, node("owner"));
        record.state = state;
        if !state.is_pending() {
            record.completed = Duration::from_secs(u64::from(number));
            record.outcome = Some(Outcome::ok());
        }
        record
    }

    #[test]
    fn pending_first_then_newest() {
        let mut history = History::default();
        for (number, state) in
            [(1, State::Done), (2, State::Query), (3, State::Failed), (4, State::Exec)]
        {
            history.insert(record(number, state));
        }
        let order: Vec<u8> = history.entries(None).iter().map(|e| e.operation.0[0]).collect();
        assert_eq!(order, [4, 2, 3, 1]);
        history.clean_up(Some(&node("other")));
        assert_eq!(history.len(), 4);
        history.clean_up(Some(&node("T")));
        assert_eq!(history.len(), 2);
    }

    #[test]
    fn the_table_is_bounded_even_if_nothing_ever_ends() {
        for state in [State::Done, State::Query] {
            let mut history = History::default();
            for number in 0..2000_u32 {
                let mut record = record(1, state);
                record.id.0[..4].copy_from_slice(&number.to_be_bytes());
                history.insert(record);
            }
            assert!(history.len() <= MAX_RECORDS, "{state:?}: {}", history.len());
        }
    }

    #[test]
    fn leftovers_of_an_earlier_process_have_failed() {
        let mut history = History::default();
        let merged = history.merge(at(9), &node("owner"), &[record(1, State::Exec).entry()]);
        assert_eq!(merged.leftovers.len(), 1);
        let left = history.get(OperationId([1; 16])).unwrap();
        assert_eq!(left.state, State::Failed);
        assert_eq!(left.outcome.as_ref().unwrap().exit, exit::EXPIRED);
    }

    #[test]
    fn merging_takes_ends_and_tells_what_the_peer_lacks() {
        let mut history = History::default();
        history.insert(record(1, State::Query));
        history.insert(record(2, State::Done));
        history.insert(record(3, State::Done));
        let theirs = [
            record(1, State::Failed).entry(),
            record(3, State::Query).entry(),
            record(4, State::Query).entry(),
        ];
        let merged = history.merge(at(9), &node("me"), &theirs);
        assert_eq!(merged.ended, [OperationId([1; 16])]);
        let missing: Vec<u8> = merged.missing_there.iter().map(|e| e.operation.0[0]).collect();
        assert_eq!(missing, [2, 3]);
        assert_eq!(history.get(OperationId([4; 16])).unwrap().state, State::Query);
        let again = history.merge(at(9), &node("me"), &theirs);
        assert!(!again.changed);
    }

    #[test]
    fn an_owner_does_not_learn_the_end_of_its_own_operation_from_others() {
        let mut history = History::default();
        history.insert(record(1, State::Exec));
        let merged = history.merge(at(9), &node("owner"), &[record(1, State::Done).entry()]);
        assert!(!merged.changed);
        assert_eq!(history.get(OperationId([1; 16])).unwrap().state, State::Exec);
    }
}
