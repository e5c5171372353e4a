//! A node as a process, and the tests' view of a cluster of them.

use crate::namespaces::{Network, address, address_v6, relay_address};
use cpg::driver::{Driver, DriverConfiguration, LinkBind};
use cpg::endpoint::EndpointConfiguration;
use cpg::group::{Event, GroupName, ProcessId};
use cpg::link::{LinkAddress, LinkConfiguration, Peer};
use cpg::node::NodeEvent;
use cpg::protocol::ConfigurationKind;
use cpg::ring::{RingConfiguration, Timing};
use cpg::security::{Cipher, Key, Keyring};
use cpg::{Guarantee, NodeId};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

const PORT: u16 = 5405;

/// Wall-clock time, the same for all processes.
pub fn wall() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap()
}

/// Body of a node process: joins a group, sends all the time, prints what it sees.
pub fn run_node() {
    let variable = |name: &str| std::env::var(name).unwrap();
    if variable("CPG_NODE") == "relay" {
        return crate::relay::run();
    }
    let me: u32 = variable("CPG_NODE").parse().unwrap();
    let links: usize = variable("CPG_LINKS").parse().unwrap();
    let set = |name: &str| variable(name) == "true";
    let (relayed, ipv6) = (set("CPG_RELAYED"), set("CPG_IPV6"));
    let own = |id: u32, link: usize| if ipv6 { address_v6(id, link) } else { address(id, link) };
    let group_address: Option<IpAddr> = set("CPG_MULTICAST").then(|| [239, 192, 77, 1].into());
    let token = Duration::from_millis(variable("CPG_TOKEN").parse().unwrap());
    let node = NodeId::new(me).unwrap();
    let ids: Vec<NodeId> = (1..=3).filter_map(NodeId::new).collect();
    let peer_address = |id: u32, link: usize| {
        let ip = if relayed { relay_address(id) } else { own(id, link) };
        SocketAddr::new(ip, PORT + link as u16)
    };
    let addresses = |id: NodeId| {
        let address =
            |link| LinkAddress { link: link as u8, address: peer_address(id.get(), link) };
        (0..links).map(address).collect()
    };
    let peers = ids.iter().map(|id| Peer { node: *id, addresses: addresses(*id) }).collect();
    let mut ring = RingConfiguration::new(node, ids.clone());
    ring.timing = Timing::from_token(token);
    let configuration = DriverConfiguration {
        endpoint: EndpointConfiguration {
            ring,
            links: LinkConfiguration {
                multicast: vec![group_address.map(|group| SocketAddr::new(group, PORT))],
                ..LinkConfiguration::new(node, peers, token)
            },
            keyring: Some(Keyring::new(Key::new(&[7; 128], Cipher::default()).unwrap())),
        },
        binds: (0..links)
            .map(|link| {
                let local = SocketAddr::new(own(me, link), PORT + link as u16);
                LinkBind { multicast: group_address, ..LinkBind::unicast(link as u8, local) }
            })
            .collect(),
        state_directory: PathBuf::from(variable("CPG_STATE")),
        socket_buffer: 1 << 20,
    };
    let mut driver = Driver::start(configuration).unwrap();
    let client =
        driver.act(|node, _| node.connect(ProcessId(std::process::id()))).unwrap().unwrap();
    let group = GroupName::new("test").unwrap();
    let mut joined = false;
    let mut sent = 0u64;
    let mut next = Instant::now();
    let mut out = std::io::stdout().lock();
    loop {
        driver.turn(Some(Duration::from_millis(5))).unwrap();
        while let Some(event) = driver.poll_event() {
            let at = wall().as_micros();
            let line = match event {
                NodeEvent::Configuration(change) if change.kind == ConfigurationKind::Regular => {
                    let members: Vec<_> = change.members.iter().map(NodeId::to_string).collect();
                    format!("{at} ring {} {}", change.ring, members.join(" "))
                }
                NodeEvent::Client(_, Event::Message(message)) => {
                    format!("{at} message {}", String::from_utf8_lossy(&message.payload))
                }
                _ => continue,
            };
            writeln!(out, "{line}").unwrap();
        }
        out.flush().unwrap();
        if driver.endpoint().node().is_ready() && !joined {
            joined = driver.act(|node, now| node.join(client, group.clone(), now)).unwrap().is_ok();
        }
        if joined && next <= Instant::now() {
            next = Instant::now() + Duration::from_millis(10);
            let text = format!("{me}-{}-{sent}", std::process::id());
            let result =
                driver.act(|node, now| node.multicast(client, Guarantee::Agreed, text.into(), now));
            sent += u64::from(result.unwrap().is_ok());
        }
    }
}

#[derive(Debug, Clone, Default)]
struct Seen {
    rings: Vec<(Duration, Vec<u32>)>,
    messages: Vec<String>,
}

struct Running {
    child: Child,
    seen: Arc<Mutex<Seen>>,
}

/// Three node processes.
pub struct Cluster {
    token: Duration,
    state: PathBuf,
    running: BTreeMap<u32, Running>,
    /// What killed processes saw.
    past: Vec<Arc<Mutex<Seen>>>,
}

