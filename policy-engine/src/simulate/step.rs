//! What executing a transition did, step by step.

use crate::report::text::Entry;
use serde::Serialize;

/// One thing the executor did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Step {
    /// A point in the order was passed.
    Pseudo {
        /// Key of the action.
        task: String,
        /// Node, for the fencing of guests.
        node: Option<String>,
    },
    /// A resource agent was run.
    Resource {
        /// Display name of the resource.
        resource: String,
        /// Task.
        op: String,
        /// Node.
        node: String,
        /// Interval in ms, 0 for once.
        interval_ms: u64,
    },
    /// The controller did something.
    Cluster {
        /// Task.
        task: String,
        /// Node.
        node: String,
        /// Resource, if it is about one.
        resource: Option<String>,
    },
    /// A node was fenced or unfenced.
    Fencing {
        /// Node.
        target: String,
        /// `reboot`, `off` or `on`.
        op: String,
    },
    /// An action was made to fail.
    Pretended {
        /// Number of the action.
        action: u32,
        /// Exit code.
        rc: i32,
    },
    /// A transient attribute was set.
    Attribute {
        /// Name.
        name: String,
        /// Value.
        value: String,
        /// Id of the node.
        node_id: String,
    },
}

impl Step {
    /// As a line of the report (spec 41 §7).
    pub fn entry(&self) -> Entry {
        Entry::item(match self {
            Step::Pseudo { task, node } => {
                let on = node.as_ref().map(|n| format!(" on {n}")).unwrap_or_default();
                format!("Pseudo action:   {task}{on}")
            }
            Step::Resource { resource, op, node, interval_ms: 0 } => {
                format!("Resource action: {resource:<15} {op} on {node}")
            }
            Step::Resource { resource, op, node, interval_ms } => {
                format!("Resource action: {resource:<15} {op}={interval_ms} on {node}")
            }
            Step::Cluster { task, node, resource: Some(r) } => {
                format!("Cluster action:  {task} for {r} on {node}")
            }
            Step::Cluster { task, node, resource: None } => {
                format!("Cluster action:  {task} on {node}")
            }
            Step::Fencing { target, op } => format!("Fencing {target} ({op})"),
            Step::Pretended { action, rc } => {
                return Entry::Info(format!("Pretending action {action} failed with rc={rc}"));
            }
            Step::Attribute { name, value, node_id } => {
                format!("Injecting attribute {name}={value} into /node_state '{node_id}'")
            }
        })
    }
}
