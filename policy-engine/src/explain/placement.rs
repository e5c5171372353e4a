//! Why a resource is where it is.

use super::chain::{Chains, Contribution};
use super::promotion::{self, Promotion};
use crate::model::cluster::Cluster;
use crate::model::ids::{NodeId, ResourceId};
use crate::model::node::Node;
use crate::model::options::PlacementStrategy;
use crate::model::resource::Variant;
use crate::model::trace::{Candidate, Choice, Placed};
use cib_model::Score;
use std::collections::BTreeMap;

/// The story of one resource, or instance of one.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Placement {
    /// Full id.
    pub resource: String,
    /// Id without instance number.
    pub base_id: String,
    /// `primitive`, `group`, `clone` or `bundle`.
    pub variant: &'static str,
    /// Ids of its members, instances or parts.
    pub parts: Vec<String>,
    /// Nodes on which it is active now.
    pub active_on: Vec<String>,
    /// Role now.
    pub role: &'static str,
    /// Role wanted.
    pub next_role: &'static str,
    /// Node it shall be on.
    pub assigned: Option<String>,
    /// How that came about.
    pub decision: Decision,
    /// Every node of its table, best first where nodes were compared.
    pub nodes: Vec<NodeStory>,
    /// Why it is promoted, or not, if it is an instance of a promotable clone.
    pub promotion: Option<Promotion>,
}

/// What decided on the node.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub enum Decision {
    /// Nodes were compared; their stories tell.
    Scores,
    /// Its parts are placed, not itself.
    Parts,
    /// It is not managed: it stays where it is.
    Unmanaged,
    /// `stop-all-resources` is on.
    StopAll,
    /// A mandatory colocation found no instance to pair it with.
    NoPartner {
        /// The colocation.
        constraint: String,
    },
    /// There are as many instances as there may be.
    TooManyInstances,
    /// What it is interleaved with does not run on its node.
    InterleavedAway,
    /// Nobody asked where to put it.
    NotPlaced,
}

/// One node in the story of a resource.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct NodeStory {
    /// Node name.
    pub node: String,
    /// What made the score of the last score report; the last one's `after` is that score.
    pub contributions: Vec<Contribution>,
    /// The score of the last score report; none if the resource is never reported (removed ones).
    #[serde(serialize_with = "super::optional_score_as_number")]
    pub reported: Option<Score>,
    /// Where the choice was made on other grounds than the last report tells, the steps in which they
    /// differ: bans for lack of capacity come after it, and a choice that was an attempt comes before.
    pub later: Vec<Contribution>,
    /// The score when the choice was made.
    #[serde(serialize_with = "super::score_as_number")]
    pub score: Score,
    /// What became of the node.
    pub outcome: Outcome,
}

/// What became of a node.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub enum Outcome {
    /// It was chosen.
    Chosen,
    /// It was not, and why.
    Lost(Loss),
    /// Nodes were not compared.
    NotCompared,
}

/// Why a node lost: the first criterion in the order of comparison that told it from the chosen one
/// (spec 20 §5.4, §5.5).
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub enum Loss {
    /// It cannot run anything: why.
    Unavailable(String),
    /// Its score is negative.
    NegativeScore,
    /// Its score is lower.
    LowerScore {
        /// The chosen node's score.
        #[serde(serialize_with = "super::score_as_number")]
        than: Score,
    },
    /// Less capacity is left on it.
    LessCapacity,
    /// More resources are assigned to it.
    HigherLoad {
        /// Its own load.
        load: u32,
        /// The chosen node's load.
        than: u32,
    },
    /// The scores are the same, and the resource stays on its current node.
    NotCurrent,
    /// Everything is the same, and its name comes later.
    LaterName,
    /// The chosen node was to be taken if it is as good as the best one.
    NotPreferred,
}

/// Stories of all resources, collectives before their parts.
pub(super) fn all(cluster: &Cluster<'_>, chains: &Chains<'_>) -> Vec<Placement> {
    let roles = promotion::Roles::of(cluster);
    let teller = Teller { cluster, chains, roles };
    let mut out = Vec::new();
    for top in &cluster.order {
        teller.walk(*top, &mut out);
    }
    out
}

struct Teller<'t, 'd> {
    cluster: &'t Cluster<'d>,
    chains: &'t Chains<'t>,
    roles: promotion::Roles<'t>,
}

impl Teller<'_, '_> {
    fn walk(&self, r: ResourceId, out: &mut Vec<Placement>) {
        out.push(self.placement(r));
        for child in &self.cluster.resource(r).children {
            self.walk(*child, out);
        }
    }

