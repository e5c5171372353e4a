//! One node: namespaces for network, mounts, names, shared memory and processes. All processes of a node
//! live in its process namespace, so when its first process is killed the kernel kills all of them at once,
//! as if the power were gone.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use super::{Failure, wait_for, wall};

/// The first process of a node. It makes what a node has in memory, and lets the kernel reap orphans.
const FIRST: &str = "echo \"$1\" >/proc/sys/kernel/hostname
for place in /run /dev/shm; do mount -t tmpfs -o mode=0755,size=512m tmpfs $place || exit 1; done
mkdir /run/lock && : >/run/ready
trap '' CHLD
exec sleep \"$2\"";

/// The first process of the network between the nodes.
const SWITCH: &str = "ip link set lo up; ip link add bridge type bridge mcast_snooping 0
ip link set bridge up; exec sleep \"$2\"";

/// Seconds after which a node ends by itself.
const LIFETIME: &str = "1800";

/// A set of namespaces.
pub struct Namespaces {
    launcher: Child,
    first: Pid,
}

impl Namespaces {
    /// Makes them. They end with this process.
    fn start(name: &str, script: &str, kinds: &[&str]) -> Result<Namespaces, Failure> {
        let mut launcher = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "unshare", "--fork"])
            .args(kinds)
            .args(["--", "setpriv", "--pdeathsig", "KILL"])
            .args(["sh", "-c", script, "sh", name, LIFETIME])
            .stdin(Stdio::null())
            .stderr(Stdio::null()) // some versions of unshare complain of signals without a reason
            .spawn()?;
        let parent = launcher.id();
        let children = format!("/proc/{parent}/task/{parent}/children");
        let found = wait_for(name, Duration::from_secs(10), Duration::from_millis(5), || {
            if let Some(status) = launcher.try_wait()? {
                return Err(format!("namespaces of {name}: {status}").into());
            }
            let text = fs::read_to_string(&children).unwrap_or_default();
            Ok(text.split_whitespace().next().and_then(|pid| pid.parse().ok()))
        });
        match found.map(Pid::from_raw) {
            Ok(Some(first)) => Ok(Namespaces { launcher, first }),
            _ => {
                let _ = launcher.kill();
                Err(format!("namespaces of {name} cannot be made").into())
            }
        }
    }

    /// The network between nodes.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn switch() -> Result<Namespaces, Failure> {
        let switch = Namespaces::start("switch", SWITCH, &["--net", "--pid"])?;
        wait_for("the bridge", Duration::from_secs(10), Duration::from_millis(10), || {
            Ok(switch.run_in_network(&["ip", "link", "show", "bridge"]).ok())
        })?;
        Ok(switch)
    }

    /// Runs a command in the network namespace alone.
    ///
    /// # Errors
    /// When it fails.
    pub fn run_in_network(&self, command: &[&str]) -> Result<String, Failure> {
        let pid = self.pid();
        let mut all = Command::new("nsenter");
        all.args(["-t", pid.as_str(), "-n", "--"]).args(command);
        output(&mut all, None)
    }

    /// The first process, as the host counts.
    pub fn pid(&self) -> String {
        self.first.as_raw_nonzero().to_string()
    }

    /// Kills everything at once; the wall-clock time just before.
    pub fn kill(&mut self) -> u128 {
        let before = wall();
        if matches!(self.launcher.try_wait(), Ok(None)) {
            let _ = kill_process(self.first, Signal::KILL);
        }
        before
    }
}

impl Drop for Namespaces {
    fn drop(&mut self) {
        self.kill();
        let _ = self.launcher.wait();
    }
}

