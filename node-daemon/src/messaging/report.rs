//! The state of the ring, the votes and the groups of a node, for those who look at them.

use cpg::configuration::{ClusterConfiguration, ConfigurationMap, ConfiguredNode, Transport};
use cpg::endpoint::Endpoint;
use cpg::protocol::ScheduleMiss;
use quorum::status::MapValue;
use serde::{Deserialize, Serialize};

use super::Messaging;

/// What a node knows of its ring (spec 70 §16).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RingReport {
    /// Id of the node that reports.
    pub node: u32,
    /// What its ring protocol does: operational, gather, commit, recovery or left.
    pub phase: String,
    /// The ring, while one is in force.
    pub ring: Option<RingName>,
    /// The links to the other nodes.
    pub links: Vec<LinkReport>,
    /// The votes, as the classic quorum tool prints them.
    pub votes: String,
    /// Whether this node's partition may act.
    pub quorate: bool,
    /// For how many milliseconds that holds if the ring's token does not come again; `None` while the ring
    /// is not in force.
    pub holds_for_ms: Option<u64>,
    /// Counters by name.
    pub counters: Vec<(String, u64)>,
    /// The process groups.
    pub groups: Vec<GroupReport>,
    /// How datagrams travel: knet, udpu or udp.
    pub transport: String,
    /// The configured nodes.
    pub nodes: Vec<NodeReport>,
    /// The configuration and what follows from it, as the reference's map names it: key, type, value. The
    /// key for datagrams is not among it.
    pub map: Vec<(String, String, String)>,
    /// The members alone, as the classic quorum tool prints them.
    pub members: String,
    /// [`RingReport::votes`] with ids in hexadecimal.
    pub votes_hex: String,
    /// [`RingReport::members`] with ids in hexadecimal.
    pub members_hex: String,
}

/// A configured node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeReport {
    /// Its id.
    pub node: u32,
    /// Its addresses by link.
    pub addresses: Vec<(u8, String)>,
}

/// A ring.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RingName {
    /// The node that formed it.
    pub representative: u32,
    /// Its number.
    pub sequence: u64,
    /// Its members, by id.
    pub members: Vec<u32>,
}

/// A link to another node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkReport {
    /// The other node.
    pub node: u32,
    /// Number of the link.
    pub link: u8,
    /// The other node's address on it.
    pub address: String,
    /// Whether answers come back.
    pub connected: bool,
    /// Smoothed round-trip time in microseconds.
    pub round_trip_us: u64,
    /// Largest datagram that was answered, in bytes.
    pub mtu: u64,
}

/// A process group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupReport {
    /// Name.
    pub name: String,
    /// Node and process of its members.
    pub members: Vec<(u32, u32)>,
}

impl RingReport {
    /// The state now; `date` is the present date as people write it.
    pub fn of(
        messaging: &Messaging,
        endpoint: &Endpoint,
        now: cpg::Time,
        date: &str,
    ) -> RingReport {
        let (node, protocol) = (endpoint.node(), endpoint.node().protocol());
        let links = endpoint.link_states().into_iter().flat_map(|(node, links)| {
            links.into_iter().map(move |link| LinkReport {
                node: node.get(),
                link: link.link,
                address: link.address.to_string(),
                connected: link.connected,
                round_trip_us: link.round_trip.as_micros() as u64,
                mtu: link.mtu as u64,
            })
        });
        let status = messaging.votes().status();
        let votes = |hex, members_only| {
            let name = |id: quorum::NodeId| messaging.name_of(id.get());
            let (status, name) = (&status, &name);
            quorum::status::Report { status, date, name, hex, members_only }.to_string()
        };
        RingReport {
            node: node.id().get(),
            phase: format!("{:?}", protocol.phase()).to_lowercase(),
            ring: protocol.ring().map(|(id, members)| RingName {
                representative: id.representative.get(),
                sequence: id.sequence,
                members: members.iter().map(|member| member.get()).collect(),
            }),
            links: links.collect(),
            quorate: status.quorate,
            holds_for_ms: protocol
                .token_deadline()
                .map(|at| u64::try_from(at.since(now).as_millis()).unwrap_or(u64::MAX)),
            votes: votes(false, false),
            votes_hex: votes(true, false),
            members: votes(false, true),
            members_hex: votes(true, true),
            map: votes_map(messaging),
            transport: String::new(),
            nodes: Vec::new(),
            counters: counters(endpoint),
            groups: node
                .groups()
                .tool_order()
                .into_iter()
                .map(|(name, members)| GroupReport {
                    name: String::from_utf8_lossy(name.as_bytes()).into_owned(),
                    members: members.iter().map(|m| (m.node.get(), m.process.0)).collect(),
                })
                .collect(),
        }
    }

