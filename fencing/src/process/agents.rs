//! All running agents of one fencer, on one `mio` poll.

use std::collections::BTreeMap;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use mio::Registry;
use mio::event::Event;

use crate::agent::{Metadata, StdinScript};
use crate::executor::{AgentReport, AgentRun, RunId};
use crate::interval::readable;
use crate::name::AgentName;
use crate::outcome::{ExecutionStatus, MAX_OUTPUT, Outcome, bounded, exit};
use crate::process::child::{Ended, RunningAgent, TOKENS_PER_CHILD};
use crate::process::secrets::{SecretStore, redactor};
use crate::secret::{Parameters, Redactor};

/// Where fence agents are installed.
pub const AGENT_DIRECTORY: &str = "/usr/sbin";

/// Longest error output of an agent kept, in bytes.
const MAX_ERROR_OUTPUT: usize = 16 * 1024;

/// Time for an agent to print its metadata.
const METADATA_TIMEOUT: Duration = Duration::from_secs(10);

/// Something a process has to say.
#[derive(Debug)]
pub enum Finished {
    /// An agent run has ended.
    Run(RunId, AgentReport),
    /// An agent has told about itself, or has not.
    Metadata(AgentName, Result<Metadata, String>),
}

enum Asked {
    Run { run: RunId, redactor: Redactor, timeout: Duration },
    Metadata(AgentName),
}

/// Runs agents as processes.
///
/// It registers its descriptors with a registry that is lent to each call; tokens from
/// `first_token` up are its own. Give it every event with such a token, and call
/// [`ProcessDriver::poll_timeout`] for the wait.
pub struct ProcessDriver {
    directory: PathBuf,
    secrets: SecretStore,
    first_token: usize,
    children: BTreeMap<usize, (RunningAgent, Asked)>,
    next_child: usize,
    done: Vec<Finished>,
}

impl ProcessDriver {
    /// A driver for the agents of a directory.
    pub fn new(directory: impl Into<PathBuf>, secrets: SecretStore, first_token: usize) -> Self {
        Self {
            directory: directory.into(),
            secrets,
            first_token,
            children: BTreeMap::new(),
            next_child: 0,
            done: Vec::new(),
        }
    }

    /// Starts an agent; its end comes from [`ProcessDriver::take_finished`].
    pub fn run(&mut self, registry: &Registry, now: Duration, run: AgentRun) {
        let prepared = self.secrets.reveal(&run.device, &run.parameters).map_err(|error| {
            log::error!("{}: {error}", run.device);
            Outcome::failed(ExecutionStatus::NoSecrets, exit::ERROR, "Failed to get CIB secrets")
        });
        let prepared = prepared.and_then(|(parameters, revealed)| {
            let redactor = redactor(&parameters, &revealed);
            let script = StdinScript::new(&parameters)
                .map_err(|error| Outcome::invalid(exit::INVALID_PARAMETER, error.to_string()))?;
            Ok((script, redactor))
        });
        let timeout = run.timeout.duration();
        match prepared {
            Ok((script, redactor)) => {
                let asked = Asked::Run { run: run.run, redactor, timeout };
                self.start(registry, now + timeout, &run.agent, script, asked);
            }
            Err(outcome) => self.done.push(Finished::Run(run.run, outcome.into())),
        }
    }

    /// Asks an agent for its metadata.
    pub fn read_metadata(&mut self, registry: &Registry, now: Duration, agent: AgentName) {
        let parameters = Parameters::new().with("action", "metadata");
        match StdinScript::new(&parameters) {
            Ok(script) => {
                let asked = Asked::Metadata(agent.clone());
                self.start(registry, now + METADATA_TIMEOUT, &agent, script, asked);
            }
            Err(error) => self.done.push(Finished::Metadata(agent, Err(error.to_string()))),
        }
    }

    fn start(
        &mut self,
        registry: &Registry,
        deadline: Duration,
        agent: &AgentName,
        script: StdinScript,
        asked: Asked,
    ) {
        let path = self.directory.join(agent.as_str());
        let number = self.next_child;
        self.next_child += 1;
        let first_token = self.first_token + number * TOKENS_PER_CHILD;
        match RunningAgent::start(registry, &path, script, first_token, deadline) {
            Ok(child) => {
                self.children.insert(number, (child, asked));
            }
            Err(error) => self.not_started(&path, asked, &error),
        }
    }

    fn not_started(&mut self, path: &Path, asked: Asked, error: &io::Error) {
        let outcome = start_failure(path, error);
        self.done.push(match asked {
            Asked::Run { run, .. } => Finished::Run(run, outcome.into()),
            Asked::Metadata(agent) => {
                Finished::Metadata(agent, Err(outcome.reason.unwrap_or_default()))
            }
        });
    }

    /// Takes an event with a token of this driver; others are ignored.
    pub fn handle_event(&mut self, registry: &Registry, event: &Event) {
        let token = event.token().0;
        let Some(offset) = token.checked_sub(self.first_token) else {
            return;
        };
        let number = offset / TOKENS_PER_CHILD;
        let Some((child, _)) = self.children.get_mut(&number) else {
            return;
        };
        match child.ready(registry, token) {
            Ok(false) => {}
            Ok(true) => self.ended(registry, number),
            Err(error) => {
                log::error!("Cannot wait for fence agent {}: {error}", child.pid());
                self.ended(registry, number);
            }
        }
    }

    /// Reads on where an agent prints faster than one turn takes, and kills those whose time is
    /// over. Call it after the events of each wait.
    pub fn handle_time(&mut self, registry: &Registry, now: Duration) {
        for (child, _) in self.children.values_mut() {
            if child.has_more() {
                child.read_more(registry);
            }
            if child.deadline <= now {
                child.time_over();
            }
        }
    }

