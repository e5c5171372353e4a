//! A primary considers where its dependents want to be, and theirs in turn (spec 20 §6.5).

use super::attribute;
use super::influence::has_influence;
use super::lists::{self, Direction};
use crate::model::cluster::{Cluster, Level};
use crate::model::ids::{ColocationId, NodeId, ResourceId};
use crate::model::role::Role;
use crate::model::table::{Entry, NodeTable};
use crate::model::trace::Cause;
use crate::placement::with_stack;
use cib_model::Score;
use std::cell::{Cell, RefCell};

/// How a merge goes about it.
#[derive(Debug, Clone, Copy)]
pub struct Mode {
    /// A source that leaves no usable node is not counted, nor what was merged through it.
    pub rollback: bool,
    /// Dependents may add to nodes, not rule them out.
    pub positive_only: bool,
    /// Which colocations lead on from a source.
    pub direction: Direction,
}

/// Scores being merged. One that must not be used any more stays below every score.
#[derive(Debug, Clone)]
struct Work(Vec<(NodeId, i32)>);

/// Sources that one merge may visit. Every path through the colocations is walked, and their number can
/// grow exponentially; no configuration that makes sense comes near this.
const MOST_SOURCES: u32 = 200_000;

/// Marks a score that dependents pushed below zero.
const UNUSABLE: i32 = -100_000_000;

impl Work {
    fn of(table: &NodeTable) -> Work {
        Work(table.iter().map(|(n, e)| (n, e.score.value())).collect())
    }

    fn any_available(&self, cluster: &Cluster<'_>) -> bool {
        self.0.iter().any(|(n, score)| *score >= 0 && cluster.node(*n).available())
    }
}

/// A colocation score as factor.
pub fn factor(score: Score) -> f32 {
    score.value() as f32 / Score::INFINITY.value() as f32
}

/// Merges the wishes of `source` into the target's own table.
pub fn into_own_table(
    cluster: &mut Cluster<'_>,
    source: ResourceId,
    target: ResourceId,
    c: ColocationId,
    factor: f32,
    mode: Mode,
) {
    let mut work = Work::of(&cluster.resource(target).table);
    Merge { target, mode, shared: &Shared::new() }.merge(cluster, source, &mut work, c, factor);
    for (node, score) in work.0 {
        let Some(entry) = cluster.resources[target.index()].table.get_mut(node) else { continue };
        let (before, after) = (entry.score, Score::from(score));
        if before != after {
            entry.score = after;
            cluster.trace.note(target, node, Some(before), after, Cause::DependentPreference(c));
        }
    }
}

/// Merges into a table of a single node that belongs to nobody; its score afterwards.
pub fn into_single_node(
    cluster: &mut Cluster<'_>,
    source: ResourceId,
    target: ResourceId,
    (node, score): (NodeId, Score),
    c: ColocationId,
    mode: Mode,
) -> Score {
    let factor = factor(cluster.colocation(c).score);
    let mut work = Work(vec![(node, score.value())]);
    Merge { target, mode, shared: &Shared::new() }.merge(cluster, source, &mut work, c, factor);
    Score::from(work.0[0].1)
}

/// A resource's table with the wishes of what it follows (spec 20 §5.2).
pub fn extended_table(cluster: &mut Cluster<'_>, r: ResourceId) -> NodeTable {
    let mut source = r;
    let mut marked = Vec::new();
    while cluster.resource(source).is_group() {
        marked.push(source);
        match cluster.resource(source).children.last() {
            Some(last) => source = *last,
            None => return NodeTable::default(),
        }
    }
    for group in &marked {
        cluster.resource_mut(*group).flags.merging = true;
    }
    let mut table = cluster.resource(source).table.clone();
    let mut work = Work::of(&table);
    let mode = Mode { rollback: false, positive_only: false, direction: Direction::ThisWith };
    Merge { target: source, mode, shared: &Shared::new() }.merge_first(cluster, source, &mut work);
    for group in marked {
        cluster.resource_mut(group).flags.merging = false;
    }
    for (node, score) in work.0 {
        if let Some(entry) = table.get_mut(node) {
            entry.score = Score::from(score);
        }
    }
    table
}

