//! The attributes and their values.

use std::collections::BTreeMap;
use std::time::Duration;

/// Which kind of set an attribute is written to.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub enum SetType {
    /// `instance_attributes`.
    #[default]
    InstanceAttributes,
    /// `utilization`.
    Utilization,
}

impl SetType {
    /// The name of the element.
    pub fn as_str(self) -> &'static str {
        match self {
            SetType::InstanceAttributes => "instance_attributes",
            SetType::Utilization => "utilization",
        }
    }

    /// Reads the name of the element.
    pub fn parse(text: &str) -> Option<SetType> {
        [SetType::InstanceAttributes, SetType::Utilization]
            .into_iter()
            .find(|kind| kind.as_str() == text)
    }
}

/// One attribute with its value on each node.
#[derive(Clone, Debug, Default)]
pub struct Attribute {
    /// The kind of set it is written to.
    pub set_type: SetType,
    /// The id of that set, when it is not the usual one.
    pub set_id: Option<String>,
    /// The user on whose behalf it is written.
    pub user: Option<String>,
    /// Whether it is never written.
    pub is_private: bool,
    /// How long values must be quiet before they are written.
    pub dampening: Duration,
    pub(super) changed: bool,
    pub(super) unknown_id: bool,
    pub(super) force_write: bool,
    /// The unfinished write.
    pub(super) pending: Option<u64>,
    /// When its timer runs out, if it runs.
    pub(super) deadline: Option<Duration>,
    pub(super) values: BTreeMap<NodeKey, Value>,
}

/// The value of an attribute on one node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Value {
    /// The name of the node.
    pub node: String,
    /// The value; nothing when it was unset.
    pub current: Option<String>,
    /// Whether the node is a remote one.
    pub is_remote: bool,
    /// The value in the unfinished write.
    pub(super) requested: Option<String>,
    /// Whether a peer mentioned it in the current synchronisation.
    pub(super) seen: bool,
}

impl Attribute {
    /// The values, by name of the node.
    pub fn values(&self) -> impl Iterator<Item = &Value> {
        self.values.values()
    }

    /// The value on a node. Names of nodes are compared without regard to case.
    pub fn value(&self, node: &str) -> Option<&Value> {
        self.values.get(&NodeKey::new(node))
    }
}

/// The name of a node, in lower case.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct NodeKey(String);

impl NodeKey {
    pub(super) fn new(name: &str) -> NodeKey {
        NodeKey(name.to_ascii_lowercase())
    }
}
