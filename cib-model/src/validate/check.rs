//! The walk that holds a document against the grammar, for all schemas of interest at once.

use super::finding::{Finding, Problem};
use super::grammar::{Alternative, AttributeRule, ChildRule, Choice, ElementRule, When};
use super::identity::Identities;
use crate::document::Element;
use crate::schema::SchemaSet;

/// State of one validation.
pub(super) struct Checker<'d> {
    /// The schemas asked for.
    of_interest: SchemaSet,
    /// Those of them the document violates.
    pub violated: SchemaSet,
    /// The findings, where they are wanted.
    pub findings: Option<Vec<Finding>>,
    pub identities: Identities<'d>,
}

impl<'d> Checker<'d> {
    pub(super) fn new(of_interest: SchemaSet, collect: bool) -> Self {
        Checker {
            of_interest,
            violated: SchemaSet::EMPTY,
            findings: collect.then(Vec::new),
            identities: Identities::default(),
        }
    }

    /// Records that `schemas` are violated at `element`.
    pub(super) fn report(
        &mut self,
        element: Element<'d>,
        schemas: SchemaSet,
        problem: impl FnOnce(SchemaSet) -> Problem,
    ) {
        let schemas = schemas.and(self.of_interest);
        if schemas.is_empty() {
            return;
        }
        self.violated = self.violated.or(schemas);
        if let Some(findings) = &mut self.findings {
            findings.push(Finding::new(element, problem(schemas), schemas));
        }
    }

    /// Checks `element` and everything below it.
    pub(super) fn element(&mut self, element: Element<'d>, rule: &'static ElementRule) {
        if rule.open {
            return;
        }
        self.attributes(element, rule);
        for choice in rule.choices {
            self.choice(element, choice);
        }
        self.bans(element, rule);
        self.children(element, rule);
    }

    fn attributes(&mut self, element: Element<'d>, rule: &'static ElementRule) {
        // One bit for each of the rule's own attributes, which come first among all.
        let mut present = 0u64;
        debug_assert!(rule.attributes.len() <= 64);
        for (name, value) in element.attributes() {
            let found = rule.all_attributes().enumerate().find(|(_, known)| known.name == name);
            let Some((index, known)) = found else {
                self.report(element, SchemaSet::ALL, |schemas| Problem::UnknownAttribute {
                    attribute: name.to_owned(),
                    accepted: attribute_names(rule, schemas),
                });
                continue;
            };
            present |= 1u64.checked_shl(index as u32).unwrap_or(0);
            let (ids, references) = known.value.identity();
            self.identities.note(element, known.name, value, ids, references);
            let wrong = SchemaSet::ALL.without(known.value.schemas(value));
            self.report(element, wrong, |schemas| Problem::WrongValue {
                attribute: name.to_owned(),
                value: value.to_owned(),
                accepted: known.value.accepted(schemas),
            });
        }
        for (index, known) in rule.attributes.iter().enumerate() {
            if present >> index & 1 == 0 {
                self.report(element, known.required, |_| Problem::MissingAttribute {
                    attribute: known.name,
                });
            } else {
                let unknown = SchemaSet::ALL.without(known.allowed);
                self.report(element, unknown, |schemas| Problem::UnknownAttribute {
                    attribute: known.name.to_owned(),
                    accepted: attribute_names(rule, schemas),
                });
            }
        }
    }

    fn choice(&mut self, element: Element<'d>, choice: &'static Choice) {
        let met = choice.0.iter().fold(SchemaSet::EMPTY, |met, alternative| {
            met.or(alternative_schemas(element, choice, alternative))
        });
        self.report(element, SchemaSet::ALL.without(met), |schemas| Problem::NoAlternative {
            accepted: choice
                .0
                .iter()
                .filter(|one| !one.schemas.and(schemas).is_empty())
                .map(|one| describe(one, schemas))
                .collect(),
        });
    }

    fn bans(&mut self, element: Element<'d>, rule: &'static ElementRule) {
        if rule.bans.is_empty() {
            return;
        }
        let Some(name) = element.attribute("name") else { return };
        let value = element.attribute("value");
        for ban in rule.bans.iter().filter(|ban| ban.name == name) {
            if ban.values.is_empty() || value.is_none_or(|value| ban.values.contains(&value)) {
                self.report(element, ban.schemas, |_| Problem::BannedName {
                    name: name.to_owned(),
                    value: value.unwrap_or_default().to_owned(),
                });
            }
        }
    }

