//! Nodes on loopback addresses of this machine.

use std::net::UdpSocket;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

/// A running node; it dies with its handle.
pub struct Node(Child);

impl Node {
    pub fn id(&self) -> u32 {
        self.0.id()
    }

    /// Waits until it has ended.
    pub fn wait(&mut self) -> std::process::ExitStatus {
        self.0.wait().unwrap()
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Nodes on loopback addresses, each with a directory of its own.
pub struct Bed {
    directory: tempfile::TempDir,
    port: u16,
}

/// What a `corosync.conf` says.
#[derive(Clone, Copy)]
pub struct File<'a> {
    /// Nodes 1 to this one are listed.
    pub nodes: u32,
    /// Link k of node n is 127.0.k.n.
    pub links: &'a [u8],
    /// Further lines of its section.
    pub totem: &'a str,
    /// Further lines of its section.
    pub quorum: &'a str,
    /// Further sections.
    pub more: &'a str,
}

impl Default for File<'_> {
    fn default() -> Self {
        File { nodes: 1, links: &[0], totem: "", quorum: "", more: "" }
    }
}

impl Bed {
    pub fn new() -> Bed {
        let port = UdpSocket::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
        Bed { directory: tempfile::tempdir().unwrap(), port }
    }

    pub fn home(&self, n: u32) -> PathBuf {
        self.directory.path().join(format!("node{n}"))
    }

    /// Writes file and key of a node: so many nodes in the list, this key, these further totem options.
    pub fn configure(&self, n: u32, nodes: u32, key: u8, totem: &str) {
        self.write_key(n, key);
        self.write(n, &File { nodes, totem, ..File::default() });
    }

    pub fn write_key(&self, n: u32, key: u8) {
        let file = self.home(n).join("authkey");
        std::fs::create_dir_all(self.home(n)).unwrap();
        let _ = std::fs::remove_file(&file);
        std::fs::write(&file, [key; 256]).unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o400)).unwrap();
    }

    /// Writes the file of a node; its key is there already.
    pub fn write(&self, n: u32, file: &File) {
        let mut text = format!(
            "totem {{\n  version: 2\n  cluster_name: lab\n  keyfile: {}\n{}",
            self.home(n).join("authkey").display(),
            file.totem
        );
        for link in file.links {
            let port = self.port;
            text +=
                &format!("  interface {{\n    linknumber: {link}\n    mcastport: {port}\n  }}\n");
        }
        let quorum = file.quorum;
        text +=
            &format!("}}\nquorum {{\n  provider: corosync_votequorum\n{quorum}}}\nnodelist {{\n");
        for n in 1..=file.nodes {
            text += &format!("  node {{\n    nodeid: {n}\n    name: node{n}\n");
            for link in file.links {
                text += &format!("    ring{link}_addr: 127.0.{link}.{n}\n");
            }
            text += "  }\n";
        }
        text += &format!("}}\n{}", file.more);
        std::fs::write(self.home(n).join("corosync.conf"), text).unwrap();
    }

    pub fn start(&self, n: u32) -> Node {
        let log = self.home(n).join("log");
        self.start_with(n, &["--single-process", "--log-file", log.to_str().unwrap()])
    }

    /// Starts a node with these further options.
    pub fn start_with(&self, n: u32, options: &[&str]) -> Node {
        let home = self.home(n);
        let mut command = Command::new(env!("CARGO_BIN_EXE_node-daemon"));
        command.env_remove("SBD_WATCHDOG_DEV");
        command.args(["run", "--name", &format!("node{n}"), "--config"]).arg(&home);
        for option in ["--state", "--ipc-directory"] {
            command.arg(option).arg(home.join("state"));
        }
        command.args(options);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        Node(command.spawn().unwrap())
    }

    pub fn ring(&self, n: u32, words: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_node-daemon"));
        command.arg("ring").args(words).arg("--state").arg(self.home(n).join("state"));
        command.output().unwrap()
    }

    pub fn status(&self, n: u32) -> Option<Value> {
        serde_json::from_slice(&self.ring(n, &["status", "--json"]).stdout).ok()
    }

    /// Whether the node is in a ring of so many, with these expected votes.
    pub fn is(&self, n: u32, members: usize, expected: u32) -> bool {
        let votes = format!("Expected votes:   {expected}\n");
        self.status(n).is_some_and(|ring| {
            ring["ring"]["members"].as_array().is_some_and(|found| found.len() == members)
                && ring["quorate"] == true
                && ring["votes"].as_str().is_some_and(|text| text.contains(&votes))
        })
    }

    pub fn log(&self, n: u32) -> String {
        std::fs::read_to_string(self.home(n).join("log")).unwrap_or_default()
    }

    pub fn until(&self, what: &str, reached: impl Fn() -> bool) {
        let end = Instant::now() + Duration::from_secs(120);
        while !reached() {
            assert!(Instant::now() < end, "{what}: not within two minutes\n{}", self.log(1));
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
