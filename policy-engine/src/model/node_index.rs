//! Nodes by id and by name, letter case ignored (spec 10 §6.2).

use std::borrow::Cow;
use std::collections::HashMap;

use super::ids::NodeId;
use super::node::Node;

/// See the [module](self). Of several nodes of one id or name the first in the order of nodes counts.
#[derive(Debug, Clone, Default)]
pub struct NodeIndex {
    ids: HashMap<Box<str>, NodeId>,
    names: HashMap<Box<str>, NodeId>,
}

impl NodeIndex {
    /// The index of nodes in their order.
    pub fn of(nodes: &[Node<'_>], order: &[NodeId]) -> NodeIndex {
        let mut index = NodeIndex::default();
        for node in order {
            let Node { id, name, .. } = &nodes[node.index()];
            index.ids.entry(folded(id).into()).or_insert(*node);
            index.names.entry(folded(name).into()).or_insert(*node);
        }
        index
    }

    /// Takes in one more node. False if its id or name was there already, so that the order decides.
    pub fn add(&mut self, node: NodeId, id: &str, name: &str) -> bool {
        let before = [
            self.ids.insert(folded(id).into(), node),
            self.names.insert(folded(name).into(), node),
        ];
        before == [None, None]
    }

    /// The node of this id.
    pub fn by_id(&self, id: &str) -> Option<NodeId> {
        self.ids.get(&*folded(id)).copied()
    }

    /// The node of this name.
    pub fn by_name(&self, name: &str) -> Option<NodeId> {
        self.names.get(&*folded(name)).copied()
    }
}

/// In small letters; most are already.
fn folded(text: &str) -> Cow<'_, str> {
    if text.bytes().any(|byte| byte.is_ascii_uppercase()) {
        Cow::Owned(text.to_ascii_lowercase())
    } else {
        Cow::Borrowed(text)
    }
}
