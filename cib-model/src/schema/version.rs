//! The schema versions a document can claim in `validate-with`, and sets of them.

use std::fmt;
use std::str::FromStr;

/// A configuration schema, oldest first (spec 50 §5.1).
///
/// The order is the upgrade order. [`Schema::None`] switches validation off and sorts after every
/// real schema.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
#[allow(missing_docs, reason = "each variant is the version its name spells")]
pub enum Schema {
    V1_0,
    V1_2,
    V1_3,
    V2_0,
    V2_1,
    V2_2,
    V2_3,
    V2_4,
    V2_5,
    V2_6,
    V2_7,
    V2_8,
    V2_9,
    V2_10,
    V3_0,
    V3_1,
    V3_2,
    V3_3,
    V3_4,
    V3_5,
    V3_6,
    V3_7,
    V3_8,
    V3_9,
    V3_10,
    V4_0,
    None,
}

/// A `validate-with` value that names no known schema.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown schema {0:?}: expected pacemaker-1.0 to {newest} or none", newest = Schema::NEWEST)]
pub struct UnknownSchema(pub String);

const NAMES: [&str; 27] = [
    "pacemaker-1.0",
    "pacemaker-1.2",
    "pacemaker-1.3",
    "pacemaker-2.0",
    "pacemaker-2.1",
    "pacemaker-2.2",
    "pacemaker-2.3",
    "pacemaker-2.4",
    "pacemaker-2.5",
    "pacemaker-2.6",
    "pacemaker-2.7",
    "pacemaker-2.8",
    "pacemaker-2.9",
    "pacemaker-2.10",
    "pacemaker-3.0",
    "pacemaker-3.1",
    "pacemaker-3.2",
    "pacemaker-3.3",
    "pacemaker-3.4",
    "pacemaker-3.5",
    "pacemaker-3.6",
    "pacemaker-3.7",
    "pacemaker-3.8",
    "pacemaker-3.9",
    "pacemaker-3.10",
    "pacemaker-4.0",
    "none",
];

impl Schema {
    /// Every schema in upgrade order, without [`Schema::None`].
    pub const ALL: [Schema; 26] = [
        Schema::V1_0,
        Schema::V1_2,
        Schema::V1_3,
        Schema::V2_0,
        Schema::V2_1,
        Schema::V2_2,
        Schema::V2_3,
        Schema::V2_4,
        Schema::V2_5,
        Schema::V2_6,
        Schema::V2_7,
        Schema::V2_8,
        Schema::V2_9,
        Schema::V2_10,
        Schema::V3_0,
        Schema::V3_1,
        Schema::V3_2,
        Schema::V3_3,
        Schema::V3_4,
        Schema::V3_5,
        Schema::V3_6,
        Schema::V3_7,
        Schema::V3_8,
        Schema::V3_9,
        Schema::V3_10,
        Schema::V4_0,
    ];

    /// The newest schema this crate knows.
    pub const NEWEST: Schema = Schema::V4_0;

    /// The first schema of the newest major series: the oldest a scheduler accepts unconverted.
    pub const OLDEST_ACCEPTED: Schema = Schema::V4_0;

    /// The name used in `validate-with`.
    pub fn name(self) -> &'static str {
        NAMES[self as usize]
    }

    /// The next newer schema, or nothing for the newest and for [`Schema::None`].
    pub fn successor(self) -> Option<Schema> {
        Schema::ALL.get(self as usize + 1).copied()
    }
}

impl fmt::Display for Schema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Schema {
    type Err = UnknownSchema;

    /// Reads an exact, case-sensitive schema name.
    fn from_str(text: &str) -> Result<Schema, UnknownSchema> {
        if text == "none" {
            return Ok(Schema::None);
        }
        Schema::ALL
            .into_iter()
            .find(|schema| schema.name() == text)
            .ok_or_else(|| UnknownSchema(text.to_owned()))
    }
}

/// A set of schemas, as a bit mask. [`Schema::None`] is never a member.
#[derive(Copy, Clone, PartialEq, Eq, Hash, Default)]
pub struct SchemaSet(u32);

impl SchemaSet {
    /// No schema.
    pub const EMPTY: SchemaSet = SchemaSet(0);
    /// Every schema.
    pub const ALL: SchemaSet = SchemaSet((1 << Schema::ALL.len()) - 1);

    /// One schema alone; [`Schema::None`] gives the empty set.
    pub const fn only(schema: Schema) -> SchemaSet {
        SchemaSet((1 << schema as u32) & SchemaSet::ALL.0)
    }

    /// `schema` and everything newer.
    pub const fn since(schema: Schema) -> SchemaSet {
        SchemaSet(SchemaSet::ALL.0 & !((1 << schema as u32) - 1))
    }

    /// `schema` and everything older.
    pub const fn until(schema: Schema) -> SchemaSet {
        SchemaSet(SchemaSet::ALL.0 & ((1 << (schema as u32 + 1)) - 1))
    }

    /// From `first` to `last`, both included.
    pub const fn between(first: Schema, last: Schema) -> SchemaSet {
        SchemaSet::since(first).and(SchemaSet::until(last))
    }

    /// Members of both sets.
    pub const fn and(self, other: SchemaSet) -> SchemaSet {
        SchemaSet(self.0 & other.0)
    }

    /// Members of either set.
    pub const fn or(self, other: SchemaSet) -> SchemaSet {
        SchemaSet(self.0 | other.0)
    }

    /// Members of `self` that are not in `other`.
    pub const fn without(self, other: SchemaSet) -> SchemaSet {
        SchemaSet(self.0 & !other.0)
    }

    /// Whether `schema` is a member.
    pub const fn contains(self, schema: Schema) -> bool {
        self.0 & SchemaSet::only(schema).0 != 0
    }

    /// Whether the set has no member.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The members, oldest first.
    pub fn iter(self) -> impl Iterator<Item = Schema> {
        Schema::ALL.into_iter().filter(move |&schema| self.contains(schema))
    }
}

impl fmt::Debug for SchemaSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_order_numerically_and_none_is_last() {
        assert!(Schema::V2_10 > Schema::V2_9);
        assert!(Schema::V4_0 < Schema::None);
        assert_eq!("pacemaker-2.10".parse(), Ok(Schema::V2_10));
        assert_eq!("none".parse(), Ok(Schema::None));
        for schema in Schema::ALL {
            assert_eq!(schema.name().parse(), Ok(schema));
        }
        for wrong in ["", "Pacemaker-3.0", "pacemaker-1.1", "pacemaker-next", "3.0"] {
            assert_eq!(wrong.parse::<Schema>(), Err(UnknownSchema(wrong.to_owned())));
        }
        assert_eq!(Schema::V1_0.successor(), Some(Schema::V1_2));
        assert_eq!(Schema::V4_0.successor(), None);
        assert_eq!(Schema::None.successor(), None);
    }

    #[test]
    fn sets_are_ranges_of_versions() {
        let legacy = SchemaSet::until(Schema::V3_10);
        assert!(legacy.contains(Schema::V1_0) && legacy.contains(Schema::V3_10));
        assert!(!legacy.contains(Schema::V4_0));
        assert_eq!(SchemaSet::since(Schema::V4_0), SchemaSet::only(Schema::V4_0));
        assert_eq!(legacy.or(SchemaSet::since(Schema::V4_0)), SchemaSet::ALL);
        assert!(SchemaSet::only(Schema::None).is_empty());
        let middle = SchemaSet::between(Schema::V2_9, Schema::V3_0);
        assert_eq!(middle.iter().collect::<Vec<_>>(), [Schema::V2_9, Schema::V2_10, Schema::V3_0]);
    }
}
