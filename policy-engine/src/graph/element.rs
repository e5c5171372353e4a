//! Action elements: names, heads, and what they take down (spec 31 §2.7, §2.9).

use super::attributes::CommonAttributes;
use crate::actions::remote;
use crate::model::cluster::Cluster;
use crate::model::ids::{ActionId, NodeId, ResourceId};
use crate::model::task::{Key, NotifyPhase, Task};
use crate::transition::{ActionKind, ActionRef, ActionResource, GraphAction};
use std::sync::Arc;

/// Elements made so far: what several actions show is made once.
pub struct Elements {
    /// By action.
    heads: Vec<Option<Arc<ActionRef>>>,
    /// By resource.
    resources: Vec<Option<Arc<ActionResource>>>,
    attributes: CommonAttributes,
}

impl Elements {
    /// None yet.
    pub fn new(cluster: &Cluster<'_>) -> Elements {
        Elements {
            heads: vec![None; cluster.actions.list.len()],
            resources: vec![None; cluster.resources.len()],
            attributes: CommonAttributes::new(cluster),
        }
    }

    /// The head of an action.
    pub fn head(&mut self, cluster: &Cluster<'_>, id: ActionId) -> Arc<ActionRef> {
        if self.heads.len() <= id.index() {
            self.heads.resize(cluster.actions.list.len(), None);
        }
        Arc::clone(self.heads[id.index()].get_or_insert_with(|| Arc::new(head(cluster, id))))
    }

    /// An action in full.
    pub fn full(&mut self, cluster: &mut Cluster<'_>, id: ActionId) -> GraphAction {
        let head = self.head(cluster, id);
        let a = &cluster.actions[id];
        let resource = a.resource.filter(|_| !a.flags.pseudo);
        let attributes = self.attributes.of(cluster, id, head.node.is_some());
        let a = &cluster.actions[id];
        GraphAction {
            shutdown_lock: resource.and_then(|r| lock(cluster, id, r)),
            resource: resource.map(|r| self.resource(cluster, r)),
            attributes: attributes.0,
            params: attributes.1,
            downed: if head.node.is_some() { downed(cluster, id) } else { Vec::new() },
            maintenance: if a.task == Task::MaintenanceNodes {
                maintenance(cluster)
            } else {
                Vec::new()
            },
            head,
        }
    }

    fn resource(&mut self, cluster: &Cluster<'_>, r: ResourceId) -> Arc<ActionResource> {
        let slot = &mut self.resources[r.index()];
        Arc::clone(slot.get_or_insert_with(|| Arc::new(resource_of(cluster, r))))
    }
}

fn head(cluster: &Cluster<'_>, id: ActionId) -> ActionRef {
    let a = &cluster.actions[id];
    let (kind, with_node) = match a.task {
        Task::Stonith if a.flags.pseudo => (ActionKind::Pseudo, true),
        Task::Stonith | Task::DoShutdown | Task::ClearFailcount | Task::LrmDelete => {
            (ActionKind::Cluster, true)
        }
        _ if a.flags.pseudo => (ActionKind::Pseudo, false),
        _ => (ActionKind::Resource, true),
    };
    let key = cluster.key_text(id);
    let history = a.resource.and_then(|r| cluster.resource(r).history_id.as_deref());
    let (operation_key, internal_operation_key) = match history {
        Some(history) => (history_key(cluster, id, history), Some(key)),
        None => (key, None),
    };
    let node = a.node.filter(|_| with_node).map(|n| cluster.node(n));
    let router = if node.is_some() { remote::router(cluster, id) } else { None };
    ActionRef {
        kind,
        mode_cib: a.task == Task::LrmDelete,
        id: id.number(),
        operation: cluster.task_text(id),
        operation_key,
        internal_operation_key,
        node: node.map(|n| (n.name.to_string(), n.id.to_string())),
        router_node: router.map(|n| cluster.node(n).name.to_string()),
    }
}

