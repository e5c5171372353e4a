//! A group (spec 41 §3.4).

use super::resources::{active_all, active_any, description, disabled, resource, suffix};
use super::{Display, brief};
use crate::model::cluster::Cluster;
use crate::model::ids::ResourceId;
use crate::report::text::Entry;

/// The group's list, if any member is shown.
pub fn entries(cluster: &Cluster<'_>, g: ResourceId, display: &Display) -> Vec<Entry> {
    let res = cluster.resource(g);
    let mut members = Vec::new();
    if display.brief {
        members = brief::counts(cluster, &res.children, display, true);
    } else {
        for member in &res.children {
            if display.inactive || active_any(cluster, *member) {
                members.extend(resource(cluster, *member, display));
            }
        }
    }
    if members.is_empty() {
        return Vec::new();
    }
    let mut words = Vec::new();
    let partly = active_any(cluster, g) && !active_all(cluster, g);
    if !display.inactive && partly {
        let n = res.children.iter().filter(|m| !active_any(cluster, **m)).count();
        words.push(format!("{n} member{} inactive", if n == 1 { "" } else { "s" }));
    }
    if disabled(cluster, g) {
        words.push("disabled".to_owned());
    }
    if res.flags.maintenance {
        words.push("maintenance".to_owned());
    } else if !res.flags.managed {
        words.push("unmanaged".to_owned());
    }
    let title =
        format!("Resource Group: {}{}{}", res.id, suffix(&words), described(cluster, g, display));
    vec![Entry::list(title, members)]
}

/// ` (DESCRIPTION)` if wanted and there.
pub fn described(cluster: &Cluster<'_>, r: ResourceId, display: &Display) -> String {
    match description(cluster, r) {
        Some(text) if display.description => format!(" ({text})"),
        _ => String::new(),
    }
}
