//! Which resource an `lrm_resource` belongs to (spec 11 §3).

use super::removed;
use crate::model::cluster::{Cluster, Level};
use crate::model::ids::{NodeId, ResourceId};
use cib_model::Element;

/// The id without a trailing `:DIGITS`.
pub(super) fn without_number(id: &str) -> &str {
    match id.rsplit_once(':') {
        Some((base, n)) if !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()) => base,
        _ => id,
    }
}

/// Finds the resource, taking or creating an instance where an anonymous clone is meant, or creating
/// a removed resource. `None` only if there are no operations and no resource.
pub(super) fn resource_for<'d>(
    cluster: &mut Cluster<'d>,
    node: NodeId,
    lrm_resource: Element<'d>,
    has_operations: bool,
) -> Option<ResourceId> {
    let id = lrm_resource.xml_id()?;
    let found = match cluster.find_resource(id) {
        Some(r) => Some(r).filter(|r| cluster.resource(*r).is_primitive()),
        None => first_anonymous_instance(cluster, id),
    };
    let chosen = found.and_then(|r| {
        let top = cluster.top(r);
        let anonymous = cluster.resource(top).is_clone() && !cluster.resource(top).flags.unique;
        match (anonymous, cluster.bundle_of(top)) {
            (false, _) => Some(r),
            (true, Some(bundle)) => replica_child(cluster, bundle, node),
            (true, None) => Some(pick_instance(cluster, top, node, without_number(id))),
        }
    });
    match chosen {
        Some(r) => {
            let resource = cluster.resource(r);
            if &*resource.id != id && resource.history_id.as_deref() != Some(id) {
                cluster.set_history_id(r, Some(id.into()));
            }
            Some(r)
        }
        None if has_operations => Some(removed::create(cluster, node, lrm_resource)),
        None => None,
    }
}

/// An entry without instance number stands for an anonymous clone's instance.
fn first_anonymous_instance(cluster: &Cluster<'_>, id: &str) -> Option<ResourceId> {
    let first = format!("{}:0", without_number(id));
    let r = cluster.find_resource(&first)?;
    let resource = cluster.resource(r);
    (!resource.flags.unique && resource.is_primitive()).then_some(r)
}

fn replica_child(cluster: &Cluster<'_>, bundle: ResourceId, node: NodeId) -> Option<ResourceId> {
    let bundle = cluster.resource(bundle).as_bundle()?;
    bundle.replicas.iter().find(|r| r.node == Some(node))?.child
}

/// Where an instance is, judged by its primitives: anywhere, and on the node in question.
fn whereabouts(cluster: &Cluster<'_>, instance: ResourceId, node: NodeId) -> (bool, bool) {
    let r = cluster.resource(instance);
    let pending = r.pending.map(|p| p.node);
    let mut out = (false, false);
    if r.is_primitive() {
        out.0 = !r.active_on.is_empty() || pending.is_some();
        out.1 = r.active_on.contains(&node) || pending == Some(node);
    }
    for child in &r.children {
        let (anywhere, here) = whereabouts(cluster, *child, node);
        out = (out.0 || anywhere, out.1 || here);
    }
    out
}

/// The instance or what is in it, by configured or full id.
fn part_named(cluster: &Cluster<'_>, instance: ResourceId, base: &str) -> Option<ResourceId> {
    let r = cluster.resource(instance);
    if r.base_id == base || &*r.id == base {
        return Some(instance);
    }
    r.children.iter().find_map(|c| part_named(cluster, *c, base))
}

/// Picks an instance of an anonymous clone for history of `base` on a node.
fn pick_instance(
    cluster: &mut Cluster<'_>,
    clone: ResourceId,
    node: NodeId,
    base: &str,
) -> ResourceId {
    let chosen = search_instances(cluster, clone, node, base)
        .filter(|r| !is_unwanted(cluster, clone, *r, node));
    chosen.unwrap_or_else(|| {
        let instance = cluster.create_clone_instance(clone);
        part_named(cluster, instance, base).unwrap_or(instance)
    })
}

fn search_instances(
    cluster: &mut Cluster<'_>,
    clone: ResourceId,
    node: NodeId,
    base: &str,
) -> Option<ResourceId> {
    let (mut inactive, mut allow_inactive) = (None, true);
    for i in 0..cluster.resource(clone).children.len() {
        let instance = cluster.resource(clone).children[i];
        let (anywhere, here) = whereabouts(cluster, instance, node);
        if here {
            let Some(part) = part_named(cluster, instance, base) else { continue };
            if cluster.resource(part).active_on.is_empty() {
                return Some(part);
            }
            let text = format!(
                "Active (now-)anonymous clone {} has multiple (orphan) instance histories on {}",
                cluster.resource(clone).id,
                cluster.node(node).name
            );
            cluster.message(Level::Notice, text);
            allow_inactive = false;
        } else if !anywhere
            && allow_inactive
            && inactive.is_none()
            && !cluster.resource(instance).flags.blocked
        {
            inactive = part_named(cluster, instance, base)
                .filter(|p| cluster.resource(*p).pending.is_none_or(|p| p.node == node));
        }
    }
    inactive.filter(|_| allow_inactive)
}

/// A node that is lost takes no instance from the others, unless there is one for every node.
fn is_unwanted(cluster: &Cluster<'_>, clone: ResourceId, r: ResourceId, node: NodeId) -> bool {
    let n = cluster.node(node);
    let enough = cluster
        .resource(clone)
        .as_clone()
        .is_some_and(|c| c.clone_max as usize == cluster.nodes.len());
    !cluster.resource(r).requires.fencing
        && (!n.online || n.unclean)
        && !cluster.is_guest(node)
        && !enough
}

/// Gives the removed connection of a guest its launcher (spec 11 §2).
pub(super) fn link_removed_launched(cluster: &mut Cluster<'_>, lrm_resource: Element<'_>) {
    let Some(container) = lrm_resource.attribute("container") else { return };
    let Some(launcher) = cluster.find_resource(container) else { return };
    let Some(r) = lrm_resource.xml_id().and_then(|id| cluster.find_resource(id)) else { return };
    let resource = cluster.resource_mut(r);
    if resource.flags.removed_launched && resource.launcher.is_none() {
        resource.launcher = Some(launcher);
        cluster.resource_mut(launcher).launched.push(r);
    }
}

#[cfg(test)]
mod tests {
    use super::without_number;

    #[test]
    fn only_a_numeric_suffix_is_an_instance_number() {
        let cases = [
            ("r:0", "r"),
            ("r:12", "r"),
            ("r", "r"),
            ("r:", "r:"),
            ("r:x1", "r:x1"),
            ("a:b:3", "a:b"),
        ];
        for (id, base) in cases {
            assert_eq!(without_number(id), base);
        }
    }
}
