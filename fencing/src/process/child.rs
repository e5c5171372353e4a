//! One running agent.

use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open};

use crate::agent::StdinScript;

/// Most of what an agent prints that is kept, of each stream; the rest is read and dropped.
pub const MAX_CAPTURE: usize = 1024 * 1024;

/// Most that is read of one stream before others get their turn.
const READ_SLICE: usize = 256 * 1024;

/// Tokens of one child: its three pipes and its end, in this order after the first.
pub const TOKENS_PER_CHILD: usize = 4;

/// Where the life of a child stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Life {
    Running,
    /// Killed because its time was over.
    TimedOut,
}

/// A running agent and its pipes.
pub struct RunningAgent {
    child: Child,
    group: Pid,
    pidfd: OwnedFd,
    stdin: Option<File>,
    script: StdinScript,
    written: usize,
    stdout: Stream,
    stderr: Stream,
    first_token: usize,
    life: Life,
    /// When it is killed.
    pub deadline: Duration,
}

/// What connects the driver with a child.
struct Attached {
    group: Pid,
    pidfd: OwnedFd,
    stdin: File,
    stdout: File,
    stderr: File,
}

struct Stream {
    pipe: Option<File>,
    kept: Vec<u8>,
    dropped: bool,
    /// The last turn ended before the data did.
    more: bool,
}

/// How an agent has ended.
#[derive(Debug)]
pub struct Ended {
    /// Its exit status.
    pub status: ExitStatus,
    /// Whether it was killed for lack of time.
    pub timed_out: bool,
    /// What it printed.
    pub stdout: String,
    /// What it printed as errors.
    pub stderr: String,
}

impl RunningAgent {
    /// Starts an agent in a process group of its own. Its command line is its path alone, and its
    /// environment is the driver's, so its parameters show in no process list.
    pub fn start(
        registry: &Registry,
        path: &Path,
        script: StdinScript,
        first_token: usize,
        deadline: Duration,
    ) -> std::io::Result<Self> {
        let mut child = Command::new(path)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()?;
        match Self::attach(registry, &mut child, first_token) {
            Ok(Attached { group, pidfd, stdin, stdout, stderr }) => Ok(Self {
                child,
                group,
                pidfd,
                stdin: Some(stdin),
                script,
                written: 0,
                stdout: Stream::new(stdout),
                stderr: Stream::new(stderr),
                first_token,
                life: Life::Running,
                deadline,
            }),
            Err(error) => {
                // Without its pipes it is of no use; it must not stay behind.
                child.kill()?;
                child.wait()?;
                Err(error)
            }
        }
    }

    fn attach(
        registry: &Registry,
        child: &mut Child,
        first_token: usize,
    ) -> std::io::Result<Attached> {
        let missing = || std::io::Error::from(ErrorKind::BrokenPipe);
        let group = i32::try_from(child.id()).ok().and_then(Pid::from_raw).ok_or_else(missing)?;
        let stdin = File::from(OwnedFd::from(child.stdin.take().ok_or_else(missing)?));
        let stdout = File::from(OwnedFd::from(child.stdout.take().ok_or_else(missing)?));
        let stderr = File::from(OwnedFd::from(child.stderr.take().ok_or_else(missing)?));
        let pidfd = pidfd_open(group, PidfdFlags::NONBLOCK)?;
        for pipe in [&stdin, &stdout, &stderr] {
            let flags = rustix::fs::fcntl_getfl(pipe)?;
            rustix::fs::fcntl_setfl(pipe, flags | rustix::fs::OFlags::NONBLOCK)?;
        }
        let sources = [
            (stdin.as_raw_fd(), Interest::WRITABLE),
            (stdout.as_raw_fd(), Interest::READABLE),
            (stderr.as_raw_fd(), Interest::READABLE),
            (pidfd.as_raw_fd(), Interest::READABLE),
        ];
        for (token, (fd, interest)) in (first_token..).zip(sources) {
            registry.register(&mut SourceFd(&fd), Token(token), interest)?;
        }
        Ok(Attached { group, pidfd, stdin, stdout, stderr })
    }

