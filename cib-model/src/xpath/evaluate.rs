//! Evaluating an expression.

use std::cell::{Cell, OnceCell};
use std::collections::BTreeSet;

use super::axes;
use super::expression::{Axis, Expression, Operator, Path, Start, Step};
use super::value::{Value, XNode, text_to_number};
use super::{XPathError, functions};
use crate::document::Document;

/// Where an expression is evaluated.
#[derive(Copy, Clone)]
pub(super) struct Context<'e, 'd> {
    pub node: XNode<'d>,
    pub position: usize,
    pub size: usize,
    pub run: &'e Run<'d>,
}

/// What one evaluation has in common.
pub(super) struct Run<'d> {
    pub document: &'d Document,
    visits: Cell<u64>,
    max_visits: u64,
    /// The place of each node in document order, by index; made when first needed.
    order: OnceCell<Vec<u32>>,
}

pub(super) fn evaluate<'d>(
    expression: &Expression,
    document: &'d Document,
    max_visits: u64,
) -> Result<Value<'d>, XPathError> {
    let run = Run { document, visits: Cell::new(0), max_visits, order: OnceCell::new() };
    // As in libxml2's default context, relative paths start at the root, the parent of `cib`.
    let context = Context { node: XNode::Root, position: 1, size: 1, run: &run };
    context.value(expression)
}

impl<'d> Run<'d> {
    pub(super) fn visit(&self, nodes: usize) -> Result<(), XPathError> {
        let visits = self.visits.get() + nodes as u64;
        self.visits.set(visits);
        if visits > self.max_visits { Err(XPathError::TooExpensive) } else { Ok(()) }
    }

    fn is_exhausted(&self) -> bool {
        self.visits.get() > self.max_visits
    }

    /// Puts nodes in document order, each once.
    fn arrange(&self, nodes: &mut Vec<XNode<'d>>) -> Result<(), XPathError> {
        if nodes.len() < 2 {
            return Ok(());
        }
        self.visit(nodes.len())?;
        let order = self.order.get_or_init(|| {
            let mut order = vec![0; self.document.id_bound()];
            let mut place = 0;
            axes::walk(self.document, Axis::Descendant, XNode::Root, &mut |node| {
                place += 1;
                order[node.key().0] = place;
                true
            });
            order
        });
        let place = |node: &XNode<'d>| match node {
            XNode::Root => (0, 0),
            _ => (order[node.key().0], node.key().1),
        };
        nodes.sort_unstable_by_key(place);
        nodes.dedup_by_key(|node| place(node));
        Ok(())
    }
}

