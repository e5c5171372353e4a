//! What resource agent standards can do (spec 10 §9.4).

use super::flags::is_in_clone;
use crate::model::cluster::{Cluster, Level};
use crate::model::ids::ResourceId;

/// Is the standard that of fence agents?
pub(super) fn is_fence_device(class: &str) -> bool {
    class.eq_ignore_ascii_case("stonith")
}

/// Can the agents run as unique instances?
fn supports_unique(class: &str) -> bool {
    class.eq_ignore_ascii_case("ocf") || is_fence_device(class)
}

/// Can the agents be promoted?
fn supports_promotion(class: &str) -> bool {
    class.eq_ignore_ascii_case("ocf")
}

/// Holds a primitive inside a clone against what its standard can do.
pub(super) fn check(cluster: &mut Cluster<'_>, id: ResourceId) -> Result<(), String> {
    if !is_in_clone(cluster, id) {
        return Ok(());
    }
    let top = cluster.top(id);
    let class = cluster.resource(id).class;
    if cluster.resource(id).flags.unique && !supports_unique(class) {
        let text = format!(
            "Ignoring globally-unique for {} because {class} resources such as {} can be used only \
             as anonymous clones",
            cluster.resource(top).id,
            cluster.resource(id).id
        );
        cluster.message(Level::Warning, text);
        force_anonymous(cluster, top, id);
    }
    if cluster.resource(top).flags.promotable && !supports_promotion(class) {
        return Err(format!(
            "Resource {} is of class {class} and so cannot be used in promotable clone {}",
            cluster.resource(id).id,
            cluster.resource(top).id
        ));
    }
    Ok(())
}

/// Makes a clone anonymous after all: the clone, what is complete of it, and the primitive that
/// demands it.
fn force_anonymous(cluster: &mut Cluster<'_>, clone: ResourceId, primitive: ResourceId) {
    let nodes = cluster.nodes.len() as u32;
    if let Some(variant) = cluster.resource_mut(clone).as_clone_mut() {
        variant.clone_node_max = 1;
        variant.clone_max = variant.clone_max.min(nodes);
    }
    let mut affected = vec![primitive, clone];
    while let Some(id) = affected.pop() {
        let r = cluster.resource_mut(id);
        r.flags.unique = false;
        r.meta.insert("globally-unique".into(), "false".into());
        affected.extend(&r.children);
    }
}
