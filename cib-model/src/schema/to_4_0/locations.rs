//! Location constraints with several rules, and lifetimes.

use std::collections::{BTreeMap, BTreeSet};

use super::super::upgrade::TooLarge;
use super::references::remove_rescuing;
use super::{PREFIX, children_where, configuration, id_of, ids_where};
use crate::document::{Document, Element, ElementId};

/// How many sets and lifetime rules the parts may repeat in all. A configuration that needs more is
/// refused.
const LARGEST_SPLIT: usize = 500_000;

/// Splits location constraints with several rules into one for each.
pub(super) fn split(document: &mut Document, notes: &mut Vec<String>) -> Result<(), TooLarge> {
    let mut parts_of: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut repeated = 0;
    for location in ids_where(document, |element| element.name() == "rsc_location") {
        let rules = children_where(document, location, |child| child.name() == "rule");
        if rules.len() > 1 {
            let shared = |e: &Element<'_>| matches!(e.name(), "resource_set" | "lifetime");
            let shared = document.element(location).children().filter(shared);
            repeated += rules.len() * shared.map(|e| 1 + e.children().count()).sum::<usize>();
            if repeated > LARGEST_SPLIT {
                return Err(TooLarge);
            }
            let id = id_of(document, location);
            notes.push(format!("location {id} is split into one constraint for each rule"));
            parts_of.insert(id, split_one(document, location, &rules));
        }
    }
    let permissions = ids_where(document, |element| {
        element.name() == "acl_permission"
            && element.attribute("reference").is_some_and(|to| parts_of.contains_key(to))
    });
    for permission in permissions {
        let Some(id) = document.remove_attribute(permission, "reference") else { continue };
        let any: Vec<String> = parts_of[&id].iter().map(|part| format!("@id = '{part}'")).collect();
        document.set_attribute(permission, "xpath", &format!("//*[{}]", any.join(" or ")));
    }
    Ok(())
}

/// The first part keeps sets and lifetime, the others refer to them.
fn split_one(document: &mut Document, location: ElementId, rules: &[ElementId]) -> Vec<String> {
    let id = id_of(document, location);
    let others: Vec<(String, String)> = document
        .element(location)
        .attributes()
        .filter(|(name, _)| *name != "id")
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let sets = children_where(document, location, |child| child.name() == "resource_set");
    let lifetimes = children_where(document, location, |child| child.name() == "lifetime");
    let mut parts = Vec::new();
    for (index, &rule) in rules.iter().enumerate() {
        let part = document.insert_element_before(location, "rsc_location");
        let part_id = format!("{PREFIX}{id}-{}", index + 1);
        document.set_attribute(part, "id", &part_id);
        for (name, value) in &others {
            document.set_attribute(part, name, value);
        }
        parts.push(part_id);
        if index == 0 {
            for &set in &sets {
                document.move_child(set, part, usize::MAX);
            }
        } else {
            for &set in &sets {
                refer(document, part, set);
            }
        }
        document.move_child(rule, part, usize::MAX);
        for &lifetime in &lifetimes {
            if index == 0 {
                document.move_child(lifetime, part, usize::MAX);
            } else {
                let again = document.append_element(part, "lifetime");
                for rule in children_where(document, lifetime, |child| child.name() == "rule") {
                    refer(document, again, rule);
                }
            }
        }
    }
    document.remove(location);
    parts
}

/// Adds a reference to what `target` is or refers to.
fn refer(document: &mut Document, parent: ElementId, target: ElementId) {
    let target = document.element(target);
    let id = target.xml_id().or(target.attribute("id-ref")).unwrap_or_default().to_owned();
    let name = target.name().to_owned();
    let reference = document.append_element(parent, &name);
    document.set_attribute(reference, "id-ref", &id);
}

/// Turns the lifetime of a location constraint into part of its rule.
pub(super) fn fold_lifetimes(document: &mut Document) {
    for location in ids_where(document, |element| element.name() == "rsc_location") {
        if let [lifetime] =
            children_where(document, location, |child| child.name() == "lifetime")[..]
        {
            fold_one(document, location, lifetime);
        }
    }
}

