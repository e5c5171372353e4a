//! From typed keys to a checked configuration (spec 70 §11 to §13).

use super::nodes::{self, IdRules};
use super::{
    Blame, ConfigurationError, ConfigurationMap, ConfiguredNode, IpVersion, LocalHost, Logging,
    Names, QuorumSection, TotemTiming,
};
use crate::link::{LinkAddress, LinkConfiguration, LinkMode, Peer, Probing};
use crate::ring::{FlowLimits, RingConfiguration, WINDOW_BYTES};
use crate::security::Cipher;
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

const DEFAULT_PORT: u16 = 5405;
const LONGEST_LINK_MODE: usize = 63;
const DEFAULT_KEY_FILE: &str = "/etc/corosync/authkey";

/// How datagrams travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Transport {
    Knet,
    Udpu,
    Udp,
}

/// Whether and how datagrams are protected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Crypto {
    /// Not at all; somebody wrote that down.
    Off,
    /// With this cipher and the key of that file, or the inline key.
    On {
        /// The cipher.
        cipher: Cipher,
        /// Where the key is.
        key_file: PathBuf,
        /// A key written into the configuration itself, used when the file is not named.
        inline_key: Option<String>,
    },
}

/// One link's settings.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Interface {
    pub port: u16,
    pub priority: u8,
    pub ttl: u8,
    pub multicast: Option<IpAddr>,
    pub probing: Probing,
}

/// A configuration that can be run.
#[derive(Debug, Clone)]
#[allow(missing_docs)]
pub struct ClusterConfiguration {
    pub transport: Transport,
    pub cluster_name: Option<String>,
    pub config_version: u64,
    pub link_mode: LinkMode,
    pub crypto: Crypto,
    pub timing: TotemTiming,
    pub interfaces: BTreeMap<u8, Interface>,
    pub nodes: Vec<ConfiguredNode>,
    /// Index of this node in `nodes`.
    pub local: usize,
    pub dscp: u8,
    /// Explicit flow control limits in ring packets, where given.
    pub limits: Option<FlowLimits>,
    pub state_dir: Option<PathBuf>,
    pub quorum: QuorumSection,
    pub logging: Logging,
    /// To be logged at warning.
    pub warnings: Vec<String>,
}

fn refused<T>(text: impl Into<String>) -> Result<T, ConfigurationError> {
    Err(ConfigurationError::Refused(text.into()))
}

fn invalid<T>(text: impl Into<String>) -> Result<T, ConfigurationError> {
    Err(ConfigurationError::Invalid(text.into()))
}

