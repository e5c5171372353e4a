//! Three nodes of one stack as processes.

use super::namespaces::{NODES, Namespaces, address};
use super::{Failure, Stack, monotonic};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fmt::Write as _;
use std::fs::{self, OpenOptions};
use std::io::{BufRead, BufReader, Write as _};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

static SERIAL: AtomicU32 = AtomicU32::new(0);

/// The processes of one node.
struct NodeProcesses {
    worker: Child,
    commands: ChildStdin,
    daemon: Option<Child>,
}

/// A running cluster; processes, namespaces and files go when this is dropped.
pub struct Fleet {
    stack: Stack,
    nodes: Vec<NodeProcesses>,
    lines: Receiver<(usize, String)>,
    /// The last view each node told: when, and how many members.
    views: Vec<(u64, usize)>,
    interrupted: Arc<AtomicBool>,
    namespaces: Namespaces,
    directory: PathBuf,
}

impl Fleet {
    /// Starts a cluster and waits until all members see each other. `token` in milliseconds; without,
    /// the defaults of corosync.conf hold.
    pub fn start(
        stack: Stack,
        token: Option<u64>,
        interrupted: &Arc<AtomicBool>,
    ) -> Result<Fleet, Failure> {
        let serial = SERIAL.fetch_add(1, Ordering::Relaxed);
        let directory =
            std::env::temp_dir().join(format!("messaging-{}-{serial}", std::process::id()));
        fs::create_dir_all(&directory)?;
        let namespaces = Namespaces::create()?;
        let (sender, lines) = channel();
        let mut fleet = Fleet {
            stack,
            nodes: vec![],
            lines,
            views: vec![(0, 0); NODES],
            interrupted: interrupted.clone(),
            namespaces,
            directory,
        };
        write_key(&fleet.directory.join("key"))?;
        for node in 1..=NODES {
            let processes = fleet.start_node(node, token, &sender)?;
            fleet.nodes.push(processes);
        }
        let all = [1, 2, 3];
        fleet.wait("a view of all nodes", Duration::from_secs(60), |fleet, _| {
            fleet.agree(&all, NODES).is_some()
        })?;
        Ok(fleet)
    }

