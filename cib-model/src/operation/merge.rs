//! Merging data into what there is (spec 50 §12.4).

use std::collections::BTreeMap;

use super::error::OperationError;
use super::options::CallOptions;
use super::request::Request;
use super::section::{append_copy, data, find, matches, section_or_create};
use crate::document::{Document, Element, ElementId, NodeKind};
use crate::scalar::Score;

/// Merges the data of a request into the object they are about.
pub(super) fn modify(document: &mut Document, request: &Request) -> Result<(), OperationError> {
    let data = data(request)?;
    let data = data.root();
    let merge = Merge { compute: request.options.has(CallOptions::SCORE_UPDATE) };
    if let Some(expression) = request.xpath() {
        return modify_matches(document, request, expression, data, &merge);
    }
    let section = section_or_create(document, request.section.as_deref())?;
    let target = find(document.element(section), data.name(), data.xml_id()).map(Element::id);
    match target {
        Some(target) => merge.onto(document, target, data),
        None if request.options.has(CallOptions::CAN_CREATE) => {
            append_copy(document, section, data);
        }
        None => return Err(OperationError::NotFound),
    }
    Ok(())
}

fn modify_matches(
    document: &mut Document,
    request: &Request,
    expression: &str,
    data: Element<'_>,
    merge: &Merge,
) -> Result<(), OperationError> {
    let mut result = Err(OperationError::NotFound);
    for start in matches(document, expression) {
        let target = find(document.element(start), data.name(), data.xml_id()).map(Element::id);
        let Some(target) = target else { continue };
        merge.onto(document, target, data);
        result = Ok(());
        if !request.options.has(CallOptions::MULTIPLE) {
            break;
        }
    }
    result
}

struct Merge {
    /// Whether `name++` and `name+=score` are computed.
    compute: bool,
}

/// Parents with more children than this are looked through by an index.
const MANY_CHILDREN: usize = 32;

impl Merge {
    /// Copies attributes and children of `data` onto `target`. Nothing is removed.
    fn onto(&self, document: &mut Document, target: ElementId, data: Element<'_>) {
        for (name, value) in data.attributes().filter(|(name, _)| *name != "replace") {
            let old = document.element(target).attribute(name);
            let change = old.filter(|_| self.compute).and_then(|old| computed(name, old, value));
            document.set_attribute(target, name, change.as_deref().unwrap_or(value));
        }
        let mut index = None;
        for node in data.child_nodes() {
            let Some(child) = node.as_element() else {
                if node.kind() == NodeKind::Comment {
                    self.comment(document, target, node.text());
                }
                continue;
            };
            if index.is_none() && document.element(target).children().nth(MANY_CHILDREN).is_some() {
                index = Some(Index::of(document.element(target)));
            }
            let counterpart = match &index {
                Some(index) => index.find(child),
                None => counterpart(document.element(target), child),
            };
            match counterpart {
                Some(counterpart) => self.onto(document, counterpart, child),
                None => {
                    let added = document.append_element(target, child.name());
                    self.onto(document, added, child);
                    if let Some(index) = &mut index {
                        index.add(document.element(added));
                    }
                }
            }
        }
    }

    fn comment(&self, document: &mut Document, target: ElementId, text: &str) {
        let known = document
            .element(target)
            .child_nodes()
            .any(|node| node.kind() == NodeKind::Comment && node.text() == text);
        if !known {
            document.append_comment(target, text);
        }
    }
}

/// The child of `target` that `data` are about: of the same name and id, or id-ref, or of the same name
/// alone where the data have neither.
fn counterpart(target: Element<'_>, data: Element<'_>) -> Option<ElementId> {
    let mut children = target.children_named(data.name());
    let found = match (data.xml_id(), data.attribute("id-ref")) {
        (Some(id), _) => children.find(|child| child.xml_id() == Some(id)),
        (None, Some(id)) => children.find(|child| child.attribute("id-ref") == Some(id)),
        (None, None) => children.next(),
    };
    found.map(Element::id)
}

/// The same for parents with many children.
struct Index(BTreeMap<(String, Key), ElementId>);

#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    Id(String),
    IdRef(String),
    First,
}

impl Index {
    fn of(target: Element<'_>) -> Index {
        let mut index = Index(BTreeMap::new());
        target.children().for_each(|child| index.add(child));
        index
    }

    fn add(&mut self, child: Element<'_>) {
        let keys = [
            child.xml_id().map(|id| Key::Id(id.to_owned())),
            child.attribute("id-ref").map(|id| Key::IdRef(id.to_owned())),
            Some(Key::First),
        ];
        for key in keys.into_iter().flatten() {
            self.0.entry((child.name().to_owned(), key)).or_insert(child.id());
        }
    }

    fn find(&self, data: Element<'_>) -> Option<ElementId> {
        let key = match (data.xml_id(), data.attribute("id-ref")) {
            (Some(id), _) => Key::Id(id.to_owned()),
            (None, Some(id)) => Key::IdRef(id.to_owned()),
            (None, None) => Key::First,
        };
        self.0.get(&(data.name().to_owned(), key)).copied()
    }
}

/// The value of attribute `name` when it is given as a change of the old one: `name++`, `name+=score`.
fn computed(name: &str, old: &str, value: &str) -> Option<String> {
    let change = value.strip_prefix(name)?;
    let amount = if change == "++" {
        Score::new(1)
    } else {
        Score::parse(change.strip_prefix("+=")?).unwrap_or(Score::ZERO)
    };
    let old = Score::parse(old).unwrap_or(Score::ZERO);
    Some((old + amount).value().to_string())
}
