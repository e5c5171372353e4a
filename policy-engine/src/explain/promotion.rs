//! Why an instance is promoted, or not.

use super::chain::{Chains, Contribution};
use super::source::{self, Source};
use crate::model::cluster::Cluster;
use crate::model::ids::ResourceId;
use crate::model::trace::{RankCause, RankStep, Refusal, RoleChoice};
use cib_model::Score;

/// The story of an instance's role.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Promotion {
    /// Node on which it would be promoted.
    pub node: Option<String>,
    /// Steps of its own priority; the last one's `after` is the reported promotion score, unless it
    /// comes from the clone's table.
    pub priority: Vec<RankContribution>,
    /// Steps of the clone's score on the node, if that is what counts: the priority is one of them, and
    /// the last one's `after` is the promotion score.
    pub clone: Vec<Contribution>,
    /// The promotion score as reported.
    #[serde(serialize_with = "super::score_as_number")]
    pub score: Score,
    /// Promoted, or why not.
    pub verdict: Verdict,
}

/// One step of a priority.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct RankContribution {
    /// Priority after.
    #[serde(serialize_with = "super::score_as_number")]
    pub after: Score,
    /// Where it comes from.
    pub source: Source,
}

/// Outcome of the choice of roles.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub enum Verdict {
    /// It is promoted.
    Promoted,
    /// Its score is negative.
    NegativeScore,
    /// Instances with higher scores make up `promoted-max`.
    PromotedMax,
    /// Instances with higher scores make up `promoted-node-max` on its node.
    PromotedNodeMax,
    /// It has no node, or its node cannot run anything.
    NoNode,
    /// It is unmanaged and was not promoted before.
    Unmanaged,
    /// Without quorum nothing is promoted.
    Frozen,
}

impl Verdict {
    fn of(outcome: Result<(), Refusal>) -> Verdict {
        match outcome {
            Ok(()) => Verdict::Promoted,
            Err(Refusal::Priority) => Verdict::NegativeScore,
            Err(Refusal::PromotedMax) => Verdict::PromotedMax,
            Err(Refusal::PromotedNodeMax) => Verdict::PromotedNodeMax,
            Err(Refusal::Node) => Verdict::NoNode,
            Err(Refusal::Unmanaged) => Verdict::Unmanaged,
            Err(Refusal::Frozen) => Verdict::Frozen,
        }
    }
}

/// Choices of roles by instance.
pub(super) struct Roles<'t> {
    choices: Vec<Option<&'t RoleChoice>>,
    steps: Vec<Vec<&'t RankStep>>,
}

impl<'t> Roles<'t> {
    pub fn of(cluster: &'t Cluster<'_>) -> Roles<'t> {
        let mut choices = vec![None; cluster.resources.len()];
        for choice in &cluster.trace.roles {
            choices[choice.instance.index()] = Some(choice);
        }
        let mut steps = vec![Vec::new(); cluster.resources.len()];
        for step in &cluster.trace.ranks {
            steps[step.instance.index()].push(step);
        }
        Roles { choices, steps }
    }

    pub fn tell(
        &self,
        cluster: &Cluster<'_>,
        chains: &Chains<'_>,
        r: ResourceId,
    ) -> Option<Promotion> {
        let choice = self.choices[r.index()]?;
        let steps = &self.steps[r.index()];
        let by_clone = steps.last().is_some_and(|s| s.cause == RankCause::CloneTable);
        let priority = steps
            .iter()
            .map(|step| RankContribution {
                after: step.after,
                source: source::of_rank(cluster, step.cause, r),
            })
            .collect();
        let clone = match (cluster.resource(r).parent, choice.node) {
            (Some(clone), Some(node)) if by_clone => chains.tell(cluster, clone, node, choice.at),
            _ => Vec::new(),
        };
        Some(Promotion {
            node: choice.node.map(|n| cluster.node(n).name.to_string()),
            priority,
            clone,
            score: choice.score,
            verdict: Verdict::of(choice.outcome),
        })
    }
}
