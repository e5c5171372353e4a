//! The status for programs: XML and JSON (spec 41 §9.5).

use cib_model::{Document, ElementId};
use policy_engine::report::monitor::{Monitored, NodeAttribute, PastOperation};
use policy_engine::report::snapshot::{PrimitiveStatus, ResourceStatus, Snapshot};
use policy_engine::report::tables::{date, execution_text, result_text};
use policy_engine::report::xml;

use super::sections::Section;
use super::summary::{attribute, option};
use super::{Look, View, fencing};
use crate::tools::crm_resource::leaves;
use crate::tools::output::Output;
use crate::tools::source;

fn word(yes: bool) -> &'static str {
    if yes { "true" } else { "false" }
}

/// Writes the status as XML.
pub fn write(view: &View, look: &Look, out: &mut Output) {
    let mut document = Document::new("crm_mon");
    let root = document.root_id();
    summary(view, look, &mut document, root);
    let mut status = Document::new("status");
    let top = status.root_id();
    if view.display.by_node {
        by_node(&look.monitored.snapshot, &mut status, top);
    } else {
        xml::snapshot(&mut status, top, &look.monitored.snapshot);
    }
    for (name, section) in [("nodes", Section::Nodes), ("resources", Section::Resources)] {
        if let Some(part) = status.root().child(name).filter(|_| view.sections.has(section)) {
            document.copy_subtree(root, part);
        }
    }
    details(view, look, &mut document, root);
    for part in document.root().children() {
        // A summary of nothing is left out.
        if part.name() != "summary" || part.children().next().is_some() {
            out.element(part);
        }
    }
}

/// Nodes with what runs there, then what is not active in all its parts.
fn by_node(snapshot: &Snapshot, out: &mut Document, parent: ElementId) {
    let primitives: Vec<&PrimitiveStatus> = snapshot.resources.iter().flat_map(leaves).collect();
    let nodes = xml::element(out, parent, "nodes", &[]);
    for node in &snapshot.nodes {
        let made = xml::node(out, nodes, node);
        for id in &node.running {
            if let Some(found) = primitives.iter().find(|p| p.facts.id == *id) {
                xml::resource(out, made, &ResourceStatus::Primitive((*found).clone()));
            }
        }
    }
    let resources = xml::element(out, parent, "resources", &[]);
    for resource in &snapshot.resources {
        if !leaves(resource).iter().all(|primitive| primitive.active) {
            xml::resource(out, resources, resource);
        }
    }
}

fn summary(view: &View, look: &Look, out: &mut Document, root: ElementId) {
    let shows = |section| view.sections.has(section);
    let facts = &look.monitored.facts;
    let summary = xml::element(out, root, "summary", &[]);
    if shows(Section::Stack) {
        let stack = option(&look.cib, "cluster-infrastructure").unwrap_or("unknown");
        let mut attributes = vec![("type", stack)];
        attributes.extend(look.supervisor.as_deref().map(|state| ("pacemakerd-state", state)));
        xml::element(out, summary, "stack", &attributes);
    }
    if shows(Section::Dc) || facts.dc.is_none() {
        let version = option(&look.cib, "dc-version").unwrap_or_default();
        let attributes = match &facts.dc {
            Some(dc) => vec![
                ("present", "true"),
                ("version", version),
                ("name", dc.name.as_str()),
                ("id", &dc.id),
                ("with_quorum", word(facts.quorate)),
                ("mixed_version", word(facts.mixed_version)),
            ],
            None => vec![("present", "false")],
        };
        xml::element(out, summary, "current_dc", &attributes);
    }
    if shows(Section::Times) {
        let now = source::now();
        let time = date(now.epoch(), now);
        let mut attributes = vec![("time", time.as_str())];
        attributes.extend(look.local.as_deref().map(|node| ("origin", node)));
        xml::element(out, summary, "last_update", &attributes);
        let change = [
            ("time", attribute(&look.cib, "cib-last-written")),
            ("user", attribute(&look.cib, "update-user")),
            ("client", attribute(&look.cib, "update-client")),
            ("origin", attribute(&look.cib, "update-origin")),
        ];
        xml::element(out, summary, "last_change", &change);
    }
    if shows(Section::Counts) {
        xml::element(out, summary, "nodes_configured", &[("number", &facts.nodes.to_string())]);
        let counts =
            [facts.instances, facts.disabled, facts.blocked].map(|count| count.to_string());
        let [number, disabled, blocked] = &counts;
        let attributes =
            [("number", number.as_str()), ("disabled", disabled), ("blocked", blocked)];
        xml::element(out, summary, "resources_configured", &attributes);
    }
    if shows(Section::Options) {
        options(look, out, summary);
    }
}

