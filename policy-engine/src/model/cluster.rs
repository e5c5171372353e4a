//! The working model of one run: arenas of nodes, resources, constraints and actions.

use super::action::Actions;
use super::constraint::{Colocation, Deferred, Location, Ticket};
use super::ids::{ColocationId, LocationId, NodeId, ResourceId, TicketId};
use super::node::Node;
use super::node_index::NodeIndex;
use super::options::Options;
use super::resource::{Definition, Resource, Variant};
use super::role::Role;
use super::score_line::ScoreLine;
use super::table::Entry;
use super::trace::{Cause, Trace};
use cib_model::scalar::natural_cmp;
use cib_model::{DateTime, Document, Element, Score};
use foldhash::{HashMap, HashMapExt};
use std::collections::BTreeMap;

/// How bad a message is (spec 10 §0.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// For the curious.
    Info,
    /// Worth a line.
    Notice,
    /// Configuration or processing warning.
    Warning,
    /// Configuration or processing error.
    Error,
}

/// Something a person should read.
#[derive(Debug, Clone)]
pub struct Message {
    /// How bad.
    pub level: Level,
    /// What.
    pub text: String,
}

/// A failed operation for "Failed Resource Actions" (spec 11 §6.2).
#[derive(Debug, Clone, Copy)]
pub struct FailedOperation<'d> {
    /// The history entry.
    pub element: Element<'d>,
    /// Where.
    pub node: NodeId,
    /// Whose.
    pub resource: ResourceId,
}

/// Caller's switches that reach the model.
#[derive(Debug, Clone, Copy, Default)]
pub struct Switches {
    /// Private parameters of the input may be masked (spec 40 §2.5).
    pub sanitized: bool,
    /// Collect score lines.
    pub scores: bool,
    /// Collect utilization lines.
    pub utilization: bool,
    /// Record score changes for explanations.
    pub trace: bool,
}

/// The working model.
#[derive(Debug)]
pub struct Cluster<'d> {
    /// The CIB.
    pub document: &'d Document,
    /// Elements made by discovery: implicit connections, bundle parts (spec 10 §8.2, §9b).
    pub generated: &'d Document,
    /// Caller's switches.
    pub switches: Switches,
    /// Evaluation time.
    pub now: DateTime,
    /// Cluster options.
    pub options: Options,
    /// Partition has quorum.
    pub quorate: bool,
    /// Unfencing is in use (spec 10 §5.2).
    pub unfencing: bool,
    /// A fence device (or watchdog) exists.
    pub fence_device_exists: bool,
    /// Nodes by id.
    pub nodes: Vec<Node<'d>>,
    /// Node order: natural order of names.
    pub node_order: Vec<NodeId>,
    /// Nodes by id and name.
    node_index: NodeIndex,
    /// The designated controller, if listed.
    pub dc: Option<NodeId>,
    /// Resources by id.
    pub resources: Vec<Resource<'d>>,
    /// Definitions by id.
    pub definitions: Vec<Definition<'d>>,
    /// Top-level resources in scheduling order.
    pub order: Vec<ResourceId>,
    /// Template id to users, in unpack order.
    pub templates: BTreeMap<&'d str, Vec<Box<str>>>,
    /// Tag id to member ids.
    pub tags: BTreeMap<&'d str, Vec<&'d str>>,
    /// Tickets, in order of first mention.
    pub tickets: Vec<Ticket<'d>>,
    /// Ticket index by id.
    pub ticket_index: HashMap<&'d str, TicketId>,
    /// Location constraints in order of creation.
    pub locations: Vec<Location<'d>>,
    /// Colocations in order of creation.
    pub colocations: Vec<Colocation<'d>>,
    /// Deferred relations in order of creation.
    pub deferred: Vec<Deferred>,
    /// Actions.
    pub actions: Actions<'d>,
    /// Notification pseudo-actions by clone (spec 30 §11).
    pub notifications: BTreeMap<ResourceId, crate::actions::notify::Notifications>,
    /// Failed operations.
    pub failed_operations: Vec<FailedOperation<'d>>,
    /// History checks of bundle connections put off until after placement (spec 30 §8.5).
    pub deferred_checks: Vec<DeferredCheck<'d>>,
    /// Score and utilization lines.
    pub score_lines: Vec<ScoreLine>,
    /// Messages.
    pub messages: Vec<Message>,
    /// Score trace.
    pub trace: Trace,
    /// The `rsc_defaults` element, if exactly one.
    pub resource_defaults: Option<Element<'d>>,
    /// The `op_defaults` element, if exactly one.
    pub operation_defaults: Option<Element<'d>>,
    /// Epoch at which the result may change by itself.
    pub recheck_by: Option<i64>,
    /// Counts for the summary header (spec 10 §9.10).
    pub counts: Counts,
    /// What reading history leaves for later stages.
    pub history: crate::history::Memory,
    /// What actions of collectives amounted to last.
    pub effective: crate::ordering::Known,
    /// Values of colocation attributes as small numbers.
    pub attribute_classes: crate::placement::AttributeClasses,
    /// Indexes over the document and the resources.
    pub lookups: crate::input::Lookups<'d>,
    /// Some operation, or the operation defaults, have rules: what an operation is may change by
    /// itself.
    pub operation_rules: bool,
}

