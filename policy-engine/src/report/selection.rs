//! What a monitor is asked to show: some nodes, or some resources (spec 41 §9.3).

use crate::model::cluster::Cluster;
use crate::model::ids::{NodeId, ResourceId};
use crate::model::resource::Variant;
use std::collections::BTreeSet;

/// A node and a resource, each by its name or by a tag; everything without.
#[derive(Debug, Clone, Copy, Default)]
pub struct Filter<'f> {
    /// Only this node, or those with this tag.
    pub node: Option<&'f str>,
    /// Only this resource, or those with this tag.
    pub resource: Option<&'f str>,
}

/// What a filter leaves of a cluster.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    nodes: Option<BTreeSet<NodeId>>,
    resources: Option<BTreeSet<ResourceId>>,
}

impl Selection {
    /// What a filter leaves.
    pub fn of(cluster: &Cluster<'_>, filter: Filter<'_>) -> Selection {
        Selection {
            nodes: filter.node.map(|name| nodes(cluster, name)),
            resources: filter.resource.map(|name| resources(cluster, name)),
        }
    }

    /// Whether a node is shown.
    pub fn has_node(&self, node: NodeId) -> bool {
        self.nodes.as_ref().is_none_or(|nodes| nodes.contains(&node))
    }

    /// Whether a resource is shown, or something in it.
    pub fn has_resource(&self, resource: ResourceId) -> bool {
        self.resources.as_ref().is_none_or(|resources| resources.contains(&resource))
    }

    /// Takes everything else from what listings go through. Nothing can be planned with the cluster
    /// afterwards.
    pub fn narrow(&self, cluster: &mut Cluster<'_>) {
        cluster
            .failed_operations
            .retain(|f| self.has_node(f.node) && self.has_resource(f.resource));
        cluster.locations.retain(|location| self.has_resource(location.resource));
        let elsewhere: Vec<bool> = (cluster.resources.iter())
            .map(|r| {
                let here = r.active_on.iter().any(|node| self.has_node(*node));
                matches!(r.variant, Variant::Primitive) && !r.active_on.is_empty() && !here
            })
            .collect();
        let order = std::mem::take(&mut cluster.order);
        cluster.order = order.into_iter().filter(|r| self.keep(cluster, *r, &elsewhere)).collect();
        for resource in &mut cluster.resources {
            resource.active_on.retain(|node| self.has_node(*node));
        }
        cluster.keep_nodes(|node| self.has_node(node));
    }

    /// Leaves out of a resource what is not shown; whether anything is left.
    fn keep(&self, cluster: &mut Cluster<'_>, r: ResourceId, elsewhere: &[bool]) -> bool {
        if !self.has_resource(r) {
            return false;
        }
        let resource = cluster.resource(r);
        match resource.variant {
            Variant::Primitive => !elsewhere[r.index()],
            Variant::Bundle(_) => true,
            Variant::Group(_) | Variant::Clone(_) => {
                let children = resource.children.clone();
                let kept: Vec<ResourceId> =
                    children.into_iter().filter(|c| self.keep(cluster, *c, elsewhere)).collect();
                let any = !kept.is_empty();
                cluster.resource_mut(r).children = kept;
                any
            }
        }
    }
}

fn nodes(cluster: &Cluster<'_>, name: &str) -> BTreeSet<NodeId> {
    let named = |wanted: &str| -> Vec<NodeId> {
        let is_it = |n: &&NodeId| cluster.node(**n).name.eq_ignore_ascii_case(wanted);
        cluster.node_order.iter().filter(is_it).copied().collect()
    };
    let found = named(name);
    if found.is_empty() {
        let members = cluster.tags.get(name).into_iter().flatten();
        return members.flat_map(|member| named(member)).collect();
    }
    found.into_iter().collect()
}

fn resources(cluster: &Cluster<'_>, name: &str) -> BTreeSet<ResourceId> {
    let mut found = matching(cluster, name);
    if found.is_empty() {
        let members = cluster.tags.get(name).into_iter().flatten();
        found = members.flat_map(|member| matching(cluster, member)).collect();
    }
    let mut all = BTreeSet::new();
    for r in found {
        let mut at = Some(r);
        while let Some(outer) = at {
            all.insert(outer);
            at = cluster.resource(outer).parent;
        }
        let mut inside = vec![r];
        while let Some(r) = inside.pop() {
            all.insert(r);
            let resource = cluster.resource(r);
            inside.extend(&resource.children);
            if matches!(resource.variant, Variant::Bundle(_)) {
                inside.extend(cluster.leaves(r));
            }
        }
    }
    all
}

/// Resources of a name; with a number, that instance alone.
fn matching(cluster: &Cluster<'_>, name: &str) -> Vec<ResourceId> {
    let exact = name.contains(':');
    let is_it = |r: &ResourceId| {
        let resource = cluster.resource(*r);
        *resource.id == *name
            || !exact && (*resource.base_id == *name || resource.history_name() == name)
    };
    let mut inside: Vec<ResourceId> = cluster.order.clone();
    let mut found = Vec::new();
    while let Some(r) = inside.pop() {
        if is_it(&r) {
            found.push(r);
            if exact {
                break;
            }
        } else {
            let resource = cluster.resource(r);
            match resource.variant {
                Variant::Bundle(_) => inside.extend(cluster.leaves(r)),
                _ => inside.extend(&resource.children),
            }
        }
    }
    found
}
