//! Location constraints take effect (spec 10 §14.2).

use crate::model::cluster::Cluster;
use crate::model::ids::{LocationId, ResourceId};
use crate::model::resource::Variant;
use crate::model::role::Role;
use crate::model::table::{Entry, ProbeMode};
use crate::model::trace::Cause;
use cib_model::Score;

/// Applies all, newest first.
pub(super) fn apply_all(cluster: &mut Cluster<'_>) {
    for i in (0..cluster.locations.len()).rev() {
        let resource = cluster.locations[i].resource;
        apply(cluster, resource, LocationId::from(i), false);
    }
}

/// Applies a location constraint to a resource and what shares its place, by variant; `zero`: with a
/// score of 0, which still allows the nodes.
fn apply(cluster: &mut Cluster<'_>, resource: ResourceId, location: LocationId, zero: bool) {
    let role = cluster.location(location).role;
    if role == Role::Unknown || role == cluster.resource(resource).next_role {
        apply_own(cluster, resource, location, zero);
    }
    apply_to_parts(cluster, resource, location, zero);
}

/// The parts of a collective, each judged by its own next role.
fn apply_to_parts(
    cluster: &mut Cluster<'_>,
    resource: ResourceId,
    location: LocationId,
    zero: bool,
) {
    let r = cluster.resource(resource);
    match &r.variant {
        Variant::Primitive => {}
        Variant::Group(group) => {
            let only_first = group.colocated;
            for (i, member) in r.children.clone().into_iter().enumerate() {
                apply(cluster, member, location, zero || (only_first && i > 0));
            }
        }
        Variant::Clone(_) => {
            for instance in r.children.clone() {
                apply(cluster, instance, location, zero);
            }
        }
        Variant::Bundle(bundle) => {
            let parts: Vec<_> = bundle.replicas.iter().map(|r| (r.container, r.ip)).collect();
            let inner = bundle.inner;
            for (container, ip) in parts {
                apply(cluster, container, location, zero);
                if let Some(ip) = ip {
                    apply(cluster, ip, location, zero);
                }
            }
            let role = cluster.location(location).role;
            if let Some(inner) = inner.filter(|_| matches!(role, Role::Promoted | Role::Unpromoted))
            {
                apply(cluster, inner, location, zero);
                cluster.resource_mut(inner).locations.insert(0, location);
            }
        }
    }
}

fn apply_own(cluster: &mut Cluster<'_>, resource: ResourceId, location: LocationId, zero: bool) {
    let probe = cluster.location(location).probe;
    let cause = Cause::Location(location);
    let mut exclusive = false;
    for i in 0..cluster.location(location).nodes.len() {
        let (node, score) = cluster.location(location).nodes[i];
        let score = if zero { Score::ZERO } else { score };
        let base = cluster.base_entry(node);
        let table = &mut cluster.resources[resource.index()].table;
        let before = table.get(node).copied();
        let mut entry = match before {
            Some(entry) => Entry { score: entry.score + score, ..entry },
            None => Entry { score, ..base },
        };
        if entry.probe < probe {
            entry.probe = probe;
            exclusive |= probe == ProbeMode::Exclusive;
        }
        table.insert(node, entry);
        cluster.trace.note(resource, node, before.map(|e| e.score), entry.score, cause);
    }
    if exclusive {
        cluster.resource_mut(resource).flags.exclusive_discovery = true;
    }
}

#[cfg(test)]
mod tests {
    use crate::input::fixture::{self, cib};

    #[test]
    fn a_group_gives_the_score_to_its_first_member_only() {
        let options = "<cluster_property_set id='o'><nvpair id='s' name='symmetric-cluster' value='false'/></cluster_property_set>";
        let resources = "<group id='g'><primitive id='a' class='ocf' provider='p' type='t'/>
            <primitive id='b' class='ocf' provider='p' type='t'/></group>";
        let constraints = "<rsc_location id='l1' rsc='g' node='n1' score='INFINITY'/>
            <rsc_location id='l2' rsc='g' node='n1' score='-INFINITY'/>
            <rsc_location id='l3' rsc='g' node='n2' score='5' resource-discovery='exclusive'/>";
        let nodes = "<node id='1' uname='n1'/><node id='2' uname='n2'/>";
        fixture::with(&cib("", options, nodes, resources, constraints, ""), |c| {
            crate::input::constraints(c);
            super::apply_all(c);
            let shown: Vec<_> = ["g", "a", "b"]
                .iter()
                .map(|id| {
                    let r = c.resource(c.find_resource(id).unwrap());
                    let score = |n: usize| r.table.get(c.node_order[n]).unwrap().score;
                    format!("{id} {} {} {}", score(0), score(1), r.flags.exclusive_discovery)
                })
                .collect();
            assert_eq!(shown, ["g -INFINITY 5 true", "a -INFINITY 5 true", "b 0 0 true"]);
        });
    }
}
