//! What a resource needs before it may start (spec 10 §9.5).

use crate::model::cluster::{Cluster, Level};
use crate::model::ids::ResourceId;
use crate::model::options::NoQuorumPolicy;
use crate::model::resource::Requires;

const NOTHING: Requires = Requires { quorum: false, fencing: false, unfencing: false };
const QUORUM: Requires = Requires { quorum: true, ..NOTHING };
const FENCING: Requires = Requires { fencing: true, ..NOTHING };
const UNFENCING: Requires = Requires { unfencing: true, ..FENCING };

/// Reads `requires`, or decides on the default.
pub(super) fn set(cluster: &mut Cluster<'_>, id: ResourceId) {
    let text = cluster.resource(id).meta("requires").map(str::to_ascii_lowercase);
    let fencing_enabled = cluster.options.fencing_enabled;
    let name = cluster.resource(id).id.clone();
    let requires = match text.as_deref() {
        Some("nothing") => NOTHING,
        Some("quorum") => QUORUM,
        Some("fencing") => {
            if !fencing_enabled {
                let text = format!("{name} requires fencing but fencing is disabled");
                cluster.message(Level::Warning, text);
            }
            FENCING
        }
        Some("unfencing") if cluster.resource(id).flags.fence_device => {
            let text = format!(
                "Resetting \"requires\" for {name} to \"quorum\" because fencing devices cannot require unfencing"
            );
            cluster.message(Level::Warning, text);
            QUORUM
        }
        Some("unfencing") if !fencing_enabled => {
            let text = format!(
                "Resetting \"requires\" for {name} to \"quorum\" because fencing is disabled"
            );
            cluster.message(Level::Warning, text);
            QUORUM
        }
        Some("unfencing") => UNFENCING,
        Some(other) => {
            let text = format!("'{other}' is not a valid value for \"requires\" of {name}");
            cluster.message(Level::Error, text);
            default(cluster, id)
        }
        None => default(cluster, id),
    };
    cluster.resource_mut(id).requires = requires;
}

fn default(cluster: &Cluster<'_>, id: ResourceId) -> Requires {
    let flags = cluster.resource(id).flags;
    if flags.fence_device || flags.remote_connection {
        QUORUM
    } else if cluster.unfencing {
        // Takes the same road as an explicit value.
        if cluster.options.fencing_enabled { UNFENCING } else { QUORUM }
    } else if cluster.options.fencing_enabled {
        FENCING
    } else if cluster.options.no_quorum_policy == NoQuorumPolicy::Ignore {
        NOTHING
    } else {
        QUORUM
    }
}
