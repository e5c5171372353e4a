//! From the end of a run to a result (spec 80 §3, §4.4, §4.5).

use std::time::Duration;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::{ExecStatus, OcfExit};
use crate::agent::Standard;

/// The result of one run: exit code, execution status, and a line that explains it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// What the agent said.
    pub exit: OcfExit,
    /// Whether it could be run at all.
    pub status: ExecStatus,
    /// One line of explanation.
    pub reason: Option<String>,
}

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProcessEnd {
    /// It exited with this status, 0 to 255.
    Exited(i32),
    /// This signal killed it.
    Signaled(i32),
}

/// What a process is called in texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProcessKind {
    /// Of a resource.
    ResourceAgent,
    /// Of a fence device.
    FenceAgent,
    /// Of an alert.
    AlertAgent,
}

impl ProcessKind {
    /// The name used in reasons.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::ResourceAgent => "Resource agent",
            Self::FenceAgent => "Fence agent",
            Self::AlertAgent => "Alert agent",
        }
    }

    /// The kind of process that runs agents of a standard.
    #[must_use]
    pub fn of(standard: &Standard) -> Self {
        match standard {
            Standard::Stonith => Self::FenceAgent,
            Standard::Alert => Self::AlertAgent,
            _ => Self::ResourceAgent,
        }
    }
}

/// Why a run did not start.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{text}")]
pub struct StartError {
    /// What it means for the cluster.
    pub kind: StartErrorKind,
    /// The whole explanation, with the path where that matters.
    pub text: String,
}

/// What a failure to start means for the cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StartErrorKind {
    /// There is no such agent here.
    NotInstalled,
    /// The executor may not run it.
    Privileges,
    /// Anything else: no memory, no descriptors.
    Other,
    /// It exists, but the child could not execute it.
    NotExecutable(OcfExit),
    /// Its secret parameters could not be read.
    Secrets,
}

impl StartError {
    /// From an operating system error number and its text, about the agent at `subject`: the full
    /// path where it is known, else the agent's type.
    #[must_use]
    pub fn from_errno(errno: i32, text: &str, subject: &str) -> Self {
        match Self::exit_of_errno(errno) {
            OcfExit::NotInstalled => {
                Self { kind: StartErrorKind::NotInstalled, text: format!("{subject}: {text}") }
            }
            OcfExit::InsufficientPrivileges => {
                Self { kind: StartErrorKind::Privileges, text: format!("{subject}: {text}") }
            }
            _ => Self { kind: StartErrorKind::Other, text: text.into() },
        }
    }

    /// The exit code that an operating system error number stands for.
    #[must_use]
    pub fn exit_of_errno(errno: i32) -> OcfExit {
        const EPERM: i32 = 1;
        const ENOENT: i32 = 2;
        const ENOEXEC: i32 = 8;
        const EACCES: i32 = 13;
        const ENOTDIR: i32 = 20;
        const EISDIR: i32 = 21;
        const EINVAL: i32 = 22;
        match errno {
            ENOENT | EISDIR | ENOTDIR | EINVAL | ENOEXEC => OcfExit::NotInstalled,
            EACCES | EPERM => OcfExit::InsufficientPrivileges,
            _ => OcfExit::Error,
        }
    }
}

impl Outcome {
    /// Success.
    pub const OK: Self = Self { exit: OcfExit::Ok, status: ExecStatus::Done, reason: None };

    /// A result with a reason.
    #[must_use]
    pub fn new(exit: OcfExit, status: ExecStatus, reason: impl Into<String>) -> Self {
        Self { exit, status, reason: Some(reason.into()) }
    }

    /// Ran, and ended with success.
    #[must_use]
    pub fn is_ok(&self) -> bool {
        self.status == ExecStatus::Done && self.exit == OcfExit::Ok
    }

    /// Ended in its own time.
    #[must_use]
    pub fn of_process(standard: &Standard, action: &str, end: ProcessEnd, stderr: &[u8]) -> Self {
        match end {
            ProcessEnd::Exited(code) => Self {
                exit: ocf_exit_of(standard, action, code),
                status: ExecStatus::Done,
                reason: (*standard == Standard::Ocf).then(|| exit_reason(stderr)).flatten(),
            },
            ProcessEnd::Signaled(signal) => Self::new(
                OcfExit::Error,
                ExecStatus::Error,
                format!(
                    "{} interrupted by {} signal",
                    ProcessKind::of(standard).name(),
                    signal_text(signal)
                ),
            ),
        }
    }