    /// Process id, which is also that of its group.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Something can be read or written, or the process has ended. Returns true once it has.
    pub fn ready(&mut self, registry: &Registry, token: usize) -> std::io::Result<bool> {
        match token - self.first_token {
            0 => self.write(registry),
            1 => self.stdout.read(registry),
            2 => self.stderr.read(registry),
            _ => return Ok(self.child.try_wait()?.is_some()),
        }
        Ok(false)
    }

    /// Whether a stream has data that did not fit in the last turn; edges are told once only.
    pub fn has_more(&self) -> bool {
        self.stdout.more || self.stderr.more
    }

    /// Reads on from both streams.
    pub fn read_more(&mut self, registry: &Registry) {
        self.stdout.read(registry);
        self.stderr.read(registry);
    }

    fn write(&mut self, registry: &Registry) {
        let Some(pipe) = &mut self.stdin else {
            return;
        };
        loop {
            let rest = &self.script.as_bytes()[self.written..];
            if rest.is_empty() {
                break;
            }
            match pipe.write(rest) {
                Ok(0) => break,
                Ok(count) => self.written += count,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                // The agent reads no more; how it ends will tell whether it had read enough.
                Err(_) => break,
            }
        }
        close(registry, &mut self.stdin);
    }

    /// Kills the whole group, for lack of time.
    pub fn time_over(&mut self) {
        self.life = Life::TimedOut;
        self.kill();
        // It is dead within moments; this keeps the deadline from firing again until it is reaped.
        self.deadline = Duration::MAX;
    }

    fn kill(&self) {
        // The only error is that nobody is left in the group.
        let _ = kill_process_group(self.group, Signal::KILL);
    }

    /// Reaps the process, kills what it left in its group, and takes what was printed so far.
    /// Daemons that keep the pipes open are not waited for.
    pub fn finish(mut self, registry: &Registry) -> std::io::Result<Ended> {
        let status = self.child.wait()?;
        self.read_more(registry);
        if self.life == Life::TimedOut {
            self.kill();
        }
        let fd = self.pidfd.as_fd().as_raw_fd();
        registry.deregister(&mut SourceFd(&fd))?;
        close(registry, &mut self.stdin);
        close(registry, &mut self.stdout.pipe);
        close(registry, &mut self.stderr.pipe);
        let timed_out = self.life == Life::TimedOut && status.signal().is_some();
        Ok(Ended { status, timed_out, stdout: self.stdout.text(), stderr: self.stderr.text() })
    }

    /// Ends the process and its group without a result.
    pub fn abandon(mut self) {
        self.kill();
        if let Err(error) = self.child.wait() {
            log::warn!("Cannot reap fence agent {}: {error}", self.child.id());
        }
    }
}

impl Stream {
    fn new(pipe: File) -> Self {
        Self { pipe: Some(pipe), kept: Vec::new(), dropped: false, more: false }
    }

    fn read(&mut self, registry: &Registry) {
        let mut buffer = [0; 16 * 1024];
        let mut taken = 0;
        self.more = false;
        while let Some(pipe) = &mut self.pipe {
            match pipe.read(&mut buffer) {
                Ok(0) => close(registry, &mut self.pipe),
                Ok(count) => {
                    let room = MAX_CAPTURE - self.kept.len();
                    self.kept.extend(&buffer[..count.min(room)]);
                    self.dropped |= count > room;
                    taken += count;
                    if taken >= READ_SLICE {
                        self.more = true;
                        return;
                    }
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(_) => close(registry, &mut self.pipe),
            }
        }
    }

    fn text(&self) -> String {
        if self.dropped {
            log::warn!("A fence agent printed more than {MAX_CAPTURE} bytes; the rest is dropped");
        }
        String::from_utf8_lossy(&self.kept).into_owned()
    }
}

fn close(registry: &Registry, pipe: &mut Option<File>) {
    if let Some(pipe) = pipe.take() {
        let fd = pipe.as_raw_fd();
        if let Err(error) = registry.deregister(&mut SourceFd(&fd)) {
            log::debug!("Cannot deregister a pipe: {error}");
        }
    }
}
