//! What a node is configured with: `corosync.conf`, and where its things are.

use std::ffi::OsString;
use std::fs;
use std::net::{IpAddr, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::time::Duration;

use cpg::configuration::{
    ClusterConfiguration, ConfigurationError, ConfigurationMap, ConfiguredNode, Debug, Facility,
    IpVersion, LocalHost, Logging, Names,
};
use cpg::driver::{DriverConfiguration, LoadError, read_key};
use cpg::security::Key;
use lrm::invocation::log_environment;
use quorum::device::net::NetSettings;
use quorum::options::{Entry, NodeVotes, Section, Settings};

use crate::ipc::Place;
use crate::ipc::endpoint::DIRECTORY_VARIABLE;
use crate::subsystem::{NodeId, NodeName};

/// Bytes of each socket buffer asked of the kernel.
const SOCKET_BUFFER: usize = 1 << 20;

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
    #[error("{place}: {error}")]
    Quorum {
        /// File, and line where one is to blame.
        place: String,
        /// What is wrong.
        error: String,
    },
    /// There is no usable key.
    #[error(transparent)]
    Key(#[from] LoadError),
    /// A reload asks for what only a restart can do.
    #[error("{0}")]
    Reload(String),
}

/// A watchdog of the machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WatchdogSettings {
    /// Its device.
    pub device: PathBuf,
    /// How long after the last feeding it resets the machine; whole seconds.
    pub timeout: Duration,
}

/// Where a node logs; its agents shall do the same.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LogSettings {
    /// The facility of the system's log that was asked for.
    pub facility: Option<String>,
    /// The file, by an absolute path.
    pub file: Option<PathBuf>,
    /// Whether what only helps to find faults is logged too, if that was said.
    pub debug: Option<bool>,
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
    /// Where it logs.
    pub log: LogSettings,
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
    pub(super) path: PathBuf,
    pub(super) given_name: Option<String>,
    pub(super) cluster: ClusterConfiguration,
    pub(super) map: ConfigurationMap,
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

/// Agents call command lines, which must find this node and print text, and log where it does.
fn environment(places: &Places, logging: &Logging) -> Vec<(String, Option<OsString>)> {
    let (LogSettings { facility, file, debug }, configured) = (&places.log, &logging.global);
    let own_facility = configured.syslog_facility.filter(|_| configured.to_syslog != Some(false));
    let facility = facility.as_deref().or(own_facility.as_ref().map(Facility::name));
    let own_file = configured.logfile.as_deref().filter(|_| configured.to_logfile == Some(true));
    let file = file.as_deref().and_then(Path::to_str).or(own_file);
    let own_debug = configured.debug.is_some_and(|debug| debug != Debug::Off);
    let mut variables = log_environment(facility, file, debug.unwrap_or(own_debug));
    variables.push(("OCF_OUTPUT_FORMAT".to_owned(), Some("text".into())));
    if let Some(path) = &places.ipc_directory {
        variables.push((DIRECTORY_VARIABLE.to_owned(), Some(path.clone().into_os_string())));
    }
    variables
}

fn host_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// Reads the file into keys.
pub(super) fn parse(path: &Path) -> Result<ConfigurationMap, SettingsError> {
    let content =
        fs::read(path).map_err(|source| SettingsError::Read { path: path.to_owned(), source })?;
    let map = ConfigurationMap::parse(&path.display().to_string(), &content);
    Ok(map.map_err(ConfigurationError::from)?)
}

/// By what this node is found in the node list: the name it was given, or what the machine says.
pub(super) fn host(name: Option<&str>, map: &ConfigurationMap) -> LocalHost {
    match name {
        Some(name) => LocalHost { name: name.to_owned(), addresses: Vec::new() },
        None => LocalHost { name: host_name(), addresses: own_addresses(map) },
    }
}

/// Checks the keys and makes of them what ring and links need.
pub(super) fn resolve(
    map: &ConfigurationMap,
    host: &LocalHost,
) -> Result<ClusterConfiguration, SettingsError> {
    Ok(ClusterConfiguration::resolve(map, host, &SystemNames)?)
}

