//! Changes to a CIB, driven by bytes.

use cib_model::{Document, ElementId};

/// The clusters changes start from.
const SEEDS: [&str; 4] = [
    include_str!("seeds/plain.xml"),
    include_str!("seeds/collectives.xml"),
    include_str!("seeds/guests.xml"),
    include_str!("seeds/rules.xml"),
];

/// Values that mean something somewhere.
const WORDS: [&str; 48] = [
    "",
    "0",
    "1",
    "-1",
    "2",
    "7",
    "8",
    "193",
    "true",
    "false",
    "INFINITY",
    "-INFINITY",
    "1000000",
    "99999999999",
    "10s",
    "PT5M",
    "-5",
    "Started",
    "Stopped",
    "Promoted",
    "Unpromoted",
    "Master",
    "monitor",
    "start",
    "stop",
    "promote",
    "demote",
    "migrate_to",
    "migrate_from",
    "fence",
    "block",
    "ignore",
    "demote",
    "standby",
    "restart-container",
    "restart",
    "freeze",
    "#uname",
    "#kind",
    "clone-max",
    "clone-node-max",
    "globally-unique",
    "interleave",
    "ordered",
    "notify",
    "promotable",
    "target-role",
    "is-managed",
];

/// Reads bytes; zero when there are none left.
struct Bytes<'b>(&'b [u8]);

impl Bytes<'_> {
    fn next(&mut self) -> u8 {
        let (first, rest) = self.0.split_first().map_or((0, &[][..]), |(f, r)| (*f, r));
        self.0 = rest;
        first
    }

    fn below(&mut self, bound: usize) -> usize {
        let wide = usize::from(self.next()) << 8 | usize::from(self.next());
        wide % bound.max(1)
    }
}

/// The document a recipe describes.
pub fn cook(recipe: &[u8]) -> Document {
    let mut bytes = Bytes(recipe);
    let seed = SEEDS[bytes.below(SEEDS.len())];
    let mut document = Document::parse(seed).expect("seeds are documents");
    change(&mut document, &mut bytes);
    document
}

/// Changes a document until the bytes are used up.
fn change(document: &mut Document, bytes: &mut Bytes<'_>) {
    let mut left = 24;
    while !bytes.0.is_empty() && left > 0 {
        left -= 1;
        let all: Vec<ElementId> = document.root().descendants().map(|e| e.id()).collect();
        if all.len() > 2000 {
            return;
        }
        let target = all[bytes.below(all.len())];
        let other = all[bytes.below(all.len())];
        match bytes.next() % 8 {
            0 => remove(document, target),
            1 => copy(document, target, other),
            2 => {
                let value = WORDS[bytes.below(WORDS.len())];
                set(document, target, bytes, value);
            }
            3 => {
                let ids: Vec<String> = document
                    .root()
                    .descendants()
                    .filter_map(|e| e.xml_id().map(str::to_owned))
                    .collect();
                let id = ids.get(bytes.below(ids.len())).cloned().unwrap_or_default();
                set(document, target, bytes, &id);
            }
            4 => {
                let value = value_of(document, other, bytes);
                set(document, target, bytes, &value);
            }
            5 => {
                let name = document.element(other).attributes().next().map(|(n, _)| n.to_owned());
                let value = value_of(document, other, bytes);
                document.set_attribute(target, &name.unwrap_or_else(|| "x".to_owned()), &value);
            }
            6 => {
                let attributes: Vec<String> =
                    document.element(target).attributes().map(|(n, _)| n.to_owned()).collect();
                if let Some(name) = attributes.get(bytes.below(attributes.len())) {
                    document.remove_attribute(target, name);
                }
            }
            _ => pair(document, target, bytes),
        }
    }
}

fn remove(document: &mut Document, target: ElementId) {
    if target != document.root_id() {
        document.remove(target);
    }
}

/// A copy of one element inside another.
fn copy(document: &mut Document, target: ElementId, into: ElementId) {
    let source = document.clone();
    let element = source.element(target);
    if element.descendants().count() < 60 {
        document.copy_subtree(into, element);
    }
}

fn value_of(document: &Document, of: ElementId, bytes: &mut Bytes<'_>) -> String {
    let values: Vec<&str> = document.element(of).attributes().map(|(_, v)| v).collect();
    values.get(bytes.below(values.len())).copied().unwrap_or_default().to_owned()
}

/// Sets an attribute that is there.
fn set(document: &mut Document, target: ElementId, bytes: &mut Bytes<'_>, value: &str) {
    let names: Vec<String> =
        document.element(target).attributes().map(|(n, _)| n.to_owned()).collect();
    if let Some(name) = names.get(bytes.below(names.len())) {
        document.set_attribute(target, name, value);
    }
}

/// A meta-attribute.
fn pair(document: &mut Document, target: ElementId, bytes: &mut Bytes<'_>) {
    let block = document.append_element(target, "meta_attributes");
    document.set_attribute(block, "id", "made");
    let pair = document.append_element(block, "nvpair");
    document.set_attribute(pair, "id", "made-1");
    document.set_attribute(pair, "name", WORDS[bytes.below(WORDS.len())]);
    document.set_attribute(pair, "value", WORDS[bytes.below(WORDS.len())]);
}
