//! Name/value pairs: names that changed or went, one pair per name, sets in order of precedence.

use std::collections::BTreeMap;

use super::references::Targets;
use super::{PREFIX, children_where, ids_where, is_set};
use crate::document::{Document, Element, ElementId};
use crate::scalar::Score;

/// What a set is for, as far as names depend on it.
#[derive(Copy, Clone, PartialEq, Eq)]
enum Purpose {
    ClusterOptions,
    ResourceMeta,
    OperationMeta,
    Other,
}

impl Purpose {
    fn of(set: Element<'_>) -> Purpose {
        match (set.name(), set.parent().map_or("", |parent| parent.name())) {
            ("cluster_property_set", _) => Purpose::ClusterOptions,
            ("meta_attributes", "op" | "op_defaults") => Purpose::OperationMeta,
            (
                "meta_attributes",
                "primitive" | "template" | "group" | "clone" | "master" | "bundle" | "rsc_defaults",
            ) => Purpose::ResourceMeta,
            _ => Purpose::Other,
        }
    }

    fn is_gone(self, name: &str) -> bool {
        match self {
            Purpose::ClusterOptions => name == "remove-after-stop",
            Purpose::ResourceMeta => name == "restart-type",
            Purpose::OperationMeta => matches!(name, "can_fail" | "role_after_failure"),
            Purpose::Other => false,
        }
    }

    /// What a name and value are now, where that differs.
    fn renewed(self, name: &str, value: &str) -> Option<(&'static str, Option<&'static str>)> {
        match (self, name, value) {
            (Purpose::ClusterOptions, "crmd-finalization-timeout", _) => {
                Some(("join-finalization-timeout", None))
            }
            (Purpose::ClusterOptions, "crmd-integration-timeout", _) => {
                Some(("join-integration-timeout", None))
            }
            (Purpose::ClusterOptions, "crmd-transition-delay", _) => {
                Some(("transition-delay", None))
            }
            (Purpose::ClusterOptions, "stonith-action", "poweroff") => {
                Some(("stonith-action", Some("off")))
            }
            _ => None,
        }
    }
}

/// A pair with what it says, its reference resolved.
struct Pair {
    element: ElementId,
    name: String,
    value: Option<String>,
}

impl Pair {
    fn read(document: &Document, targets: &Targets, element: ElementId) -> Pair {
        let own = document.element(element);
        let target = targets.resolve(own);
        let name = own.attribute("name").or(target.attribute("name"));
        Pair {
            element,
            name: name.unwrap_or_default().to_owned(),
            value: target.attribute("value").map(str::to_owned),
        }
    }
}

/// Brings every pair to what 4.0 accepts, and every set to one pair per name.
pub(super) fn rewrite_values(document: &mut Document, targets: &Targets, notes: &mut Vec<String>) {
    for spec in ids_where(document, |e| matches!(e.name(), "date_spec" | "duration")) {
        if document.remove_attribute(spec, "moon").is_some() {
            notes.push("the moon, never in effect in date expressions, is dropped".to_owned());
        }
    }
    // First everything is read, as one pair can be the target of others.
    let sets: Vec<(ElementId, Purpose, Vec<Pair>)> = ids_where(document, is_set)
        .into_iter()
        .map(|set| {
            let pairs = children_where(document, set, |child| child.name() == "nvpair");
            let pairs = pairs.into_iter().map(|pair| Pair::read(document, targets, pair)).collect();
            (set, Purpose::of(document.element(set)), pairs)
        })
        .collect();
    let mut gone: Vec<ElementId> = Vec::new();
    for (set, purpose, mut pairs) in sets {
        pairs.retain(|pair| {
            let keep = pair.value.is_some() && !purpose.is_gone(&pair.name);
            if !keep {
                let set = document.element(set).xml_id().unwrap_or_default();
                notes.push(format!("{} in {set} is dropped", pair.name));
                gone.push(pair.element);
            }
            keep
        });
        for pair in &mut pairs {
            renew(document, targets, purpose, pair);
        }
        gone.extend(superfluous(&pairs));
    }
    for pair in gone {
        document.remove(pair);
    }
}

/// Writes the present name and value. A reference that renames or that leads to another name becomes
/// a pair of its own.
fn renew(document: &mut Document, targets: &Targets, purpose: Purpose, pair: &mut Pair) {
    let value = pair.value.clone().unwrap_or_default();
    let renewed = purpose.renewed(&pair.name, &value);
    let element = document.element(pair.element);
    let reference = element.attribute("id-ref").map(str::to_owned);
    let renames = reference.is_some() && element.attribute("name").is_some();
    let target_renews = {
        let target = targets.resolve(element);
        reference.is_some()
            && target.parent().map_or(Purpose::Other, Purpose::of) == Purpose::ClusterOptions
    };
    let (name, value) = match renewed {
        Some((name, new_value)) => {
            (name.to_owned(), new_value.map_or(value, |new_value| new_value.to_owned()))
        }
        None => (pair.name.clone(), value),
    };
    match reference {
        Some(target) if renames || (renewed.is_some() && !target_renews) => {
            document.remove_attribute(pair.element, "id-ref");
            document.remove_attribute(pair.element, "name");
            document.set_attribute(pair.element, "id", &format!("{PREFIX}{target}-{name}"));
            document.set_attribute(pair.element, "name", &name);
            document.set_attribute(pair.element, "value", &value);
        }
        None if renewed.is_some() => {
            document.set_attribute(pair.element, "name", &name);
            document.set_attribute(pair.element, "value", &value);
        }
        _ => {}
    }
    (pair.name, pair.value) = (name, Some(value));
}

/// The pairs of a set that do not count: `#default` cancels those of its name before it, and of the
/// others the first one counts.
fn superfluous(pairs: &[Pair]) -> Vec<ElementId> {
    let mut kept: BTreeMap<&str, &Pair> = BTreeMap::new();
    let mut gone = Vec::new();
    for pair in pairs {
        let is_default = |pair: &Pair| {
            pair.value.as_deref().is_some_and(|value| value.eq_ignore_ascii_case("#default"))
        };
        match kept.get(pair.name.as_str()) {
            Some(earlier) if !is_default(pair) && !is_default(earlier) => gone.push(pair.element),
            Some(earlier) => {
                gone.push(earlier.element);
                kept.insert(&pair.name, pair);
            }
            None => {
                kept.insert(&pair.name, pair);
            }
        }
    }
    gone
}

/// Puts the sets of each parent behind its other children, by precedence: the main set of cluster
/// options, then by descending score, ties as they stand.
pub(super) fn sort_sets(document: &mut Document, targets: &Targets) {
    let parents = ids_where(document, |element| element.children().any(is_set));
    for parent in parents {
        let mut sets: Vec<(bool, Score, ElementId)> = document
            .element(parent)
            .children()
            .filter(|&child| is_set(child))
            .map(|set| {
                let target = targets.resolve(set);
                let main = target.name() == "cluster_property_set"
                    && target.xml_id() == Some("cib-bootstrap-options");
                let score = target.attribute("score").and_then(|text| Score::parse(text).ok());
                (!main, score.unwrap_or(Score::ZERO), set.id())
            })
            .collect();
        sets.sort_by_key(|&(other, score, _)| (other, std::cmp::Reverse(score)));
        for (_, _, set) in sets {
            document.move_child(set, parent, usize::MAX);
        }
    }
}
