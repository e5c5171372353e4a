//! What status displays make of a history (spec 81 §15).

use crate::message::{HistoryEntry, State};
use crate::name::NodeName;

/// A success that came after a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LaterSuccess<'a> {
    /// By the delegate that had failed.
    Same,
    /// By this one; `None` if it is not known.
    By(Option<&'a NodeName>),
}

/// Who succeeded later where the entry at `at` failed, if anyone did. The entries are in the order
/// of [`History::entries`](crate::history::History::entries).
pub fn later_success(entries: &[HistoryEntry], at: usize) -> Option<LaterSuccess<'_>> {
    let failed = entries.get(at).filter(|entry| entry.state == State::Failed)?;
    let later: Vec<&HistoryEntry> = entries[..at]
        .iter()
        .filter(|entry| entry.state == State::Done && entry.completed > failed.completed)
        .filter(|entry| entry.target == failed.target && entry.action == failed.action)
        .collect();
    let first = later.first()?;
    let same = failed.delegate.is_none() || later.iter().any(|e| e.delegate == failed.delegate);
    Some(if same { LaterSuccess::Same } else { LaterSuccess::By(first.delegate.as_ref()) })
}

/// The history without ended entries that say no more than an earlier one of the list: same target,
/// action and state and, for failures, same delegate.
pub fn reduced(entries: &[HistoryEntry]) -> Vec<&HistoryEntry> {
    let mut kept: Vec<&HistoryEntry> = Vec::new();
    for entry in entries {
        let repeats = |other: &&HistoryEntry| {
            other.target == entry.target
                && other.action == entry.action
                && other.state == entry.state
                && (entry.state == State::Done || other.delegate == entry.delegate)
        };
        if entry.state.is_pending() || !kept.iter().any(repeats) {
            kept.push(entry);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent::Action;
    use crate::name::OperationId;
    use std::time::Duration;

    fn entry(state: State, completed: u64, delegate: Option<&str>) -> HistoryEntry {
        let node = |name: &str| NodeName::new(name).unwrap();
        HistoryEntry {
            operation: OperationId([0; 16]),
            target: node("t"),
            action: Action::Off,
            originator: node("o"),
            delegate: delegate.map(node),
            client: "c.1".into(),
            state,
            completed: Duration::from_secs(completed),
            outcome: None,
        }
    }

    #[test]
    fn a_failure_is_excused_by_a_later_success() {
        let entries = [
            entry(State::Done, 9, Some("a")),
            entry(State::Done, 8, Some("b")),
            entry(State::Failed, 7, Some("b")),
            entry(State::Failed, 6, Some("c")),
            entry(State::Failed, 5, None),
            entry(State::Failed, 9, Some("a")),
        ];
        let by = NodeName::new("a").unwrap();
        assert_eq!(later_success(&entries, 0), None, "no failure");
        assert_eq!(later_success(&entries, 2), Some(LaterSuccess::Same));
        assert_eq!(later_success(&entries, 3), Some(LaterSuccess::By(Some(&by))));
        assert_eq!(later_success(&entries, 4), Some(LaterSuccess::Same), "of nobody in particular");
        assert_eq!(later_success(&entries, 5), None, "nothing is later");
    }

    #[test]
    fn repetitions_are_left_out() {
        let entries = [
            entry(State::Exec, 0, None),
            entry(State::Exec, 0, None),
            entry(State::Done, 9, Some("a")),
            entry(State::Done, 8, Some("b")),
            entry(State::Failed, 7, Some("a")),
            entry(State::Failed, 6, Some("a")),
            entry(State::Failed, 5, Some("b")),
        ];
        let kept: Vec<u64> = reduced(&entries).iter().map(|e| e.completed.as_secs()).collect();
        assert_eq!(kept, [0, 0, 9, 7, 5]);
    }
}
