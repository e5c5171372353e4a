use super::*;
use crate::report::Road;
use crate::security::{Cipher, Key, Keyring};
use crate::time::Time;
use bytes::{Bytes, BytesMut};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

fn id(number: u32) -> NodeId {
    NodeId::new(number).unwrap()
}

fn address(node: u32, link: u8) -> SocketAddr {
    SocketAddr::from(([10, link, 0, node as u8], 5405))
}

fn keyring(byte: u8) -> Keyring {
    Keyring::new(Key::new(&[byte; 128], Cipher::default()).unwrap())
}

fn configuration(node: u32, links: u8) -> LinkConfiguration {
    let peers = (1..=2)
        .map(|peer| Peer {
            node: id(peer),
            addresses: (0..links)
                .map(|link| LinkAddress { link, address: address(peer, link) })
                .collect(),
        })
        .collect();
    LinkConfiguration::new(id(node), peers, Duration::from_secs(1))
}

fn links(node: u32, count: u8, key: u8, seed: u8) -> Links {
    Links::new(configuration(node, count), Some(keyring(key)), [seed; 32], Time::ZERO)
}

/// Two nodes and the wire between them; everything that passed is on record.
struct Pair {
    now: Time,
    ends: [Links; 2],
    events: [Vec<LinkEvent>; 2],
    record: Vec<(usize, Transmit)>,
    broken: Vec<u8>,
    /// Longer datagrams are lost.
    mtu: usize,
    /// What goes to this port is lost.
    deaf_port: Option<u16>,
    /// Where node 2 is on link 1, if it has moved there.
    moved: Option<SocketAddr>,
    /// So much of what is sent is lost by chance.
    loss: f64,
    chance: StdRng,
}

impl Pair {
    fn new(links: [Links; 2]) -> Pair {
        Pair {
            now: Time::ZERO,
            ends: links,
            events: [vec![], vec![]],
            record: vec![],
            broken: vec![],
            mtu: usize::MAX,
            deaf_port: None,
            moved: None,
            loss: 0.0,
            chance: StdRng::seed_from_u64(1),
        }
    }

    fn step(&mut self) {
        for at in 0..2 {
            self.ends[at].handle_timeout(self.now);
            while let Some(transmit) = self.ends[at].poll_transmit() {
                self.record.push((at, transmit.clone()));
                let lost = self.broken.contains(&transmit.link)
                    || transmit.datagram.len() > self.mtu
                    || self.deaf_port == Some(transmit.to.port())
                    || at == 0
                        && transmit.link == 1
                        && self.moved.is_some_and(|to| to != transmit.to)
                    || self.loss > 0.0 && self.chance.random_bool(self.loss);
                if !lost {
                    self.arrive(1 - at, &transmit);
                }
            }
        }
        for at in 0..2 {
            while let Some(event) = self.ends[at].poll_event() {
                self.events[at].push(event);
            }
        }
    }

    fn arrive(&mut self, to: usize, transmit: &Transmit) {
        let home = address(2 - to as u32, transmit.link);
        let from = self.moved.filter(|_| to == 0 && transmit.link == 1).unwrap_or(home);
        let datagram = BytesMut::from(&transmit.datagram[..]);
        self.ends[to].handle_datagram(transmit.link, from, datagram, self.now);
    }

    fn run(&mut self, time: Duration) {
        let end = self.now + time;
        while self.now < end {
            self.step();
            self.now = self.now + Duration::from_millis(10);
        }
    }

    fn send(&mut self, from: usize, packet: &'static [u8]) {
        let to = [id(2 - from as u32)];
        self.ends[from].send(&to, &Bytes::from_static(packet), Road::Common);
        self.step();
    }

    fn packets(&self, at: usize) -> usize {
        self.events[at].iter().filter(|event| matches!(event, LinkEvent::Packet(_))).count()
    }
}

#[test]
fn reachability_is_proven_both_ways_and_lost_with_the_pings() {
    let mut pair = Pair::new([links(1, 1, 7, 1), links(2, 1, 7, 2)]);
    pair.run(Duration::from_millis(500));
    assert!(pair.events[0].contains(&LinkEvent::Reachable(id(2), true)));
    pair.broken = vec![0];
    pair.run(Duration::from_millis(700));
    assert!(pair.events[0].contains(&LinkEvent::Reachable(id(2), false)));
    assert!(pair.events[0].contains(&LinkEvent::Silent(id(2), true)));
    pair.broken.clear();
    pair.run(Duration::from_millis(700));
    assert_eq!(pair.events[0].last(), Some(&LinkEvent::Reachable(id(2), true)));
}

