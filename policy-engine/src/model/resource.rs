//! Resources of every variant, one record each.

use super::ids::{ColocationId, DefinitionId, LocationId, NodeId, ResourceId, TicketId};
use super::node::Assignment;
use super::role::Role;
use super::table::NodeTable;
use cib_model::{Element, Score};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// What kind of resource, with what only that kind has. Rank order: spec 20 §1.3.
#[derive(Debug, Clone)]
pub enum Variant {
    /// Has an agent.
    Primitive,
    /// Ordered, colocated list.
    Group(GroupVariant),
    /// Several instances of one resource.
    Clone(CloneVariant),
    /// Replicated container launcher.
    Bundle(BundleVariant),
}

/// Group parameters (deprecated, both normally true).
#[derive(Debug, Clone, Copy)]
pub struct GroupVariant {
    /// Members start in order.
    pub ordered: bool,
    /// Members run together.
    pub colocated: bool,
}

/// Clone parameters (spec 21 §1).
#[derive(Debug, Clone)]
pub struct CloneVariant {
    /// Instances in all.
    pub clone_max: u32,
    /// Instances per node.
    pub clone_node_max: u32,
    /// Promoted instances in all.
    pub promoted_max: u32,
    /// Promoted instances per node.
    pub promoted_node_max: u32,
    /// Instances start one after another.
    pub ordered: bool,
    /// Order and colocate per node.
    pub interleave: bool,
    /// The element that instances are made of (`primitive` or `group`), as a definition.
    pub child: DefinitionId,
    /// Number of the next instance to be created.
    pub next_instance: u32,
    /// Promotion scores were added to tables (spec 21 §5.2, once).
    pub promotion_scores_added: bool,
    /// Role selection has begun (spec 21 §5.3).
    pub roles_begun: bool,
}

/// One replica of a bundle.
#[derive(Debug, Clone)]
pub struct Replica {
    /// Number from 0.
    pub offset: u32,
    /// The container primitive.
    pub container: ResourceId,
    /// The IP primitive, with an address range.
    pub ip: Option<ResourceId>,
    /// The connection primitive, with an inner resource.
    pub connection: Option<ResourceId>,
    /// The instance of the inner clone.
    pub child: Option<ResourceId>,
    /// The bundle node, with an inner resource.
    pub node: Option<NodeId>,
    /// Address of this replica, if addresses are used.
    pub address: Option<String>,
}

/// Container technology.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ContainerAgent {
    /// Docker.
    Docker,
    /// Podman.
    Podman,
}

impl ContainerAgent {
    /// Agent name in ids.
    pub fn name(self) -> &'static str {
        match self {
            ContainerAgent::Docker => "docker",
            ContainerAgent::Podman => "podman",
        }
    }
}

/// Bundle parameters and parts (spec 10 §9b).
#[derive(Debug, Clone)]
pub struct BundleVariant {
    /// Technology.
    pub agent: ContainerAgent,
    /// Image text, for listings.
    pub image: String,
    /// Replicas wanted.
    pub replicas_max: u32,
    /// Replicas per host.
    pub replicas_per_host: u32,
    /// Promoted replicas.
    pub promoted_max: u32,
    /// Parts, one per replica.
    pub replicas: Vec<Replica>,
    /// The inner clone.
    pub inner: Option<ResourceId>,
}

/// `multiple-active`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MultipleActive {
    /// Leave all, block.
    Block,
    /// Stop all.
    StopOnly,
    /// Stop all, start one.
    #[default]
    StopStart,
    /// Stop all but the wanted one.
    StopUnexpected,
}

/// What a start or promotion needs (`requires`, spec 10 §9.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Requires {
    /// Needs quorum.
    pub quorum: bool,
    /// Needs fencing of lost nodes.
    pub fencing: bool,
    /// Needs the node unfenced.
    pub unfencing: bool,
}

