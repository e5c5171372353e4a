//! A lossy path: a relay in the switch's namespace that stands for every node towards the others.

use crate::namespaces::{Network, address, relay_address};
use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

pub struct Relay {
    child: Child,
    dropped: Arc<AtomicU64>,
    replayed: Arc<AtomicU64>,
}

/// Datagrams recorded on the way to each node, the first of a run.
const RECORDED: usize = 20_000;
/// Recorded datagrams played back to each node per millisecond, each also with a bit altered.
const PLAYED_BACK: usize = 3;

/// Datagrams with their senders, by the node they went to.
type Recordings = [Mutex<Vec<(usize, Vec<u8>)>>; 3];

const PORT: u16 = 5405;

impl Relay {
    pub fn start(network: &mut Network, loss: f64) -> Relay {
        Relay::begin(network, loss, false)
    }

    /// Loses nothing, but plays back what it has recorded, again and again.
    pub fn start_replaying(network: &mut Network) -> Relay {
        Relay::begin(network, 0.0, true)
    }

    fn begin(network: &mut Network, loss: f64, replays: bool) -> Relay {
        network.add_relay_addresses();
        let mut child = Command::new("ip")
            .args(["netns", "exec", &network.switch()])
            .arg(std::env::current_exe().unwrap())
            .args(["node_process", "--exact", "--nocapture"])
            .env("CPG_NODE", "relay")
            .env("CPG_LOSS", loss.to_string())
            .env("CPG_REPLAYS", replays.to_string())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (dropped, replayed) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
        let counters = [("dropped ", dropped.clone()), ("replayed ", replayed.clone())];
        let output = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                for (name, counter) in &counters {
                    if let Some(count) = line.strip_prefix(name).and_then(|n| n.parse().ok()) {
                        counter.store(count, Ordering::Relaxed);
                    }
                }
            }
        });
        Relay { child, dropped, replayed }
    }

    pub fn replayed(&self) -> u64 {
        self.replayed.load(Ordering::Relaxed)
    }

    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Body of the relay process: what arrives for the stand-in of node b from node a goes to node b,
/// from the stand-in of node a.
pub fn run() {
    let loss: f64 = std::env::var("CPG_LOSS").unwrap().parse().unwrap();
    let sockets: Vec<UdpSocket> = (1..=3)
        .map(|node| UdpSocket::bind(SocketAddr::new(relay_address(node), PORT)).unwrap())
        .collect();
    let sockets = Arc::new(sockets);
    let (dropped, replayed) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let recordings: Option<Arc<Recordings>> =
        (std::env::var("CPG_REPLAYS").unwrap() == "true").then(Arc::default);
    let mut threads = Vec::new();
    for index in 0..3 {
        let (own, counter, recordings) = (sockets.clone(), dropped.clone(), recordings.clone());
        if let Some(recordings) = recordings.clone() {
            let (own, counter) = (sockets.clone(), replayed.clone());
            threads.push(std::thread::spawn(move || replay(index, &own, &counter, &recordings)));
        }
        threads.push(std::thread::spawn(move || {
            forward(index, &own, &counter, loss, recordings.as_deref());
        }));
    }
    loop {
        std::thread::sleep(std::time::Duration::from_millis(500));
        println!("dropped {}", dropped.load(Ordering::Relaxed));
        println!("replayed {}", replayed.load(Ordering::Relaxed));
        if threads.iter().any(std::thread::JoinHandle::is_finished) {
            return;
        }
    }
}

/// Plays back to one node what was recorded on the way to it, as it was and altered.
fn replay(index: usize, sockets: &[UdpSocket], counter: &AtomicU64, recordings: &Recordings) {
    let to = SocketAddr::new(address(index as u32 + 1, 0), PORT);
    let mut at = 0;
    loop {
        std::thread::sleep(std::time::Duration::from_millis(1));
        let recorded = recordings[index].lock().unwrap();
        for _ in 0..PLAYED_BACK.min(recorded.len()) {
            at = (at + 1) % recorded.len();
            let (sender, datagram) = &recorded[at];
            let mut altered = datagram.clone();
            let place = at % altered.len().max(1);
            altered[place] ^= 1 << (at % 8);
            let _ = sockets[*sender].send_to(datagram, to);
            let _ = sockets[*sender].send_to(&altered, to);
            counter.fetch_add(2, Ordering::Relaxed);
        }
    }
}

fn forward(
    index: usize,
    sockets: &[UdpSocket],
    dropped: &AtomicU64,
    loss: f64,
    recordings: Option<&Recordings>,
) {
    let mut buffer = vec![0; 65_536];
    let mut random = 0x9e37_79b9_7f4a_7c15_u64 ^ index as u64;
    let to = SocketAddr::new(address(index as u32 + 1, 0), PORT);
    while let Ok((length, from)) = sockets[index].recv_from(&mut buffer) {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        if (random >> 11) as f64 / (1u64 << 53) as f64 > 1.0 - loss {
            dropped.fetch_add(1, Ordering::Relaxed);
            continue;
        }
        let sender = (1..=3u32).find(|node| address(*node, 0) == from.ip());
        if let Some(sender) = sender {
            if let Some(recordings) = recordings {
                let mut recorded = recordings[index].lock().unwrap();
                if recorded.len() < RECORDED {
                    recorded.push((sender as usize - 1, buffer[..length].to_vec()));
                }
            }
            let _ = sockets[sender as usize - 1].send_to(&buffer[..length], to);
        }
    }
}