impl ClusterConfiguration {
    /// Checks everything in the reference's order; the first error wins.
    pub fn resolve(
        map: &ConfigurationMap,
        host: &LocalHost,
        names: &dyn Names,
    ) -> Result<ClusterConfiguration, ConfigurationError> {
        let mut warnings = Vec::new();
        let transport = transport(map).blame(map, &["totem.transport"])?;
        let knet = transport == Transport::Knet;
        let crypto_keys = ["totem.crypto_cipher", "totem.crypto_hash", "totem.secauth"];
        let crypto = crypto(map, transport, &mut warnings).blame(map, &crypto_keys)?;
        let explicit_mode = map.text("totem.link_mode");
        if explicit_mode.is_some_and(|mode| mode.len() > LONGEST_LINK_MODE) {
            return refused("totem.link_mode is too long").blame(map, &["totem.link_mode"]);
        }
        check_link_numbers(map)?;
        check_link_transports(map, &mut warnings)?;
        let version = ip_version(map, transport);
        let clear_high_bit = map.text("totem.clear_node_high_bit") == Some("yes");
        let rules = IdRules { knet, clear_high_bit };
        let nodes = nodes::nodes(map, version, names, &rules)?;
        if nodes.is_empty() {
            return refused("No interfaces defined");
        }
        let Some(local) = nodes::find_local(&nodes, host, names) else {
            return invalid("No valid name found for local host");
        };
        warn_of_deprecated(map, &mut warnings);
        warn_of_what_has_no_effect(map, &mut warnings);
        let on_link_0 = nodes.iter().filter(|node| node.addresses.contains_key(&0)).count();
        let timing_of_links = TotemTiming::resolve(map, on_link_0);
        let token = timing_of_links.as_ref().map_or(3000, |timing| timing.token);
        let interfaces = interfaces(map, &nodes[local], transport, token)?;
        warn_of_rare_pings(map, &interfaces, &mut warnings);
        if map.number("totem.version") != Some(2) {
            return invalid("This totem parser can only parse version 2 configurations.")
                .blame(map, &["totem.version"]);
        }
        let link_mode = link_mode(explicit_mode).blame(map, &["totem.link_mode"])?;
        if !knet && interfaces.len() > 1 {
            let text = format!(
                "{} is too many configured interfaces for non-Knet transport.",
                interfaces.len()
            );
            return invalid(text).blame(map, &["totem.transport"]);
        }
        let timing = timing_of_links?;
        nodes::check_links(&nodes)?;
        let without_address = configured_links(map)
            .find(|link| !nodes.iter().all(|node| node.addresses.contains_key(link)));
        if let Some(link) = without_address {
            return invalid("Not all nodes have the same number of links")
                .blame(map, &[&first_key(map, link)]);
        }
        Ok(ClusterConfiguration {
            transport,
            cluster_name: map.text("totem.cluster_name").map(str::to_owned),
            config_version: map.number("totem.config_version").unwrap_or(0),
            link_mode,
            crypto,
            timing,
            interfaces,
            nodes,
            local,
            dscp: map.number("totem.ip_dscp").unwrap_or(0) as u8,
            limits: limits(map),
            state_dir: map.text("system.state_dir").map(PathBuf::from),
            quorum: QuorumSection::read(map),
            logging: Logging::read(map).map_err(|error| {
                let key = format!("logging.{}", error.key());
                Err::<(), _>(error.into()).blame(map, &[&key]).unwrap_err()
            })?,
            warnings,
        })
    }

    /// This node's entry.
    pub fn local_node(&self) -> &ConfiguredNode {
        &self.nodes[self.local]
    }

    /// What the ring runs with.
    pub fn ring(&self) -> RingConfiguration {
        let peers = self.nodes.iter().map(|node| node.id).collect();
        let mut ring = RingConfiguration::new(self.local_node().id, peers);
        ring.timing = self.timing.ring();
        ring.token_warning = self.timing.token_warning as u32;
        ring.fail_recv_const = u32::try_from(self.timing.fail_recv_const).unwrap_or(u32::MAX);
        ring.seqno_unchanged_const =
            u32::try_from(self.timing.seqno_unchanged_const).unwrap_or(u32::MAX);
        if let Some(limits) = self.limits {
            ring.limits = limits;
        }
        ring.digest = self.config_version;
        ring
    }

    /// Where a node listens.
    pub fn addresses(&self, node: &ConfiguredNode) -> Vec<LinkAddress> {
        let address = |(link, ip): (&u8, &IpAddr)| {
            let port = self.interfaces.get(link).map_or(DEFAULT_PORT, |interface| interface.port);
            LinkAddress { link: *link, address: SocketAddr::new(*ip, port) }
        };
        node.addresses.iter().map(address).collect()
    }

    /// What the links run with.
    pub fn links(&self) -> LinkConfiguration {
        let peers = self
            .nodes
            .iter()
            .map(|node| Peer { node: node.id, addresses: self.addresses(node) })
            .collect();
        let token = Duration::from_millis(self.timing.token);
        let mut links = LinkConfiguration::new(self.local_node().id, peers, token);
        links.mode = self.link_mode;
        let highest = self.interfaces.keys().max().copied().unwrap_or(0);
        for link in 0..=highest {
            let interface = self.interfaces.get(&link);
            links.priorities.push(interface.map_or(1, |interface| interface.priority));
            let group = interface
                .and_then(|interface| Some(SocketAddr::new(interface.multicast?, interface.port)));
            links.multicast.push(group.filter(|_| self.transport == Transport::Udp));
        }
        let probing = |(link, interface): (&u8, &Interface)| (*link, interface.probing);
        links.link_probing = self.interfaces.iter().map(probing).collect();
        links
    }
}

