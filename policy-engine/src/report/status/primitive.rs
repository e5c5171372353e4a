//! One line for a primitive (spec 41 §3.3).

use super::{Display, probe, resources};
use crate::model::cluster::Cluster;
use crate::model::ids::{NodeId, ResourceId};
use crate::model::role::Role;
use crate::report::tables;

/// The role shown: Started counts as Unpromoted in a promotable clone.
pub fn displayable_role(cluster: &Cluster<'_>, r: ResourceId) -> Role {
    let role = cluster.resource(r).current_role;
    let promotable = cluster.resource(cluster.top(r)).flags.promotable;
    if role == Role::Started && promotable { Role::Unpromoted } else { role }
}

/// The line of a primitive under its own name.
pub fn line(cluster: &Cluster<'_>, r: ResourceId, display: &Display) -> String {
    let res = cluster.resource(r);
    let mut node = cluster.current_node(r);
    if node.is_none() {
        let pending = res.pending.filter(|p| !(p.task == "monitor" && p.interval_ms == 0));
        node = pending.map(|p| p.node);
    }
    line_as(cluster, r, res.printable_id(), node, display)
}

/// The line of a primitive under a given name and with its location given.
pub fn line_as(
    cluster: &Cluster<'_>,
    r: ResourceId,
    name: &str,
    node: Option<NodeId>,
    display: &Display,
) -> String {
    let res = cluster.resource(r);
    let node = node.or_else(|| res.lock.map(|l| l.0));
    let node = node.filter(|_| !display.rsc_only && res.active_on.len() <= 1);
    let agent = agent_text(cluster, r);
    let mut out = format!("{name}\t({agent}):\t");
    // Ids of nodes are told with the nodes.
    let unnumbered = Display { node_id: false, ..*display };
    if res.flags.removed {
        out.push_str(" ORPHANED");
    }
    let role = displayable_role(cluster, r);
    if res.flags.failed {
        out.push_str(" FAILED");
        if role == Role::Promoted {
            out.push_str(" Promoted");
        }
    } else {
        out.push(' ');
        let word = if display.pending { pending_word(cluster, r) } else { None };
        out.push_str(word.unwrap_or(role.name()));
    }
    if let Some(node) = node {
        out.push(' ');
        out.push_str(&super::nodes::display_name(cluster, node, &unnumbered));
    }
    if role == Role::Stopped
        && let Some(rc) = probe::masked_failure(cluster, r, node)
    {
        out.push_str(&format!(" ({}) ", tables::result_text(rc)));
    }
    out.push_str(&flags_text(cluster, r, node, display));
    if (display.rsc_only || display.description || res.active_on.len() > 1)
        && let Some(description) = resources::description(cluster, r)
    {
        out.push_str(&format!(" ({description})"));
    }
    if res.active_on.len() > 1 && !display.rsc_only {
        let names: Vec<String> = res
            .active_on
            .iter()
            .map(|n| super::nodes::display_name(cluster, *n, &unnumbered))
            .collect();
        out.push(' ');
        out.push_str(&crate::report::text::bracketed(names.iter().map(String::as_str)));
    }
    out
}

/// `class:provider:type`.
pub fn agent_text(cluster: &Cluster<'_>, r: ResourceId) -> String {
    let res = cluster.resource(r);
    let known =
        |text: &'_ str| if text.is_empty() { "unknown".to_owned() } else { text.to_owned() };
    let (class, agent) = (known(res.class), known(res.agent));
    match res.provider.filter(|_| class.eq_ignore_ascii_case("ocf")) {
        Some(provider) => format!("{class}:{provider}:{agent}"),
        None => format!("{class}:{agent}"),
    }
}

/// The word for an operation under way.
pub fn pending_word(cluster: &Cluster<'_>, r: ResourceId) -> Option<&'static str> {
    match cluster.resource(r).pending?.task {
        "start" => Some("Starting"),
        "stop" => Some("Stopping"),
        "migrate_to" | "migrate_from" => Some("Migrating"),
        "promote" => Some("Promoting"),
        "demote" => Some("Demoting"),
        _ => None,
    }
}

fn flags_text(
    cluster: &Cluster<'_>,
    r: ResourceId,
    node: Option<NodeId>,
    display: &Display,
) -> String {
    let res = cluster.resource(r);
    let mut words: Vec<String> = Vec::new();
    if node.is_some_and(|n| !cluster.node(n).online && cluster.node(n).unclean) {
        words.push("UNCLEAN".to_owned());
    }
    if node.is_some() && node == res.lock.map(|l| l.0) {
        words.push("LOCKED".to_owned());
    }
    let monitoring = res.pending.is_some_and(|p| p.task == "monitor" && p.interval_ms > 0);
    if display.pending && monitoring {
        words.push("Monitoring".to_owned());
    }
    match resources::target_role(cluster, r) {
        Some(Role::Stopped) => words.push("disabled".to_owned()),
        Some(Role::Unpromoted) if cluster.resource(cluster.top(r)).flags.promotable => {
            words.push(format!("target-role:{}", res.meta("target-role").unwrap_or_default()));
        }
        _ => {}
    }
    if res.flags.blocked {
        words.push("blocked".to_owned());
    } else if res.flags.maintenance {
        words.push("maintenance".to_owned());
    } else if !res.flags.managed {
        words.push("unmanaged".to_owned());
    }
    if res.flags.ignoring_failures {
        words.push("failure ignored".to_owned());
    }
    resources::suffix(&words)
}
