//! Resources and their operations: old names, and options that moved from operation parameters to
//! operation meta-attributes, or from operations to the resource.

use super::{PREFIX, Place, ids_where, is_bare, pairs};
use crate::document::{Document, Element, ElementId};

pub(super) fn is_legacy_parameter(name: &str) -> bool {
    name == "pcmk_arg_map" || fence_action(name).is_some()
}

fn fence_action(name: &str) -> Option<&'static str> {
    Some(match name {
        "pcmk_list_cmd" => "pcmk_list_action",
        "pcmk_monitor_cmd" => "pcmk_monitor_action",
        "pcmk_off_cmd" => "pcmk_off_action",
        "pcmk_on_cmd" => "pcmk_on_action",
        "pcmk_reboot_cmd" => "pcmk_reboot_action",
        "pcmk_status_cmd" => "pcmk_status_action",
        _ => return None,
    })
}

pub(super) fn is_legacy_meta(name: &str) -> bool {
    is_isolation(name) || is_failure_stickiness(name)
}

fn is_isolation(name: &str) -> bool {
    matches!(name, "isolation" | "isolation-host" | "isolation-instance" | "isolation-wrapper")
}

fn is_failure_stickiness(name: &str) -> bool {
    matches!(name, "resource-failure-stickiness" | "resource_failure_stickiness")
}

/// Options of an operation that were taken from its parameters, too.
pub(super) fn is_operation_option(name: &str) -> bool {
    matches!(
        name,
        "interval-origin"
            | "start-delay"
            | "enabled"
            | "on-fail"
            | "record-pending"
            | "role"
            | "timeout"
    )
}

pub(super) fn convert(document: &mut Document, notes: &mut Vec<String>) {
    let resources =
        ids_where(document, |element| matches!(element.name(), "primitive" | "template"));
    for resource in resources {
        let sets: Vec<ElementId> =
            document.element(resource).children().map(|child| child.id()).collect();
        for set in sets {
            match Place::of(document.element(set)) {
                Place::Parameter => parameters(document, set, notes),
                Place::Meta => meta(document, set, notes),
                _ => continue,
            }
            remove_if_emptied(document, set);
        }
        let operations: Vec<ElementId> = document
            .element(resource)
            .children_named("operations")
            .flat_map(|operations| operations.children_named("op"))
            .map(|op| op.id())
            .collect();
        for &op in &operations {
            options(document, op);
        }
        requires(document, resource, &operations, notes);
    }
}

fn name_of(document: &Document, pair: ElementId) -> String {
    document.element(pair).attribute("name").unwrap_or_default().to_owned()
}

fn parameters(document: &mut Document, set: ElementId, notes: &mut Vec<String>) {
    for pair in pairs(document, set) {
        let name = name_of(document, pair);
        if let Some(new) = fence_action(&name) {
            document.set_attribute(pair, "name", new);
        } else if name == "pcmk_arg_map" {
            let value = document.element(pair).attribute("value").unwrap_or_default();
            match value.strip_prefix("port:").filter(|port| !port.contains(',')) {
                Some(port) => {
                    let port = port.to_owned();
                    document.set_attribute(pair, "name", "pcmk_host_argument");
                    document.set_attribute(pair, "value", &port);
                }
                None => {
                    notes.push(format!("parameter pcmk_arg_map={value:?} is dropped"));
                    document.remove(pair);
                }
            }
        }
    }
}

fn meta(document: &mut Document, set: ElementId, notes: &mut Vec<String>) {
    let mut seen: Vec<String> = Vec::new();
    for pair in pairs(document, set) {
        let name = name_of(document, pair);
        let replacement = if is_isolation(&name) {
            notes.push(format!(
                "meta-attribute {name}: isolation is gone, the resource is disabled"
            ));
            Some(("target-role", "Stopped"))
        } else if is_failure_stickiness(&name) {
            let infinite = document.element(pair).attribute("value") == Some("-INFINITY");
            if !infinite {
                notes.push(format!("meta-attribute {name} is dropped: see migration-threshold"));
            }
            infinite.then_some(("migration-threshold", "1"))
        } else {
            seen.push(name);
            continue;
        };
        match replacement.filter(|(new, _)| !seen.iter().any(|seen| seen == new)) {
            Some((new, value)) => {
                document.set_attribute(pair, "name", new);
                document.set_attribute(pair, "value", value);
                seen.push(new.to_owned());
            }
            None => document.remove(pair),
        }
    }
}

fn remove_if_emptied(document: &mut Document, set: ElementId) {
    if is_bare(document.element(set)) {
        document.remove(set);
    }
}

