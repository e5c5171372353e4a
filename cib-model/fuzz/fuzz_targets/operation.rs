#![no_main]
//! Any request on any CIB is carried out or refused without a panic; the patch of a change leads from
//! the old CIB to the new one. The input is CIB, operation and options, section, and data, separated by
//! zero bytes.

use cib_model::Document;
use cib_model::operation::{CallOptions, Context, Operation, Request, process};
use libfuzzer_sys::fuzz_target;

const OPERATIONS: [&str; 10] = [
    "cib_query",
    "cib_create",
    "cib_modify",
    "cib_replace",
    "cib_delete",
    "cib_erase",
    "cib_bump",
    "cib_upgrade",
    "cib_apply_diff",
    "cib_commit_transact",
];

fuzz_target!(|text: &str| {
    let mut parts = text.splitn(4, '\0');
    let mut part = || parts.next().unwrap_or_default();
    let (cib, control, section, data) = (part(), part(), part(), part());
    if cib.len() > 8192 || section.len() > 128 {
        return;
    }
    let Ok(cib) = Document::parse(cib) else { return };
    let control: u64 = control.parse().unwrap_or(0);
    let operation = OPERATIONS[(control % 10) as usize];
    let request = Request {
        section: (!section.is_empty()).then(|| section.to_owned()),
        options: CallOptions((control / 10) as u32 & 0x7fff),
        data: Document::parse(data).ok(),
        user: (control & 1 << 40 != 0).then(|| "eve".to_owned()),
        ..Request::new(Operation::from_wire(operation).unwrap())
    };
    let outcome = process(&cib, &request, &Context::default());
    if outcome.document.is_some() {
        assert!(outcome.patch.is_some() && outcome.result.is_ok());
    }
});
