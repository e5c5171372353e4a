//! The packets of one ring that some member may still lack, by sequence number.

use crate::wire::{Data, SeqRange};
use std::collections::VecDeque;

/// Most packets between the release point and the newest packet (spec 70 §1).
pub(crate) const WINDOW_SLOTS: u64 = 16384;

/// A sliding window of received packets. Everything up to `released` is gone, everything up to
/// `aru` is present, nothing lies beyond `released + WINDOW_SLOTS`.
#[derive(Debug, Default)]
pub(crate) struct Window {
    released: u64,
    aru: u64,
    high: u64,
    slots: VecDeque<Option<Data>>,
}

impl Window {
    /// Stores a packet; false when it is known already or outside of the window.
    pub(crate) fn insert(&mut self, data: Data) -> bool {
        let seq = data.seq;
        if seq <= self.released || seq - self.released > WINDOW_SLOTS {
            return false;
        }
        let index = (seq - self.released - 1) as usize;
        if self.slots.len() <= index {
            self.slots.resize(index + 1, None);
        }
        if self.slots[index].is_some() {
            return false;
        }
        self.slots[index] = Some(data);
        self.high = self.high.max(seq);
        while self.get(self.aru + 1).is_some() {
            self.aru += 1;
        }
        true
    }

    pub(crate) fn get(&self, seq: u64) -> Option<&Data> {
        let index = seq.checked_sub(self.released + 1)?;
        self.slots.get(usize::try_from(index).ok()?)?.as_ref()
    }

    /// Forgets everything up to `to`, which must be received.
    pub(crate) fn release(&mut self, to: u64) {
        let to = to.min(self.aru);
        let count = to.saturating_sub(self.released) as usize;
        self.slots.drain(..count.min(self.slots.len()));
        self.released = self.released.max(to);
    }

    /// Highest number up to which nothing is missing.
    pub(crate) fn aru(&self) -> u64 {
        self.aru
    }

    /// Highest number seen.
    pub(crate) fn high(&self) -> u64 {
        self.high
    }

    /// Everything up to here was forgotten.
    pub(crate) fn released(&self) -> u64 {
        self.released
    }

    /// Highest number that still fits.
    pub(crate) fn limit(&self) -> u64 {
        self.released + WINDOW_SLOTS
    }

    /// The runs of missing numbers in `aru + 1 ..= to`, at most `limit` of them.
    pub(crate) fn missing(&self, to: u64, limit: usize) -> Vec<SeqRange> {
        self.runs(self.aru + 1, to.min(self.limit()), limit, false)
    }

    /// The runs of held numbers beyond `aru`, at most `limit` of them.
    pub(crate) fn held(&self, limit: usize) -> Vec<SeqRange> {
        self.runs(self.aru + 1, self.high, limit, true)
    }

    fn runs(&self, from: u64, to: u64, limit: usize, held: bool) -> Vec<SeqRange> {
        let mut runs: Vec<SeqRange> = Vec::new();
        for seq in from..=to {
            if self.get(seq).is_some() != held {
                continue;
            }
            if let Some(run) = runs.last_mut().filter(|run| run.last + 1 == seq) {
                run.last = seq;
            } else if runs.len() == limit {
                break;
            } else {
                runs.push(SeqRange { first: seq, last: seq });
            }
        }
        runs
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::{Incarnation, NodeId, RingId};
    use crate::wire::{Body, Guarantee};

    fn packet(seq: u64) -> Data {
        let node = NodeId::new(1).unwrap();
        let ring = RingId { sequence: 1, representative: node, incarnation: Incarnation(0) };
        Data::new(ring, seq, node, Guarantee::Agreed, false, Body::Chunks(Default::default()))
    }

    #[test]
    fn gaps_hold_the_aru_back_and_are_listed_as_runs() {
        let mut window = Window::default();
        for seq in [1, 2, 5, 6, 9] {
            assert!(window.insert(packet(seq)));
        }
        assert!(!window.insert(packet(5)), "a duplicate");
        assert_eq!((window.aru(), window.high()), (2, 9));
        let run = |first, last| SeqRange { first, last };
        assert_eq!(window.missing(9, 10), [run(3, 4), run(7, 8)]);
        assert_eq!(window.missing(9, 1), [run(3, 4)]);
        assert_eq!(window.held(10), [run(5, 6), run(9, 9)]);
        window.insert(packet(3));
        window.insert(packet(4));
        assert_eq!(window.aru(), 6);
    }

    #[test]
    fn released_packets_are_gone_and_the_far_future_is_refused() {
        let mut window = Window::default();
        (1..=4).for_each(|seq| assert!(window.insert(packet(seq))));
        window.release(3);
        assert!(window.get(3).is_none() && window.get(4).is_some());
        assert!(!window.insert(packet(3)));
        assert!(window.insert(packet(3 + WINDOW_SLOTS)));
        assert!(!window.insert(packet(4 + WINDOW_SLOTS)));
    }
}
