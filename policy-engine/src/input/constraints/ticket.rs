//! Ticket constraints, which take effect at once (spec 10 §13.5).

use super::references::{Reference, Side};
use super::role_filter;
use crate::input::tickets;
use crate::model::cluster::{Cluster, Level};
use crate::model::ids::{ResourceId, TicketId};
use crate::model::resource::TicketDependency;
use crate::model::role::Role;
use crate::model::trace::Cause;
use cib_model::{Element, Score};

/// What happens to resources whose ticket is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LossPolicy {
    Stop,
    Demote,
    Fence,
    Freeze,
}

/// Reads one `rsc_ticket`.
pub(super) fn unpack<'d>(cluster: &mut Cluster<'d>, constraint: Element<'d>) {
    let id = constraint.xml_id().unwrap_or_default();
    let Some(name) = constraint.attribute("ticket").filter(|t| !t.is_empty()) else {
        return ignored(cluster, id, "it names no ticket");
    };
    let ticket = tickets::ensure(cluster, name);
    if constraint.child("resource_set").is_some() {
        for set in cluster.resource_sets(constraint) {
            let role = set.attribute("role");
            if !all_depend(cluster, constraint, ticket, role, &set.members) {
                return;
            }
        }
        return;
    }
    let rsc = constraint.attribute("rsc").unwrap_or_default();
    let side = Side { names: "rsc", detail: "rsc-role", set_detail: "role" };
    match cluster.reference(rsc) {
        Some(Reference::Resource(resource)) => {
            depend(cluster, constraint, ticket, constraint.attribute("rsc-role"), resource);
        }
        Some(reference) => {
            let set = cluster.side_as_set(constraint, side, &reference);
            all_depend(cluster, constraint, ticket, set.attribute("role"), &set.members);
        }
        None => ignored(cluster, id, &format!("'{rsc}' is not a valid resource or tag")),
    }
}

fn ignored(cluster: &mut Cluster<'_>, id: &str, because: &str) {
    cluster.message(Level::Error, format!("Ignoring constraint '{id}' because {because}"));
}

/// False if a member does not exist, which ends the constraint.
fn all_depend<'d>(
    cluster: &mut Cluster<'d>,
    constraint: Element<'d>,
    ticket: TicketId,
    role: Option<&str>,
    members: &[std::borrow::Cow<'d, str>],
) -> bool {
    for member in members {
        match cluster.constrained_resource(member) {
            Some(resource) => depend(cluster, constraint, ticket, role, resource),
            None => {
                let id = constraint.xml_id().unwrap_or_default();
                ignored(cluster, id, &format!("'{member}' is not a valid resource or tag"));
                return false;
            }
        }
    }
    true
}

fn loss_policy(cluster: &mut Cluster<'_>, constraint: Element<'_>, role: Role) -> LossPolicy {
    let text = constraint.attribute("loss-policy").unwrap_or_default().to_ascii_lowercase();
    match text.as_str() {
        "fence" if cluster.options.fencing_enabled => LossPolicy::Fence,
        "fence" => {
            let id = constraint.xml_id().unwrap_or_default();
            let text = format!(
                "Resetting 'loss-policy' of '{id}' to 'stop' because fencing is not configured"
            );
            cluster.message(Level::Error, text);
            LossPolicy::Stop
        }
        "freeze" => LossPolicy::Freeze,
        "demote" => LossPolicy::Demote,
        "stop" => LossPolicy::Stop,
        _ if role == Role::Promoted => LossPolicy::Demote,
        _ => LossPolicy::Stop,
    }
}

fn depend<'d>(
    cluster: &mut Cluster<'d>,
    constraint: Element<'d>,
    ticket: TicketId,
    role: Option<&str>,
    resource: ResourceId,
) {
    let Some(role) = role_filter(role) else {
        let id = constraint.xml_id().unwrap_or_default();
        return ignored(cluster, id, "its role is invalid");
    };
    let policy = loss_policy(cluster, constraint, role);
    cluster.resource_mut(resource).tickets.insert(0, TicketDependency { ticket, role });
    let state = &cluster.tickets[ticket.index()];
    let (granted, standby) = (state.granted, state.standby);
    if granted && !standby {
        return;
    }
    for leaf in cluster.leaves(resource) {
        if granted || cluster.resource(leaf).active_on.is_empty() {
            if role != Role::Promoted || policy == LossPolicy::Stop {
                ban(cluster, leaf);
            }
        } else {
            lose(cluster, leaf, role, policy);
        }
    }
}

fn ban(cluster: &mut Cluster<'_>, leaf: ResourceId) {
    cluster.add_score_everywhere(leaf, Score::MINUS_INFINITY, Cause::Ticket);
}

/// The ticket of an active resource is lost.
fn lose(cluster: &mut Cluster<'_>, leaf: ResourceId, role: Role, policy: LossPolicy) {
    let concerned = role == Role::Unknown || role == cluster.resource(leaf).current_role;
    match policy {
        LossPolicy::Stop => ban(cluster, leaf),
        LossPolicy::Demote if role != Role::Promoted => ban(cluster, leaf),
        LossPolicy::Fence if concerned => {
            ban(cluster, leaf);
            for node in cluster.resource(leaf).active_on.clone() {
                cluster.mark_for_fencing(node, "deadman ticket was lost", false);
            }
        }
        LossPolicy::Freeze if concerned => {
            let flags = &mut cluster.resource_mut(leaf).flags;
            flags.managed = false;
            flags.blocked = true;
        }
        LossPolicy::Demote | LossPolicy::Fence | LossPolicy::Freeze => {}
    }
}

#[cfg(test)]
mod tests {
    use crate::input::fixture::{self, cib};

    #[test]
    fn a_missing_ticket_keeps_inactive_resources_down() {
        let resources = "<primitive id='p' class='ocf' provider='p' type='t'/>";
        let nodes = "<node id='1' uname='n'/>";
        let state = |granted: &str, standby: &str| {
            format!(
                "<tickets><ticket_state id='T' granted='{granted}' standby='{standby}'/></tickets>"
            )
        };
        let cases = [
            (String::new(), "", "-INFINITY"),
            (String::new(), "rsc-role='Promoted'", "0"),
            (String::new(), "rsc-role='Promoted' loss-policy='stop'", "-INFINITY"),
            (String::new(), "rsc-role='junk'", "0"),
            (state("true", "false"), "", "0"),
            (state("true", "true"), "", "-INFINITY"),
        ];
        for (status, more, expected) in cases {
            let constraint = format!("<rsc_ticket id='t' rsc='p' ticket='T' {more}/>");
            fixture::with(&cib("", "", nodes, resources, &constraint, &status), |c| {
                crate::input::constraints(c);
                let p = c.resource(c.find_resource("p").unwrap());
                let score = p.table.get(c.node_order[0]).unwrap().score;
                assert_eq!(score.to_string(), expected, "{status} {more}");
            });
        }
    }
}
