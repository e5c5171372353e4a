//! What a node is configured with: `corosync.conf`, and where its things are.

use std::ffi::OsString;
use std::fs;
use std::net::{IpAddr, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::time::Duration;

use cpg::configuration::{
    ClusterConfiguration, ConfigurationError, ConfigurationMap, ConfiguredNode, Crypto, IpVersion,
    LocalHost, Names,
};
use cpg::driver::{LinkBind, read_key_file};
use cpg::endpoint::EndpointConfiguration;
use cpg::security::{Key, Keyring};
use quorum::device::net::NetSettings;
use quorum::options::{Entry, NodeVotes, Section, Settings};

use crate::ipc::Place;
use crate::ipc::endpoint::DIRECTORY_VARIABLE;
use crate::subsystem::{NodeId, NodeName};

/// Why a node cannot be configured.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// The file cannot be read.
    #[error("{path}: {source}")]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is wrong.
    #[error(transparent)]
    Configuration(#[from] ConfigurationError),
    /// The `quorum` section is wrong.
    #[error("quorum: {0}")]
    Quorum(String),
    /// There is no usable key.
    #[error("key: {0}")]
    Key(String),
}

/// A watchdog of the machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WatchdogSettings {
    /// Its device.
    pub device: PathBuf,
    /// How long after the last feeding it resets the machine; whole seconds.
    pub timeout: Duration,
}

/// Where a node's things are.
#[derive(Debug, Clone)]
pub struct Places {
    /// Directory of `corosync.conf`.
    pub config: PathBuf,
    /// The node's name, if it is not this machine's.
    pub name: Option<String>,
    /// State directory.
    pub state: PathBuf,
    /// Root of OCF agents.
    pub ocf_root: PathBuf,
    /// Directory of fence agents.
    pub fence_agents: PathBuf,
    /// Directory of the sockets for local clients; abstract addresses without.
    pub ipc_directory: Option<PathBuf>,
    /// Schema of a CIB that is made anew.
    pub schema: String,
    /// The watchdog to be fed, if there is one.
    pub watchdog: Option<WatchdogSettings>,
}

/// A node's configuration.
#[derive(Debug, Clone)]
pub struct NodeSettings {
    /// Its id.
    pub id: NodeId,
    /// Its name.
    pub name: String,
    /// State directory.
    pub state: PathBuf,
    /// Root of OCF agents.
    pub ocf_root: PathBuf,
    /// Directory of fence agents.
    pub fence_agents: PathBuf,
    /// Schema of a CIB that is made anew.
    pub schema: String,
    /// Where local clients connect.
    pub ipc: Place,
    /// The watchdog to be fed, if there is one.
    pub watchdog: Option<WatchdogSettings>,
    /// Variables for every agent.
    pub environment: Vec<(String, Option<OsString>)>,
    cluster: ClusterConfiguration,
    map: ConfigurationMap,
}

/// Names resolved by the system.
struct SystemNames;

impl Names for SystemNames {
    fn resolve(&self, name: &str, version: IpVersion) -> Option<IpAddr> {
        let found: Vec<IpAddr> =
            (name, 0).to_socket_addrs().ok()?.map(|address| address.ip()).collect();
        let of = |v6: bool| found.iter().copied().find(|address| address.is_ipv6() == v6);
        match version {
            IpVersion::V4 => of(false),
            IpVersion::V6 => of(true),
            IpVersion::V4Preferred => of(false).or(of(true)),
            IpVersion::V6Preferred => of(true).or(of(false)),
        }
    }

    fn reverse(&self, _: IpAddr) -> Option<String> {
        None
    }
}

/// Addresses of the list that are this machine's: those one can bind.
fn own_addresses(map: &ConfigurationMap) -> Vec<IpAddr> {
    let written =
        map.iter().filter(|(key, _)| key.starts_with("nodelist.node.") && key.contains("ring"));
    let texts = written.filter_map(|(key, _)| map.text(key));
    let addresses = texts.filter_map(|text| SystemNames.resolve(text, IpVersion::V4Preferred));
    addresses.filter(|address| std::net::UdpSocket::bind((*address, 0)).is_ok()).collect()
}

/// Agents call command lines, which must find this node.
fn environment(places: &Places) -> Vec<(String, Option<OsString>)> {
    let directory = places.ipc_directory.iter();
    directory
        .map(|path| (DIRECTORY_VARIABLE.to_owned(), Some(path.clone().into_os_string())))
        .collect()
}

fn host_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

