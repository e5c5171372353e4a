//! Roles of the instances of a promotable clone (spec 21 §5.3).

use super::colocation::influence::has_influence;
use super::colocation::lists::{self, Direction};
use super::colocation::{apply, merge};
use super::instance_order::{self, SortKey};
use super::{promotion_score, report};
use crate::model::cluster::Cluster;
use crate::model::ids::{LocationId, NodeId, ResourceId};
use crate::model::merge_sort::merge_sort;
use crate::model::options::NoQuorumPolicy;
use crate::model::role::Role;
use crate::model::trace::{Cause, RankCause, Refusal};
use cib_model::Score;

/// Chooses which placed instances are promoted.
pub(super) fn choose_roles(cluster: &mut Cluster<'_>, c: ResourceId) {
    for (_, entry) in cluster.resource_mut(c).table.iter_mut() {
        entry.count = 0;
    }
    if let Some(clone) = cluster.resource_mut(c).as_clone_mut() {
        clone.roles_begun = true;
    }
    for instance in cluster.resource(c).children.clone() {
        set_priority(cluster, c, instance);
    }
    sort(cluster, c);
    let mut promoted = 0;
    for instance in cluster.resource(c).children.clone() {
        let node = cluster.assigned_node(instance);
        let score = cluster.resource(instance).promotion_priority;
        report::promotion(cluster, instance, node, score);
        let outcome = may_promote(cluster, c, instance, promoted);
        cluster.trace.role(instance, node, score, outcome.map(|_| ()));
        if let Ok(node) = outcome {
            promoted += 1;
            if let Some(entry) = cluster.resource_mut(c).table.get_mut(node) {
                entry.count += 1;
            }
            set_promoted(cluster, instance);
        } else {
            set_not_promoted(cluster, instance);
        }
    }
}

fn set_unpromoted_if_started(cluster: &mut Cluster<'_>, r: ResourceId) {
    let resource = cluster.resource_mut(r);
    if resource.current_role == Role::Started {
        resource.current_role = Role::Unpromoted;
    }
    for i in 0..cluster.resource(r).children.len() {
        let child = cluster.resource(r).children[i];
        set_unpromoted_if_started(cluster, child);
    }
}

/// Step 2: what an instance itself has to say for its promotion.
fn set_priority(cluster: &mut Cluster<'_>, c: ResourceId, instance: ResourceId) {
    set_unpromoted_if_started(cluster, instance);
    let Some(node) = cluster.assigned_node(instance) else { return };
    let next = cluster.next_role_of(instance);
    match next {
        Role::Started | Role::Unknown => {
            let score = promotion_score::of_instance(cluster, c, instance, node).unwrap_or(-1);
            cluster.resource_mut(instance).priority = Score::from(score);
            cluster.trace.ranked(instance, Score::from(score), RankCause::Attribute);
        }
        Role::Unpromoted | Role::Stopped => {
            cluster.resource_mut(instance).priority = Score::MINUS_INFINITY;
            cluster.trace.ranked(instance, Score::MINUS_INFINITY, RankCause::TargetRole);
        }
        Role::Promoted => {}
    }
    let locations: Vec<LocationId> =
        [instance, c].iter().flat_map(|r| cluster.resource(*r).locations.clone()).collect();
    for id in locations {
        let location = cluster.location(id);
        let named = location.nodes.iter().find(|(n, _)| *n == node);
        if let (Role::Promoted, Some((_, score))) = (location.role, named) {
            let score = *score;
            let resource = cluster.resource_mut(instance);
            resource.priority += score;
            let after = resource.priority;
            cluster.trace.ranked(instance, after, RankCause::Location(id));
        }
    }
    for colocation in lists::this_with(cluster, instance) {
        let primary = cluster.colocation(colocation).primary;
        let before = cluster.resource(instance).priority;
        apply::apply(cluster, instance, primary, colocation);
        let after = cluster.resource(instance).priority;
        if after != before {
            cluster.trace.ranked(instance, after, RankCause::Colocation(colocation));
        }
    }
    if next == Role::Promoted {
        cluster.trace.ranked(instance, Score::INFINITY, RankCause::MustPromote);
    }
    let resource = cluster.resource_mut(instance);
    resource.promotion_priority =
        if next == Role::Promoted { Score::INFINITY } else { resource.priority };
}

/// Step 3: adds what the clone's table and its dependents say, and sorts.
fn sort(cluster: &mut Cluster<'_>, c: ResourceId) {
    cluster.resource_mut(c).flags.merging = true;
    for instance in cluster.resource(c).children.clone() {
        let priority = cluster.resource(instance).promotion_priority;
        if priority < Score::ZERO {
            continue;
        }
        if let Some(node) = cluster.assigned_node(instance)
            && let Some(entry) = cluster.resources[c.index()].table.get_mut(node)
        {
            let before = entry.score;
            entry.score = priority + before;
            cluster.trace.note(c, node, Some(before), entry.score, Cause::Promotion);
        }
    }
    consider_dependents(cluster, c);
    cluster.resource_mut(c).flags.merging = false;
    ban_without_ticket(cluster, c);
    let instances = cluster.resource(c).children.clone();
    for instance in &instances {
        let (priority, cause) = final_priority(cluster, c, *instance);
        if let Some(cause) = cause {
            cluster.trace.ranked(*instance, priority, cause);
        }
        cluster.resource_mut(*instance).promotion_priority = priority;
    }
    let mut keys: Vec<SortKey> = instances.iter().map(|i| SortKey::of(cluster, c, *i)).collect();
    let mut positions: Vec<usize> = (0..instances.len()).collect();
    merge_sort(&mut positions, &mut |a, b| {
        let (x, y) = (instances[*a], instances[*b]);
        let priority = |r: ResourceId| cluster.resource(r).promotion_priority;
        let by_rank = priority(y)
            .cmp(&priority(x))
            .then_with(|| cluster.current_role_of(y).cmp(&cluster.current_role_of(x)));
        if by_rank.is_ne() { by_rank } else { instance_order::compare(cluster, &mut keys, *a, *b) }
    });
    cluster.resource_mut(c).children = positions.into_iter().map(|i| instances[i]).collect();
}

