//! The resource section, and when a resource counts as active (spec 41 §3.2, §3.8).

use super::{Display, brief, bundle, clone, group, primitive};
use crate::model::cluster::Cluster;
use crate::model::ids::ResourceId;
use crate::model::resource::Variant;
use crate::model::role::Role;
use crate::report::text::Entry;

/// Section with all (or all active, or all inactive) resources.
pub fn section(cluster: &Cluster<'_>, display: &Display) -> Option<Entry> {
    if display.by_node && !display.inactive {
        return None;
    }
    let mut entries = Vec::new();
    let order = listing_order(cluster);
    if display.brief && !display.by_node {
        let primitives: Vec<_> =
            order.iter().copied().filter(|r| cluster.resource(*r).is_primitive()).collect();
        entries.extend(brief::counts(cluster, &primitives, display, false));
    }
    for r in order {
        let res = cluster.resource(r);
        let (all, any) = (active_all(cluster, r), active_any(cluster, r));
        let skip = if res.flags.removed && !all {
            true
        } else if display.by_node {
            all
        } else if display.brief && res.is_primitive() {
            true
        } else {
            !any && !display.inactive
        };
        if !skip {
            entries.extend(resource(cluster, r, display));
        }
    }
    let (title, nothing) = match (display.by_node, display.inactive) {
        (true, _) => ("Inactive Resources", "No inactive resources"),
        (false, true) => ("Full List of Resources", "No resources"),
        (false, false) => ("Active Resources", "No active resources"),
    };
    if entries.is_empty() {
        entries.push(Entry::item(nothing));
    }
    Some(Entry::list(title, entries))
}

/// Configuration order by priority, then removed resources: never re-sorted by placement.
fn listing_order(cluster: &Cluster<'_>) -> Vec<ResourceId> {
    cluster.order.clone()
}

/// Entries of a resource of any variant.
pub fn resource(cluster: &Cluster<'_>, r: ResourceId, display: &Display) -> Vec<Entry> {
    let internal =
        cluster.resource(r).meta("internal_rsc").and_then(cib_model::scalar::parse_boolean);
    match &cluster.resource(r).variant {
        Variant::Primitive if internal == Some(true) && !display.implicit => Vec::new(),
        Variant::Primitive => vec![Entry::item(primitive::line(cluster, r, display))],
        Variant::Group(_) => group::entries(cluster, r, display),
        Variant::Clone(_) => clone::entries(cluster, r, display),
        Variant::Bundle(_) => bundle::entries(cluster, r, display),
    }
}

fn primitive_active(cluster: &Cluster<'_>, r: ResourceId) -> bool {
    let res = cluster.resource(r);
    res.active_on.iter().any(|n| {
        let n = cluster.node(*n);
        n.unclean || n.online || !res.flags.managed
    })
}

/// Is every part of the resource active?
pub fn active_all(cluster: &Cluster<'_>, r: ResourceId) -> bool {
    let res = cluster.resource(r);
    match &res.variant {
        Variant::Primitive => primitive_active(cluster, r),
        Variant::Bundle(_) => bundle::parts(cluster, r).iter().all(|p| active_all(cluster, *p)),
        _ => res.children.iter().all(|c| active_all(cluster, *c)),
    }
}

/// Is some part of the resource active?
pub fn active_any(cluster: &Cluster<'_>, r: ResourceId) -> bool {
    let res = cluster.resource(r);
    match &res.variant {
        Variant::Primitive => primitive_active(cluster, r),
        Variant::Bundle(_) => bundle::parts(cluster, r).iter().any(|p| active_any(cluster, *p)),
        _ => res.children.iter().any(|c| active_any(cluster, *c)),
    }
}

/// Does the configuration keep it stopped, or unpromoted where it could be promoted?
pub fn disabled(cluster: &Cluster<'_>, r: ResourceId) -> bool {
    match target_role(cluster, r) {
        Some(Role::Stopped) => true,
        Some(Role::Unpromoted) => cluster.resource(cluster.top(r)).flags.promotable,
        _ => false,
    }
}

/// The configured target role.
pub fn target_role(cluster: &Cluster<'_>, r: ResourceId) -> Option<Role> {
    cluster.resource(r).meta("target-role").and_then(Role::parse)
}

/// `description` of the resource's element.
pub fn description<'a>(cluster: &'a Cluster<'_>, r: ResourceId) -> Option<&'a str> {
    let definition = &cluster.definitions[cluster.resource(r).definition.index()];
    definition.element.attribute("description")
}

/// `(a, b)` after a title, or nothing.
pub fn suffix(words: &[String]) -> String {
    if words.is_empty() { String::new() } else { format!(" ({})", words.join(", ")) }
}
