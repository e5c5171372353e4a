//! Instance attributes of resources (spec 10 §9.11).

use super::blocks::Context;
use super::lookups::ParameterOwner;
use crate::model::cluster::Cluster;
use crate::model::ids::{NodeId, ResourceId};
use cib_model::Element;
use cib_model::nvpair::NameValues;
use std::rc::Rc;

const BLOCK: &str = "instance_attributes";

impl<'d> Cluster<'d> {
    /// Parameters of a resource on a node, or as they are where no node is known; evaluated at
    /// first use.
    pub fn parameters(&mut self, resource: ResourceId, node: Option<NodeId>) -> Rc<NameValues<'d>> {
        let definition = self.resource(resource).definition;
        let owner = if self.has_plain_parameters(resource) {
            ParameterOwner::Definition(definition)
        } else {
            ParameterOwner::Resource(resource, node)
        };
        if let Some(known) = self.lookups.parameters.get(&owner) {
            return Rc::clone(known);
        }
        let mut values = NameValues::default();
        let context = Context { node, ..Context::default() };
        let mut next = Some(resource);
        while let Some(r) = next {
            let element = self.definitions[self.resource(r).definition.index()].element;
            self.collect_blocks(element, BLOCK, context, &mut values);
            next = self.resource(r).parent;
        }
        let values = Rc::new(values);
        self.lookups.parameters.insert(owner, Rc::clone(&values));
        values
    }

    /// Are the parameters of a resource the same on every node?
    pub fn has_plain_parameters(&self, resource: ResourceId) -> bool {
        self.definitions[self.resource(resource).definition.index()].plain_parameters
    }

    /// Do the parameters of a resource not depend on any rule, its ancestors' included?
    pub(super) fn parameters_are_plain(
        &mut self,
        element: Element<'d>,
        parent: Option<ResourceId>,
    ) -> bool {
        let above = parent
            .is_none_or(|p| self.definitions[self.resource(p).definition.index()].plain_parameters);
        above && !self.has_rules(element, BLOCK)
    }
}

#[cfg(test)]
mod tests {
    use crate::input::fixture::{self, cib};

    #[test]
    fn later_blocks_win_and_rules_see_the_node() {
        let resources = "<primitive id='a' class='ocf' provider='p' type='t'>
            <instance_attributes id='i1'><nvpair id='x1' name='x' value='1'/><nvpair id='y1' name='y' value='1'/></instance_attributes>
            <instance_attributes id='i2'><nvpair id='x2' name='x' value='2'/></instance_attributes>
            <instance_attributes id='i3' score='9'>
              <rule id='r' score='0'><expression id='e' attribute='#uname' operation='eq' value='n2'/></rule>
              <nvpair id='x3' name='x' value='3'/></instance_attributes></primitive>";
        fixture::with(
            &cib("", "", "<node id='1' uname='n1'/><node id='2' uname='n2'/>", resources, "", ""),
            |c| {
                let a = c.find_resource("a").unwrap();
                for (node, x) in [
                    (None, "2"),
                    (c.find_node(None, Some("n1")), "2"),
                    (c.find_node(None, Some("n2")), "3"),
                ] {
                    let p = c.parameters(a, node);
                    assert_eq!((p.get("x"), p.get("y")), (Some(x), Some("1")));
                }
            },
        );
    }
}
