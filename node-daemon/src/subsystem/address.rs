//! Who an envelope is from and for.

use std::fmt;
use std::num::NonZeroU32;

use serde::{Deserialize, Serialize};

/// A cluster node, by the number it has in the cluster's configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct NodeId(NonZeroU32);

impl NodeId {
    /// The node of this number, nothing for zero.
    pub const fn new(number: u32) -> Option<NodeId> {
        match NonZeroU32::new(number) {
            Some(number) => Some(NodeId(number)),
            None => None,
        }
    }

    /// The number.
    pub const fn get(self) -> u32 {
        self.0.get()
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl From<cpg::NodeId> for NodeId {
    fn from(node: cpg::NodeId) -> NodeId {
        NodeId::new(node.get()).expect("not zero there, not zero here")
    }
}

impl From<NodeId> for cpg::NodeId {
    fn from(node: NodeId) -> cpg::NodeId {
        cpg::NodeId::new(node.get()).expect("not zero here, not zero there")
    }
}

impl From<quorum::NodeId> for NodeId {
    fn from(node: quorum::NodeId) -> NodeId {
        NodeId::new(node.get()).expect("not zero there, not zero here")
    }
}

impl From<NodeId> for quorum::NodeId {
    fn from(node: NodeId) -> quorum::NodeId {
        quorum::NodeId::new(node.get()).expect("not zero here, not zero there")
    }
}

/// A subsystem of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Room {
    /// Ordered messages, membership and quorum.
    Messaging,
    /// The replica of the CIB.
    Cib,
    /// Transient node attributes.
    Attributes,
    /// Resource agents.
    Executor,
    /// Fencing.
    Fencer,
    /// Transitions from CIBs.
    Scheduler,
    /// Election, join, execution of transitions.
    Controller,
    /// Local clients: command lines and agents.
    Clients,
    /// Starts, watches and stops the others.
    Supervisor,
    /// Feeds the watchdog of the machine while the others are well.
    Watchdog,
}

impl Room {
    /// All of them, in the order in which they are started.
    pub const ALL: [Room; 10] = [
        Room::Messaging,
        Room::Cib,
        Room::Fencer,
        Room::Executor,
        Room::Attributes,
        Room::Scheduler,
        Room::Controller,
        Room::Clients,
        Room::Supervisor,
        Room::Watchdog,
    ];

    /// The name, for logs and command lines.
    pub const fn name(self) -> &'static str {
        match self {
            Room::Messaging => "messaging",
            Room::Cib => "cib",
            Room::Attributes => "attributes",
            Room::Executor => "executor",
            Room::Fencer => "fencer",
            Room::Scheduler => "scheduler",
            Room::Controller => "controller",
            Room::Clients => "clients",
            Room::Supervisor => "supervisor",
            Room::Watchdog => "watchdog",
        }
    }

    /// The room of this name.
    pub fn from_name(name: &str) -> Option<Room> {
        Room::ALL.into_iter().find(|room| room.name() == name)
    }

    /// Whether the subsystems of this kind form a group across the nodes.
    pub const fn has_group(self) -> bool {
        matches!(self, Room::Cib | Room::Attributes | Room::Fencer | Room::Controller)
    }
}

impl fmt::Display for Room {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One subsystem of one node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Address {
    /// The node.
    pub node: NodeId,
    /// The subsystem.
    pub room: Room,
}

/// Where an envelope goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Target {
    /// A subsystem of the sender's node.
    Here(Room),
    /// A subsystem of one node, in order with what is sent to all.
    Node(NodeId, Room),
    /// A subsystem of all nodes, the sender's included, in total order.
    All(Room),
}

impl Target {
    /// The subsystem.
    pub const fn room(self) -> Room {
        match self {
            Target::Here(room) | Target::Node(_, room) | Target::All(room) => room,
        }
    }
}
