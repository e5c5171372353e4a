//! `target-role` (spec 10 §9.7).

use crate::model::cluster::{Cluster, Level};
use crate::model::ids::ResourceId;
use crate::model::role::Role;

/// Sets the next role a resource's `target-role` asks for.
pub(super) fn apply(cluster: &mut Cluster<'_>, id: ResourceId) {
    let Some(text) = cluster.resource(id).meta("target-role").map(str::to_owned) else { return };
    let name = cluster.resource(id).id.clone();
    let complaint = match Role::parse(&text) {
        _ if text.eq_ignore_ascii_case("default") => {
            let text = format!("Support for 'default' as target-role of {name} is deprecated");
            cluster.message(Level::Warning, text);
            None
        }
        None | Some(Role::Unknown) => Some(format!("{name}: 'target-role' cannot be '{text}'")),
        Some(Role::Unpromoted | Role::Promoted) if !top_is_promotable(cluster, id) => {
            Some(format!("target-role '{text}' of {name} only makes sense for promotable clones"))
        }
        Some(_) => None,
    };
    if let Some(text) = complaint {
        cluster.message(Level::Error, text);
    }
    if let Some(role) = cluster.target_role(id) {
        cluster.resource_mut(id).next_role = role;
    }
}

fn top_is_promotable(cluster: &Cluster<'_>, id: ResourceId) -> bool {
    cluster.resource(cluster.top(id)).flags.promotable
}

impl Cluster<'_> {
    /// The role `target-role` limits a resource to; `None` if it limits nothing.
    pub fn target_role(&self, id: ResourceId) -> Option<Role> {
        match Role::parse(self.resource(id).meta("target-role")?)? {
            Role::Stopped => Some(Role::Stopped),
            Role::Unpromoted if top_is_promotable(self, id) => Some(Role::Unpromoted),
            _ => None,
        }
    }

    /// Is the resource told not to run, or not to be promoted?
    pub fn is_disabled(&self, id: ResourceId) -> bool {
        self.target_role(id).is_some()
    }
}
