//! A table of names and values.

use indexmap::IndexMap;

/// Names and their values, borrowed from a document, in the order in which they were set.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NameValues<'d>(IndexMap<&'d str, &'d str>);

impl<'d> NameValues<'d> {
    /// The value of a name.
    pub fn get(&self, name: &str) -> Option<&'d str> {
        self.0.get(name).copied()
    }

    /// Sets a value, replacing an earlier one in its place.
    pub fn insert(&mut self, name: &'d str, value: &'d str) {
        self.0.insert(name, value);
    }

    /// Sets a value if the name has none yet.
    pub fn insert_if_absent(&mut self, name: &'d str, value: &'d str) {
        self.0.entry(name).or_insert(value);
    }

    /// Removes a name; the last one takes its place in the order.
    pub fn remove(&mut self, name: &str) -> Option<&'d str> {
        self.0.swap_remove(name)
    }

    /// All names and values in order of setting.
    pub fn iter(&self) -> impl Iterator<Item = (&'d str, &'d str)> + '_ {
        self.0.iter().map(|(&name, &value)| (name, value))
    }

    /// All names and values sorted by name, byte by byte.
    pub fn sorted(&self) -> Vec<(&'d str, &'d str)> {
        let mut all: Vec<_> = self.iter().collect();
        all.sort_unstable();
        all
    }

    /// The number of names.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<'d> FromIterator<(&'d str, &'d str)> for NameValues<'d> {
    /// Of several values for a name the first counts.
    fn from_iter<I: IntoIterator<Item = (&'d str, &'d str)>>(pairs: I) -> NameValues<'d> {
        let mut values = NameValues::default();
        for (name, value) in pairs {
            values.insert_if_absent(name, value);
        }
        values
    }
}