    /// With what the node is configured with.
    #[must_use]
    pub fn with_configuration(
        mut self,
        cluster: &ClusterConfiguration,
        map: &ConfigurationMap,
    ) -> RingReport {
        self.transport = match cluster.transport {
            Transport::Knet => "knet",
            Transport::Udpu => "udpu",
            Transport::Udp => "udp",
        }
        .to_owned();
        let node = |node: &ConfiguredNode| NodeReport {
            node: node.id.get(),
            addresses: node.addresses.iter().map(|(link, ip)| (*link, ip.to_string())).collect(),
        };
        self.nodes = cluster.nodes.iter().map(node).collect();
        let shown = map.iter().filter(|(key, _)| *key != "totem.key");
        self.map.extend(
            shown.map(|(key, value)| {
                (key.to_owned(), value.type_name().to_owned(), value.to_string())
            }),
        );
        let mut number = |key: String, kind: &str, value: u64| {
            self.map.push((key, kind.to_owned(), value.to_string()));
        };
        number("nodelist.local_node_pos".to_owned(), "u32", cluster.local_node().position as u64);
        for (name, value) in cluster.timing.entries() {
            number(format!("runtime.config.totem.{name}"), "u32", value);
        }
        for (link, interface) in &cluster.interfaces {
            let probing = &interface.probing;
            let times = [("interval", probing.interval), ("timeout", probing.timeout)];
            for (name, time) in times {
                let key = format!("runtime.config.totem.interface.{link}.knet_ping_{name}");
                number(key, "u32", u64::try_from(time.as_millis()).unwrap_or(u64::MAX));
            }
        }
        let members = self.ring.as_ref().map_or(&[][..], |ring| &ring.members);
        for node in &self.nodes {
            let key = |what| format!("runtime.members.{}.{what}", node.node);
            let ip: String =
                node.addresses.iter().map(|(link, ip)| format!("r({link}) ip({ip}) ")).collect();
            let here = members.contains(&node.node);
            self.map.push((key("ip"), "str".to_owned(), ip));
            let state = if here { "joined" } else { "left" };
            self.map.push((key("status"), "str".to_owned(), state.to_owned()));
        }
        self.map.sort_unstable();
        self
    }

    /// With the times in which messaging did not run when it should have, as the statistics map of the
    /// reference has them: the latest is number 0; delays in milliseconds.
    #[must_use]
    pub fn with_misses<'a>(mut self, misses: impl Iterator<Item = &'a ScheduleMiss>) -> RingReport {
        for (number, miss) in misses.enumerate() {
            let name = |what| format!("stats.schedmiss.{number}.{what}");
            let delay = u64::try_from(miss.delay.as_millis()).unwrap_or(u64::MAX);
            self.counters.extend([(name("timestamp"), miss.at_ms), (name("delay"), delay)]);
        }
        self
    }
}

fn votes_map(messaging: &Messaging) -> Vec<(String, String, String)> {
    let keys = messaging.votes().map_keys().into_iter();
    keys.map(|(key, value)| {
        let (kind, value) = match value {
            MapValue::U8(value) => ("u8", u32::from(value)),
            MapValue::U32(value) => ("u32", value),
        };
        (format!("runtime.votequorum.{key}"), kind.to_owned(), value.to_string())
    })
    .collect()
}

fn counters(endpoint: &Endpoint) -> Vec<(String, u64)> {
    let mut out: Vec<(String, u64)> = endpoint
        .node()
        .protocol()
        .statistics()
        .entries()
        .into_iter()
        .map(|(name, value)| (format!("stats.srp.{name}"), value))
        .collect();
    let links = endpoint.link_statistics();
    for (name, value) in [
        ("datagrams_tx", links.datagrams_tx),
        ("bytes_tx", links.bytes_tx),
        ("datagrams_rx", links.datagrams_rx),
        ("bytes_rx", links.bytes_rx),
        ("pings_tx", links.pings_tx),
        ("pongs_rx", links.pongs_rx),
        ("rx_refused", links.rx_refused),
        ("rx_unlisted", links.rx_unlisted),
        ("rx_replayed", links.rx_replayed),
        ("rx_unproven", links.rx_unproven),
        ("rx_malformed", links.rx_malformed),
        ("link_up", links.link_up),
        ("link_down", links.link_down),
    ] {
        out.push((format!("stats.link.{name}"), value));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use cpg::configuration::{IpVersion, LocalHost, Names};
    use std::net::IpAddr;

    struct Numbers;

    impl Names for Numbers {
        fn resolve(&self, name: &str, _: IpVersion) -> Option<IpAddr> {
            name.parse().ok()
        }

        fn reverse(&self, _: IpAddr) -> Option<String> {
            None
        }
    }

    #[test]
    fn the_configuration_is_shown_without_its_key() {
        let text = "totem {\n version: 2\n token: 4000\n key: secret\n}\nnodelist {\n node {\n \
                    ring0_addr: 10.0.0.1\n name: a\n nodeid: 1\n }\n}\n";
        let map = ConfigurationMap::parse("corosync.conf", text.as_bytes()).unwrap();
        let host = LocalHost { name: "a".to_owned(), addresses: Vec::new() };
        let cluster = ClusterConfiguration::resolve(&map, &host, &Numbers).unwrap();
        let report = RingReport::default().with_configuration(&cluster, &map);
        let shown = serde_json::to_string(&report).unwrap();
        assert!(shown.contains("totem.token") && shown.contains("runtime.config.totem.token"));
        assert!(!shown.contains("secret") && !shown.contains("totem.key"), "{shown}");
    }
}
