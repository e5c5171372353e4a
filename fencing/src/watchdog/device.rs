//! The drivers: a hardware watchdog, and the ways to take this host down at once.

#![allow(unsafe_code)]

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::ioctl::{Updater, ioctl};
use rustix::system::{RebootCommand, reboot};

/// Why the watchdog does not do as it is told.
#[derive(Debug, thiserror::Error)]
pub enum WatchdogError {
    /// The device cannot be opened.
    #[error("{}: cannot open the watchdog: {error}", path.display())]
    Open {
        /// Its path.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// It does not take the time.
    #[error("the watchdog refuses a timeout of {}s: {error}", timeout.as_secs_f64())]
    Timeout {
        /// The time asked for.
        timeout: Duration,
        /// Why.
        error: io::Error,
    },
    /// It took another time.
    #[error("the watchdog set a timeout of {got}s where {wanted}s were asked for")]
    Inexact {
        /// Seconds asked for.
        wanted: u64,
        /// Seconds set.
        got: u64,
    },
    /// It cannot be fed.
    #[error("cannot feed the watchdog: {0}")]
    Feed(io::Error),
    /// It cannot be disarmed, so it will reset the host.
    #[error("cannot disarm the watchdog: {0}")]
    Disarm(io::Error),
}

/// A timer that resets the host unless it is fed.
pub trait Watchdog {
    /// Feeds it.
    fn feed(&mut self) -> Result<(), WatchdogError>;

    /// Disarms it. A watchdog that is merely dropped stays armed.
    fn disarm(self) -> Result<(), WatchdogError>
    where
        Self: Sized;
}

/// A Linux watchdog device such as `/dev/watchdog`. It is armed from the moment it is opened.
#[derive(Debug)]
pub struct HardwareWatchdog {
    file: File,
}

/// `WDIOC_SETTIMEOUT`: sets the time in seconds and writes back the time that was set.
const SET_TIMEOUT: rustix::ioctl::Opcode =
    rustix::ioctl::opcode::read_write::<std::ffi::c_int>(b'W', 6);

impl HardwareWatchdog {
    /// Opens and arms the device with a time of whole seconds. If the time cannot be set exactly,
    /// the device is disarmed again and the error returned.
    pub fn arm(path: &Path, timeout: Duration) -> Result<Self, WatchdogError> {
        let file = OpenOptions::new()
            .write(true)
            .open(path)
            .map_err(|error| WatchdogError::Open { path: path.to_owned(), error })?;
        let watchdog = Self { file };
        match watchdog.set_timeout(timeout) {
            Ok(()) => Ok(watchdog),
            Err(error) => {
                watchdog.disarm()?;
                Err(error)
            }
        }
    }

    fn set_timeout(&self, timeout: Duration) -> Result<(), WatchdogError> {
        let wanted = timeout.as_secs();
        let refuse = |error: io::Error| WatchdogError::Timeout { timeout, error };
        if wanted == 0 || timeout.subsec_nanos() != 0 {
            return Err(refuse(io::Error::other("whole seconds are accepted, from 1 up")));
        }
        let mut seconds = std::ffi::c_int::try_from(wanted)
            .map_err(|_| refuse(io::ErrorKind::InvalidInput.into()))?;
        // SAFETY: WDIOC_SETTIMEOUT reads and writes one C int, which is the type the updater lends
        // for the duration of the call; on a file that is no watchdog it fails without a write.
        unsafe {
            ioctl(&self.file, Updater::<SET_TIMEOUT, std::ffi::c_int>::new(&mut seconds))
                .map_err(|error| refuse(error.into()))?;
        }
        let got = u64::try_from(seconds).unwrap_or(0);
        if got == wanted { Ok(()) } else { Err(WatchdogError::Inexact { wanted, got }) }
    }
}

impl Watchdog for HardwareWatchdog {
    fn feed(&mut self) -> Result<(), WatchdogError> {
        self.file.write_all(b"\0").map_err(WatchdogError::Feed)
    }

    fn disarm(mut self) -> Result<(), WatchdogError> {
        // The letter V before the close is what tells an orderly end from a crash.
        self.file.write_all(b"V").map_err(WatchdogError::Disarm)
    }
}

/// How to take the host down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PanicAction {
    /// Reset.
    Reboot,
    /// Crash, for a dump.
    Crash,
    /// Power off.
    Off,
}

