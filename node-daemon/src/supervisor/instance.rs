//! One supervisor per state directory, and no subsystem of an earlier one beside it (spec 62 §2).
//!
//! Who holds a lock loses it when it dies, however it dies.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, flock};

/// How long subsystems of a dead supervisor may take to end.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often to look.
const PAUSE: Duration = Duration::from_millis(5);

fn open(state: &Path, name: &str) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).open(state.join(name))
}

/// Whether the lock can be had now.
fn try_lock(file: &File, operation: FlockOperation) -> io::Result<bool> {
    match flock(file, operation) {
        Ok(()) => Ok(true),
        Err(rustix::io::Errno::WOULDBLOCK) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Held for as long as a node runs.
#[derive(Debug)]
pub(super) struct Instance {
    _lock: File,
}

impl Instance {
    /// Becomes the only supervisor of a state directory, once nothing of an earlier one is left.
    ///
    /// # Errors
    /// [`io::ErrorKind::AddrInUse`] when another one is there.
    pub fn claim(state: &Path) -> io::Result<Instance> {
        let lock = open(state, "supervisor.lock")?;
        if !try_lock(&lock, FlockOperation::NonBlockingLockExclusive)? {
            let text = format!("a node runs already with its state in {}", state.display());
            return Err(io::Error::new(io::ErrorKind::AddrInUse, text));
        }
        let subsystems = open(state, "subsystems.lock")?;
        let end = Instant::now() + PATIENCE;
        while !try_lock(&subsystems, FlockOperation::NonBlockingLockExclusive)? {
            if Instant::now() > end {
                let text = format!("subsystems of an earlier node in {} go on", state.display());
                return Err(io::Error::new(io::ErrorKind::AddrInUse, text));
            }
            thread::sleep(PAUSE);
        }
        Ok(Instance { _lock: lock })
    }
}

/// Held for as long as a subsystem runs.
#[derive(Debug)]
pub(super) struct Presence {
    _lock: File,
}

impl Presence {
    /// Is one of the subsystems of a state directory.
    ///
    /// # Errors
    /// As the system says.
    pub fn take(state: &Path) -> io::Result<Presence> {
        let lock = open(state, "subsystems.lock")?;
        flock(&lock, FlockOperation::LockShared)?;
        Ok(Presence { _lock: lock })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_at_a_time_and_after_the_last_subsystem() {
        let scratch = tempfile::tempdir().unwrap();
        let first = Instance::claim(scratch.path()).unwrap();
        let second = Instance::claim(scratch.path()).unwrap_err();
        assert_eq!(second.kind(), io::ErrorKind::AddrInUse);
        drop(first);
        let presence = Presence::take(scratch.path()).unwrap();
        let begun = Instant::now();
        let ends = Duration::from_millis(50);
        let waits = thread::spawn(move || {
            thread::sleep(ends);
            drop(presence);
        });
        Instance::claim(scratch.path()).unwrap();
        assert!(begun.elapsed() >= ends, "it did not wait for the subsystem");
        waits.join().unwrap();
    }
}
