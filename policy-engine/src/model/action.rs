//! Actions, the relations between them, and the store that owns both.

use super::ids::{ActionId, NodeId, ResourceId};
use super::task::{Key, NameId, Task};
use cib_model::Score;
use foldhash::HashMap;
use std::borrow::Cow;
use std::ops::{BitAnd, BitOr, BitOrAssign, Not};

/// Kinds of relation as bits (spec 30 §15.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub struct Order(pub u32);

macro_rules! order_bits {
    ($($(#[$doc:meta])* $name:ident = $bit:expr;)*) => {
        impl Order {
            /// No bit: a disabled relation.
            pub const NONE: Order = Order(0);
            $($(#[$doc])* pub const $name: Order = Order(1 << $bit);)*

            /// Names of the bits that are set, for explanations.
            pub fn names(self) -> Vec<&'static str> {
                let mut out = Vec::new();
                $(if self.has(Order::$name) { out.push(stringify!($name)); })*
                out
            }
        }
    };
}

order_bits! {
    /// Sequence only.
    ORDER = 0;
    /// First required makes then required.
    FIRST_REQ = 1;
    /// FIRST_REQ, restricted to the first's node.
    SAME_NODE_FIRST_REQ = 2;
    /// Stop and start of one resource.
    RESTART = 3;
    /// Then required acts on first, through first's variant.
    THEN_REQ = 4;
    /// Demote before stop.
    PROMOTED_THEN_REQ = 5;
    /// Counts towards a minimum.
    MIN = 6;
    /// Start of a container before a probe inside.
    NESTED_PROBE = 7;
    /// First unrunnable makes then unrunnable.
    FIRST_BLOCKS = 8;
    /// Live migration: then must be migratable.
    NEEDS_MIGRATABLE_THEN = 9;
    /// Live migration: degenerate to stop and start.
    FALLBACK = 10;
    /// Asymmetric mandatory ordering.
    ASYM = 11;
    /// First in the graph pulls then in.
    FIRST_GRAPHS_THEN = 12;
    /// Then in the graph pulls first in.
    THEN_GRAPHS_FIRST = 13;
    /// Applies only on one node.
    SAME_NODE = 14;
    /// Then required cancels first.
    THEN_CANCELS_FIRST = 15;
    /// Ignored while first is migratable.
    IF_FIRST_UNMIGRATABLE = 16;
    /// Utilization barrier.
    LOAD = 17;
    /// Anti-colocation.
    REQ_SAME_NODE = 18;
    /// Not at the same time.
    SERIALIZE = 19;
    /// Allowed although first is inside what then launches.
    GUEST_OK = 20;
}

impl Order {
    /// Has all bits of `other`.
    pub fn has(self, other: Order) -> bool {
        self.0 & other.0 == other.0
    }

    /// Shares a bit with `other`.
    pub fn intersects(self, other: Order) -> bool {
        self.0 & other.0 != 0
    }

    /// Has no bit.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Has no bit outside `other`.
    pub fn within(self, other: Order) -> bool {
        self.0 & !other.0 == 0
    }
}

impl BitOr for Order {
    type Output = Order;
    fn bitor(self, rhs: Order) -> Order {
        Order(self.0 | rhs.0)
    }
}

impl BitOrAssign for Order {
    fn bitor_assign(&mut self, rhs: Order) {
        self.0 |= rhs.0;
    }
}

impl BitAnd for Order {
    type Output = Order;
    fn bitand(self, rhs: Order) -> Order {
        Order(self.0 & rhs.0)
    }
}

impl Not for Order {
    type Output = Order;
    fn not(self) -> Order {
        Order(!self.0)
    }
}

/// One entry of a before or after list.
#[derive(Debug, Clone, Copy)]
pub struct Relation {
    /// The other action.
    pub other: ActionId,
    /// Kind; in before lists propagation changes it.
    pub flags: Order,
    /// Became a trigger of the graph.
    pub in_graph: bool,
}

/// Attributes of an action (spec 30 §3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ActionFlags {
    /// Not needed.
    pub optional: bool,
    /// Can be executed.
    pub runnable: bool,
    /// Nobody executes it.
    pub pseudo: bool,
    /// Part of a live migration.
    pub migratable: bool,
    /// Goes into the graph though optional.
    pub forced: bool,
    /// Executed by the controller itself.
    pub on_dc: bool,
    /// Stop of a dangling migration source.
    pub migration_abort: bool,
    /// Recurring action with changed parameters.
    pub reschedule: bool,
}

/// What must be true before an action may run (spec 30 §3.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Needs {
    /// Nothing.
    #[default]
    Nothing,
    /// Quorum.
    Quorum,
    /// Fencing of lost nodes.
    Fencing,
}

/// An action.
#[derive(Debug, Clone)]
pub struct Action<'d> {
    /// Identity among the resource's actions.
    pub key: Key,
    /// What it does; differs from the key's task for cancel and notify.
    pub task: Task,
    /// Whose.
    pub resource: Option<ResourceId>,
    /// Where.
    pub node: Option<NodeId>,
    /// Attributes.
    pub flags: ActionFlags,
    /// Needs of a start or promote.
    pub needs: Needs,
    /// Why, for people.
    pub reason: Option<Cow<'d, str>>,
    /// 0, or INFINITY on completions.
    pub priority: Score,
    /// Earlier actions, oldest entry first (walk in reverse for "newest first").
    pub before: Vec<Relation>,
    /// Later actions, oldest entry first.
    pub after: Vec<Relation>,
    /// For `one-or-more` barriers.
    pub min_inputs: u32,
    /// Meta set explicitly, overriding what the operation's definition gives (spec 30 §3.3); the
    /// rest is derived from the definition when the graph is written.
    pub meta: Vec<(Cow<'static, str>, Cow<'d, str>)>,
    /// The task under which the operation's definition is looked up (a cancel that took over a
    /// monitor keeps `Monitor`).
    pub definition_task: Task,
    /// Has no definition-derived meta at all (actions without resource).
    pub bare: bool,
    /// Already appended to the graph.
    pub in_graph: bool,
    /// Inputs were de-duplicated.
    pub deduplicated: bool,
}

