//! What the fuzz targets do with their input. `cargo fuzz run packet` (from the crate's folder); the
//! tests here run the same functions on a fixed series of inputs.

use bytes::{Bytes, BytesMut};
use cpg::Time;
use cpg::configuration::{ClusterConfiguration, ConfigurationMap, IpVersion, LocalHost, Names};
use cpg::identity::{Incarnation, NodeId};
use cpg::link::{LinkAddress, LinkConfiguration, Links, Peer};
use cpg::node::Node;
use cpg::protocol::{Boot, Output};
use cpg::ring::{RingConfiguration, Timing};
use cpg::wire::{Data, Packet};
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

/// Two nodes that hand each other their packets, a millisecond each.
struct Pair {
    nodes: [Node; 2],
    now: Time,
}

impl Pair {
    fn new() -> Pair {
        let node = |me: u32| {
            let mut configuration = RingConfiguration::new(id(me), vec![id(1), id(2)]);
            configuration.timing = Timing::from_token(Duration::from_millis(300));
            let boot = Boot { ring_sequence: 0, incarnation: Incarnation(me.into()) };
            let mut node = Node::new(configuration, boot, Time::ZERO);
            node.handle_reachable(id(3 - me), true, Time::ZERO);
            node
        };
        let mut pair = Pair { nodes: [node(1), node(2)], now: Time::ZERO };
        pair.run(1000);
        pair
    }

    fn run(&mut self, milliseconds: u32) {
        for _ in 0..milliseconds {
            for at in 0..2 {
                self.nodes[at].handle_timeout(self.now);
                while self.nodes[at].poll_event().is_some() {}
                while let Some(output) = self.nodes[at].poll_output() {
                    if let Output::Send { bytes, .. } = output {
                        self.nodes[1 - at].handle_packet(bytes, self.now);
                    }
                }
            }
            self.now = self.now + Duration::from_millis(1);
        }
    }
}

/// A row of length-prefixed packets to one of two nodes in a ring, from somebody who has the key and knows
/// the ring: each is of the ring that is in force.
pub fn insider(data: &[u8]) {
    let mut pair = Pair::new();
    assert!(pair.nodes.iter().all(|node| node.protocol().ring().is_some_and(|r| r.1.len() == 2)));
    let mut rest = data;
    while let Some((length, tail)) = rest.split_first() {
        let (packet, tail) = tail.split_at(tail.len().min(usize::from(*length)));
        rest = tail;
        let present = pair.nodes[0].protocol().ring().map(|(ring, _)| ring);
        if let (Ok(mut packet), Some(present)) =
            (Packet::decode(Bytes::copy_from_slice(packet)), present)
        {
            match &mut packet {
                Packet::Token(token) => token.ring = present,
                Packet::Data(data) => {
                    let (seq, from, body) = (data.seq, data.originator, data.body.clone());
                    let (guarantee, post) = (data.guarantee, data.post_token);
                    *data = Data::new(present, seq, from, guarantee, post, body);
                }
                Packet::HoldCancel(cancel) => cancel.ring = present,
                Packet::Commit(token) => token.ring.sequence = present.sequence + 4,
                Packet::Join(_) | Packet::Probe(_) => {}
            }
            pair.nodes[0].handle_packet(packet.encode(), pair.now);
        }
        pair.run(u32::from(length % 4) * 10);
    }
    pair.run(1000);
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
        insider(&row);
        around(&row, datagram);
    }

    #[test]
    fn configurations() {
        let text = b"totem {\n version: 2\n token: 1000\n}\nnodelist {\n node {\n ring0_addr: 10.0.0.1\n name: a\n nodeid: 1\n }\n}\n";
        around(text, configuration);
    }
}
