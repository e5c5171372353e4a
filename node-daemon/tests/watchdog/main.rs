//! A node and the watchdog of its machine. The device is a file, and `strace` answers for it where the node
//! sets its time; what the node writes to it stays in the file: a zero for a feeding, `V` to disarm it.

use std::net::UdpSocket;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// The watchdog's time; a well node feeds it three times as often.
const TIMEOUT: Duration = Duration::from_secs(3);
/// Longer than it takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(90);

/// How the kernel answers when the time is set.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Device {
    /// There is none.
    None,
    /// It takes it.
    Works,
    /// It is no watchdog.
    Refuses,
}

/// A node of its own.
struct Node {
    home: tempfile::TempDir,
    child: Child,
}

fn strace_works() -> bool {
    let tried = Command::new("strace").args(["-qq", "-o", "/dev/null", "true"]).status();
    let works = tried.is_ok_and(|status| status.success());
    assert!(works || std::env::var_os("CI").is_none(), "needs strace");
    if !works {
        eprintln!("skipped: needs strace");
    }
    works
}

fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + PATIENCE;
    loop {
        if let Some(seen) = look() {
            return seen;
        }
        assert!(Instant::now() < end, "never: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn children(pid: u32) -> Vec<u32> {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let lists = tasks.filter_map(|task| std::fs::read_to_string(task.path().join("children")).ok());
    let all: Vec<String> = lists.collect();
    all.join(" ").split_whitespace().filter_map(|pid| pid.parse().ok()).collect()
}

fn send(pid: u32, signal: Signal) {
    kill_process(Pid::from_raw(i32::try_from(pid).unwrap()).unwrap(), signal).unwrap();
}

impl Node {
    fn start(device: Device, options: &[&str]) -> Node {
        let home = tempfile::tempdir().unwrap();
        let port = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let configuration = include_str!("../single-node.conf").replace("PORT", &port.to_string());
        let path = |name: &str| home.path().join(name);
        std::fs::write(path("corosync.conf"), configuration).unwrap();
        std::fs::write(path("watchdog"), "").unwrap();
        let mut command = Command::new("strace");
        // Only the thread that begins: it is the one that arms the watchdog.
        command.args(["-qq", "-o"]).arg(path("calls")).arg("-P").arg(path("watchdog"));
        command.args(["-e", "trace=ioctl"]);
        if device == Device::Works {
            command.args(["-e", "inject=ioctl:retval=0"]);
        }
        command.arg(env!("CARGO_BIN_EXE_node-daemon"));
        command.args(["run", "--name", "node1", "--config"]).arg(home.path()).args(options);
        for (option, place) in [
            ("--state", "state"),
            ("--ipc-directory", "state"),
            ("--ocf-root", "ocf"),
            ("--fence-agents", "fence"),
            ("--log-file", "log"),
        ] {
            command.arg(option).arg(path(place));
        }
        if device != Device::None {
            command.env("SBD_WATCHDOG_DEV", path("watchdog")).env("SBD_WATCHDOG_TIMEOUT", "3");
        }
        command.env_remove("PCMK_panic_action").stdin(Stdio::null()).stdout(Stdio::null());
        let child = command.spawn().unwrap();
        Node { home, child }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    fn written(&self) -> Vec<u8> {
        std::fs::read(self.path("watchdog")).unwrap()
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.path("log")).unwrap_or_default()
    }

    fn until_logged(&self, text: &str) {
        until(text, || self.log().contains(text).then_some(()));
    }

    fn until_fed(&self) {
        let before = self.written().len();
        until("fed", || (self.written().len() > before).then_some(()));
    }

    /// The node itself, below `strace`.
    fn supervisor(&self) -> u32 {
        until("the node", || children(self.child.id()).first().copied())
    }

    fn subsystem(&self, name: &str) -> u32 {
        let is_it = |pid: &u32| {
            let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            let words: Vec<&[u8]> = line.split(|byte| *byte == 0).collect();
            words.get(1..3) == Some(&[b"subsystem", name.as_bytes()])
        };
        until(name, || children(self.supervisor()).into_iter().find(is_it))
    }

    /// Runs a tool until it succeeds.
    fn tool(&self, name: &str, arguments: &[&str]) {
        until(name, || self.try_tool(name, arguments).success().then_some(()));
    }

    fn try_tool(&self, name: &str, arguments: &[&str]) -> ExitStatus {
        let tool = self.path(name);
        let _ = std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_node-daemon"), &tool);
        let mut command = Command::new(&tool);
        command.env_clear().env("UNDERSTUDY_IPC_DIRECTORY", self.path("state")).args(arguments);
        command.stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap()
    }

    fn end(&mut self) -> Option<i32> {
        until("the node's end", || self.child.try_wait().unwrap()).code()
    }

    /// It ended otherwise than in order, so the watchdog was last fed and not disarmed.
    fn expect_armed(&self) {
        let written = self.written();
        assert!(!written.is_empty() && written.iter().all(|byte| *byte == 0), "{written:?}");
        std::thread::sleep(TIMEOUT / 2);
        assert_eq!(self.written(), written, "nobody is left to feed it");
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        for pid in children(self.child.id()) {
            let _ = kill_process(Pid::from_raw(pid.cast_signed()).unwrap(), Signal::KILL);
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("{}", self.log());
        }
    }
}

fn is_armed(node: &Node) -> bool {
    node.log().contains("is armed with 3s")
}

#[test]
fn fed_while_the_node_runs_and_disarmed_when_it_stops() {
    if !strace_works() {
        return;
    }
    for options in [&[][..], &["--single-process"]] {
        let mut node = Node::start(Device::Works, options);
        node.until_fed();
        assert!(is_armed(&node));
        node.until_fed();
        node.until_logged("runs");
        send(node.supervisor(), Signal::TERM);
        assert_eq!(node.end(), Some(0), "{options:?}");
        let written = node.written();
        let (last, fed) = written.split_last().unwrap();
        assert_eq!(*last, b'V', "{options:?}");
        assert!(fed.len() >= 2 && fed.iter().all(|byte| *byte == 0), "{written:?}");
    }
}

#[test]
fn not_fed_while_a_subsystem_hangs() {
    if !strace_works() {
        return;
    }
    let node = Node::start(Device::Works, &[]);
    node.until_fed();
    for room in ["executor", "fencer", "messaging"] {
        let pid = node.subsystem(room);
        node.until_fed();
        send(pid, Signal::STOP);
        // On a busy machine others may be late as well.
        until(room, || {
            let log = node.log();
            let mut lists =
                log.lines().filter_map(|line| line.split_once("not fed until these are well: "));
            lists.any(|(_, list)| list.contains(room)).then_some(())
        });
        std::thread::sleep(TIMEOUT / 3);
        let fed = node.written();
        std::thread::sleep(TIMEOUT);
        assert_eq!(node.written(), fed, "fed although {room} hangs");
        send(pid, Signal::CONT);
        node.until_fed();
    }
    assert!(!node.written().contains(&b'V'));
}

#[test]
fn an_end_out_of_order_leaves_it_armed() {
    if !strace_works() {
        return;
    }
    let mut killed = Node::start(Device::Works, &[]);
    killed.until_fed();
    send(killed.supervisor(), Signal::KILL);
    killed.end();
    killed.expect_armed();

    let mut apart = Node::start(Device::Works, &[]);
    apart.until_fed();
    apart.until_logged("runs");
    send(apart.subsystem("messaging"), Signal::KILL);
    assert_eq!(apart.end(), Some(102), "without messaging a node cannot go on");
    apart.expect_armed();
}

#[test]
fn a_node_that_fences_itself_is_not_fed_any_more() {
    if !strace_works() {
        return;
    }
    let mut node = Node::start(Device::Works, &[]);
    node.until_fed();
    node.tool("crm_attribute", &["-n", "stonith-watchdog-timeout", "-v", "10s"]);
    node.until_logged("Added 'watchdog' to device list");
    // It does not come back to say how that went.
    node.try_tool("stonith_admin", &["-F", "node1", "-t", "5"]);
    assert_eq!(node.end(), Some(101));
    assert!(node.log().contains("this node fences itself (off)"));
    node.expect_armed();
}

#[test]
fn a_device_that_is_no_watchdog_keeps_the_node_from_running() {
    if !strace_works() {
        return;
    }
    let mut node = Node::start(Device::Refuses, &[]);
    assert_eq!(node.end(), Some(100));
    assert!(node.log().contains("the watchdog refuses a timeout of 3s"));
    assert_eq!(node.written(), b"V");
}

#[test]
fn a_time_for_watchdog_fencing_that_does_not_fit_ends_the_node() {
    if !strace_works() {
        return;
    }
    for (device, time, complaint) in [
        (Device::None, "10s", "configured (10s) but SBD not active"),
        (Device::Works, "2s", "(2s) too short (must be >3000ms)"),
    ] {
        let mut node = Node::start(device, &[]);
        node.until_logged("runs");
        node.tool("crm_attribute", &["-n", "fencing-watchdog-timeout", "-v", time]);
        assert_eq!(node.end(), Some(100), "{complaint}");
        assert!(node.log().contains(complaint), "{}", node.log());
        if device == Device::Works {
            node.expect_armed();
        }
    }
}

#[test]
fn a_time_of_half_seconds_is_refused() {
    let output = Command::new(env!("CARGO_BIN_EXE_node-daemon"))
        .args(["run", "--watchdog-timeout", "1500ms"])
        .env_remove("SBD_WATCHDOG_DEV")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(text.contains("whole seconds are accepted, from 1 up"), "{text}");
}
