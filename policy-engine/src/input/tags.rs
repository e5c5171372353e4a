//! Tags: named lists of ids (spec 10 §11).

use super::sections::Sections;
use crate::model::cluster::{Cluster, Level};

/// Reads the `tags` section.
pub(super) fn unpack<'d>(cluster: &mut Cluster<'d>, sections: &Sections<'d>) {
    let Some(section) = sections.tags else { return };
    for tag in section.children_named("tag") {
        let Some(id) = tag.xml_id() else {
            cluster.message(Level::Error, "Ignoring <tag> without id");
            continue;
        };
        for reference in tag.children_named("obj_ref") {
            let Some(member) = reference.xml_id() else {
                let text = format!("Ignoring <obj_ref> for tag '{id}' without id");
                cluster.message(Level::Error, text);
                continue;
            };
            let members = cluster.tags.entry(id).or_default();
            if !members.contains(&member) {
                members.push(member);
            }
        }
    }
}
