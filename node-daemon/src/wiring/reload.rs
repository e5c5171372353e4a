//! Reading the configuration again while the node runs (spec 70 §13.8).
//!
//! The node that is asked looks at its own file first; if that can be used, the order goes round the ring,
//! and every node reads its own file at the same point of the message order. The one who asked gets this
//! node's result.

use cpg::configuration::{ClusterConfiguration, ConfigurationMap, Crypto, reload as merge_keys};

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
        let answer = Answer { refused: None, changed: merged.changed, notices };
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

/// Sockets are opened at the start, and an address does not move under a peer.
fn check_links(
    old: &ClusterConfiguration,
    new: &ClusterConfiguration,
) -> Result<(), SettingsError> {
    let refuse = |text: String| Err(SettingsError::Reload(text));
    let (me, mine) = (old.local_node(), new.local_node());
    if me.id != mine.id {
        return refuse(format!("this node's nodeid cannot become {} at run-time", mine.id));
    }
    let links = |node: &cpg::configuration::ConfiguredNode| -> Vec<u8> {
        node.addresses.keys().copied().collect()
    };
    if links(me) != links(mine) {
        return refuse(format!(
            "links cannot be added or removed at run-time (running: {:?}, configured: {:?})",
            links(me),
            links(mine)
        ));
    }
    for node in &new.nodes {
        let Some(before) = old.nodes.iter().find(|known| known.id == node.id) else { continue };
        if before.addresses != node.addresses {
            return refuse(format!(
                "node {}: To reconfigure an interface it must be deleted and recreated. A working \
                 interface needs to be available to corosync at all times",
                node.id
            ));
        }
    }
    Ok(())
}
