//! What can happen to the network between nodes in namespaces.

use std::io;
use std::process::Stdio;

use super::namespaces::{Namespaces, output};
use super::node::Node;

/// Pulls the cable of a port out of the switch, or puts it back.
pub fn cable(switch: &Namespaces, port: &str, plugged: bool) {
    let state = if plugged { "up" } else { "down" };
    output(switch.inside(&["-n"], "ip").args(["link", "set", port, state])).unwrap();
}

/// Has a node throw away what arrives and fits a rule of nftables.
fn filter(node: &Node, rule: &str) -> io::Result<()> {
    let rules = format!(
        "table ip faults\ndelete table ip faults\ntable ip faults {{\n chain arriving {{\n  type filter hook \
         input priority 0;\n  {rule}\n }}\n}}\n"
    );
    let mut child =
        node.namespaces().inside(&["-n"], "nft").args(["-f", "-"]).stdin(Stdio::piped()).spawn()?;
    io::Write::write_all(&mut child.stdin.take().unwrap(), rules.as_bytes())?;
    let status = child.wait()?;
    if status.success() { Ok(()) } else { Err(io::Error::other(format!("nft: {status}"))) }
}

/// A node hears nobody, but is heard.
pub fn deafen(node: &Node) {
    filter(node, "iifname eth0 drop").unwrap();
}

/// So many packets in a hundred that arrive at a node are lost.
pub fn lossy(node: &Node, percent: u32) {
    filter(node, &format!("iifname eth0 numgen random mod 100 < {percent} drop")).unwrap();
}

/// All that arrives is heard again.
pub fn healthy(node: &Node) {
    filter(node, "").unwrap();
}
