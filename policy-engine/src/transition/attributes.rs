//! The attributes of an action: many actions differ in a few of them only.

use serde::ser::{Serialize, SerializeMap, Serializer};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Names and values, in order of names. What all operations of a kind have in common is kept once.
///
/// ```
/// use policy_engine::transition::Attributes;
///
/// let attributes: Attributes =
///     [("CRM_meta_timeout", "20000"), ("CRM_meta_interval", "0")].into_iter().collect();
/// assert_eq!(attributes.get("CRM_meta_timeout"), Some("20000"));
/// assert_eq!(attributes.iter().next(), Some(("CRM_meta_interval", "0")));
/// ```
#[derive(Debug, Clone, Default)]
pub struct Attributes {
    shared: Arc<BTreeMap<String, String>>,
    /// Sorted by name; they hide shared ones of the same name.
    own: Vec<(Cow<'static, str>, Arc<str>)>,
}

impl Attributes {
    /// Shared attributes only.
    pub(crate) fn sharing(shared: Arc<BTreeMap<String, String>>) -> Attributes {
        Attributes { shared, own: Vec::new() }
    }

    /// Sets a value of this action alone.
    pub(crate) fn set(&mut self, name: Cow<'static, str>, value: Arc<str>) {
        match self.own.binary_search_by(|(n, _)| n.cmp(&name)) {
            Ok(at) => self.own[at].1 = value,
            Err(at) => self.own.insert(at, (name, value)),
        }
    }

    /// The value of a name.
    pub fn get(&self, name: &str) -> Option<&str> {
        let own = self.own.iter().find(|(n, _)| n == name).map(|(_, value)| &**value);
        own.or_else(|| self.shared.get(name).map(String::as_str))
    }

    /// All names and values, in order of names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        let mut shared = self.shared.iter().map(|(n, v)| (n.as_str(), v.as_str())).peekable();
        let mut own = self.own.iter().map(|(n, v)| (&**n, &**v)).peekable();
        std::iter::from_fn(move || {
            let Some(&(name, _)) = own.peek() else { return shared.next() };
            match shared.peek() {
                Some(&(other, _)) if other < name => return shared.next(),
                Some(&(other, _)) if other == name => drop(shared.next()),
                _ => {}
            }
            own.next()
        })
    }

    /// How many names there are.
    pub fn len(&self) -> usize {
        self.iter().count()
    }

    /// Are there none?
    pub fn is_empty(&self) -> bool {
        self.shared.is_empty() && self.own.is_empty()
    }
}

impl PartialEq for Attributes {
    fn eq(&self, other: &Attributes) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for Attributes {}

impl From<BTreeMap<String, String>> for Attributes {
    fn from(all: BTreeMap<String, String>) -> Attributes {
        Attributes::sharing(Arc::new(all))
    }
}

impl From<&Attributes> for BTreeMap<String, String> {
    fn from(attributes: &Attributes) -> BTreeMap<String, String> {
        attributes.iter().map(|(n, v)| (n.to_owned(), v.to_owned())).collect()
    }
}

impl<N: Into<String>, V: Into<String>> FromIterator<(N, V)> for Attributes {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(pairs: I) -> Attributes {
        let all: BTreeMap<String, String> =
            pairs.into_iter().map(|(n, v)| (n.into(), v.into())).collect();
        all.into()
    }
}

impl Serialize for Attributes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (name, value) in self.iter() {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_values_hide_shared_ones_and_keep_the_order() {
        let mut a: Attributes = [("b", "1"), ("d", "2"), ("f", "3")].into_iter().collect();
        let before = a.clone();
        for (name, value) in [("e", "4"), ("d", "5"), ("a", "6"), ("g", "7"), ("e", "8")] {
            a.set(name.into(), value.into());
        }
        let all: Vec<_> = a.iter().map(|(n, v)| format!("{n}{v}")).collect();
        assert_eq!(all, ["a6", "b1", "d5", "e8", "f3", "g7"]);
        assert_eq!((a.get("d"), a.get("f"), a.get("h")), (Some("5"), Some("3"), None));
        assert_ne!(a, before);
        assert_eq!(a, Attributes::from(BTreeMap::from(&a)));
    }
}
