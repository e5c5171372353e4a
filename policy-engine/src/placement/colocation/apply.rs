//! A dependent follows its primary (spec 20 §6.4, 21 §5.4).

use super::attribute;
use super::{bundle_primary, clone_primary};
use crate::model::cluster::{Cluster, Level};
use crate::model::ids::{ColocationId, NodeId, ResourceId};
use crate::model::resource::Variant;
use crate::model::role::Role;
use crate::model::table::NodeTable;
use crate::model::trace::Cause;
use crate::placement::{Wish, any_available, place};
use cib_model::Score;

/// What a colocation can change at its dependent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// Nothing.
    None,
    /// Where it runs.
    Location,
    /// Whether it is promoted.
    Role,
}

/// Applies a colocation to its dependent, placing the primary first where needed.
pub(crate) fn follow_primary(cluster: &mut Cluster<'_>, r: ResourceId, c: ColocationId) {
    let colocation = cluster.colocation(c);
    let primary = colocation.primary;
    let finite_negative =
        colocation.score < Score::ZERO && colocation.score > Score::MINUS_INFINITY;
    let backup = (colocation.dependent_role == Role::Promoted || finite_negative)
        .then(|| cluster.resource(r).table.clone());
    if cluster.resource(primary).flags.unassigned {
        place(cluster, primary, Wish::ANYWHERE);
    }
    apply(cluster, r, primary, c);
    if let Some(backup) = backup
        && !any_available(cluster, &cluster.resource(r).table)
    {
        replace_table(cluster, r, backup, c);
    }
}

/// Applies a colocation to a dependent, given the primary or a part of it. The change of the
/// dependent's priority where roles are being chosen.
pub(crate) fn apply(
    cluster: &mut Cluster<'_>,
    d: ResourceId,
    m: ResourceId,
    c: ColocationId,
) -> Score {
    if cluster.resource(d).is_group() {
        return apply_to_group(cluster, d, m, c);
    }
    match cluster.resource(m).variant {
        Variant::Primitive => apply_primitive(cluster, d, m, c),
        Variant::Group(_) => apply_group(cluster, d, m, c),
        Variant::Clone(_) => clone_primary::apply(cluster, d, m, c),
        Variant::Bundle(_) => bundle_primary::apply(cluster, d, m, c),
    }
}

/// Members of a group on one side of a colocation; none where the combination is an error.
fn members_meant(
    cluster: &mut Cluster<'_>,
    group: ResourceId,
    c: ColocationId,
    first: bool,
) -> Vec<ResourceId> {
    let resource = cluster.resource(group);
    let members = &resource.children;
    if resource.as_group().is_some_and(|g| g.colocated) {
        let one = if first { members.first() } else { members.last() };
        return one.copied().into_iter().collect();
    }
    if cluster.colocation(c).score < Score::INFINITY {
        return members.clone();
    }
    let text = format!(
        "Cannot mandatorily colocate with or by group {} because its members are not colocated",
        resource.id
    );
    cluster.message(Level::Error, text);
    Vec::new()
}

fn apply_to_group(
    cluster: &mut Cluster<'_>,
    d: ResourceId,
    m: ResourceId,
    c: ColocationId,
) -> Score {
    let members = members_meant(cluster, d, c, true);
    let change = members.into_iter().map(|member| apply(cluster, member, m, c)).sum();
    let group = cluster.resource_mut(d);
    group.priority += change;
    change
}

fn apply_group(cluster: &mut Cluster<'_>, d: ResourceId, m: ResourceId, c: ColocationId) -> Score {
    if cluster.resource(m).flags.unassigned {
        return Score::ZERO;
    }
    let first = cluster.colocation(c).score < Score::INFINITY;
    let members = members_meant(cluster, m, c, first);
    members.into_iter().map(|member| apply(cluster, d, member, c)).sum()
}

fn apply_primitive(
    cluster: &mut Cluster<'_>,
    d: ResourceId,
    m: ResourceId,
    c: ColocationId,
) -> Score {
    match effect_of_roles(cluster, d, m, c, false) {
        Effect::None => Score::ZERO,
        Effect::Role => change_priority(cluster, d, m, c),
        Effect::Location => {
            change_table(cluster, d, m, c);
            Score::ZERO
        }
    }
}

/// The resource whose role counts: for the container of a bundle the instance inside.
pub(crate) fn role_bearer(cluster: &Cluster<'_>, r: ResourceId) -> ResourceId {
    let bundle = cluster.resource(r).parent.and_then(|p| cluster.resource(p).as_bundle());
    bundle
        .and_then(|b| b.replicas.iter().find(|replica| replica.container == r))
        .and_then(|replica| replica.child)
        .unwrap_or(r)
}