fn transport(map: &ConfigurationMap) -> Result<Transport, ConfigurationError> {
    match map.text("totem.transport") {
        None | Some("knet") => Ok(Transport::Knet),
        Some("udpu") => Ok(Transport::Udpu),
        Some("udp") => Ok(Transport::Udp),
        Some(_) => refused("Invalid transport type. Should be udpu, udp or knet"),
    }
}

/// No crypto is a choice that must be written down: without a word the cipher is AES-256-GCM.
fn crypto(
    map: &ConfigurationMap,
    transport: Transport,
    warnings: &mut Vec<String>,
) -> Result<Crypto, ConfigurationError> {
    let (cipher, hash) = (map.text("totem.crypto_cipher"), map.text("totem.crypto_hash"));
    let (mut in_force, mut hash_in_force) = match map.text("totem.secauth") {
        None if transport == Transport::Knet => ("aes256", "sha256"),
        Some("on") => ("aes256", "sha256"),
        None | Some(_) => ("none", "none"),
    };
    in_force = cipher.unwrap_or(in_force);
    hash_in_force = hash.unwrap_or(if cipher == Some("none") { "none" } else { hash_in_force });
    if in_force != "none" && hash_in_force == "none" {
        return refused("crypto_cipher requires crypto_hash with value other than none");
    }
    if transport != Transport::Knet {
        if in_force != "none" || hash_in_force != "none" {
            let text = "crypto_cipher & crypto_hash are only valid for the Knet transport.";
            return invalid(text);
        }
        warnings.push("transports udp and udpu send in clear".to_owned());
        return Ok(Crypto::Off);
    }
    let cipher = match (in_force, hash_in_force) {
        ("none", "none") => return Ok(Crypto::Off),
        ("aes128", _) => Cipher::Aes128Gcm,
        ("chacha20-poly1305", _) => Cipher::ChaCha20Poly1305,
        ("none", _) => {
            warnings
                .push("authentication without encryption is not offered: encrypting".to_owned());
            Cipher::Aes256Gcm
        }
        _ => Cipher::Aes256Gcm,
    };
    let key_file = map.text("totem.keyfile").unwrap_or(DEFAULT_KEY_FILE).into();
    let inline_key = match map.text("totem.keyfile") {
        Some(_) => None,
        None => map.text("totem.key").map(str::to_owned),
    };
    Ok(Crypto::On { cipher, key_file, inline_key })
}

/// Links that have an interface section with any key in it.
fn configured_links(map: &ConfigurationMap) -> impl Iterator<Item = u8> + '_ {
    let number = |(rest, _): (&str, _)| rest.split_once('.').and_then(|(n, _)| n.parse().ok());
    map.under("totem.interface.").filter_map(number)
}

/// A key of this interface's section.
fn first_key(map: &ConfigurationMap, link: u8) -> String {
    let section = format!("totem.interface.{link}.");
    let first = map.under(&section).next().map(|(key, _)| format!("{section}{key}"));
    first.unwrap_or_default()
}

fn check_link_numbers(map: &ConfigurationMap) -> Result<(), ConfigurationError> {
    match configured_links(map).find(|link| *link > 7) {
        Some(link) => {
            let error = format!("interface ring number {link} is bigger than allowed maximum 7");
            invalid(error).blame(map, &[&first_key(map, link)])
        }
        None => Ok(()),
    }
}

