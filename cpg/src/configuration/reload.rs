//! What a reload may change (spec 70 §13.8).

use super::map::ConfigurationMap;

/// Keys that a running node keeps.
pub const FIXED_KEYS: [&str; 14] = [
    "totem.version",
    "totem.threads",
    "totem.ip_version",
    "totem.ip_dscp",
    "totem.netmtu",
    "totem.transport",
    "totem.cluster_name",
    "quorum.provider",
    "system.move_to_root_cgroup",
    "system.allow_knet_handle_fallback",
    "system.sched_rr",
    "system.priority",
    "system.qb_ipc_type",
    "system.state_dir",
];
const FIXED_INTERFACE_KEYS: [&str; 5] =
    ["bindnetaddr", "mcastaddr", "broadcast", "mcastport", "ttl"];
/// Sections whose keys disappear when the new file lacks them.
const REPLACED: [&str; 6] =
    ["logging.", "totem.", "nodelist.", "quorum.", "uidgid.config.", "nozzle."];

/// The outcome of a reload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reload {
    /// The map in force afterwards.
    pub map: ConfigurationMap,
    /// What was not changed, to be logged at notice.
    pub notices: Vec<String>,
    /// Keys whose value changed, came or went.
    pub changed: Vec<String>,
}

/// Whether any node has an address on the link.
fn has_link(map: &ConfigurationMap, link: &str) -> bool {
    let end = format!(".ring{link}_addr");
    map.under("nodelist.node.").any(|(key, _)| key.ends_with(&end))
}

/// What belongs to a link is fixed for as long as there is that link.
fn is_fixed(key: &str, old: &ConfigurationMap, new: &ConfigurationMap) -> bool {
    let interface = key.strip_prefix("totem.interface.").and_then(|rest| rest.split_once('.'));
    FIXED_KEYS.contains(&key)
        || interface.is_some_and(|(link, key)| {
            FIXED_INTERFACE_KEYS.contains(&key) && has_link(old, link) && has_link(new, link)
        })
}

/// Merges a newly read file into the map in force.
pub fn reload(old: &ConfigurationMap, new: &ConfigurationMap) -> Reload {
    let mut map = old.clone();
    map.file.clone_from(&new.file);
    let (mut notices, mut changed) = (Vec::new(), Vec::new());
    let mut refuse = |key: &str| {
        notices
            .push(format!("Modified entry '{key}' in corosync.conf cannot be changed at run-time"));
    };
    for (key, entry) in &new.entries {
        match old.entries.get(key) {
            Some(before) if before.value == entry.value => {}
            _ if is_fixed(key, old, new) => refuse(key),
            _ => {
                map.entries.insert(key.clone(), entry.clone());
                changed.push(key.clone());
            }
        }
    }
    for key in old.entries.keys().filter(|key| !new.entries.contains_key(*key)) {
        if is_fixed(key, old, new) {
            refuse(key);
        } else if REPLACED.iter().any(|section| key.starts_with(section)) {
            map.entries.remove(key);
            changed.push(key.clone());
        }
    }
    changed.sort_unstable();
    Reload { map, notices, changed }
}
