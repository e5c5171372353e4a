//! Failed operations (spec 41 §3.13).

use super::{Display, probe};
use crate::model::cluster::{Cluster, FailedOperation};
use crate::report::tables::{date, duration_text, execution_text, result_text};
use crate::report::text::Entry;
use cib_model::Element;

/// Section "Failed Resource Actions".
pub fn section(cluster: &Cluster<'_>, display: &Display) -> Option<Entry> {
    let items: Vec<Entry> = shown(cluster)
        .map(|f| {
            let text =
                if display.failed_detail { technical(cluster, f) } else { friendly(cluster, f) };
            Entry::item(text)
        })
        .collect();
    (!items.is_empty()).then(|| Entry::list("Failed Resource Actions", items))
}

/// Failures to be listed: of online nodes, without masked probes.
pub fn shown<'a, 'd>(
    cluster: &'a Cluster<'d>,
) -> impl Iterator<Item = &'a FailedOperation<'d>> + use<'a, 'd> {
    cluster
        .failed_operations
        .iter()
        .filter(|f| cluster.node(f.node).online && !probe::is_masked(f.element))
}

fn number(element: Element<'_>, name: &str) -> Option<i64> {
    element.attribute(name).and_then(|v| v.parse().ok())
}

fn technical(cluster: &Cluster<'_>, f: &FailedOperation<'_>) -> String {
    let e = f.element;
    let key =
        e.attribute("operation_key").or_else(|| e.attribute("id")).unwrap_or("unknown operation");
    let rc = number(e, "rc-code").unwrap_or(0) as i32;
    let status = number(e, "op-status").unwrap_or(0) as i32;
    let mut out = format!(
        "{key} on {} '{}' ({rc}): call={}, status='{}'",
        cluster.node(f.node).name,
        result_text(rc),
        e.attribute("call-id").unwrap_or("unknown"),
        execution_text(status)
    );
    if let Some(reason) = e.attribute("exit-reason").filter(|r| !r.is_empty()) {
        out.push_str(&format!(", exitreason='{reason}'"));
    }
    if let Some(at) = number(e, "last-rc-change").filter(|at| *at > 0) {
        out.push_str(&format!(", last-rc-change='{}'", date(at, cluster.now)));
        for (name, label) in [("queue-time", "queued"), ("exec-time", "exec")] {
            if let Some(ms) = e.attribute(name) {
                out.push_str(&format!(", {label}={ms}ms"));
            }
        }
    }
    out
}

fn friendly(cluster: &Cluster<'_>, f: &FailedOperation<'_>) -> String {
    let e = f.element;
    let interval = number(e, "interval").unwrap_or(0).max(0) as u64;
    let task = e.attribute("operation").unwrap_or("unknown action");
    let shown = if task == "monitor" && interval == 0 { "probe" } else { task };
    let recurring =
        if interval > 0 { format!("{}-interval ", duration_text(interval)) } else { String::new() };
    let mut out = format!(
        "{} {recurring}{shown} on {} ",
        cluster.resource(f.resource).printable_id(),
        cluster.node(f.node).name
    );
    let reason = e.attribute("exit-reason").filter(|r| !r.is_empty());
    let status = number(e, "op-status").unwrap_or(0) as i32;
    if status == 0 {
        let rc = number(e, "rc-code").unwrap_or(0) as i32;
        out.push_str(&format!("returned '{}'", result_text(rc)));
        if let Some(reason) = reason {
            out.push_str(&format!(" ({reason})"));
        }
    } else {
        out.push_str(&format!("could not be executed ({}", execution_text(status)));
        if let Some(reason) = reason {
            out.push_str(&format!(": {reason}"));
        }
        out.push(')');
    }
    if let Some(at) = number(e, "last-rc-change").filter(|at| *at > 0) {
        out.push_str(&format!(" at {}", date(at, cluster.now)));
    }
    if let Some(ms) = number(e, "exec-time").filter(|ms| *ms > 0) {
        out.push_str(&format!(" after {}", duration_text(ms as u64)));
    }
    out
}