/// What the colocation can change. `preview`: as if nothing had been placed.
pub(crate) fn effect_of_roles(
    cluster: &Cluster<'_>,
    d: ResourceId,
    m: ResourceId,
    c: ColocationId,
    preview: bool,
) -> Effect {
    let colocation = cluster.colocation(c);
    if !preview && cluster.resource(m).flags.unassigned {
        return Effect::None;
    }
    let (d_role, m_role) = (role_bearer(cluster, d), role_bearer(cluster, m));
    let bearer = cluster.resource(d_role);
    let promotable = bearer.parent.is_some_and(|p| cluster.resource(p).flags.promotable);
    if colocation.dependent_role >= Role::Unpromoted && promotable && !bearer.flags.unassigned {
        return Effect::Role;
    }
    if !preview && !cluster.resource(d).flags.unassigned {
        return Effect::None;
    }
    let differs = |filter: Role, r: ResourceId| {
        filter != Role::Unknown && filter != cluster.resource(r).next_role
    };
    if differs(colocation.dependent_role, d_role) || differs(colocation.primary_role, m_role) {
        return Effect::None;
    }
    Effect::Location
}

fn replace_table(cluster: &mut Cluster<'_>, r: ResourceId, table: NodeTable, c: ColocationId) {
    let old = std::mem::replace(&mut cluster.resource_mut(r).table, table);
    if !cluster.trace.enabled {
        return;
    }
    for (node, entry) in cluster.resources[r.index()].table.iter() {
        let before = old.get(node).map(|e| e.score);
        if before != Some(entry.score) {
            cluster.trace.note(r, node, before, entry.score, Cause::ColocationWith(c));
        }
    }
}

/// Location effect of a primitive primary.
fn change_table(cluster: &mut Cluster<'_>, d: ResourceId, m: ResourceId, c: ColocationId) {
    let colocation = cluster.colocation(c);
    let score = colocation.score;
    let mandatory = colocation.is_mandatory();
    let assigned: Option<NodeId> = cluster.resource(m).assigned.map(|a| a.node);
    let mut table = cluster.resource(d).table.clone();
    match assigned {
        None if score < Score::ZERO => return,
        None => {
            for (_, entry) in table.iter_mut() {
                entry.score = -score + entry.score;
            }
        }
        Some(node) => {
            let attribute = cluster.colocation(c).node_attribute.to_string();
            let classes = attribute::classes(cluster, &attribute);
            let wanted = attribute::class_of(cluster, &classes, Some(node), m);
            for (node, entry) in table.iter_mut() {
                let same = attribute::class_of(cluster, &classes, Some(node), d) == wanted;
                if same && score < Score::INFINITY {
                    entry.score += score;
                } else if !same && score >= Score::INFINITY {
                    entry.score = Score::MINUS_INFINITY;
                }
            }
        }
    }
    if mandatory || any_available(cluster, &table) {
        replace_table(cluster, d, table, c);
    }
}

/// Role effect of a primitive primary (spec 21 §5.4).
fn change_priority(
    cluster: &mut Cluster<'_>,
    d: ResourceId,
    m: ResourceId,
    c: ColocationId,
) -> Score {
    let Some(node) = cluster.resource(d).assigned.map(|a| a.node) else { return Score::ZERO };
    let primary_node = cluster.resource(m).assigned.map(|a| a.node);
    let colocation = cluster.colocation(c);
    let (score, dependent_role, primary_role) =
        (colocation.score, colocation.dependent_role, colocation.primary_role);
    let next = cluster.resource(role_bearer(cluster, m)).next_role;
    if primary_node.is_some() && primary_role != Role::Unknown && next != primary_role {
        return Score::ZERO;
    }
    let attribute = colocation.node_attribute.to_string();
    let classes = attribute::classes(cluster, &attribute);
    let same = attribute::class_of(cluster, &classes, Some(node), d)
        == attribute::class_of(cluster, &classes, primary_node, m);
    let delta = match (same, dependent_role) {
        (true, Role::Unpromoted) => -score,
        (true, _) => score,
        (false, Role::Promoted) if score.is_infinity() => Score::MINUS_INFINITY,
        (false, _) => Score::ZERO,
    };
    let resource = cluster.resource_mut(d);
    resource.priority = delta + resource.priority;
    delta
}
