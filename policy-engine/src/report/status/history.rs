//! Fail counts and operations per node (spec 41 §3.12).

use super::Display;
use crate::history::status::{lrm_resources, node_states};
use crate::model::cluster::Cluster;
use crate::model::ids::{NodeId, ResourceId};
use crate::report::tables::{date, result_text};
use crate::report::text::Entry;
use cib_model::Element;

/// Section "Migration Summary" or "Operations".
pub fn section(cluster: &mut Cluster<'_>, display: &Display) -> Option<Entry> {
    let mut any = false;
    let mut lists = Vec::new();
    for state in node_states(cluster.document) {
        let node = cluster.find_node(state.attribute("id"), state.attribute("uname"));
        let Some(node) = node.filter(|n| cluster.node(*n).online) else {
            continue;
        };
        any = true;
        let mut items = Vec::new();
        for entry in lrm_resources(state) {
            if let Some(r) = entry.attribute("id").and_then(|id| cluster.find_resource(id)) {
                items.extend(of_resource(cluster, display, node, entry, r));
            }
        }
        if !items.is_empty() {
            let name = super::nodes::display_name(cluster, node, display);
            lists.push(Entry::list(format!("Node: {name}"), items));
        }
    }
    let title = if display.operations { "Operations" } else { "Migration Summary" };
    any.then(|| Entry::list(title, lists))
}

fn of_resource(
    cluster: &mut Cluster<'_>,
    display: &Display,
    node: NodeId,
    entry: Element<'_>,
    r: ResourceId,
) -> Option<Entry> {
    let counted = cluster.fail_count(r, node, true, false, None);
    let res = cluster.resource(r);
    let name = if display.operations {
        res.printable_id()
    } else {
        entry.attribute("id").unwrap_or_default()
    };
    let mut text = format!("{name}: migration-threshold={}", res.migration_threshold.value());
    let count = counted.count;
    if count.value() > 0 {
        let shown =
            if count.value() >= 1_000_000 { "INFINITY".to_owned() } else { count.to_string() };
        text.push_str(&format!(" fail-count={shown}"));
    }
    if counted.last_failure > 0 {
        text.push_str(&format!(" last-failure='{}'", date(counted.last_failure, cluster.now)));
    }
    if !display.operations {
        return (count.value() > 0).then(|| Entry::item(text));
    }
    let operations = operations(cluster, entry, display);
    (!operations.is_empty()).then(|| Entry::list(text, operations))
}

fn operations(cluster: &Cluster<'_>, entry: Element<'_>, display: &Display) -> Vec<Entry> {
    let number = |e: Element<'_>, name: &str| e.attribute(name).and_then(|v| v.parse::<i64>().ok());
    let mut ops: Vec<Element<'_>> = entry.children_named("lrm_rsc_op").collect();
    ops.sort_by_key(|e| (number(*e, "call-id"), number(*e, "last-rc-change")));
    let mut out = Vec::new();
    for e in ops {
        let task = e.attribute("operation").unwrap_or_default();
        let interval = number(e, "interval").unwrap_or(0);
        let rc = number(e, "rc-code").unwrap_or(0) as i32;
        let probe = task == "monitor" && interval == 0;
        if task == "notify" || (probe && rc == 7) {
            continue;
        }
        let shown = if probe { "probe" } else { task };
        let mut text = format!("({}) {shown}", e.attribute("call-id").unwrap_or_default());
        if display.timing {
            text.push(':');
            if interval > 0 {
                text.push_str(&format!(" interval=\"{interval}ms\""));
            }
            if let Some(at) = number(e, "last-rc-change") {
                text.push_str(&format!(" last-rc-change=\"{}\"", date(at, cluster.now)));
            }
            for name in ["exec-time", "queue-time"] {
                if let Some(ms) = e.attribute(name) {
                    text.push_str(&format!(" {name}=\"{ms}ms\""));
                }
            }
            text.push_str(&format!(" rc={rc} ({})", result_text(rc)));
        } else if interval > 0 {
            text.push_str(&format!(": interval=\"{interval}ms\""));
        }
        out.push(Entry::item(text));
    }
    out
}
