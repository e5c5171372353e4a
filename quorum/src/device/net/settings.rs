//! What `quorum.device` of `corosync.conf` says of the arbiter (corosync-qdevice(8)).

use std::path::PathBuf;
use std::time::Duration;

use crate::id::NodeId;
use crate::options::{NodeVotes, Section, Settings, TieBreaker};

use super::heuristics::{CheckKeys, Checks};
use super::tls::TLS_FILE;

/// Port of the arbiter daemon.
pub const PORT: u16 = 5403;
/// The arbiter's default bounds of the heartbeat interval.
const HEARTBEAT: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(120));
const CONNECT_TIMEOUT: std::ops::RangeInclusive<u64> = 1000..=120_000;
const TIMEOUT: Duration = Duration::from_secs(10);
const SYNC_TIMEOUT: Duration = Duration::from_secs(30);

/// How the arbiter decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NetAlgorithm {
    /// `ffsplit`: one partition of at least half the nodes gets the one vote.
    FiftyFifty,
    /// `lms`: the best partition gets the votes, down to a single node.
    LastManStanding,
}

impl NetAlgorithm {
    pub(super) fn number(self) -> u16 {
        match self {
            NetAlgorithm::FiftyFifty => 1,
            NetAlgorithm::LastManStanding => 3,
        }
    }

    pub(super) fn numbered(number: u16) -> Option<NetAlgorithm> {
        [NetAlgorithm::FiftyFifty, NetAlgorithm::LastManStanding]
            .into_iter()
            .find(|algorithm| algorithm.number() == number)
    }
}

/// Which addresses of the arbiter's name are tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum IpVersion {
    /// IPv6 first, then IPv4.
    Any,
    /// Only IPv4.
    V4,
    /// Only IPv6.
    V6,
}

/// Whether the connection is encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TlsMode {
    /// Never.
    Off,
    /// If the arbiter offers it. Somebody between can take the offer away.
    On,
    /// Always.
    Required,
}

/// Settings of the client.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct NetSettings {
    /// The local node.
    pub me: NodeId,
    /// `totem.cluster_name`, by which the arbiter tells clusters apart.
    pub cluster: String,
    /// The configured nodes.
    pub nodes: Vec<NodeId>,
    /// Name or address of the arbiter.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Which of its addresses.
    pub ip_version: IpVersion,
    /// How it decides.
    pub algorithm: NetAlgorithm,
    /// Between equal partitions.
    pub tie_breaker: TieBreaker,
    /// Prefer, between equal partitions, the one that had the vote before.
    pub keep_active: bool,
    /// The device must be heard of this often (`device.timeout`).
    pub timeout: Duration,
    /// Longest time from the attempt to connect until the arbiter has accepted this node.
    pub connect_timeout: Duration,
    /// Whether to encrypt.
    pub tls: TlsMode,
    /// PEM file with the cluster's certificate and key and the authority's certificate.
    pub tls_file: PathBuf,
    /// The node's own checks.
    pub checks: Option<Checks>,
    /// Keys that mean nothing here.
    pub unknown: Vec<String>,
}

/// Why the arbiter cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NetError {
    /// A model that does not exist.
    #[error("quorum.device.model: '{0}' is not accepted, expected 'net'")]
    Model(String),
    /// Nobody to ask.
    #[error(
        "quorum.device.net.host is missing, expected name or address of the corosync-qnetd host"
    )]
    NoHost,
    /// The arbiter tells clusters apart by name.
    #[error("totem.cluster_name is missing; quorum.device.model 'net' needs it")]
    NoCluster,
    /// The arbiter must know all nodes.
    #[error("nodelist is missing; quorum.device.model 'net' needs it")]
    NoNodes,
    /// Checks without a command, or with too many.
    #[error("quorum.device.heuristics: expected 1 to 32 exec_NAME keys (found: {0})")]
    CheckCommands(usize),
    /// A value that is not of its key's type.
    #[error("quorum.device.{key}: '{value}' is not accepted, expected {accepted}")]
    Value {
        /// Key below `quorum.device`.
        key: &'static str,
        /// The value, cut after 64 characters.
        value: String,
        /// What would be right.
        accepted: &'static str,
    },
    /// `ffsplit` has one vote to give between nodes of one vote each.
    #[error(
        "quorum.device.net.algorithm: ffsplit needs quorum.device.votes: 1 and one vote per node"
    )]
    FiftyFiftyVotes,
    /// With fewer the last node would not have quorum.
    #[error("quorum.device.net.algorithm: lms needs quorum.device.votes: {0}, or none given")]
    LastManVotes(u32),
}

impl NetError {
    /// The key below `quorum.device` that is to blame, if it is one.
    #[must_use]
    pub fn key(&self) -> Option<&'static str> {
        match self {
            NetError::Model(_) => Some("model"),
            NetError::Value { key, .. } => Some(key),
            NetError::FiftyFiftyVotes | NetError::LastManVotes(_) => Some("net.algorithm"),
            _ => None,
        }
    }

    pub(super) fn value(key: &'static str, value: &str, accepted: &'static str) -> NetError {
        NetError::Value { key, value: value.chars().take(64).collect(), accepted }
    }
}

