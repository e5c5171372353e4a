//! A lossy path: a relay in the switch's namespace that stands for every node towards the others.

use crate::namespaces::{Network, address, relay_address};
use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

pub struct Relay {
    child: Child,
    dropped: Arc<AtomicU64>,
}

const PORT: u16 = 5405;

impl Relay {
    pub fn start(network: &mut Network, loss: f64) -> Relay {
        network.add_relay_addresses();
        let mut child = Command::new("ip")
            .args(["netns", "exec", &network.switch()])
            .arg(std::env::current_exe().unwrap())
            .args(["node_process", "--exact", "--nocapture"])
            .env("CPG_NODE", "relay")
            .env("CPG_LOSS", loss.to_string())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let dropped = Arc::new(AtomicU64::new(0));
        let counter = dropped.clone();
        let output = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                if let Some(count) = line.strip_prefix("dropped ").and_then(|n| n.parse().ok()) {
                    counter.store(count, Ordering::Relaxed);
                }
            }
        });
        Relay { child, dropped }
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
    let dropped = Arc::new(AtomicU64::new(0));
    let threads: Vec<_> = (0..3)
        .map(|index| {
            let (sockets, dropped) = (sockets.clone(), dropped.clone());
            std::thread::spawn(move || forward(index, &sockets, &dropped, loss))
        })
        .collect();
    loop {
        std::thread::sleep(std::time::Duration::from_millis(500));
        println!("dropped {}", dropped.load(Ordering::Relaxed));
        if threads.iter().any(std::thread::JoinHandle::is_finished) {
            return;
        }
    }
}

fn forward(index: usize, sockets: &[UdpSocket], dropped: &AtomicU64, loss: f64) {
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
            let _ = sockets[sender as usize - 1].send_to(&buffer[..length], to);
        }
    }
}