impl<'e, 'd> Context<'e, 'd> {
    pub(super) fn value(self, expression: &Expression) -> Result<Value<'d>, XPathError> {
        self.run.visit(1)?;
        Ok(match expression {
            Expression::Literal(text) => Value::Text(text.clone()),
            Expression::Number(number) => Value::Number(*number),
            Expression::Negate(inner) => Value::Number(-self.value(inner)?.to_number()),
            Expression::Union(left, right) => {
                let mut nodes = self.nodes(left)?;
                nodes.extend(self.nodes(right)?);
                self.run.arrange(&mut nodes)?;
                Value::Nodes(nodes)
            }
            Expression::Binary(operator, left, right) => self.binary(*operator, left, right)?,
            Expression::Call(function, arguments) => functions::call(self, *function, arguments)?,
            Expression::Path(path) => Value::Nodes(self.path(path)?),
        })
    }

    pub(super) fn nodes(self, expression: &Expression) -> Result<Vec<XNode<'d>>, XPathError> {
        match self.value(expression)? {
            Value::Nodes(nodes) => Ok(nodes),
            _ => Err(XPathError::NotNodes),
        }
    }

    fn binary(
        self,
        operator: Operator,
        left: &Expression,
        right: &Expression,
    ) -> Result<Value<'d>, XPathError> {
        let left = self.value(left)?;
        Ok(match operator {
            Operator::Or => Value::Boolean(left.to_boolean() || self.value(right)?.to_boolean()),
            Operator::And => Value::Boolean(left.to_boolean() && self.value(right)?.to_boolean()),
            Operator::Add => Value::Number(left.to_number() + self.value(right)?.to_number()),
            Operator::Subtract => Value::Number(left.to_number() - self.value(right)?.to_number()),
            Operator::Multiply => Value::Number(left.to_number() * self.value(right)?.to_number()),
            Operator::Divide => Value::Number(left.to_number() / self.value(right)?.to_number()),
            Operator::Modulo => Value::Number(left.to_number() % self.value(right)?.to_number()),
            comparison => Value::Boolean(self.compare(comparison, &left, &self.value(right)?)?),
        })
    }

    /// Comparison (XPath 1.0 §3.4): nodes compare equal to something if one of them does.
    fn compare(
        self,
        operator: Operator,
        left: &Value<'d>,
        right: &Value<'d>,
    ) -> Result<bool, XPathError> {
        let equality = matches!(operator, Operator::Equal | Operator::NotEqual);
        Ok(match (left, right) {
            (Value::Nodes(left), Value::Nodes(right)) => {
                self.compare_nodes(operator, left, right)?
            }
            (Value::Nodes(_), Value::Boolean(other)) => {
                numbers(operator, f64::from(left.to_boolean()), f64::from(*other))
            }
            (Value::Boolean(other), Value::Nodes(_)) => {
                numbers(operator, f64::from(*other), f64::from(right.to_boolean()))
            }
            (Value::Nodes(nodes), other) => {
                self.run.visit(nodes.len())?;
                nodes.iter().any(|node| match other {
                    Value::Text(text) if equality => {
                        (node.text() == text) == (operator == Operator::Equal)
                    }
                    other => numbers(operator, text_to_number(node.text()), other.to_number()),
                })
            }
            (other, Value::Nodes(nodes)) => {
                self.run.visit(nodes.len())?;
                nodes.iter().any(|node| match other {
                    Value::Text(text) if equality => {
                        (node.text() == text) == (operator == Operator::Equal)
                    }
                    other => numbers(operator, other.to_number(), text_to_number(node.text())),
                })
            }
            (left, right) if equality => {
                let equal = match (left, right) {
                    (Value::Boolean(_), _) | (_, Value::Boolean(_)) => {
                        left.to_boolean() == right.to_boolean()
                    }
                    (Value::Number(_), _) | (_, Value::Number(_)) => {
                        left.to_number() == right.to_number()
                    }
                    _ => left.to_text() == right.to_text(),
                };
                equal == (operator == Operator::Equal)
            }
            (left, right) => numbers(operator, left.to_number(), right.to_number()),
        })
    }

    fn compare_nodes(
        self,
        operator: Operator,
        left: &[XNode<'d>],
        right: &[XNode<'d>],
    ) -> Result<bool, XPathError> {
        self.run.visit(left.len() + right.len())?;
        match operator {
            Operator::Equal => {
                let texts: BTreeSet<&str> = right.iter().map(|node| node.text()).collect();
                Ok(left.iter().any(|node| texts.contains(node.text())))
            }
            // Some pair differs unless all texts are one and the same.
            Operator::NotEqual => {
                let mut texts = right.iter().map(|node| node.text());
                let Some(first) = texts.next() else { return Ok(false) };
                let all_same = texts.all(|text| text == first);
                Ok(left.iter().any(|node| !all_same || node.text() != first))
            }
            // Only the extremes matter.
            _ => {
                let number = |node: &XNode<'d>| text_to_number(node.text());
                let range = |nodes: &[XNode<'d>]| {
                    let numbers = nodes.iter().map(number).filter(|number| !number.is_nan());
                    numbers.fold(None, |range: Option<(f64, f64)>, number| match range {
                        None => Some((number, number)),
                        Some((low, high)) => Some((low.min(number), high.max(number))),
                    })
                };
                let (Some(left), Some(right)) = (range(left), range(right)) else {
                    return Ok(false);
                };
                let less = matches!(operator, Operator::Less | Operator::LessOrEqual);
                let (left, right) = if less { (left.0, right.1) } else { (left.1, right.0) };
                Ok(numbers(operator, left, right))
            }
        }
    }

    fn path(self, path: &Path) -> Result<Vec<XNode<'d>>, XPathError> {
        let mut nodes = match &path.start {
            Start::Context => vec![self.node],
            Start::Root => vec![XNode::Root],
            Start::Filter(inner, predicates) => {
                let mut nodes = self.nodes(inner)?;
                for predicate in predicates {
                    nodes = self.filter(nodes, predicate)?;
                }
                nodes
            }
        };
        for step in &path.steps {
            nodes = self.step(step, &nodes)?;
        }
        Ok(nodes)
    }

    fn step(self, step: &Step, from: &[XNode<'d>]) -> Result<Vec<XNode<'d>>, XPathError> {
        let mut result = Vec::new();
        for &start in from {
            let mut found = Vec::new();
            axes::walk(self.run.document, step.axis, start, &mut |node| {
                if axes::passes(step.axis, &step.test, node) {
                    found.push(node);
                }
                self.run.visit(1).is_ok()
            });
            if self.run.is_exhausted() {
                return Err(XPathError::TooExpensive);
            }
            for predicate in &step.predicates {
                found = self.filter(found, predicate)?;
            }
            if from.len() == 1 && !is_reverse(step.axis) {
                return Ok(found);
            }
            result.append(&mut found);
        }
        self.run.arrange(&mut result)?;
        Ok(result)
    }

    /// Those of the nodes for which a predicate holds: a number is a position.
    fn filter(
        self,
        nodes: Vec<XNode<'d>>,
        predicate: &Expression,
    ) -> Result<Vec<XNode<'d>>, XPathError> {
        let size = nodes.len();
        let mut kept = Vec::new();
        for (index, node) in nodes.into_iter().enumerate() {
            let context = Context { node, position: index + 1, size, run: self.run };
            let holds = match context.value(predicate)? {
                Value::Number(number) => number == (index + 1) as f64,
                value => value.to_boolean(),
            };
            if holds {
                kept.push(node);
            }
        }
        Ok(kept)
    }
}

fn is_reverse(axis: Axis) -> bool {
    matches!(axis, Axis::Ancestor | Axis::AncestorOrSelf | Axis::Preceding | Axis::PrecedingSibling)
}

fn numbers(operator: Operator, left: f64, right: f64) -> bool {
    match operator {
        Operator::Equal => left == right,
        Operator::NotEqual => left != right,
        Operator::Less => left < right,
        Operator::LessOrEqual => left <= right,
        Operator::Greater => left > right,
        _ => left >= right,
    }
}