impl NodeSettings {
    /// Reads `corosync.conf`.
    ///
    /// # Errors
    /// When it cannot be read or used.
    pub fn read(places: &Places) -> Result<NodeSettings, SettingsError> {
        let path = places.config.join("corosync.conf");
        let map = parse(&path)?;
        let cluster = resolve(&map, &host(places.name.as_deref(), &map))?;
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
            environment: environment(places, &cluster.logging),
            path,
            given_name: places.name.clone(),
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
    ///
    /// # Errors
    /// When a value is not of its key's type.
    pub fn quorum_section(&self) -> Result<(Section, Vec<NodeVotes>), SettingsError> {
        let entries: Vec<(String, String, u32)> = self
            .map
            .iter()
            .filter_map(|(key, value)| {
                let own = key.strip_prefix("quorum.")?.to_owned();
                let text = self.map.text(key).map(str::to_owned);
                let line = self.map.line(key).and_then(|line| u32::try_from(line).ok());
                let text = text.or_else(|| value.number().map(|number| number.to_string()))?;
                Some((own, text, line.unwrap_or(0)))
            })
            .collect();
        let entries = entries.iter().map(|(key, value, line)| Entry { key, value, line: *line });
        let section = Section::parse(entries).map_err(|error| self.wrong(None, &error))?;
        let voter = |node: &ConfiguredNode| NodeVotes {
            id: NodeId::from(node.id).into(),
            votes: node.quorum_votes.unwrap_or(1),
        };
        Ok((section, self.cluster.nodes.iter().map(voter).collect()))
    }

    fn wrong(&self, key: Option<&str>, error: &dyn std::fmt::Display) -> SettingsError {
        let place = match key {
            Some(key) => self.map.place(&format!("quorum.device.{key}")),
            None => self.map.file().to_owned(),
        };
        SettingsError::Quorum { place, error: error.to_string() }
    }

    /// The `logging` section as it is in the file now.
    ///
    /// # Errors
    /// When the file cannot be read or the section is wrong.
    pub fn logging_now(&self) -> Result<Logging, SettingsError> {
        Ok(Logging::read(&parse(&self.path)?).map_err(ConfigurationError::from)?)
    }

    /// What the votes run with, and the quorum device if one is configured.
    ///
    /// # Errors
    /// When the `quorum` section is wrong.
    pub fn votes(&self) -> Result<(Settings, Option<NetSettings>), SettingsError> {
        let (section, nodes) = self.quorum_section()?;
        let (settings, notices) = Settings::start(self.id.into(), &section, &nodes)
            .map_err(|error| self.wrong(None, &error))?;
        for notice in notices {
            log::warn!("quorum: {notice}");
        }
        let device = self.device(&section, &nodes, &settings)?;
        Ok((settings, device))
    }

    /// The quorum device, if these settings of the votes have one.
    ///
    /// # Errors
    /// When it cannot be used.
    pub fn device(
        &self,
        section: &Section,
        nodes: &[NodeVotes],
        settings: &Settings,
    ) -> Result<Option<NetSettings>, SettingsError> {
        let cluster = self.cluster.cluster_name.as_deref();
        let device = NetSettings::read(section, settings, nodes, cluster)
            .map_err(|error| self.wrong(error.key(), &error))?;
        for key in device.iter().flat_map(|device| &device.unknown) {
            let place = self.map.place(&format!("quorum.device.{key}"));
            log::warn!("{place}: quorum.device.{key} means nothing here");
        }
        Ok(device)
    }

    /// What ring, links and sockets run with; the ring's state is kept in this directory.
    ///
    /// # Errors
    /// When there is no usable key.
    pub fn driver(&self, state_directory: PathBuf) -> Result<DriverConfiguration, SettingsError> {
        let configuration = DriverConfiguration::from_cluster(&self.cluster)?;
        Ok(DriverConfiguration { state_directory, socket_buffer: SOCKET_BUFFER, ..configuration })
    }

    /// The key for datagrams, read anew; `None` when encryption is off.
    ///
    /// # Errors
    /// When it cannot be used.
    pub fn key(&self) -> Result<Option<Key>, SettingsError> {
        Ok(read_key(&self.cluster)?)
    }
}

fn name_of(node: &ConfiguredNode) -> String {
    node.name.clone().unwrap_or_else(|| format!("node{}", node.id))
}

/// The usual state directory.
pub fn default_state() -> &'static Path {
    Path::new("/var/lib/understudy")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Agents log where the node does; what the command line says wins.
    #[test]
    fn agents_are_told_where_the_configuration_has_the_node_log() {
        let text = "logging {\n to_logfile: yes\n logfile: /log\n syslog_facility: local2\n debug: on\n}\n";
        let map = ConfigurationMap::parse("corosync.conf", text.as_bytes()).unwrap();
        let logging = Logging::read(&map).unwrap();
        let places = |log| Places {
            config: PathBuf::new(),
            name: None,
            state: PathBuf::new(),
            ocf_root: PathBuf::new(),
            fence_agents: PathBuf::new(),
            ipc_directory: None,
            schema: String::new(),
            watchdog: None,
            log,
        };
        let told = |log: LogSettings, logging: &Logging| -> Vec<String> {
            let told = environment(&places(log), logging).into_iter();
            let mut told: Vec<String> = told
                .filter(|(name, _)| name.starts_with("HA_"))
                .map(|(name, value)| format!("{name}={}", value.unwrap().display()))
                .collect();
            told.sort_unstable();
            told
        };
        let everything = |facility: &str, file: &str| {
            [
                format!("HA_DEBUGLOG={file}"),
                format!("HA_LOGFACILITY={facility}"),
                format!("HA_LOGFILE={file}"),
                format!("HA_logfacility={facility}"),
                format!("HA_logfile={file}"),
            ]
        };
        assert_eq!(told(LogSettings::default(), &logging), everything("local2", "/log"));
        let (facility, file) = (Some("user".to_owned()), Some("/mine".into()));
        let given = LogSettings { facility, file, debug: None };
        assert_eq!(told(given, &logging), everything("user", "/mine"));
        assert_eq!(told(LogSettings::default(), &Logging::default()), [] as [&str; 0]);
        let quiet = LogSettings { debug: Some(false), ..LogSettings::default() };
        assert!(!told(quiet, &logging).iter().any(|told| told.starts_with("HA_DEBUGLOG")));
    }
}
