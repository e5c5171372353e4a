//! The node list, and which of its entries this machine is (spec 70 §13.5).

use super::{Blame, ConfigurationError, ConfigurationMap};
use crate::identity::NodeId;
use std::collections::BTreeMap;
use std::net::IpAddr;

/// Which address family a name is resolved to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum IpVersion {
    V4,
    V6,
    V4Preferred,
    V6Preferred,
}

/// Resolving names is the caller's: the core asks no resolver.
pub trait Names {
    /// The address of a host name or of a numeric address.
    fn resolve(&self, name: &str, version: IpVersion) -> Option<IpAddr>;
    /// The host name of an address.
    fn reverse(&self, address: IpAddr) -> Option<String>;
}

/// What must be known of this machine to find it in the node list.
#[derive(Debug, Clone, Default)]
pub struct LocalHost {
    /// The node name, as `uname -n` gives it.
    pub name: String,
    /// Addresses of its interfaces.
    pub addresses: Vec<IpAddr>,
}

/// One entry of the node list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfiguredNode {
    /// Position in the list, from 0.
    pub position: usize,
    /// Its id.
    pub id: NodeId,
    /// Its name.
    pub name: Option<String>,
    /// Addresses as written, by link.
    pub written: BTreeMap<u8, String>,
    /// Addresses resolved, by link.
    pub addresses: BTreeMap<u8, IpAddr>,
    /// Its votes, when given.
    pub quorum_votes: Option<u32>,
}

struct Written {
    position: usize,
    id: Option<u32>,
    name: Option<String>,
    addresses: BTreeMap<u8, String>,
    quorum_votes: Option<u32>,
}

fn written(map: &ConfigurationMap) -> Vec<Written> {
    let mut nodes: BTreeMap<usize, Written> = BTreeMap::new();
    for (rest, value) in map.under("nodelist.node.") {
        let Some((position, key)) = rest.split_once('.') else { continue };
        let Ok(position) = position.parse::<usize>() else { continue };
        let node = nodes.entry(position).or_insert_with(|| Written {
            position,
            id: None,
            name: None,
            addresses: BTreeMap::new(),
            quorum_votes: None,
        });
        let number = value.number().and_then(|number| u32::try_from(number).ok());
        match key {
            "nodeid" => node.id = number,
            "name" => node.name = Some(value.to_string()),
            "quorum_votes" => node.quorum_votes = number,
            _ => {
                let link = key.strip_prefix("ring").and_then(|key| key.strip_suffix("_addr"));
                if let Some(link) = link.and_then(|link| link.parse().ok()).filter(|l| *l <= 7) {
                    node.addresses.insert(link, value.to_string());
                }
            }
        }
    }
    nodes.into_values().collect()
}

/// How ids may be given.
pub(super) struct IdRules {
    pub knet: bool,
    pub clear_high_bit: bool,
}

fn node_id(
    node: &Written,
    addresses: &BTreeMap<u8, IpAddr>,
    rules: &IdRules,
) -> Result<NodeId, ConfigurationError> {
    let address = node.addresses.get(&0).map_or("", String::as_str);
    let refused = |text: String| ConfigurationError::Refused(text);
    if rules.knet {
        let explicit =
            || format!("Knet requires an explicit nodeid to be specified for address '{address}'.");
        let id = node.id.and_then(NodeId::new).ok_or_else(|| refused(explicit()))?;
        if id.get() >= 65536 {
            let text =
                format!("Knet requires nodeid to be less than 65536 for address '{address}'.");
            return Err(refused(text));
        }
        return Ok(id);
    }
    let derived = match addresses.get(&0) {
        Some(IpAddr::V4(v4)) => {
            let id = u32::from(*v4);
            Some(if rules.clear_high_bit { id & 0x7fff_ffff } else { id })
        }
        _ => None,
    };
    let id = node.id.filter(|id| *id != 0).or(derived).and_then(NodeId::new);
    id.ok_or_else(|| {
        refused(format!(
            "An IPv6 network requires that a node ID be specified for address '{address}'."
        ))
    })
}