fn check_link_transports(
    map: &ConfigurationMap,
    warnings: &mut Vec<String>,
) -> Result<(), ConfigurationError> {
    for (rest, value) in map.under("totem.interface.") {
        let key = format!("totem.interface.{rest}");
        match value.to_string().as_str() {
            _ if !rest.ends_with(".knet_transport") => {}
            "udp" => {}
            "sctp" => warnings.push(format!("{}: {key}: links are UDP here", map.place(&key))),
            _ => {
                return refused("Unrecognised knet_transport. expected 'udp' or 'sctp'")
                    .blame(map, &[&key]);
            }
        }
    }
    Ok(())
}

fn ip_version(map: &ConfigurationMap, transport: Transport) -> IpVersion {
    match map.text("totem.ip_version") {
        Some("ipv4") => IpVersion::V4,
        Some("ipv6") => IpVersion::V6,
        Some("ipv4-6") => IpVersion::V4Preferred,
        Some(_) => IpVersion::V6Preferred,
        None if transport == Transport::Udp => IpVersion::V4,
        None => IpVersion::V6Preferred,
    }
}

fn link_mode(word: Option<&str>) -> Result<LinkMode, ConfigurationError> {
    match word {
        None | Some("passive") => Ok(LinkMode::Passive),
        Some("active") => Ok(LinkMode::Active),
        Some("rr") => Ok(LinkMode::RoundRobin),
        Some(other) => invalid(format!(
            "The Knet link mode \"{other}\" specified is invalid.  It must be active, passive or rr."
        )),
    }
}

fn limits(map: &ConfigurationMap) -> Option<FlowLimits> {
    let limit = |key: &str| {
        let given = map.number(key).filter(|value| *value != 0)?;
        Some(given.min(4096) as u32)
    };
    let (window, visit) = (limit("totem.window_size"), limit("totem.max_messages"));
    if window.is_none() && visit.is_none() {
        return None;
    }
    let rotation = window.unwrap_or(384);
    let visit = visit.unwrap_or(256).min(rotation);
    Some(FlowLimits { rotation, visit, accelerated: visit / 2, bytes: WINDOW_BYTES })
}

fn interfaces(
    map: &ConfigurationMap,
    local: &ConfiguredNode,
    transport: Transport,
    token: u64,
) -> Result<BTreeMap<u8, Interface>, ConfigurationError> {
    let mut interfaces = BTreeMap::new();
    for link in local.addresses.keys() {
        let key = |name: &str| format!("totem.interface.{link}.{name}");
        let number = |name: &str| map.number(&key(name));
        let default_port = if transport == Transport::Knet {
            DEFAULT_PORT + u16::from(*link)
        } else {
            DEFAULT_PORT
        };
        let port = number("mcastport").filter(|port| *port != 0);
        let port = port.map_or(default_port, |port| port as u16);
        if number("ttl").is_some() && transport != Transport::Udp {
            let text =
                format!("Can only set ttl on multicast transport types for interface {link}");
            return invalid(text).blame(map, &[&key("ttl")]);
        }
        if number("knet_link_priority").is_some() && transport != Transport::Knet {
            let text =
                format!("Can only set link priority on knet transport type for interface {link}");
            return invalid(text).blame(map, &[&key("knet_link_priority")]);
        }
        let multicast = match map.text(&key("mcastaddr")).map(str::parse::<IpAddr>) {
            Some(Ok(address)) if address.is_multicast() => Some(address),
            Some(_) => {
                let text = format!("invalid multicast address for interface {link}");
                return refused(text).blame(map, &[&key("mcastaddr")]);
            }
            None if transport == Transport::Udp => Some(IpAddr::from([239, 192, 100, 1])),
            None => None,
        };
        let interface = Interface {
            port,
            priority: number("knet_link_priority").map_or(1, |priority| priority as u8),
            ttl: number("ttl").map_or(1, |ttl| ttl as u8),
            multicast,
            probing: probing(map, *link, token),
        };
        interfaces.insert(*link, interface);
    }
    Ok(interfaces)
}

