//! Where log lines go: to standard error or a file.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::sync::{Mutex, PoisonError};

use log::{Level, LevelFilter, Log, Metadata, Record};

use super::PlaceArguments;

struct Logger {
    level: LevelFilter,
    name: String,
    file: Option<Mutex<File>>,
}

impl Log for Logger {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= self.level
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        let level = match record.level() {
            Level::Error => "error",
            Level::Warn => "warning",
            Level::Info => "info",
            Level::Debug => "debug",
            Level::Trace => "trace",
        };
        let now = jiff::Timestamp::now();
        let line =
            format!("{now:.3} {}[{}] {level}: {}\n", self.name, std::process::id(), record.args());
        let written = match &self.file {
            Some(file) => {
                file.lock().unwrap_or_else(PoisonError::into_inner).write_all(line.as_bytes())
            }
            None => io::stderr().lock().write_all(line.as_bytes()),
        };
        drop(written); // there is nowhere left to say so
    }

    fn flush(&self) {}
}

/// Starts logging for a node, or for one subsystem of it.
pub fn start(places: &PlaceArguments, room: Option<&str>) -> io::Result<()> {
    let file = match &places.log_file {
        Some(path) => {
            let file = OpenOptions::new().create(true).append(true).mode(0o640).open(path);
            Some(Mutex::new(
                file.map_err(|e| io::Error::new(e.kind(), format!("{}: {e}", path.display())))?,
            ))
        }
        None => None,
    };
    let node = places.name.as_deref().unwrap_or("understudy");
    let name = room.map_or_else(|| node.to_owned(), |room| format!("{node} {room}"));
    let level = places.log_level;
    log::set_max_level(level);
    log::set_boxed_logger(Box::new(Logger { level, name, file })).map_err(io::Error::other)
}