    fn start_node(
        &self,
        node: usize,
        token: Option<u64>,
        lines: &Sender<(usize, String)>,
    ) -> Result<NodeProcesses, Failure> {
        let state = self.directory.join(format!("node{node}"));
        fs::create_dir_all(&state)?;
        let configuration = state.join("corosync.conf");
        fs::write(&configuration, configuration_file(&self.directory, &state, token))?;
        let host = self.namespaces.host(node);
        let inside = || {
            let mut command = Command::new("ip");
            // Whatever happens to this process, its children do not outlive it.
            command.args(["netns", "exec", &host, "setpriv", "--pdeathsig", "KILL"]);
            // Ctrl-C is for this process alone, which ends the others in order.
            command.process_group(0);
            command
        };
        let daemon = match self.stack {
            Stack::Ours => None,
            Stack::Corosync => {
                // The pid file is in /run: each daemon gets one of its own.
                let script = "mount -t tmpfs tmpfs /run && exec corosync -f -c \"$0\"";
                let mut command = inside();
                command.args(["sh", "-c", script]).arg(&configuration);
                Some(command.stdin(Stdio::null()).stdout(Stdio::null()).spawn()?)
            }
        };
        let stack = if self.stack == Stack::Ours { "ours" } else { "corosync" };
        let mut worker = inside()
            .arg(std::env::current_exe()?)
            .args(["--worker", stack, "--node", &node.to_string(), "--configuration"])
            .arg(&configuration)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let commands = worker.stdin.take().ok_or("no pipe")?;
        let output = worker.stdout.take().ok_or("no pipe")?;
        let lines = lines.clone();
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if lines.send((node, line)).is_err() {
                    break;
                }
            }
        });
        Ok(NodeProcesses { worker, commands, daemon })
    }

    /// Whose nodes these are.
    pub fn stack(&self) -> Stack {
        self.stack
    }

    /// Tells a node's worker (from 1) what to do.
    pub fn tell(&mut self, node: usize, command: &str) -> Result<(), Failure> {
        Ok(writeln!(self.nodes[node - 1].commands, "{command}")?)
    }

    /// Tells all.
    pub fn tell_all(&mut self, command: &str) -> Result<(), Failure> {
        (1..=NODES).try_for_each(|node| self.tell(node, command))
    }

    /// Waits for one answer that begins with `verb` from each of the nodes; gives the numbers after it.
    pub fn answers(
        &mut self,
        nodes: &[usize],
        verb: &str,
        longest: Duration,
    ) -> Result<Vec<Vec<f64>>, Failure> {
        let mut got: Vec<Option<Vec<f64>>> = vec![None; NODES + 1];
        self.wait(verb, longest, |_, line| {
            if let Some((node, text)) = line
                && let Some(rest) = text.strip_prefix(verb)
            {
                let numbers = rest.split_whitespace().filter_map(|word| word.parse().ok());
                got[node] = Some(numbers.collect());
            }
            nodes.iter().all(|node| got[*node].is_some())
        })?;
        Ok(nodes.iter().filter_map(|node| got[*node].take()).collect())
    }

    /// Waits until all of the nodes have a view of so many members; gives when the last one got it.
    pub fn wait_for_view(
        &mut self,
        nodes: &[usize],
        members: usize,
        longest: Duration,
    ) -> Result<u64, Failure> {
        self.wait("a new view", longest, |fleet, _| fleet.agree(nodes, members).is_some())?;
        self.agree(nodes, members).ok_or_else(|| "the view changed again".into())
    }

    /// When the last of the nodes got the view of so many members they all have.
    fn agree(&self, nodes: &[usize], members: usize) -> Option<u64> {
        let views = nodes.iter().map(|node| self.views[node - 1]);
        let mut last = 0;
        for (at, count) in views {
            if count != members {
                return None;
            }
            last = last.max(at);
        }
        Some(last)
    }

    /// Takes in lines until `done`, which is also asked before the first.
    fn wait(
        &mut self,
        what: &str,
        longest: Duration,
        mut done: impl FnMut(&Fleet, Option<(usize, &str)>) -> bool,
    ) -> Result<(), Failure> {
        let deadline = Instant::now() + longest;
        if done(self, None) {
            return Ok(());
        }
        loop {
            if self.interrupted.load(Ordering::Relaxed) {
                return Err("interrupted".into());
            }
            match self.lines.recv_timeout(Duration::from_millis(50)) {
                Ok((node, line)) => {
                    self.note_view(node, &line);
                    if done(self, Some((node, &line))) {
                        return Ok(());
                    }
                }
                Err(RecvTimeoutError::Timeout) if Instant::now() < deadline => {}
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(format!("{:?}: the members are gone", self.stack).into());
                }
                Err(RecvTimeoutError::Timeout) => {
                    return Err(format!(
                        "{:?}: {what} did not come within {longest:?}",
                        self.stack
                    )
                    .into());
                }
            }
        }
    }

    fn note_view(&mut self, node: usize, line: &str) {
        let mut words = line.split_whitespace();
        if words.next() == Some("view")
            && let Some(Ok(at)) = words.next().map(str::parse)
            && let Some(Ok(members)) = words.next().map(str::parse)
        {
            self.views[node - 1] = (at, members);
        }
    }

    /// Lets time pass.
    pub fn rest(&mut self, time: Duration) -> Result<(), Failure> {
        let deadline = Instant::now() + time;
        while Instant::now() < deadline {
            if self.interrupted.load(Ordering::Relaxed) {
                return Err("interrupted".into());
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if let Ok((node, line)) = self.lines.recv_timeout(left.min(Duration::from_millis(50))) {
                self.note_view(node, &line);
            }
        }
        Ok(())
    }

    /// Ends a node's processes as a crash does; gives the moment.
    pub fn kill(&mut self, node: usize) -> Result<u64, Failure> {
        let processes = &self.nodes[node - 1];
        let at = monotonic();
        let first = processes.daemon.as_ref().unwrap_or(&processes.worker);
        kill(Pid::from_raw(first.id() as i32), Signal::SIGKILL)?;
        Ok(at)
    }

    /// Pulls a node's cable; gives the moment.
    pub fn unplug(&mut self, node: usize) -> Result<u64, Failure> {
        let at = monotonic();
        self.namespaces.unplug(node)?;
        Ok(at)
    }

    /// Processor time of all processes so far.
    pub fn processor_time(&self) -> Result<Duration, Failure> {
        let mut total = Duration::ZERO;
        for node in &self.nodes {
            let daemon = node.daemon.as_ref().map(Child::id);
            for process in daemon.into_iter().chain([node.worker.id()]) {
                for task in fs::read_dir(format!("/proc/{process}/task"))? {
                    let text = fs::read_to_string(task?.path().join("schedstat"))?;
                    let nanos = text.split_whitespace().next().ok_or("schedstat is empty")?;
                    total += Duration::from_nanos(nanos.parse()?);
                }
            }
        }
        Ok(total)
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        for node in &mut self.nodes {
            for process in node.daemon.iter_mut().chain([&mut node.worker]) {
                let _ = process.kill();
                let _ = process.wait();
            }
        }
        let _ = fs::remove_dir_all(&self.directory);
    }
}

fn write_key(path: &Path) -> Result<(), Failure> {
    let mut key = [0; 256];
    std::io::Read::read_exact(&mut fs::File::open("/dev/urandom")?, &mut key)?;
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o400).open(path)?;
    Ok(file.write_all(&key)?)
}

/// The file both stacks read.
fn configuration_file(directory: &Path, state: &Path, token: Option<u64>) -> String {
    let mut text = String::new();
    let key = directory.join("key");
    // Without the second line a third node would add 650 ms to the token.
    let token =
        token.map_or(String::new(), |token| format!("  token: {token}\n  token_coefficient: 0\n"));
    let _ = write!(
        text,
        "totem {{\n  version: 2\n  cluster_name: measured\n  transport: knet\n  crypto_cipher: aes256\n  \
         crypto_hash: sha256\n  keyfile: {}\n{token}}}\n",
        key.display()
    );
    text.push_str("nodelist {\n");
    for node in 1..=NODES {
        let address = address(node);
        let _ = write!(
            text,
            "  node {{\n    nodeid: {node}\n    name: node{node}\n    ring0_addr: {address}\n  }}\n"
        );
    }
    let state = state.display();
    let _ = write!(
        text,
        "}}\nsystem {{\n  state_dir: {state}\n}}\nresources {{\n  watchdog_device: off\n}}\n\
         logging {{\n  to_syslog: no\n  to_stderr: no\n  to_logfile: yes\n  logfile: {state}/log\n}}\n"
    );
    text
}
