//! Where a change of a score comes from, in the words of the configuration.

use crate::model::cluster::Cluster;
use crate::model::ids::{ColocationId, LocationId, NodeId, ResourceId};
use crate::model::role::Role;
use crate::model::trace::{Cause, RankCause};

/// Origin of a contribution.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Source {
    /// Kind of origin, as one word: `location`, `colocation`, `stickiness`, ...
    pub kind: &'static str,
    /// Id of the constraint (or rule) it comes from; implicit ones start with `#`.
    pub constraint: Option<String>,
    /// For people.
    pub text: String,
}

fn plain(kind: &'static str, text: impl Into<String>) -> Source {
    Source { kind, constraint: None, text: text.into() }
}

fn role_suffix(role: Role) -> String {
    if role == Role::Unknown { String::new() } else { format!(" in role {role}") }
}

fn location(cluster: &Cluster<'_>, id: LocationId) -> Source {
    let l = cluster.location(id);
    let of = &cluster.resource(l.resource).id;
    Source {
        kind: "location",
        constraint: Some(l.id.to_string()),
        text: format!("location of {of}{}", role_suffix(l.role)),
    }
}

fn colocation(cluster: &Cluster<'_>, id: ColocationId, as_dependent: bool) -> Source {
    let c = cluster.colocation(id);
    let name =
        |r: ResourceId, role: Role| format!("{}{}", cluster.resource(r).id, role_suffix(role));
    let (dependent, primary) =
        (name(c.dependent, c.dependent_role), name(c.primary, c.primary_role));
    let by = match &*c.node_attribute {
        "#uname" => String::new(),
        attribute => format!(" by {attribute}"),
    };
    let text = if as_dependent {
        format!("colocation of {dependent} with {primary}{by}, score {}", c.score)
    } else {
        format!(
            "what {dependent} and those behind it wish, through its colocation with {primary}{by}, score {}",
            c.score
        )
    };
    Source { kind: "colocation", constraint: Some(c.id.to_string()), text }
}

/// The origin of a table step.
pub fn of_step(cluster: &Cluster<'_>, cause: Cause, r: ResourceId, node: NodeId) -> Source {
    let id = &cluster.resource(r).id;
    let name = &cluster.node(node).name;
    match cause {
        Cause::Symmetric => plain("symmetric", "every node is allowed, at the node's own score"),
        Cause::Location(l) => location(cluster, l),
        Cause::Stickiness => plain("stickiness", format!("resource-stickiness: active on {name}")),
        Cause::NotManaged => plain("unmanaged", format!("unmanaged and active on {name}")),
        Cause::ColocationWith(c) => colocation(cluster, c, true),
        Cause::DependentPreference(c) => colocation(cluster, c, false),
        Cause::FailLimit => {
            plain("failures", format!("migration-threshold reached by failures on {name}"))
        }
        Cause::Failure => plain("failures", format!("a recorded failure bans {id} from {name}")),
        Cause::MaskedProbe => plain("failures", format!("a probe on {name} failed for good")),
        Cause::Ticket => plain("ticket", "a ticket is missing or in standby"),
        Cause::ShutdownLock => plain("shutdown-lock", "locked to a node that was shut down"),
        Cause::Discovery => plain("discovery", "exclusive discovery on other nodes"),
        Cause::Removed => plain("removed", "no longer configured"),
        Cause::TargetRole => plain("target-role", "shall be stopped"),
        Cause::Nesting => plain("nesting", "may not run on such a node"),
        Cause::Utilization => plain("utilization", format!("{name} has not the capacity")),
        Cause::InstanceLimit => {
            plain("instances", "no further instance is allowed on the node, or in all")
        }
        Cause::Promotion => plain("promotion", format!("promotion score on {name}")),
        Cause::Bundle => plain("bundle", "rules for parts of bundles"),
        Cause::Undone => plain("undone", "an attempt was taken back"),
    }
}

/// The origin of a step of an instance's priority.
pub fn of_rank(cluster: &Cluster<'_>, cause: RankCause, instance: ResourceId) -> Source {
    let id = &cluster.resource(instance).id;
    match cause {
        RankCause::Attribute => plain(
            "promotion",
            "promotion score set by the agent (-1: none, the score of its members for a group)",
        ),
        RankCause::TargetRole => plain("target-role", format!("{id} may not be promoted")),
        RankCause::MustPromote => plain("target-role", format!("{id} has to be promoted")),
        RankCause::NoNode => plain("placement", format!("{id} has no node")),
        RankCause::Location(l) => location(cluster, l),
        RankCause::Colocation(c) => colocation(cluster, c, true),
        RankCause::CloneTable => plain("clone", "with the score of the whole clone on the node"),
    }
}