#[test]
fn probes_that_the_network_does_not_carry_leave_a_link_up() {
    let ends = [1, 2].map(|node| {
        let configuration = LinkConfiguration {
            probing: Probing {
                interval: Duration::from_millis(250),
                ..Probing::with_timeout(Duration::from_millis(500), 2)
            },
            ..configuration(node, 1)
        };
        Links::new(configuration, Some(keyring(7)), [node as u8; 32], Time::ZERO)
    });
    let mut pair = Pair::new(ends);
    pair.mtu = 1472;
    pair.run(Duration::from_secs(20));
    let lost = |event: &LinkEvent| matches!(event, LinkEvent::Reachable(_, false));
    assert!(!pair.events.iter().flatten().any(lost));
    let longest = pair.record.iter().map(|(_, transmit)| transmit.datagram.len()).max();
    assert!(longest > Some(8_000), "longer ones were tried");
}

#[test]
fn replayed_forged_and_truncated_datagrams_are_counted_and_dropped() {
    let mut pair = Pair::new([links(1, 1, 7, 1), links(2, 1, 7, 2)]);
    pair.run(Duration::from_millis(500));
    pair.record.clear();
    pair.send(0, b"packet");
    pair.run(Duration::from_millis(500));
    assert_eq!(pair.packets(1), 1);
    let recorded = pair.record.clone();
    let before = pair.ends[1].statistics().clone();
    for (_, transmit) in recorded.iter().filter(|(from, _)| *from == 0) {
        pair.arrive(1, transmit);
    }
    let sent = recorded.iter().filter(|(from, _)| *from == 0).count() as u64;
    assert_eq!(pair.ends[1].statistics().rx_replayed, before.rx_replayed + sent);
    let (_, last) = recorded.iter().rfind(|(from, _)| *from == 0).unwrap().clone();
    for cut in [0, 10, 30, last.datagram.len() - 1] {
        let shorter = Transmit { datagram: last.datagram.slice(..cut), ..last.clone() };
        pair.arrive(1, &shorter);
    }
    assert_eq!(pair.ends[1].statistics().rx_refused, before.rx_refused + 4);
    pair.step();
    assert_eq!(pair.packets(1), 1, "nothing was acted upon");
}

#[test]
fn another_key_reaches_nobody() {
    let mut pair = Pair::new([links(1, 1, 7, 1), links(2, 1, 8, 2)]);
    pair.run(Duration::from_millis(800));
    assert!(pair.events.iter().all(Vec::is_empty));
    assert!(pair.ends[0].statistics().rx_refused > 3);
}

/// Spec 70 §19, W19: a recording of a node's datagrams does not speak for it.
#[test]
fn w19_datagrams_of_an_earlier_life_are_worth_nothing_to_a_node_that_restarted() {
    let mut pair = Pair::new([links(1, 1, 7, 1), links(2, 1, 7, 2)]);
    pair.run(Duration::from_millis(500));
    pair.send(0, b"old");
    let recorded = pair.record.clone();
    // Node 2 restarts and knows nothing; an attacker replays what node 1 once sent.
    pair.ends[1] = links(2, 1, 7, 3);
    pair.events[1].clear();
    for (_, transmit) in recorded.iter().filter(|(from, _)| *from == 0) {
        pair.arrive(1, transmit);
    }
    while let Some(event) = pair.ends[1].poll_event() {
        pair.events[1].push(event);
    }
    assert!(pair.events[1].is_empty(), "{:?}", pair.events[1]);
    assert!(pair.ends[1].statistics().rx_unproven > 0);
    // The real node 1 answers the challenge of the new life.
    pair.run(Duration::from_millis(500));
    pair.send(0, b"new");
    assert_eq!(pair.packets(1), 1);
    assert!(pair.events[0].contains(&LinkEvent::Reachable(id(2), true)));
}

#[test]
fn the_second_link_takes_over_and_active_mode_delivers_once() {
    for mode in [LinkMode::Passive, LinkMode::Active, LinkMode::RoundRobin] {
        let end = |node, seed| {
            let configuration = LinkConfiguration { mode, ..configuration(node, 2) };
            Links::new(configuration, Some(keyring(7)), [seed; 32], Time::ZERO)
        };
        let mut pair = Pair::new([end(1, 1), end(2, 2)]);
        pair.run(Duration::from_millis(500));
        pair.send(0, b"both links");
        assert_eq!(pair.packets(1), 1, "{mode:?}");
        pair.broken = vec![0];
        pair.run(Duration::from_millis(700));
        pair.send(0, b"one link");
        assert_eq!(pair.packets(1), 2, "{mode:?}");
        assert!(!pair.events[0].contains(&LinkEvent::Reachable(id(2), false)), "{mode:?}");
    }
}

