//! Record of what decided, kept only when an explanation was asked for: score changes, choices of nodes
//! and roles, and what made actions required or impossible.

use super::action::{ActionFlags, Order};
use super::ids::{ActionId, ColocationId, LocationId, NodeId, ResourceId};
use super::score_line::AssignStage;
use cib_model::Score;
use foldhash::HashMap;
use std::ops::Range;

/// Why a score changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// Entry created from the node's base score in a symmetric cluster.
    Symmetric,
    /// A location constraint (health included).
    Location(LocationId),
    /// `resource-stickiness` on the active node.
    Stickiness,
    /// Unmanaged resources stay where they are.
    NotManaged,
    /// A colocation, this resource being the dependent.
    ColocationWith(ColocationId),
    /// A colocation, this resource being the primary that considers its dependents.
    DependentPreference(ColocationId),
    /// Fail count reached `migration-threshold`.
    FailLimit,
    /// A recorded failure bans the node (failed stop, hard error, `on-fail`).
    Failure,
    /// A probe result that was masked bans the node.
    MaskedProbe,
    /// A ticket.
    Ticket,
    /// Shutdown lock to another node.
    ShutdownLock,
    /// Exclusive discovery elsewhere.
    Discovery,
    /// Removed from the configuration.
    Removed,
    /// `target-role=Stopped` or another reason to be stopped.
    TargetRole,
    /// May not run on Pacemaker Remote nodes, or only inside its launcher's guest.
    Nesting,
    /// The node lacks capacity.
    Utilization,
    /// Clone limits: instances per node, in all, or the clone is not allowed there.
    InstanceLimit,
    /// Promotion score.
    Promotion,
    /// Bundle replica rules.
    Bundle,
    /// An attempt to place the resource was taken back.
    Undone,
}

/// One change.
#[derive(Debug, Clone, Copy)]
pub struct Step {
    /// Whose table.
    pub resource: ResourceId,
    /// Which node.
    pub node: NodeId,
    /// Score before; `None` when the entry was made.
    pub before: Option<Score>,
    /// Score after.
    pub after: Score,
    /// Why.
    pub cause: Cause,
}

/// A table was reported.
#[derive(Debug, Clone, Copy)]
pub struct Report {
    /// Whose.
    pub resource: ResourceId,
    /// At which stage.
    pub stage: AssignStage,
    /// How many steps there were by then.
    pub at: usize,
}

/// A node as it stood when a choice was made.
#[derive(Debug, Clone, Copy)]
pub struct Candidate {
    /// Which.
    pub node: NodeId,
    /// Score in the table.
    pub score: Score,
    /// Primitives assigned to it by then.
    pub load: u32,
    /// Rank by remaining capacity, 0 most; all 0 where capacity does not decide between nodes.
    pub capacity: u32,
}

/// What placed a primitive, or kept it from being placed.
#[derive(Debug, Clone)]
pub enum Choice {
    /// The best node of the table, best first.
    ByScore {
        /// Nodes in order of preference.
        candidates: Vec<Candidate>,
        /// Node that was to be taken if as good as the best.
        preferred: Option<NodeId>,
        /// The outcome.
        chosen: Option<NodeId>,
    },
    /// It is unmanaged and stays.
    Unmanaged(Option<NodeId>),
    /// `stop-all-resources`.
    StopAll,
    /// No partner that a mandatory colocation could pair it with.
    NoPartner(ColocationId),
    /// There are as many instances as there may be.
    TooManyInstances,
    /// What it must be interleaved with runs nowhere.
    Given,
}

/// One choice of a node.
#[derive(Debug, Clone)]
pub struct Placed {
    /// Of what.
    pub resource: ResourceId,
    /// How.
    pub choice: Choice,
    /// How many steps there were by then.
    pub at: usize,
}

/// Why an instance's priority for promotion changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RankCause {
    /// Promotion score the agent set on the node, -1 if it set none.
    Attribute,
    /// It has to be stopped or unpromoted.
    TargetRole,
    /// It has to be promoted.
    MustPromote,
    /// It has no node.
    NoNode,
    /// A location constraint for the promoted role.
    Location(LocationId),
    /// A colocation of roles.
    Colocation(ColocationId),
    /// The clone's own score on the node, to which the priority was added (steps of its table tell
    /// the parts).
    CloneTable,
}

/// One change of an instance's priority.
#[derive(Debug, Clone, Copy)]
pub struct RankStep {
    /// Which instance.
    pub instance: ResourceId,
    /// Priority after.
    pub after: Score,
    /// Why.
    pub cause: RankCause,
}

/// Why an instance is not promoted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// Priority below 0.
    Priority,
    /// `promoted-max` is reached.
    PromotedMax,
    /// `promoted-node-max` is reached on its node.
    PromotedNodeMax,
    /// It has no node, or the node is not available.
    Node,
    /// It is unmanaged and was not promoted before.
    Unmanaged,
    /// Without quorum nothing is promoted (`no-quorum-policy=freeze`).
    Frozen,
}

/// Outcome for one instance, in order of decision.
#[derive(Debug, Clone, Copy)]
pub struct RoleChoice {
    /// Which instance.
    pub instance: ResourceId,
    /// Its node.
    pub node: Option<NodeId>,
    /// Its score as reported.
    pub score: Score,
    /// Promoted, or why not.
    pub outcome: Result<(), Refusal>,
    /// How many table steps there were by then.
    pub at: usize,
}