    fn placement(&self, r: ResourceId) -> Placement {
        let c = self.cluster;
        let res = c.resource(r);
        let name = |n: &NodeId| c.node(*n).name.to_string();
        let choice = self.chains.choice(r);
        let end = match choice {
            Some(placed) => placed.at,
            None => self.chains.reported(r).unwrap_or(c.trace.steps.len()),
        };
        Placement {
            resource: res.id.to_string(),
            base_id: res.base_id.to_string(),
            variant: match res.variant {
                Variant::Primitive => "primitive",
                Variant::Group(_) => "group",
                Variant::Clone(_) => "clone",
                Variant::Bundle(_) => "bundle",
            },
            parts: res.children.iter().map(|p| c.resource(*p).id.to_string()).collect(),
            active_on: res.active_on.iter().map(name).collect(),
            role: c.current_role_of(r).name(),
            next_role: c.next_role_of(r).name(),
            assigned: c.assigned_node(r).as_ref().map(name),
            decision: self.decision(r, choice),
            nodes: self.nodes(r, choice, end),
            promotion: self.roles.tell(c, self.chains, r),
        }
    }

    fn decision(&self, r: ResourceId, choice: Option<&Placed>) -> Decision {
        match choice.map(|p| &p.choice) {
            Some(Choice::ByScore { .. }) => Decision::Scores,
            Some(Choice::Unmanaged(_)) => Decision::Unmanaged,
            Some(Choice::StopAll) => Decision::StopAll,
            Some(Choice::NoPartner(c)) => {
                Decision::NoPartner { constraint: self.cluster.colocation(*c).id.to_string() }
            }
            Some(Choice::TooManyInstances) => Decision::TooManyInstances,
            Some(Choice::Given) => Decision::InterleavedAway,
            None if !self.cluster.resource(r).is_primitive() => Decision::Parts,
            None => Decision::NotPlaced,
        }
    }

    fn nodes(&self, r: ResourceId, choice: Option<&Placed>, end: usize) -> Vec<NodeStory> {
        let c = self.cluster;
        let mut outcomes: BTreeMap<NodeId, Outcome> = BTreeMap::new();
        let mut order: Vec<NodeId> = Vec::new();
        if let Some(Choice::ByScore { candidates, preferred, chosen }) = choice.map(|p| &p.choice) {
            let current = c.current_node(r);
            let verdict = Comparison { cluster: c, candidates, preferred: *preferred, current };
            for (rank, candidate) in candidates.iter().enumerate() {
                order.push(candidate.node);
                outcomes.insert(candidate.node, verdict.outcome(rank, candidate, *chosen));
            }
        }
        let known = |n: &&NodeId| self.chains.has(r, **n) && !outcomes.contains_key(n);
        order.extend(c.node_order.iter().filter(known));
        let reported = self.chains.reported(r);
        order
            .into_iter()
            .map(|node| {
                let at = reported.unwrap_or(end);
                let contributions = self.chains.tell(c, r, node, at);
                let mut later = self.chains.tell(c, r, node, end);
                let last = contributions.last().map(|x| x.after);
                let score = later.last().map(|x| x.after).or(last).unwrap_or_default();
                let same = contributions.iter().zip(&later).take_while(|(x, y)| x == y).count();
                later.drain(..same);
                NodeStory {
                    node: c.node(node).name.to_string(),
                    reported: reported.map(|_| last.unwrap_or_default()),
                    contributions,
                    later,
                    score,
                    outcome: outcomes.remove(&node).unwrap_or(Outcome::NotCompared),
                }
            })
            .collect()
    }
}

/// The nodes as they stood against each other.
struct Comparison<'t, 'd> {
    cluster: &'t Cluster<'d>,
    candidates: &'t [Candidate],
    preferred: Option<NodeId>,
    current: Option<NodeId>,
}

impl Comparison<'_, '_> {
    fn outcome(&self, rank: usize, candidate: &Candidate, chosen: Option<NodeId>) -> Outcome {
        if chosen == Some(candidate.node) {
            return Outcome::Chosen;
        }
        let winner = self.candidates.iter().enumerate().find(|(_, w)| Some(w.node) == chosen);
        let strategy = self.cluster.options.placement_strategy;
        let node = self.cluster.node(candidate.node);
        Outcome::Lost(match winner {
            _ if !node.available() => Loss::Unavailable(state(node)),
            _ if candidate.score < Score::ZERO => Loss::NegativeScore,
            None => Loss::NegativeScore,
            Some((_, w)) if candidate.score < w.score => Loss::LowerScore { than: w.score },
            Some((_, w)) if self.preferred == Some(w.node) => Loss::NotPreferred,
            Some((place, w)) if rank < place && self.current == Some(w.node) => Loss::NotCurrent,
            Some((_, w)) if candidate.capacity > w.capacity => Loss::LessCapacity,
            Some((_, w)) if strategy != PlacementStrategy::Minimal && candidate.load > w.load => {
                Loss::HigherLoad { load: candidate.load, than: w.load }
            }
            Some((_, w)) if self.current == Some(w.node) => Loss::NotCurrent,
            Some(_) => Loss::LaterName,
        })
    }
}

/// Why a node is not available.
pub(super) fn state(node: &Node<'_>) -> String {
    let mut words = Vec::new();
    if node.unclean {
        words.push("unclean");
    }
    if !node.online {
        words.push(if node.pending { "joining" } else { "offline" });
    }
    if node.shutdown {
        words.push("shutting down");
    }
    if node.standby {
        words.push(if node.standby_on_fail { "in standby after a failure" } else { "in standby" });
    }
    if node.maintenance {
        words.push("in maintenance");
    }
    words.join(", ")
}