impl Cluster {
    pub fn start(network: &Network, token: Duration) -> Cluster {
        let state = std::env::temp_dir().join(format!("cpg-{}", network.switch()));
        std::fs::create_dir_all(&state).unwrap();
        let mut cluster = Cluster { token, state, running: BTreeMap::new(), past: vec![] };
        (1..=3).for_each(|node| cluster.start_node(network, node));
        cluster
    }

    pub fn start_node(&mut self, network: &Network, node: u32) {
        let mut child = Command::new("ip")
            .args(["netns", "exec", &network.host(node)])
            .arg(std::env::current_exe().unwrap())
            .args(["node_process", "--exact", "--nocapture"])
            .env("CPG_NODE", node.to_string())
            .env("CPG_LINKS", network.links.to_string())
            .env("CPG_RELAYED", network.relayed.to_string())
            .env("CPG_IPV6", network.ipv6.to_string())
            .env("CPG_MULTICAST", network.multicast.to_string())
            .env("CPG_TOKEN", self.token.as_millis().to_string())
            .env("CPG_STATE", &self.state)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let seen = Arc::new(Mutex::new(Seen::default()));
        let output = BufReader::new(child.stdout.take().unwrap());
        let shared = seen.clone();
        std::thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                note(&mut shared.lock().unwrap(), &line);
            }
        });
        self.running.insert(node, Running { child, seen });
    }

    /// Kills a node with SIGKILL; returns the moment.
    pub fn kill(&mut self, node: u32) -> Duration {
        let mut running = self.running.remove(&node).unwrap();
        let at = wall();
        running.child.kill().unwrap();
        running.child.wait().unwrap();
        self.past.push(running.seen);
        at
    }

    /// Waits until all running nodes are in a ring of exactly `members`; returns when the last got there.
    pub fn expect_ring(&self, members: &[u32], limit: Duration) -> Duration {
        let nodes: Vec<u32> = self.running.keys().copied().collect();
        self.expect_ring_of(&nodes, members, limit)
    }

    pub fn expect_ring_of(&self, nodes: &[u32], members: &[u32], limit: Duration) -> Duration {
        let end = Instant::now() + limit;
        loop {
            let current =
                |node: &u32| self.running[node].seen.lock().unwrap().rings.last().cloned();
            let rings: Vec<_> = nodes.iter().map(current).collect();
            let there = |ring: &Option<(Duration, Vec<u32>)>| {
                ring.as_ref().is_some_and(|(_, present)| present == members)
            };
            if rings.iter().all(there) {
                return rings.into_iter().flatten().map(|(at, _)| at).max().unwrap();
            }
            assert!(
                Instant::now() < end,
                "no ring {members:?} at {nodes:?} in {limit:?}: {rings:?}"
            );
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    pub fn rings_formed(&self) -> usize {
        self.running.values().map(|running| running.seen.lock().unwrap().rings.len()).sum()
    }

    /// Waits until every node delivered new messages of every running node.
    pub fn expect_traffic(&self, limit: Duration) {
        let end = Instant::now() + limit;
        let start: Vec<usize> =
            self.running.values().map(|r| r.seen.lock().unwrap().messages.len()).collect();
        loop {
            let complete = self.running.values().zip(&start).all(|(running, start)| {
                let seen = running.seen.lock().unwrap();
                self.running.keys().all(|sender| {
                    let prefix = format!("{sender}-");
                    seen.messages[*start..].iter().any(|message| message.starts_with(&prefix))
                })
            });
            if complete {
                return;
            }
            assert!(Instant::now() < end, "messages stopped");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Any two nodes saw their common messages in the same order, and none twice.
    pub fn assert_same_order(&self) {
        let end = Instant::now() + Duration::from_secs(60);
        let most = || {
            let all = self.running.values().map(|running| &running.seen).chain(&self.past);
            all.map(|seen| seen.lock().unwrap().messages.len()).max().unwrap_or(0)
        };
        while most() <= 50 {
            assert!(Instant::now() < end, "hardly any messages: {}", most());
            std::thread::sleep(Duration::from_millis(20));
        }
        let logs: Vec<Vec<String>> = self
            .running
            .values()
            .map(|running| &running.seen)
            .chain(&self.past)
            .map(|seen| seen.lock().unwrap().messages.clone())
            .collect();
        for (index, log) in logs.iter().enumerate() {
            let places: BTreeMap<&str, usize> =
                log.iter().enumerate().map(|(place, message)| (message.as_str(), place)).collect();
            assert_eq!(places.len(), log.len(), "a message was delivered twice");
            for other in &logs[index + 1..] {
                let common = other.iter().filter_map(|message| places.get(message.as_str()));
                let ordered = common.clone().zip(common.clone().skip(1)).all(|(a, b)| a < b);
                assert!(ordered, "two nodes saw messages in different orders");
            }
        }
    }
}

fn note(seen: &mut Seen, line: &str) {
    let mut words = line.split(' ');
    let Some(at) = words.next().and_then(|word| word.parse().ok()) else { return };
    match words.next() {
        Some("ring") => {
            let members = words.skip(1).filter_map(|word| word.parse().ok()).collect();
            seen.rings.push((Duration::from_micros(at), members));
        }
        Some("message") => seen.messages.extend(words.next().map(str::to_owned)),
        _ => {}
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        for running in self.running.values_mut() {
            let _ = running.child.kill();
            let _ = running.child.wait();
        }
        let _ = std::fs::remove_dir_all(&self.state);
    }
}
