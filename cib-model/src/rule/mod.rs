//! Rules: conditions on time, node attributes, resources and operations (spec 50 §4).
//!
//! A [`Rule`] is read once from its element and evaluated as often as wanted, for example for each
//! node. A condition that is wrong in itself does not make the rule unreadable: it simply never passes,
//! and short-circuit evaluation may never reach it.
//!
//! ```
//! use cib_model::date::DateTime;
//! use cib_model::document::{Document, References};
//! use cib_model::rule::{NextChange, Rule, RuleInput};
//!
//! let document = Document::parse(
//!     r#"<rule id="r"><expression id="e" attribute="kind" operation="eq" value="disk"/>
//!        <date_expression id="d" operation="lt" end="2030-01-01"/></rule>"#,
//! )?;
//! let references = References::new(&document);
//! let now = DateTime::from_epoch(1_700_000_000, 0);
//! let rule = Rule::read(document.root(), &references, now)?;
//!
//! let attributes = [("kind", "disk")];
//! let input = RuleInput { node_attributes: Some(&attributes), ..RuleInput::at(now) };
//! let mut next_change = NextChange::default();
//! assert!(rule.passes(&input, &mut next_change));
//! assert_eq!(next_change.epoch(), Some(1_893_456_000));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod date_expression;
mod error;
mod expression;
mod input;

pub use error::{RuleError, RuleErrorKind};
pub use input::{
    Lookup, NextChange, OperationInput, ResourceInput, RuleInput, Submatches, expand_submatches,
};

use crate::date::DateTime;
use crate::document::{Element, References};
use crate::scalar::parse_interval_ms;

use date_expression::DateExpression;
use expression::Expression;

/// A rule, read.
#[derive(Debug, Clone)]
pub struct Rule<'d> {
    combine: Combine,
    conditions: Vec<Condition<'d>>,
}

/// How conditions combine (`boolean-op`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Combine {
    And,
    Or,
}

#[derive(Debug, Clone)]
enum Condition<'d> {
    Rule(Rule<'d>),
    NodeAttribute(Expression<'d>),
    Date(DateExpression),
    Resource {
        class: Option<&'d str>,
        provider: Option<&'d str>,
        agent: Option<&'d str>,
    },
    Operation {
        name: &'d str,
        interval_ms: Option<u64>,
    },
    /// Never passes.
    Invalid(RuleError),
}

/// How one condition came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Satisfied.
    Pass,
    /// Not satisfied: too early, or the actual value is too small.
    BeforeRange,
    /// Not satisfied: too late, or the actual value is too large.
    AfterRange,
    /// Not satisfied for another reason.
    Unsatisfied,
}

impl Outcome {
    fn when(satisfied: bool) -> Outcome {
        if satisfied { Outcome::Pass } else { Outcome::Unsatisfied }
    }
}

/// Conditions in one rule, those of nested and referenced rules included. References can nest so that
/// a short document would unfold without end.
const MAX_CONDITIONS: usize = 10_000;
/// Rules within rules.
const MAX_DEPTH: usize = 100;

impl<'d> Rule<'d> {
    /// Reads a `rule` element, resolving `id-ref`. A time of day or a date without offset in it is
    /// understood as seen from `now`.
    ///
    /// # Errors
    /// When the rule itself cannot be used: its reference names nothing, it has no id, or its
    /// `boolean-op` is unknown. Such a rule counts as not satisfied.
    pub fn read(
        element: Element<'d>,
        references: &References<'d>,
        now: DateTime,
    ) -> Result<Rule<'d>, RuleError> {
        Reader { references, now, conditions: 0 }.rule(element, 0)
    }

    /// Whether the rule is satisfied. Instants at which date expressions it looked at will change are
    /// noted in `next_change`. A rule without conditions is satisfied.
    pub fn passes(&self, input: &RuleInput<'_>, next_change: &mut NextChange) -> bool {
        let mut outcomes =
            self.conditions.iter().map(|condition| condition.evaluate(input, next_change));
        match self.combine {
            Combine::And => outcomes.all(|outcome| outcome == Outcome::Pass),
            Combine::Or => {
                self.conditions.is_empty() || outcomes.any(|outcome| outcome == Outcome::Pass)
            }
        }
    }

    /// The outcome of the only condition of a rule with one condition, which tells more than
    /// [`Rule::passes`]; `None` for other rules.
    pub fn outcome_of_single(
        &self,
        input: &RuleInput<'_>,
        next_change: &mut NextChange,
    ) -> Option<Outcome> {
        match self.conditions.as_slice() {
            [only] => Some(only.evaluate(input, next_change)),
            _ => None,
        }
    }

    /// The first condition, in document order, that is wrong in itself.
    pub fn first_problem(&self) -> Option<&RuleError> {
        self.conditions.iter().find_map(|condition| match condition {
            Condition::Invalid(error) => Some(error),
            Condition::Rule(rule) => rule.first_problem(),
            _ => None,
        })
    }

    /// Whether there is no condition at all (worth a warning).
    pub fn is_empty(&self) -> bool {
        self.conditions.is_empty()
    }
}

