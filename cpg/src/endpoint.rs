//! A whole node without I/O: links below, ring and groups above. What a driver drives.

use crate::identity::{Incarnation, NodeId};
use crate::link::{LinkConfiguration, LinkEvent, LinkState, LinkStatistics, Links, Peer};
use crate::node::{Node, NodeEvent};
use crate::protocol::{Boot, Output, Road};
use crate::ring::{Reconfiguration, RingConfiguration};
use crate::security::{Key, KeyError, KeyId, Keyring};
use crate::time::{Time, earliest};
use bytes::{Bytes, BytesMut};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::collections::VecDeque;
use std::net::SocketAddr;

/// Everything a node is configured with.
#[derive(Debug, Clone)]
pub struct EndpointConfiguration {
    /// The ring protocol.
    pub ring: RingConfiguration,
    /// The links.
    pub links: LinkConfiguration,
    /// The keys; `None` switches encryption off.
    pub keyring: Option<Keyring>,
}

/// What the endpoint wants done, in order.
#[derive(Debug, Clone)]
pub enum EndpointOutput {
    /// Make the ring sequence durable before any later output is acted upon.
    Persist {
        /// The number.
        ring_sequence: u64,
    },
    /// Send a datagram.
    Transmit {
        /// On which link.
        link: u8,
        /// Where to.
        to: SocketAddr,
        /// The datagram.
        datagram: Bytes,
        /// [`Road::Token`] when the address is one where the peer reads tokens only.
        road: Road,
    },
}

/// See the module's documentation. After every call that takes `now`, drain
/// [`Endpoint::poll_output`] and [`Endpoint::poll_event`].
#[derive(Debug)]
pub struct Endpoint {
    links: Links,
    node: Node,
    outputs: VecDeque<EndpointOutput>,
    events: VecDeque<NodeEvent>,
}

impl Endpoint {
    /// Starts a node. `ring_sequence` is the number persisted last, 0 when there is none; `seed`
    /// must be random and secret.
    pub fn new(
        configuration: EndpointConfiguration,
        ring_sequence: u64,
        seed: [u8; 32],
        now: Time,
    ) -> Endpoint {
        let mut rng = StdRng::from_seed(seed);
        let boot = Boot { ring_sequence, incarnation: Incarnation(rng.random()) };
        let links = Links::new(configuration.links, configuration.keyring, rng.random(), now);
        let node = Node::new(configuration.ring, boot, now);
        let mut endpoint =
            Endpoint { links, node, outputs: VecDeque::new(), events: VecDeque::new() };
        endpoint.pump(now);
        endpoint
    }

    /// The ring and groups, for reading.
    pub fn node(&self) -> &Node {
        &self.node
    }

    /// Acts on ring and groups: connect, join, multicast, leave, close, shut down.
    pub fn with_node<R>(&mut self, now: Time, act: impl FnOnce(&mut Node) -> R) -> R {
        let result = act(&mut self.node);
        self.pump(now);
        result
    }

    /// Whether a token that waits should be read before data that waits, see
    /// [`crate::protocol::Protocol::expects_token`].
    pub fn expects_token(&self) -> bool {
        self.node.protocol().expects_token()
    }

    /// Counters of the links.
    pub fn link_statistics(&self) -> &LinkStatistics {
        self.links.statistics()
    }

    /// Every link to every peer.
    pub fn link_states(&self) -> Vec<(NodeId, Vec<LinkState>)> {
        self.links.states()
    }

    /// Adds a peer or replaces its addresses, at run time.
    pub fn add_peer(&mut self, peer: Peer, now: Time) {
        self.links.add_peer(peer, now);
        self.pump(now);
    }

    /// Removes a peer at run time; its datagrams are refused.
    pub fn remove_peer(&mut self, node: NodeId, now: Time) {
        self.links.remove_peer(node);
        self.pump(now);
    }

    /// First step of a key rotation, at every node: accept this key too. The id is the key's name in the
    /// next steps, [`Node::activate_key`] and [`Node::retire_keys_except`].
    pub fn load_key(&mut self, key: Key) -> Result<KeyId, KeyError> {
        self.links.keyring_mut().ok_or(KeyError::Off)?.load(key)
    }

    /// Name of the key used for sending; `None` when encryption is off.
    pub fn active_key(&mut self) -> Option<KeyId> {
        self.links.keyring_mut()?.active().map(Key::id)
    }

    /// Changes at run time what may change: peers that came, left or moved, how links are chosen and
    /// judged, and what of the ring [`Reconfiguration`] lists.
    pub fn reconfigure(&mut self, ring: Reconfiguration, links: LinkConfiguration, now: Time) {
        self.node.reconfigure(ring);
        self.links.reconfigure(links, now);
        self.pump(now);
    }

    /// Takes a received datagram.
    pub fn handle_datagram(&mut self, link: u8, from: SocketAddr, datagram: BytesMut, now: Time) {
        self.links.handle_datagram(link, from, datagram, now);
        self.pump(now);
    }