/// What became of an action.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Became {
    /// Needed.
    Required,
    /// Not needed any more.
    Optional,
    /// Possible.
    Runnable,
    /// Impossible.
    Unrunnable,
    /// Part of the graph though not needed.
    Forced,
}

/// What made it so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// A relation with another action.
    Relation(ActionId, Order),
    /// An action of a part of the collective.
    Part(ActionId),
    /// A mandatory colocation with a resource that cannot start.
    Colocation(ResourceId),
}

/// One change of an action.
#[derive(Debug, Clone, Copy)]
pub struct Change {
    /// Which.
    pub action: ActionId,
    /// To what.
    pub became: Became,
    /// Why.
    pub by: By,
}

/// The record; empty and free of cost unless switched on.
#[derive(Debug, Clone, Default)]
pub struct Trace {
    /// Record at all?
    pub enabled: bool,
    /// Changes in the order in which they happened.
    pub steps: Vec<Step>,
    /// Reported tables.
    pub reports: Vec<Report>,
    /// Choices of nodes.
    pub placed: Vec<Placed>,
    /// Changes of priorities for promotion.
    pub ranks: Vec<RankStep>,
    /// Choices of roles.
    pub roles: Vec<RoleChoice>,
    /// Changes of actions.
    pub changes: Vec<Change>,
    /// Deferred relations made by a configured ordering, with its id.
    pub orderings: Vec<(Range<usize>, String)>,
    /// Resources that run with another definition, with the history entry that tells.
    pub redefined: HashMap<ResourceId, String>,
    /// Resources whose migration was begun and is not continued.
    pub abandoned: Vec<ResourceId>,
    /// The deferred relation a relation was made from.
    pub relations: HashMap<(ActionId, ActionId), usize>,
}

impl Trace {
    /// Notes one change.
    pub fn note(
        &mut self,
        resource: ResourceId,
        node: NodeId,
        before: Option<Score>,
        after: Score,
        cause: Cause,
    ) {
        if self.enabled {
            self.steps.push(Step { resource, node, before, after, cause });
        }
    }

    /// Forgets what was noted of a table that is emptied.
    pub fn forget(&mut self, resource: ResourceId) {
        if self.enabled {
            self.steps.retain(|step| step.resource != resource);
        }
    }

    /// Notes that a table was reported.
    pub fn reported(&mut self, resource: ResourceId, stage: AssignStage) {
        if self.enabled {
            let at = self.steps.len();
            self.reports.push(Report { resource, stage, at });
        }
    }

    /// Notes how a node was chosen.
    pub fn chose(&mut self, resource: ResourceId, choice: impl FnOnce() -> Choice) {
        if self.enabled {
            let at = self.steps.len();
            self.placed.push(Placed { resource, choice: choice(), at });
        }
    }

    /// Notes a change of an instance's priority for promotion.
    pub fn ranked(&mut self, instance: ResourceId, after: Score, cause: RankCause) {
        if self.enabled {
            self.ranks.push(RankStep { instance, after, cause });
        }
    }

    /// Notes whether an instance is promoted.
    pub fn role(
        &mut self,
        instance: ResourceId,
        node: Option<NodeId>,
        score: Score,
        outcome: Result<(), Refusal>,
    ) {
        if self.enabled {
            let at = self.steps.len();
            self.roles.push(RoleChoice { instance, node, score, outcome, at });
        }
    }

    /// Notes what changed at an action.
    pub fn acted(&mut self, action: ActionId, before: ActionFlags, after: ActionFlags, by: By) {
        if !self.enabled || before == after {
            return;
        }
        let mut note = |became| self.changes.push(Change { action, became, by });
        match (before.optional, after.optional) {
            (true, false) => note(Became::Required),
            (false, true) => note(Became::Optional),
            _ => {}
        }
        match (before.runnable, after.runnable) {
            (true, false) => note(Became::Unrunnable),
            (false, true) => note(Became::Runnable),
            _ => {}
        }
        if !before.forced && after.forced {
            note(Became::Forced);
        }
    }

    /// Notes which deferred relations a configured ordering made.
    pub fn ordered(&mut self, deferred: Range<usize>, constraint: Option<&str>) {
        if self.enabled && !deferred.is_empty() {
            self.orderings.push((deferred, constraint.unwrap_or_default().to_owned()));
        }
    }

    /// Notes that a resource runs with another definition than the configured one.
    pub fn redefines(&mut self, resource: ResourceId, entry: Option<&str>) {
        if self.enabled {
            let entry = entry.unwrap_or_default().to_owned();
            self.redefined.entry(resource).or_insert(entry);
        }
    }

    /// Notes that a migration that was begun is not continued.
    pub fn abandons(&mut self, resource: ResourceId) {
        if self.enabled {
            self.abandoned.push(resource);
        }
    }

    /// Notes which deferred relation a relation was made from.
    pub fn related(&mut self, first: ActionId, then: ActionId, deferred: usize) {
        if self.enabled {
            self.relations.entry((first, then)).or_insert(deferred);
        }
    }
}