/// Moves options of the operation from its parameters to its meta-attributes.
fn options(document: &mut Document, op: ElementId) {
    let sets: Vec<ElementId> =
        document.element(op).children_named("instance_attributes").map(|set| set.id()).collect();
    for set in sets {
        let moving: Vec<ElementId> = pairs(document, set)
            .into_iter()
            .filter(|&pair| is_operation_option(&name_of(document, pair)))
            .collect();
        if moving.is_empty() {
            continue;
        }
        let rule = document.element(set).child("rule").map(Element::id);
        let all = moving.len() == document.element(set).children_named("nvpair").count();
        let home = if let Some(rule) = rule {
            let copy = ruled_copy(document, op, set);
            if all {
                document.remove_children(copy);
                document.move_child(rule, copy, usize::MAX);
            }
            copy
        } else {
            let open = |set: &Element<'_>| {
                set.child("rule").is_none() && set.attribute("id-ref").is_none()
            };
            let found =
                document.element(op).children_named("meta_attributes").find(open).map(Element::id);
            found.unwrap_or_else(|| {
                let op_id = document.element(op).xml_id().unwrap_or_default();
                new_meta(document, op, &format!("{PREFIX}{}-meta", op_id.to_owned()))
            })
        };
        for pair in moving {
            document.move_child(pair, home, usize::MAX);
        }
        remove_if_emptied(document, set);
    }
}

fn new_meta(document: &mut Document, parent: ElementId, id: &str) -> ElementId {
    let set = document.append_element(parent, "meta_attributes");
    document.set_attribute(set, "id", id);
    set
}

/// A meta-attribute set under `parent` that holds under the same rule as `set`.
fn ruled_copy(document: &mut Document, parent: ElementId, set: ElementId) -> ElementId {
    let id = document.element(set).xml_id().unwrap_or_default().to_owned();
    let copy = new_meta(document, parent, &format!("{PREFIX}{id}"));
    let Some(rule) = document.element(set).child("rule") else { return copy };
    let target = rule.xml_id().or(rule.attribute("id-ref")).unwrap_or_default().to_owned();
    let reference = document.append_element(copy, "rule");
    document.set_attribute(reference, "id-ref", &target);
    copy
}

/// Moves `requires` from operations to their resource.
///
/// It counts for start and promote only, where the last operation that has it wins, and an attribute of
/// the operation comes before its sets. What the resource says itself stays.
fn requires(
    document: &mut Document,
    resource: ElementId,
    operations: &[ElementId],
    notes: &mut Vec<String>,
) {
    let own = document.element(resource).children_named("meta_attributes").any(|set| {
        set.child("rule").is_none()
            && set.children_named("nvpair").any(|pair| pair.attribute("name") == Some("requires"))
    });
    let winner = operations.iter().rev().copied().find(|&op| {
        matches!(name_of(document, op).as_str(), "start" | "promote")
            && (document.element(op).attribute("requires").is_some()
                || !requires_pairs(document, op).is_empty())
    });
    if let Some(op) = winner {
        give_requires(document, resource, op, own);
    }
    for &op in operations {
        let mut dropped = document.remove_attribute(op, "requires").is_some();
        for (set, pair) in requires_pairs(document, op) {
            document.remove(pair);
            remove_if_emptied(document, set);
            dropped = true;
        }
        if dropped {
            let op = document.element(op).xml_id().unwrap_or_default();
            notes.push(format!("operation {op}: requires is dropped"));
        }
    }
}

/// The pairs named `requires` of an operation, each with its set.
fn requires_pairs(document: &Document, op: ElementId) -> Vec<(ElementId, ElementId)> {
    document
        .element(op)
        .children()
        .filter(|set| matches!(set.name(), "instance_attributes" | "meta_attributes"))
        .flat_map(|set| set.children_named("nvpair").map(move |pair| (set, pair)))
        .filter(|(_, pair)| pair.attribute("name") == Some("requires"))
        .map(|(set, pair)| (set.id(), pair.id()))
        .collect()
}

/// Says of the resource what one of its operations requires, unless it says so itself.
fn give_requires(document: &mut Document, resource: ElementId, op: ElementId, own: bool) {
    let id_of = |document: &Document, element: ElementId| {
        document.element(element).xml_id().unwrap_or_default().to_owned()
    };
    if document.element(op).attribute("requires").is_some() {
        if own {
            return;
        }
        let Some(value) = document.remove_attribute(op, "requires") else { return };
        let id = format!("{PREFIX}{}-meta", id_of(document, resource));
        let set = new_meta(document, resource, &id);
        let pair = document.append_element(set, "nvpair");
        let id = format!("{PREFIX}{}-meta-requires", id_of(document, op));
        document.set_attribute(pair, "id", &id);
        document.set_attribute(pair, "name", "requires");
        document.set_attribute(pair, "value", &value);
        return;
    }
    let Some(&(set, pair)) = requires_pairs(document, op).first() else { return };
    let ruled = document.element(set).child("rule").map(Element::id);
    if own && ruled.is_none() {
        return;
    }
    let home = match ruled {
        Some(_) if document.element(set).children_named("nvpair").count() > 1 => {
            ruled_copy(document, resource, set)
        }
        _ => {
            let id = format!("{PREFIX}{}", id_of(document, set));
            let home = new_meta(document, resource, &id);
            if let Some(rule) = ruled {
                document.move_child(rule, home, usize::MAX);
            }
            home
        }
    };
    document.move_child(pair, home, usize::MAX);
    remove_if_emptied(document, set);
}