#[derive(Debug, Clone, Copy)]
struct Merge<'b> {
    target: ResourceId,
    mode: Mode,
    shared: &'b Shared,
}

/// What all sources of one merge share.
#[derive(Debug)]
struct Shared {
    /// Sources that may still be visited.
    budget: Cell<u32>,
    /// Room for the next copies of scores.
    spare: RefCell<Vec<Work>>,
    /// Room for the best score by class.
    best: RefCell<Vec<Option<Score>>>,
}

impl Shared {
    fn new() -> Shared {
        Shared {
            budget: Cell::new(MOST_SOURCES),
            spare: RefCell::default(),
            best: RefCell::default(),
        }
    }

    fn copy(&self, of: &Work) -> Work {
        let mut copy = self.spare.borrow_mut().pop().unwrap_or_else(|| Work(Vec::new()));
        copy.0.clone_from(&of.0);
        copy
    }

    fn done(&self, with: Work) {
        self.spare.borrow_mut().push(with);
    }
}

impl Merge<'_> {
    /// Merges one source and what leads on from it.
    fn merge(
        self,
        cluster: &mut Cluster<'_>,
        source: ResourceId,
        table: &mut Work,
        c: ColocationId,
        factor: f32,
    ) {
        if cluster.resource(source).flags.merging || !self.may_visit(cluster) {
            return;
        }
        cluster.resource_mut(source).flags.merging = true;
        if cluster.resource(source).is_group() {
            if let Some(first) = cluster.resource(source).children.first().copied() {
                self.merge(cluster, first, table, c, factor);
            }
        } else {
            let mut work = self.shared.copy(table);
            self.contribute(cluster, source, &mut work, c, factor);
            self.finish(cluster, source, table, work, factor);
        }
        cluster.resource_mut(source).flags.merging = false;
    }

    fn may_visit(self, cluster: &mut Cluster<'_>) -> bool {
        let left = self.shared.budget.get();
        if left == 1 {
            let text = format!(
                "Colocations of {} are too entangled: only {MOST_SOURCES} paths through them are \
                 considered",
                cluster.resource(self.target).id
            );
            cluster.message(Level::Error, text);
        }
        self.shared.budget.set(left.saturating_sub(1));
        left > 0
    }

    /// Starts from the source's own table, which is `table`.
    fn merge_first(self, cluster: &mut Cluster<'_>, source: ResourceId, table: &mut Work) {
        cluster.resource_mut(source).flags.merging = true;
        let work = self.shared.copy(table);
        self.finish(cluster, source, table, work, 1.0);
        cluster.resource_mut(source).flags.merging = false;
    }

    /// Steps 4 to 6: goes on from the source, and adopts the result.
    fn finish(
        self,
        cluster: &mut Cluster<'_>,
        source: ResourceId,
        table: &mut Work,
        mut work: Work,
        factor: f32,
    ) {
        if work.any_available(cluster) {
            self.lead_on(cluster, source, &mut work, factor);
        } else if self.mode.rollback {
            self.shared.done(work);
            return;
        }
        if self.mode.positive_only {
            for (_, score) in &mut work.0 {
                if *score == UNUSABLE {
                    *score = 1;
                }
            }
        }
        self.shared.done(std::mem::replace(table, work));
    }

    fn lead_on(self, cluster: &mut Cluster<'_>, source: ResourceId, work: &mut Work, factor: f32) {
        let direction = self.mode.direction;
        let next = Merge { mode: Mode { rollback: true, ..self.mode }, ..self };
        for c in lists::effective(cluster, source, direction) {
            if direction == Direction::WithThis && !has_influence(cluster, c, None) {
                continue;
            }
            let other = lists::other(cluster, c, direction);
            let score = cluster.colocation(c).score.value() as f32;
            let factor = factor * score / Score::INFINITY.value() as f32;
            with_stack(|| next.merge(cluster, other, work, c, factor));
        }
    }

    /// Step 3: adds the source's best matching scores.
    fn contribute(
        self,
        cluster: &mut Cluster<'_>,
        source: ResourceId,
        work: &mut Work,
        c: ColocationId,
        factor: f32,
    ) {
        let attribute = cluster.colocation(c).node_attribute.clone();
        let classes = attribute::classes(cluster, &attribute);
        let mut best = self.shared.best.borrow_mut();
        best_by_class(cluster, source, c, &classes, &mut best);
        let mut only_choice = None;
        for (node, score) in &mut work.0 {
            let class = attribute::class_of(cluster, &classes, Some(*node), self.target);
            let wish = best.get(class as usize).copied().flatten().unwrap_or(Score::MINUS_INFINITY);
            if factor < 0.0
                && wish < Score::ZERO
                && !(*only_choice.get_or_insert_with(|| has_only_choice(cluster, c))
                    && cluster.resource(cluster.colocation(c).primary).stickiness < -wish)
            {
                continue;
            }
            if *score == UNUSABLE {
                continue;
            }
            let merged = Score::from(scaled(factor, wish)) + Score::from(*score);
            if self.mode.positive_only && merged < Score::ZERO {
                if *score > 0 {
                    *score = UNUSABLE;
                    continue;
                }
                if *score == 0 {
                    continue;
                }
            }
            *score = merged.value();
        }
    }
}

