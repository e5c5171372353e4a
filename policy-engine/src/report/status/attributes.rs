//! Node attributes, and what connectivity checks say (spec 41 §3.11).

use super::Display;
use crate::model::cluster::Cluster;
use crate::model::ids::NodeId;
use crate::report::text::Entry;

const HIDDEN: [&str; 6] = ["fail-count", "last-failure", "shutdown", "terminate", "standby", "#"];

/// Section "Node Attributes".
pub fn section(cluster: &mut Cluster<'_>, display: &Display) -> Option<Entry> {
    let mut lists = Vec::new();
    for i in 0..cluster.node_order.len() {
        let node = cluster.node_order[i];
        if !cluster.node(node).online {
            continue;
        }
        let items = of_node(cluster, node);
        if !items.is_empty() {
            let name = super::nodes::display_name(cluster, node, display);
            lists.push(Entry::list(format!("Node: {name}"), items));
        }
    }
    (!lists.is_empty()).then(|| Entry::list("Node Attributes", lists))
}

/// Whether listings show an attribute of this name.
pub fn is_shown(name: &str) -> bool {
    !HIDDEN.iter().any(|h| name.starts_with(h))
}

fn of_node(cluster: &mut Cluster<'_>, node: NodeId) -> Vec<Entry> {
    let mut out = Vec::new();
    for (name, value) in cluster.node(node).attributes.clone() {
        if !is_shown(&name) {
            continue;
        }
        let mut text = format!("{name:<32}\t: {value:<10}");
        if let Some(expected) = expected(cluster, node, &name) {
            let number = value.parse::<i64>().unwrap_or(0);
            if number <= 0 {
                text.push_str("\t: Connectivity is lost");
            } else if number < expected {
                text.push_str(&format!("\t: Connectivity is degraded (Expected={expected})"));
            }
        }
        out.push(Entry::item(text));
    }
    out
}

/// What a ping resource active on the node would write when all hosts answer.
pub fn expected(cluster: &mut Cluster<'_>, node: NodeId, attribute: &str) -> Option<i64> {
    for r in cluster.node(node).active.clone() {
        let res = cluster.resource(r);
        if !matches!(res.agent, "ping" | "pingd") {
            continue;
        }
        let parameters = cluster.parameters(r, Some(node));
        if parameters.get("name").unwrap_or("pingd") != attribute {
            continue;
        }
        let hosts = parameters.get("host_list").map_or(0, |l| l.split_whitespace().count());
        let multiplier =
            parameters.get("multiplier").and_then(|m| m.parse::<i64>().ok()).unwrap_or(1);
        return Some(hosts as i64 * multiplier);
    }
    None
}