fn options(look: &Look, out: &mut Document, summary: ElementId) {
    let facts = &look.monitored.facts;
    let timeout =
        cib_model::scalar::parse_interval_ms(&facts.fencing_timeout).unwrap_or(60_000).to_string();
    let delay = facts.priority_fencing_delay_ms.to_string();
    let fencing = word(facts.fencing_enabled);
    let attributes = [
        ("fencing-enabled", fencing),
        ("fencing-timeout-ms", timeout.as_str()),
        ("symmetric-cluster", word(facts.symmetric)),
        ("no-quorum-policy", facts.no_quorum_policy),
        ("maintenance-mode", word(facts.maintenance_mode)),
        ("stop-all-resources", word(facts.stop_all_resources)),
        ("priority-fencing-delay-ms", &delay),
        ("stonith-enabled", fencing),
        ("stonith-timeout-ms", &timeout),
    ];
    xml::element(out, summary, "cluster_options", &attributes);
}

fn details(view: &View, look: &Look, out: &mut Document, root: ElementId) {
    let seen = &look.monitored;
    let shows = |section| view.sections.has(section);
    let details = &seen.details;
    if shows(Section::Attributes) && !details.node_attributes.is_empty() {
        let list = xml::element(out, root, "node_attributes", &[]);
        for (node, attributes) in &details.node_attributes {
            let node = xml::element(out, list, "node", &[("name", node)]);
            for NodeAttribute { name, value, expected } in attributes {
                let expected = expected.map(|expected| expected.to_string());
                let mut attributes = vec![("name", name.as_str()), ("value", value)];
                attributes.extend(expected.as_deref().map(|expected| ("expected", expected)));
                xml::element(out, node, "attribute", &attributes);
            }
        }
    }
    if (shows(Section::Operations) || shows(Section::FailCounts)) && !details.histories.is_empty() {
        histories(seen, shows(Section::Operations), out, root);
    }
    if shows(Section::Failures) && !details.failures.is_empty() {
        failures(seen, out, root);
    }
    fencing::write(view, look, out, root);
    if shows(Section::Tickets) && !details.tickets.is_empty() {
        let list = xml::element(out, root, "tickets", &[]);
        for ticket in &details.tickets {
            let status = if ticket.granted { "granted" } else { "revoked" };
            let mut attributes = vec![
                ("id", ticket.id.as_str()),
                ("status", status),
                ("standby", word(ticket.standby)),
            ];
            let granted = date(ticket.last_granted, source::now());
            attributes
                .extend((ticket.last_granted >= 0).then_some(("last-granted", granted.as_str())));
            xml::element(out, list, "ticket", &attributes);
        }
    }
    if shows(Section::Bans) && !details.bans.is_empty() {
        let list = xml::element(out, root, "bans", &[]);
        for ban in &details.bans {
            let attributes = [
                ("id", ban.id.as_str()),
                ("resource", &ban.resource),
                ("node", &ban.node),
                ("weight", &ban.weight.to_string()),
                ("promoted-only", word(ban.promoted_only)),
                ("master_only", word(ban.promoted_only)),
            ];
            xml::element(out, list, "ban", &attributes);
        }
    }
}

