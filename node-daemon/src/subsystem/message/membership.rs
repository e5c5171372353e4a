//! What messaging tells.

use serde::{Deserialize, Serialize};

use crate::subsystem::{NodeId, Room};

/// A node and its name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeName {
    /// The node.
    pub id: NodeId,
    /// Its name.
    pub name: String,
}

/// The ring and what quorum says of it. Sent at every change, and to a subsystem that starts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Membership {
    /// Sequence number of the ring.
    pub sequence: u64,
    /// The nodes in it, ascending.
    pub members: Vec<NodeId>,
    /// Whether they may act.
    pub quorate: bool,
    /// Whether the verdict is that of the present ring; while it is not, nobody may begin anything.
    pub settled: bool,
    /// All nodes of the cluster's configuration.
    pub configured: Vec<NodeName>,
}

/// The group of one kind of subsystem, at its place in the order of messages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupView {
    /// Which kind.
    pub room: Room,
    /// Nodes whose subsystem is there, ascending.
    pub members: Vec<NodeId>,
    /// Those that came with this change.
    pub joined: Vec<NodeId>,
    /// Those that went with this change.
    pub left: Vec<NodeId>,
}