/// Yes/no facts of a resource; who sets which is listed in spec 11 §11 and 20 §1.6.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Flags {
    /// The cluster may act on it.
    pub managed: bool,
    /// Nothing more may be done with it.
    pub blocked: bool,
    /// In maintenance.
    pub maintenance: bool,
    /// Its failure needs recovery.
    pub failed: bool,
    /// The failure means it has to be stopped.
    pub stop_if_failed: bool,
    /// Failures are ignored (`on-fail="ignore"` met).
    pub ignoring_failures: bool,
    /// Not in the configuration (or surplus instance).
    pub removed: bool,
    /// Removed connection of a launched guest (spec 11 §4.2).
    pub removed_launched: bool,
    /// Not an instance of an anonymous clone.
    pub unique: bool,
    /// In (or is) a promotable clone.
    pub promotable: bool,
    /// `critical`: default influence of its colocations.
    pub critical: bool,
    /// `notify`.
    pub notify: bool,
    /// `allow-migrate`.
    pub migratable: bool,
    /// Class `stonith`.
    pub fence_device: bool,
    /// ocf:pacemaker:remote.
    pub remote_connection: bool,
    /// Exclusive discovery.
    pub exclusive_discovery: bool,
    /// A start is pending in history, or the agent changed.
    pub start_pending: bool,
    /// A reload is planned.
    pub reload: bool,
    /// Restart walk in progress (spec 30 §5.4).
    pub restarting: bool,
    /// Multiply active with policy `stop_unexpected`.
    pub stop_unexpected: bool,
    /// Placement not final yet.
    pub unassigned: bool,
    /// Placement in progress.
    pub assigning: bool,
    /// Re-entrancy mark of colocation merges (spec 20 §6.5).
    pub merging: bool,
    /// In a bundle.
    pub in_bundle: bool,
}

/// A ticket dependency remembered on a resource.
#[derive(Debug, Clone, Copy)]
pub struct TicketDependency {
    /// The ticket.
    pub ticket: TicketId,
    /// Role filter; `Unknown` for none.
    pub role: Role,
}

/// An operation under way per history (spec 11 §6.6).
#[derive(Debug, Clone, Copy)]
pub struct PendingAction<'d> {
    /// Task as recorded.
    pub task: &'d str,
    /// Interval in ms.
    pub interval_ms: u64,
    /// Where.
    pub node: NodeId,
}

/// A resource.
#[derive(Debug, Clone)]
pub struct Resource<'d> {
    /// Full id: the configured id, with `:N` for what is (in) a clone instance.
    pub id: Box<str>,
    /// The id without instance number.
    pub base_id: Cow<'d, str>,
    /// Instance number of what is (in) a clone instance.
    pub instance: Option<u32>,
    /// Where its description is (XML, operations); shared among instances.
    pub definition: DefinitionId,
    /// Variant and what belongs to it.
    pub variant: Variant,
    /// Direct parent.
    pub parent: Option<ResourceId>,
    /// Members, instances or parts in order; instances get re-sorted.
    pub children: Vec<ResourceId>,
    /// Resource whose start creates the place where this runs.
    pub launcher: Option<ResourceId>,
    /// Resources this one launches.
    pub launched: Vec<ResourceId>,
    /// Agent standard; empty for collectives.
    pub class: &'d str,
    /// Agent provider, if the standard has them.
    pub provider: Option<&'d str>,
    /// Agent name; empty for collectives.
    pub agent: &'d str,
    /// Meta-attributes in effect (spec 10 §9.2).
    pub meta: MetaTable<'d>,
    /// Facts.
    pub flags: Flags,
    /// `priority`; role colocations and promotion scores change it (spec 21).
    pub priority: Score,
    /// `resource-stickiness`.
    pub stickiness: Score,
    /// `migration-threshold`; 0 means never.
    pub migration_threshold: Score,
    /// `failure-timeout` in ms; 0 none. Reset to 0 when it conflicts with on-fail=block.
    pub failure_timeout_ms: u64,
    /// `reconnect_interval` of a remote connection in ms.
    pub reconnect_interval_ms: u64,
    /// `multiple-active`.
    pub multiple_active: MultipleActive,
    /// `requires`.
    pub requires: Requires,
    /// Utilization attributes of its own.
    pub utilization: Vec<(Cow<'d, str>, Cow<'d, str>)>,
    /// Role per history.
    pub current_role: Role,
    /// Role wanted.
    pub next_role: Role,
    /// Nodes where history says it is active, in order of discovery.
    pub active_on: Vec<NodeId>,
    /// Nodes on which its state is known (no probe needed): bit per node id.
    pub known_on: NodeSet,
    /// Id under which history was matched when it differs from `id`.
    pub history_id: Option<Cow<'d, str>>,
    /// Pending operation of history.
    pub pending: Option<PendingAction<'d>>,
    /// Ends of a half-done migration.
    pub partial_migration_source: Option<NodeId>,
    /// See `partial_migration_source`.
    pub partial_migration_target: Option<NodeId>,
    /// Sources that still have to be stopped (newest first).
    pub dangling_sources: Vec<NodeId>,
    /// Shutdown lock: node and time.
    pub lock: Option<(NodeId, i64)>,
    /// Node table.
    pub table: NodeTable,
    /// Location constraints given to it, newest first.
    pub locations: Vec<LocationId>,
    /// Colocations in which it is the dependent, sorted by primary (spec 20 §6.2).
    pub this_with: Vec<ColocationId>,
    /// Colocations in which it is the primary, sorted by dependent (spec 20 §6.2).
    pub with_this: Vec<ColocationId>,
    /// Ticket dependencies, newest first.
    pub tickets: Vec<TicketDependency>,
    /// Where it was placed.
    pub assigned: Option<Assignment>,
    /// Rank for promotion (spec 21 §5.3).
    pub promotion_priority: Score,
    /// For the connection of a bundle whose `addr` is `#uname`: substitute when known.
    pub address_from_host: bool,
}