#[test]
fn a_refused_datagram_kills_only_a_peer_that_does_not_answer() {
    let mut pair = Pair::new([links(1, 1, 7, 1), links(2, 1, 7, 2)]);
    pair.run(Duration::from_millis(500));
    pair.ends[0].handle_refused(address(2, 0), pair.now);
    pair.run(Duration::from_millis(100));
    assert!(!pair.events[0].contains(&LinkEvent::Dead(id(2))), "a forged report");
    pair.broken = vec![0];
    pair.ends[0].handle_refused(address(2, 0), pair.now);
    pair.run(Duration::from_millis(60));
    assert!(pair.events[0].contains(&LinkEvent::Dead(id(2))));
}

#[test]
fn large_packets_travel_in_fragments() {
    let mut pair = Pair::new([links(1, 1, 7, 1), links(2, 1, 7, 2)]);
    pair.run(Duration::from_millis(500));
    let packet: Bytes = (0..20_000u32).map(|i| i as u8).collect();
    pair.ends[0].send(&[id(2)], &packet, Road::Common);
    pair.step();
    assert!(pair.events[1].contains(&LinkEvent::Packet(packet)));
}

/// Where the tokens and the data of node 1 go, and what else is true of the road of tokens.
#[test]
fn tokens_take_a_road_of_their_own_once_it_is_proven() {
    const TOKENS: u16 = 40_000;
    let ends = [1, 2].map(|node| {
        let token_ports = vec![TOKENS + node as u16];
        let configuration = LinkConfiguration { token_ports, ..configuration(node, 1) };
        Links::new(configuration, Some(keyring(7)), [node as u8; 32], Time::ZERO)
    });
    let mut pair = Pair::new(ends);
    let roads = |pair: &mut Pair| {
        [Road::Token, Road::Common].map(|road| {
            pair.ends[0].send(&[id(2)], &Bytes::from_static(b"packet"), road);
            let sent = pair.ends[0].poll_transmit().unwrap();
            pair.arrive(1, &sent);
            (sent.to.port(), sent.road)
        })
    };
    let common = (5405, Road::Common);
    assert_eq!(roads(&mut pair), [common, common], "nothing is proven yet");
    pair.run(Duration::from_secs(1));
    let own = (TOKENS + 2, Road::Token);
    assert_eq!(roads(&mut pair), [own, common]);
    let refused = SocketAddr::new(address(2, 0).ip(), TOKENS + 2);
    pair.ends[0].handle_refused(refused, pair.now);
    assert_eq!(roads(&mut pair), [common, common], "nothing listens there");
    pair.run(Duration::from_secs(1));
    assert_eq!(roads(&mut pair), [own, common], "it was proven again");
    pair.deaf_port = Some(TOKENS + 2);
    pair.run(Duration::from_secs(1));
    assert_eq!(roads(&mut pair), [common, common], "challenges there stay unanswered");
    let lost =
        |event: &LinkEvent| matches!(event, LinkEvent::Reachable(_, false) | LinkEvent::Dead(_));
    assert!(!pair.events.iter().flatten().any(lost), "the link itself never failed");
}

/// One link is watched closely, the other patiently; each as it is configured.
#[test]
fn every_link_is_watched_as_it_is_configured() {
    let ms = Duration::from_millis;
    let patient =
        Probing { interval: ms(300), pong_count: 4, ..Probing::with_timeout(ms(2000), 4) };
    let ends = [1, 2].map(|node| {
        let link_probing = BTreeMap::from([(1, patient)]);
        let configuration = LinkConfiguration { link_probing, ..configuration(node, 2) };
        Links::new(configuration, Some(keyring(7)), [node as u8; 32], Time::ZERO)
    });
    let mut pair = Pair::new(ends);
    pair.run(ms(5000));
    pair.record.clear();
    pair.run(ms(3000));
    let datagrams = |link| pair.record.iter().filter(|(at, t)| (*at, t.link) == (0, link)).count();
    let (close, rare) = (datagrams(0), datagrams(1));
    // Pings, probes of size in every second and answers: 24 of the one, 10 of the other.
    assert!((48..=72).contains(&close) && (20..=30).contains(&rare), "{close} and {rare}");
    pair.broken = vec![0, 1];
    let down = |pair: &Pair| -> Vec<u8> {
        let states = pair.ends[0].states();
        states[0].1.iter().filter(|link| !link.connected).map(|link| link.link).collect()
    };
    pair.run(ms(700));
    assert_eq!(down(&pair), [0]);
    assert!(!pair.events[0].contains(&LinkEvent::Silent(id(2), true)), "the other may still speak");
    pair.run(ms(1600));
    assert_eq!(down(&pair), [0, 1]);
    assert!(pair.events[0].contains(&LinkEvent::Silent(id(2), true)));
}

