//! Rules as they are written. For evaluating them see [`crate::rule`].

use super::keywords::{BooleanOp, Comparison, ComparisonType, DateOperation, ValueSource};
use super::reader::Reader;
use crate::document::Element;
use crate::scalar::Score;
use std::time::Duration;

/// A `rule`.
#[derive(Clone, Debug, PartialEq)]
pub enum Rule<'d> {
    /// It stands for the rule with this id.
    Reference {
        /// The element.
        element: Element<'d>,
        /// The id of that rule.
        id_ref: &'d str,
    },
    /// It is written out.
    Definition(RuleBody<'d>),
}

/// A rule that is written out.
#[derive(Clone, Debug, PartialEq)]
pub struct RuleBody<'d> {
    /// The element.
    pub element: Element<'d>,
    /// Its id.
    pub id: &'d str,
    /// How its conditions combine.
    pub boolean_op: BooleanOp,
    /// The role it is limited to, as written; for location constraints only.
    pub role: Option<&'d str>,
    /// The score it gives; for location constraints only.
    pub score: Option<RuleScore<'d>>,
    /// Its conditions in document order.
    pub conditions: Vec<Condition<'d>>,
}

/// The score a rule gives.
#[derive(Clone, Debug, PartialEq)]
pub enum RuleScore<'d> {
    /// This one.
    Fixed(Score),
    /// The value of this node attribute.
    Attribute(&'d str),
}

/// One condition of a rule.
#[derive(Clone, Debug, PartialEq)]
pub enum Condition<'d> {
    /// A rule within the rule.
    Rule(Rule<'d>),
    /// An `expression` over a node attribute.
    NodeAttribute {
        /// The element.
        element: Element<'d>,
        /// Its id.
        id: &'d str,
        /// The name of the node attribute.
        attribute: &'d str,
        /// How it is compared.
        operation: Comparison,
        /// With what.
        value: Option<&'d str>,
        /// As what; absent means by the operation and the operands.
        value_type: Option<ComparisonType>,
        /// Where the value comes from.
        value_source: ValueSource,
    },
    /// A `date_expression`.
    Date {
        /// The element.
        element: Element<'d>,
        /// Its id.
        id: &'d str,
        /// How dates are compared.
        operation: DateOperation,
        /// The start, as written.
        start: Option<&'d str>,
        /// The end, as written.
        end: Option<&'d str>,
        /// A length of time from the start.
        duration: Option<DateFields<'d>>,
        /// A specification of matching dates.
        date_spec: Option<DateFields<'d>>,
    },
    /// An `rsc_expression`.
    Resource {
        /// The element.
        element: Element<'d>,
        /// Its id.
        id: &'d str,
        /// The standard.
        class: Option<&'d str>,
        /// The provider.
        provider: Option<&'d str>,
        /// The agent.
        agent: Option<&'d str>,
    },
    /// An `op_expression`.
    Operation {
        /// The element.
        element: Element<'d>,
        /// Its id.
        id: &'d str,
        /// The name of the operation.
        name: &'d str,
        /// Its interval.
        interval: Option<Duration>,
    },
}

/// The fields of a `date_spec` (ranges) or `duration` (numbers), as written, in document order.
#[derive(Clone, Debug, PartialEq)]
pub struct DateFields<'d> {
    /// The element.
    pub element: Element<'d>,
    /// Its id.
    pub id: &'d str,
    /// Field and text.
    pub fields: Vec<(&'d str, &'d str)>,
}

/// Rules within rules deeper than this are left out.
const MAX_DEPTH: usize = 100;

impl<'d> Rule<'d> {
    pub(super) fn read(reader: &mut Reader, element: Element<'d>, depth: usize) -> Rule<'d> {
        if let Some(id_ref) = element.attribute("id-ref") {
            return Rule::Reference { element, id_ref };
        }
        let score = match element.attribute("score-attribute") {
            Some(name) => Some(RuleScore::Attribute(name)),
            None => reader.value(element, "score").map(RuleScore::Fixed),
        };
        let id = reader.required(element, "id");
        let boolean_op = reader.value(element, "boolean-op").unwrap_or(BooleanOp::And);
        let mut conditions = Vec::new();
        for child in element.children() {
            conditions.extend(Condition::read(reader, child, depth));
        }
        let role = element.attribute("role");
        Rule::Definition(RuleBody { element, id, boolean_op, role, score, conditions })
    }

    pub(super) fn read_all(reader: &mut Reader, parent: Element<'d>) -> Vec<Rule<'d>> {
        parent.children_named("rule").map(|rule| Rule::read(reader, rule, 0)).collect()
    }
}

impl<'d> Condition<'d> {
    fn read(reader: &mut Reader, element: Element<'d>, depth: usize) -> Option<Condition<'d>> {
        match element.name() {
            "rule" if depth >= MAX_DEPTH => {
                reader.form(element, "rules nested at most 100 deep");
                None
            }
            "rule" => Some(Condition::Rule(Rule::read(reader, element, depth + 1))),
            "expression" => {
                let id = reader.required(element, "id");
                let attribute = reader.required(element, "attribute");
                reader.required(element, "operation");
                Some(Condition::NodeAttribute {
                    element,
                    id,
                    attribute,
                    operation: reader.value(element, "operation")?,
                    value: element.attribute("value"),
                    value_type: reader.value(element, "type"),
                    value_source: reader
                        .value(element, "value-source")
                        .unwrap_or(ValueSource::Literal),
                })
            }
            "date_expression" => {
                let id = reader.required(element, "id");
                let fields = |reader: &mut Reader, name| {
                    element.child(name).map(|child| DateFields::read(reader, child))
                };
                Some(Condition::Date {
                    element,
                    id,
                    operation: reader.value(element, "operation").unwrap_or(DateOperation::InRange),
                    start: element.attribute("start"),
                    end: element.attribute("end"),
                    duration: fields(reader, "duration"),
                    date_spec: fields(reader, "date_spec"),
                })
            }
            "rsc_expression" => Some(Condition::Resource {
                element,
                id: reader.required(element, "id"),
                class: element.attribute("class"),
                provider: element.attribute("provider"),
                agent: element.attribute("type"),
            }),
            "op_expression" => Some(Condition::Operation {
                element,
                id: reader.required(element, "id"),
                name: reader.required(element, "name"),
                interval: reader.value(element, "interval"),
            }),
            _ => {
                reader.unknown(
                    element,
                    "rule, expression, date_expression, rsc_expression and op_expression",
                );
                None
            }
        }
    }
}

impl<'d> DateFields<'d> {
    fn read(reader: &mut Reader, element: Element<'d>) -> DateFields<'d> {
        let id = reader.required(element, "id");
        let fields = element.attributes().filter(|(name, _)| *name != "id").collect();
        DateFields { element, id, fields }
    }
}
