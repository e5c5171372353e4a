//! Which colocations concern a resource, its own and inherited ones (spec 20 §6.2, §6.3).

use crate::model::cluster::Cluster;
use crate::model::constraint::Colocation;
use crate::model::ids::{ColocationId, ResourceId};
use crate::model::resource::Variant;
use cib_model::Score;
use std::cmp::Ordering;

/// Which side the resource is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// It is the primary.
    WithThis,
    /// It is the dependent.
    ThisWith,
}

/// Colocations in which the resource is the primary, in effective order.
pub fn with_this(cluster: &Cluster<'_>, r: ResourceId) -> Vec<ColocationId> {
    effective(cluster, r, Direction::WithThis)
}

/// Colocations in which the resource is the dependent, in effective order.
pub fn this_with(cluster: &Cluster<'_>, r: ResourceId) -> Vec<ColocationId> {
    effective(cluster, r, Direction::ThisWith)
}

/// The effective list of one direction.
pub fn effective(cluster: &Cluster<'_>, r: ResourceId, direction: Direction) -> Vec<ColocationId> {
    let mut collector = Collector { cluster, asker: r, direction, list: Vec::new() };
    collector.ask(r);
    collector.list
}

impl<'d> Cluster<'d> {
    /// Records a colocation and puts it in the lists of both resources.
    pub fn add_colocation(&mut self, colocation: Colocation<'d>) -> ColocationId {
        let id = ColocationId::from(self.colocations.len());
        self.colocations.push(colocation);
        insert_sorted(self, id);
        id
    }
}

/// Puts a new colocation in the list of its dependent and in that of its primary.
pub fn insert_sorted(cluster: &mut Cluster<'_>, id: ColocationId) {
    let Colocation { dependent, primary, .. } = *cluster.colocation(id);
    let at = position(cluster, &cluster.resource(dependent).this_with, id, Direction::ThisWith);
    cluster.resource_mut(dependent).this_with.insert(at, id);
    let at = position(cluster, &cluster.resource(primary).with_this, id, Direction::WithThis);
    cluster.resource_mut(primary).with_this.insert(at, id);
}

/// Before the first element that does not sort strictly before it.
fn position(
    cluster: &Cluster<'_>,
    list: &[ColocationId],
    id: ColocationId,
    direction: Direction,
) -> usize {
    let new = other(cluster, id, direction);
    list.iter()
        .position(|c| compare(cluster, other(cluster, *c, direction), new) != Ordering::Less)
        .unwrap_or(list.len())
}

/// The resource on the other side.
pub fn other(cluster: &Cluster<'_>, id: ColocationId, direction: Direction) -> ResourceId {
    let c = cluster.colocation(id);
    match direction {
        Direction::WithThis => c.dependent,
        Direction::ThisWith => c.primary,
    }
}

/// Priority, variant, promotable clones first, id.
fn compare(cluster: &Cluster<'_>, a: ResourceId, b: ResourceId) -> Ordering {
    let (a, b) = (cluster.resource(a), cluster.resource(b));
    b.priority
        .cmp(&a.priority)
        .then_with(|| b.variant_rank().cmp(&a.variant_rank()))
        .then_with(|| {
            let promotable = a.is_clone() && b.is_clone();
            if promotable { b.flags.promotable.cmp(&a.flags.promotable) } else { Ordering::Equal }
        })
        .then_with(|| a.id.as_bytes().cmp(b.id.as_bytes()))
}

struct Collector<'c, 'd> {
    cluster: &'c Cluster<'d>,
    asker: ResourceId,
    direction: Direction,
    list: Vec<ColocationId>,
}

impl<'c> Collector<'c, '_> {
    fn own(&self, r: ResourceId) -> &'c [ColocationId] {
        let r = self.cluster.resource(r);
        match self.direction {
            Direction::WithThis => &r.with_this,
            Direction::ThisWith => &r.this_with,
        }
    }

    fn insert(&mut self, id: ColocationId) {
        let at = position(self.cluster, &self.list, id, self.direction);
        self.list.insert(at, id);
    }

    /// Joins a list. Known oddity that results depend on: into a list that is not empty, the first
    /// element is inserted as many times as the added list is long.
    fn join(&mut self, added: &[ColocationId]) {
        if self.list.is_empty() {
            self.list.extend_from_slice(added);
            return;
        }
        for _ in added {
            self.insert(added[0]);
        }
    }

    /// Asks a resource on behalf of the asker.
    fn ask(&mut self, r: ResourceId) {
        match self.cluster.resource(r).variant {
            Variant::Primitive | Variant::Clone(_) => {
                let own = self.own(r);
                self.join(own);
                self.ask_parent(r);
            }
            Variant::Group(_) => self.ask_group(r),
            Variant::Bundle(_) => {
                if self.is_heard_by_bundle(r) {
                    let own = self.own(r);
                    self.join(own);
                }
            }
        }
    }

    fn ask_parent(&mut self, r: ResourceId) {
        if let Some(parent) = self.cluster.resource(r).parent {
            self.ask(parent);
        }
    }

    fn ask_group(&mut self, g: ResourceId) {
        let group = self.cluster.resource(g);
        let speaker = match self.direction {
            Direction::WithThis => group.children.last(),
            Direction::ThisWith => group.children.first(),
        };
        if self.asker != g && speaker != Some(&self.asker) {
            if self.direction == Direction::ThisWith {
                self.follow_unmanaged(g);
            }
            return;
        }
        let own = self.own(g);
        self.join(own);
        self.ask_parent(g);
        if group.as_group().is_none_or(|v| !v.colocated) {
            return;
        }
        let asker = self.asker;
        for member in group.children.iter().filter(|m| **m != asker) {
            for c in self.own(*member) {
                if self.cluster.colocation(*c).explicit {
                    self.insert(*c);
                }
            }
        }
    }

    /// A member behind an unmanaged one does what the group must do.
    fn follow_unmanaged(&mut self, g: ResourceId) {
        let group = self.cluster.resource(g);
        let earlier = group.children.iter().take_while(|m| **m != self.asker);
        if earlier.into_iter().any(|m| !self.cluster.resource(*m).flags.managed) {
            for c in self.own(g) {
                if self.cluster.colocation(*c).score == Score::INFINITY {
                    self.insert(*c);
                }
            }
        }
    }

    fn is_heard_by_bundle(&self, b: ResourceId) -> bool {
        let Some(bundle) = self.cluster.resource(b).as_bundle() else { return false };
        if self.asker == b || bundle.replicas.iter().any(|r| r.container == self.asker) {
            return true;
        }
        let Some(inner) = bundle.inner.map(|i| (i, self.cluster.resource(i))) else {
            return false;
        };
        if !inner.1.flags.promotable {
            return false;
        }
        if self.asker == inner.0 {
            return inner.1.as_clone().is_some_and(|c| c.roles_begun);
        }
        inner.1.children.contains(&self.asker)
            && !self.cluster.resource(self.asker).flags.unassigned
    }
}
