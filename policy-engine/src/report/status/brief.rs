//! Counts per agent and node (spec 41 §3.7).

use super::Display;
use super::primitive::agent_text;
use crate::model::cluster::Cluster;
use crate::model::ids::ResourceId;
use crate::report::text::Entry;
use std::collections::BTreeMap;

/// Lines `active/total agent: Active NODE` of a list of primitives.
pub fn counts(
    cluster: &Cluster<'_>,
    primitives: &[ResourceId],
    display: &Display,
    in_group: bool,
) -> Vec<Entry> {
    let mut by_agent: BTreeMap<String, Vec<ResourceId>> = BTreeMap::new();
    for r in primitives {
        by_agent.entry(agent_text(cluster, *r)).or_default().push(*r);
    }
    let mut out = Vec::new();
    for (agent, resources) in by_agent {
        let total = resources.len();
        let mut any = false;
        for node in cluster.node_order.iter().copied() {
            let n = cluster.node(node);
            let counts = |r: &&ResourceId| {
                let res = cluster.resource(**r);
                let lost = !n.online && !n.unclean && res.flags.managed;
                res.active_on.contains(&node) && !lost
            };
            let active = resources.iter().filter(counts).count();
            if active == 0 {
                continue;
            }
            any = true;
            let of = if display.inactive || in_group { format!("/{total}") } else { String::new() };
            let name: &str = if display.rsc_only { "" } else { &n.name };
            out.push(Entry::item(format!("{active}{of}\t({agent}):\tActive {name}")));
        }
        if !any && display.inactive {
            out.push(Entry::item(format!("0/{total}\t({agent}):\tActive")));
        }
    }
    out
}
