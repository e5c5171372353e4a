//! Sets of name/value pairs (spec 50 §1.2).

use super::reader::Reader;
use super::rules::Rule;
use crate::document::Element;
use crate::scalar::Score;

/// A `cluster_property_set`, `instance_attributes`, `meta_attributes` or `utilization`.
#[derive(Clone, Debug, PartialEq)]
pub struct ValueSet<'d> {
    /// The element.
    pub element: Element<'d>,
    /// Its id; empty for a reference.
    pub id: &'d str,
    /// The set this one stands for.
    pub id_ref: Option<&'d str>,
    /// Its precedence; absent counts as 0.
    pub score: Option<Score>,
    /// When it applies.
    pub rule: Option<Rule<'d>>,
    /// Its pairs in document order.
    pub pairs: Vec<NameValue<'d>>,
}

/// An `nvpair`.
#[derive(Clone, Debug, PartialEq)]
pub struct NameValue<'d> {
    /// The element.
    pub element: Element<'d>,
    /// Its id; empty for a reference.
    pub id: &'d str,
    /// The pair this one stands for.
    pub id_ref: Option<&'d str>,
    /// The name; for a reference, another name for the same value.
    pub name: Option<&'d str>,
    /// The value.
    pub value: Option<&'d str>,
}

impl<'d> ValueSet<'d> {
    pub(super) fn read(reader: &mut Reader, element: Element<'d>) -> ValueSet<'d> {
        let id_ref = element.attribute("id-ref");
        let id = if id_ref.is_some() { "" } else { reader.required(element, "id") };
        let rule = element.child("rule").map(|rule| Rule::read(reader, rule, 0));
        let score = reader.value(element, "score");
        let pairs =
            element.children_named("nvpair").map(|pair| NameValue::read(reader, pair)).collect();
        ValueSet { element, id, id_ref, score, rule, pairs }
    }

    /// The sets of one kind among the children of `parent`.
    pub(super) fn read_all(
        reader: &mut Reader,
        parent: Element<'d>,
        name: &str,
    ) -> Vec<ValueSet<'d>> {
        parent.children_named(name).map(|set| ValueSet::read(reader, set)).collect()
    }

    /// The value of the first pair with a name, without regard to rules and references.
    pub fn get(&self, name: &str) -> Option<&'d str> {
        self.pairs.iter().find(|pair| pair.name == Some(name))?.value
    }
}

impl<'d> NameValue<'d> {
    fn read(reader: &mut Reader, element: Element<'d>) -> NameValue<'d> {
        let id_ref = element.attribute("id-ref");
        let (id, name) = match id_ref {
            Some(_) => ("", element.attribute("name")),
            None => (reader.required(element, "id"), Some(reader.required(element, "name"))),
        };
        NameValue { element, id, id_ref, name, value: element.attribute("value") }
    }
}
