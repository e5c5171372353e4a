//! The steps that lead to one entry of a node table.

use super::source::{self, Source};
use crate::model::cluster::Cluster;
use crate::model::ids::{NodeId, ResourceId};
use crate::model::trace::{Cause, Placed, Step};
use cib_model::Score;

/// One change of a score.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Contribution {
    /// Score before; none for the first one, which makes the entry.
    #[serde(serialize_with = "super::optional_score_as_number")]
    pub before: Option<Score>,
    /// Score after.
    #[serde(serialize_with = "super::score_as_number")]
    pub after: Score,
    /// Where it comes from.
    pub source: Source,
}

impl Contribution {
    /// What it adds; for entries set to something, the distance.
    pub fn change(&self) -> i64 {
        i64::from(self.after.value()) - i64::from(self.before.map_or(0, Score::value))
    }
}

/// What was noted, by resource.
pub(super) struct Chains<'t> {
    by_resource: Vec<Vec<(usize, &'t Step)>>,
    reports: Vec<Option<usize>>,
    choices: Vec<Option<&'t Placed>>,
}

impl<'t> Chains<'t> {
    pub fn of(cluster: &'t Cluster<'_>) -> Chains<'t> {
        let mut by_resource = vec![Vec::new(); cluster.resources.len()];
        for (at, step) in cluster.trace.steps.iter().enumerate() {
            by_resource[step.resource.index()].push((at, step));
        }
        let mut reports = vec![None; cluster.resources.len()];
        for report in &cluster.trace.reports {
            reports[report.resource.index()] = Some(report.at);
        }
        let mut choices = vec![None; cluster.resources.len()];
        for placed in &cluster.trace.placed {
            choices[placed.resource.index()] = Some(placed);
        }
        Chains { by_resource, reports, choices }
    }

    /// How many steps there were when the resource's table was reported last.
    pub fn reported(&self, r: ResourceId) -> Option<usize> {
        self.reports[r.index()]
    }

    /// The last choice of a node for the resource.
    pub fn choice(&self, r: ResourceId) -> Option<&'t Placed> {
        self.choices[r.index()]
    }

    /// The step that ruled a node out, as of a step.
    pub fn ban(&self, r: ResourceId, node: NodeId, at: usize) -> Option<&'t Step> {
        let bans =
            |step: &Step| step.after == Score::MINUS_INFINITY && step.before != Some(step.after);
        self.steps(r, node, at).into_iter().map(|(_, step)| step).rfind(|step| bans(step))
    }

    /// Was the node ever in the resource's table?
    pub fn has(&self, r: ResourceId, node: NodeId) -> bool {
        self.by_resource[r.index()].iter().any(|(_, step)| step.node == node)
    }

    /// The steps of an entry in the range that matter: what was taken back is gone, what changed
    /// nothing is told only where a ban could also have come from somewhere else.
    fn steps(&self, r: ResourceId, node: NodeId, upto: usize) -> Vec<(usize, &'t Step)> {
        let mut out: Vec<(usize, &Step)> = Vec::new();
        for (at, step) in &self.by_resource[r.index()] {
            if *at >= upto {
                break;
            }
            if step.node != node {
                continue;
            }
            if step.before.is_none() {
                out.clear();
            }
            if step.cause == Cause::Undone {
                while out.last().is_some_and(|(_, last)| last.after != step.after) {
                    out.pop();
                }
                if out.is_empty() {
                    out.push((*at, step));
                }
                continue;
            }
            let banned_again = step.after == Score::MINUS_INFINITY
                && out.iter().all(|(_, earlier)| earlier.cause != step.cause);
            if step.before != Some(step.after) || banned_again {
                out.push((*at, step));
            }
        }
        out
    }

    /// Contributions to an entry as of a step.
    pub fn tell(
        &self,
        cluster: &Cluster<'_>,
        r: ResourceId,
        node: NodeId,
        at: usize,
    ) -> Vec<Contribution> {
        self.steps(r, node, at)
            .iter()
            .map(|(_, step)| Contribution {
                before: step.before,
                after: step.after,
                source: source::of_step(cluster, step.cause, r, node),
            })
            .collect()
    }
}