fn fold_one(document: &mut Document, location: ElementId, lifetime: ElementId) {
    let id = id_of(document, location);
    let own = document.element(location).child("rule").map(Element::id);
    let both = new_rule(document, location, &format!("{PREFIX}{id}-lifetime-and-rule"), "and");
    match own {
        Some(rule) => document.move_child(rule, both, usize::MAX),
        None => node_rule(document, location, both, &id),
    }
    let rules = children_where(document, lifetime, |child| child.name() == "rule");
    let home = if rules.len() > 1 {
        new_rule(document, both, &format!("{PREFIX}{id}-lifetime-or-rule"), "or")
    } else {
        both
    };
    for rule in rules {
        document.move_child(rule, home, usize::MAX);
    }
    document.remove(lifetime);
}

fn new_rule(document: &mut Document, parent: ElementId, id: &str, operator: &str) -> ElementId {
    let rule = document.append_element(parent, "rule");
    document.set_attribute(rule, "id", id);
    document.set_attribute(rule, "boolean-op", operator);
    rule
}

/// A rule that says what `node` and `score` of the constraint said.
fn node_rule(document: &mut Document, location: ElementId, parent: ElementId, id: &str) {
    let score = document.remove_attribute(location, "score").unwrap_or_default();
    let node = document.remove_attribute(location, "node").unwrap_or_default();
    let rule_id = format!("{PREFIX}{id}-node-score-rule");
    let rule = document.append_element(parent, "rule");
    document.set_attribute(rule, "id", &rule_id);
    document.set_attribute(rule, "score", &score);
    let expression = document.append_element(rule, "expression");
    document.set_attribute(expression, "id", &format!("{rule_id}-expr"));
    document.set_attribute(expression, "attribute", "#uname");
    document.set_attribute(expression, "operation", "eq");
    document.set_attribute(expression, "value", &node);
}

/// Drops lifetimes of colocations and orderings, which never had an effect. Rules in them that are
/// used elsewhere are kept in a constraint without effect.
pub(super) fn drop_lifetimes(document: &mut Document, notes: &mut Vec<String>) {
    let lifetimes = ids_where(document, |element| {
        element.name() == "lifetime"
            && element.parent().is_some_and(|parent| parent.name() != "rsc_location")
    });
    if lifetimes.is_empty() {
        return;
    }
    let dropped: BTreeSet<ElementId> = lifetimes.iter().copied().collect();
    let outside: BTreeSet<&str> = configuration(document)
        .filter(|rule| rule.name() == "rule")
        .filter(|rule| !rule.ancestors().any(|above| dropped.contains(&above.id())))
        .filter_map(|rule| rule.attribute("id-ref"))
        .collect();
    let used: Vec<ElementId> = lifetimes
        .iter()
        .flat_map(|&lifetime| document.element(lifetime).children_named("rule"))
        .filter(|rule| {
            rule.descendants().any(|inner| inner.xml_id().is_some_and(|id| outside.contains(id)))
        })
        .map(|rule| rule.id())
        .collect();
    for &lifetime in &lifetimes {
        let owner = document.element(lifetime).parent();
        let id = owner.and_then(Element::xml_id).unwrap_or_default();
        notes.push(format!("the lifetime of constraint {id}, never in effect, is dropped"));
    }
    keep_rules(document, &used);
    remove_rescuing(document, &lifetimes);
}

fn keep_rules(document: &mut Document, rules: &[ElementId]) {
    let constraints = document
        .root()
        .child("configuration")
        .and_then(|c| c.child("constraints"))
        .map(Element::id);
    let Some(constraints) = constraints.filter(|_| !rules.is_empty()) else { return };
    let keeper = document.append_element(constraints, "rsc_location");
    document.set_attribute(keeper, "id", &format!("{PREFIX}coloc-order-lifetime-rules"));
    document.set_attribute(keeper, "rsc-pattern", "a^");
    let wrapper = document.append_element(keeper, "rule");
    document.set_attribute(wrapper, "id", &format!("{PREFIX}coloc-order-lifetime-rule"));
    document.set_attribute(wrapper, "score", "-INFINITY");
    for &rule in rules {
        document.move_child(rule, wrapper, usize::MAX);
    }
}
