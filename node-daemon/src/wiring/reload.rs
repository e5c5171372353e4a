//! Reading the configuration again while the node runs (spec 70 §13.8).
//!
//! The node that is asked looks at its own file first; if that can be used, the order goes round the ring,
//! and every node reads its own file at the same point of the message order. The one who asked gets this
//! node's result.

use std::collections::BTreeSet;

use cpg::configuration::{
    ClusterConfiguration, ConfigurationMap, ConfiguredNode, Crypto, reload as merge_keys,
};
use cpg::endpoint::Endpoint;

use super::NodeSettings;
use super::orders::Answer;
use super::settings::{SettingsError, host, parse, resolve};

impl NodeSettings {
    /// Reads the file again. What cannot change while the node runs stays and is named.
    ///
    /// # Errors
    /// When the file cannot be read or used, or asks for what only a restart can do.
    pub fn reread(&self) -> Result<(NodeSettings, Answer), SettingsError> {
        let merged = merge_keys(&self.map, &parse(&self.path)?);
        let mut notices = merged.notices;
        let cluster = resolve(&merged.map, &host(self.given_name.as_deref(), &merged.map))?;
        check_links(&self.cluster, &cluster)?;
        let map = keep_protection(&self.map, merged.map, &self.cluster, &cluster, &mut notices);
        let cluster = resolve(&map, &host(self.given_name.as_deref(), &map))?;
        let answer = Answer { changed: merged.changed, notices, ..Answer::default() };
        Ok((NodeSettings { cluster, map, ..self.clone() }, answer))
    }
}

/// Whether datagrams are encrypted at all is decided at the start.
fn keep_protection(
    old_map: &ConfigurationMap,
    new_map: ConfigurationMap,
    old: &ClusterConfiguration,
    new: &ClusterConfiguration,
    notices: &mut Vec<String>,
) -> ConfigurationMap {
    if (old.crypto == Crypto::Off) == (new.crypto == Crypto::Off) {
        return new_map;
    }
    notices.push("encryption cannot be switched on or off at run-time".to_owned());
    new_map.with_values_of(old_map, &["totem.secauth", "totem.crypto_cipher", "totem.crypto_hash"])
}

/// Nodes find each other over what stays while other links come, go and move; at every node the same ones
/// have to stay.
fn check_links(
    old: &ClusterConfiguration,
    new: &ClusterConfiguration,
) -> Result<(), SettingsError> {
    let (me, mine) = (old.local_node(), new.local_node());
    if me.id != mine.id {
        let text = format!("this node's nodeid cannot become {} at run-time", mine.id);
        return Err(SettingsError::Reload(text));
    }
    let moved = both(old, new).find(|(before, now)| before.addresses != now.addresses);
    match moved {
        Some((node, _)) if staying(old, new).is_empty() => Err(SettingsError::Reload(format!(
            "node {}: {DELETE_AND_RECREATE}; no link stays as it is at all nodes",
            node.id
        ))),
        _ => Ok(()),
    }
}

const DELETE_AND_RECREATE: &str = "To reconfigure an interface it must be deleted and recreated. A \
    working interface needs to be available to corosync at all times";

/// Nodes that are in both lists.
fn both<'a>(
    old: &'a ClusterConfiguration,
    new: &'a ClusterConfiguration,
) -> impl Iterator<Item = (&'a ConfiguredNode, &'a ConfiguredNode)> {
    new.nodes.iter().filter_map(|now| {
        old.nodes.iter().find(|known| known.id == now.id).map(|before| (before, now))
    })
}

/// Links that are the same before and after at all nodes that are there before and after.
fn staying(old: &ClusterConfiguration, new: &ClusterConfiguration) -> BTreeSet<u8> {
    let links = new.local_node().addresses.keys().copied();
    let same = |link: &u8| {
        both(old, new).all(|(before, now)| {
            let address = now.addresses.get(link);
            address.is_some() && before.addresses.get(link) == address
        })
    };
    links.filter(same).collect()
}

/// Whoever is reached now has to be reached over a link that stays.
///
/// # Errors
/// When a node would be out of reach.
pub(super) fn check_reach(
    endpoint: &Endpoint,
    old: &ClusterConfiguration,
    new: &ClusterConfiguration,
) -> Result<(), SettingsError> {
    let staying = staying(old, new);
    for (id, links) in endpoint.link_states() {
        let listed = new.nodes.iter().any(|node| node.id == id);
        let connected = || links.iter().filter(|link| link.connected).map(|link| link.link);
        if listed && connected().next().is_some() && !connected().any(|l| staying.contains(&l)) {
            let over: Vec<u8> = connected().collect();
            return Err(SettingsError::Reload(format!(
                "node {id} is reached over link {over:?} only, which would not stay as it is. \
                 {DELETE_AND_RECREATE}"
            )));
        }
    }
    Ok(())
}
