//! Placement of a primitive (spec 20 §5.3, §5.4).

use super::colocation::{apply, influence, lists, merge};
use super::preference::node_preference;
use super::remote::update_remote_node;
use super::{Wish, place as place_resource, report, utilization};
use crate::model::cluster::Cluster;
use crate::model::ids::{ColocationId, NodeId, ResourceId};
use crate::model::node::Assignment;
use crate::model::options::{NoQuorumPolicy, PlacementStrategy};
use crate::model::role::Role;
use crate::model::trace::{Candidate, Cause, Choice};
use cib_model::Score;

/// Places a primitive; its parent first, and through colocations whatever it follows.
pub(super) fn place(cluster: &mut Cluster<'_>, r: ResourceId, wish: Wish) -> Option<NodeId> {
    if let Some(parent) = cluster.resource(r).parent
        && !cluster.resource(parent).flags.assigning
    {
        place_resource(cluster, parent, wish);
    }
    if !cluster.resource(r).flags.unassigned {
        return cluster.resource(r).assigned.map(|a| a.node);
    }
    if cluster.resource(r).flags.assigning {
        return None;
    }
    cluster.resource_mut(r).flags.assigning = true;
    apply_colocations(cluster, r);
    settle_next_role(cluster, r);
    report::table(cluster, r, crate::model::score_line::AssignStage::Primitive);
    settle_node(cluster, r, wish);
    cluster.resource_mut(r).flags.assigning = false;
    if cluster.resource(r).flags.remote_connection {
        update_remote_node(cluster, r);
    }
    cluster.resource(r).assigned.map(|a| a.node)
}

fn apply_colocations(cluster: &mut Cluster<'_>, r: ResourceId) {
    let this_with = lists::this_with(cluster, r);
    let with_this = lists::with_this(cluster, r);
    for mandatory in [true, false] {
        let due = |cluster: &Cluster<'_>, c: &ColocationId| {
            cluster.colocation(*c).is_mandatory() == mandatory
        };
        for c in &this_with {
            if due(cluster, c) {
                apply::follow_primary(cluster, r, *c);
            }
        }
        for c in &with_this {
            if due(cluster, c) {
                consider_dependent(cluster, r, *c);
            }
        }
    }
}

/// Adds what a dependent wishes to the primary's own table (spec 20 §6.5).
pub(super) fn consider_dependent(cluster: &mut Cluster<'_>, primary: ResourceId, c: ColocationId) {
    if !influence::has_influence(cluster, c, None) {
        return;
    }
    let colocation = cluster.colocation(c);
    let dependent = colocation.dependent;
    let mode = merge::Mode {
        rollback: true,
        positive_only: cluster.resource(primary).is_clone(),
        direction: lists::Direction::WithThis,
    };
    let factor = merge::factor(colocation.score);
    merge::into_own_table(cluster, dependent, primary, c, factor, mode);
}

fn settle_next_role(cluster: &mut Cluster<'_>, r: ResourceId) {
    let resource = cluster.resource(r);
    let frozen = !cluster.quorate
        && cluster.options.no_quorum_policy == NoQuorumPolicy::Freeze
        && resource.next_role > resource.current_role;
    if resource.next_role == Role::Stopped {
        cluster.add_score_everywhere(r, Score::MINUS_INFINITY, Cause::TargetRole);
    } else if frozen {
        let current = resource.current_role;
        cluster.resource_mut(r).next_role = current;
    }
}

fn settle_node(cluster: &mut Cluster<'_>, r: ResourceId, wish: Wish) {
    if cluster.options.fencing_enabled && !cluster.fence_device_exists {
        cluster.resource_mut(r).flags.managed = false;
    }
    if !cluster.resource(r).flags.managed {
        let current = cluster.resource(r).current_role;
        cluster.resource_mut(r).next_role = current;
        let assignment = cluster
            .current_node(r)
            .map(|node| Assignment { node, score: cluster.node(node).score });
        cluster.trace.chose(r, || Choice::Unmanaged(assignment.map(|a| a.node)));
        commit(cluster, r, assignment, wish.last);
    } else if cluster.options.stop_all_resources {
        cluster.trace.chose(r, || Choice::StopAll);
        commit(cluster, r, None, wish.last);
    } else if cluster.resource(r).flags.unassigned {
        let assignment = choose(cluster, r, wish);
        commit(cluster, r, assignment, wish.last);
    }
}

