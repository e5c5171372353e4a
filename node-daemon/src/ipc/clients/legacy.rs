//! The CIB as clients of the 2.1 series understand it.
//!
//! They know `in_ccm` and `crmd` of a `node_state` only as booleans; newer clients know since when, too
//! (spec 50 §3). A node would be offline in the eyes of the former if they got what the latter get.

use std::borrow::Cow;

use cib_model::{Document, Element, ElementId};

/// The old form of a value that says since when; nothing if it is in the old form already.
fn old_form(name: &str, value: &str) -> Option<&'static str> {
    let since: i64 = value.parse().ok()?;
    Some(match (name, since > 0) {
        ("in_ccm", true) => "true",
        ("in_ccm", false) => "false",
        ("crmd", true) => "online",
        ("crmd", false) => "offline",
        _ => return None,
    })
}

/// A CIB, or part of one, or a patch, with these values in their old form.
pub(super) fn for_old_clients(document: &Document) -> Cow<'_, Document> {
    let changes: Vec<(ElementId, &str, &'static str)> = document
        .root()
        .descendants()
        .flat_map(|element| match element.name() {
            "node_state" => of_state(element),
            "change-attr" => of_change(element).into_iter().collect(),
            _ => Vec::new(),
        })
        .collect();
    if changes.is_empty() {
        return Cow::Borrowed(document);
    }
    let mut old = document.clone();
    for (element, name, value) in changes {
        old.set_attribute(element, name, value);
    }
    Cow::Owned(old)
}

fn of_state(element: Element<'_>) -> Vec<(ElementId, &str, &'static str)> {
    let attributes = element.attributes();
    attributes
        .filter_map(|(name, value)| Some((element.id(), name, old_form(name, value)?)))
        .collect()
}

fn of_change(element: Element<'_>) -> Option<(ElementId, &str, &'static str)> {
    let path = element.parent()?.parent()?.attribute("path")?;
    let last = path.rsplit('/').next()?;
    let value = element.attribute("value").filter(|_| last.starts_with("node_state["))?;
    Some((element.id(), "value", old_form(element.attribute("name")?, value)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_become_booleans_in_cibs_and_patches() {
        for (new, old) in [
            (
                r#"<status><node_state id="1" in_ccm="1790000000" crmd="0" join="member"/></status>"#,
                r#"<status><node_state id="1" in_ccm="true" crmd="offline" join="member"/></status>"#,
            ),
            (
                r#"<change path="/cib/status/node_state[@id='1']"><change-list><change-attr name="crmd" operation="set" value="1790000000"/></change-list></change>"#,
                r#"<change path="/cib/status/node_state[@id='1']"><change-list><change-attr name="crmd" operation="set" value="online"/></change-list></change>"#,
            ),
            (
                r#"<change path="/cib/configuration"><change-list><change-attr name="crmd" operation="set" value="7"/></change-list></change>"#,
                r#"<change path="/cib/configuration"><change-list><change-attr name="crmd" operation="set" value="7"/></change-list></change>"#,
            ),
            (r#"<node_state id="1" in_ccm="true"/>"#, r#"<node_state id="1" in_ccm="true"/>"#),
        ] {
            let new = Document::parse(new).unwrap();
            assert_eq!(for_old_clients(&new).root().to_xml_compact(), old);
        }
    }
}