/// Instance counts for the summary header.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Resource instances.
    pub instances: u32,
    /// Disabled ones.
    pub disabled: u32,
    /// Blocked ones.
    pub blocked: u32,
}

/// A history check put off until addresses of bundle connections are known.
#[derive(Debug, Clone, Copy)]
pub struct DeferredCheck<'d> {
    /// Connection.
    pub resource: ResourceId,
    /// Node of the history.
    pub node: NodeId,
    /// Entry.
    pub element: Element<'d>,
    /// Of an active resource (else: of a "last failure").
    pub active: bool,
}

impl<'d> Cluster<'d> {
    /// A model without nodes and resources.
    pub fn new(
        document: &'d Document,
        generated: &'d Document,
        now: DateTime,
        switches: Switches,
    ) -> Cluster<'d> {
        Cluster {
            document,
            generated,
            switches,
            now,
            options: Options::default(),
            quorate: false,
            unfencing: false,
            fence_device_exists: false,
            nodes: Vec::new(),
            node_order: Vec::new(),
            node_index: NodeIndex::default(),
            dc: None,
            resources: Vec::new(),
            definitions: Vec::new(),
            order: Vec::new(),
            templates: BTreeMap::new(),
            tags: BTreeMap::new(),
            tickets: Vec::new(),
            ticket_index: HashMap::new(),
            locations: Vec::new(),
            colocations: Vec::new(),
            deferred: Vec::new(),
            actions: Actions::default(),
            notifications: BTreeMap::new(),
            failed_operations: Vec::new(),
            deferred_checks: Vec::new(),
            score_lines: Vec::new(),
            messages: Vec::new(),
            trace: Trace { enabled: switches.trace, ..Trace::default() },
            resource_defaults: None,
            operation_defaults: None,
            recheck_by: None,
            counts: Counts::default(),
            history: Default::default(),
            effective: Default::default(),
            attribute_classes: Default::default(),
            lookups: crate::input::Lookups::new(document, generated),
            operation_rules: false,
        }
    }

    /// A node.
    pub fn node(&self, id: NodeId) -> &Node<'d> {
        &self.nodes[id.index()]
    }

    /// A node, for changing it.
    pub fn node_mut(&mut self, id: NodeId) -> &mut Node<'d> {
        &mut self.nodes[id.index()]
    }

    /// A resource.
    pub fn resource(&self, id: ResourceId) -> &Resource<'d> {
        &self.resources[id.index()]
    }

    /// A resource, for changing it.
    pub fn resource_mut(&mut self, id: ResourceId) -> &mut Resource<'d> {
        &mut self.resources[id.index()]
    }

    /// A colocation.
    pub fn colocation(&self, id: ColocationId) -> &Colocation<'d> {
        &self.colocations[id.index()]
    }

    /// A location constraint.
    pub fn location(&self, id: LocationId) -> &Location<'d> {
        &self.locations[id.index()]
    }

    /// Epoch seconds of the evaluation time.
    pub fn now_epoch(&self) -> i64 {
        self.now.epoch()
    }

    /// Notes a message.
    pub fn message(&mut self, level: Level, text: impl Into<String>) {
        self.messages.push(Message { level, text: text.into() });
    }

    /// "Recheck by T" (spec 10 §1): keeps the earliest future epoch.
    pub fn recheck(&mut self, epoch: i64) {
        if epoch > self.now_epoch() && self.recheck_by.is_none_or(|by| epoch < by) {
            self.recheck_by = Some(epoch);
        }
    }

    /// End of the parent chain, stopping below a bundle (spec 10 §0).
    pub fn top(&self, id: ResourceId) -> ResourceId {
        let mut r = id;
        while let Some(parent) = self.resource(r).parent {
            if self.resource(parent).is_bundle() {
                break;
            }
            r = parent;
        }
        r
    }

    /// End of the parent chain, bundles included.
    pub fn outermost(&self, id: ResourceId) -> ResourceId {
        let mut r = id;
        while let Some(parent) = self.resource(r).parent {
            r = parent;
        }
        r
    }

    /// Is `ancestor` on the parent chain of `id` (not `id` itself)?
    pub fn is_ancestor(&self, ancestor: ResourceId, id: ResourceId) -> bool {
        let mut r = id;
        while let Some(parent) = self.resource(r).parent {
            if parent == ancestor {
                return true;
            }
            r = parent;
        }
        false
    }

    /// The bundle a resource is (in), if any.
    pub fn bundle_of(&self, id: ResourceId) -> Option<ResourceId> {
        let top = self.outermost(id);
        self.resource(top).is_bundle().then_some(top)
    }

    /// Primitives at or below a resource, depth first in child order.
    pub fn leaves(&self, id: ResourceId) -> Vec<ResourceId> {
        let mut out = Vec::new();
        self.collect_leaves(id, &mut out);
        out
    }

    fn collect_leaves(&self, id: ResourceId, out: &mut Vec<ResourceId>) {
        let r = self.resource(id);
        if r.is_primitive() {
            out.push(id);
        }
        for child in &r.children {
            self.collect_leaves(*child, out);
        }
    }

    /// Is the node a guest or bundle node (its connection has a launcher)?
    pub fn is_guest(&self, node: NodeId) -> bool {
        let n = self.node(node);
        n.is_pacemaker_remote() && n.connection.is_some_and(|c| self.resource(c).launcher.is_some())
    }

    /// Is the node a remote node (Pacemaker Remote without launcher)?
    pub fn is_remote(&self, node: NodeId) -> bool {
        self.node(node).is_pacemaker_remote() && !self.is_guest(node)
    }

    /// Is it the node of a bundle replica?
    pub fn is_bundle_node(&self, node: NodeId) -> bool {
        self.is_guest(node)
            && self.node(node).connection.is_some_and(|c| self.bundle_of(c).is_some())
    }

    /// Leaves only some nodes to be seen.
    pub fn keep_nodes(&mut self, mut keep: impl FnMut(NodeId) -> bool) {
        self.node_order.retain(|node| keep(*node));
        self.node_index = NodeIndex::of(&self.nodes, &self.node_order);
    }

    /// Looks a node up by id, then by name, letter case ignored (spec 10 §6.2).
    pub fn find_node(&self, id: Option<&str>, name: Option<&str>) -> Option<NodeId> {
        id.and_then(|id| self.node_index.by_id(id))
            .or_else(|| name.and_then(|name| self.node_index.by_name(name)))
    }

    /// The one active node that stands for the resource's location (spec 20 §1.5).
    pub fn current_node(&self, id: ResourceId) -> Option<NodeId> {
        self.current_node_and_counts(id).0
    }

    /// Current node, number of active nodes, and number of those online and clean
    /// (spec 30 §5.2).
    pub fn current_node_and_counts(&self, id: ResourceId) -> (Option<NodeId>, usize, usize) {
        let r = self.resource(id);
        let mut union = Vec::new();
        let (active, fencing): (&[NodeId], bool) = match &r.variant {
            Variant::Bundle(b) => {
                if let [only] = b.replicas.as_slice() {
                    return self.current_node_and_counts(only.container);
                }
                let mut fencing = false;
                for replica in &b.replicas {
                    let c = self.resource(replica.container);
                    fencing |= c.requires.fencing && !c.active_on.is_empty();
                    for n in &c.active_on {
                        if !union.contains(n) {
                            union.push(*n);
                        }
                    }
                }
                (&union, fencing)
            }
            _ => (&r.active_on, r.requires.fencing),
        };
        let clean = |n: NodeId| self.node(n).online && !self.node(n).unclean;
        let clean_count = active.iter().filter(|n| clean(**n)).count();
        let chosen = match r.partial_migration_source {
            Some(source) if active.contains(&source) => Some(source),
            _ if fencing => active.first().copied(),
            _ => active.iter().copied().find(|n| clean(*n)).or_else(|| active.first().copied()),
        };
        (chosen, active.len(), clean_count)
    }

    /// Adds a score in a resource's table, children first, making entries from the node's base
    /// entry where there are none (spec 10 §9.9).
    pub fn add_score(&mut self, id: ResourceId, node: NodeId, score: Score, cause: Cause) {
        for i in 0..self.resource(id).children.len() {
            let child = self.resource(id).children[i];
            self.add_score(child, node, score, cause);
        }
        let base = self.base_entry(node);
        let r = &mut self.resources[id.index()];
        let before = r.table.get(node).map(|e| e.score);
        let mut entry = r.table.get(node).copied().unwrap_or(base);
        entry.score += score;
        r.table.insert(node, entry);
        self.trace.note(id, node, before, entry.score, cause);
    }

    /// The same on every node in node order; with −INFINITY an assignment of `id` itself is dropped.
    pub fn add_score_everywhere(&mut self, id: ResourceId, score: Score, cause: Cause) {
        for i in 0..self.node_order.len() {
            let node = self.node_order[i];
            self.add_score(id, node, score, cause);
        }
        if score <= Score::MINUS_INFINITY {
            self.resource_mut(id).assigned = None;
        }
    }

    /// A fresh table entry for a node: its base score and probe mode.
    pub fn base_entry(&self, node: NodeId) -> Entry {
        let n = self.node(node);
        Entry { score: n.score, probe: n.probe, count: 0 }
    }

    /// Inserts a node in natural order of names, before equal names (spec 10 §6).
    pub fn insert_node(&mut self, node: Node<'d>) -> NodeId {
        let id = NodeId::from(self.nodes.len());
        let at = self.node_order.partition_point(|n| {
            natural_cmp(&self.node(*n).name, &node.name) == std::cmp::Ordering::Less
        });
        let first = self.node_index.add(id, &node.id, &node.name);
        self.nodes.push(node);
        self.node_order.insert(at, id);
        if !first {
            self.node_index = NodeIndex::of(&self.nodes, &self.node_order);
        }
        id
    }

    /// Highest current role of a collective's parts, or a primitive's own; a group's is its
    /// members' highest.
    pub fn current_role_of(&self, id: ResourceId) -> Role {
        let r = self.resource(id);
        if r.is_primitive() {
            return r.current_role;
        }
        r.children.iter().map(|c| self.current_role_of(*c)).max().unwrap_or(Role::Unknown)
    }

    /// Highest next role of a collective's parts, or a primitive's own.
    pub fn next_role_of(&self, id: ResourceId) -> Role {
        let r = self.resource(id);
        if r.is_primitive() {
            return r.next_role;
        }
        r.children.iter().map(|c| self.next_role_of(*c)).max().unwrap_or(Role::Unknown)
    }

    /// The node all assigned parts share, if they share one (spec 20 §1.5's "single assigned node").
    pub fn assigned_node(&self, id: ResourceId) -> Option<NodeId> {
        let r = self.resource(id);
        if r.children.is_empty() {
            return r.assigned.map(|a| a.node);
        }
        let mut found = None;
        for leaf in self.leaves(id) {
            if let Some(a) = self.resource(leaf).assigned {
                match found {
                    None => found = Some(a.node),
                    Some(node) if node == a.node => {}
                    Some(_) => return None,
                }
            }
        }
        found
    }

    /// Is the node available and its guest's launcher assigned to one node (spec 20 §1.4)?
    pub fn available_guest_checked(&self, node: NodeId) -> bool {
        if !self.node(node).available() {
            return false;
        }
        if !self.is_guest(node) {
            return true;
        }
        self.node(node)
            .connection
            .and_then(|c| self.resource(c).launcher)
            .is_some_and(|l| self.assigned_node(l).is_some())
    }
}
