//! Operation definitions: finding them, their parameters, their rules (spec 10 §10.1, §10.3).

use super::blocks::Context;
use crate::model::cluster::Cluster;
use crate::model::ids::{ActionId, NodeId, ResourceId};
use crate::model::resource::OperationDefinition;
use crate::model::task::Key;
use cib_model::nvpair::NameValues;

impl<'d> Cluster<'d> {
    /// The first configured operation of that name and interval. A migration without definition of
    /// its own takes that of the legacy name `migrate`.
    pub fn operation(
        &self,
        resource: ResourceId,
        name: &str,
        interval_ms: u64,
        include_disabled: bool,
    ) -> Option<OperationDefinition<'d>> {
        let operations = &self.definitions[self.resource(resource).definition.index()].operations;
        let find = |name: &str, interval_ms: u64| {
            operations
                .iter()
                .find(|o| {
                    o.interval_ms == interval_ms
                        && o.name == name
                        && (include_disabled || o.enabled)
                })
                .copied()
        };
        find(name, interval_ms).or_else(|| match name {
            "migrate_to" | "migrate_from" => find("migrate", 0),
            _ => None,
        })
    }

    /// Instance attributes of an operation's definition, as they are on a node.
    pub fn operation_parameters(
        &mut self,
        resource: ResourceId,
        name: &str,
        interval_ms: u64,
        node: Option<NodeId>,
    ) -> NameValues<'d> {
        let mut values = NameValues::default();
        if let Some(definition) = self.operation(resource, name, interval_ms, true) {
            let context = Context { node, ..Context::default() };
            self.collect_blocks(definition.element, "instance_attributes", context, &mut values);
        }
        values
    }

    /// Counts the dates in the rules of a new action's operation towards the time of the next recheck.
    pub fn note_operation_recheck(&mut self, action: ActionId) {
        let a = &self.actions[action];
        let Some(resource) = a.resource.filter(|_| self.operation_rules) else { return };
        let (node, interval_ms) = (a.node, a.key.interval_ms());
        let task = self.actions.task_name(a.definition_task).to_owned();
        let name = if matches!(a.key, Key::Notify { .. }) { "notify" } else { task.as_str() };
        let definition = self.operation(resource, name, interval_ms, true);
        self.operation_values(resource, &task, interval_ms, definition);
        if node.is_some() {
            self.operation_parameters(resource, name, interval_ms, node);
        }
    }
}
