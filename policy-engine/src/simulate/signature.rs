//! What makes two states of a simulation the same: all that planning looks at, times and counters left
//! out.

use cib_model::scalar::parse_integer;
use cib_model::{Document, Element};
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};

/// Attributes of operations in history that change without meaning anything else.
const VOLATILE: [&str; 7] = [
    "call-id",
    "transition-key",
    "transition-magic",
    "last-rc-change",
    "exec-time",
    "queue-time",
    "crm-debug-origin",
];

/// The signature of a document's status.
pub fn of(document: &Document) -> u64 {
    let mut hasher = DefaultHasher::new();
    if let Some(status) = document.root().child("status") {
        element(status, &mut hasher);
    }
    hasher.finish()
}

fn element(e: Element<'_>, hasher: &mut DefaultHasher) {
    e.name().hash(hasher);
    let operation = e.name() == "lrm_rsc_op";
    for (name, value) in e.attributes() {
        if !(operation && VOLATILE.contains(&name)) {
            (name, value).hash(hasher);
        }
    }
    if e.name() == "lrm_resource" {
        // Not when operations were done counts, but in which order.
        let mut operations: Vec<(i64, Element<'_>)> = e
            .children_named("lrm_rsc_op")
            .map(|op| (op.attribute("call-id").and_then(parse_integer).unwrap_or(0), op))
            .collect();
        operations.sort_by_key(|(call, _)| *call);
        for (_, op) in operations {
            element(op, hasher);
        }
    } else {
        for child in e.children() {
            element(child, hasher);
        }
    }
    u8::MAX.hash(hasher);
}
