//! Name/value blocks with the context their rules may see (spec 10 §3, §4.5).

use crate::model::cluster::{Cluster, Level};
use crate::model::ids::NodeId;
use cib_model::Element;
use cib_model::nvpair::{Blocks, NameValues};
use cib_model::rule::{Lookup, NextChange, OperationInput, ResourceInput, RuleInput};
use std::rc::Rc;

/// What the rules of a block may look at besides the time.
#[derive(Clone, Copy, Default)]
pub(super) struct Context<'a> {
    /// Attributes of this node.
    pub node: Option<NodeId>,
    /// The resource's agent.
    pub resource: Option<ResourceInput<'a>>,
    /// The operation.
    pub operation: Option<OperationInput<'a>>,
}

impl<'d> Cluster<'d> {
    /// Fills `out` from the blocks of `owner` without overwriting and notes when the result may
    /// change by itself.
    pub(super) fn collect_blocks(
        &mut self,
        owner: Element<'d>,
        block: &'static str,
        context: Context<'_>,
        out: &mut NameValues<'d>,
    ) {
        let blocks = self.blocks(owner, block);
        if !blocks.is_empty() {
            self.fill_from(&blocks, context, out);
        }
    }

    /// The blocks of an owner, read at first use.
    pub(super) fn blocks(&mut self, owner: Element<'d>, block: &'static str) -> Rc<Blocks<'d>> {
        if owner.child(block).is_none() {
            return Rc::clone(&self.lookups.no_blocks);
        }
        let (generated, number) = self.lookups.element_key(owner);
        let key = (generated, number, block);
        if let Some(known) = self.lookups.blocks.get(&key) {
            return Rc::clone(known);
        }
        let blocks = Rc::new(Blocks::read(owner, block, None, &self.lookups.references, self.now));
        self.report_problems(&blocks);
        self.lookups.blocks.insert(key, Rc::clone(&blocks));
        blocks
    }

    pub(super) fn report_problems(&mut self, blocks: &Blocks<'d>) {
        for problem in blocks.problems() {
            self.message(Level::Error, problem.to_string());
        }
    }

    /// Fills `out` from blocks already read.
    pub(super) fn fill_from(
        &mut self,
        blocks: &Blocks<'d>,
        context: Context<'_>,
        out: &mut NameValues<'d>,
    ) {
        let mut input = RuleInput::at(self.now);
        input.node_attributes = context.node.map(|n| &self.node(n).attributes as &dyn Lookup);
        input.resource = context.resource;
        input.operation = context.operation;
        let mut next_change = NextChange::default();
        blocks.fill(&input, out, &mut next_change);
        if let Some(epoch) = next_change.epoch() {
            self.recheck(epoch);
        }
    }

    /// Does the owner have a block of this name that depends on a rule?
    pub(super) fn has_rules(&mut self, owner: Element<'d>, block: &'static str) -> bool {
        self.blocks(owner, block).has_rules()
    }
}
