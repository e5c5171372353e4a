//! Constraints as placement and ordering use them.

use super::ids::{ActionId, NodeId, ResourceId};
use super::role::Role;
use super::table::ProbeMode;
use super::task::Key;
use cib_model::Score;
use std::borrow::Cow;

/// A location constraint: nodes with scores for one resource (spec 10 §13.2).
#[derive(Debug, Clone)]
pub struct Location<'d> {
    /// Constraint id, or the rule's id, or the health strategy.
    pub id: Cow<'d, str>,
    /// The resource.
    pub resource: ResourceId,
    /// Role filter: `Unknown` (none), `Stopped` or `Promoted`.
    pub role: Role,
    /// Discovery mode.
    pub probe: ProbeMode,
    /// Nodes and scores, in the order in which they are applied.
    pub nodes: Vec<(NodeId, Score)>,
}

/// A colocation (spec 20 §6.1).
#[derive(Debug, Clone)]
pub struct Colocation<'d> {
    /// Constraint or set id, or the name of an implicit rule (`#group-members`, ...).
    pub id: Cow<'d, str>,
    /// Follows.
    pub dependent: ResourceId,
    /// Leads.
    pub primary: ResourceId,
    /// How strongly.
    pub score: Score,
    /// Filter on the dependent's role; `Unknown` none.
    pub dependent_role: Role,
    /// Filter on the primary's role; `Unknown` none.
    pub primary_role: Role,
    /// Node attribute; `#uname` by default.
    pub node_attribute: Cow<'d, str>,
    /// Influence flag as configured or defaulted (spec 20 §6.7 has the rest).
    pub influence: bool,
    /// From the configuration.
    pub explicit: bool,
}

impl Colocation<'_> {
    /// Score of at least +INFINITY or at most -INFINITY.
    pub fn is_mandatory(&self) -> bool {
        self.score >= Score::INFINITY || self.score <= Score::MINUS_INFINITY
    }
}

/// One side of a deferred relation: a key of a resource, or an action.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Action(s) of the resource with this key.
    Key(ResourceId, Key),
    /// This action.
    Action(ActionId),
}

/// A relation recorded before its actions exist (spec 30 §18).
#[derive(Debug, Clone, Copy)]
pub struct Deferred {
    /// Earlier side.
    pub first: End,
    /// Later side.
    pub then: End,
    /// [`super::action::Order`] bits.
    pub flags: super::action::Order,
}

/// A ticket's state (spec 10 §13.5).
#[derive(Debug, Clone)]
pub struct Ticket<'d> {
    /// Id.
    pub id: &'d str,
    /// Granted.
    pub granted: bool,
    /// In standby.
    pub standby: bool,
    /// `last-granted` epoch, -1 never.
    pub last_granted: i64,
    /// All attributes of the state entry, in document order, for listings.
    pub attributes: Vec<(&'d str, &'d str)>,
}