/// Reads, resolves and checks the node list.
pub(super) fn nodes(
    map: &ConfigurationMap,
    version: IpVersion,
    names: &dyn Names,
    rules: &IdRules,
) -> Result<Vec<ConfiguredNode>, ConfigurationError> {
    let mut nodes: Vec<ConfiguredNode> = Vec::new();
    for node in written(map) {
        let mut addresses = BTreeMap::new();
        for (link, name) in &node.addresses {
            let resolved = names.resolve(name, version).ok_or_else(|| {
                ConfigurationError::Refused(format!("failed to parse node address '{name}'"))
            });
            let key = format!("nodelist.node.{}.ring{link}_addr", node.position);
            let resolved = resolved.blame(map, &[&key])?;
            addresses.insert(*link, resolved);
        }
        if addresses.is_empty() {
            continue;
        }
        let key = |name: &str| format!("nodelist.node.{}.{name}", node.position);
        let id_keys = [key("nodeid"), key("ring0_addr")];
        let id_keys = [id_keys[0].as_str(), id_keys[1].as_str()];
        let id = node_id(&node, &addresses, rules).blame(map, &id_keys)?;
        if nodes.iter().any(|other| other.id == id) {
            let text = format!("Nodeid {id} appears twice in corosync.conf");
            return Err(ConfigurationError::Refused(text)).blame(map, &id_keys);
        }
        nodes.push(ConfiguredNode {
            position: node.position,
            id,
            name: node.name,
            written: node.addresses,
            addresses,
            quorum_votes: node.quorum_votes,
        });
    }
    Ok(nodes)
}

/// The entry that is this machine, as an index into `nodes`.
pub(super) fn find_local(
    nodes: &[ConfiguredNode],
    host: &LocalHost,
    names: &dyn Names,
) -> Option<usize> {
    let short = |name: &str| name.split('.').next().unwrap_or(name).to_owned();
    let labels = |node: &ConfiguredNode| {
        node.name.iter().chain(node.written.get(&0)).cloned().collect::<Vec<String>>()
    };
    let by = |matches: &dyn Fn(&str) -> bool| {
        nodes.iter().position(|node| labels(node).iter().any(|label| matches(label)))
    };
    let mut name = host.name.as_str();
    loop {
        if let Some(found) = by(&|label| label == name) {
            return Some(found);
        }
        let Some((rest, _)) = name.rsplit_once('.') else { break };
        name = rest;
    }
    if let Some(found) = by(&|label| label.parse::<IpAddr>().is_err() && short(label) == name) {
        return Some(found);
    }
    for address in &host.addresses {
        let reverse = names.reverse(*address);
        let shortened = reverse.as_deref().map(short);
        let numeric = address.to_string();
        for candidate in reverse.iter().chain(&shortened).chain([&numeric]) {
            if let Some(found) = by(&|label| label == candidate) {
                return Some(found);
            }
        }
    }
    nodes.iter().position(|node| node.addresses.values().any(|ip| host.addresses.contains(ip)))
}

/// The checks of several links (final validation).
pub(super) fn check_links(nodes: &[ConfiguredNode]) -> Result<(), ConfigurationError> {
    let invalid = |text: String| Err(ConfigurationError::Invalid(text));
    let Some(first) = nodes.first() else { return Ok(()) };
    let several = nodes.iter().any(|node| node.addresses.len() > 1);
    if several && nodes.iter().any(|node| node.name.is_none()) {
        return invalid(
            "for a multi-link configuration, all nodes must have a 'name' attribute".to_owned(),
        );
    }
    let links: Vec<u8> = first.addresses.keys().copied().collect();
    if nodes.iter().any(|node| !node.addresses.keys().copied().eq(links.iter().copied())) {
        return invalid("Not all nodes have the same number of links".to_owned());
    }
    for link in links {
        let base = first.addresses.get(&link);
        for node in nodes {
            let Some((base, address)) = base.zip(node.addresses.get(&link)) else { continue };
            if base.is_ipv4() != address.is_ipv4() {
                return invalid(format!(
                    "Nodes for link {link} have different IP families (compared {address} with {base})"
                ));
            }
        }
    }
    Ok(())
}
