//! The keys of the configuration with their values and where they were written.

use super::Value;
use std::collections::BTreeMap;

/// A value and the line it stands on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The value.
    pub value: Value,
    /// Line of the file, from 1.
    pub line: usize,
}

/// All keys, flat: `totem.token`, `nodelist.node.0.nodeid`, ...
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ConfigurationMap {
    pub(super) file: String,
    pub(super) entries: BTreeMap<String, Entry>,
}

impl ConfigurationMap {
    /// The file the map was read from, for messages.
    pub fn file(&self) -> &str {
        &self.file
    }

    /// Keys in ascending order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.entries.iter().map(|(key, entry)| (key.as_str(), &entry.value))
    }

    /// One value.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.entries.get(key).map(|entry| &entry.value)
    }

    /// A text value.
    pub fn text(&self, key: &str) -> Option<&str> {
        match self.get(key)? {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// A number.
    pub fn number(&self, key: &str) -> Option<u64> {
        self.get(key)?.number()
    }

    /// The line a key stands on.
    pub fn line(&self, key: &str) -> Option<usize> {
        self.entries.get(key).map(|entry| entry.line)
    }

    /// This map with the values that these keys have, or lack, in another.
    #[must_use]
    pub fn with_values_of(mut self, other: &ConfigurationMap, keys: &[&str]) -> ConfigurationMap {
        for key in keys {
            match other.entries.get(*key) {
                Some(entry) => drop(self.entries.insert((*key).to_owned(), entry.clone())),
                None => drop(self.entries.remove(*key)),
            }
        }
        self
    }

    /// Where a key stands, for messages: `file:line`.
    pub fn place(&self, key: &str) -> String {
        match self.entries.get(key) {
            Some(entry) => format!("{}:{}", self.file, entry.line),
            None => self.file.clone(),
        }
    }

    /// Whether any key starts with `prefix`.
    pub fn has_prefix(&self, prefix: &str) -> bool {
        self.under(prefix).next().is_some()
    }

    /// Keys that start with `prefix`, without it.
    pub fn under<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = (&'a str, &'a Value)> {
        self.entries
            .range(prefix.to_owned()..)
            .map_while(move |(key, entry)| Some((key.strip_prefix(prefix)?, &entry.value)))
    }
}
