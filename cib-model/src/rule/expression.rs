//! Conditions on a node attribute (`expression`, spec 50 §4.5).

use std::cmp::Ordering;

use super::{Outcome, RuleError, RuleErrorKind, RuleInput, expand_submatches, require};
use crate::document::Element;
use crate::scalar::{Version, parse_integer};

#[derive(Debug, Clone)]
pub(super) struct Expression<'d> {
    attribute: &'d str,
    test: Test<'d>,
}

#[derive(Debug, Clone, Copy)]
enum Test<'d> {
    Defined,
    NotDefined,
    Compare { operator: Operator, value: &'d str, source: Source, as_type: Option<ValueType> },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Equal,
    NotEqual,
}

/// What `value` is.
#[derive(Debug, Clone, Copy)]
enum Source {
    Literal,
    Parameter,
    MetaAttribute,
}

#[derive(Debug, Clone, Copy)]
enum ValueType {
    String,
    Integer,
    Number,
    Version,
}

impl<'d> Expression<'d> {
    pub(super) fn read(element: Element<'d>) -> Result<Expression<'d>, RuleError> {
        require(element, "id")?;
        let attribute = require(element, "attribute")?;
        let operation = require(element, "operation")?;
        let operator = match operation.to_ascii_lowercase().as_str() {
            "defined" | "not_defined" => None,
            "lt" => Some(Operator::Less),
            "lte" => Some(Operator::LessOrEqual),
            "gt" => Some(Operator::Greater),
            "gte" => Some(Operator::GreaterOrEqual),
            "eq" => Some(Operator::Equal),
            "ne" => Some(Operator::NotEqual),
            _ => {
                let accepted = "defined, not_defined, eq, ne, lt, lte, gt or gte";
                let kind = RuleErrorKind::unknown("operation", operation, accepted);
                return Err(RuleError::new(element, kind));
            }
        };
        let source = read_source(element)?;
        let as_type = read_type(element)?;
        let test = match (operator, element.attribute("value")) {
            (None, None) if operation.eq_ignore_ascii_case("defined") => Test::Defined,
            (None, None) => Test::NotDefined,
            (Some(operator), Some(value)) => Test::Compare { operator, value, source, as_type },
            _ => return Err(RuleError::new(element, RuleErrorKind::Value)),
        };
        Ok(Expression { attribute, test })
    }

    pub(super) fn evaluate(&self, input: &RuleInput<'_>) -> Outcome {
        let name = expand_submatches(self.attribute, input.submatches);
        let actual = input.node_attributes.and_then(|attributes| attributes.value(&name));
        let (operator, value, source, as_type) = match self.test {
            Test::Defined => return Outcome::when(actual.is_some()),
            Test::NotDefined => return Outcome::when(actual.is_none()),
            Test::Compare { operator, value, source, as_type } => {
                (operator, value, source, as_type)
            }
        };
        let reference = match source {
            Source::Literal => Some(value),
            Source::Parameter => input.parameters.and_then(|parameters| parameters.value(value)),
            Source::MetaAttribute => input.meta_attributes.and_then(|meta| meta.value(value)),
        };
        let order = match (actual, reference) {
            (Some(actual), Some(reference)) => {
                let as_type = as_type.unwrap_or_else(|| operator.default_type(actual, reference));
                compare(as_type, actual, reference)
            }
            _ if operator.is_ordering() => return Outcome::Unsatisfied,
            (actual, reference) => actual.is_some().cmp(&reference.is_some()),
        };
        operator.outcome(order)
    }
}

impl Operator {
    fn is_ordering(self) -> bool {
        !matches!(self, Operator::Equal | Operator::NotEqual)
    }

    fn default_type(self, actual: &str, reference: &str) -> ValueType {
        if !self.is_ordering() {
            ValueType::String
        } else if actual.contains('.') || reference.contains('.') {
            ValueType::Number
        } else {
            ValueType::Integer
        }
    }

