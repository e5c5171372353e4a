//! Running processes: start, output, signals, reaping (spec 80 §2, §6).
//!
//! Each child leads its own process group and is watched through a process file descriptor, so no
//! signal handler is needed, other children of the embedding program are left alone, and a pid is
//! never signalled after it was reaped.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{ChildStderr, ChildStdout, Command, Stdio};

use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};
use rustix::process::{Pid, PidfdFlags, WaitId, WaitIdOptions};
use slab::Slab;

use super::capture::{Capture, Turn};
use super::child_setup;
use super::journal::Journal;
use crate::agent::Standard;
use crate::executor::{RunEnd, RunId, Scope, Signal};
use crate::invocation::CommandLine;
use crate::outcome::{OcfExit, ProcessEnd, StartError, StartErrorKind};

/// A user and group to run as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct User {
    /// User id.
    pub uid: u32,
    /// Group id.
    pub gid: u32,
}

/// Tokens of a child's descriptors: its key times three and one of these.
const EXIT: usize = 0;
const STDOUT: usize = 1;
const STDERR: usize = 2;

#[derive(Debug)]
struct Child {
    run: RunId,
    standard: Standard,
    pid: Pid,
    pidfd: OwnedFd,
    stdout: Capture<ChildStdout>,
    stderr: Capture<ChildStderr>,
    /// The group was signalled: what outlives the agent must not.
    group_doomed: bool,
}

/// All running children.
#[derive(Debug)]
pub(super) struct Processes {
    registry: Registry,
    children: Slab<Child>,
    by_run: BTreeMap<RunId, usize>,
    scratch: Vec<u8>,
    /// Streams whose turn ended with more to read.
    unread: Vec<Token>,
    null: std::fs::File,
    reset_priority: bool,
    journal: Option<Journal>,
}

impl Processes {
    pub(super) fn new(registry: Registry, journal: Option<Journal>) -> io::Result<Self> {
        Ok(Self {
            registry,
            children: Slab::new(),
            by_run: BTreeMap::new(),
            scratch: vec![0; 64 * 1024],
            unread: Vec::new(),
            null: std::fs::File::open("/dev/null")?,
            reset_priority: child_setup::has_raised_priority(),
            journal,
        })
    }

    /// Starts a process.
    pub(super) fn spawn(
        &mut self,
        run: RunId,
        standard: Standard,
        line: &CommandLine,
        user: Option<User>,
    ) -> Result<u32, StartError> {
        let path = line.path.to_string_lossy();
        let error = |error: &io::Error| {
            StartError::from_errno(error.raw_os_error().unwrap_or(22), &os_text(error), &path)
        };
        std::fs::metadata(&line.path).map_err(|e| error(&e))?;
        child_setup::close_descriptors_on_exec();
        let key = self.children.vacant_key();
        if let Some(journal) = &mut self.journal {
            journal.intend(key, line);
        }
        let spawned = self.spawn_command(line, user);
        let child = match spawned {
            Ok(child) => child,
            Err(error) => {
                if let Some(journal) = &mut self.journal {
                    journal.clear(key);
                }
                return Err(spawn_error(&error, &standard, user.is_some(), &path));
            }
        };
        if let Some(journal) = &mut self.journal {
            journal.started(key, child.id());
        }
        self.watch(run, standard, child).map_err(|e| error(&e))
    }

    fn spawn_command(
        &self,
        line: &CommandLine,
        user: Option<User>,
    ) -> io::Result<std::process::Child> {
        let mut command = Command::new(&line.path);
        command.args(&line.arguments);
        self.prepare(&mut command, line, user)?;
        match command.spawn() {
            // A script without an interpreter line is the shell's, as for execvp.
            Err(error) if error.raw_os_error() == Some(8) => {
                let mut shell = Command::new("/bin/sh");
                shell.arg(&line.path).args(&line.arguments);
                self.prepare(&mut shell, line, user)?;
                shell.spawn()
            }
            other => other,
        }
    }

    fn prepare(
        &self,
        command: &mut Command,
        line: &CommandLine,
        user: Option<User>,
    ) -> io::Result<()> {
        command
            .stdin(Stdio::from(self.null.try_clone()?))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0);
        for (name, value) in &line.environment {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        if let Some(user) = user {
            command.uid(user.uid).gid(user.gid);
        }
        if self.reset_priority {
            child_setup::reset_priority(command);
        }
        Ok(())
    }

