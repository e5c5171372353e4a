#![no_main]
//! Any expression is evaluated or refused without a panic, in bounded time, and its matches are in
//! document order. The input is an expression and a document, separated by a zero byte.

use cib_model::Document;
use cib_model::xpath::XPath;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let Some((expression, document)) = text.split_once('\0') else { return };
    if document.len() > 4096 || expression.len() > 256 {
        return;
    }
    let (Ok(path), Ok(document)) = (XPath::parse(expression), Document::parse(document)) else {
        return;
    };
    let _ = path.text(&document);
    if let Ok(found) = path.elements(&document) {
        let mut rest = document.root().descendants();
        for element in found {
            assert!(rest.any(|other| other == element), "in document order, each once");
        }
    }
});