fn histories(seen: &Monitored, operations: bool, out: &mut Document, root: ElementId) {
    let list = xml::element(out, root, "node_history", &[]);
    for history in &seen.details.histories {
        let node = xml::element(out, list, "node", &[("name", &history.node)]);
        let shown = history.resources.iter();
        for resource in shown.filter(|resource| operations || resource.fail_count.is_some()) {
            let threshold = resource.migration_threshold.to_string();
            let failed = resource.last_failure.map(|at| date(at, source::now()));
            let removed = word(resource.removed);
            let mut attributes = vec![
                ("id", resource.id.as_str()),
                ("orphan", removed),
                ("removed", removed),
                ("migration-threshold", &threshold),
            ];
            attributes.extend(resource.fail_count.as_deref().map(|count| ("fail-count", count)));
            attributes.extend(failed.as_deref().map(|failed| ("last-failure", failed)));
            let made = xml::element(out, node, "resource_history", &attributes);
            if operations {
                resource.operations.iter().for_each(|operation| past(operation, out, made));
            }
        }
    }
}

fn past(operation: &PastOperation, out: &mut Document, parent: ElementId) {
    let code = operation.exit_code.to_string();
    let milliseconds = |ms: Option<&str>| ms.map(|ms| format!("{ms}ms"));
    let changed = operation.last_rc_change.map(|at| date(at, source::now()));
    let interval = milliseconds(operation.interval_ms.map(|ms| ms.to_string()).as_deref());
    let (exec, queue) =
        (milliseconds(operation.exec_ms.as_deref()), milliseconds(operation.queue_ms.as_deref()));
    let mut attributes = vec![
        ("call", operation.call.as_str()),
        ("task", &operation.task),
        ("rc", &code),
        ("rc_text", result_text(operation.exit_code)),
    ];
    for (name, value) in [
        ("interval", &interval),
        ("last-rc-change", &changed),
        ("exec-time", &exec),
        ("queue-time", &queue),
    ] {
        attributes.extend(value.as_deref().map(|value| (name, value)));
    }
    xml::element(out, parent, "operation_history", &attributes);
}

fn failures(seen: &Monitored, out: &mut Document, root: ElementId) {
    let list = xml::element(out, root, "failures", &[]);
    for failure in &seen.details.failures {
        let changed = failure.last_rc_change.map(written);
        let (code, interval) = (failure.exit_code.to_string(), &failure.interval);
        let mut attributes = vec![
            ("op_key", failure.op_key.as_str()),
            ("node", &failure.node),
            ("exitstatus", result_text(failure.exit_code)),
            ("exitreason", failure.exit_reason.as_deref().unwrap_or("none")),
            ("exitcode", &code),
            ("call", &failure.call),
            ("status", execution_text(failure.status)),
        ];
        if let Some(changed) = &changed {
            attributes.extend([
                ("last-rc-change", changed.as_str()),
                ("queued", failure.queued.as_deref().unwrap_or("0")),
                ("exec", failure.exec.as_deref().unwrap_or("0")),
                ("interval", interval),
                ("task", &failure.task),
            ]);
        }
        xml::element(out, list, "failure", &attributes);
    }
}

/// `YYYY-MM-DD hh:mm:ss ±hh:mm` in local time.
fn written(epoch: i64) -> String {
    let Ok(at) = jiff::Timestamp::from_second(epoch) else { return epoch.to_string() };
    at.to_zoned(jiff::tz::TimeZone::system()).strftime("%Y-%m-%d %H:%M:%S %:z").to_string()
}

/// The status as JSON.
pub fn json(view: &View, look: &Look) -> String {
    let shows = |section| view.sections.has(section);
    let seen = &look.monitored;
    let mut status = serde_json::json!({
        "stack": option(&look.cib, "cluster-infrastructure").unwrap_or("unknown"),
        "supervisor": look.supervisor,
        "dc_version": option(&look.cib, "dc-version"),
        "last_written": attribute(&look.cib, "cib-last-written"),
        "summary": seen.facts,
        "details": seen.details,
    });
    if let Some(status) = status.as_object_mut() {
        if look.supervisor.is_some() {
            status.insert("fencing".to_owned(), fencing::json(view, look));
        }
        if shows(Section::Nodes) {
            status.insert("nodes".to_owned(), serde_json::json!(seen.snapshot.nodes));
        }
        if shows(Section::Resources) {
            status.insert("resources".to_owned(), serde_json::json!(seen.snapshot.resources));
        }
    }
    format!("{status:#}\n")
}
