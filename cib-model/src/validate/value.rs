//! What an attribute may hold, and since which schema.

use crate::schema::SchemaSet;

/// The type of an attribute in the grammar.
#[derive(Copy, Clone)]
pub(crate) enum Value {
    /// Any text.
    Text,
    /// An XML id, unique in the configuration.
    Id,
    /// The id of an element that exists in the configuration.
    IdRef,
    /// `true`, `false`, `1` or `0`.
    Boolean,
    /// A whole number.
    Integer,
    /// A whole number, zero or more.
    NonNegative,
    /// A whole number, one or more.
    Positive,
    /// A whole number from one to nine.
    OneToNine,
    /// A whole number, `INFINITY`, `+INFINITY` or `-INFINITY`.
    Score,
    /// Device ids separated by commas.
    Devices,
    /// Digits and dashes.
    PortRange,
    /// One of these words, each with the schemas that know it.
    OneOf(&'static [(&'static str, SchemaSet)]),
    /// Different types in different schemas.
    BySchema(&'static [(SchemaSet, &'static Value)]),
}

impl Value {
    /// The schemas in which `text` is a legal value.
    pub(crate) fn schemas(&self, text: &str) -> SchemaSet {
        let word = text.trim_ascii();
        let everywhere = |legal: bool| if legal { SchemaSet::ALL } else { SchemaSet::EMPTY };
        match self {
            Value::Text => SchemaSet::ALL,
            Value::Id | Value::IdRef => everywhere(is_name(word)),
            Value::Boolean => everywhere(matches!(word, "true" | "false" | "1" | "0")),
            Value::Integer => everywhere(is_integer(word)),
            Value::NonNegative => everywhere(is_integer(word) && !is_negative(word)),
            Value::Positive => everywhere(is_integer(word) && !is_negative(word) && !is_zero(word)),
            Value::OneToNine => {
                let digits = word.strip_prefix('+').unwrap_or(word).trim_start_matches('0');
                everywhere(digits.len() == 1 && digits.as_bytes()[0].is_ascii_digit())
            }
            Value::Score => everywhere(
                matches!(word, "INFINITY" | "+INFINITY" | "-INFINITY") || is_integer(word),
            ),
            Value::Devices => everywhere(text.split(',').all(is_device)),
            Value::PortRange => everywhere(
                !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit() || b == b'-'),
            ),
            Value::OneOf(words) => words
                .iter()
                .find(|(known, _)| *known == word)
                .map_or(SchemaSet::EMPTY, |&(_, schemas)| schemas),
            Value::BySchema(types) => {
                types.iter().fold(SchemaSet::EMPTY, |all, (schemas, value)| {
                    all.or(schemas.and(value.schemas(text)))
                })
            }
        }
    }

    /// The schemas in which the attribute is an id, and those in which it is a reference to one.
    pub(crate) fn identity(&self) -> (SchemaSet, SchemaSet) {
        match self {
            Value::Id => (SchemaSet::ALL, SchemaSet::EMPTY),
            Value::IdRef => (SchemaSet::EMPTY, SchemaSet::ALL),
            Value::BySchema(types) => {
                types.iter().fold((SchemaSet::EMPTY, SchemaSet::EMPTY), |all, (schemas, value)| {
                    let (ids, references) = value.identity();
                    (all.0.or(schemas.and(ids)), all.1.or(schemas.and(references)))
                })
            }
            _ => (SchemaSet::EMPTY, SchemaSet::EMPTY),
        }
    }

    /// What would be accepted in `schemas`, in words.
    pub(crate) fn accepted(&self, schemas: SchemaSet) -> String {
        match self {
            Value::Text => "any text".to_owned(),
            Value::Id => "an id: a letter or '_', then letters, digits, '-', '_' or '.'".to_owned(),
            Value::IdRef => "the id of an element".to_owned(),
            Value::Boolean => "true, false, 1 or 0".to_owned(),
            Value::Integer => "a whole number".to_owned(),
            Value::NonNegative => "a whole number, 0 or more".to_owned(),
            Value::Positive => "a whole number, 1 or more".to_owned(),
            Value::OneToNine => "a whole number from 1 to 9".to_owned(),
            Value::Score => "a whole number, INFINITY or -INFINITY".to_owned(),
            Value::Devices => "device ids separated by commas".to_owned(),
            Value::PortRange => "a port range such as 3000-3010".to_owned(),
            Value::OneOf(words) => words
                .iter()
                .filter(|(_, known)| !known.and(schemas).is_empty())
                .map(|&(word, _)| word)
                .collect::<Vec<_>>()
                .join(", "),
            Value::BySchema(types) => types
                .iter()
                .rev()
                .find(|(known, _)| !known.and(schemas).is_empty())
                .map_or_else(String::new, |(_, value)| value.accepted(schemas)),
        }
    }
}

