//! Which counters of one epoch were seen.

/// Counters this far behind the newest are too old to judge and refused.
const WINDOW: u64 = 8192;
const WORDS: usize = (WINDOW / 64) as usize;

/// A sliding window over 64-bit counters.
#[derive(Debug)]
pub(crate) struct ReplayWindow {
    /// Highest counter accepted, plus one; 0 before the first.
    next: u64,
    seen: Box<[u64; WORDS]>,
}

impl Default for ReplayWindow {
    fn default() -> Self {
        ReplayWindow { next: 0, seen: Box::new([0; WORDS]) }
    }
}

impl ReplayWindow {
    /// Accepts a counter once; false for one seen before or too old.
    pub(crate) fn accept(&mut self, counter: u64) -> bool {
        if counter == u64::MAX || counter + WINDOW < self.next {
            return false;
        }
        if counter >= self.next {
            self.forget(self.next, counter);
            self.next = counter + 1;
        }
        let (word, bit) = place(counter);
        let new = self.seen[word] & bit == 0;
        self.seen[word] |= bit;
        new
    }

    /// Clears the places that `from ..= to` will use.
    fn forget(&mut self, from: u64, to: u64) {
        if to - from >= WINDOW {
            self.seen.fill(0);
            return;
        }
        for counter in from..=to {
            let (word, bit) = place(counter);
            self.seen[word] &= !bit;
        }
    }
}

fn place(counter: u64) -> (usize, u64) {
    let index = counter % WINDOW;
    ((index / 64) as usize, 1 << (index % 64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_counter_is_accepted_once_and_old_ones_never() {
        let mut window = ReplayWindow::default();
        for (counter, accepted) in [
            (0, true),
            (0, false),
            (5, true),
            (3, true),
            (5, false),
            (3, false),
            (WINDOW + 4, true),
            (4, false),
            (6, true),
            (1 << 40, true),
            (WINDOW + 5, false),
            ((1 << 40) - 1, true),
            (u64::MAX, false),
        ] {
            assert_eq!(window.accept(counter), accepted, "{counter}");
        }
    }
}
