//! Names of elements and attributes as small integers.

use foldhash::HashMap;

/// An interned name of one document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NameId(pub(super) u32);

/// The names a document uses. A CIB knows some two hundred, however large it is.
#[derive(Debug, Clone, Default)]
pub(super) struct Names {
    list: Vec<Box<str>>,
    by_name: HashMap<Box<str>, u32>,
}

impl Names {
    pub(super) fn get(&self, id: NameId) -> &str {
        &self.list[id.0 as usize]
    }

    pub(super) fn find(&self, name: &str) -> Option<NameId> {
        self.by_name.get(name).map(|&id| NameId(id))
    }

    pub(super) fn intern(&mut self, name: &str) -> NameId {
        self.find(name).unwrap_or_else(|| {
            let id = self.list.len() as u32;
            self.list.push(name.into());
            self.by_name.insert(name.into(), id);
            NameId(id)
        })
    }

    /// Interns `name`, trying `guess` first: documents repeat themselves.
    pub(super) fn intern_guessing(&mut self, name: &str, guess: Option<NameId>) -> NameId {
        match guess {
            Some(id) if self.get(id) == name => id,
            _ => self.intern(name),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.list.len()
    }
}