impl NetSettings {
    /// The defaults for an arbiter on this host: port 5403, `ffsplit`, ties to the lowest node, in clear,
    /// without checks. `timeout` is `device.timeout`; the heartbeat and the wait for a connection follow
    /// from it.
    #[must_use]
    pub fn new(
        me: NodeId,
        cluster: &str,
        nodes: Vec<NodeId>,
        host: &str,
        timeout: Duration,
    ) -> NetSettings {
        NetSettings {
            me,
            cluster: cluster.to_owned(),
            nodes,
            host: host.to_owned(),
            port: PORT,
            ip_version: IpVersion::Any,
            algorithm: NetAlgorithm::FiftyFifty,
            tie_breaker: TieBreaker::Lowest,
            keep_active: true,
            timeout,
            connect_timeout: timeout.mul_f64(0.8).max(Duration::from_secs(1)),
            tls: TlsMode::Off,
            tls_file: PathBuf::from(TLS_FILE),
            checks: None,
            unknown: Vec::new(),
        }
    }

    /// Reads the `device` keys of the section; `None` if no device is configured.
    ///
    /// # Errors
    /// The first thing that cannot be.
    pub fn read(
        section: &Section,
        settings: &Settings,
        nodes: &[NodeVotes],
        cluster: Option<&str>,
    ) -> Result<Option<NetSettings>, NetError> {
        let (Some(model), Some(device)) = (&section.device_model, &settings.device) else {
            return Ok(None);
        };
        if model != "net" {
            return Err(NetError::Model(model.chars().take(64).collect()));
        }
        let timeout = section.device_timeout.unwrap_or(TIMEOUT);
        let cluster = cluster.filter(|name| !name.is_empty()).ok_or(NetError::NoCluster)?;
        let ids = nodes.iter().map(|node| node.id).collect();
        let mut new = NetSettings::new(settings.me, cluster, ids, "", timeout);
        new.tls = TlsMode::On;
        let mut checks = CheckKeys::default();
        for (key, value) in &section.device_extra {
            match key.strip_prefix("heuristics.") {
                Some(rest) if checks.set(rest, value) => {}
                _ => new.set(key, value)?,
            }
        }
        if new.host.is_empty() {
            return Err(NetError::NoHost);
        }
        let sync_timeout = section.device_sync_timeout.unwrap_or(SYNC_TIMEOUT);
        new.checks = checks.read(timeout, sync_timeout)?;
        new.check_votes(device.votes, nodes)?;
        Ok(Some(new))
    }

    fn set(&mut self, key: &str, value: &str) -> Result<(), NetError> {
        let refuse = |key, accepted| NetError::value(key, value, accepted);
        match key {
            "net.host" => self.host = value.to_owned(),
            "net.port" => {
                let port = value.parse().ok().filter(|port| *port != 0);
                self.port = port.ok_or_else(|| refuse("net.port", "a port from 1 to 65535"))?;
            }
            "net.force_ip_version" => {
                self.ip_version = match value {
                    "0" => IpVersion::Any,
                    "4" => IpVersion::V4,
                    "6" => IpVersion::V6,
                    _ => return Err(refuse("net.force_ip_version", "0, 4 or 6")),
                };
            }
            "net.algorithm" => {
                self.algorithm = match value {
                    "ffsplit" => NetAlgorithm::FiftyFifty,
                    "lms" => NetAlgorithm::LastManStanding,
                    _ => return Err(refuse("net.algorithm", "ffsplit or lms")),
                };
            }
            "net.tie_breaker" => {
                let listed = |breaker: &TieBreaker| match breaker {
                    TieBreaker::List(ids) => ids.len() == 1 && self.nodes.contains(&ids[0]),
                    _ => true,
                };
                let breaker = TieBreaker::parse(value).filter(listed);
                let accepted = "lowest, highest or the id of a node in the nodelist";
                self.tie_breaker = breaker.ok_or_else(|| refuse("net.tie_breaker", accepted))?;
            }
            "net.connect_timeout" => {
                let millis = value.parse().ok().filter(|millis| CONNECT_TIMEOUT.contains(millis));
                let accepted = "milliseconds from 1000 to 120000";
                let millis = millis.ok_or_else(|| refuse("net.connect_timeout", accepted))?;
                self.connect_timeout = Duration::from_millis(millis);
            }
            "net.keep_active_partition_tie_breaker" => {
                self.keep_active = match value {
                    "on" => true,
                    "off" => false,
                    _ => {
                        return Err(refuse("net.keep_active_partition_tie_breaker", "on or off"));
                    }
                };
            }
            "net.tls" => {
                self.tls = match value {
                    "off" => TlsMode::Off,
                    "on" => TlsMode::On,
                    "required" => TlsMode::Required,
                    _ => return Err(refuse("net.tls", "on, off or required")),
                };
            }
            "net.tls_file" => self.tls_file = PathBuf::from(value),
            key => self.unknown.push(key.to_owned()),
        }
        Ok(())
    }

