//! Memory of quorum: which view had it last, for the tie-breaker and for continuity.

use crate::id::{NodeId, RingId};

/// Most views with quorum that are not confirmed yet.
pub const MAX_ATTEMPTS: usize = 16;

/// The last view that had quorum by votes, as far as a node knows.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LastQuorate {
    /// Its ring; `None` for a node alone before its first ring.
    pub ring: Option<RingId>,
    /// Its members with their votes, by ascending id.
    pub members: Vec<(NodeId, u32)>,
}

/// What a node remembers of partitions that had quorum, for the tie-breaker and for continuity.
///
/// A view that will have quorum is first an *attempt*: every member remembers it before any of
/// them gives its verdict. A member that gives the verdict knows it *confirmed* and forgets all
/// before; one that is cut off in between cannot know, and must satisfy the view confirmed before
/// as well as every attempt since (after Lotem, Keidar and Dolev, *Dynamic voting for consistent
/// primary components*, PODC 1997).
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Memory {
    /// The last view known to have had quorum.
    pub confirmed: Option<LastQuorate>,
    /// Later views that may have had it, by ascending ring.
    pub attempts: Vec<LastQuorate>,
}

impl Memory {
    /// All views to be satisfied.
    pub fn views(&self) -> impl Iterator<Item = &LastQuorate> {
        self.confirmed.iter().chain(&self.attempts)
    }

    /// The latest view.
    #[must_use]
    pub fn latest(&self) -> Option<&LastQuorate> {
        self.attempts.last().or(self.confirmed.as_ref())
    }

    /// Whether attempts may be missing, so that no view can be trusted.
    #[must_use]
    pub fn overflows(&self) -> bool {
        self.attempts.len() >= MAX_ATTEMPTS
    }

    /// What several nodes remember together.
    #[must_use]
    pub fn merged<'a>(memories: impl Iterator<Item = &'a Memory> + Clone) -> Memory {
        let confirmed = memories.clone().filter_map(|m| m.confirmed.as_ref());
        let confirmed = confirmed.max_by_key(|view| view.ring).cloned();
        let known = confirmed.as_ref().map(|view| view.ring);
        let mut later: Vec<_> = memories
            .flat_map(|m| &m.attempts)
            .filter(|view| known.is_none_or(|known| view.ring > known))
            .cloned()
            .collect();
        later.sort_by(|a, b| (a.ring, &a.members).cmp(&(b.ring, &b.members)));
        let mut memory = Memory { confirmed, attempts: Vec::new() };
        for view in later {
            memory.attempt(view);
        }
        memory
    }

    /// Adds an attempt, the latest of all. Attempts with the same members demand the same, so one
    /// is enough.
    pub(crate) fn attempt(&mut self, view: LastQuorate) {
        let same = |known: &LastQuorate| known.ring == view.ring || known.members == view.members;
        self.attempts.retain(|known| !same(known));
        if !self.overflows() {
            self.attempts.push(view);
        }
    }

    /// This view had quorum; nothing before it matters any more.
    pub(crate) fn confirm(&mut self, view: LastQuorate) {
        self.confirmed = Some(view);
        self.attempts.clear();
    }
}
