//! Name/value blocks: choosing values among several `instance_attributes`, `meta_attributes`,
//! `utilization` or `cluster_property_set` elements (spec 50 §7).
//!
//! [`Blocks`] is read once per owner, with references resolved and blocks in order of precedence; it
//! then fills a table of [`NameValues`] as often as there are contexts, for example once per node.
//!
//! ```
//! use cib_model::date::DateTime;
//! use cib_model::document::{Document, References};
//! use cib_model::nvpair::{Blocks, NameValues};
//! use cib_model::rule::{NextChange, RuleInput};
//!
//! let document = Document::parse(
//!     r#"<rsc><meta_attributes id="low"><nvpair id="1" name="a" value="1"/></meta_attributes>
//!        <meta_attributes id="high" score="9"><nvpair id="2" name="a" value="2"/></meta_attributes></rsc>"#,
//! )?;
//! let references = References::new(&document);
//! let now = DateTime::from_epoch(0, 0);
//! let blocks = Blocks::read(document.root(), "meta_attributes", None, &references, now);
//! let mut values = NameValues::default();
//! blocks.fill(&RuleInput::at(now), &mut values, &mut NextChange::default());
//! assert_eq!(values.get("a"), Some("2"));
//! # Ok::<(), cib_model::document::ParseError>(())
//! ```

mod values;

pub use values::NameValues;

use std::cmp::Reverse;
use std::ops::Range;

use thiserror::Error;

use crate::date::DateTime;
use crate::document::{Element, ReferenceError, References};
use crate::rule::{NextChange, Rule, RuleError, RuleInput};
use crate::scalar::Score;

/// Something in a block that is left out because it is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum BlockError {
    /// A block or a pair refers to nothing.
    #[error(transparent)]
    Reference(#[from] ReferenceError),
    /// The rule of a block is unusable, so the block never applies.
    #[error(transparent)]
    Rule(#[from] RuleError),
}

/// The blocks of one owner and one kind, in order of precedence.
#[derive(Debug, Clone, Default)]
pub struct Blocks<'d> {
    blocks: Vec<Block<'d>>,
    pairs: Vec<(&'d str, &'d str)>,
    problems: Vec<BlockError>,
}

#[derive(Debug, Clone)]
struct Block<'d> {
    element: Element<'d>,
    rule: Option<Rule<'d>>,
    pairs: Range<usize>,
}

/// The block of cluster options that precedes all others.
pub const BOOTSTRAP_OPTIONS: &str = "cib-bootstrap-options";

impl<'d> Blocks<'d> {
    /// Reads the children of `parent` named `block_name`. Precedence: the block with id `first`, then
    /// by score, highest first; among equals the *last* in the document.
    pub fn read(
        parent: Element<'d>,
        block_name: &str,
        first: Option<&str>,
        references: &References<'d>,
        now: DateTime,
    ) -> Blocks<'d> {
        let mut read = Blocks::default();
        let mut elements: Vec<(bool, Score, Element<'d>)> = Vec::new();
        for child in parent.children_named(block_name) {
            match references.resolve(child) {
                Ok(block) => {
                    let is_first = first.is_some() && block.xml_id() == first;
                    let score = block.attribute("score").map(Score::parse);
                    let score = score.and_then(Result::ok).unwrap_or_default();
                    elements.push((is_first, score, block));
                }
                Err(error) => read.problems.push(error.into()),
            }
        }
        elements.reverse();
        elements.sort_by_key(|&(is_first, score, _)| Reverse((is_first, score)));
        for (_, _, element) in elements {
            read.add_block(element, references, now);
        }
        read
    }

    fn add_block(&mut self, element: Element<'d>, references: &References<'d>, now: DateTime) {
        let rule = match element.child("rule").map(|rule| Rule::read(rule, references, now)) {
            None => None,
            Some(Ok(rule)) => {
                self.problems.extend(rule.first_problem().cloned().map(BlockError::Rule));
                Some(rule)
            }
            Some(Err(error)) => {
                self.problems.push(error.into());
                return;
            }
        };
        // Old documents wrap the pairs in an element of their own.
        let wrapper = element.children().next().filter(|child| child.name() == "attributes");
        let start = self.pairs.len();
        for pair in wrapper.unwrap_or(element).children_named("nvpair") {
            match references.resolve(pair) {
                Ok(pair) => self.pairs.extend(pair.attribute("name").zip(pair.attribute("value"))),
                Err(error) => self.problems.push(error.into()),
            }
        }
        self.blocks.push(Block { element, rule, pairs: start..self.pairs.len() });
    }

    /// Adds the values of all blocks that apply, never replacing one that is already in the table.
    /// Within a block the first pair of a name wins; the value `#default` removes the name.
    pub fn fill(
        &self,
        input: &RuleInput<'_>,
        values: &mut NameValues<'d>,
        next_change: &mut NextChange,
    ) {
        for block in &self.blocks {
            if !block.applies(input, next_change) {
                continue;
            }
            for &(name, value) in &self.pairs[block.pairs.clone()] {
                if is_default(value) {
                    values.remove(name);
                } else {
                    values.insert_if_absent(name, value);
                }
            }
        }
    }

    /// Adds the values of all blocks that apply in the opposite order, each replacing what is in the
    /// table: for callers that build a table from the least important source upward.
    pub fn overwrite(
        &self,
        input: &RuleInput<'_>,
        values: &mut NameValues<'d>,
        next_change: &mut NextChange,
    ) {
        for block in self.blocks.iter().rev() {
            if !block.applies(input, next_change) {
                continue;
            }
            for &(name, value) in &self.pairs[block.pairs.clone()] {
                if is_default(value) {
                    values.remove(name);
                } else {
                    values.insert(name, value);
                }
            }
        }
    }

    /// Whether there are no blocks.
    pub fn is_empty(&self) -> bool {
        self.blocks.is_empty()
    }

    /// Whether any block has a rule, that is, whether the values depend on more than the document.
    pub fn has_rules(&self) -> bool {
        self.blocks.iter().any(|block| block.rule.is_some())
    }

    /// The elements of the blocks, in order of precedence.
    pub fn elements(&self) -> impl Iterator<Item = Element<'d>> {
        self.blocks.iter().map(|block| block.element)
    }

    /// What was left out because it is wrong.
    pub fn problems(&self) -> &[BlockError] {
        &self.problems
    }
}

impl Block<'_> {
    fn applies(&self, input: &RuleInput<'_>, next_change: &mut NextChange) -> bool {
        self.rule.as_ref().is_none_or(|rule| rule.passes(input, next_change))
    }
}

/// The deprecated value that stands for "not set".
fn is_default(value: &str) -> bool {
    value.eq_ignore_ascii_case("#default")
}

/// Reads the blocks of one owner and fills a table, in one go (see [`Blocks::fill`]).
pub fn collect<'d>(
    parent: Element<'d>,
    block_name: &str,
    first: Option<&str>,
    references: &References<'d>,
    input: &RuleInput<'_>,
    values: &mut NameValues<'d>,
    next_change: &mut NextChange,
) {
    Blocks::read(parent, block_name, first, references, input.now).fill(input, values, next_change);
}

#[cfg(test)]
mod tests;
