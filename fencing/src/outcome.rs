//! What became of an agent run or of a whole operation (spec 80 §4, 81 §3.5).

use std::fmt;

/// Longest reason kept, in bytes.
pub const MAX_REASON: usize = 512;

/// Longest agent output kept in a result, in bytes; the target list of a large device fits.
pub const MAX_OUTPUT: usize = 64 * 1024;

/// Exit statuses with a meaning to the fencer; any other value may come from an agent.
pub mod exit {
    /// Success.
    pub const OK: i32 = 0;
    /// Unspecified failure.
    pub const ERROR: i32 = 1;
    /// A parameter is wrong.
    pub const INVALID_PARAMETER: i32 = 2;
    /// The caller may not do this.
    pub const INSUFFICIENT_PRIVILEGES: i32 = 4;
    /// The agent is not installed.
    pub const NOT_INSTALLED: i32 = 5;
    /// The request was not understood.
    pub const PROTOCOL: i32 = 76;
    /// The record is the left-over of a fencer that is gone.
    pub const EXPIRED: i32 = 110;
    /// Time ran out.
    pub const TIMEOUT: i32 = 124;
    /// No exit status is known.
    pub const INDETERMINATE: i32 = 193;
}

/// Whether something could be executed at all, with its number on the classic wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(i8)]
pub enum ExecutionStatus {
    /// Initial value.
    Unknown = -2,
    /// In progress.
    Pending = -1,
    /// It ran; the exit status is valid.
    Done = 0,
    /// Withdrawn before it ended.
    Cancelled = 1,
    /// It did not end in time.
    Timeout = 2,
    /// Not supported by the agent.
    NotSupported = 3,
    /// It could not be run or ended abnormally.
    Error = 4,
    /// As before; do not retry on this node.
    HardError = 5,
    /// As before; do not retry anywhere.
    FatalError = 6,
    /// The agent is not installed.
    NotInstalled = 7,
    /// No connection to whoever should execute it.
    NotConnected = 8,
    /// It cannot be attempted now or in this form.
    Invalid = 9,
    /// No device can do it.
    NoFenceDevice = 10,
    /// Its secrets could not be read.
    NoSecrets = 11,
}

impl ExecutionStatus {
    /// All statuses, in the order of their numbers.
    pub const ALL: [Self; 14] = [
        Self::Unknown,
        Self::Pending,
        Self::Done,
        Self::Cancelled,
        Self::Timeout,
        Self::NotSupported,
        Self::Error,
        Self::HardError,
        Self::FatalError,
        Self::NotInstalled,
        Self::NotConnected,
        Self::Invalid,
        Self::NoFenceDevice,
        Self::NoSecrets,
    ];

    /// The number on the wire and in history records.
    pub fn number(self) -> i8 {
        self as i8
    }

    /// The status with this number.
    pub fn from_number(number: i8) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.number() == number)
    }
}

impl fmt::Display for ExecutionStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unknown => "Unrecognized status (bug?)",
            Self::Pending => "Pending",
            Self::Done => "Done",
            Self::Cancelled => "Cancelled",
            Self::Timeout => "Timed out",
            Self::NotSupported => "Unsupported",
            Self::Error => "Error",
            Self::HardError => "Hard error",
            Self::FatalError => "Fatal error",
            Self::NotInstalled => "Not installed",
            Self::NotConnected => "Internal communication failure",
            Self::Invalid => "Cannot execute now",
            Self::NoFenceDevice => "No fence device",
            Self::NoSecrets => "CIB secrets unavailable",
        })
    }
}

/// Result of an agent run or of an operation.
///
/// Only [`Outcome::is_ok`] is success. Whatever is ambiguous (a timeout, a lost connection, an
/// agent killed by a signal) is some other value, so it counts as a failure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// Exit status of the agent, or one of [`exit`].
    pub exit: i32,
    /// Whether it ran.
    pub status: ExecutionStatus,
    /// One line that explains the result.
    pub reason: Option<String>,
    /// What the agent printed on standard output, secrets stripped, at most [`MAX_OUTPUT`].
    pub output: String,
}