/// Spec 20 §5.4 steps 1 to 5.
fn choose(cluster: &mut Cluster<'_>, r: ResourceId, wish: Wish) -> Option<Assignment> {
    let most_capable = utilization::ban_incapable(cluster, r);
    let preferred = wish.preferred.or(most_capable);
    let resource = cluster.resource(r);
    let current = cluster.current_node(r);
    let nodes = node_preference(cluster, &resource.table, current);
    let Some(best) = nodes.first().copied() else {
        note_choice(cluster, r, &nodes, preferred, None);
        return None;
    };
    let score = |n: NodeId| resource.table.get(n).map_or(Score::MINUS_INFINITY, |e| e.score);
    let usable = |n: NodeId| cluster.node(n).available() && score(n) >= Score::ZERO;
    let wanted =
        preferred.filter(|p| resource.table.contains(*p) && score(*p) >= score(best) && usable(*p));
    let chosen = wanted.unwrap_or_else(|| stay_or_take(cluster, r, &nodes, current));
    let accepted = score(chosen) >= Score::ZERO && (usable(chosen) || cluster.is_guest(chosen));
    let assignment = accepted.then(|| Assignment { node: chosen, score: score(chosen) });
    note_choice(cluster, r, &nodes, preferred, assignment.map(|a| a.node));
    assignment
}

/// Notes for explanations how the nodes stood. `nodes`: best first.
fn note_choice(
    cluster: &mut Cluster<'_>,
    r: ResourceId,
    nodes: &[NodeId],
    preferred: Option<NodeId>,
    chosen: Option<NodeId>,
) {
    if !cluster.trace.enabled {
        return;
    }
    let balanced = cluster.options.placement_strategy == PlacementStrategy::Balanced;
    let rank = |n: NodeId| {
        let more =
            |m: &&NodeId| utilization::compare_capacity(cluster.node(**m), cluster.node(n)).is_lt();
        if balanced { nodes.iter().filter(more).count() as u32 } else { 0 }
    };
    let table = &cluster.resource(r).table;
    let candidates = nodes
        .iter()
        .map(|n| Candidate {
            node: *n,
            score: table.get(*n).map_or(Score::MINUS_INFINITY, |e| e.score),
            load: cluster.node(*n).assigned_count,
            capacity: rank(*n),
        })
        .collect();
    cluster.trace.chose(r, || Choice::ByScore { candidates, preferred, chosen });
}

/// The best node, or the current one if it is just as good.
fn stay_or_take(
    cluster: &Cluster<'_>,
    r: ResourceId,
    nodes: &[NodeId],
    current: Option<NodeId>,
) -> NodeId {
    let resource = cluster.resource(r);
    let best = nodes[0];
    let score = |n: NodeId| resource.table.get(n).map_or(Score::MINUS_INFINITY, |e| e.score);
    let of_unique_clone = resource
        .parent
        .map(|p| cluster.resource(p))
        .is_some_and(|p| p.is_clone() && p.flags.unique);
    if of_unique_clone || score(best) <= Score::ZERO || !cluster.node(best).available() {
        return best;
    }
    let stays = |n: &NodeId| {
        let node = cluster.node(*n);
        node.available() && node.score >= Score::ZERO
    };
    let Some(current) = current.filter(stays) else { return best };
    nodes[1..]
        .iter()
        .copied()
        .take_while(|n| score(*n) == score(best))
        .find(|n| *n == current)
        .unwrap_or(best)
}

/// Makes an assignment effective, or the lack of one (spec 20 §5.4 step 6). `last`: without a node the
/// resource stays stopped.
pub(super) fn commit(
    cluster: &mut Cluster<'_>,
    r: ResourceId,
    assignment: Option<Assignment>,
    last: bool,
) {
    release(cluster, r);
    let resource = cluster.resource_mut(r);
    resource.flags.unassigned = false;
    resource.assigned = assignment;
    match assignment {
        Some(Assignment { node, .. }) => {
            cluster.node_mut(node).assigned_count += 1;
            utilization::consume(cluster, r, node);
            report::utilization(cluster, r, node);
        }
        None if last => cluster.assignment_effects(r),
        None => {}
    }
}

/// Gives back what an assignment took.
fn release(cluster: &mut Cluster<'_>, r: ResourceId) {
    if let Some(Assignment { node, .. }) = cluster.resource_mut(r).assigned.take() {
        let n = cluster.node_mut(node);
        n.assigned_count = n.assigned_count.saturating_sub(1);
        utilization::give_back(cluster, r, node);
    }
}

/// Undoes an attempt: the resource and its parts are unassigned again.
pub(super) fn undo(cluster: &mut Cluster<'_>, r: ResourceId) {
    for i in 0..cluster.resource(r).children.len() {
        let child = cluster.resource(r).children[i];
        undo(cluster, child);
    }
    release(cluster, r);
    cluster.resource_mut(r).flags.unassigned = true;
}

/// Takes a resource and its parts off their nodes for good.
pub fn unassign(cluster: &mut Cluster<'_>, r: ResourceId) {
    for leaf in cluster.leaves(r) {
        cluster.trace.chose(leaf, || Choice::Given);
        commit(cluster, leaf, None, true);
    }
}