/// Scales in single precision, rounds half away from zero, and never to nothing.
fn scaled(factor: f32, wish: Score) -> i32 {
    let exact = f64::from(factor * wish.value() as f32);
    let rounded = (if exact < 0.0 { exact - 0.5 } else { exact + 0.5 }) as i32;
    match () {
        _ if rounded != 0 || wish == Score::ZERO => rounded,
        _ if factor > 0.0 => 1,
        _ if factor < 0.0 => -1,
        _ => 0,
    }
}

/// The best score of the source among available nodes, by class of attribute value.
fn best_by_class(
    cluster: &Cluster<'_>,
    source: ResourceId,
    c: ColocationId,
    classes: &[u32],
    best: &mut Vec<Option<Score>>,
) {
    let with_group = with_group_locations(cluster, source, c);
    let table = with_group.as_ref().unwrap_or(&cluster.resource(source).table);
    best.clear();
    for (node, entry) in table.iter() {
        if !cluster.node(node).available() {
            continue;
        }
        let class = attribute::class_of(cluster, classes, Some(node), source) as usize;
        if best.len() <= class {
            best.resize(class + 1, None);
        }
        best[class] = best[class].max(Some(entry.score));
    }
}

/// The table of a later group member with the group's locations, which only the first member got.
fn with_group_locations(
    cluster: &Cluster<'_>,
    source: ResourceId,
    c: ColocationId,
) -> Option<NodeTable> {
    let colocation = cluster.colocation(c);
    let resource = cluster.resource(source);
    let group = resource.parent.map(|p| cluster.resource(p)).filter(|p| p.is_group())?;
    let later = group.children.first() != Some(&source);
    if source != colocation.dependent || !colocation.explicit || !later {
        return None;
    }
    let mut table = resource.table.clone();
    for location in &group.locations {
        let location = cluster.location(*location);
        if location.role != Role::Unknown && location.role != resource.next_role {
            continue;
        }
        for (node, score) in &location.nodes {
            match table.get_mut(*node) {
                Some(entry) => entry.score += *score,
                None => {
                    let base = cluster.base_entry(*node);
                    table.insert(*node, Entry { score: *score, ..base });
                }
            }
        }
    }
    Some(table)
}

/// May two negatives make a positive? Only if the dependent has nowhere else to go.
fn has_only_choice(cluster: &Cluster<'_>, c: ColocationId) -> bool {
    let dependent = cluster.resource(cluster.colocation(c).dependent);
    let allowed = dependent.table.iter().filter(|(_, e)| e.score >= Score::ZERO).count();
    has_influence(cluster, c, None) && allowed == 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scaling_rounds_away_from_zero_and_keeps_a_trace() {
        let cases = [
            (0.001, 200, 1),
            (0.001, 0, 0),
            (-0.0005, 100, -1),
            (0.001, 1500, 2),
            (0.5, 3, 2),
            (-0.5, 3, -2),
            (1.0, 1_000_000, 1_000_000),
            (0.00003, 10, 1),
        ];
        for (factor, wish, expected) in cases {
            assert_eq!(scaled(factor, Score::from(wish)), expected, "{factor} × {wish}");
        }
    }
}