    /// When to call [`ProcessDriver::handle_time`] at the latest: when an agent is to be killed,
    /// or at once where one prints faster than it is read.
    pub fn poll_timeout(&self) -> Option<Duration> {
        if self.children.values().any(|(child, _)| child.has_more()) {
            return Some(Duration::ZERO);
        }
        let deadlines = self.children.values().map(|(child, _)| child.deadline);
        deadlines.filter(|deadline| *deadline < Duration::MAX).min()
    }

    fn ended(&mut self, registry: &Registry, number: usize) {
        let Some((child, asked)) = self.children.remove(&number) else {
            return;
        };
        let pid = child.pid();
        let ended = child.finish(registry);
        self.done.push(match asked {
            Asked::Run { run, redactor, timeout } => {
                let report = match ended {
                    Ok(ended) => kept(report(pid, ended, &redactor, timeout)),
                    Err(error) => {
                        let reason = error.to_string();
                        Outcome::failed(ExecutionStatus::Error, exit::ERROR, reason).into()
                    }
                };
                Finished::Run(run, report)
            }
            Asked::Metadata(agent) => Finished::Metadata(agent, metadata(ended)),
        });
    }

    /// What has ended since the last call.
    pub fn take_finished(&mut self) -> Vec<Finished> {
        std::mem::take(&mut self.done)
    }

    /// How many agents run.
    pub fn running(&self) -> usize {
        self.children.len()
    }
}

impl Drop for ProcessDriver {
    /// No agent is left behind without anyone to hear its result.
    fn drop(&mut self) {
        std::mem::take(&mut self.children).into_values().for_each(|(child, _)| child.abandon());
    }
}

/// The result of a process (spec 80 §3). Only an exit status of 0 is success.
pub(super) fn report(
    pid: u32,
    ended: Ended,
    redactor: &Redactor,
    timeout: Duration,
) -> AgentReport {
    let Ended { status, timed_out, stdout, stderr } = ended;
    let outcome = match (status.code(), status.signal()) {
        (Some(code), _) => Outcome { output: redactor.apply(stdout), ..Outcome::exited(code) },
        (None, _) if timed_out => {
            let limit = u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX);
            Outcome::timeout(format!("Fence agent did not complete within {}", readable(limit)))
        }
        (None, signal) => {
            let name = signal.map(signal_name).unwrap_or_default();
            let reason = format!("Fence agent interrupted by {name} signal");
            Outcome::failed(ExecutionStatus::Error, exit::ERROR, reason)
        }
    };
    let error_output = bounded(redactor.apply(stderr), MAX_ERROR_OUTPUT);
    AgentReport { outcome, pid: Some(pid), error_output }
}

/// Results that stay in memory keep no more output than a target list needs.
fn kept(mut report: AgentReport) -> AgentReport {
    report.outcome.output = bounded(report.outcome.output, MAX_OUTPUT);
    report
}

fn signal_name(signal: i32) -> String {
    let name = match signal {
        1 => "Hangup",
        2 => "Interrupt",
        3 => "Quit",
        4 => "Illegal instruction",
        6 => "Aborted",
        7 => "Bus error",
        8 => "Floating point exception",
        9 => "Killed",
        11 => "Segmentation fault",
        13 => "Broken pipe",
        14 => "Alarm clock",
        15 => "Terminated",
        other => return format!("Unknown signal {other}"),
    };
    name.to_owned()
}

fn metadata(ended: io::Result<Ended>) -> Result<Metadata, String> {
    let ended = ended.map_err(|error| error.to_string())?;
    match ended.status.code() {
        Some(0) => Metadata::parse(&ended.stdout).map_err(|error| error.to_string()),
        Some(code) => Err(format!("exit status {code}")),
        None if ended.timed_out => Err("Fence agent did not exit within specified timeout".into()),
        None => Err("ended by a signal".into()),
    }
}

/// The result of an agent that could not be started (spec 80 §4.5).
pub(super) fn start_failure(path: &Path, error: &io::Error) -> Outcome {
    use rustix::io::Errno;
    let text = match Errno::from_io_error(error) {
        Some(Errno::NOENT) => "No such file or directory".to_owned(),
        Some(Errno::ACCESS) => "Permission denied".to_owned(),
        Some(Errno::NOEXEC) => "Exec format error".to_owned(),
        _ => error.to_string(),
    };
    match Errno::from_io_error(error) {
        Some(Errno::NOENT | Errno::ISDIR | Errno::NOTDIR | Errno::INVAL | Errno::NOEXEC) => {
            let reason = format!("{}: {text}", path.display());
            Outcome::failed(ExecutionStatus::NotInstalled, exit::NOT_INSTALLED, reason)
        }
        Some(Errno::ACCESS | Errno::PERM) => {
            let reason = format!("{}: {text}", path.display());
            Outcome::failed(ExecutionStatus::Error, exit::INSUFFICIENT_PRIVILEGES, reason)
        }
        _ => Outcome::failed(ExecutionStatus::Error, exit::ERROR, text),
    }
}

/// Fence agents installed in a directory: regular files, after following links, whose names begin
/// with `fence_`, sorted.
pub fn installed_agents(directory: &Path) -> io::Result<Vec<AgentName>> {
    let mut agents = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        let entry = entry?;
        let name = entry.file_name();
        let Some(name) = name.to_str().filter(|name| name.starts_with("fence_")) else {
            continue;
        };
        // A link that leads nowhere is no agent.
        let is_file = std::fs::metadata(entry.path()).is_ok_and(|metadata| metadata.is_file());
        if let (true, Ok(agent)) = (is_file, AgentName::new(name)) {
            agents.push(agent);
        }
    }
    agents.sort();
    Ok(agents)
}
