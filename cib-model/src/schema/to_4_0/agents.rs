//! Resources whose agents are gone (`nagios`, `upstart`, rkt bundles), and what referred to them.

use std::collections::BTreeSet;

use super::references::remove_rescuing;
use super::{children_where, id_of, ids_where};
use crate::document::{Document, Element, ElementId};

pub(super) fn remove(document: &mut Document, notes: &mut Vec<String>) {
    let gone = resources(document);
    if gone.is_empty() {
        return;
    }
    let lost: BTreeSet<String> = gone
        .iter()
        .flat_map(|&root| document.element(root).descendants())
        .filter(|e| matches!(e.name(), "primitive" | "template" | "group" | "clone" | "bundle"))
        .filter_map(Element::xml_id)
        .map(str::to_owned)
        .collect();
    for id in &lost {
        notes.push(format!("resource {id}, whose kind is no longer supported, is dropped"));
    }
    remove_rescuing(document, &gone);
    constraints(document, &lost, notes);
}

fn is_gone_class(resource: Element<'_>) -> bool {
    resource.attribute("class").is_some_and(|class| {
        class.eq_ignore_ascii_case("nagios") || class.eq_ignore_ascii_case("upstart")
    })
}

/// The outermost elements to remove: resources of the classes that are gone, directly or through
/// their template, and collections of which nothing stays.
fn resources(document: &Document) -> Vec<ElementId> {
    let templates: BTreeSet<&str> = document
        .root()
        .children_named("configuration")
        .flat_map(Element::descendants)
        .filter(|element| element.name() == "template" && is_gone_class(*element))
        .filter_map(Element::xml_id)
        .collect();
    let goes = |primitive: Element<'_>| {
        is_gone_class(primitive)
            || primitive.attribute("template").is_some_and(|name| templates.contains(name))
    };
    let group_goes = |group: Element<'_>| group.children_named("primitive").all(goes);
    let clone_goes = |clone: Element<'_>| {
        clone.child("primitive").is_some_and(goes) || clone.child("group").is_some_and(group_goes)
    };
    let all = ids_where(document, |element| match element.name() {
        "template" => is_gone_class(element),
        "primitive" => goes(element),
        "group" => group_goes(element),
        "clone" => clone_goes(element),
        "bundle" => element.child("rkt").is_some(),
        _ => false,
    });
    let set: BTreeSet<ElementId> = all.iter().copied().collect();
    let outermost = |id: &ElementId| {
        !document.element(*id).ancestors().skip(1).any(|above| set.contains(&above.id()))
    };
    all.iter().copied().filter(outermost).collect()
}

/// Removes what refers to lost resources: members of sets, sets that become empty, constraints that
/// lose what they are about.
fn constraints(document: &mut Document, lost: &BTreeSet<String>, notes: &mut Vec<String>) {
    let is_lost = |element: Element<'_>, name: &str| {
        element.attribute(name).is_some_and(|id| lost.contains(id))
    };
    let members = ids_where(document, |e| e.name() == "resource_ref" && is_lost(e, "id"));
    let mut touched: BTreeSet<ElementId> = BTreeSet::new();
    for member in members {
        touched.extend(document.element(member).parent().map(Element::id));
        document.remove(member);
    }
    let empty: BTreeSet<ElementId> = touched
        .into_iter()
        .filter(|&set| document.element(set).child("resource_ref").is_none())
        .collect();
    let empty_ids: BTreeSet<String> = empty.iter().map(|&set| id_of(document, set)).collect();
    let mut gone: BTreeSet<ElementId> = ids_where(document, |element| match element.name() {
        "rsc_location" | "rsc_ticket" => is_lost(element, "rsc"),
        "rsc_colocation" => is_lost(element, "rsc") || is_lost(element, "with-rsc"),
        "rsc_order" => is_lost(element, "first") || is_lost(element, "then"),
        _ => false,
    })
    .into_iter()
    .collect();
    let sets = ids_where(document, |set| {
        set.name() == "resource_set"
            && (empty.contains(&set.id())
                || set.attribute("id-ref").is_some_and(|target| empty_ids.contains(target)))
    });
    for set in sets {
        let Some(constraint) = document.element(set).parent().map(Element::id) else { continue };
        document.remove(set);
        if children_where(document, constraint, |child| child.name() == "resource_set").is_empty() {
            gone.insert(constraint);
        }
    }
    for &constraint in &gone {
        notes.push(format!(
            "constraint {}, whose resources are gone, is dropped",
            id_of(document, constraint)
        ));
    }
    let gone: Vec<ElementId> = gone.into_iter().collect();
    remove_rescuing(document, &gone);
}
