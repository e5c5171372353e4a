//! Nodes, fencing levels and promotable clones.

use super::{PREFIX, id_of, ids_where};
use crate::document::{Document, Element};
use crate::scalar::sanitize_id;

pub(super) fn drop_high_fencing_levels(document: &mut Document, notes: &mut Vec<String>) {
    let high = ids_where(document, |element| {
        element.name() == "fencing-level"
            && element
                .attribute("index")
                .is_some_and(|index| index.trim().trim_start_matches(['+', '0']).len() > 1)
    });
    for level in high {
        notes.push(format!("fencing level {}, beyond 9, is dropped", id_of(document, level)));
        document.remove(level);
    }
}

/// A ping node becomes a member on which nothing may run.
pub(super) fn ping_nodes(document: &mut Document, notes: &mut Vec<String>) {
    let nodes = ids_where(document, |element| {
        element.name() == "node" && element.attribute("type") == Some("ping")
    });
    let constraints = document
        .root()
        .child("configuration")
        .and_then(|c| c.child("constraints"))
        .map(Element::id);
    let Some(constraints) = constraints else { return };
    for node in nodes {
        document.set_attribute(node, "type", "member");
        let uname = document.element(node).attribute("uname").unwrap_or_default().to_owned();
        notes.push(format!("ping node {uname} becomes a member that may not run resources"));
        let ban = document.append_element(constraints, "rsc_location");
        let id = sanitize_id(&format!("{PREFIX}ping-node-ban-{uname}"));
        document.set_attribute(ban, "id", &id);
        document.set_attribute(ban, "rsc-pattern", ".*");
        document.set_attribute(ban, "node", &uname);
        document.set_attribute(ban, "score", "-INFINITY");
        document.set_attribute(ban, "resource-discovery", "never");
    }
}

/// `master` becomes a clone that says it is promotable; bundles count what they promote.
pub(super) fn promotable_clones(document: &mut Document, notes: &mut Vec<String>) {
    for master in ids_where(document, |element| element.name() == "master") {
        let id = id_of(document, master);
        notes.push(format!("master {id} becomes a promotable clone"));
        document.rename(master, "clone");
        let set = document.append_element(master, "meta_attributes");
        document.move_child(set, master, 0);
        let set_id = format!("{PREFIX}promotable-legacy-{id}-meta_attributes");
        document.set_attribute(set, "id", &set_id);
        document.set_attribute(set, "score", "INFINITY");
        let pair = document.append_element(set, "nvpair");
        document.set_attribute(pair, "id", &format!("{set_id}-promotable"));
        document.set_attribute(pair, "name", "promotable");
        document.set_attribute(pair, "value", "true");
    }
    let containers = ids_where(document, |element| {
        matches!(element.name(), "docker" | "podman" | "rkt")
            && element.attribute("masters").is_some()
    });
    for container in containers {
        if let Some(count) = document.remove_attribute(container, "masters") {
            document.set_attribute(container, "promoted-max", &count);
        }
    }
}
