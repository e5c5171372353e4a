//! What came of a scenario.

use super::scenario::Scenario;
use crate::simulate::{Ending, Overload, Place, Places, Simulation};
use serde::Serialize;

/// The result of one scenario.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Outcome {
    /// What failed.
    pub scenario: Scenario,
    /// How it ended: at rest, in a loop, at a bound.
    pub ending: Ending,
    /// Transitions executed.
    pub transitions: usize,
    /// Actions executed.
    pub actions: usize,
    /// Nodes fenced, in order.
    pub fenced: Vec<String>,
    /// Resources that ran before and run nowhere at the end.
    pub lost: Vec<String>,
    /// Resources with fewer active instances than before.
    pub fewer: Vec<Fewer>,
    /// Resources that were promoted somewhere and are nowhere at the end.
    pub unpromoted: Vec<String>,
    /// Resources that are not where they were, in the role they had, with where they are at the end.
    /// What is not listed is as in the baseline.
    pub moved: Vec<Move>,
    /// Nodes over capacity at the end that were not before.
    pub overloaded: Vec<Overload>,
    /// Resources that may still be active on a lost node that was not fenced.
    pub uncertain: Vec<String>,
    /// Events that could not happen and operations that could not be executed.
    pub skipped: Vec<String>,
}

/// A resource with fewer active instances than before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fewer {
    /// The resource.
    pub resource: String,
    /// Instances before.
    pub before: usize,
    /// Instances at the end.
    pub after: usize,
}

/// A resource that is not as it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Move {
    /// The resource.
    pub resource: String,
    /// Where it was active, in which role.
    pub before: Vec<Place>,
    /// Where it is at the end.
    pub after: Vec<Place>,
    /// It left a node that stayed up, without failing itself.
    pub needless: bool,
}

impl Outcome {
    pub(super) fn of(scenario: Scenario, simulation: &Simulation) -> Outcome {
        let (before, after) = (&simulation.before, &simulation.after);
        let mut out = Outcome {
            ending: simulation.ending.clone(),
            transitions: simulation.rounds.len(),
            actions: simulation.rounds.iter().map(|r| r.actions).sum(),
            fenced: fenced(simulation),
            lost: Vec::new(),
            fewer: Vec::new(),
            unpromoted: Vec::new(),
            moved: Vec::new(),
            overloaded: Vec::new(),
            uncertain: after.uncertain.keys().cloned().collect(),
            skipped: simulation.skipped.clone(),
            scenario,
        };
        let known = |o: &&Overload| {
            before.overloaded.iter().all(|b| b.node != o.node || b.attribute != o.attribute)
        };
        out.overloaded = after.overloaded.iter().filter(known).cloned().collect();
        out.compare(before, after);
        out
    }

    fn compare(&mut self, before: &Places, after: &Places) {
        let failed: Vec<String> = self.scenario.resources().map(str::to_owned).collect();
        for (resource, was) in &before.running {
            let is = after.running.get(resource).map_or(&[][..], Vec::as_slice);
            if was.as_slice() == is {
                continue;
            }
            if is.is_empty() {
                self.lost.push(resource.clone());
            } else if is.len() < was.len() {
                let (before, after) = (was.len(), is.len());
                self.fewer.push(Fewer { resource: resource.clone(), before, after });
            }
            let promoted = |places: &[Place]| places.iter().any(|p| p.role == "Promoted");
            if promoted(was) && !promoted(is) {
                self.unpromoted.push(resource.clone());
            }
            let left =
                |p: &Place| after.up.contains(&p.node) && is.iter().all(|now| now.node != p.node);
            let needless = !is.is_empty() && !failed.contains(resource) && was.iter().any(left);
            self.moved.push(Move {
                resource: resource.clone(),
                before: was.clone(),
                after: is.to_vec(),
                needless,
            });
        }
    }

    /// Moves that did not have to be.
    pub fn needless(&self) -> impl Iterator<Item = &Move> {
        self.moved.iter().filter(|m| m.needless)
    }

    /// It came to rest, nothing is lost or uncertain, no node is overloaded.
    pub fn is_harmless(&self) -> bool {
        self.ending == Ending::Stable
            && self.lost.is_empty()
            && self.uncertain.is_empty()
            && self.overloaded.is_empty()
            && self.unpromoted.is_empty()
    }
}

fn fenced(simulation: &Simulation) -> Vec<String> {
    use crate::simulate::Step;
    let mut out: Vec<String> = Vec::new();
    for step in simulation.rounds.iter().flat_map(|r| &r.steps) {
        match step {
            Step::Fencing { target, op } if op != "on" && !out.contains(target) => {
                out.push(target.clone());
            }
            _ => {}
        }
    }
    out
}
