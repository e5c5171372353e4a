//! Tickets and bans (spec 41 §3.14).

use super::Display;
use crate::model::cluster::Cluster;
use crate::model::role::Role;
use crate::report::tables::date;
use crate::report::text::Entry;
use cib_model::Score;

/// Section "Tickets".
pub fn tickets(cluster: &Cluster<'_>) -> Option<Entry> {
    let items: Vec<Entry> = cluster
        .tickets
        .iter()
        .map(|t| {
            let mut text = format!("{}\t{}", t.id, if t.granted { "granted" } else { "revoked" });
            if t.standby {
                text.push_str(" [standby]");
            }
            if t.last_granted >= 0 {
                text.push_str(&format!(" last-granted=\"{}\"", date(t.last_granted, cluster.now)));
            }
            Entry::item(text)
        })
        .collect();
    (!items.is_empty()).then(|| Entry::list("Tickets", items))
}

/// Section "Negative Location Constraints".
pub fn bans(cluster: &Cluster<'_>, display: &Display) -> Option<Entry> {
    let mut items = Vec::new();
    for location in &cluster.locations {
        for (node, score) in &location.nodes {
            if *score >= Score::ZERO {
                continue;
            }
            let role = if location.role == Role::Promoted { "in Promoted role " } else { "" };
            items.push(Entry::item(format!(
                "{}\tprevents {} from running {role}on {}",
                location.id,
                cluster.resource(location.resource).id,
                super::nodes::display_name(cluster, *node, display)
            )));
        }
    }
    (!items.is_empty()).then(|| Entry::list("Negative Location Constraints", items))
}
