//! A resource turns out to be active on a node (spec 11 §9).

use crate::model::cluster::{Cluster, Level};
use crate::model::ids::{NodeId, ResourceId};
use crate::model::resource::MultipleActive;
use crate::model::role::Role;
use crate::model::table::Entry;
use crate::model::trace::Cause;
use cib_model::Score;

/// Adds the resource to what is active on the node, and its ancestors likewise. A failed one does not
/// count towards the node's priority.
pub fn add(cluster: &mut Cluster<'_>, r: ResourceId, node: NodeId, failed: bool) {
    if cluster.resource(r).active_on.contains(&node) {
        return;
    }
    cluster.resource_mut(r).active_on.push(node);
    let primitive = cluster.resource(r).is_primitive();
    if primitive {
        cluster.node_mut(node).active.push(r);
        if !failed {
            add_priority(cluster, r, node);
        }
        if cluster.node(node).maintenance {
            let flags = &mut cluster.resource_mut(r).flags;
            (flags.managed, flags.maintenance) = (false, true);
        }
    }
    if !cluster.resource(r).flags.managed {
        cluster.add_score(r, node, Score::INFINITY, Cause::NotManaged);
        let mut at = r;
        while let Some(parent) = cluster.resource(at).parent {
            cluster.resource_mut(parent).active_on.push(node);
            at = parent;
        }
        return;
    }
    if primitive {
        handle_multiple(cluster, r);
    }
    if let Some(parent) = cluster.resource(r).parent {
        add(cluster, parent, node, false);
    }
}

fn add_priority(cluster: &mut Cluster<'_>, r: ResourceId, node: NodeId) {
    let resource = cluster.resource(r);
    if resource.priority == Score::ZERO {
        return;
    }
    let gain = resource.priority.value() + i32::from(resource.current_role == Role::Promoted);
    let mut nodes = vec![node];
    if cluster.is_guest(node) {
        let launcher = cluster.node(node).connection.and_then(|c| cluster.resource(c).launcher);
        nodes.extend(launcher.into_iter().flat_map(|l| cluster.resource(l).active_on.clone()));
    }
    for node in nodes {
        let n = cluster.node_mut(node);
        n.priority = n.priority.saturating_add(gain);
    }
}

fn handle_multiple(cluster: &mut Cluster<'_>, r: ResourceId) {
    let (_, all, clean) = cluster.current_node_and_counts(r);
    let count = if cluster.resource(r).requires.fencing { all } else { clean };
    if count <= 1 {
        return;
    }
    match cluster.resource(r).multiple_active {
        MultipleActive::StopOnly => ban_by_table(cluster, r, Cause::Failure),
        MultipleActive::Block => block(cluster, r),
        MultipleActive::StopStart | MultipleActive::StopUnexpected => {}
    }
    let resource = cluster.resource(r);
    let text = format!("Resource {} is active on {count} nodes", resource.id);
    cluster.message(Level::Info, text);
}

fn block(cluster: &mut Cluster<'_>, r: ResourceId) {
    let mut stuck = vec![r];
    if let Some(parent) = cluster.resource(r).parent {
        let p = cluster.resource(parent);
        if (p.is_group() || p.is_bundle()) && p.multiple_active == MultipleActive::Block {
            stuck.extend(&p.children);
        }
    }
    for r in stuck {
        let flags = &mut cluster.resource_mut(r).flags;
        (flags.managed, flags.blocked) = (false, true);
    }
}

/// Replaces the resource's own table by all nodes at −INFINITY.
pub(super) fn ban_by_table(cluster: &mut Cluster<'_>, r: ResourceId, cause: Cause) {
    for i in 0..cluster.node_order.len() {
        let node = cluster.node_order[i];
        let base = cluster.base_entry(node);
        let before = cluster.resource(r).table.get(node).map(|e| e.score);
        let entry = Entry { score: Score::MINUS_INFINITY, ..base };
        cluster.resources[r.index()].table.insert(node, entry);
        cluster.trace.note(r, node, before, entry.score, cause);
    }
}
