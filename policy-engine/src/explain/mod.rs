//! Why things are as a plan has them: where every score comes from, why the chosen node won, and what
//! leads to every action.
//!
//! Ask for it with [`Options::explain`](crate::Options), then [`Plan::explain`](crate::Plan::explain) with
//! a resource, an action key, or an action number. What comes back is data (it serialises) and prints
//! itself as text.
//!
//! ```
//! use cib_model::{DateTime, Document};
//! use policy_engine::{Options, explain::Outcome, plan};
//!
//! let cib = Document::parse(r#"<cib have-quorum="1" dc-uuid="1"><configuration>
//!   <crm_config><cluster_property_set id="o">
//!     <nvpair id="o1" name="fencing-enabled" value="false"/>
//!   </cluster_property_set></crm_config>
//!   <nodes><node id="1" uname="alpha"/><node id="2" uname="beta"/></nodes>
//!   <resources><primitive id="web" class="ocf" provider="pacemaker" type="Dummy"/></resources>
//!   <constraints><rsc_location id="likes-beta" rsc="web" node="beta" score="100"/></constraints>
//! </configuration><status>
//!   <node_state id="1" uname="alpha" in_ccm="true" crmd="online" join="member" expected="member"/>
//!   <node_state id="2" uname="beta" in_ccm="true" crmd="online" join="member" expected="member"/>
//! </status></cib>"#)?;
//! let options = Options { explain: true, ..Options::default() };
//! let plan = plan(&cib, DateTime::from_epoch(1_790_000_000, 0), &options);
//!
//! let why = plan.explain("web").expect("web is configured");
//! let beta = why.placements[0].nodes.iter().find(|n| n.node == "beta").unwrap();
//! assert_eq!(beta.outcome, Outcome::Chosen);
//! let by_constraint = beta.contributions.iter().find(|c| c.source.constraint.is_some()).unwrap();
//! assert_eq!(by_constraint.source.constraint.as_deref(), Some("likes-beta"));
//! assert_eq!(by_constraint.after.value(), 100);
//!
//! let why = plan.explain("web_start_0").expect("it has to be started");
//! assert!(why.to_string().contains("web is not active"));
//! # Ok::<(), cib_model::ParseError>(())
//! ```

mod causes;
mod chain;
mod find;
mod placement;
mod promotion;
mod roots;
mod source;
mod text;

pub use causes::{ActionStory, Because, Kind, Standing, Wait};
pub use chain::Contribution;
pub use find::{ExplainError, Explanation};
pub use placement::{Decision, Loss, NodeStory, Outcome, Placement};
pub use promotion::{Promotion, RankContribution, Verdict};
pub use source::Source;

use crate::model::cluster::Cluster;
use chain::Chains;

/// Everything that can be told about a plan; independent of the run it comes from.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct Record {
    /// Every resource, collectives before their parts.
    pub placements: Vec<Placement>,
    /// Every action, by number.
    pub actions: Vec<ActionStory>,
}

impl Record {
    /// Takes down what a scheduled cluster's trace tells.
    pub(crate) fn of(cluster: &Cluster<'_>) -> Record {
        let chains = Chains::of(cluster);
        let placements = placement::all(cluster, &chains);
        let actions = causes::all(cluster, &chains);
        Record { placements, actions }
    }
}

/// Scores as numbers, ±1000000 standing for ±INFINITY.
fn score_as_number<S: serde::Serializer>(
    score: &cib_model::Score,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.serialize_i32(score.value())
}

/// The same where there may be none.
fn optional_score_as_number<S: serde::Serializer>(
    score: &Option<cib_model::Score>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serde::Serialize::serialize(&score.map(cib_model::Score::value), serializer)
}