/// Key under the name history uses; notifications by the plain operation.
fn history_key(cluster: &Cluster<'_>, id: ActionId, history: &str) -> String {
    let a = &cluster.actions[id];
    let key = match a.key {
        Key::Notify { .. } if a.task == Task::Notified => Key::op(Task::Notified),
        Key::Notify { phase, task } => {
            let phase = match phase {
                NotifyPhase::Pre | NotifyPhase::ConfirmedPre => NotifyPhase::Pre,
                _ => NotifyPhase::Post,
            };
            let task = a.meta("notify_operation").and_then(Task::from_known_name).unwrap_or(task);
            Key::Notify { phase, task }
        }
        other => other,
    };
    cluster.key_text_with(key, history)
}

fn lock(cluster: &Cluster<'_>, id: ActionId, r: ResourceId) -> Option<i64> {
    let a = &cluster.actions[id];
    let (node, time) = cluster.resource(r).lock?;
    let applies = a.node == Some(node) && (!cluster.node(node).shutdown || a.task == Task::Stop);
    applies.then_some(time)
}

fn resource_of(cluster: &Cluster<'_>, r: ResourceId) -> ActionResource {
    let res = cluster.resource(r);
    let own = res.id.to_string();
    let (id, long_id) = match &res.history_id {
        Some(history) if res.flags.removed && res.flags.unique => (history.to_string(), Some(own)),
        Some(history) if res.flags.removed => (history.to_string(), Some(own)),
        history if !res.flags.unique => {
            let base = res.base_id.to_string();
            let long = match history {
                Some(history) if *history != base => history.to_string(),
                _ => own,
            };
            (base, Some(long))
        }
        _ => (own, None),
    };
    ActionResource {
        id,
        long_id,
        class: res.class.to_owned(),
        provider: res.provider.map(str::to_owned),
        agent: res.agent.to_owned(),
    }
}

/// Ids of nodes that are down after the action (spec 31 §2.9).
fn downed(cluster: &Cluster<'_>, id: ActionId) -> Vec<String> {
    let a = &cluster.actions[id];
    let Some(node) = a.node else {
        return Vec::new();
    };
    let node_id = |n: NodeId| cluster.node(n).id.to_string();
    match a.task {
        Task::DoShutdown => vec![node_id(node)],
        Task::Stonith if a.meta("stonith_action") != Some("on") => {
            let mut out = vec![node_id(node)];
            out.extend(guests_on(cluster, node).into_iter().map(node_id));
            out
        }
        Task::Stop if !a.flags.pseudo => {
            let Some(r) = a.resource.filter(|r| cluster.resource(*r).flags.remote_connection)
            else {
                return Vec::new();
            };
            let migrating = a.before.iter().any(|input| {
                let f = &cluster.actions[input.other];
                f.resource == Some(r) && f.task == Task::MigrateFrom
            });
            if migrating { Vec::new() } else { vec![cluster.resource(r).id.to_string()] }
        }
        _ => Vec::new(),
    }
}

/// Guests whose connection is active on a node, in order of discovery.
fn guests_on(cluster: &Cluster<'_>, node: NodeId) -> Vec<NodeId> {
    let mut out = Vec::new();
    for r in &cluster.node(node).active {
        let res = cluster.resource(*r);
        if !res.flags.remote_connection || res.launcher.is_none() {
            continue;
        }
        out.extend(
            cluster
                .node_order
                .iter()
                .copied()
                .filter(|n| cluster.node(*n).connection == Some(*r) && cluster.is_guest(*n)),
        );
    }
    out
}

fn maintenance(cluster: &Cluster<'_>) -> Vec<(String, bool)> {
    cluster
        .node_order
        .iter()
        .map(|n| cluster.node(*n))
        .filter(|n| n.is_pacemaker_remote() && n.maintenance != n.was_in_maintenance)
        .map(|n| (n.id.to_string(), n.maintenance))
        .collect()
}