    fn watch(
        &mut self,
        run: RunId,
        standard: Standard,
        mut child: std::process::Child,
    ) -> io::Result<u32> {
        let pid = Pid::from_child(&child);
        let taken = (child.stdout.take(), child.stderr.take());
        let (Some(stdout), Some(stderr)) = taken else {
            return Err(io::Error::other("the child has no pipes"));
        };
        let key = self.children.vacant_key();
        let watched = rustix::process::pidfd_open(pid, PidfdFlags::NONBLOCK)
            .map_err(io::Error::from)
            .and_then(|pidfd| {
                for fd in [stdout.as_fd(), stderr.as_fd()] {
                    rustix::io::ioctl_fionbio(fd, true)?;
                }
                let fds = [pidfd.as_raw_fd(), stdout.as_raw_fd(), stderr.as_raw_fd()];
                for (part, fd) in fds.iter().enumerate() {
                    let token = Token(key * 3 + part);
                    self.registry.register(&mut SourceFd(fd), token, Interest::READABLE)?;
                }
                Ok(pidfd)
            });
        let pidfd = match watched {
            Ok(pidfd) => pidfd,
            Err(error) => {
                // Unwatched it would never be reaped.
                let _ = rustix::process::kill_process_group(pid, rustix::process::Signal::KILL);
                let _ = child.wait();
                return Err(error);
            }
        };
        self.children.insert(Child {
            run,
            standard,
            pid,
            pidfd,
            stdout: Capture::new(stdout),
            stderr: Capture::new(stderr),
            group_doomed: false,
        });
        self.by_run.insert(run, key);
        Ok(child.id())
    }

    /// Sends a signal. A run that is over is fine.
    pub(super) fn signal(&mut self, run: RunId, signal: Signal, scope: Scope) {
        let Some(&key) = self.by_run.get(&run) else { return };
        let child = &mut self.children[key];
        let number = match signal {
            Signal::Terminate => rustix::process::Signal::TERM,
            Signal::Kill => rustix::process::Signal::KILL,
        };
        let sent = match scope {
            Scope::Group => {
                child.group_doomed = true;
                rustix::process::kill_process_group(child.pid, number)
            }
            Scope::Process => rustix::process::pidfd_send_signal(&child.pidfd, number),
        };
        if let Err(error) = sent {
            log::debug!("signal to {}: {error}", child.pid.as_raw_nonzero());
        }
    }

    /// Reads or reaps what a token says is ready; returns the run that ended.
    pub(super) fn ready(&mut self, token: Token) -> Option<(RunId, RunEnd)> {
        let (key, part) = (token.0 / 3, token.0 % 3);
        let child = self.children.get_mut(key)?;
        let turn = match part {
            EXIT => return self.reap(key),
            STDOUT => child.stdout.read(&mut self.scratch),
            STDERR => child.stderr.read(&mut self.scratch),
            _ => Turn::Over,
        };
        if turn == Turn::More {
            self.unread.push(token);
        }
        None
    }

    /// Takes the streams that have more to read; the driver gives them another turn.
    pub(super) fn take_unread(&mut self) -> Vec<Token> {
        std::mem::take(&mut self.unread)
    }

    pub(super) fn has_unread(&self) -> bool {
        !self.unread.is_empty()
    }

    /// How many processes run.
    pub(super) fn len(&self) -> usize {
        self.children.len()
    }

    fn reap(&mut self, key: usize) -> Option<(RunId, RunEnd)> {
        let child = &self.children[key];
        let id = || WaitId::PidFd(child.pidfd.as_fd());
        if child.group_doomed {
            // The agent still holds the group's id, so the signal can reach nobody else.
            let look = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
            rustix::process::waitid(id(), look).ok().flatten()?;
            let _ = rustix::process::kill_process_group(child.pid, rustix::process::Signal::KILL);
        }
        let wait = WaitIdOptions::EXITED | WaitIdOptions::NOHANG;
        let end = match rustix::process::waitid(id(), wait) {
            Ok(None) => return None,
            Ok(Some(status)) => match (status.exit_status(), status.terminating_signal()) {
                (Some(code), _) => ProcessEnd::Exited(code),
                (None, signal) => ProcessEnd::Signaled(signal.unwrap_or(0)),
            },
            // Somebody else reaped it; its status is lost, which is no success.
            Err(_) => ProcessEnd::Exited(1),
        };
        let child = self.children.remove(key);
        self.by_run.remove(&child.run);
        if let Some(journal) = &mut self.journal {
            journal.clear(key);
        }
        let end = RunEnd::Process {
            standard: child.standard,
            end,
            stdout: child.stdout.finish(&mut self.scratch),
            stderr: child.stderr.finish(&mut self.scratch),
        };
        Some((child.run, end))
    }
}

/// Tells failures to execute (the agent's fault) from failures to make a process.
fn spawn_error(error: &io::Error, standard: &Standard, as_user: bool, path: &str) -> StartError {
    const EAGAIN: i32 = 11;
    const ENOMEM: i32 = 12;
    const ENFILE: i32 = 23;
    const EMFILE: i32 = 24;
    let errno = error.raw_os_error().unwrap_or(22);
    if matches!(errno, EAGAIN | ENOMEM | ENFILE | EMFILE) {
        return StartError::from_errno(errno, &os_text(error), path);
    }
    let exit = StartError::exit_of_errno(errno);
    let text = if as_user && exit == OcfExit::InsufficientPrivileges {
        "Could not set user for child process".into()
    } else if *standard == Standard::Ocf {
        "Child process was unable to execute file".into()
    } else {
        format!("{path}: {}", os_text(error))
    };
    StartError { kind: StartErrorKind::NotExecutable(exit), text }
}

/// An operating system error without Rust's number after it.
pub(super) fn os_text(error: &io::Error) -> String {
    let text = error.to_string();
    match text.find(" (os error") {
        Some(end) => text[..end].into(),
        None => text,
    }
}