/// Whether `text` is an XML name without colon (spec 50 §2.5).
pub(crate) fn is_name(text: &str) -> bool {
    let mut characters = text.chars();
    characters.next().is_some_and(|first| first == '_' || first.is_alphabetic())
        && characters.all(|c| matches!(c, '_' | '-' | '.' | '\u{b7}') || c.is_alphanumeric())
}

fn is_integer(text: &str) -> bool {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit())
}

fn is_zero(text: &str) -> bool {
    text.bytes().all(|b| matches!(b, b'0' | b'+' | b'-'))
}

fn is_negative(text: &str) -> bool {
    text.starts_with('-') && !is_zero(text)
}

fn is_device(text: &str) -> bool {
    !text.is_empty()
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::Schema;

    #[test]
    fn values_are_told_apart() {
        let cases: [(Value, &[&str], &[&str]); 9] = [
            (Value::Id, &["a", "_x.y-z", "é1", " padded "], &["", "1a", "a b", "a:b", "-a"]),
            (Value::Boolean, &["true", "0", " true "], &["TRUE", "yes", ""]),
            (Value::Integer, &["-1", "+10", "007"], &["", "-", "1x", "1.5"]),
            (Value::NonNegative, &["0", "-0", "+1"], &["-1", "x"]),
            (Value::Positive, &["1", "+1", "100"], &["0", "-1", ""]),
            (Value::OneToNine, &["1", "9", "+1", "01"], &["0", "10", "-1", "x", ""]),
            (Value::Score, &["INFINITY", "+INFINITY", "-5"], &["infinity", "", "x"]),
            (Value::Devices, &["a", "x.y-z_1,2"], &["", "a,", "a, b"]),
            (Value::PortRange, &["1-2", "80"], &["", "x"]),
        ];
        for (value, right, wrong) in cases {
            for text in right {
                assert_eq!(value.schemas(text), SchemaSet::ALL, "{text:?}");
            }
            for text in wrong {
                assert_eq!(value.schemas(text), SchemaSet::EMPTY, "{text:?}");
            }
        }
    }

    #[test]
    fn words_and_types_depend_on_the_schema() {
        const LATE: SchemaSet = SchemaSet::since(Schema::V3_7);
        let role = Value::OneOf(&[("Started", SchemaSet::ALL), ("Promoted", LATE)]);
        assert_eq!(role.schemas("Promoted"), LATE);
        assert_eq!(role.accepted(SchemaSet::only(Schema::V1_0)), "Started");
        static INDEX: Value = Value::BySchema(&[
            (SchemaSet::until(Schema::V3_10), &Value::Positive),
            (SchemaSet::since(Schema::V4_0), &Value::OneToNine),
        ]);
        assert_eq!(INDEX.schemas("12"), SchemaSet::until(Schema::V3_10));
        assert_eq!(INDEX.accepted(SchemaSet::only(Schema::V4_0)), "a whole number from 1 to 9");
    }
}
