//! A node as `node-daemon run` makes it, in a network of its own: there the classic tools find it, too.

use std::io;
use std::net::UdpSocket;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long a node may take until it has nothing left to do.
const PATIENCE: Duration = Duration::from_secs(60);

/// How a network of one's own is made, and how another process gets into it.
const NETWORKS: [(&[&str], &[&str]); 2] =
    [(&["unshare", "-n"], &["-n"]), (&["unshare", "-rn"], &["-U", "-n", "--preserve-credentials"])];

/// The node; it ends when dropped.
pub struct LiveNode {
    child: Child,
    home: PathBuf,
    /// Options of `nsenter`; none without a network of its own.
    enter: Option<&'static [&'static str]>,
}

/// How a network is made, and how it is entered.
pub type Network = Option<(&'static [&'static str], &'static [&'static str])>;

/// The way that works here; none if there is none.
pub fn network() -> Network {
    NETWORKS.into_iter().find(|(make, _)| {
        let tried = Command::new(make[0])
            .args(&make[1..])
            .args(["sh", "-c", "ip link set lo up"])
            .stderr(Stdio::null())
            .status();
        tried.is_ok_and(|status| status.success())
    })
}

/// Whether the classic tools can reach a node: only with the usual addresses, in a network of its own.
pub fn can_be_entered() -> bool {
    network().is_some()
}

/// The command that runs a node whose things are in a directory.
pub fn run(home: &Path, network: Network) -> Command {
    let mut command = match network {
        Some((make, _)) => {
            let mut command = Command::new(make[0]);
            command.args(&make[1..]).args(["sh", "-c", "ip link set lo up; exec \"$@\"", "sh"]);
            command.arg(env!("CARGO_BIN_EXE_node-daemon"));
            command
        }
        None => Command::new(env!("CARGO_BIN_EXE_node-daemon")),
    };
    command.env_remove("SBD_WATCHDOG_DEV");
    command.args(["run", "--name", "node1", "--config"]).arg(home);
    for (option, place) in [
        ("--state", "state"),
        ("--ocf-root", "ocf"),
        ("--fence-agents", "fence"),
        ("--log-file", "log"),
    ] {
        command.arg(option).arg(home.join(place));
    }
    if network.is_none() {
        command.arg("--ipc-directory").arg(home.join("state"));
    }
    command
}

/// Writes a program.
pub fn executable(path: &Path, text: &str) -> io::Result<()> {
    std::fs::create_dir_all(path.parent().unwrap())?;
    std::fs::write(path, text)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755))
}

impl LiveNode {
    /// Starts a node whose things are in a directory.
    pub fn start(home: &Path) -> LiveNode {
        LiveNode::start_with(home, |command| command)
    }

    /// The same with changes of its command line.
    pub fn start_with(home: &Path, change: impl FnOnce(&mut Command) -> &mut Command) -> LiveNode {
        executable(&home.join("fence/fence_demo"), include_str!("agents/fence_demo")).unwrap();
        let agent = home.join("ocf/resource.d/understudy/Demo");
        executable(&agent, include_str!("agents/Demo")).unwrap();
        std::fs::create_dir_all(home.join("state")).unwrap();
        let port = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let configuration = include_str!("../single-node.conf").replace("PORT", &port.to_string());
        std::fs::write(home.join("corosync.conf"), configuration).unwrap();
        let network = network();
        let mut command = run(home, network);
        let command = change(&mut command).stdin(Stdio::null()).stdout(Stdio::null());
        let child = command.spawn().unwrap();
        let node =
            LiveNode { child, home: home.to_owned(), enter: network.map(|(_, enter)| enter) };
        node.settle();
        node
    }

    /// Processes of its subsystems.
    pub fn subsystems(&self) -> Vec<u32> {
        let pid = self.child.id();
        let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).unwrap().flatten();
        let children =
            tasks.filter_map(|task| std::fs::read_to_string(task.path().join("children")).ok());
        let all: String = children.collect::<Vec<_>>().join(" ");
        all.split_whitespace().filter_map(|pid| pid.parse().ok()).collect()
    }

    /// Where its things are.
    pub fn home(&self) -> &Path {
        &self.home
    }

    /// A command in the node's network.
    pub fn command(&self, program: &str) -> Command {
        let Some(enter) = self.enter else {
            let mut command = Command::new(program);
            command.env_clear().env("UNDERSTUDY_IPC_DIRECTORY", self.home.join("state"));
            return command;
        };
        let mut command = Command::new("nsenter");
        command.env_clear().args(["-t", &self.child.id().to_string()]).args(enter).arg(program);
        command
    }

    /// One of our command lines in the node's network.
    pub fn tool(&self, name: &str) -> Command {
        // The program behaves as the tool whose name it is called by.
        let tool = self.home.join(name);
        let _ = std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_node-daemon"), &tool);
        let mut command = self.command(&tool.display().to_string());
        command.env("PATH", "/usr/sbin:/usr/bin:/bin");
        command
    }

    /// What its controller says of itself.
    pub fn state(&self) -> String {
        let mut command = self.tool("crmadmin");
        command.args(["-q", "-t", "2s", "-S", "node1"]);
        let output = command.output().unwrap();
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    fn settle(&self) {
        let end = Instant::now() + PATIENCE;
        while self.state() != "S_IDLE" {
            assert!(Instant::now() < end, "the node does not settle: see {}", self.home.display());
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for LiveNode {
    fn drop(&mut self) {
        // Its subsystems end with it.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
