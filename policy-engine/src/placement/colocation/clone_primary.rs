//! Colocation with a clone (spec 21 §6.1).

use super::apply::apply as apply_part;
use super::attribute;
use crate::model::cluster::{Cluster, Level};
use crate::model::ids::{ColocationId, NodeId, ResourceId};
use crate::model::resource::Variant;
use crate::model::role::Role;
use crate::model::trace::{Cause, Choice};
use crate::placement::compatible::{Match, compatible_instance};
use crate::placement::{is_blocked, primitive};
use cib_model::Score;

/// Applies a colocation whose primary is a clone.
pub(super) fn apply(
    cluster: &mut Cluster<'_>,
    d: ResourceId,
    m: ResourceId,
    c: ColocationId,
) -> Score {
    let clone = cluster.resource(m);
    if clone.flags.unassigned {
        return Score::ZERO;
    }
    let colocation = cluster.colocation(c);
    let (score, dependent_role, primary_role) =
        (colocation.score, colocation.dependent_role, colocation.primary_role);
    if clone.flags.promotable && primary_role != Role::Unknown {
        if cluster.resource(d).flags.unassigned {
            follow_role(cluster, d, m, c);
            return Score::ZERO;
        }
        if dependent_role == Role::Promoted {
            return promote_with(cluster, d, m, c);
        }
    }
    if is_interleaved(cluster, c) {
        return pair(cluster, d, m, c);
    }
    if score >= Score::INFINITY {
        let nodes: Vec<NodeId> = cluster
            .resource(m)
            .children
            .iter()
            .filter(|i| !is_blocked(cluster, **i))
            .filter_map(|i| cluster.assigned_node(*i))
            .collect();
        ban_others(cluster, d, &nodes, c);
        return Score::ZERO;
    }
    let instances = cluster.resource(m).children.clone();
    instances.into_iter().map(|instance| apply_part(cluster, d, instance, c)).sum()
}

/// Bans every node of the table that is not in the list.
pub(super) fn ban_others(
    cluster: &mut Cluster<'_>,
    d: ResourceId,
    nodes: &[NodeId],
    c: ColocationId,
) {
    let trace = &mut cluster.trace;
    for (node, entry) in cluster.resources[d.index()].table.iter_mut() {
        if !nodes.contains(&node) {
            let before = entry.score;
            entry.score = Score::MINUS_INFINITY;
            trace.note(d, node, Some(before), entry.score, Cause::ColocationWith(c));
        }
    }
}

/// Cases (a) and (b): where instances have the role.
fn follow_role(cluster: &mut Cluster<'_>, d: ResourceId, m: ResourceId, c: ColocationId) {
    let colocation = cluster.colocation(c);
    let (score, role) = (colocation.score, colocation.primary_role);
    let both_promoted = role == Role::Promoted && colocation.dependent_role == Role::Promoted;
    let attribute = colocation.node_attribute.to_string();
    let mut places: Vec<(NodeId, Score)> = Vec::new();
    for instance in &cluster.resource(m).children {
        if cluster.next_role_of(*instance) == role
            && let Some(node) = cluster.assigned_node(*instance)
        {
            places.push((node, assignment_score(cluster, *instance)));
        }
    }
    if score < Score::INFINITY {
        let classes = attribute::classes(cluster, &attribute);
        for (place, _) in places {
            let wanted = attribute::class_of(cluster, &classes, Some(place), m);
            let nodes: Vec<NodeId> = cluster.resource(d).table.iter().map(|(n, _)| n).collect();
            for node in nodes {
                if attribute::class_of(cluster, &classes, Some(node), d) == wanted {
                    add(cluster, d, node, score, c);
                }
            }
        }
    } else if !both_promoted {
        let nodes: Vec<NodeId> = places.iter().map(|(n, _)| *n).collect();
        ban_others(cluster, d, &nodes, c);
        let last: std::collections::BTreeMap<NodeId, Score> = places.into_iter().collect();
        for (node, score) in last {
            add(cluster, d, node, score, c);
        }
    }
}

/// The score an instance's node had when it was chosen.
fn assignment_score(cluster: &Cluster<'_>, instance: ResourceId) -> Score {
    let resource = cluster.resource(instance);
    let part = resource.children.first().copied().unwrap_or(instance);
    cluster.resource(part).assigned.map_or(Score::ZERO, |a| a.score)
}

fn add(cluster: &mut Cluster<'_>, d: ResourceId, node: NodeId, score: Score, c: ColocationId) {
    let Some(entry) = cluster.resources[d.index()].table.get_mut(node) else { return };
    let before = entry.score;
    entry.score = before + score;
    cluster.trace.note(d, node, Some(before), entry.score, Cause::ColocationWith(c));
}

/// Case (c): the promoted role follows a role of the primary.
fn promote_with(cluster: &mut Cluster<'_>, d: ResourceId, m: ResourceId, c: ColocationId) -> Score {
    let colocation = cluster.colocation(c);
    let (score, role) = (colocation.score, colocation.primary_role);
    let attribute = colocation.node_attribute.to_string();
    let classes = attribute::classes(cluster, &attribute);
    let wanted = Match { role, attribute: Some(&classes) };
    let found =
        cluster.assigned_node(d).is_some() && compatible_instance(cluster, d, m, wanted).is_some();
    let resource = cluster.resource_mut(d);
    if found {
        resource.priority += score;
        score
    } else if score >= Score::INFINITY {
        resource.priority = Score::MINUS_INFINITY;
        Score::MINUS_INFINITY
    } else {
        Score::ZERO
    }
}

/// Instances of a clone, or replicas of a bundle, allowed on one node.
fn most_per_node(cluster: &Cluster<'_>, r: ResourceId) -> u32 {
    match &cluster.resource(r).variant {
        Variant::Clone(clone) => clone.clone_node_max,
        Variant::Bundle(bundle) => bundle.replicas_per_host,
        _ => 0,
    }
}

/// Does the colocation pair instances?
fn is_interleaved(cluster: &mut Cluster<'_>, c: ColocationId) -> bool {
    let colocation = cluster.colocation(c);
    let (dependent, primary) = (colocation.dependent, colocation.primary);
    let resource = cluster.resource(dependent);
    let wanted = (resource.is_clone() || resource.is_bundle())
        && resource.meta("interleave").and_then(cib_model::scalar::parse_boolean) == Some(true);
    if !wanted {
        return false;
    }
    if most_per_node(cluster, dependent) == most_per_node(cluster, primary) {
        return true;
    }
    let text = format!(
        "Cannot interleave {} with {} because they do not support the same number of instances per \
         node",
        resource.id,
        cluster.resource(primary).id
    );
    cluster.message(Level::Error, text);
    false
}

/// Case (d): the instance of the primary on the same node, or none.
fn pair(cluster: &mut Cluster<'_>, d: ResourceId, m: ResourceId, c: ColocationId) -> Score {
    let wanted = Match { role: Role::Unknown, attribute: None };
    match compatible_instance(cluster, d, m, wanted) {
        Some(instance) => apply_part(cluster, d, instance, c),
        None => {
            give_up_if_mandatory(cluster, d, c);
            Score::ZERO
        }
    }
}

/// Without a partner a mandatory dependent gets no node at all.
pub(super) fn give_up_if_mandatory(cluster: &mut Cluster<'_>, d: ResourceId, c: ColocationId) {
    if cluster.colocation(c).score >= Score::INFINITY {
        cluster.trace.chose(d, || Choice::NoPartner(c));
        primitive::commit(cluster, d, None, true);
    }
}
