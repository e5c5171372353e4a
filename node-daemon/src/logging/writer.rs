//! The thread that writes lines, so that nobody who logs waits for a disk or for the system's log.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use super::LogFileError;
use super::routes::Destination;

/// Lines that may wait to be written; what comes beyond is dropped.
const MAX_WAITING: usize = 8192;
/// How long a process that ends waits for its last lines.
const PATIENCE: Duration = Duration::from_secs(2);
/// How often it looks whether there is room for its last wish.
const PAUSE: Duration = Duration::from_millis(10);
/// Where the system's log listens.
const SYSTEM: &str = "/dev/log";

/// Something open to write lines to.
#[derive(Debug)]
pub(super) enum Sink {
    Stderr,
    File(File),
    System { socket: UnixDatagram, path: PathBuf },
}

impl Sink {
    pub fn open(to: &Destination) -> Result<Sink, LogFileError> {
        match to {
            Destination::Stderr => Ok(Sink::Stderr),
            Destination::File(path) => {
                let file = OpenOptions::new().create(true).append(true).mode(0o640).open(path);
                file.map(Sink::File).map_err(|source| LogFileError { path: path.clone(), source })
            }
            Destination::System(_) => Sink::system(SYSTEM.into())
                .map_err(|source| LogFileError { path: SYSTEM.into(), source }),
        }
    }

    fn system(path: PathBuf) -> io::Result<Sink> {
        let socket = UnixDatagram::unbound()?;
        // A log that does not read must not hold up the other destinations.
        socket.set_nonblocking(true)?;
        Ok(Sink::System { socket, path })
    }

    fn write(&self, line: &str) {
        let written = match self {
            Sink::Stderr => io::stderr().lock().write_all(line.as_bytes()),
            Sink::File(file) => (&mut &*file).write_all(line.as_bytes()),
            Sink::System { socket, path } => socket.send_to(line.as_bytes(), path).map(drop),
        };
        drop(written); // there is nowhere left to say so
    }
}

enum Job {
    Write(Arc<Sink>, String),
    Flush(SyncSender<()>),
}

/// Hands lines to the thread.
pub(super) struct Writer {
    jobs: SyncSender<Job>,
    dropped: AtomicU64,
}

impl Writer {
    pub fn start() -> io::Result<Writer> {
        let (jobs, receiver) = sync_channel(MAX_WAITING);
        thread::Builder::new().name("log".to_owned()).spawn(move || work(&receiver))?;
        Ok(Writer { jobs, dropped: AtomicU64::new(0) })
    }

    pub fn write(&self, sink: &Arc<Sink>, line: String) {
        let dropped = self.dropped.swap(0, Ordering::Relaxed);
        if dropped > 0 {
            let told = format!("{dropped} lines of the log are missing: they came too fast\n");
            if self.jobs.try_send(Job::Write(sink.clone(), told)).is_err() {
                self.dropped.fetch_add(dropped, Ordering::Relaxed);
            }
        }
        if let Err(TrySendError::Full(_)) = self.jobs.try_send(Job::Write(sink.clone(), line)) {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Waits until everything so far is written, or for some time.
    pub fn flush(&self) {
        let (end, (done, told)) = (Instant::now() + PATIENCE, sync_channel(1));
        let mut job = Job::Flush(done);
        while let Err(TrySendError::Full(refused)) = self.jobs.try_send(job) {
            if Instant::now() > end {
                return;
            }
            thread::sleep(PAUSE);
            job = refused;
        }
        let _ = told.recv_timeout(PATIENCE); // it was tried
    }
}

fn work(jobs: &Receiver<Job>) {
    while let Ok(job) = jobs.recv() {
        match job {
            Job::Write(sink, line) => sink.write(&line),
            Job::Flush(done) => drop(done.try_send(())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_arrive_in_their_file_and_in_the_system_s_log() {
        let directory = tempfile::tempdir().unwrap();
        let (path, socket) = (directory.path().join("file"), directory.path().join("log"));
        let listens = UnixDatagram::bind(&socket).unwrap();
        listens.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let file = Arc::new(Sink::open(&Destination::File(path.clone())).unwrap());
        let system = Arc::new(Sink::system(socket).unwrap());
        let writer = Writer::start().unwrap();
        for number in 0..100 {
            writer.write(&file, format!("line {number}\n"));
        }
        writer.write(&system, "<30>what happened".to_owned());
        writer.flush();
        let written = std::fs::read_to_string(&path).unwrap();
        let expected: String = (0..100).map(|number| format!("line {number}\n")).collect();
        assert_eq!(written, expected);
        let mut buffer = [0; 100];
        let length = listens.recv(&mut buffer).unwrap();
        assert_eq!(&buffer[..length], b"<30>what happened");
    }

    #[test]
    fn whoever_logs_does_not_wait_and_what_is_missing_is_counted() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("pipe");
        // A pipe that nobody reads: the thread gets stuck.
        let made = std::process::Command::new("mkfifo").arg(&path).status().unwrap();
        assert!(made.success());
        let reader = OpenOptions::new().read(true).write(true).open(&path).unwrap();
        let pipe = Arc::new(Sink::open(&Destination::File(path)).unwrap());
        let writer = Writer::start().unwrap();
        let line = "x".repeat(1000) + "\n";
        for _ in 0..2 * MAX_WAITING {
            writer.write(&pipe, line.clone());
        }
        let dropped = writer.dropped.load(Ordering::Relaxed);
        assert!(dropped > 0 && dropped <= MAX_WAITING as u64, "{dropped}");
        let mut content = io::BufReader::new(reader);
        let mut told = String::new();
        let mut lines = 0;
        while !told.contains("lines of the log are missing") {
            told.clear();
            io::BufRead::read_line(&mut content, &mut told).unwrap();
            lines += 1;
            writer.write(&pipe, "y\n".to_owned());
            assert!(lines <= 3 * MAX_WAITING, "nothing is told");
        }
    }

    #[test]
    fn a_file_that_cannot_be_opened_is_told_with_its_path() {
        let error = Sink::open(&Destination::File("/nowhere/log".into())).unwrap_err();
        let expected = "Can't open logfile '/nowhere/log' for reason: No such file or directory";
        assert!(error.to_string().starts_with(expected), "{error}");
    }
}
