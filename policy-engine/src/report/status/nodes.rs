//! The node list (spec 41 §3.1).

use super::Display;
use super::primitive;
use crate::model::cluster::Cluster;
use crate::model::ids::NodeId;
use crate::model::node::{Node, NodeKind};
use crate::model::options::HealthStrategy;
use crate::report::selection::Selection;
use crate::report::text::{Entry, bracketed};

/// Section "Node List"; none without nodes.
pub fn section(cluster: &Cluster<'_>, display: &Display, selection: &Selection) -> Option<Entry> {
    let mut entries = Vec::new();
    let mut collected: [Vec<String>; 5] = Default::default();
    for id in cluster.node_order.iter().copied() {
        if shown_individually(cluster, id, display) {
            entries.extend(individual(cluster, id, display, selection));
        } else if let Some(list) = list_of(cluster, id) {
            collected[list].push(display_name(cluster, id, display));
        }
    }
    let labels = ["Online", "OFFLINE", "RemoteOnline", "RemoteOFFLINE", "GuestOnline"];
    for (label, names) in labels.iter().zip(&collected) {
        if !names.is_empty() {
            entries.push(Entry::labelled(*label, bracketed(names.iter().map(String::as_str))));
        }
    }
    (!entries.is_empty()).then(|| Entry::list("Node List", entries))
}

/// Health of a node for display: -1 red, 0 yellow, 1 green.
pub fn health(cluster: &Cluster<'_>, id: NodeId) -> i32 {
    if cluster.options.health_strategy == HealthStrategy::None {
        return 1;
    }
    cluster.display_health(id)
}

fn shown_individually(cluster: &Cluster<'_>, id: NodeId, display: &Display) -> bool {
    let n = cluster.node(id);
    n.unclean
        || n.pending
        || (n.standby_on_fail && n.online)
        || n.standby
        || n.maintenance
        || display.by_node
        || display.feature_set
        || health(cluster, id) < 1
}

/// Which collected list a node goes to; offline guests to none.
fn list_of(cluster: &Cluster<'_>, id: NodeId) -> Option<usize> {
    let online = cluster.node(id).online;
    match (cluster.node(id).kind, online) {
        (NodeKind::Cluster, true) => Some(0),
        (NodeKind::Cluster, false) => Some(1),
        (NodeKind::Remote, _) if cluster.is_guest(id) => online.then_some(4),
        (NodeKind::Remote, true) => Some(2),
        (NodeKind::Remote, false) => Some(3),
    }
}

/// A node's name as shown (spec 41 §1.6).
pub fn display_name(cluster: &Cluster<'_>, id: NodeId, display: &Display) -> String {
    let n = cluster.node(id);
    let mut out = n.name.to_string();
    if !display.node_id {
        return out;
    }
    if cluster.is_guest(id) {
        let launcher = n.connection.and_then(|c| cluster.resource(c).launcher);
        let host = launcher.and_then(|l| cluster.current_node(l));
        out.push('@');
        if let Some(host) = host {
            out.push_str(&cluster.node(host).name);
        }
    }
    if !n.id.eq_ignore_ascii_case(&n.name) {
        out.push_str(" (");
        out.push_str(&n.id);
        out.push(')');
    }
    out
}

/// The word for a node's kind.
pub fn kind_word(cluster: &Cluster<'_>, id: NodeId) -> &'static str {
    match cluster.node(id).kind {
        NodeKind::Cluster => "Node",
        NodeKind::Remote if cluster.is_guest(id) => "GuestNode",
        NodeKind::Remote => "RemoteNode",
    }
}

fn individual(
    cluster: &Cluster<'_>,
    id: NodeId,
    display: &Display,
    selection: &Selection,
) -> Option<Entry> {
    let n = cluster.node(id);
    let mut text = format!(
        "{} {}: {}",
        kind_word(cluster, id),
        display_name(cluster, id, display),
        status_word(n)
    );
    match health(cluster, id) {
        h if h < 0 => text.push_str(" (health is RED)"),
        0 => text.push_str(" (health is YELLOW)"),
        _ => {}
    }
    if display.feature_set && n.online && n.expected_up && n.kind == NodeKind::Cluster {
        let set = n.attributes.get("#feature-set").map_or("<3.15.1", |v| v);
        text.push_str(", feature set ");
        text.push_str(set);
    }
    if !display.by_node {
        return Some(Entry::item(text));
    }
    let inner = Display { rsc_only: true, ..*display };
    let shown = n.active.iter().copied().filter(|r| selection.has_resource(*r));
    let shown: Vec<_> = shown.collect();
    let lines: Vec<Entry> = if display.brief {
        super::brief::counts(cluster, &shown, &Display { inactive: false, ..inner }, false)
    } else {
        shown.iter().map(|r| Entry::item(primitive::line(cluster, *r, &inner))).collect()
    };
    if display.brief && lines.is_empty() {
        return None;
    }
    Some(Entry::list(text, vec![Entry::list("Resources", lines)]))
}

fn status_word(n: &Node<'_>) -> &'static str {
    if n.unclean {
        return match (n.online, n.pending) {
            (true, _) => "UNCLEAN (online)",
            (_, true) => "UNCLEAN (pending)",
            _ => "UNCLEAN (offline)",
        };
    }
    if n.pending {
        return "pending";
    }
    if n.standby_on_fail && n.online {
        return "standby (on-fail)";
    }
    if n.standby {
        return match (n.online, n.active.is_empty()) {
            (false, _) => "OFFLINE (standby)",
            (true, true) => "standby",
            (true, false) => "standby (with active resources)",
        };
    }
    match (n.maintenance, n.online) {
        (true, true) => "maintenance",
        (true, false) => "OFFLINE (maintenance)",
        (false, true) => "online",
        (false, false) => "OFFLINE",
    }
}