    fn children(&mut self, element: Element<'d>, rule: &'static ElementRule) {
        let mut last: Option<(u8, Element<'d>)> = None;
        let mut seen: Vec<&'static str> = Vec::new();
        for child in element.children() {
            let Some(known) = rule.all_children().find(|known| known.name == child.name()) else {
                self.unknown_child(element, child, rule, SchemaSet::ALL);
                continue;
            };
            self.unknown_child(element, child, rule, SchemaSet::ALL.without(known.allowed));
            if !known.single.is_empty() {
                if seen.contains(&known.name) {
                    self.report(child, known.single, |_| Problem::SecondElement {
                        parent: element.name().to_owned(),
                        child: known.name,
                    });
                } else {
                    seen.push(known.name);
                }
            }
            if let Some((rank, sibling)) = last.filter(|&(rank, _)| rank > known.rank) {
                self.report(child, rule.ordered, |_| Problem::OutOfOrder {
                    sibling: sibling.name().to_owned(),
                });
                last = Some((rank, sibling));
            } else {
                last = Some((known.rank, child));
            }
            self.element(child, known.rule);
        }
        for known in rule.children {
            if !known.needed.is_empty() && element.child(known.name).is_none() {
                self.report(element, known.needed, |_| Problem::MissingElement {
                    child: known.name,
                });
            }
        }
    }

    fn unknown_child(
        &mut self,
        element: Element<'d>,
        child: Element<'d>,
        rule: &'static ElementRule,
        schemas: SchemaSet,
    ) {
        self.report(child, schemas, |schemas| Problem::UnknownElement {
            parent: element.name().to_owned(),
            accepted: unique(
                rule.all_children()
                    .filter(|known| !known.allowed.and(schemas).is_empty())
                    .map(|known| known.name),
            ),
        });
    }
}

/// The schemas in which `element` is written the way `alternative` says.
fn alternative_schemas(
    element: Element<'_>,
    choice: &'static Choice,
    alternative: &'static Alternative,
) -> SchemaSet {
    let open = match alternative.when {
        When::Always => true,
        When::Is(name, value) => element.attribute(name).is_some_and(|v| v.trim() == value),
        When::IsNot(name, value) => element.attribute(name).is_none_or(|v| v.trim() != value),
    };
    if !open {
        return SchemaSet::EMPTY;
    }
    let mut schemas = alternative.schemas;
    for known in alternative.attributes {
        schemas = match element.attribute(known.name) {
            Some(_) => schemas.and(known.allowed),
            None => schemas.without(known.required),
        };
    }
    let mut any_child = false;
    for known in alternative.children {
        let present = element.child(known.name).is_some();
        any_child |= present;
        schemas = if present { schemas.and(known.allowed) } else { schemas.without(known.needed) };
    }
    if alternative.some_child && !any_child || has_foreign(element, choice, alternative) {
        return SchemaSet::EMPTY;
    }
    schemas
}

/// Whether something is there that belongs to other alternatives of the choice only.
fn has_foreign(
    element: Element<'_>,
    choice: &'static Choice,
    alternative: &'static Alternative,
) -> bool {
    choice.0.iter().filter(|other| !std::ptr::eq(*other, alternative)).any(|other| {
        let attribute = |known: &AttributeRule| {
            element.attribute(known.name).is_some()
                && !alternative.attributes.iter().any(|own| own.name == known.name)
        };
        let child = |known: &ChildRule| {
            element.child(known.name).is_some()
                && !alternative.children.iter().any(|own| own.name == known.name)
        };
        other.attributes.iter().any(attribute) || other.children.iter().any(child)
    })
}

/// An alternative in words: what it needs, and in brackets what it may have.
fn describe(alternative: &Alternative, schemas: SchemaSet) -> String {
    let mut parts: Vec<String> = Vec::new();
    if let When::Is(name, value) = alternative.when {
        parts.push(format!("{name}={value:?}"));
    }
    for known in alternative.attributes {
        if matches!(alternative.when, When::Is(name, _) if name == known.name)
            || known.allowed.and(schemas).is_empty()
        {
            continue;
        }
        let needed = !known.required.and(schemas).is_empty();
        parts.push(if needed { known.name.to_owned() } else { format!("[{}]", known.name) });
    }
    for known in alternative.children {
        if !known.allowed.and(schemas).is_empty() {
            let needed = !known.needed.and(schemas).is_empty();
            let (open, close) = if needed { ("<", ">") } else { ("[<", ">]") };
            parts.push(format!("{open}{}{close}", known.name));
        }
    }
    if parts.is_empty() { "nothing".to_owned() } else { parts.join(" ") }
}

fn attribute_names(rule: &'static ElementRule, schemas: SchemaSet) -> Vec<&'static str> {
    unique(
        rule.all_attributes()
            .filter(|known| !known.allowed.and(schemas).is_empty())
            .map(|known| known.name),
    )
}

fn unique(names: impl Iterator<Item = &'static str>) -> Vec<&'static str> {
    let mut all = Vec::new();
    for name in names {
        if !all.contains(&name) {
            all.push(name);
        }
    }
    all
}
