//! Two live nodes and Debian's `corosync-qnetd`: the arbiter's vote keeps the last node quorate, as
//! long as the arbiter is there.

use std::net::{TcpListener, TcpStream, UdpSocket};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant, SystemTime};

use serde_json::Value;

/// A process that does not outlive the test.
struct Process(Child);

impl Process {
    fn start(command: &mut Command) -> Process {
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        Process(command.spawn().unwrap())
    }

    fn kill(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

fn arbiter(directory: &Path, port: u16) -> Process {
    let path = |name: &str| directory.join(name).display().to_string();
    let files = format!("lock_file={},local_socket_file={}", path("pid"), path("socket"));
    let port_text = port.to_string();
    let process = Process::start(Command::new("corosync-qnetd").args([
        "-f",
        "-4",
        "-s",
        "off",
        "-l",
        "127.0.0.1",
        "-p",
        &port_text,
        "-S",
        &files,
    ]));
    until("the arbiter listens", || TcpStream::connect(("127.0.0.1", port)).is_ok());
    process
}

fn until(what: &str, reached: impl Fn() -> bool) {
    let end = Instant::now() + Duration::from_secs(120);
    while !reached() {
        assert!(Instant::now() < end, "{what}: not within two minutes");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// The configuration of two nodes, with the device or without.
fn configuration(ring_port: u16, device: &str) -> String {
    let nodes: String = (1..=2)
        .map(|n| {
            format!(
                "  node {{\n    nodeid: {n}\n    name: node{n}\n    ring0_addr: 127.0.0.{n}\n  }}\n"
            )
        })
        .collect();
    format!(
        "totem {{\n  version: 2\n  cluster_name: lab\n  crypto_cipher: none\n  crypto_hash: none\n  \
         interface {{\n    linknumber: 0\n    mcastport: {ring_port}\n  }}\n}}\n\
         quorum {{\n  provider: corosync_votequorum\n{device}}}\n\
         nodelist {{\n{nodes}}}\n"
    )
}

fn device(arbiter_port: u16) -> String {
    format!(
        "  device {{\n    model: net\n    votes: 1\n    timeout: 2500\n    net {{\n      host: localhost\n      \
         port: {arbiter_port}\n      tls: off\n      force_ip_version: 4\n      algorithm: ffsplit\n    }}\n  }}\n"
    )
}

/// Lets all nodes read this.
fn reload(directory: &Path, configuration: &str) {
    for name in ["node1", "node2"] {
        std::fs::write(directory.join(name).join("etc/corosync.conf"), configuration).unwrap();
    }
    let output = Command::new(env!("CARGO_BIN_EXE_node-daemon"))
        .args(["ring", "reload", "--state"])
        .arg(directory.join("node2").join("state"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// Ports of the ring and of so many arbiters; those must be free again after a kill, so they lie below the
/// range from which connections get theirs.
fn ports(arbiters: usize) -> (u16, Vec<u16>) {
    static BEGIN: std::sync::Mutex<u16> = std::sync::Mutex::new(0);
    let ring = UdpSocket::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
    let mut begin = BEGIN.lock().unwrap();
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    let first = (16_000 + (now.subsec_micros() % 3_000) as u16).max(*begin);
    let free = |port: &u16| TcpListener::bind(("127.0.0.1", *port)).is_ok();
    let found: Vec<u16> = (first..20_000).filter(free).take(arbiters).collect();
    assert_eq!(found.len(), arbiters, "free ports");
    *begin = found[arbiters - 1] + 1;
    (ring, found)
}

fn arbiter_is_missing() -> bool {
    if Command::new("corosync-qnetd").arg("-v").stdout(Stdio::null()).status().is_ok() {
        return false;
    }
    let lacks = "corosync-qnetd is not installed; see quorum/tests/install.sh";
    assert!(std::env::var_os("CI").is_none(), "{lacks}");
    eprintln!("skipped: {lacks}");
    true
}

fn node(directory: &Path, name: &str, configuration: &str) -> Process {
    let home = directory.join(name);
    std::fs::create_dir_all(home.join("etc")).unwrap();
    std::fs::write(home.join("etc/corosync.conf"), configuration).unwrap();
    Process::start(
        Command::new(env!("CARGO_BIN_EXE_node-daemon"))
            .env_remove("SBD_WATCHDOG_DEV")
            .args(["run", "--single-process", "--name", name, "--config"])
            .arg(home.join("etc"))
            .arg("--state")
            .arg(home.join("state"))
            .arg("--ipc-directory")
            .arg(home.join("state"))
            .arg("--log-file")
            .arg(home.join("log")),
    )
}

/// What the node's ring says, if it runs.
fn ring(directory: &Path, name: &str) -> Option<Value> {
    let output = Command::new(env!("CARGO_BIN_EXE_node-daemon"))
        .args(["ring", "status", "--json", "--state"])
        .arg(directory.join(name).join("state"))
        .output()
        .unwrap();
    serde_json::from_slice(&output.stdout).ok()
}

fn is(directory: &Path, name: &str, members: usize, quorate: bool, device: &str) -> bool {
    ring(directory, name).is_some_and(|ring| {
        ring["ring"]["members"].as_array().is_some_and(|found| found.len() == members)
            && ring["quorate"] == quorate
            && ring["votes"].as_str().is_some_and(|votes| votes.contains(device))
    })
}

#[test]
fn the_last_node_is_quorate_as_long_as_the_arbiter_says_so() {
    if arbiter_is_missing() {
        return;
    }
    let scratch = tempfile::tempdir().unwrap();
    let directory = scratch.path();
    let (ring_port, arbiters) = ports(1);
    let arbiter_port = arbiters[0];
    let configuration = configuration(ring_port, &device(arbiter_port));
    let mut qnetd = arbiter(directory, arbiter_port);
    let _first = node(directory, "node1", &configuration);
    let mut second = node(directory, "node2", &configuration);
    for name in ["node1", "node2"] {
        until("both have the vote", || is(directory, name, 2, true, "A,V,NMW"));
    }
    second.kill();
    until("one of two has quorum", || is(directory, "node1", 1, true, "A,V,NMW"));
    qnetd.kill();
    until("the vote is withdrawn", || is(directory, "node1", 1, false, "A,NV,NMW"));
    let _qnetd = arbiter(directory, arbiter_port);
    until("the vote is back", || is(directory, "node1", 1, true, "A,V,NMW"));
}

/// Added, moved to another arbiter, and removed, without a restart.
#[test]
fn a_reload_adds_changes_and_removes_the_device() {
    if arbiter_is_missing() {
        return;
    }
    let scratch = tempfile::tempdir().unwrap();
    let directory = scratch.path();
    let (ring_port, arbiters) = ports(2);
    let without = configuration(ring_port, "");
    let with = |port| configuration(ring_port, &device(port));
    let mut first_arbiter = arbiter(directory, arbiters[0]);
    let nodes = [node(directory, "node1", &without), node(directory, "node2", &without)];
    let both = |what: &str, expected: &str, device: &str| {
        for name in ["node1", "node2"] {
            until(what, || {
                is(directory, name, 2, true, expected) && is(directory, name, 2, true, device)
            });
        }
    };
    both("a ring without a device", "Expected votes:   2", "Flags:            Quorate ");
    reload(directory, &with(arbiters[0]));
    both("the device's vote counts", "Expected votes:   3", "A,V,NMW");
    let second = directory.join("second");
    std::fs::create_dir(&second).unwrap();
    let mut second_arbiter = arbiter(&second, arbiters[1]);
    reload(directory, &with(arbiters[1]));
    first_arbiter.kill();
    both("the other arbiter's vote counts", "Expected votes:   3", "A,V,NMW");
    second_arbiter.kill();
    both("the vote hangs on it", "Total votes:      2", "A,NV,NMW");
    reload(directory, &without);
    both("the device is gone", "Expected votes:   2", "Flags:            Quorate ");
    assert!(!is(directory, "node1", 2, true, "Qdevice"));
    drop(nodes);
}
