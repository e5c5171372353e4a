//! The state of the ring, the votes and the groups of a node, for those who look at them.

use cpg::endpoint::Endpoint;
use cpg::protocol::ScheduleMiss;
use serde::{Deserialize, Serialize};

use super::Messaging;

/// What a node knows of its ring (spec 70 §16).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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
            votes: quorum::status::Report {
                status: &status,
                date,
                name: &|id| messaging.name_of(id.get()),
                hex: false,
                members_only: false,
            }
            .to_string(),
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
