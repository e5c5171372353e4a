//! Promotion scores that agents set as node attributes (spec 21 §5.1, §5.2).

use crate::input::HostKind;
use crate::model::cluster::Cluster;
use crate::model::ids::{NodeId, ResourceId};
use crate::model::trace::Cause;
use cib_model::Score;
use cib_model::scalar::HealthScores;

/// A promotion score; `None`: nobody set one.
pub(super) type PromotionScore = Option<i32>;

/// Adds the scores of all instances to their tables and priorities, once per clone.
pub(super) fn add_to_tables(cluster: &mut Cluster<'_>, c: ResourceId) {
    match cluster.resource_mut(c).as_clone_mut() {
        Some(v) if !v.promotion_scores_added => v.promotion_scores_added = true,
        _ => return,
    }
    for instance in cluster.resource(c).children.clone() {
        let nodes: Vec<NodeId> = cluster
            .resource(instance)
            .table
            .iter()
            .map(|(n, _)| n)
            .filter(|n| cluster.node(*n).available())
            .collect();
        for node in nodes {
            let score = Score::from(of_instance(cluster, c, instance, node).unwrap_or(0));
            if score <= Score::ZERO {
                continue;
            }
            let resource = &mut cluster.resources[instance.index()];
            resource.priority = resource.priority.max(score);
            if let Some(entry) = resource.table.get_mut(node) {
                let before = entry.score;
                entry.score = before + score;
                cluster.trace.note(instance, node, Some(before), entry.score, Cause::Promotion);
            }
        }
    }
}

/// The promotion score of an instance on a node; of a cloned group, the sum of its members'.
pub(super) fn of_instance(
    cluster: &Cluster<'_>,
    c: ResourceId,
    instance: ResourceId,
    node: NodeId,
) -> PromotionScore {
    let members = &cluster.resource(instance).children;
    if members.is_empty() {
        return of_primitive(cluster, c, instance, node);
    }
    members
        .iter()
        .filter_map(|m| of_instance(cluster, c, *m, node))
        .reduce(|a, b| a.saturating_add(b))
}

fn of_primitive(
    cluster: &Cluster<'_>,
    c: ResourceId,
    r: ResourceId,
    node: NodeId,
) -> PromotionScore {
    let resource = cluster.resource(r);
    let allowed = resource.table.get(node).is_some_and(|e| e.score >= Score::ZERO);
    if !allowed || !applies(cluster, c, r, node) {
        return None;
    }
    let assigned = !resource.flags.unassigned;
    let host = if assigned { HostKind::Assigned } else { HostKind::Current };
    let lookup = |name: &str| {
        let attribute = format!("master-{name}");
        cluster.node_attribute(node, &attribute, Some((r, host)))
    };
    let text = lookup(resource.history_name()).or_else(|| {
        let plain = !resource.flags.unique && *resource.base_id != *resource.history_name();
        plain.then(|| lookup(&resource.base_id)).flatten()
    })?;
    let options = &cluster.options;
    let health = HealthScores {
        red: options.health_red,
        yellow: options.health_yellow,
        green: options.health_green,
    };
    Some(Score::parse_with(text, &health).map_or(0, Score::value))
}

/// Does the score on a node concern this instance rather than another one?
fn applies(cluster: &Cluster<'_>, c: ResourceId, r: ResourceId, node: NodeId) -> bool {
    let resource = cluster.resource(r);
    if !cluster.resource(c).flags.unique {
        let base = &*resource.base_id;
        let (active, probed) = twins(cluster, c, base, node);
        match active {
            Some(active) if active == r => return true,
            None if probed => return true,
            _ => {}
        }
    }
    if resource.active_on.is_empty() && resource.known_on.is_empty() {
        return true;
    }
    resource.known_on.contains(node) || resource.active_on.contains(&node)
}

/// Among all instances: which primitive of this id is active on the node, and whether any was probed
/// there.
fn twins(
    cluster: &Cluster<'_>,
    r: ResourceId,
    base: &str,
    node: NodeId,
) -> (Option<ResourceId>, bool) {
    let resource = cluster.resource(r);
    if resource.is_primitive() {
        if resource.base_id != base {
            return (None, false);
        }
        let active = resource.active_on.contains(&node).then_some(r);
        return (active, resource.known_on.contains(node));
    }
    let mut out = (None, false);
    for child in &resource.children {
        let (active, probed) = twins(cluster, *child, base, node);
        out = (out.0.or(active), out.1 || probed);
    }
    out
}
