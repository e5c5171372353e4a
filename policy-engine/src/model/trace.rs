//! Record of score changes, kept only when an explanation was asked for.

use super::ids::{ColocationId, LocationId, NodeId, ResourceId};
use cib_model::Score;

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

/// The record; empty and free of cost unless switched on.
#[derive(Debug, Clone, Default)]
pub struct Trace {
    /// Record at all?
    pub enabled: bool,
    /// Changes in the order in which they happened.
    pub steps: Vec<Step>,
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
}