/// Reads and evaluates a rule in one go.
pub fn evaluate<'d>(
    element: Element<'d>,
    references: &References<'d>,
    input: &RuleInput<'_>,
    next_change: &mut NextChange,
) -> Result<bool, RuleError> {
    Ok(Rule::read(element, references, input.now)?.passes(input, next_change))
}

impl Condition<'_> {
    fn evaluate(&self, input: &RuleInput<'_>, next_change: &mut NextChange) -> Outcome {
        match self {
            Condition::Rule(rule) => Outcome::when(rule.passes(input, next_change)),
            Condition::NodeAttribute(expression) => expression.evaluate(input),
            Condition::Date(expression) => expression.evaluate(input.now, next_change),
            Condition::Resource { class, provider, agent } => {
                Outcome::when(input.resource.is_some_and(|resource| {
                    class.is_none_or(|class| class == resource.class)
                        && provider.is_none_or(|provider| Some(provider) == resource.provider)
                        && agent.is_none_or(|agent| agent == resource.agent)
                }))
            }
            Condition::Operation { name, interval_ms } => {
                Outcome::when(input.operation.is_some_and(|operation| {
                    *name == operation.name
                        && interval_ms.is_none_or(|ms| ms == operation.interval_ms)
                }))
            }
            Condition::Invalid(_) => Outcome::Unsatisfied,
        }
    }
}

struct Reader<'r, 'd> {
    references: &'r References<'d>,
    now: DateTime,
    /// Conditions read so far.
    conditions: usize,
}

impl<'d> Reader<'_, 'd> {
    fn rule(&mut self, element: Element<'d>, depth: usize) -> Result<Rule<'d>, RuleError> {
        let element = self
            .references
            .resolve(element)
            .map_err(|reference| RuleError::new(element, RuleErrorKind::Reference(reference)))?;
        require(element, "id")?;
        let combine = match element.attribute("boolean-op") {
            None => Combine::And,
            Some(op) if op.eq_ignore_ascii_case("and") => Combine::And,
            Some(op) if op.eq_ignore_ascii_case("or") => Combine::Or,
            Some(op) => {
                let kind = RuleErrorKind::unknown("boolean-op", op, "'and' or 'or'");
                return Err(RuleError::new(element, kind));
            }
        };
        if depth > MAX_DEPTH {
            return Err(RuleError::new(element, RuleErrorKind::TooDeep(MAX_DEPTH)));
        }
        let mut conditions = Vec::new();
        for child in element.children() {
            self.conditions += 1;
            if self.conditions > MAX_CONDITIONS {
                return Err(RuleError::new(element, RuleErrorKind::TooLarge(MAX_CONDITIONS)));
            }
            match self.condition(child, depth) {
                Ok(None) => {}
                Ok(Some(condition)) => conditions.push(condition),
                // What is beyond all measure spoils the whole, not only the part seen last.
                Err(error) if error.is_excess() => return Err(error),
                Err(error) => conditions.push(Condition::Invalid(error)),
            }
        }
        Ok(Rule { combine, conditions })
    }

    fn condition(
        &mut self,
        element: Element<'d>,
        depth: usize,
    ) -> Result<Option<Condition<'d>>, RuleError> {
        Ok(Some(match element.name() {
            "rule" => Condition::Rule(self.rule(element, depth + 1)?),
            "expression" => Condition::NodeAttribute(Expression::read(element)?),
            "date_expression" => Condition::Date(DateExpression::read(element, self.now)?),
            "rsc_expression" => Condition::Resource {
                class: element.attribute("class"),
                provider: element.attribute("provider"),
                agent: element.attribute("type"),
            },
            "op_expression" => Condition::Operation {
                name: require(element, "name")?,
                interval_ms: element
                    .attribute("interval")
                    .map(parse_interval_ms)
                    .transpose()
                    .map_err(|error| RuleError::new(element, RuleErrorKind::Interval(error)))?,
            },
            _ => return Ok(None),
        }))
    }
}

/// An attribute that must be there.
fn require<'d>(element: Element<'d>, name: &'static str) -> Result<&'d str, RuleError> {
    let missing = || RuleError::new(element, RuleErrorKind::Missing(name));
    element.attribute(name).ok_or_else(missing)
}

#[cfg(test)]
mod tests;