    /// Killed after its timeout.
    #[must_use]
    pub fn timed_out(kind: ProcessKind, timeout: Duration) -> Self {
        Self::new(
            OcfExit::Error,
            ExecStatus::Timeout,
            format!("{} did not complete within {}", kind.name(), duration_text(timeout)),
        )
    }

    /// Cancelled; a run that was killed for it has exit code [`OcfExit::Ok`].
    #[must_use]
    pub fn cancelled(exit: OcfExit) -> Self {
        Self { exit, status: ExecStatus::Cancelled, reason: None }
    }

    /// Never ran.
    #[must_use]
    pub fn not_started(error: StartError) -> Self {
        let (exit, status) = match error.kind {
            StartErrorKind::NotInstalled => (OcfExit::NotInstalled, ExecStatus::NotInstalled),
            StartErrorKind::Privileges => (OcfExit::InsufficientPrivileges, ExecStatus::Error),
            StartErrorKind::Other => (OcfExit::Error, ExecStatus::Error),
            StartErrorKind::NotExecutable(exit) => (exit, ExecStatus::Done),
            StartErrorKind::Secrets => (OcfExit::InvalidParameter, ExecStatus::Done),
        };
        Self::new(exit, status, error.text)
    }
}

/// The OCF code of a process's exit status.
///
/// For init scripts asked for their status the LSB table applies; OCF codes outside the known ones
/// become [`OcfExit::Error`].
#[must_use]
pub fn ocf_exit_of(standard: &Standard, action: &str, code: i32) -> OcfExit {
    if *standard != Standard::Lsb {
        return match code {
            0..=9 | 190 | 191 => OcfExit::from_code(code).unwrap_or(OcfExit::Error),
            _ => OcfExit::Error,
        };
    }
    let asks_status =
        action.eq_ignore_ascii_case("status") || action.eq_ignore_ascii_case("monitor");
    match (asks_status, code) {
        (false, 0..=7) => OcfExit::from_code(code).unwrap_or(OcfExit::Error),
        (true, 0) => OcfExit::Ok,
        (true, 1..=3) => OcfExit::NotRunning,
        (true, 150) => OcfExit::NotInstalled,
        (true, 151) => OcfExit::InsufficientPrivileges,
        _ => OcfExit::Error,
    }
}

/// The exit reason in what an agent wrote to standard error: what follows the last
/// `ocf-exit-reason:`, up to the end of the line. An empty one is none.
#[must_use]
pub fn exit_reason(stderr: &[u8]) -> Option<String> {
    const PREFIX: &[u8] = b"ocf-exit-reason:";
    let start = stderr.windows(PREFIX.len()).rposition(|window| window == PREFIX)? + PREFIX.len();
    let line = stderr[start..].split(|byte| *byte == b'\n').next().unwrap_or_default();
    (!line.is_empty()).then(|| String::from_utf8_lossy(line).into_owned())
}

/// A duration as it stands in reasons: `2s`, `1m30s`, `1.500s`, `20ms`, `0s`.
#[must_use]
pub fn duration_text(duration: Duration) -> String {
    let (seconds, ms) = (duration.as_secs(), duration.subsec_millis());
    if seconds == 0 && ms > 0 {
        return format!("{ms}ms");
    }
    let mut text = String::new();
    let mut rest = seconds;
    for (unit, size) in [("d", 86_400), ("h", 3_600), ("m", 60)] {
        if rest >= size {
            text += &format!("{}{unit}", rest / size);
            rest %= size;
        }
    }
    match (rest, ms) {
        (rest, ms) if ms > 0 => text += &format!("{rest}.{ms:03}s"),
        (0, _) if !text.is_empty() => {}
        (rest, _) => text += &format!("{rest}s"),
    }
    text
}