fn consider_dependents(cluster: &mut Cluster<'_>, c: ResourceId) {
    let mode = merge::Mode { rollback: true, positive_only: true, direction: Direction::WithThis };
    for id in lists::with_this(cluster, c) {
        let colocation = cluster.colocation(id);
        if colocation.primary_role == Role::Promoted && has_influence(cluster, id, None) {
            let dependent = colocation.dependent;
            let factor = merge::factor(colocation.score);
            merge::into_own_table(cluster, dependent, c, id, factor, mode);
        }
    }
}

fn ban_without_ticket(cluster: &mut Cluster<'_>, c: ResourceId) {
    for i in 0..cluster.resource(c).tickets.len() {
        let dependency = cluster.resource(c).tickets[i];
        let ticket = &cluster.tickets[dependency.ticket.index()];
        if dependency.role == Role::Promoted && (!ticket.granted || ticket.standby) {
            cluster.add_score_everywhere(c, Score::MINUS_INFINITY, Cause::Ticket);
        }
    }
}

/// The priority that counts, and what it comes from if it is not the instance's own.
fn final_priority(
    cluster: &Cluster<'_>,
    c: ResourceId,
    instance: ResourceId,
) -> (Score, Option<RankCause>) {
    let resource = cluster.resource(instance);
    if !resource.flags.managed && cluster.next_role_of(instance) == Role::Promoted {
        return (Score::INFINITY, Some(RankCause::MustPromote));
    }
    match cluster.assigned_node(instance) {
        None => (Score::MINUS_INFINITY, Some(RankCause::NoNode)),
        Some(_) if resource.promotion_priority < Score::ZERO => (resource.promotion_priority, None),
        Some(node) => {
            let entry = cluster.resource(c).table.get(node);
            (entry.map_or(Score::ZERO, |entry| entry.score), Some(RankCause::CloneTable))
        }
    }
}

/// Step 4: the node on which the instance may be promoted, or why it may not.
fn may_promote(
    cluster: &Cluster<'_>,
    c: ResourceId,
    instance: ResourceId,
    promoted: u32,
) -> Result<NodeId, Refusal> {
    let clone = cluster.resource(c);
    let limits = clone.as_clone().ok_or(Refusal::Node)?;
    if cluster.resource(instance).promotion_priority < Score::ZERO {
        return Err(Refusal::Priority);
    }
    if clone.flags.managed && promoted >= limits.promoted_max {
        return Err(Refusal::PromotedMax);
    }
    part_may_promote(cluster, c, instance, limits.promoted_node_max)
}

fn part_may_promote(
    cluster: &Cluster<'_>,
    c: ResourceId,
    r: ResourceId,
    node_max: u32,
) -> Result<NodeId, Refusal> {
    let resource = cluster.resource(r);
    if !resource.children.is_empty() {
        let mut node = Err(Refusal::Node);
        for member in &resource.children {
            node = Ok(part_may_promote(cluster, c, *member, node_max)?);
        }
        return node;
    }
    let node = resource.assigned.ok_or(Refusal::Node)?.node;
    let managed = resource.flags.managed;
    if managed && resource.priority < Score::ZERO {
        return Err(Refusal::Priority);
    }
    if managed && !cluster.available_guest_checked(node) {
        return Err(Refusal::Node);
    }
    if !managed && resource.current_role != Role::Promoted {
        return Err(Refusal::Unmanaged);
    }
    let entry = cluster.resource(c).table.get(node).ok_or(Refusal::Node)?;
    if managed && entry.count >= node_max {
        return Err(Refusal::PromotedNodeMax);
    }
    let frozen = resource.current_role < Role::Promoted
        && !cluster.quorate
        && cluster.options.no_quorum_policy == NoQuorumPolicy::Freeze;
    if frozen { Err(Refusal::Frozen) } else { Ok(node) }
}

fn set_promoted(cluster: &mut Cluster<'_>, r: ResourceId) {
    let resource = cluster.resource_mut(r);
    if resource.next_role == Role::Unknown {
        resource.next_role = Role::Promoted;
    }
    for i in 0..cluster.resource(r).children.len() {
        let child = cluster.resource(r).children[i];
        set_promoted(cluster, child);
    }
}

fn set_not_promoted(cluster: &mut Cluster<'_>, r: ResourceId) {
    let role = match cluster.resource(r).assigned {
        Some(_) => Role::Unpromoted,
        None => Role::Stopped,
    };
    if cluster.resource(r).children.is_empty() {
        cluster.resource_mut(r).next_role = role;
    }
    for i in 0..cluster.resource(r).children.len() {
        let child = cluster.resource(r).children[i];
        set_not_promoted(cluster, child);
    }
}
