//! What a rule can see.

use std::borrow::{Borrow, Cow};
use std::collections::BTreeMap;

use crate::date::DateTime;
use crate::nvpair::NameValues;

/// A table in which a rule looks up values by name.
pub trait Lookup {
    /// The value of a name, if it has one.
    fn value(&self, name: &str) -> Option<&str>;
}

impl Lookup for NameValues<'_> {
    fn value(&self, name: &str) -> Option<&str> {
        self.get(name)
    }
}

impl<K: Borrow<str> + Ord, V: AsRef<str>> Lookup for BTreeMap<K, V> {
    fn value(&self, name: &str) -> Option<&str> {
        self.get(name).map(AsRef::as_ref)
    }
}

/// Pairs of name and value; the first of a name counts.
impl<const N: usize> Lookup for [(&str, &str); N] {
    fn value(&self, name: &str) -> Option<&str> {
        self.iter().find(|(key, _)| *key == name).map(|(_, value)| *value)
    }
}

/// The matched groups of the pattern that selected a resource, `%0` first; a group that took no part
/// is `None`.
pub type Submatches<'a> = &'a [Option<&'a str>];

/// Everything a rule may look at. What a place does not offer is `None`, and conditions on it find
/// nothing there (spec 10 §4.5).
#[derive(Clone, Copy)]
pub struct RuleInput<'a> {
    /// The current time; calendar fields are taken in its own offset.
    pub now: DateTime,
    /// Node attributes, the `#…` ones included.
    pub node_attributes: Option<&'a dyn Lookup>,
    /// Resource parameters (`value-source="param"`).
    pub parameters: Option<&'a dyn Lookup>,
    /// Resource meta-attributes (`value-source="meta"`).
    pub meta_attributes: Option<&'a dyn Lookup>,
    /// The resource agent.
    pub resource: Option<ResourceInput<'a>>,
    /// The operation.
    pub operation: Option<OperationInput<'a>>,
    /// The match of `rsc-pattern`.
    pub submatches: Option<Submatches<'a>>,
}

impl RuleInput<'_> {
    /// Only the time.
    pub fn at(now: DateTime) -> RuleInput<'static> {
        RuleInput {
            now,
            node_attributes: None,
            parameters: None,
            meta_attributes: None,
            resource: None,
            operation: None,
            submatches: None,
        }
    }
}

/// The agent of a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ResourceInput<'a> {
    /// Standard, such as `ocf`.
    pub class: &'a str,
    /// Provider, for `ocf`.
    pub provider: Option<&'a str>,
    /// Agent name (attribute `type`).
    pub agent: &'a str,
}

/// An operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OperationInput<'a> {
    /// Name, such as `monitor`.
    pub name: &'a str,
    /// Interval in milliseconds.
    pub interval_ms: u64,
}

/// The earliest instant at which a rule may come out differently, as far as dates go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct NextChange(Option<i64>);

impl NextChange {
    /// Seconds since 1970, if any date expression said so.
    pub fn epoch(self) -> Option<i64> {
        self.0
    }

    /// Remembers an instant if it is the earliest so far.
    pub fn note(&mut self, epoch: i64) {
        self.0 = Some(self.0.map_or(epoch, |earliest| earliest.min(epoch)));
    }
}

/// Replaces `%0` to `%9` by the groups of a pattern match; without a match the text stays as it is.
pub fn expand_submatches<'t>(text: &'t str, submatches: Option<Submatches<'_>>) -> Cow<'t, str> {
    let Some(groups) = submatches.filter(|_| text.contains('%')) else {
        return Cow::Borrowed(text);
    };
    let mut expanded = String::with_capacity(text.len());
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        match characters.peek().and_then(|next| next.to_digit(10)) {
            Some(group) if character == '%' => {
                characters.next();
                expanded.push_str(groups.get(group as usize).copied().flatten().unwrap_or(""));
            }
            _ => expanded.push(character),
        }
    }
    Cow::Owned(expanded)
}
