//! The vocabulary in which the grammar of the configuration is written down.
//!
//! One table serves every schema: each rule says in which schemas it holds, so a single walk over
//! a document answers for all of them at once.

use super::value::Value;
use crate::schema::{Schema, SchemaSet};

/// What one kind of element may hold.
pub(crate) struct ElementRule {
    /// Attributes that stand on their own.
    pub attributes: &'static [AttributeRule],
    /// Children that stand on their own.
    pub children: &'static [ChildRule],
    /// Independent choices, each of which must be met by exactly one of its alternatives.
    pub choices: &'static [Choice],
    /// Schemas in which children must come by ascending rank.
    pub ordered: SchemaSet,
    /// Names (attribute `name`) that this element may not carry.
    pub bans: &'static [Ban],
    /// Anything goes inside.
    pub open: bool,
}

impl ElementRule {
    pub(crate) const EMPTY: ElementRule = ElementRule {
        attributes: &[],
        children: &[],
        choices: &[],
        ordered: SchemaSet::EMPTY,
        bans: &[],
        open: false,
    };

    /// Every attribute rule, those inside choices included.
    pub(crate) fn all_attributes(&self) -> impl Iterator<Item = &'static AttributeRule> {
        let chosen = self.choices.iter().flat_map(|choice| choice.0).flat_map(|one| one.attributes);
        self.attributes.iter().chain(chosen)
    }

    /// Every child rule, those inside choices included.
    pub(crate) fn all_children(&self) -> impl Iterator<Item = &'static ChildRule> {
        let chosen = self.choices.iter().flat_map(|choice| choice.0).flat_map(|one| one.children);
        self.children.iter().chain(chosen)
    }
}

/// One attribute.
pub(crate) struct AttributeRule {
    pub name: &'static str,
    pub value: Value,
    pub allowed: SchemaSet,
    pub required: SchemaSet,
}

/// A required attribute.
pub(crate) const fn req(name: &'static str, value: Value) -> AttributeRule {
    AttributeRule { name, value, allowed: SchemaSet::ALL, required: SchemaSet::ALL }
}

/// An optional attribute.
pub(crate) const fn opt(name: &'static str, value: Value) -> AttributeRule {
    AttributeRule { name, value, allowed: SchemaSet::ALL, required: SchemaSet::EMPTY }
}

impl AttributeRule {
    pub(crate) const fn since(mut self, schema: Schema) -> Self {
        self.allowed = self.allowed.and(SchemaSet::since(schema));
        self
    }

    pub(crate) const fn until(mut self, schema: Schema) -> Self {
        self.allowed = self.allowed.and(SchemaSet::until(schema));
        self
    }

    pub(crate) const fn required_in(mut self, schemas: SchemaSet) -> Self {
        self.required = schemas;
        self
    }
}

/// One kind of child.
pub(crate) struct ChildRule {
    pub name: &'static str,
    pub rule: &'static ElementRule,
    pub allowed: SchemaSet,
    /// Schemas in which at least one must be there.
    pub needed: SchemaSet,
    /// Schemas in which no second one may be there.
    pub single: SchemaSet,
    /// Place among its siblings where the parent is ordered.
    pub rank: u8,
}

/// Any number of children.
pub(crate) const fn many(name: &'static str, rule: &'static ElementRule) -> ChildRule {
    let (allowed, needed, single) = (SchemaSet::ALL, SchemaSet::EMPTY, SchemaSet::EMPTY);
    ChildRule { name, rule, allowed, needed, single, rank: 0 }
}

/// One or more children.
pub(crate) const fn some(name: &'static str, rule: &'static ElementRule) -> ChildRule {
    let (allowed, needed, single) = (SchemaSet::ALL, SchemaSet::ALL, SchemaSet::EMPTY);
    ChildRule { name, rule, allowed, needed, single, rank: 0 }
}

/// Exactly one child.
pub(crate) const fn one(name: &'static str, rule: &'static ElementRule) -> ChildRule {
    let (allowed, needed, single) = (SchemaSet::ALL, SchemaSet::ALL, SchemaSet::ALL);
    ChildRule { name, rule, allowed, needed, single, rank: 0 }
}

/// No or one child.
pub(crate) const fn maybe(name: &'static str, rule: &'static ElementRule) -> ChildRule {
    let (allowed, needed, single) = (SchemaSet::ALL, SchemaSet::EMPTY, SchemaSet::ALL);
    ChildRule { name, rule, allowed, needed, single, rank: 0 }
}

impl ChildRule {
    pub(crate) const fn since(mut self, schema: Schema) -> Self {
        self.allowed = self.allowed.and(SchemaSet::since(schema));
        self
    }

    pub(crate) const fn until(mut self, schema: Schema) -> Self {
        self.allowed = self.allowed.and(SchemaSet::until(schema));
        self
    }

    pub(crate) const fn single_in(mut self, schemas: SchemaSet) -> Self {
        self.single = schemas;
        self
    }

    pub(crate) const fn rank(mut self, rank: u8) -> Self {
        self.rank = rank;
        self
    }
}

/// Exactly one of these alternatives must be met, and nothing of the others be present.
pub(crate) struct Choice(pub &'static [Alternative]);

/// One way of meeting a [`Choice`].
pub(crate) struct Alternative {
    pub schemas: SchemaSet,
    pub when: When,
    pub attributes: &'static [AttributeRule],
    pub children: &'static [ChildRule],
    /// At least one of the children must be present.
    pub some_child: bool,
}

impl Alternative {
    /// Nothing at all.
    pub(crate) const NOTHING: Alternative = Alternative {
        schemas: SchemaSet::ALL,
        when: When::Always,
        attributes: &[],
        children: &[],
        some_child: false,
    };
}

/// Whether an alternative is open at all.
#[derive(Copy, Clone)]
pub(crate) enum When {
    Always,
    /// The attribute has this value.
    Is(&'static str, &'static str),
    /// The attribute has another value, or is absent.
    IsNot(&'static str, &'static str),
}

/// A value of the attribute `name` that is not allowed.
pub(crate) struct Ban {
    pub name: &'static str,
    /// The values of attribute `value` to which the ban is limited; none for all.
    pub values: &'static [&'static str],
    pub schemas: SchemaSet,
}
