#![no_main]
//! A patch between any two documents leads from one to the other, and any patch is applied or refused
//! without a panic. The input is two texts separated by a zero byte.

use cib_model::Document;
use cib_model::patch::{AttributeOrder, Patch};
use libfuzzer_sys::fuzz_target;

/// Elements that siblings share a name and id with cannot be told apart by a path; comments match in
/// any case.
fn is_ambiguous(document: &Document) -> bool {
    let text = document.to_xml();
    text.contains("<!--")
        || text.contains("<![CDATA[")
        || document.root().descendants().any(|element| {
            let mut seen: Vec<(&str, Option<&str>)> = Vec::new();
            element.children().any(|child| {
                let key = (child.name(), child.xml_id());
                let again = seen.contains(&key);
                seen.push(key);
                again
            })
        })
        || document.root().descendants().any(|element| {
            element.xml_id().is_some_and(|id| id.contains("']"))
                || element.name() == "comment"
                || element.name().contains(['/', '['])
        })
}

fuzz_target!(|text: &str| {
    let Some((old, new)) = text.split_once('\0') else { return };
    let (Ok(old), Ok(new)) = (Document::parse(old), Document::parse(new)) else { return };
    if let Ok(patch) = Patch::read(new.root()) {
        let _ = patch.applied(&old);
    }
    if old.root().name() != new.root().name() || old.root().xml_id() != new.root().xml_id() {
        return;
    }
    let Some(patch) = Patch::between(&old, &new, AttributeOrder::Significant) else {
        if !is_ambiguous(&old) && !is_ambiguous(&new) {
            assert_eq!(old.to_xml(), new.to_xml());
        }
        return;
    };
    let sent = Document::parse(&patch.to_document().to_xml()).unwrap();
    let received = Patch::read(sent.root()).unwrap();
    let mut result = old.clone();
    let applied = received.apply_changes(&mut result);
    if !is_ambiguous(&old) && !is_ambiguous(&new) {
        applied.unwrap();
        assert_eq!(result.to_xml(), new.to_xml());
    }
});
