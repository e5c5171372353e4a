//! Arbitrary bytes as a document: reading never panics, and what was read is written and read the
//! same, also after changes.

#![no_main]

use cib_model::document::Document;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(mut document) = Document::parse_bytes(bytes) else { return };
    check(&document);
    let ids: Vec<_> = document.root().descendants().map(|element| element.id()).collect();
    for (step, &id) in ids.iter().enumerate().skip(1).take(50) {
        let still_there = document.root().descendants().any(|element| element.id() == id);
        if !still_there {
            continue;
        }
        match bytes[step % bytes.len()] % 5 {
            0 => document.remove(id),
            1 => document.move_child(id, document.root_id(), step % 3),
            2 => document.set_attribute(id, "id", "<&\"'\n>"),
            3 => drop(document.append_element(id, "x")),
            _ => drop(document.duplicate(document.root_id(), id)),
        }
    }
    check(&document);
});

fn check(document: &Document) {
    let pretty = document.to_xml();
    let again = Document::parse(&pretty).expect("what we write can be read");
    assert_eq!(again.to_xml(), pretty);
    assert_eq!(&again, document);
}
