//! Ticket states (spec 10 §13.5).

use crate::model::cluster::Cluster;
use crate::model::constraint::Ticket;
use crate::model::ids::TicketId;
use cib_model::Element;
use cib_model::scalar::{is_true, parse_integer};

/// Reads `tickets` of the status section.
pub(super) fn unpack<'d>(cluster: &mut Cluster<'d>, section: Element<'d>) {
    for state in section.children_named("ticket_state") {
        let Some(id) = state.xml_id().filter(|id| !id.is_empty()) else { continue };
        let ticket = ensure(cluster, id);
        let ticket = &mut cluster.tickets[ticket.index()];
        ticket.attributes.extend(state.attributes().filter(|(name, _)| *name != "id"));
        ticket.granted = is_true(state.attribute("granted"));
        ticket.standby = is_true(state.attribute("standby"));
        if let Some(epoch) = state.attribute("last-granted").and_then(parse_integer) {
            ticket.last_granted = epoch;
        }
    }
}

/// The ticket of that id; one not seen before is not granted.
pub(super) fn ensure<'d>(cluster: &mut Cluster<'d>, id: &'d str) -> TicketId {
    if let Some(known) = cluster.ticket_index.get(id) {
        return *known;
    }
    let ticket = TicketId::from(cluster.tickets.len());
    cluster.tickets.push(Ticket {
        id,
        granted: false,
        standby: false,
        last_granted: -1,
        attributes: Vec::new(),
    });
    cluster.ticket_index.insert(id, ticket);
    ticket
}
