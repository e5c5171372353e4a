//! Arbitrary attribute values in rules: evaluation never panics, and a next change lies ahead.

#![no_main]

use cib_model::date::DateTime;
use cib_model::document::{Document, References};
use cib_model::rule::{NextChange, OperationInput, ResourceInput, Rule, RuleInput};
use libfuzzer_sys::fuzz_target;

/// Elements and attributes a rule may hold, chosen by number.
const ELEMENTS: [&str; 7] = [
    "rule",
    "expression",
    "date_expression",
    "date_spec",
    "duration",
    "rsc_expression",
    "op_expression",
];
const ATTRIBUTES: [&str; 24] = [
    "id",
    "id-ref",
    "boolean-op",
    "attribute",
    "operation",
    "value",
    "type",
    "value-source",
    "start",
    "end",
    "years",
    "months",
    "weeks",
    "days",
    "hours",
    "minutes",
    "seconds",
    "monthdays",
    "weekdays",
    "yeardays",
    "class",
    "provider",
    "name",
    "interval",
];

fuzz_target!(|text: &str| {
    let document = build(text);
    let references = References::new(&document);
    let now = DateTime::from_epoch(1_709_209_845, 3600);
    let table = [("a", "1"), ("b", "1.5"), ("c", "x"), ("%1", "")];
    let input = RuleInput {
        node_attributes: Some(&table),
        parameters: Some(&table),
        meta_attributes: Some(&table),
        resource: Some(ResourceInput { class: "ocf", provider: Some("p"), agent: "a" }),
        operation: Some(OperationInput { name: "monitor", interval_ms: 10_000 }),
        submatches: Some(&[Some("a"), None]),
        ..RuleInput::at(now)
    };
    let Ok(rule) = Rule::read(document.root(), &references, now) else { return };
    let mut next_change = NextChange::default();
    rule.passes(&input, &mut next_change);
    if let Some(epoch) = next_change.epoch() {
        assert!(epoch > now.epoch(), "{epoch}");
        // Until then nothing changes, as far as bounds go.
        let before = RuleInput { now: DateTime::from_epoch(epoch - 1, 3600), ..input };
        let mut again = NextChange::default();
        rule.passes(&before, &mut again);
    }
});

/// One line per step: `<digit>` opens that element, `/` closes one, anything else sets the attribute
/// chosen by its first letter to the rest.
fn build(text: &str) -> Document {
    let mut document = Document::new("rule");
    let mut at = document.root_id();
    document.set_attribute(at, "id", "r");
    for line in text.lines().take(200) {
        let Some(first) = line.chars().next() else { continue };
        let rest = &line[first.len_utf8()..];
        match first {
            '0'..='9' => {
                let name = ELEMENTS[first as usize % ELEMENTS.len()];
                at = document.append_element(at, name);
                if rest.is_empty() {
                    document.set_attribute(at, "id", "i");
                }
            }
            '/' => at = document.element(at).parent().map_or(at, |parent| parent.id()),
            _ => {
                let name = ATTRIBUTES[first as usize % ATTRIBUTES.len()];
                document.set_attribute(at, name, rest);
            }
        }
    }
    document
}