/// Reads `PCMK_panic_action`: `reboot`, `crash` or `off`, each with or without `sync-` in front;
/// the second value says whether to write file systems out first. Anything else is a reboot.
pub fn parse_panic_action(text: Option<&str>) -> (PanicAction, bool) {
    let text = text.unwrap_or_default();
    let (name, sync) = match text.strip_prefix("sync-") {
        Some(name) => (name, true),
        None => (text, false),
    };
    match name {
        "crash" => (PanicAction::Crash, sync),
        "off" => (PanicAction::Off, sync),
        _ => (PanicAction::Reboot, sync),
    }
}

/// Takes this host down, as fast as it can.
pub trait SelfReset {
    /// Does it; on success it does not return.
    fn reset(&mut self, reason: &str) -> io::Error;
}

/// Takes the host down through the kernel: the sysrq trigger, then the reboot system call.
#[derive(Debug)]
pub struct HostReset {
    /// What to do.
    pub action: PanicAction,
    /// Whether to write file systems out first.
    pub sync: bool,
    /// Directory of the kernel's controls, normally `/proc`.
    pub proc: PathBuf,
}

impl HostReset {
    fn trigger(&self) -> io::Result<()> {
        std::fs::write(self.proc.join("sys/kernel/sysrq"), "1\n")?;
        let key = match self.action {
            PanicAction::Reboot => "b\n",
            PanicAction::Crash => "c\n",
            PanicAction::Off => "o\n",
        };
        std::fs::write(self.proc.join("sysrq-trigger"), key)
    }
}

impl SelfReset for HostReset {
    fn reset(&mut self, reason: &str) -> io::Error {
        log::error!("Taking this host down: {reason}");
        if self.sync {
            rustix::fs::sync();
        }
        if let Err(error) = self.trigger() {
            log::error!("The sysrq trigger does not work: {error}");
        }
        let command = match self.action {
            PanicAction::Off => RebootCommand::PowerOff,
            PanicAction::Reboot | PanicAction::Crash => RebootCommand::Restart,
        };
        match reboot(command) {
            Ok(()) => io::ErrorKind::Interrupted.into(),
            Err(error) => error.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn panic_actions() {
        assert_eq!(parse_panic_action(None), (PanicAction::Reboot, false));
        assert_eq!(parse_panic_action(Some("sync-crash")), (PanicAction::Crash, true));
        assert_eq!(parse_panic_action(Some("off")), (PanicAction::Off, false));
        assert_eq!(parse_panic_action(Some("later")), (PanicAction::Reboot, false));
    }

    #[test]
    fn a_file_that_is_no_watchdog_is_disarmed_and_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("watchdog");
        let missing = HardwareWatchdog::arm(&path, Duration::from_secs(5)).unwrap_err();
        assert!(matches!(missing, WatchdogError::Open { .. }), "{missing}");
        std::fs::write(&path, "").unwrap();
        let refused = HardwareWatchdog::arm(&path, Duration::from_secs(5)).unwrap_err();
        assert!(matches!(refused, WatchdogError::Timeout { .. }), "{refused}");
        assert_eq!(std::fs::read(&path).unwrap(), b"V");
    }

    #[test]
    fn a_time_that_is_no_whole_seconds_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("watchdog");
        std::fs::write(&path, "").unwrap();
        for milliseconds in [0, 500, 1500] {
            let refused = HardwareWatchdog::arm(&path, Duration::from_millis(milliseconds));
            let text = refused.unwrap_err().to_string();
            assert!(text.ends_with("whole seconds are accepted, from 1 up"), "{text}");
        }
    }

    #[test]
    fn the_sysrq_trigger_is_enabled_and_written() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(directory.path().join("sys/kernel")).unwrap();
        let reset = HostReset {
            action: PanicAction::Crash,
            sync: false,
            proc: directory.path().to_owned(),
        };
        reset.trigger().unwrap();
        let read = |name: &str| std::fs::read_to_string(directory.path().join(name)).unwrap();
        assert_eq!(read("sys/kernel/sysrq"), "1\n");
        assert_eq!(read("sysrq-trigger"), "c\n");
    }
}
