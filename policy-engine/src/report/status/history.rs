//! Fail counts and operations per node (spec 41 §3.12).

use super::Display;
use crate::history::status::{lrm_resources, node_states};
use crate::model::cluster::Cluster;
use crate::model::ids::{NodeId, ResourceId};
use crate::report::monitor::{NodeHistory, PastOperation, ResourceHistory};
use crate::report::selection::Selection;
use crate::report::tables::{date, result_text};
use crate::report::text::Entry;
use cib_model::Element;

/// Section "Migration Summary" or "Operations".
pub fn section(
    cluster: &mut Cluster<'_>,
    display: &Display,
    selection: &Selection,
) -> Option<Entry> {
    let mut any = false;
    let mut lists = Vec::new();
    for state in node_states(cluster.document) {
        let node = cluster.find_node(state.attribute("id"), state.attribute("uname"));
        let Some(node) = node.filter(|n| cluster.node(*n).online && selection.has_node(*n)) else {
            continue;
        };
        any = true;
        let mut items = Vec::new();
        for entry in lrm_resources(state) {
            let r = entry.attribute("id").and_then(|id| cluster.find_resource(id));
            if let Some(r) = r.filter(|r| selection.has_resource(*r)) {
                items.extend(entry_of(cluster, display, node, entry, r));
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

/// All operations that are recorded, as data.
pub fn recorded(cluster: &mut Cluster<'_>, selection: &Selection) -> Vec<NodeHistory> {
    let mut out = Vec::new();
    for state in node_states(cluster.document) {
        let node = cluster.find_node(state.attribute("id"), state.attribute("uname"));
        let shown = |n: &NodeId| cluster.node(*n).online && selection.has_node(*n);
        let Some(node) = node.filter(shown) else { continue };
        let mut resources = Vec::new();
        for entry in lrm_resources(state) {
            let r = entry.attribute("id").and_then(|id| cluster.find_resource(id));
            if let Some(r) = r.filter(|r| selection.has_resource(*r)) {
                resources.push(of_resource(cluster, node, entry, r));
            }
        }
        resources.retain(|resource| !resource.operations.is_empty());
        if !resources.is_empty() {
            out.push(NodeHistory { node: cluster.node(node).name.to_string(), resources });
        }
    }
    out
}

fn of_resource(
    cluster: &mut Cluster<'_>,
    node: NodeId,
    entry: Element<'_>,
    r: ResourceId,
) -> ResourceHistory {
    let counted = cluster.fail_count(r, node, true, false, None);
    let res = cluster.resource(r);
    let count = counted.count;
    let text = if count.value() >= 1_000_000 { "INFINITY".to_owned() } else { count.to_string() };
    ResourceHistory {
        id: res.printable_id().to_owned(),
        removed: res.flags.removed,
        migration_threshold: res.migration_threshold.value(),
        fail_count: (count.value() > 0).then_some(text),
        last_failure: (counted.last_failure > 0).then_some(counted.last_failure),
        operations: operations(entry),
    }
}

fn entry_of(
    cluster: &mut Cluster<'_>,
    display: &Display,
    node: NodeId,
    entry: Element<'_>,
    r: ResourceId,
) -> Option<Entry> {
    let history = of_resource(cluster, node, entry, r);
    let name = match display.operations {
        true => history.id.as_str(),
        false => entry.attribute("id").unwrap_or_default(),
    };
    let mut text = format!("{name}: migration-threshold={}", history.migration_threshold);
    if let Some(count) = &history.fail_count {
        text.push_str(&format!(" fail-count={count}"));
    }
    if let Some(at) = history.last_failure {
        text.push_str(&format!(" last-failure='{}'", date(at, cluster.now)));
    }
    if !display.operations {
        return history.fail_count.is_some().then(|| Entry::item(text));
    }
    let items: Vec<Entry> =
        history.operations.iter().map(|o| Entry::item(line(cluster, o, display))).collect();
    (!items.is_empty()).then(|| Entry::list(text, items))
}

fn operations(entry: Element<'_>) -> Vec<PastOperation> {
    let number = |e: Element<'_>, name: &str| e.attribute(name).and_then(|v| v.parse::<i64>().ok());
    let mut elements: Vec<Element<'_>> = entry.children_named("lrm_rsc_op").collect();
    elements.sort_by_key(|e| (number(*e, "call-id"), number(*e, "last-rc-change")));
    let mut out = Vec::new();
    for e in elements {
        let task = e.attribute("operation").unwrap_or_default();
        let interval = number(e, "interval").unwrap_or(0);
        let exit_code = number(e, "rc-code").unwrap_or(0) as i32;
        let probe = task == "monitor" && interval == 0;
        if task == "notify" || (probe && exit_code == 7) {
            continue;
        }
        let text = |name| e.attribute(name).map(str::to_owned);
        out.push(PastOperation {
            call: text("call-id").unwrap_or_default(),
            task: if probe { "probe" } else { task }.to_owned(),
            exit_code,
            interval_ms: (interval > 0).then_some(interval),
            last_rc_change: number(e, "last-rc-change"),
            exec_ms: text("exec-time"),
            queue_ms: text("queue-time"),
        });
    }
    out
}

fn line(cluster: &Cluster<'_>, operation: &PastOperation, display: &Display) -> String {
    let mut text = format!("({}) {}", operation.call, operation.task);
    let interval = operation.interval_ms.map(|ms| format!(" interval=\"{ms}ms\""));
    if !display.timing {
        return text + &interval.map(|interval| format!(":{interval}")).unwrap_or_default();
    }
    text.push(':');
    text.push_str(&interval.unwrap_or_default());
    if let Some(at) = operation.last_rc_change {
        text.push_str(&format!(" last-rc-change=\"{}\"", date(at, cluster.now)));
    }
    for (name, ms) in [("exec-time", &operation.exec_ms), ("queue-time", &operation.queue_ms)] {
        if let Some(ms) = ms {
            text.push_str(&format!(" {name}=\"{ms}ms\""));
        }
    }
    let rc = operation.exit_code;
    text + &format!(" rc={rc} ({})", result_text(rc))
}
