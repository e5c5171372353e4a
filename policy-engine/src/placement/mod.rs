//! Which node each resource gets, and which role (spec 20 §5 to §10, 21).
//!
//! [`assign`] runs the stage. Each variant has its own procedure ([`primitive`], [`group`], [`clone`],
//! [`bundle`]); instances of clones and containers of bundles share [`instances`]. [`colocation`]
//! changes node tables on the way: a dependent follows its primaries, a primary considers its
//! dependents.

mod bundle;
mod clone;
pub mod colocation;
mod compatible;
mod group;
mod hash_order;
mod instance_order;
mod instances;
mod preference;
mod primitive;
mod promotion;
mod promotion_score;
mod remote;
mod report;
mod sequence;
mod utilization;

#[cfg(test)]
mod examples;

pub use colocation::attribute::AttributeClasses;
pub use preference::node_preference;
pub use primitive::unassign;
pub use sequence::assign;

use crate::model::cluster::Cluster;
use crate::model::ids::{NodeId, ResourceId};
use crate::model::resource::Variant;
use crate::model::table::NodeTable;
use cib_model::Score;

/// How one resource is to be placed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wish {
    /// Node to choose if it is as good as the best.
    pub preferred: Option<NodeId>,
    /// The result stands; otherwise it is only an attempt.
    pub last: bool,
}

impl Wish {
    /// Place it wherever is best, for good.
    pub const ANYWHERE: Wish = Wish { preferred: None, last: true };
}

/// Stack below which recursion continues on a new segment, and the size of one: chains of colocations
/// recurse as deep as they are long.
const STACK_RED_ZONE: usize = 128 * 1024;
const STACK_SEGMENT: usize = 2 * 1024 * 1024;

/// Runs one level of a recursion as deep as its input with enough stack.
fn with_stack<T>(level: impl FnOnce() -> T) -> T {
    stacker::maybe_grow(STACK_RED_ZONE, STACK_SEGMENT, level)
}

/// Places a resource, with what has to be placed before it. Its node, if it has a single one.
pub(crate) fn place(cluster: &mut Cluster<'_>, r: ResourceId, wish: Wish) -> Option<NodeId> {
    with_stack(|| place_by_variant(cluster, r, wish))
}

fn place_by_variant(cluster: &mut Cluster<'_>, r: ResourceId, wish: Wish) -> Option<NodeId> {
    match cluster.resource(r).variant {
        Variant::Primitive => primitive::place(cluster, r, wish),
        Variant::Group(_) => group::place(cluster, r, wish),
        Variant::Clone(_) => {
            clone::place(cluster, r, wish);
            None
        }
        Variant::Bundle(_) => {
            bundle::place(cluster, r, wish);
            None
        }
    }
}

/// Some entry is available and has a score that is not negative.
pub(crate) fn any_available(cluster: &Cluster<'_>, table: &NodeTable) -> bool {
    table.iter().any(|(n, e)| e.score >= Score::ZERO && cluster.node(n).available())
}

/// Is a part of the resource, or itself, blocked?
pub(crate) fn is_blocked(cluster: &Cluster<'_>, r: ResourceId) -> bool {
    let resource = cluster.resource(r);
    resource.flags.blocked || resource.children.iter().any(|c| is_blocked(cluster, *c))
}

/// The instances of a clone, or the containers of a bundle, in list order.
pub(crate) fn instances_of(cluster: &Cluster<'_>, r: ResourceId) -> Vec<ResourceId> {
    match &cluster.resource(r).variant {
        Variant::Bundle(b) => b.replicas.iter().map(|r| r.container).collect(),
        _ => cluster.resource(r).children.clone(),
    }
}
