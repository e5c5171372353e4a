//! One node that is switched on.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::namespaces::{Namespaces, output};
use super::{Ground, name};

/// The variable that marks all processes of a node, whoever started them.
const MARK: &str = "BED_HOME";

/// Where all nodes of a bed find what they share.
#[derive(Debug, Clone)]
pub struct Shared {
    pub folder: PathBuf,
    pub ocf_root: PathBuf,
}

#[derive(Debug)]
pub struct Node {
    pub name: String,
    shared: Shared,
    home: PathBuf,
    namespaces: Option<Namespaces>,
    daemon: Mutex<Option<Child>>,
}

/// The address of a node.
pub fn address(ground: Ground, number: usize) -> String {
    match ground {
        Ground::Namespaces => format!("10.78.0.{number}"),
        Ground::Loopback => format!("127.0.0.{number}"),
    }
}

impl Node {
    /// Switches a node on; its daemon does not run yet. No port of the switch is used twice.
    pub fn start(
        shared: &Shared,
        switch: Option<&Namespaces>,
        number: usize,
        port: &str,
    ) -> io::Result<Node> {
        let name = name(number);
        let home = shared.folder.join(&name);
        fs::create_dir_all(home.join("run"))?;
        let namespaces = match switch {
            Some(switch) => {
                let made = Namespaces::node(&name, number)?;
                made.plug_into(switch, port, &address(Ground::Namespaces, number))?;
                Some(made)
            }
            None => None,
        };
        Ok(Node { name, shared: shared.clone(), home, namespaces, daemon: Mutex::new(None) })
    }

    /// A command on this node.
    pub fn command(&self, program: &str) -> Command {
        let folder = self.shared.folder.display();
        let mut command = match &self.namespaces {
            Some(namespaces) => namespaces.inside(&["-m", "-u", "-i", "-n", "-p"], program),
            None => Command::new(program),
        };
        let run = match &self.namespaces {
            Some(_) => PathBuf::from("/run"),
            None => self.home.join("run"),
        };
        let path = format!("{folder}/bin:/usr/sbin:/usr/bin:/sbin:/bin");
        command.env_clear().envs([("PATH", path.as_str()), ("LC_ALL", "C"), ("TZ", "UTC")]);
        command.env(MARK, &self.home).env("BED_RUN", run).env("BED_NODE", &self.name);
        if self.namespaces.is_none() {
            command.env("UNDERSTUDY_IPC_DIRECTORY", self.home.join("state"));
        }
        command
    }

    /// Runs a command line of words; what it prints.
    pub fn run(&self, line: &str) -> io::Result<String> {
        let mut words = line.split_whitespace();
        let mut command = self.command(words.next().unwrap());
        output(command.args(words))
    }

    /// A file as it is on this node.
    pub fn in_run(&self, file: &str) -> PathBuf {
        match &self.namespaces {
            Some(namespaces) => namespaces.root().join("run").join(file),
            None => self.home.join("run").join(file),
        }
    }

    pub fn namespaces(&self) -> &Namespaces {
        self.namespaces.as_ref().expect("a node on loopback has no network of its own")
    }

    pub fn log(&self) -> PathBuf {
        self.home.join("log")
    }

    /// Starts its daemon.
    pub fn launch(&self) -> io::Result<()> {
        let folder = &self.shared.folder;
        let state = self.home.join("state");
        let mut command = self.command("setpriv");
        command.env_remove("SBD_WATCHDOG_DEV");
        command.args(["--pdeathsig", "KILL", "node-daemon", "run", "--name", &self.name]);
        command.arg("--config").arg(folder.join("etc")).arg("--state").arg(&state);
        command.arg("--ocf-root").arg(&self.shared.ocf_root);
        command.arg("--fence-agents").arg(folder.join("fence"));
        command.arg("--log-file").arg(self.log());
        if self.namespaces.is_none() {
            command.arg("--ipc-directory").arg(&state);
        }
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        *self.daemon.lock().unwrap() = Some(command.spawn()?);
        Ok(())
    }

