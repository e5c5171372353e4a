//! A clone: instances in full where something is odd, the rest in lists (spec 41 §3.5).

use super::group::described;
use super::resources::{active_all, active_any, disabled, resource, suffix, target_role};
use super::{Display, probe};
use crate::model::cluster::Cluster;
use crate::model::ids::{NodeId, ResourceId};
use crate::model::role::Role;
use crate::report::tables;
use crate::report::text::{Entry, bracketed};
use cib_model::scalar::natural_cmp;
use std::collections::BTreeMap;

/// What becomes of one instance.
enum Shown {
    Full,
    Promoted(NodeId),
    Started(NodeId),
    Stopped,
    Nothing,
}

/// The clone's list.
pub fn entries(cluster: &Cluster<'_>, c: ResourceId, display: &Display) -> Vec<Entry> {
    let mut instances = cluster.resource(c).children.clone();
    instances.sort_by_key(|i| cluster.resource(*i).instance);
    let mut full = Vec::new();
    let (mut promoted, mut started) = (Vec::new(), Vec::new());
    let mut stopped: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for i in instances {
        match judge(cluster, c, i, display) {
            Shown::Full => full.extend(resource(cluster, i, display)),
            Shown::Promoted(node) => promoted.push(node),
            Shown::Started(node) => started.push(node),
            Shown::Stopped => {
                let id = cluster.resource(i).id.to_string();
                stopped.entry("Stopped".to_owned()).or_default().push(id);
            }
            Shown::Nothing => {}
        }
    }
    let mut out = full;
    if !display.clone_detail {
        let active = promoted.len() + started.len();
        out.extend(collapsed(cluster, c, display, promoted, started));
        let table = stopped_table(cluster, c, display, active, stopped);
        let nothing = table.is_empty() && active == 0;
        for (status, names) in &table {
            out.push(Entry::labelled(status, bracketed(names.iter().map(String::as_str))));
        }
        if out.is_empty() && !(nothing && display.inactive) {
            return Vec::new();
        }
    } else if out.is_empty() {
        return Vec::new();
    }
    vec![Entry::list(title(cluster, c, display), out)]
}

fn title(cluster: &Cluster<'_>, c: ResourceId, display: &Display) -> String {
    let res = cluster.resource(c);
    let mut words = Vec::new();
    if res.flags.promotable {
        words.push("promotable".to_owned());
    }
    if res.flags.unique {
        words.push("unique".to_owned());
    }
    if disabled(cluster, c) {
        words.push("disabled".to_owned());
    }
    if res.flags.maintenance {
        words.push("maintenance".to_owned());
    } else if !res.flags.managed {
        words.push("unmanaged".to_owned());
    }
    let child = res.children.first().map_or("", |i| &cluster.resource(*i).base_id);
    format!("Clone Set: {} [{child}]{}{}", res.id, suffix(&words), described(cluster, c, display))
}

fn judge(cluster: &Cluster<'_>, c: ResourceId, i: ResourceId, display: &Display) -> Shown {
    let (clone, res) = (cluster.resource(c), cluster.resource(i));
    if display.clone_detail {
        return Shown::Full;
    }
    let any = active_any(cluster, i);
    if clone.flags.unique {
        return if !any && (clone.flags.removed || !display.inactive) {
            Shown::Nothing
        } else {
            Shown::Full
        };
    }
    if display.pending && super::primitive::pending_word(cluster, i).is_some() {
        return Shown::Full;
    }
    if display.pending && res.pending.is_some() && res.is_primitive() {
        return Shown::Full;
    }
    if !any {
        return if res.flags.removed { Shown::Nothing } else { Shown::Stopped };
    }
    let odd = |r: &ResourceId| {
        let flags = cluster.resource(*r).flags;
        flags.removed || !flags.managed || flags.failed
    };
    if odd(&i) || cluster.leaves(i).iter().any(odd) || !active_all(cluster, i) {
        return Shown::Full;
    }
    let Some(node) = single_location(cluster, i) else {
        return Shown::Full;
    };
    let n = cluster.node(node);
    if !n.online && n.unclean {
        Shown::Full
    } else if cluster.current_role_of(i) > Role::Unpromoted {
        Shown::Promoted(node)
    } else {
        Shown::Started(node)
    }
}

/// The one node on which all of an instance is active.
fn single_location(cluster: &Cluster<'_>, i: ResourceId) -> Option<NodeId> {
    let mut found = None;
    for leaf in cluster.leaves(i) {
        for node in &cluster.resource(leaf).active_on {
            match found {
                None => found = Some(*node),
                Some(known) if known == *node => {}
                Some(_) => return None,
            }
        }
    }
    found
}

fn names(cluster: &Cluster<'_>, nodes: &[NodeId], display: &Display) -> Vec<String> {
    let mut out: Vec<String> =
        nodes.iter().map(|n| super::nodes::display_name(cluster, *n, display)).collect();
    out.sort_by(|a, b| natural_cmp(a, b));
    out
}

/// The lists of promoted and of other active instances.
fn collapsed(
    cluster: &Cluster<'_>,
    c: ResourceId,
    display: &Display,
    promoted: Vec<NodeId>,
    started: Vec<NodeId>,
) -> Vec<Entry> {
    let mut out = Vec::new();
    let mut list = |label: &str, nodes: &[NodeId]| {
        if !nodes.is_empty() {
            let names = names(cluster, nodes, display);
            out.push(Entry::labelled(label, bracketed(names.iter().map(String::as_str))));
        }
    };
    list("Promoted", &promoted);
    let label = if !cluster.resource(c).flags.promotable {
        "Started"
    } else if configured_role(cluster, c) == Some(Role::Unpromoted) {
        "Unpromoted (target-role)"
    } else {
        "Unpromoted"
    };
    list(label, &started);
    out
}

/// Target role of the clone, else of its first instance.
fn configured_role(cluster: &Cluster<'_>, c: ResourceId) -> Option<Role> {
    target_role(cluster, c)
        .or_else(|| cluster.resource(c).children.first().and_then(|i| target_role(cluster, *i)))
}

/// Where the clone could run but does not, by status text.
fn stopped_table(
    cluster: &Cluster<'_>,
    c: ResourceId,
    display: &Display,
    active: usize,
    counted: BTreeMap<String, Vec<String>>,
) -> BTreeMap<String, Vec<String>> {
    let res = cluster.resource(c);
    if !display.inactive || res.flags.unique {
        return BTreeMap::new();
    }
    let max = res.as_clone().map_or(0, |p| p.clone_max) as usize;
    if max <= active {
        return counted;
    }
    let known: Vec<NodeId> = if res.table.is_empty() {
        cluster.node_order.iter().copied().filter(|n| res.known_on.contains(*n)).collect()
    } else {
        cluster.node_order.iter().copied().filter(|n| res.table.contains(*n)).collect()
    };
    let child = res.children.first().map_or("", |i| &cluster.resource(*i).base_id);
    let stopped_by_role = configured_role(cluster, c) == Some(Role::Stopped);
    let mut out: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for node in known {
        if res.active_on.contains(&node) {
            continue;
        }
        let status = match probe::masked_failure_of(cluster, child, Some(node)) {
            Some(rc) => format!("Stopped ({})", tables::result_text(rc)),
            None if stopped_by_role => "Stopped (disabled)".to_owned(),
            None => "Stopped".to_owned(),
        };
        let name = super::nodes::display_name(cluster, node, display);
        out.entry(status).or_default().push(name);
    }
    for names in out.values_mut() {
        names.sort_by(|a, b| natural_cmp(a, b));
    }
    out
}