    fn check_votes(&self, device: u32, nodes: &[NodeVotes]) -> Result<(), NetError> {
        if nodes.is_empty() {
            return Err(NetError::NoNodes);
        }
        let all: u32 = nodes.iter().map(|node| node.votes).fold(0, u32::saturating_add);
        match self.algorithm {
            NetAlgorithm::FiftyFifty => {
                let even = device == 1 && nodes.iter().all(|node| node.votes == 1);
                even.then_some(()).ok_or(NetError::FiftyFiftyVotes)
            }
            NetAlgorithm::LastManStanding => {
                let wanted = all.saturating_sub(1);
                (device == wanted).then_some(()).ok_or(NetError::LastManVotes(wanted))
            }
        }
    }

    /// How long the arbiter's word holds after it was last heard; the arbiter itself waits 1.5
    /// times as long before it takes this node for gone. 0.8 × `timeout`, 1 s to 120 s.
    #[must_use]
    pub fn heartbeat(&self) -> Duration {
        self.timeout.mul_f64(0.8).clamp(HEARTBEAT.0, HEARTBEAT.1)
    }

    /// How often the votes layer is told the word: half of `timeout`.
    #[must_use]
    pub fn interval(&self) -> Duration {
        self.timeout / 2
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::Entry;

    fn read(entries: &[(&str, &str)], nodes: u32) -> Result<NetSettings, NetError> {
        let entries = entries.iter().map(|(key, value)| Entry { key, value, line: 1 });
        let model = Entry { key: "device.model", value: "net", line: 1 };
        let section = Section::parse([model].into_iter().chain(entries)).unwrap();
        let id = |n| NodeId::new(n).unwrap();
        let nodes: Vec<_> = (1..=nodes).map(|n| NodeVotes { id: id(n), votes: 1 }).collect();
        let (settings, _) = Settings::start(id(1), &section, &nodes).unwrap();
        NetSettings::read(&section, &settings, &nodes, Some("lab"))
            .map(|settings| settings.expect("a device is configured"))
    }

    const BASE: [(&str, &str); 2] = [("device.net.host", "arbiter"), ("device.net.tls", "off")];

    #[test]
    fn defaults_are_those_of_the_manual_page() {
        let settings = read(&BASE, 2).unwrap();
        assert_eq!((settings.host.as_str(), settings.port), ("arbiter", 5403));
        assert_eq!(settings.algorithm, NetAlgorithm::FiftyFifty);
        assert_eq!((settings.tie_breaker, settings.keep_active), (TieBreaker::Lowest, true));
        assert_eq!(settings.connect_timeout, Duration::from_secs(8));
        assert_eq!((settings.tls, settings.checks), (TlsMode::Off, None));
        assert_eq!(read(&BASE[..1], 2).unwrap().tls, TlsMode::On);
        assert_eq!(settings.tls_file, PathBuf::from(TLS_FILE));
        assert_eq!(read(&BASE, 2).unwrap().heartbeat(), Duration::from_secs(8));
        assert_eq!(read(&BASE, 2).unwrap().interval(), Duration::from_secs(5));
    }

    #[test]
    fn what_cannot_work_is_refused_with_what_would_be_right() {
        for (entries, nodes, expected) in [
            (&[("device.net.tls", "off")][..], 2, "host is missing"),
            (&[BASE[0], ("device.net.tls", "yes")], 2, "on, off or required"),
            (&[BASE[0], ("device.heuristics.mode", "sync")], 2, "1 to 32 exec_NAME keys"),
            (&[BASE[0], BASE[1], ("device.net.algorithm", "test")], 2, "ffsplit or lms"),
            (&[BASE[0], BASE[1], ("device.net.tie_breaker", "7")], 2, "id of a node"),
            (&[BASE[0], BASE[1], ("device.net.port", "0")], 2, "1 to 65535"),
            (&[BASE[0], BASE[1], ("device.net.connect_timeout", "5")], 2, "1000 to 120000"),
            (&BASE, 4, "needs quorum.device.votes: 1"),
            (
                &[BASE[0], BASE[1], ("device.net.algorithm", "lms"), ("device.votes", "1")],
                4,
                "needs quorum.device.votes: 3",
            ),
        ] {
            let error = read(entries, nodes).unwrap_err().to_string();
            assert!(error.contains(expected), "{entries:?}: {error}");
        }
    }

    #[test]
    fn a_key_that_means_nothing_is_named() {
        let settings =
            read(&[BASE[0], ("device.net.hots", "x"), ("device.heuristics.mod", "x")], 2);
        assert_eq!(settings.unwrap().unknown, ["net.hots", "heuristics.mod"]);
    }
}
