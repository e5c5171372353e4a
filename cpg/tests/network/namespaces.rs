//! Three hosts and a switch as network namespaces.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::SystemTime;

static SERIAL: AtomicU32 = AtomicU32::new(0);

pub struct Network {
    prefix: String,
    nodes: u32,
    pub links: usize,
    /// Where node `a` sends what is meant for node `b`, when a relay stands between them.
    pub relayed: bool,
    /// Nodes use their IPv6 addresses.
    pub ipv6: bool,
    /// Data goes to a multicast group.
    pub multicast: bool,
}

fn ip(arguments: &str) -> Result<(), String> {
    let output = Command::new("ip")
        .args(arguments.split_whitespace())
        .output()
        .map_err(|error| format!("ip: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("ip {arguments}: {}", String::from_utf8_lossy(&output.stderr).trim()))
}

impl Network {
    pub fn create(nodes: u32, links: usize) -> Result<Network, String> {
        let serial = SERIAL.fetch_add(1, Ordering::Relaxed);
        // Names of networks outlive a killed test, and process ids may come again in another namespace.
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_millis();
        let prefix = format!("cpg{}x{now:x}x{serial}", std::process::id());
        let network =
            Network { prefix, nodes, links, relayed: false, ipv6: false, multicast: false };
        network.build()?;
        Ok(network)
    }

    fn build(&self) -> Result<(), String> {
        let switch = self.switch();
        ip(&format!("netns add {switch}"))?;
        ip(&format!("-n {switch} link set lo up"))?;
        for link in 0..self.links {
            ip(&format!("-n {switch} link add br{link} type bridge"))?;
            ip(&format!("-n {switch} link set br{link} up"))?;
        }
        for node in 1..=self.nodes {
            let host = self.host(node);
            ip(&format!("netns add {host}"))?;
            ip(&format!("-n {host} link set lo up"))?;
            for link in 0..self.links {
                let port = port(node, link);
                ip(&format!(
                    "-n {switch} link add {port} type veth peer name eth{link} netns {host}"
                ))?;
                ip(&format!("-n {switch} link set {port} master br{link} up"))?;
                let address = address(node, link);
                ip(&format!("-n {host} addr add {address}/24 dev eth{link}"))?;
                let address = address_v6(node, link);
                ip(&format!("-n {host} addr add {address}/64 dev eth{link} nodad"))?;
                ip(&format!("-n {host} link set eth{link} up"))?;
            }
        }
        Ok(())
    }

    pub fn switch(&self) -> String {
        format!("{}s", self.prefix)
    }

    pub fn host(&self, node: u32) -> String {
        format!("{}n{node}", self.prefix)
    }

    /// Takes a node's cable out, or puts it back.
    pub fn link(&self, node: u32, link: usize, up: bool) {
        let state = if up { "up" } else { "down" };
        ip(&format!("-n {} link set {} {state}", self.switch(), port(node, link))).unwrap();
    }

    /// Drops what `from` sends to `to`, or stops dropping.
    pub fn drop_one_way(&self, from: u32, to: u32, drop: bool) {
        let verb = if drop { "add" } else { "del" };
        let address = address(to, 0);
        ip(&format!("-n {} route {verb} blackhole {address}/32", self.host(from))).unwrap();
        let host = self.host(from);
        ip(&format!("-n {host} route flush cache")).unwrap();
    }

    /// Gives the switch one address per node on link 0, for a relay.
    pub fn add_relay_addresses(&mut self) {
        for node in 1..=self.nodes {
            let address = relay_address(node);
            ip(&format!("-n {} addr add {address}/24 dev br0", self.switch())).unwrap();
        }
        self.relayed = true;
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        for node in 1..=self.nodes {
            let _ = ip(&format!("netns del {}", self.host(node)));
        }
        let _ = ip(&format!("netns del {}", self.switch()));
    }
}

fn port(node: u32, link: usize) -> String {
    format!("p{node}l{link}")
}

pub fn address(node: u32, link: usize) -> IpAddr {
    Ipv4Addr::new(10, 77, link as u8, node as u8).into()
}

pub fn address_v6(node: u32, link: usize) -> IpAddr {
    Ipv6Addr::new(0xfd77, link as u16, 0, 0, 0, 0, 0, node as u16).into()
}

pub fn relay_address(node: u32) -> IpAddr {
    Ipv4Addr::new(10, 77, 0, 100 + node as u8).into()
}