    /// Waits for the daemon's end by itself; its exit status.
    pub fn ended(&self, limit: Duration) -> Option<i32> {
        let end = Instant::now() + limit;
        while Instant::now() < end {
            let mut daemon = self.daemon.lock().unwrap();
            if let Ok(Some(status)) = daemon.as_mut()?.try_wait() {
                return status.code();
            }
            drop(daemon);
            std::thread::sleep(Duration::from_millis(5));
        }
        None
    }

    /// Sends a signal to the supervisor, or to a subsystem by its name.
    pub fn signal(&self, subsystem: Option<&str>, signal: Signal) {
        let wanted = |words: &[String]| {
            let program = words.first().is_some_and(|word| word.ends_with("node-daemon"));
            let role = words.get(1).map(String::as_str);
            program
                && match subsystem {
                    None => role == Some("run"),
                    Some(name) => {
                        role == Some("subsystem") && words.get(2).map(String::as_str) == Some(name)
                    }
                }
        };
        let found = self.processes();
        let pid = found.iter().find(|pid| wanted(&words_of(**pid)));
        let pid = pid.unwrap_or_else(|| panic!("no {subsystem:?} on {}", self.name));
        kill_process(*pid, signal).unwrap();
    }

    /// The processes of a subsystem.
    pub fn subsystem(&self, name: &str) -> Vec<Pid> {
        let own = |words: &[String]| {
            words.get(1).map(String::as_str) == Some("subsystem")
                && words.get(2).map(String::as_str) == Some(name)
        };
        let mut found = self.processes();
        found.retain(|pid| own(&words_of(*pid)));
        found
    }

    /// Whether its disk has a text, wherever in what it keeps of the CIB.
    pub fn has_on_disk(&self, text: &str) -> bool {
        let entries = fs::read_dir(self.home.join("state/cib")).into_iter().flatten().flatten();
        entries
            .map(|entry| fs::read(entry.path()).unwrap_or_default())
            .any(|content| content.windows(text.len()).any(|part| part == text.as_bytes()))
    }

    fn processes(&self) -> Vec<Pid> {
        let mark = format!("{MARK}={}", self.home.display()).into_bytes();
        let mut found = Vec::new();
        for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
            let pid = entry.file_name().to_str().and_then(|text| text.parse().ok());
            let environment = fs::read(entry.path().join("environ")).unwrap_or_default();
            let marked = environment.split(|byte| *byte == 0).any(|variable| variable == mark);
            found.extend(pid.filter(|_| marked).and_then(Pid::from_raw));
        }
        found
    }

    /// Takes its power away. When this returns no process of it is left.
    pub fn kill(&self) {
        match &self.namespaces {
            Some(namespaces) => namespaces.kill(),
            None => self.kill_marked(),
        }
        if let Some(mut daemon) = self.daemon.lock().unwrap().take() {
            let _ = daemon.kill();
            let _ = daemon.wait();
        }
    }

    fn kill_marked(&self) {
        // What is killed may have begun another process just before.
        loop {
            let mut alive = self.processes();
            alive.retain(|pid| !words_of(*pid).is_empty());
            if alive.is_empty() {
                break;
            }
            for pid in alive {
                let _ = kill_process(pid, Signal::KILL);
            }
        }
        // What a node has in memory is gone with its power.
        let _ = fs::remove_dir_all(self.home.join("run"));
        let _ = fs::create_dir_all(self.home.join("run"));
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The command line of a process; none of one that has ended.
fn words_of(pid: Pid) -> Vec<String> {
    let path = Path::new("/proc").join(pid.as_raw_nonzero().to_string()).join("cmdline");
    let text = fs::read(path).unwrap_or_default();
    let words =
        text.split(|byte| *byte == 0).map(|word| String::from_utf8_lossy(word).into_owned());
    words.take_while(|word| !word.is_empty()).collect()
}
