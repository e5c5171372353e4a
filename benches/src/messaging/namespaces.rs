//! Three hosts on a switch, as network namespaces.

use super::Failure;
use std::net::Ipv4Addr;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

/// Nodes of every measured cluster.
pub const NODES: usize = 3;

static SERIAL: AtomicU32 = AtomicU32::new(0);

/// The namespaces; they go when this is dropped.
#[derive(Debug)]
pub struct Namespaces {
    prefix: String,
}

/// The address of a node (from 1), the same in every set of namespaces.
pub fn address(node: usize) -> Ipv4Addr {
    Ipv4Addr::new(10, 79, 0, node as u8)
}

impl Namespaces {
    /// Makes the switch and the hosts. Needs root and the `ip` tool.
    pub fn create() -> Result<Namespaces, Failure> {
        let serial = SERIAL.fetch_add(1, Ordering::Relaxed);
        let made = Namespaces { prefix: format!("msg{}x{serial}", std::process::id()) };
        let switch = made.switch();
        ip(&format!("netns add {switch}"))?;
        ip(&format!("-n {switch} link add br0 type bridge"))?;
        ip(&format!("-n {switch} link set br0 up"))?;
        for node in 1..=NODES {
            let host = made.host(node);
            ip(&format!("netns add {host}"))?;
            ip(&format!("-n {host} link set lo up"))?;
            ip(&format!("-n {switch} link add p{node} type veth peer name eth0 netns {host}"))?;
            ip(&format!("-n {switch} link set p{node} master br0 up"))?;
            ip(&format!("-n {host} addr add {}/24 dev eth0", address(node)))?;
            ip(&format!("-n {host} link set eth0 up"))?;
        }
        Ok(made)
    }

    fn switch(&self) -> String {
        format!("{}s", self.prefix)
    }

    /// The namespace of a node.
    pub fn host(&self, node: usize) -> String {
        format!("{}n{node}", self.prefix)
    }

    /// Pulls a node's cable.
    pub fn unplug(&self, node: usize) -> Result<(), Failure> {
        ip(&format!("-n {} link set p{node} down", self.switch()))
    }
}

impl Drop for Namespaces {
    fn drop(&mut self) {
        for node in 1..=NODES {
            let _ = ip(&format!("netns del {}", self.host(node)));
        }
        let _ = ip(&format!("netns del {}", self.switch()));
    }
}

fn ip(arguments: &str) -> Result<(), Failure> {
    let output = Command::new("ip").args(arguments.split_whitespace()).output()?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("ip {arguments}: {}", String::from_utf8_lossy(&output.stderr).trim()).into())
}
