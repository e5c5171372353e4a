//! What a controller knows of the nodes (spec 60 §3, §5.6).

use std::collections::BTreeMap;

use cib_model::Document;

use crate::subsystem::{Membership, NodeId};

/// What is expected of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    /// To be there.
    Member,
    /// To be gone.
    Down,
    /// To be there soon.
    Pending,
    /// To stay away.
    Banned,
}

impl Expected {
    const fn name(self) -> &'static str {
        match self {
            Expected::Member => "member",
            Expected::Down => "down",
            Expected::Pending => "pending",
            Expected::Banned => "banned",
        }
    }
}

/// How far a node has come in joining.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Refused.
    Refused,
    /// Not begun.
    None,
    /// It has an offer.
    Welcomed,
    /// It has accepted the offer.
    Integrated,
    /// It was let in.
    Finalized,
    /// It is in, with its history.
    Confirmed,
}

/// One node.
#[derive(Debug, Clone)]
pub struct Peer {
    /// Its name.
    pub name: String,
    /// In the ring.
    pub member: bool,
    /// Its controller is in the group.
    pub online: bool,
    /// When it came into the ring (epoch seconds); 0 if it is not in it.
    pub when_member: i64,
    /// When its controller came; 0 if it is not there.
    pub when_online: i64,
    /// Ever seen in ring or group.
    pub seen: bool,
    /// What is expected of it.
    pub expected: Option<Expected>,
    /// How far it has come in joining.
    pub phase: Phase,
    /// What it last said: its DC, and whether it waits for one.
    pub hello: Option<(Option<NodeId>, bool)>,
}

impl Peer {
    fn new(name: String) -> Peer {
        Peer {
            name,
            member: false,
            online: false,
            when_member: 0,
            when_online: 0,
            seen: false,
            expected: None,
            phase: Phase::None,
            hello: None,
        }
    }

    /// In ring and group.
    pub fn is_active(&self) -> bool {
        self.member && self.online
    }
}

/// All nodes.
#[derive(Debug, Clone, Default)]
pub struct Peers(BTreeMap<NodeId, Peer>);

impl Peers {
    /// A node's record.
    pub fn get(&self, node: NodeId) -> Option<&Peer> {
        self.0.get(&node)
    }

    /// A node's record, made if it is new.
    pub fn entry(&mut self, node: NodeId) -> &mut Peer {
        self.0.entry(node).or_insert_with(|| Peer::new(format!("node{node}")))
    }

    /// All nodes by id.
    pub fn iter(&self) -> impl Iterator<Item = (NodeId, &Peer)> {
        self.0.iter().map(|(node, peer)| (*node, peer))
    }

    /// All nodes by id, to be changed.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (NodeId, &mut Peer)> {
        self.0.iter_mut().map(|(node, peer)| (*node, peer))
    }

    /// Ids of the active nodes.
    pub fn active(&self) -> Vec<NodeId> {
        self.iter().filter(|(_, peer)| peer.is_active()).map(|(node, _)| node).collect()
    }

    /// Whether a node is active.
    pub fn is_active(&self, node: NodeId) -> bool {
        self.get(node).is_some_and(Peer::is_active)
    }

    /// A node's name.
    pub fn name(&self, node: NodeId) -> &str {
        self.get(node).map_or("unknown", |peer| peer.name.as_str())
    }

    /// The node of a name.
    pub fn by_name(&self, name: &str) -> Option<NodeId> {
        self.iter().find(|(_, peer)| peer.name.eq_ignore_ascii_case(name)).map(|(node, _)| node)
    }

    /// The node of an id as the CIB has it.
    pub fn by_xml_id(&self, id: &str) -> Option<NodeId> {
        let node = NodeId::new(id.parse().ok()?)?;
        self.0.contains_key(&node).then_some(node)
    }

    /// Forgets a node that is not active.
    pub fn forget(&mut self, node: NodeId) {
        if !self.is_active(node) {
            self.0.remove(&node);
        }
    }

    /// Whether any node is in this phase.
    pub fn any_in(&self, phase: Phase) -> bool {
        self.0.values().any(|peer| peer.phase == phase)
    }

    /// Takes the ring; gives those whose membership changed.
    pub fn take_membership(&mut self, membership: &Membership, epoch: i64) -> Vec<(NodeId, bool)> {
        for node in &membership.configured {
            self.entry(node.id).name.clone_from(&node.name);
        }
        for node in &membership.members {
            self.entry(*node);
        }
        let mut changed = Vec::new();
        for (node, peer) in self.iter_mut() {
            let member = membership.members.binary_search(&node).is_ok();
            if member != peer.member {
                peer.member = member;
                peer.when_member = if member { epoch } else { 0 };
                peer.seen = true;
                changed.push((node, member));
            }
        }
        changed
    }

    /// Takes the group; gives those whose presence changed.
    pub fn take_group(&mut self, members: &[NodeId], epoch: i64) -> Vec<(NodeId, bool)> {
        for node in members {
            self.entry(*node);
        }
        let mut changed = Vec::new();
        for (node, peer) in self.iter_mut() {
            let online = members.binary_search(&node).is_ok();
            if online != peer.online {
                peer.online = online;
                peer.when_online = if online { epoch } else { 0 };
                peer.seen = true;
                if !online {
                    peer.phase = Phase::None;
                    peer.hello = None;
                }
                changed.push((node, online));
            }
        }
        changed
    }

    /// A node's `node_state` as the CIB is to have it (spec 60 §3.7).
    pub fn node_state(&self, node: NodeId) -> Option<Document> {
        let peer = self.get(node).filter(|peer| peer.seen)?;
        let mut document = Document::new("node_state");
        let root = document.root_id();
        let mut set = |name: &str, value: &str| document.set_attribute(root, name, value);
        set("id", &node.to_string());
        set("uname", &peer.name);
        set("in_ccm", &peer.when_member.to_string());
        set("crmd", &peer.when_online.to_string());
        set("crm-debug-origin", "controller");
        set("join", if peer.phase <= Phase::None { "down" } else { "member" });
        if let Some(expected) = peer.expected {
            // A node that is going is here until it is gone: planned for as if it were away, what it still
            // runs would be started elsewhere.
            let going = peer.is_active() && expected == Expected::Down;
            set("expected", if going { Expected::Member } else { expected }.name());
        }
        Some(document)
    }
}