/// Why a link is pinged twice as often as the reference does it unless something else is configured.
#[test]
fn the_default_interval_takes_a_lossy_link_for_down_less_often() {
    let times_down = |pings: u32| {
        let ends = [1, 2].map(|node| {
            let mut configuration = configuration(node, 1);
            configuration.probing.interval = configuration.probing.timeout / pings;
            Links::new(configuration, Some(keyring(7)), [node as u8; 32], Time::ZERO)
        });
        let mut pair = Pair::new(ends);
        pair.loss = 0.05;
        pair.run(Duration::from_secs(3600));
        pair.ends.iter().map(|end| end.statistics().link_down).sum::<u64>()
    };
    let (ours, reference) = (times_down(Probing::PINGS), times_down(2));
    assert!(reference > 2 * ours, "{ours} times down, {reference} with two pings in a time-out");
    assert_eq!(configuration(1, 1).probing.interval, Duration::from_millis(1000 / 8));
}

#[test]
fn the_round_trip_that_is_shown_is_the_average_of_as_many_answers_as_are_configured() {
    let ms = Duration::from_millis;
    let shown = |precision, answers: &[u64]| {
        let probing = Probing { precision, ..Probing::with_timeout(ms(1000), 2) };
        let (mut path, mut now) = (path::Path::new(0, address(2, 0), Time::ZERO), Time::ZERO);
        for (nonce, wait) in answers.iter().enumerate() {
            path.ping(nonce as u64, &probing, now);
            now = now + ms(*wait);
            assert!(path.pong(nonce as u64, &probing, now));
        }
        path.state().round_trip
    };
    assert_eq!(shown(2048, &[10, 20, 30]), ms(20));
    assert_eq!(shown(1, &[10, 20, 30]), ms(30));
    assert_eq!(shown(2, &[10, 20, 30]), Duration::from_micros(22_500));
}

/// What a reload does to links: one comes, one moves, one goes; the one that stays carries the packets.
#[test]
fn links_come_move_and_go_beside_one_that_stays() {
    let mut pair = Pair::new([links(1, 1, 7, 1), links(2, 1, 7, 2)]);
    pair.run(Duration::from_millis(500));
    let change = |pair: &mut Pair, count: u8, moved: Option<SocketAddr>| {
        for (at, node) in [(0, 1), (1, 2)] {
            let mut new = configuration(node, count);
            for peer in new.peers.iter_mut().filter(|peer| peer.node == id(2)) {
                let ends = peer.addresses.iter_mut().filter(|end| end.link == 1);
                ends.for_each(|end| end.address = moved.unwrap_or(end.address));
            }
            pair.ends[at].reconfigure(new, pair.now);
        }
        pair.moved = moved;
    };
    let connected = |pair: &Pair| -> Vec<(u8, bool)> {
        pair.ends
            .iter()
            .flat_map(Links::states)
            .flat_map(|(_, links)| links)
            .map(|l| (l.link, l.connected))
            .collect()
    };
    let carries = |pair: &mut Pair| {
        let before = pair.packets(1);
        pair.send(0, b"packet");
        pair.packets(1) - before
    };
    change(&mut pair, 2, None);
    assert_eq!(connected(&pair), [(0, true), (1, false), (0, true), (1, false)]);
    assert_eq!(carries(&mut pair), 1);
    pair.run(Duration::from_millis(500));
    assert!(connected(&pair).iter().all(|(_, up)| *up), "the new one has proven itself");
    // Node 2 moves on link 1: at both ends it is no longer trusted.
    change(&mut pair, 2, Some(SocketAddr::from(([10, 9, 0, 2], 5405))));
    assert_eq!(connected(&pair), [(0, true), (1, false), (0, true), (1, false)]);
    assert_eq!(carries(&mut pair), 1);
    pair.run(Duration::from_millis(500));
    assert!(connected(&pair).iter().all(|(_, up)| *up), "at the new address");
    pair.broken = vec![0];
    pair.run(Duration::from_millis(700));
    assert_eq!(carries(&mut pair), 1, "the moved link carries alone");
    pair.broken.clear();
    pair.run(Duration::from_millis(500));
    change(&mut pair, 1, None);
    assert_eq!(connected(&pair), [(0, true), (0, true)]);
    assert_eq!(carries(&mut pair), 1);
    let lost = |event: &LinkEvent| {
        matches!(event, LinkEvent::Reachable(_, false) | LinkEvent::Silent(_, true))
    };
    assert!(!pair.events.iter().flatten().any(lost), "nobody was out of reach");
    change(&mut pair, 0, None);
    pair.step();
    assert!(pair.events[0].contains(&LinkEvent::Reachable(id(2), false)), "without links it is");
}
