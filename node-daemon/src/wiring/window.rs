//! A window in the ring's room: whoever may open the node's state directory can look at the ring.
//!
//! A Unix socket beside the ring's state answers every connection with a report as JSON, and closes it.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use mio::net::UnixListener;
use mio::{Interest, Registry, Token};

use crate::messaging::RingReport;

/// Time that somebody who looks may take to read, and a node to answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// Longest report that is read.
const MAX_REPORT: u64 = 16 << 20;

/// The socket of a node's state directory.
pub fn socket_of(state: &Path) -> PathBuf {
    state.join("ring").join("window")
}

/// The listening side.
pub struct Window {
    listener: UnixListener,
    path: PathBuf,
}

impl Window {
    /// Opens it; what an earlier run left is removed.
    ///
    /// # Errors
    /// When there can be no socket.
    pub fn open(state: &Path, registry: &Registry, token: Token) -> io::Result<Window> {
        let path = socket_of(state);
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut listener = UnixListener::bind(&path)?;
        registry.register(&mut listener, token, Interest::READABLE)?;
        Ok(Window { listener, path })
    }

    /// Answers all who wait. A report that does not fit into the socket's buffer at once ends early: the
    /// ring waits for nobody.
    pub fn serve(&self, report: &dyn Fn() -> RingReport) {
        while let Ok((mut stream, _)) = self.listener.accept() {
            match serde_json::to_vec(&report()) {
                Ok(json) => {
                    if let Err(error) = stream.write_all(&json) {
                        log::debug!("a report on the ring was not taken: {error}");
                    }
                }
                Err(error) => log::warn!("no report on the ring: {error}"),
            }
        }
    }
}

impl Drop for Window {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Looks at the ring of the node whose state is there.
///
/// # Errors
/// When no node runs with that state, it may not be looked at, or its answer is no report.
pub fn look(state: &Path) -> io::Result<RingReport> {
    let stream = UnixStream::connect(socket_of(state))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut json = Vec::new();
    stream.take(MAX_REPORT).read_to_end(&mut json)?;
    serde_json::from_slice(&json).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use mio::{Events, Poll};

    fn report() -> RingReport {
        RingReport {
            node: 1,
            phase: "operational".to_owned(),
            ring: None,
            links: Vec::new(),
            votes: "Quorum information\n".to_owned(),
            quorate: true,
            holds_for_ms: Some(2900),
            counters: vec![("stats.srp.mcast_tx".to_owned(), 7)],
            ..RingReport::default()
        }
    }

    #[test]
    fn everybody_who_looks_gets_a_report_and_nobody_leaves_a_socket() {
        let state = tempfile::tempdir().unwrap();
        std::fs::create_dir(state.path().join("ring")).unwrap();
        // What a run that was killed leaves behind.
        drop(UnixListener::bind(socket_of(state.path())).unwrap());
        let mut poll = Poll::new().unwrap();
        let window = Window::open(state.path(), poll.registry(), Token(1)).unwrap();
        let lookers: Vec<_> = (0..3)
            .map(|_| {
                let state = state.path().to_owned();
                std::thread::spawn(move || look(&state).unwrap())
            })
            .collect();
        let mut events = Events::with_capacity(4);
        while !lookers.iter().all(|looker| looker.is_finished()) {
            poll.poll(&mut events, Some(Duration::from_millis(100))).unwrap();
            window.serve(&report);
        }
        for looker in lookers {
            assert_eq!(looker.join().unwrap(), report());
        }
        drop(window);
        assert!(!socket_of(state.path()).exists());
        assert_eq!(look(state.path()).unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
