//! Ids are unique, references name something (spec 50 §6).

use super::check::Checker;
use super::finding::Problem;
use crate::document::Element;
use crate::schema::SchemaSet;

/// The ids and references met on the walk.
#[derive(Default)]
pub(super) struct Identities<'d> {
    ids: Vec<(&'d str, SchemaSet, Element<'d>)>,
    references: Vec<Reference<'d>>,
}

struct Reference<'d> {
    target: &'d str,
    attribute: &'static str,
    schemas: SchemaSet,
    element: Element<'d>,
}

impl<'d> Identities<'d> {
    /// Remembers an attribute that is an id in the schemas `ids` and a reference in `references`.
    pub(super) fn note(
        &mut self,
        element: Element<'d>,
        attribute: &'static str,
        value: &'d str,
        ids: SchemaSet,
        references: SchemaSet,
    ) {
        let target = value.trim();
        if !ids.is_empty() {
            self.ids.push((target, ids, element));
        }
        if !references.is_empty() {
            self.references.push(Reference { target, attribute, schemas: references, element });
        }
    }
}

impl Checker<'_> {
    /// Reports ids used twice and references to nothing.
    pub(super) fn identities(&mut self) {
        let Identities { mut ids, references } = std::mem::take(&mut self.identities);
        ids.sort_by_key(|&(id, _, _)| id); // stable: document order within one id
        for group in ids.chunk_by(|a, b| a.0 == b.0) {
            let mut taken = group[0].1;
            for &(id, schemas, element) in &group[1..] {
                self.report(element, schemas.and(taken), |_| Problem::DuplicateId {
                    id: id.to_owned(),
                    first_line: group[0].2.line(),
                });
                taken = taken.or(schemas);
            }
        }
        for reference in references {
            let start = ids.partition_point(|&(id, _, _)| id < reference.target);
            let known = ids[start..]
                .iter()
                .take_while(|&&(id, _, _)| id == reference.target)
                .fold(SchemaSet::EMPTY, |known, &(_, schemas, _)| known.or(schemas));
            self.report(reference.element, reference.schemas.without(known), |_| {
                Problem::DanglingReference {
                    attribute: reference.attribute.to_owned(),
                    target: reference.target.to_owned(),
                }
            });
        }
    }
}