impl NodeSettings {
    /// Reads `corosync.conf`.
    ///
    /// # Errors
    /// When it cannot be read or used.
    pub fn read(places: &Places) -> Result<NodeSettings, SettingsError> {
        let path = places.config.join("corosync.conf");
        let content =
            fs::read(&path).map_err(|source| SettingsError::Read { path: path.clone(), source })?;
        let map = ConfigurationMap::parse(&path.display().to_string(), &content)
            .map_err(ConfigurationError::from)?;
        let host = match &places.name {
            Some(name) => LocalHost { name: name.clone(), addresses: Vec::new() },
            None => LocalHost { name: host_name(), addresses: own_addresses(&map) },
        };
        let cluster = ClusterConfiguration::resolve(&map, &host, &SystemNames)?;
        for warning in &cluster.warnings {
            log::warn!("{warning}");
        }
        let local = cluster.local_node();
        Ok(NodeSettings {
            id: local.id.into(),
            name: name_of(local),
            state: places.state.clone(),
            ocf_root: places.ocf_root.clone(),
            fence_agents: places.fence_agents.clone(),
            schema: places.schema.clone(),
            ipc: places.ipc_directory.clone().map_or(Place::Namespace, Place::Directory),
            watchdog: places.watchdog.clone(),
            environment: environment(places),
            cluster,
            map,
        })
    }

    /// All nodes.
    pub fn node_names(&self) -> Vec<NodeName> {
        let named = |node: &ConfiguredNode| NodeName { id: node.id.into(), name: name_of(node) };
        self.cluster.nodes.iter().map(named).collect()
    }

    /// The cluster's configuration.
    pub fn cluster(&self) -> &ClusterConfiguration {
        &self.cluster
    }

    /// The `quorum` section and the nodes that vote.
    fn quorum_section(&self) -> Result<(Section, Vec<NodeVotes>), SettingsError> {
        let entries: Vec<(String, String)> = self
            .map
            .iter()
            .filter_map(|(key, value)| {
                let own = key.strip_prefix("quorum.")?.to_owned();
                let text = self.map.text(key).map(str::to_owned);
                Some((own, text.or_else(|| value.number().map(|number| number.to_string()))?))
            })
            .collect();
        let entries = entries.iter().map(|(key, value)| Entry { key, value, line: 0 });
        let section =
            Section::parse(entries).map_err(|error| SettingsError::Quorum(error.to_string()))?;
        let voter = |node: &ConfiguredNode| NodeVotes {
            id: NodeId::from(node.id).into(),
            votes: node.quorum_votes.unwrap_or(1),
        };
        Ok((section, self.cluster.nodes.iter().map(voter).collect()))
    }

    /// What the votes run with, and the quorum device if one is configured.
    ///
    /// # Errors
    /// When the `quorum` section is wrong.
    pub fn votes(&self) -> Result<(Settings, Option<NetSettings>), SettingsError> {
        let (section, nodes) = self.quorum_section()?;
        let (settings, notices) = Settings::start(self.id.into(), &section, &nodes)
            .map_err(|error| SettingsError::Quorum(error.to_string()))?;
        for notice in notices {
            log::warn!("quorum: {notice:?}");
        }
        let cluster = self.cluster.cluster_name.as_deref();
        let device = NetSettings::read(&section, &settings, &nodes, cluster)
            .map_err(|error| SettingsError::Quorum(error.to_string()))?;
        for key in device.iter().flat_map(|device| &device.unknown) {
            log::warn!("quorum.device.{key} means nothing here");
        }
        Ok((settings, device))
    }

    /// What ring and links run with.
    ///
    /// # Errors
    /// When there is no usable key.
    pub fn endpoint(&self) -> Result<EndpointConfiguration, SettingsError> {
        let keyring = match &self.cluster.crypto {
            Crypto::Off => None,
            Crypto::On { cipher, inline_key: Some(text), .. } => {
                let key = Key::new(text.as_bytes(), *cipher);
                Some(Keyring::new(key.map_err(|error| SettingsError::Key(error.to_string()))?))
            }
            Crypto::On { cipher, key_file, inline_key: None } => {
                let key = read_key_file(key_file, *cipher);
                Some(Keyring::new(key.map_err(|error| SettingsError::Key(error.to_string()))?))
            }
        };
        Ok(EndpointConfiguration {
            ring: self.cluster.ring(),
            links: self.cluster.links(),
            keyring,
        })
    }

    /// Where this node listens.
    pub fn binds(&self) -> Vec<LinkBind> {
        let addresses = self.cluster.addresses(self.cluster.local_node());
        addresses.into_iter().map(|at| LinkBind::unicast(at.link, at.address)).collect()
    }
}

fn name_of(node: &ConfiguredNode) -> String {
    node.name.clone().unwrap_or_else(|| format!("node{}", node.id))
}

/// The usual state directory.
pub fn default_state() -> &'static Path {
    Path::new("/var/lib/understudy")
}
