//! Running processes: start, output, signals, reaping (spec 80 §2, §6).
//!
//! Each child leads its own process group and is watched through a process file descriptor, so no
//! signal handler is needed, other children of the embedding program are left alone, and a pid is
//! never signalled after it was reaped.

use std::collections::{BTreeMap, VecDeque};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::time::Duration;

use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};
use rustix::process::{Pid, WaitId, WaitIdOptions};
use slab::Slab;

use super::capture::{Capture, Turn};
use super::journal::Journal;
use super::launch::{Launched, Launcher};
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

/// How long an agent runs before its output is read. Most have ended by then, with all they wrote
/// in their pipes, and their end is all there is to wake for; one that fills a pipe waits so long.
const UNREAD_FOR: Duration = Duration::from_millis(100);

#[derive(Debug)]
struct Child {
    run: RunId,
    standard: Standard,
    pid: Pid,
    pidfd: OwnedFd,
    stdout: Capture<File>,
    stderr: Capture<File>,
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
    /// Children whose output is not read yet, and when that begins, in this order.
    unwatched: VecDeque<(Duration, RunId)>,
    launcher: Launcher,
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
            unwatched: VecDeque::new(),
            launcher: Launcher::new()?,
            journal,
        })
    }

    /// Starts a process.
    pub(super) fn spawn(
        &mut self,
        now: Duration,
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
        let key = self.children.vacant_key();
        let intent = self.journal.as_mut().map(|journal| journal.intend(key, line));
        let launched = match self.launcher.launch(line, user) {
            Ok(launched) => launched,
            Err(error) => {
                if let Some(journal) = &mut self.journal {
                    journal.clear(key);
                }
                return Err(spawn_error(&error, &standard, user.is_some(), &path));
            }
        };
        let pid = launched.pid;
        let number = pid.as_raw_nonzero().get().unsigned_abs();
        if let (Some(journal), Some(intent)) = (&mut self.journal, intent) {
            journal.started(key, intent, number);
        }
        let watched = self.watch(run, standard, launched).map_err(|e| error(&e));
        match watched {
            Ok(()) => self.unwatched.push_back((now + UNREAD_FOR, run)),
            Err(_) => {
                // Unwatched it would never be reaped.
                let _ = rustix::process::kill_process_group(pid, rustix::process::Signal::KILL);
                let _ = rustix::process::waitpid(Some(pid), rustix::process::WaitOptions::empty());
            }
        }
        watched.map(|()| number)
    }

    /// Waits for the end of a child.
    fn watch(&mut self, run: RunId, standard: Standard, launched: Launched) -> io::Result<()> {
        let Launched { pid, pidfd, stdout, stderr } = launched;
        for stream in [&stdout, &stderr] {
            rustix::io::ioctl_fionbio(stream, true)?;
        }
        let key = self.children.vacant_key();
        self.register(&pidfd, Token(key * 3 + EXIT))?;
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
        Ok(())
    }

    fn register(&self, source: &impl AsRawFd, token: Token) -> io::Result<()> {
        self.registry.register(&mut SourceFd(&source.as_raw_fd()), token, Interest::READABLE)
    }

    /// Begins to read the output of children that have run for long enough.
    pub(super) fn watch_output(&mut self, now: Duration) {
        while let Some(&(at, run)) = self.unwatched.front() {
            let key = self.by_run.get(&run).copied();
            if key.is_some() && at > now {
                return;
            }
            self.unwatched.pop_front();
            let Some(key) = key else { continue };
            let Child { pid, stdout, stderr, .. } = &self.children[key];
            for (stream, part) in [(stdout, STDOUT), (stderr, STDERR)] {
                let registered =
                    stream.stream().map_or(Ok(()), |s| self.register(s, Token(key * 3 + part)));
                if let Err(error) = registered {
                    let pid = pid.as_raw_nonzero();
                    log::warn!("output of {pid} is read at its end only: {error}");
                }
            }
        }
    }

    /// When to call [`watch_output`](Self::watch_output).
    pub(super) fn poll_timeout(&self) -> Option<Duration> {
        self.unwatched.front().map(|(at, _)| *at)
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