/// How a link is watched; a zero stands for the default.
fn probing(map: &ConfigurationMap, link: u8, token: u64) -> Probing {
    let given = |name: &str| {
        map.number(&format!("totem.interface.{link}.{name}")).filter(|given| *given > 0)
    };
    let count = |name: &str| given(name).map(|given| u32::try_from(given).unwrap_or(u32::MAX));
    let pong_count = count("knet_pong_count").unwrap_or(Probing::PONG_COUNT);
    let timeout = given("knet_ping_timeout").unwrap_or(token / u64::from(pong_count)).max(2);
    let probing = Probing::with_timeout(Duration::from_millis(timeout), pong_count);
    let interval = given("knet_ping_interval").map(Duration::from_millis);
    Probing {
        interval: interval.unwrap_or(probing.interval).max(Duration::from_millis(1)),
        precision: count("knet_ping_precision").unwrap_or(Probing::PRECISION),
        ..probing
    }
}

/// A link that is not pinged within its time-out goes up and down all the time.
fn warn_of_rare_pings(
    map: &ConfigurationMap,
    interfaces: &BTreeMap<u8, Interface>,
    warnings: &mut Vec<String>,
) {
    for (link, Interface { probing, .. }) in interfaces {
        if probing.interval >= probing.timeout {
            let key = format!("totem.interface.{link}.knet_ping_interval");
            let at_fault = if map.number(&key).is_some() {
                key
            } else {
                format!("totem.interface.{link}.knet_ping_timeout")
            };
            warnings.push(format!(
                "{}: link {link} is pinged every {} ms, which must be less than the {} ms after which it \
                 is taken for down",
                map.place(&at_fault),
                probing.interval.as_millis(),
                probing.timeout.as_millis()
            ));
        }
    }
}

/// Options of the reference that mean nothing here are accepted, and named.
fn warn_of_what_has_no_effect(map: &ConfigurationMap, warnings: &mut Vec<String>) {
    const WITHOUT_EFFECT: [(&str, &str); 17] = [
        ("totem.heartbeat_failures_allowed", "links are watched all the time"),
        ("totem.max_network_delay", "there is no heartbeat besides the links' own"),
        ("totem.miss_count_const", "a loss is told from what is still on its way by the token"),
        ("totem.netmtu", "packets are cut to what each path carries"),
        ("totem.knet_mtu", "the size that each path carries is probed"),
        ("totem.knet_pmtud_interval", "paths are probed along with their pings"),
        ("totem.knet_compression_model", "nothing is compressed"),
        ("totem.cancel_token_hold_on_retransmit", "an idle ring repairs losses at once"),
        ("logging.blackbox", "there is no flight recorder"),
        ("totem.send_join", "joins are sent at once"),
        ("totem.threads", "one thread carries the ring"),
        ("totem.knet_compression_threshold", "nothing is compressed"),
        ("totem.knet_compression_level", "nothing is compressed"),
        ("system.sched_rr", "the scheduling class is the service manager's to set"),
        ("system.priority", "the scheduling class is the service manager's to set"),
        ("system.move_to_root_cgroup", "the control group is the service manager's to set"),
        ("totem.downcheck", "links are watched all the time"),
    ];
    for (key, instead) in WITHOUT_EFFECT {
        let given = map.get(key).map(ToString::to_string);
        if given.is_some_and(|given| !matches!(given.as_str(), "0" | "none" | "no" | "off")) {
            warnings.push(format!("{}: {key} has no effect here: {instead}", map.place(key)));
        }
    }
}

fn warn_of_deprecated(map: &ConfigurationMap, warnings: &mut Vec<String>) {
    if map.number("totem.nodeid").is_some() {
        warnings.push(
            "nodeid in totem section is deprecated and ignored. Nodelist (or autogenerated) nodeid is going to be used."
                .to_owned(),
        );
        warnings.push("Please migrate config file to nodelist.".to_owned());
    }
    let bound = map.under("totem.interface.").any(|(key, _)| key.ends_with(".bindnetaddr"));
    if bound {
        warnings.push("interface section bindnetaddr is used together with nodelist. Nodelist one is going to be used.".to_owned());
        warnings.push("Please migrate config file to nodelist.".to_owned());
    }
}
