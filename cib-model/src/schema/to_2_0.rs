//! 1.3 → 2.0: the syntax of access control lists (spec 50 §5.4).

use super::upgrade::TooLarge;
use crate::document::{Document, ElementId};

/// Converts a document that conforms to 1.3.
pub(super) fn convert(document: &mut Document, notes: &mut Vec<String>) -> Result<(), TooLarge> {
    let sections: Vec<ElementId> = document
        .root()
        .children_named("configuration")
        .flat_map(|configuration| configuration.children_named("acls"))
        .map(|acls| acls.id())
        .collect();
    for acls in sections {
        let entries: Vec<ElementId> =
            document.element(acls).children().map(|entry| entry.id()).collect();
        for entry in entries {
            permissions(document, entry, notes);
            if document.element(entry).name() == "acl_user" {
                user(document, entry);
            }
        }
    }
    Ok(())
}

/// `read`, `write` and `deny` become `acl_permission`, `role_ref` becomes `role`.
fn permissions(document: &mut Document, entry: ElementId, notes: &mut Vec<String>) {
    let children: Vec<ElementId> =
        document.element(entry).children().map(|child| child.id()).collect();
    for child in children {
        match document.element(child).name() {
            "role_ref" => document.rename(child, "role"),
            kind @ ("read" | "write" | "deny") => {
                let kind = kind.to_owned();
                permission(document, child, &kind, notes);
            }
            _ => {}
        }
    }
}

fn permission(document: &mut Document, id: ElementId, kind: &str, notes: &mut Vec<String>) {
    let attribute = document.remove_attribute(id, "attribute");
    let reference = document.remove_attribute(id, "ref");
    let tag = document.remove_attribute(id, "tag");
    let xpath = document.remove_attribute(id, "xpath");
    document.rename(id, "acl_permission");
    document.set_attribute(id, "kind", kind);
    if let Some(xpath) = xpath {
        let suffix = attribute.map(|name| format!("[@{name}]")).unwrap_or_default();
        document.set_attribute(id, "xpath", &format!("{xpath}{suffix}"));
    } else if let Some(reference) = reference {
        if attribute.is_some() || tag.is_some() {
            let name = document.element(id).xml_id().unwrap_or_default();
            notes.push(format!(
                "ACL permission {name}: only the reference {reference} is kept, as it cannot be \
                 combined with an attribute or object type"
            ));
        }
        document.set_attribute(id, "reference", &reference);
    } else if let Some(tag) = tag {
        document.set_attribute(id, "object-type", &tag);
        if let Some(attribute) = attribute {
            document.set_attribute(id, "attribute", &attribute);
        }
    }
}

/// A user becomes a target; permissions of its own move to a role made for it.
fn user(document: &mut Document, user: ElementId) {
    document.rename(user, "acl_target");
    let own: Vec<ElementId> =
        document.element(user).children_named("acl_permission").map(|one| one.id()).collect();
    if own.is_empty() {
        return;
    }
    let element = document.element(user);
    let role_id = format!("auto-{}", element.xml_id().unwrap_or_default());
    let (Some(parent), place) = (element.parent(), element.as_node().position()) else { return };
    let parent = parent.id();
    let role = document.append_element(parent, "acl_role");
    document.set_attribute(role, "id", &role_id);
    document.move_child(role, parent, place + 1);
    for permission in own {
        document.move_child(permission, role, usize::MAX);
    }
    let reference = document.append_element(user, "role");
    document.set_attribute(reference, "id", &role_id);
}
