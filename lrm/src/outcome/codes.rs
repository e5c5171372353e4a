//! The two numbers of a result and their texts (spec 80 §4.1–§4.3).

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// A number that is no code of its kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("{0} is no {1}")]
pub struct NoSuchCode(i32, &'static str);

/// Codes read and write as their numbers.
macro_rules! as_number {
    ($($name:ident: $what:literal),*) => {$(
        impl TryFrom<i32> for $name {
            type Error = NoSuchCode;

            fn try_from(code: i32) -> Result<Self, NoSuchCode> {
                Self::from_code(code).ok_or(NoSuchCode(code, $what))
            }
        }

        impl From<$name> for i32 {
            fn from(code: $name) -> Self {
                code.code()
            }
        }
    )*};
}

as_number!(OcfExit: "OCF exit code", ExecStatus: "execution status");

/// What the agent said, as an OCF exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "i32", into = "i32")]
#[repr(u8)]
pub enum OcfExit {
    /// Success; for a monitor: running (unpromoted).
    Ok = 0,
    /// Generic error; soft.
    Error = 1,
    /// A parameter is invalid on this node; hard.
    InvalidParameter = 2,
    /// The agent does not know the action; hard.
    Unimplemented = 3,
    /// Permissions are missing; hard.
    InsufficientPrivileges = 4,
    /// Something needed is missing on this node; hard.
    NotInstalled = 5,
    /// A parameter is invalid on any node; fatal.
    NotConfigured = 6,
    /// Cleanly stopped.
    NotRunning = 7,
    /// Running in the promoted role.
    Promoted = 8,
    /// Failed, possibly still promoted.
    FailedPromoted = 9,
    /// Connection to a remote executor died (feature sets before 3.2.0).
    ConnectionDied = 189,
    /// Active, but more likely to fail soon.
    Degraded = 190,
    /// Promoted, but more likely to fail soon.
    DegradedPromoted = 191,
    /// No result yet.
    Unknown = 193,
}

impl OcfExit {
    const ALL: [Self; 14] = [
        Self::Ok,
        Self::Error,
        Self::InvalidParameter,
        Self::Unimplemented,
        Self::InsufficientPrivileges,
        Self::NotInstalled,
        Self::NotConfigured,
        Self::NotRunning,
        Self::Promoted,
        Self::FailedPromoted,
        Self::ConnectionDied,
        Self::Degraded,
        Self::DegradedPromoted,
        Self::Unknown,
    ];

    /// The number, as recorded in the CIB.
    #[must_use]
    pub fn code(self) -> i32 {
        i32::from(self as u8)
    }

    /// The code of that number, if it is one.
    #[must_use]
    pub fn from_code(code: i32) -> Option<Self> {
        Self::ALL.into_iter().find(|exit| exit.code() == code)
    }

    /// The code to compare with an expected one: degraded counts as its healthy form.
    #[must_use]
    pub fn healthy(self) -> Self {
        match self {
            Self::Degraded => Self::Ok,
            Self::DegradedPromoted => Self::Promoted,
            other => other,
        }
    }

    /// The text of events and logs.
    #[must_use]
    pub fn text(self) -> &'static str {
        exit_status_text(self.code())
    }
}

/// The text of an exit status in events and logs, for any number (spec 80 §4.3).
#[must_use]
pub fn exit_status_text(code: i32) -> &'static str {
    match code {
        0 => "OK",
        1 => "Error occurred",
        2 => "Invalid parameter",
        3 => "Unimplemented",
        4 => "Insufficient privileges",
        5 => "Not installed",
        6 => "Not configured",
        7 => "Not running",
        8 => "Promoted",
        9 => "Failed in promoted role",
        124 => "Timeout occurred",
        190 => "Service is active but might fail soon",
        191 => "Service is promoted but might fail soon",
        193 => "No exit status available",
        code if code > 128 => "Interrupted by signal",
        _ => "Unknown exit status",
    }
}

/// Whether the operation could be run at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "i32", into = "i32")]
#[repr(i8)]
pub enum ExecStatus {
    /// In progress.
    Pending = -1,
    /// Ran; the exit code is valid.
    Done = 0,
    /// Cancelled on request.
    Cancelled = 1,
    /// Did not end in time.
    Timeout = 2,
    /// The action is not supported.
    NotSupported = 3,
    /// Could not be run or ended abnormally; may be retried.
    Error = 4,
    /// Do not retry on this node.
    ErrorHard = 5,
    /// Do not retry anywhere.
    ErrorFatal = 6,
    /// The agent is missing.
    NotInstalled = 7,
    /// No connection to executor or fencer.
    NotConnected = 8,
    /// Cannot be attempted now.
    Invalid = 9,
    /// The fence device is not registered.
    NoFenceDevice = 10,
    /// Secret parameters could not be read.
    NoSecrets = 11,
}

impl ExecStatus {
    const ALL: [Self; 13] = [
        Self::Pending,
        Self::Done,
        Self::Cancelled,
        Self::Timeout,
        Self::NotSupported,
        Self::Error,
        Self::ErrorHard,
        Self::ErrorFatal,
        Self::NotInstalled,
        Self::NotConnected,
        Self::Invalid,
        Self::NoFenceDevice,
        Self::NoSecrets,
    ];

    /// The number, as recorded in the CIB.
    #[must_use]
    pub fn code(self) -> i32 {
        i32::from(self as i8)
    }

    /// The status of that number, if it is one.
    #[must_use]
    pub fn from_code(code: i32) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.code() == code)
    }

    /// The text of events and logs.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Self::Pending => "Pending",
            Self::Done => "Done",
            Self::Cancelled => "Cancelled",
            Self::Timeout => "Timed out",
            Self::NotSupported => "Unsupported",
            Self::Error => "Error",
            Self::ErrorHard => "Hard error",
            Self::ErrorFatal => "Fatal error",
            Self::NotInstalled => "Not installed",
            Self::NotConnected => "Internal communication failure",
            Self::Invalid => "Cannot execute now",
            Self::NoFenceDevice => "No fence device",
            Self::NoSecrets => "CIB secrets unavailable",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_back_and_nothing_else_does() {
        for code in -300..300 {
            if let Some(exit) = OcfExit::from_code(code) {
                assert_eq!(exit.code(), code);
            }
            if let Some(status) = ExecStatus::from_code(code) {
                assert_eq!(status.code(), code);
            }
        }
        assert_eq!((-300..300).filter_map(OcfExit::from_code).count(), 14);
        assert_eq!((-300..300).filter_map(ExecStatus::from_code).count(), 13);
    }

    #[test]
    fn texts_of_numbers_outside_the_table() {
        assert_eq!(exit_status_text(139), "Interrupted by signal");
        assert_eq!(exit_status_text(100), "Unknown exit status");
        assert_eq!(exit_status_text(124), "Timeout occurred");
    }

    #[test]
    fn degraded_counts_as_healthy() {
        assert_eq!(OcfExit::Degraded.healthy(), OcfExit::Ok);
        assert_eq!(OcfExit::DegradedPromoted.healthy(), OcfExit::Promoted);
        assert_eq!(OcfExit::NotRunning.healthy(), OcfExit::NotRunning);
    }
}
