//! Runs the commands of the node's own checks, on a thread of their own.

use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};

use super::driver::Wake;
use super::heuristics::CheckCommand;

const LOOK: Duration = Duration::from_millis(20);

/// One run of all commands. Dropped, it kills what still runs.
pub(super) struct Run {
    pub(super) round: u32,
    answer: Receiver<bool>,
    abandoned: Arc<AtomicBool>,
}

impl Run {
    /// Starts the commands; the wake comes when all have ended.
    pub(super) fn start(
        commands: Vec<CheckCommand>,
        round: u32,
        timeout: Duration,
        wake: Wake,
    ) -> io::Result<Run> {
        let abandoned = Arc::new(AtomicBool::new(false));
        let (question, answer) = mpsc::channel();
        let stop = Arc::clone(&abandoned);
        std::thread::Builder::new().name("qdevice-checks".to_owned()).spawn(move || {
            // Nobody listens any more if the run was abandoned.
            if question.send(pass(&commands, timeout, &stop)).is_ok() {
                wake();
            }
        })?;
        Ok(Run { round, answer, abandoned })
    }

    /// Whether all succeeded, once it is known. A run without an answer has failed.
    pub(super) fn result(&self) -> Option<bool> {
        match self.answer.try_recv() {
            Ok(passed) => Some(passed),
            Err(mpsc::TryRecvError::Empty) => None,
            Err(mpsc::TryRecvError::Disconnected) => Some(false),
        }
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        self.abandoned.store(true, Ordering::Release);
    }
}

/// A command in a process group of its own, so that what it started ends with it.
struct Process(Child);

impl Process {
    fn start(command: &CheckCommand) -> io::Result<Process> {
        let quiet = Stdio::null;
        let mut process = Command::new(&command.program);
        process.args(&command.arguments).stdin(quiet()).stdout(quiet()).stderr(quiet());
        process.process_group(0).spawn().map(Process)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Ok(None) = self.0.try_wait() {
            if let Some(group) = i32::try_from(self.0.id()).ok().and_then(Pid::from_raw) {
                let _ = kill_process_group(group, Signal::KILL);
            }
            let _ = self.0.wait();
        }
    }
}

fn pass(commands: &[CheckCommand], timeout: Duration, abandoned: &AtomicBool) -> bool {
    let end = Instant::now() + timeout;
    let Ok(mut running) = commands.iter().map(Process::start).collect::<io::Result<Vec<Process>>>()
    else {
        return false;
    };
    loop {
        let mut failed = false;
        running.retain_mut(|process| match process.0.try_wait() {
            Ok(None) => true,
            Ok(Some(status)) => {
                failed |= !status.success();
                false
            }
            Err(_) => {
                failed = true;
                false
            }
        });
        if failed || running.is_empty() {
            return !failed;
        }
        if Instant::now() >= end || abandoned.load(Ordering::Acquire) {
            return false;
        }
        std::thread::sleep(LOOK);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(lines: &[&str], timeout: Duration) -> (bool, Duration) {
        let command = |line: &&str| CheckCommand {
            name: "x".to_owned(),
            program: "/bin/sh".to_owned(),
            arguments: vec!["-c".to_owned(), (*line).to_owned()],
        };
        let (told, heard) = mpsc::channel();
        let told = std::sync::Mutex::new(told);
        let wake: Wake = Arc::new(move || told.lock().unwrap().send(()).unwrap());
        let begin = Instant::now();
        let run = Run::start(lines.iter().map(command).collect(), 7, timeout, wake).unwrap();
        heard.recv_timeout(Duration::from_secs(60)).unwrap();
        (run.result().unwrap(), begin.elapsed())
    }

    #[test]
    fn all_must_succeed_in_time() {
        let long = Duration::from_secs(60);
        assert!(run(&["true", "sleep 0.1"], long).0);
        assert!(!run(&["true", "exit 3"], long).0);
        let missing = CheckCommand {
            name: "x".to_owned(),
            program: "/nowhere/to/be/found".to_owned(),
            arguments: vec![],
        };
        assert!(!pass(&[missing], long, &AtomicBool::new(false)));
    }

    #[test]
    fn what_takes_too_long_is_killed_with_what_it_started() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("pid");
        let line = format!("sleep 1000 & echo $! > {}; wait", file.display());
        let (passed, took) = run(&[&line], Duration::from_secs(2));
        assert!(!passed && took < Duration::from_secs(50));
        let text = std::fs::read_to_string(file).unwrap();
        let grandchild = format!("/proc/{}/cmdline", text.trim());
        let end = Instant::now() + Duration::from_secs(20);
        while std::fs::read(&grandchild).is_ok_and(|line| line.starts_with(b"sleep")) {
            assert!(Instant::now() < end, "the grandchild lives");
            std::thread::sleep(LOOK);
        }
    }
}
