//! From corosync.conf to a running driver: reading the file, finding this machine, the key.

use super::{DriverConfiguration, KeyFileError, LinkBind, read_key_file};
use crate::configuration::{
    ClusterConfiguration, ConfigurationError, ConfigurationMap, Crypto, IpVersion, LocalHost,
    Names, Transport,
};
use crate::endpoint::EndpointConfiguration;
use crate::link::LinkAddress;
use crate::security::{Key, KeyError, Keyring};
use std::io;
use std::net::{IpAddr, ToSocketAddrs};
use std::path::{Path, PathBuf};

/// Bytes of socket buffer asked for.
const SOCKET_BUFFER: usize = 8 << 20;
/// Where the ring sequence is kept when the configuration names no directory.
const STATE_DIRECTORY: &str = "/var/lib/corosync";

/// Why a configuration file could not be turned into a node.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum LoadError {
    #[error("Can't read file {path}: {source}")]
    Read { path: PathBuf, source: io::Error },
    #[error(transparent)]
    Configuration(#[from] ConfigurationError),
    #[error(transparent)]
    KeyFile(#[from] KeyFileError),
    #[error("totem.key: {0}")]
    InlineKey(#[from] KeyError),
}

/// The system's resolver.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemNames;

impl Names for SystemNames {
    fn resolve(&self, name: &str, version: IpVersion) -> Option<IpAddr> {
        let found: Vec<IpAddr> = match name.parse() {
            Ok(address) => vec![address],
            Err(_) => (name, 0).to_socket_addrs().ok()?.map(|address| address.ip()).collect(),
        };
        let v4 = found.iter().find(|address| address.is_ipv4()).copied();
        let v6 = found.iter().find(|address| address.is_ipv6()).copied();
        match version {
            IpVersion::V4 => v4,
            IpVersion::V6 => v6,
            IpVersion::V4Preferred => v4.or(v6),
            IpVersion::V6Preferred => v6.or(v4),
        }
    }

    fn reverse(&self, address: IpAddr) -> Option<String> {
        dns_lookup::lookup_addr(&address).ok()
    }
}

/// This machine's name and addresses.
pub fn local_host() -> LocalHost {
    let name = nix::unistd::gethostname().ok().and_then(|name| name.into_string().ok());
    let mut addresses = Vec::new();
    for interface in nix::ifaddrs::getifaddrs().into_iter().flatten() {
        let Some(storage) = interface.address else { continue };
        if let Some(v4) = storage.as_sockaddr_in() {
            addresses.push(IpAddr::from(v4.ip()));
        } else if let Some(v6) = storage.as_sockaddr_in6() {
            addresses.push(IpAddr::from(v6.ip()));
        }
    }
    LocalHost { name: name.unwrap_or_default(), addresses }
}

/// Reads and parses a configuration file.
pub fn read_configuration(path: &Path) -> Result<ConfigurationMap, LoadError> {
    let content =
        std::fs::read(path).map_err(|source| LoadError::Read { path: path.to_owned(), source })?;
    let map = ConfigurationMap::parse(&path.display().to_string(), &content);
    Ok(map.map_err(ConfigurationError::from)?)
}

/// Reads, checks and resolves a configuration file for this machine.
pub fn load_configuration(path: &Path) -> Result<ClusterConfiguration, LoadError> {
    let map = read_configuration(path)?;
    Ok(ClusterConfiguration::resolve(&map, &local_host(), &SystemNames)?)
}

/// The shared key of a checked configuration; `None` when encryption is off.
pub fn read_key(cluster: &ClusterConfiguration) -> Result<Option<Key>, LoadError> {
    Ok(match &cluster.crypto {
        Crypto::Off => None,
        Crypto::On { cipher, inline_key: Some(key), .. } => {
            Some(Key::new(key.as_bytes(), *cipher)?)
        }
        Crypto::On { cipher, key_file, inline_key: None } => {
            Some(read_key_file(key_file, *cipher)?)
        }
    })
}

impl DriverConfiguration {
    /// Where this node listens.
    pub fn binds_of(cluster: &ClusterConfiguration) -> Vec<LinkBind> {
        let bind = |end: LinkAddress| {
            let interface = cluster.interfaces.get(&end.link);
            let multicast = interface
                .and_then(|interface| interface.multicast)
                .filter(|_| cluster.transport == Transport::Udp);
            let ttl = interface.map_or(1, |interface| interface.ttl);
            let dscp = cluster.dscp;
            LinkBind { multicast, ttl, dscp, ..LinkBind::unicast(end.link, end.address) }
        };
        cluster.addresses(cluster.local_node()).into_iter().map(bind).collect()
    }

    /// What a checked configuration means for the driver. Reads the key file.
    pub fn from_cluster(cluster: &ClusterConfiguration) -> Result<DriverConfiguration, LoadError> {
        let keyring = read_key(cluster)?.map(Keyring::new);
        let state = cluster.state_dir.clone();
        Ok(DriverConfiguration {
            binds: DriverConfiguration::binds_of(cluster),
            endpoint: EndpointConfiguration {
                ring: cluster.ring(),
                links: cluster.links(),
                keyring,
            },
            state_directory: state.unwrap_or_else(|| STATE_DIRECTORY.into()),
            socket_buffer: SOCKET_BUFFER,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(content: &str) -> PathBuf {
        let path = std::env::temp_dir().join(format!("cpg-conf-{}", std::process::id()));
        std::fs::write(&path, content).unwrap();
        path
    }

    #[test]
    fn a_file_becomes_a_driver_configuration() {
        let key = "k".repeat(200);
        let path = file(&format!(
            "totem {{\n version: 2\n transport: knet\n key: {key}\n}}\nnodelist {{\n node {{\n ring0_addr: 127.0.0.1\n nodeid: 7\n name: me\n }}\n}}\n"
        ));
        let cluster = load_configuration(&path).unwrap();
        assert_eq!(cluster.local_node().id.get(), 7, "found by its address");
        let driver = DriverConfiguration::from_cluster(&cluster).unwrap();
        assert_eq!(driver.binds[0].address.to_string(), "127.0.0.1:5405");
        assert!(driver.endpoint.keyring.is_some());
        std::fs::remove_file(&path).unwrap();
        let error = load_configuration(&path).unwrap_err().to_string();
        assert!(error.starts_with("Can't read file"), "{error}");
    }
}