impl Outcome {
    /// Success.
    pub fn ok() -> Self {
        Self::exited(exit::OK)
    }

    /// An agent that ran and ended with this exit status.
    pub fn exited(status: i32) -> Self {
        Self { exit: status, status: ExecutionStatus::Done, reason: None, output: String::new() }
    }

    /// A failure with its explanation.
    pub fn failed(status: ExecutionStatus, exit: i32, reason: impl Into<String>) -> Self {
        let reason = bounded(reason.into(), MAX_REASON);
        Self { exit, status, reason: Some(reason), output: String::new() }
    }

    /// Not in time.
    pub fn timeout(reason: impl Into<String>) -> Self {
        Self::failed(ExecutionStatus::Timeout, exit::ERROR, reason)
    }

    /// No device can do it.
    pub fn no_fence_device(reason: impl Into<String>) -> Self {
        Self::failed(ExecutionStatus::NoFenceDevice, exit::ERROR, reason)
    }

    /// The request is refused.
    pub fn invalid(exit: i32, reason: impl Into<String>) -> Self {
        Self::failed(ExecutionStatus::Invalid, exit, reason)
    }

    /// Whether this is success: it ran, and the exit status is 0.
    pub fn is_ok(&self) -> bool {
        self.status == ExecutionStatus::Done && self.exit == exit::OK
    }

    /// The error that tools report; `stderr` is what the agent printed, where it is known.
    pub fn error(&self, stderr: Option<&str>) -> Option<FencingError> {
        if self.is_ok() {
            return None;
        }
        Some(match self.status {
            ExecutionStatus::Pending => FencingError::InProgress,
            ExecutionStatus::Cancelled => FencingError::Cancelled,
            ExecutionStatus::Timeout => FencingError::TimerExpired,
            ExecutionStatus::NotInstalled => FencingError::NoSuchFile,
            ExecutionStatus::NotSupported => FencingError::NotSupported,
            ExecutionStatus::NotConnected => FencingError::NotConnected,
            ExecutionStatus::NoFenceDevice => FencingError::NoSuchDevice,
            ExecutionStatus::NoSecrets => FencingError::PermissionDenied,
            ExecutionStatus::Invalid if self.exit == exit::INVALID_PARAMETER => {
                FencingError::InvalidArgument
            }
            ExecutionStatus::Invalid if self.exit == exit::INSUFFICIENT_PRIVILEGES => {
                FencingError::PermissionDenied
            }
            ExecutionStatus::Invalid if self.exit == exit::PROTOCOL => FencingError::Protocol,
            ExecutionStatus::Invalid if self.exit == exit::EXPIRED => FencingError::HostUnreachable,
            _ => FencingError::from_stderr(stderr),
        })
    }

    /// `EXITTEXT (STATUS[: REASON])`, as final log lines show it.
    pub fn summary(&self) -> String {
        match &self.reason {
            Some(reason) => format!("{} ({}: {reason})", exit_text(self.exit), self.status),
            None => format!("{} ({})", exit_text(self.exit), self.status),
        }
    }
}

/// Cuts a text to at most `limit` bytes at a character boundary.
pub fn bounded(mut text: String, limit: usize) -> String {
    if text.len() > limit {
        let end = (0..=limit).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        text.truncate(end);
    }
    text
}

/// Text of an exit status (spec 80 §4.3).
pub fn exit_text(exit: i32) -> &'static str {
    match exit {
        0 => "OK",
        1 => "Error occurred",
        2 => "Invalid parameter",
        3 => "Unimplemented",
        4 => "Insufficient privileges",
        5 => "Not installed",
        6 => "Not configured",
        7 => "Not running",
        76 => "Protocol violated",
        105 => "Requested item does not exist",
        110 => "Requested item has expired",
        124 => "Timeout occurred",
        193 => "No exit status available",
        code if code > 128 => "Interrupted by signal",
        _ => "Unknown exit status",
    }
}

