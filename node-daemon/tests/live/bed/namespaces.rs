//! Sets of namespaces. All processes of a set end when its first one does, which ends with this process.

use std::io;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// The first process of a node: makes what a node has in memory, lets process ids of nodes differ, and lets
/// the kernel reap orphans.
const NODE: &str = "echo \"$1\" >/proc/sys/kernel/hostname
for place in /run /dev/shm; do mount -t tmpfs -o mode=0755,size=256m tmpfs $place || exit 1; done
chmod 1777 /dev/shm
mkdir /run/lock /run/resource-agents
echo \"$2\" >/proc/sys/kernel/ns_last_pid
: >/run/ready
trap '' CHLD
exec sleep 1800";

const SWITCH: &str = "ip link set lo up; ip link add bridge type bridge mcast_snooping 0
ip link set bridge up; exec sleep 1800";

const HOST: &str = "ip link set lo up; exec sleep 1800";

/// How long a namespace may take to be there.
const LIMIT: Duration = Duration::from_secs(60);

#[derive(Debug)]
pub struct Namespaces {
    launcher: Mutex<Child>,
    first: Pid,
}

/// Runs a command to its end; what it prints.
pub fn output(command: &mut Command) -> io::Result<String> {
    let done = command.stdin(Stdio::null()).output()?;
    if done.status.success() {
        return Ok(String::from_utf8_lossy(&done.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&done.stderr);
    Err(io::Error::other(format!("{command:?}: {}: {}", done.status, said.trim())))
}

/// Tries until it gives something.
pub fn soon<T>(what: &str, mut attempt: impl FnMut() -> Option<T>) -> io::Result<T> {
    let end = Instant::now() + LIMIT;
    loop {
        if let Some(value) = attempt() {
            return Ok(value);
        }
        if Instant::now() > end {
            return Err(io::Error::other(format!("{what}: not within {LIMIT:?}")));
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

impl Namespaces {
    fn start(script: &str, arguments: &[&str], kinds: &[&str]) -> io::Result<Namespaces> {
        let mut launcher = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "unshare", "--fork"])
            .args(kinds)
            .args(["--", "setpriv", "--pdeathsig", "KILL", "sh", "-c", script, "sh"])
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null()) // some versions of unshare complain of signals without a reason
            .spawn()?;
        let parent = launcher.id();
        let children = format!("/proc/{parent}/task/{parent}/children");
        let found = soon("namespaces", || {
            if let Ok(Some(status)) = launcher.try_wait() {
                return Some(Err(io::Error::other(format!("unshare: {status}"))));
            }
            let text = std::fs::read_to_string(&children).ok()?;
            text.split_whitespace().next()?.parse().ok().and_then(Pid::from_raw).map(Ok)
        })
        .flatten();
        match found {
            Ok(first) => Ok(Namespaces { launcher: Mutex::new(launcher), first }),
            Err(error) => {
                let _ = launcher.kill();
                let _ = launcher.wait();
                Err(error)
            }
        }
    }

    /// The network between nodes.
    pub fn switch() -> io::Result<Namespaces> {
        let switch = Namespaces::start(SWITCH, &[], &["--net", "--pid"])?;
        soon("bridge", || {
            output(switch.inside(&["-n"], "ip").args(["link", "show", "bridge"])).ok()
        })?;
        Ok(switch)
    }

    /// A node.
    pub fn node(name: &str, number: usize) -> io::Result<Namespaces> {
        let kinds = ["--net", "--mount", "--uts", "--ipc", "--pid", "--mount-proc"];
        // Five nodes, below the 32768 ids that some machines have.
        let pids = (number * 5_000).to_string();
        let node = Namespaces::start(NODE, &[name, &pids], &kinds)?;
        let ready = node.root().join("run/ready");
        soon(name, || ready.exists().then_some(()))?;
        Ok(node)
    }

    /// A host that is no node.
    pub fn host() -> io::Result<Namespaces> {
        Namespaces::start(HOST, &[], &["--net", "--pid"])
    }

    /// Plugs it into a switch.
    pub fn plug_into(&self, switch: &Namespaces, port: &str, address: &str) -> io::Result<()> {
        let pid = self.pid();
        output(
            switch
                .inside(&["-n"], "ip")
                .args(["link", "add", port, "type", "veth", "peer", "name", "eth0", "netns", &pid]),
        )?;
        output(switch.inside(&["-n"], "ip").args(["link", "set", port, "master", "bridge", "up"]))?;
        let up = format!(
            "ip link set lo up && ip addr add {address}/24 dev eth0 && ip link set eth0 up"
        );
        output(self.inside(&["-n"], "sh").args(["-c", &up])).map(drop)
    }

    /// A command in these of the namespaces.
    pub fn inside(&self, kinds: &[&str], program: &str) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["-t", &self.pid()]).args(kinds).args(["--", program]);
        command
    }

    fn pid(&self) -> String {
        self.first.as_raw_nonzero().to_string()
    }

    /// What is `/` inside.
    pub fn root(&self) -> std::path::PathBuf {
        Path::new("/proc").join(self.pid()).join("root")
    }

    /// Kills everything inside at once; when this returns nothing is left.
    pub fn kill(&self) {
        let mut launcher = self.launcher.lock().unwrap();
        if matches!(launcher.try_wait(), Ok(None)) {
            let _ = kill_process(self.first, Signal::KILL);
            let _ = launcher.wait();
        }
    }
}

impl Drop for Namespaces {
    fn drop(&mut self) {
        self.kill();
    }
}
