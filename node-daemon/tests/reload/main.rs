//! The configuration is read again while nodes run: `ring reload`.

use std::net::UdpSocket;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

struct Node(Child);

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Nodes on loopback addresses, each with a directory of its own.
struct Bed {
    directory: tempfile::TempDir,
    port: u16,
}

impl Bed {
    fn new() -> Bed {
        let port = UdpSocket::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
        Bed { directory: tempfile::tempdir().unwrap(), port }
    }

    fn home(&self, n: u32) -> PathBuf {
        self.directory.path().join(format!("node{n}"))
    }

    /// Writes file and key of a node: so many nodes in the list, this key, these further totem options.
    fn configure(&self, n: u32, nodes: u32, key: u8, totem: &str) {
        let home = self.home(n);
        std::fs::create_dir_all(&home).unwrap();
        let file = home.join("authkey");
        let _ = std::fs::remove_file(&file);
        std::fs::write(&file, [key; 256]).unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o400)).unwrap();
        let list: String = (1..=nodes)
            .map(|n| {
                format!(
                    "  node {{\n    nodeid: {n}\n    name: node{n}\n    ring0_addr: 127.0.0.{n}\n  }}\n"
                )
            })
            .collect();
        let text = format!(
            "totem {{\n  version: 2\n  cluster_name: lab\n  keyfile: {}\n{totem}  interface {{\n    \
             linknumber: 0\n    mcastport: {}\n  }}\n}}\nquorum {{\n  provider: corosync_votequorum\n}}\n\
             nodelist {{\n{list}}}\n",
            file.display(),
            self.port
        );
        std::fs::write(home.join("corosync.conf"), text).unwrap();
    }

    fn start(&self, n: u32) -> Node {
        let home = self.home(n);
        let mut command = Command::new(env!("CARGO_BIN_EXE_node-daemon"));
        command.env_remove("SBD_WATCHDOG_DEV");
        command
            .args(["run", "--single-process", "--name", &format!("node{n}"), "--config"])
            .arg(&home);
        for (option, place) in
            [("--state", "state"), ("--ipc-directory", "state"), ("--log-file", "log")]
        {
            command.arg(option).arg(home.join(place));
        }
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        Node(command.spawn().unwrap())
    }

    fn ring(&self, n: u32, words: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_node-daemon"));
        command.arg("ring").args(words).arg("--state").arg(self.home(n).join("state"));
        command.output().unwrap()
    }

    fn status(&self, n: u32) -> Option<Value> {
        serde_json::from_slice(&self.ring(n, &["status", "--json"]).stdout).ok()
    }

    /// Whether the node is in a ring of so many, with these expected votes.
    fn is(&self, n: u32, members: usize, expected: u32) -> bool {
        let votes = format!("Expected votes:   {expected}\n");
        self.status(n).is_some_and(|ring| {
            ring["ring"]["members"].as_array().is_some_and(|found| found.len() == members)
                && ring["quorate"] == true
                && ring["votes"].as_str().is_some_and(|text| text.contains(&votes))
        })
    }

    fn log(&self, n: u32) -> String {
        std::fs::read_to_string(self.home(n).join("log")).unwrap_or_default()
    }

    fn until(&self, what: &str, reached: impl Fn() -> bool) {
        let end = Instant::now() + Duration::from_secs(120);
        while !reached() {
            assert!(Instant::now() < end, "{what}: not within two minutes\n{}", self.log(1));
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn a_node_is_added_and_the_key_changed_without_a_new_ring() {
    let bed = Bed::new();
    for n in 1..=2 {
        bed.configure(n, 2, 1, "  config_version: 1\n");
    }
    let _nodes = [bed.start(1), bed.start(2)];
    bed.until("a ring of two", || (1..=2).all(|n| bed.is(n, 2, 2)));
    let primary = "This node is within the primary component and will provide service.";
    assert!(bed.log(1).contains(primary), "operators look for it");
    let ring = bed.status(1).unwrap()["ring"].clone();
    for n in 1..=3 {
        bed.configure(n, 3, 2, "  config_version: 2\n  token: 4000\n  cluster_name: other\n");
    }

    let output = bed.ring(1, &["reload"]);
    let said = text(&output.stdout);
    assert!(output.status.success(), "{said}{}", text(&output.stderr));
    assert!(
        said.contains("changed: totem.token\n")
            && said.contains("changed: nodelist.node.2.nodeid\n"),
        "{said}"
    );
    assert!(
        said.contains("'totem.cluster_name' in corosync.conf cannot be changed at run-time"),
        "{said}"
    );
    bed.until("both expect three votes", || (1..=2).all(|n| bed.is(n, 2, 3)));
    let new_key = "crypto reconfigured: the new key is in use";
    bed.until("both have the new key", || (1..=2).all(|n| bed.log(n).contains(new_key)));
    assert_eq!(bed.status(1).unwrap()["ring"], ring, "nobody was disturbed");
    // A third that knows only the new key, and has the new version of the configuration.
    bed.configure(3, 3, 2, "  config_version: 2\n  token: 4000\n");
    let _third = bed.start(3);
    bed.until("a ring of three", || (1..=3).all(|n| bed.is(n, 3, 3)));
}

#[test]
fn a_file_that_cannot_be_used_changes_nothing_and_is_refused_with_its_place() {
    let bed = Bed::new();
    bed.configure(1, 1, 1, "");
    let _node = bed.start(1);
    bed.until("a ring", || bed.is(1, 1, 1));
    let file = bed.home(1).join("corosync.conf");
    for (totem, expected) in [
        ("  token: soon\n", ":5: Value of key \"totem.token\" is expected to be integer"),
        ("  token: 20\n", "The token timeout parameter (20 ms) may not be less than (30 ms)."),
        ("  keyfile: /nowhere/authkey\n", "Could not open /nowhere/authkey"),
    ] {
        bed.configure(1, 2, 1, totem);
        let output = bed.ring(1, &["reload"]);
        let said = text(&output.stderr);
        assert!(!output.status.success() && said.contains(expected), "{totem}: {said}");
    }
    bed.configure(1, 2, 1, "");
    let moved = std::fs::read_to_string(&file).unwrap().replace("127.0.0.1\n", "127.0.0.9\n");
    std::fs::write(&file, moved).unwrap();
    let said = text(&bed.ring(1, &["reload"]).stderr);
    assert!(said.contains("must be deleted and recreated"), "{said}");
    assert!(bed.is(1, 1, 1), "nothing changed");
    std::fs::remove_file(&file).unwrap();
    assert!(!bed.ring(1, &["reload"]).status.success());
    let nobody = bed.directory.path().join("nobody");
    assert!(!Path::new(&nobody).exists() && !bed.ring(7, &["reload"]).status.success());
}