impl Action<'_> {
    /// Not optional.
    pub fn required(&self) -> bool {
        !self.flags.optional
    }

    /// Explicit meta value.
    pub fn meta(&self, name: &str) -> Option<&str> {
        self.meta.iter().find(|(n, _)| n == name).map(|(_, v)| &**v)
    }
}

impl<'d> Action<'d> {
    /// Sets an explicit meta value.
    pub fn set_meta(&mut self, name: impl Into<Cow<'static, str>>, value: impl Into<Cow<'d, str>>) {
        let (name, value) = (name.into(), value.into());
        match self.meta.iter_mut().find(|(n, _)| *n == name) {
            Some(slot) => slot.1 = value,
            None => self.meta.push((name, value)),
        }
    }
}

/// The actions of one resource, in creation order: a large cluster has a probe per node, which must
/// not be looked through for anything else.
#[derive(Debug, Clone, Default)]
struct OfResource {
    all: Vec<ActionId>,
    probes: Vec<ActionId>,
    others: Vec<ActionId>,
    /// The oldest probe on each node.
    probe_on: Vec<Option<ActionId>>,
    /// Probes that have no node yet.
    unplaced_probes: Vec<ActionId>,
}

impl OfResource {
    fn push(&mut self, id: ActionId, action: &Action<'_>) {
        self.all.push(id);
        if !action.key.is_op(Task::Monitor) {
            self.others.push(id);
            return;
        }
        self.probes.push(id);
        match action.node {
            Some(node) => self.note_probe(id, node),
            None => self.unplaced_probes.push(id),
        }
    }

    fn note_probe(&mut self, id: ActionId, node: NodeId) {
        if self.probe_on.len() <= node.index() {
            self.probe_on.resize(node.index() + 1, None);
        }
        let slot = &mut self.probe_on[node.index()];
        *slot = Some(slot.map_or(id, |oldest| oldest.min(id)));
    }
}

/// All actions of a run, in creation order; owns relations and look-ups.
#[derive(Debug, Clone, Default)]
pub struct Actions<'d> {
    /// Actions by id.
    pub list: Vec<Action<'d>>,
    by_resource: Vec<OfResource>,
    /// Actions without resource, by key.
    pub global: HashMap<Key, ActionId>,
    /// Names that are no known tasks.
    pub names: Vec<String>,
    name_index: HashMap<String, NameId>,
    changes: u64,
}

impl<'d> Actions<'d> {
    /// Interns a free name.
    pub fn intern(&mut self, name: &str) -> NameId {
        if let Some(id) = self.name_index.get(name) {
            return *id;
        }
        let id = NameId(self.names.len() as u32);
        self.names.push(name.to_owned());
        self.name_index.insert(name.to_owned(), id);
        id
    }

    /// A free name already known in this run.
    pub fn known_name(&self, name: &str) -> Option<NameId> {
        self.name_index.get(name).copied()
    }

    /// The task of that name, interning unknown ones.
    pub fn task(&mut self, name: &str) -> Task {
        Task::from_known_name(name).unwrap_or_else(|| Task::Other(self.intern(name)))
    }

    /// Name of a task.
    pub fn task_name(&self, task: Task) -> &str {
        match task {
            Task::Other(id) => &self.names[id.0 as usize],
            known => known.known_name().unwrap_or(""),
        }
    }

    /// Ids in creation order.
    pub fn ids(&self) -> impl DoubleEndedIterator<Item = ActionId> + use<> {
        (0..self.list.len()).map(ActionId::from)
    }

    /// How often actions were made or borrowed for changing them: what was derived from actions holds
    /// as long as this stays the same.
    pub fn changes(&self) -> u64 {
        self.changes
    }

