//! What an action of a collective amounts to, judged by its children (spec 30 §4).

use crate::model::cluster::Cluster;
use crate::model::ids::{ActionId, NodeId, ResourceId};
use crate::model::resource::Variant;
use crate::model::task::{Key, Task};
use crate::model::trace::By;

/// The attributes that orderings look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Effective {
    /// Not needed.
    pub optional: bool,
    /// Can be executed.
    pub runnable: bool,
    /// Part of a live migration.
    pub migratable: bool,
}

/// What [`effective`] found last for each action of a collective, in all and for a node: many orderings
/// ask for the same before anything changes.
#[derive(Debug, Default)]
pub struct Known(Vec<[Option<Found>; 2]>);

#[derive(Debug, Clone, Copy)]
struct Found {
    changes: u64,
    node: Option<NodeId>,
    effective: Effective,
}

impl Known {
    fn get(&self, id: ActionId, node: Option<NodeId>, changes: u64) -> Option<Effective> {
        let found = self.0.get(id.index())?[usize::from(node.is_some())]?;
        (found.changes == changes && found.node == node).then_some(found.effective)
    }

    fn put(&mut self, id: ActionId, found: Found) {
        if self.0.len() <= id.index() {
            self.0.resize(id.index() + 1, [None; 2]);
        }
        self.0[id.index()][usize::from(found.node.is_some())] = Some(found);
    }
}

/// Effective attributes, optionally for one node only. Writes "required" and "not runnable" back into
/// the actions of collectives.
pub fn effective(cluster: &mut Cluster<'_>, id: ActionId, node: Option<NodeId>) -> Effective {
    let Some(r) = cluster.actions[id].resource else {
        return stored(cluster, id);
    };
    let group = match &cluster.resource(r).variant {
        Variant::Primitive => return stored(cluster, id),
        Variant::Group(_) => true,
        Variant::Clone(_) | Variant::Bundle(_) => false,
    };
    if let Some(known) = cluster.effective.get(id, node, cluster.actions.changes()) {
        return known;
    }
    let effective =
        if group { of_group(cluster, id, r, node) } else { of_instances(cluster, id, r, node) };
    let changes = cluster.actions.changes();
    cluster.effective.put(id, Found { changes, node, effective });
    effective
}

fn require(cluster: &mut Cluster<'_>, id: ActionId) {
    if cluster.actions[id].flags.optional {
        cluster.actions[id].flags.optional = false;
    }
}

fn forbid(cluster: &mut Cluster<'_>, id: ActionId) {
    if cluster.actions[id].flags.runnable {
        cluster.actions[id].flags.runnable = false;
    }
}

/// As an ordering sees it from the other action's node.
pub fn seen_from(cluster: &mut Cluster<'_>, id: ActionId, node: Option<NodeId>) -> Effective {
    let clone = cluster.actions[id].resource.is_some_and(|r| cluster.resource(r).is_clone());
    let whole = effective(cluster, id, None);
    if !clone || node.is_none() {
        return whole;
    }
    let mut there = effective(cluster, id, node);
    there.runnable |= whole.runnable;
    there
}

fn stored(cluster: &Cluster<'_>, id: ActionId) -> Effective {
    let f = cluster.actions[id].flags;
    Effective { optional: f.optional, runnable: f.runnable, migratable: f.migratable }
}

/// The task of a child that corresponds to a collective's task.
pub fn child_task(cluster: &Cluster<'_>, child: ResourceId, task: Task) -> Task {
    if cluster.resource(child).is_primitive() { task.plain() } else { task }
}

/// The task a collective's action stands for; a notification stands for what it tells of.
pub fn collective_task(cluster: &Cluster<'_>, id: ActionId) -> Task {
    match cluster.actions[id].key {
        Key::Notify { task, .. } => task,
        _ => cluster.actions[id].task,
    }
}

fn of_group(
    cluster: &mut Cluster<'_>,
    id: ActionId,
    r: ResourceId,
    node: Option<NodeId>,
) -> Effective {
    let mut out = Effective { optional: true, runnable: true, migratable: false };
    let task = cluster.actions[id].task;
    for i in 0..cluster.resource(r).children.len() {
        let member = cluster.resource(r).children[i];
        let member_task = child_task(cluster, member, task);
        match cluster.actions.newest(member, member_task, node) {
            Some(found) => {
                let flags = effective(cluster, found, node);
                let before = cluster.actions[id].flags;
                if !flags.optional {
                    out.optional = false;
                    require(cluster, id);
                }
                if member_task != task && !flags.runnable {
                    out.runnable = false;
                    forbid(cluster, id);
                }
                let after = cluster.actions[id].flags;
                cluster.trace.acted(id, before, after, By::Part(found));
            }
            None => {
                if !matches!(member_task, Task::Stop | Task::Demote) {
                    out.runnable = false;
                }
            }
        }
    }
    out
}

/// Children whose actions a collective's task stands for (containers or inner instances of a
/// bundle).
pub fn instances_for(
    cluster: &Cluster<'_>,
    r: ResourceId,
    task: Task,
) -> impl Iterator<Item = ResourceId> {
    (0..).map_while(move |i| instance_for(cluster, r, task, i))
}

/// One of [`instances_for`], for those who change the cluster on the way.
fn instance_for(cluster: &Cluster<'_>, r: ResourceId, task: Task, i: usize) -> Option<ResourceId> {
    let children = |r| cluster.resource(r).children.get(i).copied();
    match &cluster.resource(r).variant {
        Variant::Bundle(bundle) => match task.plain() {
            Task::Start | Task::Stop => bundle.replicas.get(i).map(|replica| replica.container),
            _ => bundle.inner.and_then(children),
        },
        _ => children(r),
    }
}

fn of_instances(
    cluster: &mut Cluster<'_>,
    id: ActionId,
    r: ResourceId,
    node: Option<NodeId>,
) -> Effective {
    let mut out = Effective { optional: true, runnable: true, migratable: false };
    let own = cluster.actions[id].task;
    let task = collective_task(cluster, id);
    let by_task = if matches!(own, Task::Notify | Task::Notified) { own } else { task };
    let mut any_runnable = false;
    let mut last = None;
    for i in 0.. {
        let Some(child) = instance_for(cluster, r, by_task, i) else { break };
        let wanted = child_task(cluster, child, task);
        let at = node.filter(|_| cluster.resource(child).is_primitive());
        let Some(found) = cluster.actions.newest(child, wanted, at) else {
            continue;
        };
        let flags = effective(cluster, found, node);
        last = Some(found);
        let before = cluster.actions[id].flags;
        if !flags.optional {
            out.optional = false;
            require(cluster, id);
        }
        let after = cluster.actions[id].flags;
        cluster.trace.acted(id, before, after, By::Part(found));
        any_runnable |= flags.runnable;
    }
    if !any_runnable {
        out.runnable = false;
        if node.is_none() {
            let before = cluster.actions[id].flags;
            forbid(cluster, id);
            let after = cluster.actions[id].flags;
            cluster.trace.acted(id, before, after, By::Part(last.unwrap_or(id)));
        }
    }
    out
}