    fn outcome(self, order: Ordering) -> Outcome {
        let (satisfied, otherwise) = match self {
            Operator::Less => (order.is_lt(), Outcome::AfterRange),
            Operator::LessOrEqual => (order.is_le(), Outcome::AfterRange),
            Operator::Greater => (order.is_gt(), Outcome::BeforeRange),
            Operator::GreaterOrEqual => (order.is_ge(), Outcome::BeforeRange),
            Operator::Equal => (order.is_eq(), Outcome::Unsatisfied),
            Operator::NotEqual => (order.is_ne(), Outcome::Unsatisfied),
        };
        if satisfied { Outcome::Pass } else { otherwise }
    }
}

fn read_source(element: Element<'_>) -> Result<Source, RuleError> {
    match element.attribute("value-source") {
        None => Ok(Source::Literal),
        Some(text) if text.eq_ignore_ascii_case("literal") => Ok(Source::Literal),
        Some(text) if text.eq_ignore_ascii_case("param") => Ok(Source::Parameter),
        Some(text) if text.eq_ignore_ascii_case("meta") => Ok(Source::MetaAttribute),
        Some(text) => {
            let kind = RuleErrorKind::unknown("value-source", text, "literal, param or meta");
            Err(RuleError::new(element, kind))
        }
    }
}

fn read_type(element: Element<'_>) -> Result<Option<ValueType>, RuleError> {
    let Some(text) = element.attribute("type") else { return Ok(None) };
    match text.to_ascii_lowercase().as_str() {
        "string" => Ok(Some(ValueType::String)),
        "integer" => Ok(Some(ValueType::Integer)),
        "number" => Ok(Some(ValueType::Number)),
        "version" => Ok(Some(ValueType::Version)),
        _ => {
            let accepted = "string, integer, number or version";
            Err(RuleError::new(element, RuleErrorKind::unknown("type", text, accepted)))
        }
    }
}

/// Compares two values; what is not a number where one is asked for compares as string.
fn compare(as_type: ValueType, a: &str, b: &str) -> Ordering {
    match as_type {
        ValueType::String => compare_ignoring_case(a, b),
        ValueType::Integer => match (parse_integer(a), parse_integer(b)) {
            (Some(a), Some(b)) => a.cmp(&b),
            _ => compare_ignoring_case(a, b),
        },
        ValueType::Number => match (parse_number(a), parse_number(b)) {
            (Some(a), Some(b)) => a.partial_cmp(&b).unwrap_or(Ordering::Equal),
            _ => compare_ignoring_case(a, b),
        },
        ValueType::Version => Version(a).cmp(&Version(b)),
    }
}

fn compare_ignoring_case(a: &str, b: &str) -> Ordering {
    let lower = |text: &str| -> Vec<u8> { text.bytes().map(|b| b.to_ascii_lowercase()).collect() };
    lower(a).cmp(&lower(b))
}

/// A decimal floating-point number with anything behind it ignored.
fn parse_number(text: &str) -> Option<f64> {
    let text = text.trim_start();
    let bytes = text.as_bytes();
    let digits = |from: usize| bytes[from..].iter().take_while(|b| b.is_ascii_digit()).count();
    let sign = usize::from(matches!(bytes.first(), Some(b'+' | b'-')));
    let rest = &bytes[sign..];
    for word in ["infinity", "inf", "nan"] {
        if rest.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word.as_bytes())) {
            return text[..sign + word.len()].parse().ok();
        }
    }
    let whole = digits(sign);
    let mut end = sign + whole;
    let mut fraction = 0;
    if bytes.get(end) == Some(&b'.') {
        fraction = digits(end + 1);
        end += 1 + fraction;
    }
    if whole + fraction == 0 {
        return None;
    }
    if matches!(bytes.get(end), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(bytes.get(end + 1), Some(b'+' | b'-')));
        let start = end + 1 + sign;
        if start < bytes.len() && digits(start) > 0 {
            end = start + digits(start);
        }
    }
    text[..end].parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_far_as_they_go() {
        for (text, number) in [
            ("1", Some(1.0)),
            (" -1.5x", Some(-1.5)),
            ("+.5", Some(0.5)),
            ("2.", Some(2.0)),
            ("1e3", Some(1000.0)),
            ("1e", Some(1.0)),
            ("1e+", Some(1.0)),
            ("1e-2z", Some(0.01)),
            ("INFINITY", Some(f64::INFINITY)),
            ("-inf", Some(f64::NEG_INFINITY)),
            ("", None),
            (".", None),
            ("-", None),
            ("abc", None),
        ] {
            assert_eq!(parse_number(text), number, "{text:?}");
        }
    }
}