/// The meta-attributes in effect of a resource.
pub type MetaTable<'d> = BTreeMap<Cow<'d, str>, Cow<'d, str>>;

impl<'d> Resource<'d> {
    /// Is it a primitive?
    pub fn is_primitive(&self) -> bool {
        matches!(self.variant, Variant::Primitive)
    }

    /// Is it a group?
    pub fn is_group(&self) -> bool {
        matches!(self.variant, Variant::Group(_))
    }

    /// Is it a clone?
    pub fn is_clone(&self) -> bool {
        matches!(self.variant, Variant::Clone(_))
    }

    /// Is it a bundle?
    pub fn is_bundle(&self) -> bool {
        matches!(self.variant, Variant::Bundle(_))
    }

    /// Clone parameters, if it is one.
    pub fn as_clone(&self) -> Option<&CloneVariant> {
        match &self.variant {
            Variant::Clone(c) => Some(c),
            _ => None,
        }
    }

    /// Clone parameters, if it is one, for changing them.
    pub fn as_clone_mut(&mut self) -> Option<&mut CloneVariant> {
        match &mut self.variant {
            Variant::Clone(c) => Some(c),
            _ => None,
        }
    }

    /// Bundle parameters, if it is one.
    pub fn as_bundle(&self) -> Option<&BundleVariant> {
        match &self.variant {
            Variant::Bundle(b) => Some(b),
            _ => None,
        }
    }

    /// Group parameters, if it is one.
    pub fn as_group(&self) -> Option<GroupVariant> {
        match &self.variant {
            Variant::Group(g) => Some(*g),
            _ => None,
        }
    }

    /// Rank of the variant: primitive 1 < group 2 < clone 3 < bundle 4.
    pub fn variant_rank(&self) -> u8 {
        match self.variant {
            Variant::Primitive => 1,
            Variant::Group(_) => 2,
            Variant::Clone(_) => 3,
            Variant::Bundle(_) => 4,
        }
    }

    /// A meta-attribute in effect.
    pub fn meta(&self, name: &str) -> Option<&str> {
        self.meta.get(name).map(|v| &**v)
    }

    /// The id shown and matched in history: history id or own id.
    pub fn history_name(&self) -> &str {
        self.history_id.as_deref().unwrap_or(&self.id)
    }

    /// The id for people: without number unless unique (spec 10 §9.4).
    pub fn printable_id(&self) -> &str {
        if self.flags.unique { &self.id } else { &self.base_id }
    }
}

/// A set of nodes, one bit each.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NodeSet(Vec<u64>);

impl NodeSet {
    /// Adds a node.
    pub fn insert(&mut self, node: NodeId) {
        let word = node.index() / 64;
        if self.0.len() <= word {
            self.0.resize(word + 1, 0);
        }
        self.0[word] |= 1 << (node.index() % 64);
    }

    /// Is the node in?
    pub fn contains(&self, node: NodeId) -> bool {
        self.0.get(node.index() / 64).is_some_and(|w| w & (1 << (node.index() % 64)) != 0)
    }

    /// Is no node in?
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(|w| *w == 0)
    }
}

/// A configured `op` (spec 10 §10).
#[derive(Debug, Clone, Copy)]
pub struct OperationDefinition<'d> {
    /// Its element.
    pub element: Element<'d>,
    /// `name`.
    pub name: &'d str,
    /// `interval` in ms; 0 when absent or invalid.
    pub interval_ms: u64,
    /// XML attribute `enabled` is not false.
    pub enabled: bool,
}

/// The description of a resource as configured; instances of a clone share one.
#[derive(Debug, Clone)]
pub struct Definition<'d> {
    /// The resource's element (for a removed resource its `lrm_resource`).
    pub element: Element<'d>,
    /// The template it is expanded from.
    pub template: Option<Element<'d>>,
    /// Operations in effective order: the primitive's own, then those only the template has
    /// (spec 10 §9.1).
    pub operations: Vec<OperationDefinition<'d>>,
    /// Instance attributes never depend on the node (no rule in any block, ancestors included).
    pub plain_parameters: bool,
}
