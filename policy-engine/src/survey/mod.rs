//! What would happen if: every failure, and every pair of failures, simulated from the current state to
//! the stable end.
//!
//! A [`Survey`] says what shall fail; [`survey()`] runs it. To run scenarios in parallel, or to show
//! progress, prepare a [`Surveyor`] and call [`Surveyor::run`] for each of its scenarios from as many
//! threads as there are cores.
//!
//! ```
//! use cib_model::{DateTime, Document};
//! use policy_engine::simulate::Ending;
//! use policy_engine::survey::{Survey, survey};
//!
//! let cib = Document::parse(r#"<cib have-quorum="1" dc-uuid="1"><configuration>
//!   <crm_config/>
//!   <nodes><node id="1" uname="alpha"/><node id="2" uname="beta"/><node id="3" uname="gamma"/></nodes>
//!   <resources>
//!     <primitive id="fence" class="stonith" type="fence_dummy"/>
//!     <primitive id="web" class="ocf" provider="pacemaker" type="Dummy"/>
//!   </resources>
//!   <constraints><rsc_location id="not-gamma" rsc="web" node="gamma" score="-INFINITY"/></constraints>
//! </configuration><status>
//!   <node_state id="1" uname="alpha" in_ccm="true" crmd="online" join="member" expected="member"/>
//!   <node_state id="2" uname="beta" in_ccm="true" crmd="online" join="member" expected="member"/>
//!   <node_state id="3" uname="gamma" in_ccm="true" crmd="online" join="member" expected="member"/>
//! </status></cib>"#)?;
//! let report = survey(&cib, DateTime::from_epoch(1_700_000_000, 0), &Survey::default());
//!
//! assert_eq!(report.outcomes.len(), 6, "three nodes, three pairs");
//! for outcome in &report.outcomes {
//!     let nodes = outcome.scenario.faults.len();
//!     assert_eq!(outcome.lost.contains(&"web".to_owned()), nodes == 2, "quorum is lost with two");
//!     assert_eq!(outcome.ending, Ending::Stable);
//! }
//! # Ok::<(), cib_model::ParseError>(())
//! ```

mod outcome;
mod scenario;

pub use outcome::{Fewer, Move, Outcome};
pub use scenario::{Depth, Fault, QuorumRule, Scenario, Survey};

use crate::model::cluster::Switches;
use crate::schedule::unpack;
use crate::simulate::{Ending, Places, Simulation, Working, run_story, simulate};
use cib_model::{DateTime, Document};
use serde::Serialize;
use std::sync::Arc;

/// What a survey found.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// The state everything starts from: the current one, after what the cluster would do anyway.
    pub baseline: Places,
    /// How the cluster gets there.
    pub baseline_ending: Ending,
    /// Actions it takes to get there: 0 for a cluster at rest.
    pub baseline_actions: usize,
    /// One entry per scenario, none left out: single failures first.
    pub outcomes: Vec<Outcome>,
}

/// Runs all scenarios of a survey, one after the other.
pub fn survey(document: &Document, now: DateTime, survey: &Survey) -> Report {
    let surveyor = Surveyor::prepare(document, now, survey);
    let outcomes = surveyor.scenarios().iter().map(|s| surveyor.run(s)).collect();
    surveyor.report(outcomes)
}

/// A survey ready to run; may be shared among threads.
#[derive(Debug)]
pub struct Surveyor {
    baseline: Simulation,
    /// The baseline's end, indexed: every scenario starts from a copy.
    working: Working,
    scenarios: Vec<Scenario>,
    survey: Survey,
    now: DateTime,
}

impl Surveyor {
    /// Brings the cluster to rest, and lists what shall fail.
    pub fn prepare(document: &Document, now: DateTime, survey: &Survey) -> Surveyor {
        let baseline = simulate(document, &[], now, &survey.bounds);
        let scenarios = {
            let generated = crate::input::generate(&baseline.cib);
            let cluster = unpack(&baseline.cib, &generated, now, Switches::default());
            scenario::all(&cluster, survey)
        };
        let working = Working::new(Arc::clone(&baseline.cib), now.epoch());
        Surveyor { baseline, working, scenarios, survey: survey.clone(), now }
    }

    /// What fails, scenario by scenario.
    pub fn scenarios(&self) -> &[Scenario] {
        &self.scenarios
    }

    /// Simulates one scenario.
    pub fn run(&self, scenario: &Scenario) -> Outcome {
        let (working, before) = (self.working.clone(), self.baseline.after.clone());
        let bounds = &self.survey.bounds;
        let simulation = run_story(working, before, &scenario.events(), self.now, bounds);
        Outcome::of(scenario.clone(), &simulation)
    }

    /// Puts outcomes together; they have to be in the order of [`scenarios`](Self::scenarios).
    pub fn report(&self, outcomes: Vec<Outcome>) -> Report {
        Report {
            baseline: self.baseline.after.clone(),
            baseline_ending: self.baseline.ending.clone(),
            baseline_actions: self.baseline.rounds.iter().map(|r| r.actions).sum(),
            outcomes,
        }
    }
}