    /// See [`Links::handle_refused`].
    pub fn handle_refused(&mut self, to: SocketAddr, now: Time) {
        self.links.handle_refused(to, now);
        self.pump(now);
    }

    /// Lets timers run out.
    pub fn handle_timeout(&mut self, now: Time) {
        self.links.handle_timeout(now);
        self.pump(now);
        if self.node.poll_timeout().is_some_and(|at| at <= now) {
            self.node.handle_timeout(now);
            self.pump(now);
        }
    }

    /// When to call [`Endpoint::handle_timeout`] next.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Time> {
        earliest(self.links.poll_timeout(), self.node.poll_timeout())
    }

    /// The next output.
    #[must_use]
    pub fn poll_output(&mut self) -> Option<EndpointOutput> {
        self.outputs.pop_front()
    }

    /// The next event.
    #[must_use]
    pub fn poll_event(&mut self) -> Option<NodeEvent> {
        self.events.pop_front()
    }

    fn pump(&mut self, now: Time) {
        loop {
            while let Some(event) = self.links.poll_event() {
                match event {
                    LinkEvent::Packet(packet) => self.node.handle_packet(packet, now),
                    LinkEvent::Reachable(node, up) => self.node.handle_reachable(node, up, now),
                    LinkEvent::Silent(node, silent) => self.node.handle_silent(node, silent, now),
                    LinkEvent::Dead(node) => self.node.handle_dead(node, now),
                    LinkEvent::Link(..) => {}
                }
            }
            self.transmit();
            let mut idle = true;
            while let Some(output) = self.node.poll_output() {
                idle = false;
                match output {
                    Output::Persist { ring_sequence } => {
                        self.outputs.push_back(EndpointOutput::Persist { ring_sequence });
                    }
                    Output::Send { to, bytes, road } => self.links.send(&to, &bytes, road),
                }
                self.transmit();
            }
            while let Some(event) = self.node.poll_event() {
                self.apply_key_step(&event);
                self.events.push_back(event);
            }
            if idle {
                return;
            }
        }
    }

    fn transmit(&mut self) {
        while let Some(transmit) = self.links.poll_transmit() {
            self.outputs.push_back(EndpointOutput::Transmit {
                link: transmit.link,
                to: transmit.to,
                datagram: transmit.datagram,
                road: transmit.road,
            });
        }
    }

    fn apply_key_step(&mut self, event: &NodeEvent) {
        let Some(keyring) = self.links.keyring_mut() else { return };
        let result = match event {
            NodeEvent::ActivateKey(slot) => keyring.activate(*slot),
            NodeEvent::RetireKeysExcept(slot) => keyring.retire_except(*slot),
            _ => return,
        };
        if let Err(error) = result {
            log::error!("crypto reconfiguration: {error}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::link::LinkAddress;
    use crate::protocol::PhaseName;
    use crate::security::Cipher;
    use std::time::Duration;

    fn address(node: usize) -> SocketAddr {
        SocketAddr::from(([10, 0, 0, node as u8], 5405))
    }

    fn key(byte: u8) -> Key {
        Key::new(&[byte; 128], Cipher::default()).unwrap()
    }

    /// Three nodes with these digests of their configurations.
    fn endpoints(digests: [u64; 3], now: Time) -> Vec<Endpoint> {
        let ids: Vec<NodeId> = (1..=3).filter_map(NodeId::new).collect();
        let endpoint = |node: &NodeId| {
            let peers = ids.iter().map(|id| Peer {
                node: *id,
                addresses: vec![LinkAddress { link: 0, address: address(id.get() as usize) }],
            });
            let token = Duration::from_secs(1);
            let mut ring = RingConfiguration::new(*node, ids.clone());
            ring.digest = digests[node.get() as usize - 1];
            let configuration = EndpointConfiguration {
                ring,
                links: LinkConfiguration::new(*node, peers.collect(), token),
                keyring: Some(Keyring::new(key(1))),
            };
            Endpoint::new(configuration, 0, [node.get() as u8; 32], now)
        };
        ids.iter().map(endpoint).collect()
    }

    /// Lets time pass; returns what was sent.
    fn run(endpoints: &mut [Endpoint], now: &mut Time, time: Duration) -> Vec<Bytes> {
        let (end, mut sent) = (*now + time, vec![]);
        while *now < end {
            for at in 0..endpoints.len() {
                endpoints[at].handle_timeout(*now);
                while let Some(output) = endpoints[at].poll_output() {
                    let EndpointOutput::Transmit { to, datagram, .. } = output else { continue };
                    sent.push(datagram.clone());
                    let SocketAddr::V4(v4) = to else { continue };
                    let target = usize::from(v4.ip().octets()[3]) - 1;
                    if target >= endpoints.len() {
                        continue; // configured, but does not run
                    }
                    let datagram = BytesMut::from(&datagram[..]);
                    endpoints[target].handle_datagram(0, address(at + 1), datagram, *now);
                }
                while endpoints[at].poll_event().is_some() {}
            }
            *now = *now + Duration::from_millis(1);
        }
        sent
    }

    fn whole(endpoints: &[Endpoint]) -> bool {
        endpoints.iter().all(|endpoint| {
            let protocol = endpoint.node().protocol();
            protocol.phase() == PhaseName::Operational
                && protocol.ring().is_some_and(|(_, members)| members.len() == 3)
        })
    }

    /// A node that comes with another configuration is refused before it disturbs anyone (spec 70 §19, W20).
    #[test]
    fn w20_another_configuration_is_refused_at_the_door() {
        let mut now = Time::ZERO;
        let mut nodes = endpoints([7, 7, 8], now);
        let members = |node: &Endpoint| node.node().protocol().ring().map(|(_, m)| m.len());
        let entered = |node: &Endpoint| node.node().protocol().statistics().gather_entered;
        run(&mut nodes, &mut now, Duration::from_secs(5));
        let together: Vec<_> = nodes.iter().map(members).collect();
        assert_eq!(together, [Some(2), Some(2), Some(1)]);
        let before: Vec<u64> = nodes.iter().map(entered).collect();
        run(&mut nodes, &mut now, Duration::from_secs(10));
        assert_eq!(nodes.iter().map(entered).collect::<Vec<_>>(), before, "nobody was disturbed");
    }

    #[test]
    fn keys_rotate_while_the_ring_stays() {
        let mut now = Time::ZERO;
        let mut nodes = endpoints([0; 3], now);
        run(&mut nodes, &mut now, Duration::from_secs(3));
        assert!(whole(&nodes));
        let rings = |nodes: &[Endpoint]| -> u64 {
            let entered = |e: &Endpoint| e.node().protocol().statistics().operational_entered;
            nodes.iter().map(entered).sum()
        };
        let before = rings(&nodes);
        nodes.iter_mut().for_each(|node| assert_eq!(node.load_key(key(2)), Ok(key(2).id())));
        nodes[2].with_node(now, |node| node.activate_key(key(2).id(), now));
        run(&mut nodes, &mut now, Duration::from_secs(2));
        nodes[0].with_node(now, |node| node.retire_keys_except(key(2).id(), now));
        run(&mut nodes, &mut now, Duration::from_secs(2));
        let sent = run(&mut nodes, &mut now, Duration::from_secs(2));
        assert!(
            !sent.is_empty() && sent.iter().all(|datagram| datagram[3] == key(2).id()),
            "the new key"
        );
        assert!(whole(&nodes));
        assert_eq!(rings(&nodes), before, "no downtime");
        let refused: u64 = nodes.iter().map(|node| node.link_statistics().rx_refused).sum();
        assert_eq!(refused, 0);
    }

    /// What a reload may do: slower timers, another node in the list, one that is gone, another digest.
    #[test]
    fn a_reload_changes_peers_and_timers_without_touching_the_ring() {
        let mut now = Time::ZERO;
        let mut nodes = endpoints([7; 3], now);
        run(&mut nodes, &mut now, Duration::from_secs(3));
        assert!(whole(&nodes));
        let reload = |nodes: &mut [Endpoint], ids: std::ops::RangeInclusive<u32>, now: Time| {
            let ids: Vec<NodeId> = ids.filter_map(NodeId::new).collect();
            for node in nodes {
                let me = node.node().id();
                let mut ring = RingConfiguration::new(me, ids.clone());
                (ring.digest, ring.limits.rotation) = (8, 50);
                let peers = ids.iter().map(|id| Peer {
                    node: *id,
                    addresses: vec![LinkAddress { link: 0, address: address(id.get() as usize) }],
                });
                let links = LinkConfiguration::new(me, peers.collect(), Duration::from_secs(2));
                node.reconfigure(ring.into(), links, now);
            }
        };
        let entered = |nodes: &[Endpoint]| -> u64 {
            nodes.iter().map(|n| n.node().protocol().statistics().gather_entered).sum()
        };
        let before = entered(&nodes);
        reload(&mut nodes, 1..=4, now);
        let still_up =
            |node: &Endpoint| node.link_states().iter().filter(|(_, l)| l[0].connected).count();
        assert_eq!(nodes.iter().map(still_up).collect::<Vec<_>>(), [2, 2, 2], "links stay up");
        assert!(nodes.iter().all(|node| node.link_states().len() == 3), "the new one is tried");
        for node in &nodes {
            let configuration = node.node().protocol().configuration();
            assert_eq!((configuration.digest, configuration.limits.rotation), (8, 50));
        }
        run(&mut nodes[..3], &mut now, Duration::from_secs(3));
        assert_eq!(entered(&nodes), before, "nobody was disturbed");
        // Node 3 is struck from the list: the others go on without it.
        reload(&mut nodes[..2], 1..=2, now);
        run(&mut nodes, &mut now, Duration::from_secs(20));
        let members = |node: &Endpoint| node.node().protocol().ring().map(|(_, m)| m.len());
        assert_eq!((members(&nodes[0]), members(&nodes[1])), (Some(2), Some(2)));
    }
}