    /// Appends an action.
    pub fn push(&mut self, action: Action<'d>) -> ActionId {
        self.changes += 1;
        let id = ActionId::from(self.list.len());
        match action.resource {
            Some(r) => {
                if self.by_resource.len() <= r.index() {
                    self.by_resource.resize_with(r.index() + 1, OfResource::default);
                }
                self.by_resource[r.index()].push(id, &action);
            }
            None => {
                self.global.insert(action.key, id);
            }
        }
        self.list.push(action);
        id
    }

    /// Actions of a resource in creation order ("oldest first").
    pub fn of(&self, resource: ResourceId) -> &[ActionId] {
        self.by_resource.get(resource.index()).map_or(&[], |of| &of.all)
    }

    /// Probes of a resource in creation order.
    pub fn probes(&self, resource: ResourceId) -> &[ActionId] {
        self.by_resource.get(resource.index()).map_or(&[], |of| &of.probes)
    }

    /// Actions of a resource that are no probes, in creation order.
    pub fn besides_probes(&self, resource: ResourceId) -> &[ActionId] {
        self.by_resource.get(resource.index()).map_or(&[], |of| &of.others)
    }

    /// Actions among which those of a key are, in creation order.
    fn candidates(&self, resource: ResourceId, key: Key) -> &[ActionId] {
        if key.is_op(Task::Monitor) { self.probes(resource) } else { self.besides_probes(resource) }
    }

    /// All actions of a resource with a key, in creation order.
    pub fn with_key(&self, resource: ResourceId, key: Key) -> impl Iterator<Item = ActionId> {
        self.candidates(resource, key).iter().copied().filter(move |id| self[*id].key == key)
    }

    /// The **newest** action of a resource with this task; with a node, exactly on it
    /// (spec 30 §3.2, last paragraph).
    pub fn newest(
        &self,
        resource: ResourceId,
        task: Task,
        node: Option<NodeId>,
    ) -> Option<ActionId> {
        let ids = match task {
            Task::Monitor => self.of(resource),
            _ => self.besides_probes(resource),
        };
        ids.iter().rev().copied().find(|id| {
            let a = &self[*id];
            a.task == task && (node.is_none() || a.node == node)
        })
    }

    /// The **oldest** action of a resource with this key; with a node, exactly on it.
    pub fn oldest(&self, resource: ResourceId, key: Key, node: Option<NodeId>) -> Option<ActionId> {
        self.with_key(resource, key).find(|id| node.is_none() || self[*id].node == node)
    }

    /// The oldest action of the key that is on the node, or on none yet.
    pub fn oldest_adoptable(
        &self,
        resource: ResourceId,
        key: Key,
        node: Option<NodeId>,
    ) -> Option<ActionId> {
        let of = self.by_resource.get(resource.index())?;
        if let Some(node) = node
            && key.is_op(Task::Monitor)
        {
            let there = of.probe_on.get(node.index()).copied().flatten();
            let nowhere = of.unplaced_probes.first().copied();
            return there.into_iter().chain(nowhere).min();
        }
        self.with_key(resource, key).find(|id| {
            let on = self[*id].node;
            node.is_none() || on.is_none() || on == node
        })
    }

    /// Gives an action without node a node.
    pub fn place(&mut self, id: ActionId, node: NodeId) {
        self.changes += 1;
        let action = &mut self.list[id.index()];
        action.node = Some(node);
        if let Some(r) = action.resource.filter(|_| action.key.is_op(Task::Monitor)) {
            let of = &mut self.by_resource[r.index()];
            of.unplaced_probes.retain(|probe| *probe != id);
            of.note_probe(id, node);
        }
    }

    /// Relates `first` before `then` (spec 30 §15.1). False if nothing was added: no flags, the same
    /// action twice, or a relation sharing a bit exists.
    pub fn relate(&mut self, first: ActionId, then: ActionId, flags: Order) -> bool {
        if flags.is_empty() || first == then {
            return false;
        }
        let after = &self.list[first.index()].after;
        let before = &self.list[then.index()].before;
        // The after copies keep their flags for good, so they decide; the shorter list tells whether
        // the pair is related at all.
        let related = if after.len() <= before.len() {
            after.iter().any(|r| r.other == then && r.flags.intersects(flags))
        } else {
            before.iter().any(|r| r.other == first)
                && after.iter().any(|r| r.other == then && r.flags.intersects(flags))
        };
        if related {
            return false;
        }
        self.list[first.index()].after.push(Relation { other: then, flags, in_graph: false });
        self.list[then.index()].before.push(Relation { other: first, flags, in_graph: false });
        true
    }
}

impl<'d> std::ops::Index<ActionId> for Actions<'d> {
    type Output = Action<'d>;
    fn index(&self, id: ActionId) -> &Action<'d> {
        &self.list[id.index()]
    }
}

impl<'d> std::ops::IndexMut<ActionId> for Actions<'d> {
    fn index_mut(&mut self, id: ActionId) -> &mut Action<'d> {
        self.changes += 1;
        &mut self.list[id.index()]
    }
}
