//! Synthetic events, applied before scheduling (spec 40 §4).

use super::opspec::OperationSpec;
use super::step::Step;
use super::working::{Agent, Recorded, Working, WorkingError};
use crate::model::cluster::Cluster;
use crate::report::text::Entry;

/// What happens to a ticket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub enum TicketChange {
    /// Granted here.
    Grant,
    /// Taken away.
    Revoke,
    /// Put in standby.
    Standby,
    /// Taken out of standby.
    Activate,
}

/// Events to inject; each list is applied in its order, the lists in the order of the fields.
#[derive(Debug, Clone, Default)]
pub struct Injections {
    /// Value for `have-quorum`.
    pub quorum: Option<String>,
    /// Value for the property `have-watchdog`.
    pub watchdog: Option<String>,
    /// Nodes that become full members.
    pub node_up: Vec<String>,
    /// Nodes that leave cleanly.
    pub node_down: Vec<String>,
    /// Nodes that are lost.
    pub node_fail: Vec<String>,
    /// Tickets granted.
    pub ticket_grant: Vec<String>,
    /// Tickets revoked.
    pub ticket_revoke: Vec<String>,
    /// Tickets put in standby.
    pub ticket_standby: Vec<String>,
    /// Tickets activated.
    pub ticket_activate: Vec<String>,
    /// Results that were recorded before.
    pub operations: Vec<String>,
}

impl Injections {
    /// Is anything requested? Quorum alone does not count.
    pub fn any(&self) -> bool {
        self.watchdog.is_some()
            || [
                &self.node_up,
                &self.node_down,
                &self.node_fail,
                &self.ticket_grant,
                &self.ticket_revoke,
                &self.ticket_standby,
                &self.ticket_activate,
                &self.operations,
            ]
            .iter()
            .any(|list| !list.is_empty())
    }
}

/// What injecting produced.
#[derive(Debug, Default)]
pub struct Injected {
    /// Lines for the report.
    pub entries: Vec<Entry>,
    /// Lines for standard error: specifications that were skipped.
    pub skipped: Vec<String>,
}

/// Applies all events but operations to a working CIB.
pub fn apply(working: &mut Working, events: &Injections) -> Result<Injected, WorkingError> {
    let mut out = Injected::default();
    let mut say = |text: String| out.entries.push(Entry::item(text));
    if let Some(quorum) = &events.quorum {
        say(format!("Setting quorum: {quorum}"));
        working.set_root_attribute("have-quorum", quorum);
    }
    if let Some(watchdog) = &events.watchdog {
        say(format!("Setting watchdog: {watchdog}"));
        working.set_property("have-watchdog", watchdog);
    }
    for node in &events.node_up {
        say(format!("Bringing node {node} online"));
        let state = working.node_state(node, None)?;
        working.set_membership(state, ["true", "online", "member", "member"]);
    }
    for node in &events.node_down {
        say(format!("Taking node {node} offline"));
        let state = working.node_state(node, None)?;
        working.set_membership(state, ["false", "offline", "down", "down"]);
        working.forget_node(state);
    }
    for node in &events.node_fail {
        say(format!("Failing node {node}"));
        let state = working.node_state(node, None)?;
        working.set_membership(state, ["false", "online", "member", "member"]);
    }
    for ticket in &events.ticket_grant {
        say(format!("Granting ticket {ticket}"));
        working.set_ticket(ticket, "granted", "true");
    }
    for ticket in &events.ticket_revoke {
        say(format!("Revoking ticket {ticket}"));
        working.set_ticket(ticket, "granted", "false");
    }
    for ticket in &events.ticket_standby {
        say(format!("Making ticket {ticket} standby"));
        working.set_ticket(ticket, "standby", "true");
    }
    for ticket in &events.ticket_activate {
        say(format!("Activating ticket {ticket}"));
        working.set_ticket(ticket, "standby", "false");
    }
    Ok(out)
}

/// Applies injected operations; `cluster` is what was unpacked before any event.
pub fn apply_operations(
    working: &mut Working,
    cluster: &Cluster<'_>,
    events: &Injections,
    out: &mut Injected,
) -> Result<(), WorkingError> {
    events.operations.iter().try_for_each(|spec| inject_operation(working, cluster, spec, out))
}

/// One injected result (spec 40 §4.6).
fn inject_operation(
    working: &mut Working,
    cluster: &Cluster<'_>,
    text: &str,
    out: &mut Injected,
) -> Result<(), WorkingError> {
    out.entries.push(Entry::item(format!("Injecting {text} into the configuration")));
    let spec = match OperationSpec::parse(text) {
        Ok(spec) => spec,
        Err(error) => {
            out.skipped.push(error.to_string());
            return Ok(());
        }
    };
    let Some(r) = cluster.find_resource(&spec.resource) else {
        out.skipped.push(format!("Invalid resource name: {}", spec.resource));
        return Ok(());
    };
    let state = working.node_state(&spec.node, None)?;
    let infinity =
        spec.task == "stop" || (spec.task == "start" && cluster.options.start_failure_is_fatal);
    let (task, interval) = (spec.task.as_str(), spec.interval_ms);
    let counted = working.count_failure(state, &spec.resource, task, interval, spec.rc, infinity);
    let id = working.document().element(state).xml_id().unwrap_or_default().to_owned();
    out.entries.extend(
        counted
            .into_iter()
            .map(|(name, value)| Step::Attribute { name, value, node_id: id.clone() }.entry()),
    );
    let res = cluster.resource(r);
    let agent = Agent { class: res.class, provider: res.provider, agent: res.agent };
    match working.history(state, &spec.resource, &spec.resource, Some(agent)) {
        Ok(history) => working.record(
            history,
            &Recorded {
                resource: &spec.resource,
                task,
                interval_ms: interval,
                rc: spec.rc,
                target_rc: 0,
                exit_reason: "Simulated action result",
                node: &spec.node,
                parameters: None,
            },
        ),
        Err(error) => out.skipped.push(error.to_string()),
    }
    Ok(())
}
