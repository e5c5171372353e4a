#![no_main]
//! Any document is read into the typed model, judged and upgraded without a panic, and what an upgrade
//! makes conforms.

use cib_model::Document;
use cib_model::model::Cib;
use cib_model::schema::upgrade;
use cib_model::validate::{conforms, validate};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let Ok(mut document) = Document::parse(text) else { return };
    for error in Cib::read(&document).errors {
        assert!(!error.to_string().is_empty());
    }
    if let Ok(report) = upgrade(&mut document) {
        let findings = validate(&document, report.to);
        assert_eq!(conforms(&document, report.to), findings.is_empty());
        assert!(report.from == report.to || findings.is_empty());
    }
});