/// Runs a command to its end; what it prints.
///
/// # Errors
/// When it fails.
pub fn output(command: &mut Command, input: Option<&str>) -> Result<String, Failure> {
    let stdin = if input.is_some() { Stdio::piped() } else { Stdio::null() };
    let mut child = command.stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    if let (Some(input), Some(mut pipe)) = (input, child.stdin.take()) {
        pipe.write_all(input.as_bytes())?;
    }
    let done = child.wait_with_output()?;
    if done.status.success() {
        return Ok(String::from_utf8_lossy(&done.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&done.stderr);
    Err(format!("{command:?}: {}: {}", done.status, said.trim()).into())
}

/// A node that is switched on.
pub struct Node {
    /// Its name.
    pub name: String,
    /// Its number, from one.
    pub number: usize,
    namespaces: Namespaces,
    folder: PathBuf,
}

impl Node {
    /// Switches a node on; nothing of the cluster runs there yet. `generation` makes names of links differ.
    ///
    /// # Errors
    /// When that fails.
    pub fn start(
        folder: &Path,
        switch: &Namespaces,
        number: usize,
        generation: usize,
    ) -> Result<Node, Failure> {
        let name = format!("n{number}");
        let kinds = ["--net", "--mount", "--uts", "--ipc", "--pid", "--mount-proc"];
        let namespaces = Namespaces::start(&name, FIRST, &kinds)?;
        let pid = namespaces.pid();
        let ready = format!("/proc/{pid}/root/run/ready");
        wait_for(&name, Duration::from_secs(10), Duration::from_millis(5), || {
            Ok(Path::new(&ready).exists().then_some(()))
        })?;
        let port = format!("p{number}g{generation}");
        let mac = format!("02:00:0a:4e:00:{number:02x}");
        switch.run_in_network(&[
            "ip", "link", "add", &port, "type", "veth", "peer", "name", "eth0", "address", &mac,
            "netns", &pid,
        ])?;
        switch.run_in_network(&["ip", "link", "set", &port, "master", "bridge", "up"])?;
        let up = format!(
            "ip link set lo up && ip addr add {}/24 dev eth0 && ip link set eth0 up",
            address(number)
        );
        namespaces.run_in_network(&["sh", "-c", &up])?;
        Ok(Node { name, number, namespaces, folder: folder.to_owned() })
    }

    /// A command to run inside.
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["-t", &self.namespaces.pid(), "-m", "-u", "-i", "-n", "-p", "--", program]);
        command.env_clear();
        let path = format!("{}/bin:/usr/sbin:/usr/bin:/sbin:/bin", self.folder.display());
        command.envs([("PATH", path.as_str()), ("LC_ALL", "C"), ("TZ", "UTC"), ("HOME", "/root")]);
        command
    }

    /// Runs a command inside; what it prints.
    ///
    /// # Errors
    /// When it fails.
    pub fn run(&self, command: &[&str]) -> Result<String, Failure> {
        output(self.command(command[0]).args(&command[1..]), None)
    }

    /// The file its daemon logs to.
    pub fn log(&self) -> PathBuf {
        self.folder.join(format!("{}.log", self.name))
    }

    /// Starts the daemon.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn launch(&self, options: &[String]) -> Result<(), Failure> {
        let (folder, log) = (self.folder.display().to_string(), self.log().display().to_string());
        let mut command = self.command("setsid");
        command.env_remove("SBD_WATCHDOG_DEV");
        command.args(["-f", "node-daemon", "run", "--config", &format!("{folder}/etc")]);
        command.args(["--state", "/run/understudy", "--ocf-root", &folder, "--log-file", &log]);
        command.args(["--fence-agents", &format!("{folder}/fence")]).args(options);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let status = command.status()?;
        if status.success() { Ok(()) } else { Err(format!("{}: {status}", self.name).into()) }
    }

    /// Kills everything on it at once; the wall-clock time just before.
    pub fn kill(&mut self) -> u128 {
        self.namespaces.kill()
    }

    /// The directory that is `/` inside, as the host sees it.
    pub fn root(&self) -> PathBuf {
        format!("/proc/{}/root", self.namespaces.pid()).into()
    }

    /// The daemon's processes, as the host counts.
    pub fn daemons(&self) -> Vec<PathBuf> {
        let own = fs::read_link(format!("/proc/{}/ns/pid", self.namespaces.pid()));
        let Ok(own) = own else { return Vec::new() };
        let mut found = Vec::new();
        for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
            let path = entry.path();
            let inside = fs::read_link(path.join("ns/pid")).is_ok_and(|other| other == own);
            let program = fs::read_to_string(path.join("comm")).unwrap_or_default();
            if inside && program.trim() == "node-daemon" {
                found.push(path);
            }
        }
        found
    }
}

/// The address of a node in the network between them.
pub fn address(number: usize) -> String {
    format!("10.78.0.{number}")
}
