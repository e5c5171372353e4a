//! A record of running agents that survives the executor, so that after a crash the next one finds
//! what the last one left running and ends it before it starts anything.
//!
//! A file of fixed slots in a directory that the host clears at boot. A slot is written before and
//! after a process is made, and cleared when it was reaped: two small writes to memory per run.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};
use rustix::time::{ClockId, clock_gettime};

use crate::invocation::CommandLine;

/// Slot: state, pid, boot clock (ns) before the start, length and bytes of path and argument.
const SLOT: usize = 256;
const TEXT: usize = SLOT - 16;
const EMPTY: u8 = 0;
const INTENDED: u8 = 1;
const STARTED: u8 = 2;
/// A process record has its start time in clock ticks of 10 ms.
const TICK_NS: u64 = 10_000_000;
/// How long making a process may take.
const SLACK_NS: u64 = 2_000_000_000;

/// How long the lock may outlive its executor: a child of it holds the file until it runs its program.
const LOCK_PATIENCE: Duration = Duration::from_secs(2);

/// An agent that an earlier executor left running.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Orphan {
    /// Its process and process group.
    pub pid: u32,
    /// The agent and its first argument, separated by a blank.
    pub command: String,
}

/// What of a slot stays the same when its process has started: the lengths of its texts.
#[derive(Debug, Clone, Copy)]
pub(super) struct Intent {
    argument: u8,
    path: u8,
}

#[derive(Debug)]
pub(super) struct Journal {
    file: File,
    failed: bool,
}

#[derive(Debug)]
struct Slot {
    state: u8,
    pid: u32,
    before_ns: u64,
    path: Vec<u8>,
    argument: Vec<u8>,
}

impl Journal {
    /// Opens the journal, kills what an earlier executor left running, and starts anew. A journal
    /// that another executor has open is refused: what runs there is not left over.
    pub(super) fn open(path: &Path) -> io::Result<(Self, Vec<Orphan>)> {
        let file =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
        if !locks_within(&file, LOCK_PATIENCE) {
            let text = format!("{} is the journal of a running executor", path.display());
            return Err(io::Error::new(io::ErrorKind::ResourceBusy, text));
        }
        let mut orphans = Vec::new();
        let mut bytes = [0; SLOT];
        let mut at = 0;
        while file.read_exact_at(&mut bytes, at).is_ok() {
            at += SLOT as u64;
            orphans.extend(Slot::read(&bytes).and_then(|slot| slot.find()));
        }
        for orphan in &orphans {
            if let Some(pid) = i32::try_from(orphan.pid).ok().and_then(Pid::from_raw) {
                log::warn!("ending {} (PID {}), left running", orphan.command, orphan.pid);
                let _ = rustix::process::kill_process_group(pid, Signal::KILL);
            }
        }
        file.set_len(0)?;
        Ok((Self { file, failed: false }, orphans))
    }

    /// Writes down what is about to start. The answer is for [`started`](Self::started).
    pub(super) fn intend(&mut self, key: usize, line: &CommandLine) -> Intent {
        let mut bytes = [0; SLOT];
        bytes[0] = INTENDED;
        bytes[8..16].copy_from_slice(&boot_ns().to_le_bytes());
        let path = line.path.as_os_str().as_encoded_bytes();
        let argument = line.arguments.first().map_or(&b""[..], |text| text.as_bytes());
        if path.len() + argument.len() <= TEXT {
            bytes[1] = argument.len() as u8;
            bytes[2] = path.len() as u8;
            bytes[16..16 + path.len()].copy_from_slice(path);
            bytes[16 + path.len()..][..argument.len()].copy_from_slice(argument);
        }
        self.write(key, 0, &bytes);
        Intent { argument: bytes[1], path: bytes[2] }
    }

    pub(super) fn started(&mut self, key: usize, intent: Intent, pid: u32) {
        let mut bytes = [STARTED, intent.argument, intent.path, 0, 0, 0, 0, 0];
        bytes[4..].copy_from_slice(&pid.to_le_bytes());
        self.write(key, 0, &bytes);
    }

    pub(super) fn clear(&mut self, key: usize) {
        self.write(key, 0, &[EMPTY]);
    }

    fn write(&mut self, key: usize, offset: u64, bytes: &[u8]) {
        let at = key as u64 * SLOT as u64 + offset;
        if let Err(error) = self.file.write_all_at(bytes, at)
            && !self.failed
        {
            self.failed = true;
            log::error!("journal of running agents: {error}; a crash may leave agents behind");
        }
    }
}

impl Slot {
    fn read(bytes: &[u8; SLOT]) -> Option<Self> {
        let number = |from: usize| u64::from_le_bytes(std::array::from_fn(|i| bytes[from + i]));
        let (argument, path) = (usize::from(bytes[1]), usize::from(bytes[2]));
        if !matches!(bytes[0], INTENDED | STARTED) || argument + path > TEXT {
            return None;
        }
        Some(Self {
            state: bytes[0],
            pid: u32::from_le_bytes(std::array::from_fn(|i| bytes[4 + i])),
            before_ns: number(8),
            path: bytes[16..16 + path].into(),
            argument: bytes[16 + path..16 + path + argument].into(),
        })
    }

