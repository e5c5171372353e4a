//! Node attributes by which colocations compare nodes (spec 20 §6.6).
//!
//! Values are numbered once per attribute, letter case ignored, so that comparing two nodes is
//! comparing two small integers. Class 0 stands for a missing value.

use crate::model::cluster::Cluster;
use crate::model::ids::{NodeId, ResourceId};
use foldhash::{HashMap, HashMapExt};
use std::rc::Rc;

/// Class of each node's value by attribute.
#[derive(Debug, Default)]
pub struct AttributeClasses {
    by_name: Vec<(String, Rc<[u32]>)>,
}

/// The class of an attribute's value on each node, by node id.
pub(crate) fn classes(cluster: &mut Cluster<'_>, attribute: &str) -> Rc<[u32]> {
    let count = cluster.nodes.len();
    let known = &mut cluster.attribute_classes.by_name;
    known.retain(|(_, classes)| classes.len() == count);
    if let Some((_, classes)) = known.iter().find(|(name, _)| name == attribute) {
        return Rc::clone(classes);
    }
    let mut numbers: HashMap<String, u32> = HashMap::new();
    let classes: Rc<[u32]> = cluster
        .nodes
        .iter()
        .map(|n| match n.attributes.get(attribute) {
            None => 0,
            Some(value) => {
                let next = numbers.len() as u32 + 1;
                *numbers.entry(value.to_ascii_lowercase()).or_insert(next)
            }
        })
        .collect();
    cluster.attribute_classes.by_name.push((attribute.to_owned(), Rc::clone(&classes)));
    classes
}

/// Class of a node's value as seen from a resource; some look at the host of a guest or bundle node
/// instead.
pub(crate) fn class_of(
    cluster: &Cluster<'_>,
    classes: &[u32],
    node: Option<NodeId>,
    seen_from: ResourceId,
) -> u32 {
    let Some(node) = node else { return 0 };
    if cluster.node(node).is_pacemaker_remote() && looks_at_host(cluster, node, seen_from) {
        let launcher = cluster.node(node).connection.and_then(|c| cluster.resource(c).launcher);
        let host = launcher.and_then(|l| cluster.assigned_node(l));
        return host.map_or(0, |h| classes[h.index()]);
    }
    classes[node.index()]
}

fn looks_at_host(cluster: &Cluster<'_>, node: NodeId, r: ResourceId) -> bool {
    if !cluster.is_guest(node) {
        return false;
    }
    let resource = cluster.resource(r);
    let in_inner_clone = || {
        let bundle = cluster.bundle_of(r)?;
        let inner = cluster.resource(bundle).as_bundle()?.inner?;
        Some(inner == r || cluster.is_ancestor(inner, r))
    };
    (cluster.is_bundle_node(node) && in_inner_clone() == Some(true))
        || resource
            .meta("container-attribute-target")
            .is_some_and(|t| t.eq_ignore_ascii_case("host"))
}
