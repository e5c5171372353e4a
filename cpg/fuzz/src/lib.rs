//! What the fuzz targets do with their input. `cargo fuzz run packet` (from the crate's folder); the
//! tests here run the same functions on a fixed series of inputs.

use bytes::{Bytes, BytesMut};
use cpg::Time;
use cpg::configuration::{ClusterConfiguration, ConfigurationMap, IpVersion, LocalHost, Names};
use cpg::identity::{Incarnation, NodeId};
use cpg::link::{LinkAddress, LinkConfiguration, Links, Peer};
use cpg::node::Node;
use cpg::protocol::Boot;
use cpg::ring::RingConfiguration;
use cpg::wire::Packet;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// What decodes must encode to something that decodes to the same.
pub fn packet(data: &[u8]) {
    if let Ok(packet) = Packet::decode(Bytes::copy_from_slice(data)) {
        assert_eq!(Packet::decode(packet.encode()).as_ref(), Ok(&packet));
    }
}

fn id(number: u32) -> NodeId {
    NodeId::new(number).expect("not zero")
}

/// Datagrams as they come, and with an intact frame around them.
pub fn datagram(data: &[u8]) {
    let address: SocketAddr = ([127, 0, 0, 1], 5405).into();
    let peer = Peer { node: id(2), addresses: vec![LinkAddress { link: 0, address }] };
    let configuration = LinkConfiguration::new(id(1), vec![peer], Duration::from_secs(1));
    let mut links = Links::new(configuration, None, [7; 32], Time::ZERO);
    links.handle_datagram(0, address, BytesMut::from(data), Time::ZERO);
    for (counter, content) in data.chunks(64).enumerate() {
        let mut frame = vec![0xc9, 0xd7, 1, 0xff, 0, 0, 0, 2];
        frame.extend_from_slice(&9u64.to_be_bytes());
        frame.extend_from_slice(&(counter as u64).to_be_bytes());
        frame.extend_from_slice(content);
        frame.extend_from_slice(&crc32fast::hash(&frame).to_be_bytes());
        links.handle_datagram(0, address, BytesMut::from(&frame[..]), Time::ZERO);
        while links.poll_event().is_some() {}
        while links.poll_transmit().is_some() {}
    }
}

/// A row of length-prefixed packets, with time passing in between, at one node.
pub fn node(data: &[u8]) {
    let configuration = RingConfiguration::new(id(1), vec![id(1), id(2), id(3)]);
    let boot = Boot { ring_sequence: 0, incarnation: Incarnation(0) };
    let mut now = Time::ZERO;
    let mut node = Node::new(configuration, boot, now);
    node.handle_reachable(id(2), true, now);
    let mut rest = data;
    while let Some((length, tail)) = rest.split_first() {
        let (packet, tail) = tail.split_at(tail.len().min(usize::from(*length)));
        rest = tail;
        now = now + Duration::from_millis(u64::from(length % 8) * 40);
        node.handle_packet(Bytes::copy_from_slice(packet), now);
        node.handle_timeout(now);
        while node.poll_output().is_some() {}
        while node.poll_event().is_some() {}
    }
}

struct Nothing;

impl Names for Nothing {
    fn resolve(&self, name: &str, _: IpVersion) -> Option<IpAddr> {
        name.parse().ok()
    }

    fn reverse(&self, _: IpAddr) -> Option<String> {
        None
    }
}

/// corosync.conf: parsed and resolved, or refused.
pub fn configuration(data: &[u8]) {
    let Ok(map) = ConfigurationMap::parse("fuzz", data) else { return };
    let host = LocalHost { name: "a".to_owned(), addresses: vec![] };
    if let Ok(configuration) = ClusterConfiguration::resolve(&map, &host, &Nothing) {
        let _ = (configuration.ring(), configuration.links());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Mutations of a seed: each byte replaced, each prefix.
    fn around(seed: &[u8], target: fn(&[u8])) {
        for length in 0..=seed.len() {
            target(&seed[..length]);
        }
        for at in 0..seed.len() {
            for value in [0, 1, 0x7f, 0x80, 0xff, seed[at] ^ 1] {
                let mut changed = seed.to_vec();
                changed[at] = value;
                target(&changed);
            }
        }
    }

    #[test]
    fn packets_and_datagrams() {
        let mut node = Node::new(
            RingConfiguration::new(id(2), vec![id(1), id(2)]),
            Boot { ring_sequence: 9, incarnation: Incarnation(3) },
            Time::ZERO,
        );
        node.handle_reachable(id(1), true, Time::ZERO);
        node.handle_timeout(Time::ZERO + Duration::from_millis(300));
        let mut row = vec![];
        while let Some(output) = node.poll_output() {
            if let cpg::protocol::Output::Send { bytes, .. } = output {
                around(&bytes, packet);
                row.push(bytes.len() as u8);
                row.extend_from_slice(&bytes);
            }
        }
        assert!(!row.is_empty());
        around(&row, super::node);
        around(&row, datagram);
    }

    #[test]
    fn configurations() {
        let text = b"totem {\n version: 2\n token: 1000\n}\nnodelist {\n node {\n ring0_addr: 10.0.0.1\n name: a\n nodeid: 1\n }\n}\n";
        around(text, configuration);
    }
}
