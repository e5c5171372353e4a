//! What is known of a node.

use super::ids::{NodeId, ResourceId};
use super::table::ProbeMode;
use cib_model::Score;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// How a node takes part (spec 10 §6, §8).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NodeKind {
    /// Runs the whole stack.
    Cluster,
    /// Pacemaker Remote: a remote, guest or bundle node; which one follows from its connection.
    Remote,
}

/// A node and its state.
#[derive(Debug, Clone)]
pub struct Node<'d> {
    /// `id` in the configuration; for Pacemaker Remote nodes the connection's name.
    pub id: Cow<'d, str>,
    /// Name (`uname`).
    pub name: Cow<'d, str>,
    /// Kind as created.
    pub kind: NodeKind,
    /// Base score: seeds every copy of the node put into a table (spec 10 §6).
    pub score: Score,
    /// Base probe mode: `Never` for bundle nodes.
    pub probe: ProbeMode,
    /// Node attributes, permanent and transient, `#...` ones included (spec 10 §6.3).
    pub attributes: BTreeMap<Cow<'d, str>, Cow<'d, str>>,
    /// Utilization attributes: remaining capacity is `capacity`.
    pub utilization: BTreeMap<Cow<'d, str>, Cow<'d, str>>,
    /// Remaining capacity by name; i32-clamped (spec 20 §8).
    pub capacity: BTreeMap<Cow<'d, str>, i32>,
    /// May run resources as far as membership tells.
    pub online: bool,
    /// Joining: membership seen, not yet a full member.
    pub pending: bool,
    /// Not to be trusted until fenced.
    pub unclean: bool,
    /// A state entry was read (for remote nodes: see spec 11 §8 on its being taken back).
    pub seen: bool,
    /// Shutting down.
    pub shutdown: bool,
    /// The controller expects it to be up (`expected="member"`).
    pub expected_up: bool,
    /// In standby (by attribute, or by a failure: `standby_on_fail`).
    pub standby: bool,
    /// Standby comes from an operation's `on-fail="standby"`.
    pub standby_on_fail: bool,
    /// In maintenance.
    pub maintenance: bool,
    /// Its `node_state` records that it was in maintenance (remote nodes).
    pub was_in_maintenance: bool,
    /// `node_in_maintenance` recorded value for remote nodes (drives `maintenance_nodes`).
    pub remote_reset: bool,
    /// `node_fenced` of its state is nonzero.
    pub remote_fenced: bool,
    /// Probes allowed (`resource-discovery-enabled`).
    pub probes_allowed: bool,
    /// History was read.
    pub unpacked: bool,
    /// This node is the designated controller.
    pub is_dc: bool,
    /// Connection resource, for Pacemaker Remote nodes.
    pub connection: Option<ResourceId>,
    /// Primitives active here, in order of discovery.
    pub active: Vec<ResourceId>,
    /// Sum of priorities of what runs here (spec 11 §9).
    pub priority: i32,
    /// Primitives assigned here in this run.
    pub assigned_count: u32,
    /// Feature set the node's state reports, for listings.
    pub feature_set: Option<&'d str>,
    /// Health for listings: -1 red, 0 yellow, 1 green (spec 10 §12).
    pub health: i32,
}

impl<'d> Node<'d> {
    /// A node in its initial state (spec 10 §6.1), with only `#kind` among its attributes.
    pub fn new(id: Cow<'d, str>, name: Cow<'d, str>, kind: NodeKind, score: Score) -> Node<'d> {
        let word = if kind == NodeKind::Cluster { "cluster" } else { "remote" };
        Node {
            id,
            name,
            kind,
            score,
            probe: ProbeMode::Always,
            attributes: BTreeMap::from([(Cow::from("#kind"), Cow::from(word))]),
            utilization: BTreeMap::new(),
            capacity: BTreeMap::new(),
            online: false,
            pending: false,
            unclean: false,
            seen: false,
            shutdown: false,
            expected_up: false,
            standby: false,
            standby_on_fail: false,
            maintenance: false,
            was_in_maintenance: false,
            remote_reset: false,
            remote_fenced: false,
            probes_allowed: true,
            unpacked: false,
            is_dc: false,
            connection: None,
            active: Vec::new(),
            priority: 0,
            assigned_count: 0,
            feature_set: None,
            health: 1,
        }
    }

    /// Online and neither shutting down, unclean, in standby nor in maintenance (spec 20 §1.4).
    pub fn available(&self) -> bool {
        self.online && !self.shutdown && !self.unclean && !self.standby && !self.maintenance
    }

    /// Created for a connection resource.
    pub fn is_pacemaker_remote(&self) -> bool {
        self.kind == NodeKind::Remote
    }
}

/// A node chosen for a resource, with the entry as it was at that moment (spec 20 §5.4 step 6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Assignment {
    /// The node.
    pub node: NodeId,
    /// Its score in the resource's table when it was chosen.
    pub score: Score,
}