/// A signal as the C library describes it.
#[must_use]
pub fn signal_text(signal: i32) -> String {
    const TEXTS: [&str; 31] = [
        "Hangup",
        "Interrupt",
        "Quit",
        "Illegal instruction",
        "Trace/breakpoint trap",
        "Aborted",
        "Bus error",
        "Floating point exception",
        "Killed",
        "User defined signal 1",
        "Segmentation fault",
        "User defined signal 2",
        "Broken pipe",
        "Alarm clock",
        "Terminated",
        "Stack fault",
        "Child exited",
        "Continued",
        "Stopped (signal)",
        "Stopped",
        "Stopped (tty input)",
        "Stopped (tty output)",
        "Urgent I/O condition",
        "CPU time limit exceeded",
        "File size limit exceeded",
        "Virtual timer expired",
        "Profiling timer expired",
        "Window changed",
        "I/O possible",
        "Power failure",
        "Bad system call",
    ];
    match usize::try_from(signal) {
        Ok(number @ 1..=31) => TEXTS[number - 1].into(),
        Ok(number @ 34..=64) => format!("Real-time signal {}", number - 34),
        _ => format!("Unknown signal {signal}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ocf_codes_outside_the_table_become_generic_errors() {
        for (code, expected) in [(0, 0), (7, 7), (9, 9), (10, 1), (189, 1), (190, 190), (191, 191)]
        {
            assert_eq!(ocf_exit_of(&Standard::Ocf, "monitor", code).code(), expected, "{code}");
        }
        assert_eq!(ocf_exit_of(&Standard::Ocf, "start", 200), OcfExit::Error);
        assert_eq!(ocf_exit_of(&Standard::Ocf, "start", -1), OcfExit::Error);
    }

    #[test]
    fn lsb_status_has_a_table_of_its_own() {
        let status = [(0, 0), (1, 7), (2, 7), (3, 7), (4, 1), (5, 1), (150, 5), (151, 4), (9, 1)];
        for (code, expected) in status {
            for action in ["status", "monitor", "Status"] {
                assert_eq!(ocf_exit_of(&Standard::Lsb, action, code).code(), expected, "{code}");
            }
        }
        for (code, expected) in [(0, 0), (3, 3), (5, 5), (7, 7), (8, 1), (150, 1)] {
            assert_eq!(ocf_exit_of(&Standard::Lsb, "start", code).code(), expected, "{code}");
        }
    }

    #[test]
    fn the_last_exit_reason_counts_wherever_it_stands() {
        let cases: [(&[u8], Option<&str>); 6] = [
            (b"", None),
            (b"ocf-exit-reason:first\nocf-exit-reason:second\n", Some("second")),
            (b"x ocf-exit-reason:inside a line", Some("inside a line")),
            (b"ocf-exit-reason:kept?\nocf-exit-reason:\n", None),
            (b"ocf-exit-reason:bad \xff byte\n", Some("bad \u{fffd} byte")),
            (b"ocf-exit-reaso", None),
        ];
        for (stderr, expected) in cases {
            assert_eq!(exit_reason(stderr).as_deref(), expected);
        }
    }

    #[test]
    fn durations_print_as_in_reasons() {
        let cases = [
            (0, "0s"),
            (20, "20ms"),
            (1_500, "1.500s"),
            (2_000, "2s"),
            (60_000, "1m"),
            (90_000, "1m30s"),
            (3_600_001, "1h0.001s"),
            (90_061_000, "1d1h1m1s"),
        ];
        for (ms, expected) in cases {
            assert_eq!(duration_text(Duration::from_millis(ms)), expected);
        }
    }

    #[test]
    fn a_signal_is_an_error_with_its_name() {
        let outcome = Outcome::of_process(&Standard::Ocf, "start", ProcessEnd::Signaled(11), b"");
        assert_eq!(outcome.exit, OcfExit::Error);
        assert_eq!(outcome.status, ExecStatus::Error);
        assert_eq!(
            outcome.reason.as_deref(),
            Some("Resource agent interrupted by Segmentation fault signal")
        );
    }

    #[test]
    fn only_ocf_agents_have_exit_reasons() {
        let stderr = b"ocf-exit-reason:why";
        let exited = ProcessEnd::Exited(1);
        let reason = |standard| Outcome::of_process(&standard, "start", exited, stderr).reason;
        assert_eq!(reason(Standard::Ocf).as_deref(), Some("why"));
        assert_eq!(reason(Standard::Lsb), None);
    }

    #[test]
    fn error_numbers_become_results() {
        let cases = [
            (2, "/a: T", 5, ExecStatus::NotInstalled),
            (8, "/a: T", 5, ExecStatus::NotInstalled),
            (13, "/a: T", 4, ExecStatus::Error),
            (12, "T", 1, ExecStatus::Error),
        ];
        for (errno, text, exit, status) in cases {
            let outcome = Outcome::not_started(StartError::from_errno(errno, "T", "/a"));
            assert_eq!(outcome.reason.as_deref(), Some(text));
            assert_eq!((outcome.exit.code(), outcome.status), (exit, status));
        }
    }
}