/// Errors that tools know, each with its exit code (spec 81 §3.5, §15).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FencingError {
    /// Not finished yet.
    #[error("Operation now in progress")]
    InProgress,
    /// Withdrawn.
    #[error("Operation canceled")]
    Cancelled,
    /// Not in time.
    #[error("Timer expired")]
    TimerExpired,
    /// The agent is missing.
    #[error("No such file or directory")]
    NoSuchFile,
    /// The agent cannot do it.
    #[error("Operation not supported")]
    NotSupported,
    /// No connection.
    #[error("Transport endpoint is not connected")]
    NotConnected,
    /// No device can do it.
    #[error("No such device")]
    NoSuchDevice,
    /// Not allowed, or the secrets could not be read.
    #[error("Permission denied")]
    PermissionDenied,
    /// A parameter is wrong.
    #[error("Invalid argument")]
    InvalidArgument,
    /// The request was not understood.
    #[error("Protocol error")]
    Protocol,
    /// The operation was left behind by a fencer that is gone.
    #[error("No route to host")]
    HostUnreachable,
    /// The agent failed, and why is not known here.
    #[error("No data available")]
    NoData,
    /// The agent failed for another reason.
    #[error("Input/output error")]
    Generic,
}

impl FencingError {
    fn from_stderr(stderr: Option<&str>) -> Self {
        let Some(text) = stderr.filter(|text| !text.is_empty()) else {
            return Self::NoData;
        };
        let has = |parts: &[&str]| parts.iter().any(|part| text.contains(part));
        if has(&["timed out", "timeout"]) {
            Self::TimerExpired
        } else if has(&["unrecognised action", "unrecognized action", "unsupported action"]) {
            Self::NotSupported
        } else {
            Self::Generic
        }
    }

    /// Exit code of a tool that ends with this error.
    pub fn exit_code(self) -> i32 {
        match self {
            Self::TimerExpired => 124,
            Self::NoSuchDevice | Self::NoSuchFile => 105,
            Self::InvalidArgument => 70,
            Self::PermissionDenied => 4,
            Self::NotConnected => 102,
            Self::Protocol => 76,
            Self::NotSupported => 3,
            Self::InProgress
            | Self::Cancelled
            | Self::HostUnreachable
            | Self::NoData
            | Self::Generic => 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_done_with_zero_is_success() {
        for status in ExecutionStatus::ALL {
            let outcome = Outcome { status, ..Outcome::ok() };
            assert_eq!(outcome.is_ok(), status == ExecutionStatus::Done, "{status:?}");
            assert_eq!(ExecutionStatus::from_number(status.number()), Some(status));
        }
        assert!(!Outcome::exited(2).is_ok());
    }

    #[test]
    fn errors_and_exit_codes() {
        let error = |outcome: &Outcome, stderr| outcome.error(stderr).map(FencingError::exit_code);
        assert_eq!(error(&Outcome::ok(), None), None);
        assert_eq!(error(&Outcome::timeout("late"), None), Some(124));
        assert_eq!(error(&Outcome::no_fence_device("none"), None), Some(105));
        assert_eq!(error(&Outcome::invalid(exit::INVALID_PARAMETER, "bad"), None), Some(70));
        let agent = Outcome::exited(1);
        assert_eq!(agent.error(None), Some(FencingError::NoData));
        assert_eq!(agent.error(Some("connection timed out")), Some(FencingError::TimerExpired));
        assert_eq!(agent.error(Some("unrecognised action")), Some(FencingError::NotSupported));
        assert_eq!(agent.error(Some("plug is on fire")), Some(FencingError::Generic));
    }

    #[test]
    fn reasons_are_bounded_at_a_character() {
        let outcome = Outcome::timeout("é".repeat(400));
        assert_eq!(outcome.reason.map(|reason| reason.len()), Some(512));
        assert_eq!(bounded("aé".into(), 2), "a");
    }
}
