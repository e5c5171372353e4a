//! Names of elements and attributes as small integers.

use foldhash::fast::RandomState;
use indexmap::IndexSet;

/// An interned name of one document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NameId(pub(super) u32);

/// The names a document uses. A CIB knows some two hundred, however large it is.
#[derive(Debug, Clone, Default)]
pub(super) struct Names(IndexSet<Box<str>, RandomState>);

impl Names {
    /// Room for so many names.
    pub(super) fn with_capacity(names: usize) -> Names {
        Names(IndexSet::with_capacity_and_hasher(names, RandomState::default()))
    }

    pub(super) fn get(&self, id: NameId) -> &str {
        &self.0[id.0 as usize]
    }

    pub(super) fn find(&self, name: &str) -> Option<NameId> {
        self.0.get_index_of(name).map(|at| NameId(at as u32))
    }

    pub(super) fn intern(&mut self, name: &str) -> NameId {
        self.find(name).unwrap_or_else(|| NameId(self.0.insert_full(name.into()).0 as u32))
    }

    /// Interns `name`, trying `guess` first: documents repeat themselves.
    pub(super) fn intern_guessing(&mut self, name: &str, guess: Option<NameId>) -> NameId {
        match guess {
            Some(id) if self.get(id) == name => id,
            _ => self.intern(name),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}