    /// The process of this slot, if it still runs.
    fn find(&self) -> Option<Orphan> {
        let pid = if self.state == STARTED {
            Some(self.pid).filter(|pid| self.started_then(*pid))
        } else {
            all_pids().find(|pid| self.started_then(*pid) && self.runs(*pid))
        }?;
        let words = [&self.path[..], &self.argument[..]].join(&b' ');
        Some(Orphan { pid, command: String::from_utf8_lossy(&words).into_owned() })
    }

    /// A process that leads its group and started when the slot was written.
    fn started_then(&self, pid: u32) -> bool {
        let Some((group, start_ns)) = stat(pid) else { return false };
        group == pid
            && start_ns + TICK_NS >= self.before_ns
            && start_ns <= self.before_ns.saturating_add(SLACK_NS)
    }

    /// A process that runs the slot's command, itself or by an interpreter.
    fn runs(&self, pid: u32) -> bool {
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let mut words = line.split(|byte| *byte == 0);
        !self.path.is_empty()
            && words.any(|word| word == self.path)
            && (self.argument.is_empty() || words.next() == Some(&self.argument[..]))
    }
}

/// Whether nobody else holds the file, or no longer.
fn locks_within(file: &File, patience: Duration) -> bool {
    let begun = Instant::now();
    while let Err(TryLockError::WouldBlock) = file.try_lock() {
        if begun.elapsed() >= patience {
            return false;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    true
}

fn boot_ns() -> u64 {
    let now = clock_gettime(ClockId::Boottime);
    u64::try_from(now.tv_sec).unwrap_or(0) * 1_000_000_000 + u64::try_from(now.tv_nsec).unwrap_or(0)
}

fn all_pids() -> impl Iterator<Item = u32> {
    let entries = std::fs::read_dir(PathBuf::from("/proc")).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

/// Process group and start time of a process that is not a zombie.
fn stat(pid: u32) -> Option<(u32, u64)> {
    let text = std::fs::read(format!("/proc/{pid}/stat")).ok()?;
    // The name in parentheses may hold anything; the fields follow its last parenthesis.
    let end = text.iter().rposition(|byte| *byte == b')')?;
    let fields = std::str::from_utf8(&text[end + 1..]).ok()?;
    let mut fields = fields.split_ascii_whitespace();
    let state = fields.next()?;
    let group = fields.nth(1)?.parse().ok()?;
    let ticks: u64 = fields.nth(16)?.parse().ok()?;
    (state != "Z").then_some((group, ticks * TICK_NS))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(path: &str, argument: &str) -> CommandLine {
        CommandLine {
            path: path.into(),
            arguments: vec![argument.into()],
            environment: vec![],
            input: vec![],
        }
    }

    #[test]
    fn garbage_in_the_file_names_no_process() {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("runs");
        for fill in [0u8, 1, 2, 255] {
            std::fs::write(&path, vec![fill; SLOT * 3 + 7]).unwrap();
            let (_, orphans) = Journal::open(&path).unwrap();
            assert_eq!(orphans, [], "filled with {fill}");
        }
    }

    #[test]
    fn a_lock_that_outlives_its_executor_for_a_moment_is_waited_for_and_a_held_one_is_refused() {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("runs");
        let (journal, _) = Journal::open(&path).unwrap();
        let refused = Journal::open(&path).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::ResourceBusy);
        // As a child has it that does not run its program yet.
        let inherited = journal.file.try_clone().unwrap();
        drop(journal);
        let child = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(100));
            drop(inherited);
        });
        assert!(Journal::open(&path).is_ok());
        child.join().unwrap();
    }

    #[test]
    fn a_process_that_only_has_the_pid_is_left_alone() {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("runs");
        let (mut journal, _) = Journal::open(&path).unwrap();
        let intent = journal.intend(0, &line("/bin/true", "start"));
        // Process 1 started long before the slot was written.
        journal.started(0, intent, 1);
        drop(journal);
        let (_, orphans) = Journal::open(&path).unwrap();
        assert_eq!(orphans, []);
    }

    #[test]
    fn a_child_is_found_by_its_pid_and_by_its_command_alone() {
        use std::os::unix::process::CommandExt;
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("runs");
        for told_pid in [true, false] {
            let (mut journal, _) = Journal::open(&path).unwrap();
            let intent = journal.intend(2, &line("/bin/sleep", "997"));
            let mut command = std::process::Command::new("/bin/sleep");
            let mut child = command.arg("997").process_group(0).spawn().unwrap();
            if told_pid {
                journal.started(2, intent, child.id());
            }
            assert!(Journal::open(&path).is_err(), "in use");
            drop(journal);
            let (_, orphans) = Journal::open(&path).unwrap();
            assert_eq!(
                orphans,
                [Orphan { pid: child.id(), command: "/bin/sleep 997".into() }],
                "told its pid: {told_pid}"
            );
            use std::os::unix::process::ExitStatusExt;
            assert_eq!(child.wait().unwrap().signal(), Some(9));
        }
    }
}
