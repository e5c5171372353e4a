//! A bundle: one line per replica (spec 41 §3.6).

use super::group::described;
use super::{Display, primitive};
use crate::model::cluster::Cluster;
use crate::model::ids::ResourceId;
use crate::model::resource::Replica;
use crate::report::text::Entry;

/// Existing parts of a bundle, replica by replica.
pub fn parts(cluster: &Cluster<'_>, b: ResourceId) -> Vec<ResourceId> {
    let Some(bundle) = cluster.resource(b).as_bundle() else {
        return Vec::new();
    };
    bundle
        .replicas
        .iter()
        .flat_map(|r| [r.ip, r.child, Some(r.container), r.connection])
        .flatten()
        .collect()
}

/// The bundle's list.
pub fn entries(cluster: &Cluster<'_>, b: ResourceId, display: &Display) -> Vec<Entry> {
    let res = cluster.resource(b);
    let Some(bundle) = res.as_bundle() else {
        return Vec::new();
    };
    let mut lines = Vec::new();
    let several = bundle.replicas.len() > 1;
    for replica in &bundle.replicas {
        if !display.implicit {
            lines.push(Entry::item(replica_line(cluster, replica, display)));
            continue;
        }
        let parts = [replica.ip, replica.child, Some(replica.container), replica.connection];
        let details: Vec<Entry> = parts
            .into_iter()
            .flatten()
            .map(|p| Entry::item(primitive::line(cluster, p, display)))
            .collect();
        if several {
            lines.push(Entry::list(format!("Replica[{}]", replica.offset), details));
        } else {
            lines.extend(details);
        }
    }
    let state = if res.flags.maintenance {
        " (maintenance)"
    } else if !res.flags.managed {
        " (unmanaged)"
    } else {
        ""
    };
    let title = format!(
        "Container bundle{}: {} [{}]{}{}{state}",
        if several { " set" } else { "" },
        res.id,
        bundle.image,
        if res.flags.unique { " (unique)" } else { "" },
        described(cluster, b, display)
    );
    vec![Entry::list(title, lines)]
}

fn replica_line(cluster: &Cluster<'_>, replica: &Replica, display: &Display) -> String {
    let shown = replica.child.unwrap_or(replica.container);
    let named = replica.connection.unwrap_or(replica.container);
    let mut name = cluster.resource(named).printable_id().to_owned();
    if let Some(address) = &replica.address {
        name.push_str(&format!(" ({address})"));
    }
    let node = cluster.current_node(replica.container);
    primitive::line_as(cluster, shown, &name, node, display)
}
