//! The `status` section (spec 50 §1.7).

use super::history::HistoryEntry;
use super::reader::{FromAttribute, Reader};
use super::sets::ValueSet;
use crate::document::Element;
use crate::scalar::{parse_boolean, parse_integer};

/// The `status`.
#[derive(Clone, Debug, Default)]
pub struct Status<'d> {
    /// What is known of each node.
    pub nodes: Vec<NodeState<'d>>,
    /// What is known of each ticket.
    pub tickets: Vec<TicketState<'d>>,
}

/// A `node_state`.
#[derive(Clone, Debug)]
pub struct NodeState<'d> {
    /// The element.
    pub element: Element<'d>,
    /// The id of the node; for a remote node its name.
    pub id: &'d str,
    /// The name of the node.
    pub uname: Option<&'d str>,
    /// Whether the node is a member of the messaging layer.
    pub in_ccm: Option<Presence>,
    /// Whether its controller is in the process group.
    pub crmd: Option<Presence>,
    /// How far it came in joining: `down`, `pending`, `member` or `banned`.
    pub join: Option<&'d str>,
    /// What it is expected to be: `member`, `down`, or words that say neither.
    pub expected: Option<&'d str>,
    /// Which part of the software wrote this last.
    pub origin: Option<&'d str>,
    /// Whether it is a remote node.
    pub remote: Option<bool>,
    /// Whether a remote node was fenced.
    pub fenced: Option<&'d str>,
    /// Whether a remote node is in maintenance.
    pub in_maintenance: Option<&'d str>,
    /// Legacy.
    pub ha: Option<&'d str>,
    /// Legacy.
    pub shutdown: Option<&'d str>,
    /// Transient attributes.
    pub attributes: Vec<ValueSet<'d>>,
    /// Transient utilization.
    pub utilization: Vec<ValueSet<'d>>,
    /// What was done with resources on the node.
    pub resources: Vec<ResourceHistory<'d>>,
}

/// Whether, and since when, something is there. Written as a boolean (`online` and `offline` for the
/// controller) before feature set 3.18.0, and as seconds since the epoch from then on.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Presence {
    /// It is not there.
    Absent,
    /// It is there.
    Present,
    /// It is there since this second of the epoch.
    Since(i64),
}

/// An `lrm_resource`: what was done with one resource on one node.
#[derive(Clone, Debug)]
pub struct ResourceHistory<'d> {
    /// The element.
    pub element: Element<'d>,
    /// The id of the resource, as the executor knows it.
    pub id: &'d str,
    /// The standard of its agent.
    pub class: Option<&'d str>,
    /// The provider of its agent.
    pub provider: Option<&'d str>,
    /// The name of its agent.
    pub agent: Option<&'d str>,
    /// The resource that contains it.
    pub container: Option<&'d str>,
    /// Since when it is locked to the node while that is shut down, in seconds since the epoch.
    pub shutdown_lock: Option<i64>,
    /// Results, in no particular order.
    pub entries: Vec<HistoryEntry<'d>>,
}

/// A `ticket_state`.
#[derive(Clone, Debug)]
pub struct TicketState<'d> {
    /// The element.
    pub element: Element<'d>,
    /// The ticket.
    pub id: &'d str,
    /// Whether the cluster has it.
    pub granted: Option<bool>,
    /// Whether it is in standby.
    pub standby: Option<bool>,
    /// When it was granted last, in seconds since the epoch.
    pub last_granted: Option<i64>,
    /// Everything else said of it.
    pub attributes: Vec<(&'d str, &'d str)>,
}

impl Presence {
    /// Whether it is there.
    pub fn is_present(self) -> bool {
        self != Presence::Absent
    }
}

impl FromAttribute for Presence {
    fn read(text: &str) -> Option<Presence> {
        match (parse_boolean(text), text) {
            (Some(true), _) | (None, "online") => Some(Presence::Present),
            (Some(false), _) | (None, "offline") => Some(Presence::Absent),
            (None, number) => match parse_integer(number)? {
                since if since > 0 => Some(Presence::Since(since)),
                _ => Some(Presence::Absent),
            },
        }
    }

    fn accepted() -> String {
        "seconds since the epoch, a boolean, online or offline".to_owned()
    }
}

impl<'d> Status<'d> {
    pub(super) fn read(reader: &mut Reader, element: Element<'d>) -> Status<'d> {
        let states = element.children_named("node_state");
        let nodes = states.map(|state| NodeState::read(reader, state)).collect();
        let tickets = element
            .children_named("tickets")
            .flat_map(|tickets| tickets.children_named("ticket_state"))
            .map(|ticket| TicketState::read(reader, ticket))
            .collect();
        Status { nodes, tickets }
    }
}

impl<'d> NodeState<'d> {
    fn read(reader: &mut Reader, element: Element<'d>) -> NodeState<'d> {
        let mut state = NodeState {
            element,
            id: reader.required(element, "id"),
            uname: element.attribute("uname"),
            in_ccm: reader.value(element, "in_ccm"),
            crmd: reader.value(element, "crmd"),
            join: element.attribute("join"),
            expected: element.attribute("expected"),
            origin: element.attribute("crm-debug-origin"),
            remote: reader.value(element, "remote_node"),
            fenced: element.attribute("node_fenced"),
            in_maintenance: element.attribute("node_in_maintenance"),
            ha: element.attribute("ha"),
            shutdown: element.attribute("shutdown"),
            attributes: Vec::new(),
            utilization: Vec::new(),
            resources: Vec::new(),
        };
        for transient in element.children_named("transient_attributes") {
            state.attributes.extend(ValueSet::read_all(reader, transient, "instance_attributes"));
            state.utilization.extend(ValueSet::read_all(reader, transient, "utilization"));
        }
        let resources = element
            .children_named("lrm")
            .flat_map(|lrm| lrm.children_named("lrm_resources"))
            .flat_map(|resources| resources.children_named("lrm_resource"));
        state.resources.extend(resources.map(|resource| ResourceHistory::read(reader, resource)));
        state
    }
}

impl<'d> ResourceHistory<'d> {
    fn read(reader: &mut Reader, element: Element<'d>) -> ResourceHistory<'d> {
        ResourceHistory {
            element,
            id: reader.required(element, "id"),
            class: element.attribute("class"),
            provider: element.attribute("provider"),
            agent: element.attribute("type"),
            container: element.attribute("container"),
            shutdown_lock: reader.value(element, "shutdown-lock"),
            entries: element
                .children_named("lrm_rsc_op")
                .map(|entry| HistoryEntry::read(reader, entry))
                .collect(),
        }
    }
}

impl<'d> TicketState<'d> {
    fn read(reader: &mut Reader, element: Element<'d>) -> TicketState<'d> {
        let own = |name: &str| matches!(name, "id" | "granted" | "standby" | "last-granted");
        TicketState {
            element,
            id: reader.required(element, "id"),
            granted: reader.value(element, "granted"),
            standby: reader.value(element, "standby"),
            last_granted: reader.value(element, "last-granted"),
            attributes: element.attributes().filter(|&(name, _)| !own(name)).collect(),
        }
    }
}
