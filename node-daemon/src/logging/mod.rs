//! The log of a node's processes: which lines go where, how they look, and the
//! thread that writes them.
//!
//! Nobody who logs waits for a disk or for the system's log. What cannot be written in time is dropped and
//! counted; [`flush`] waits for the rest before a process ends.

mod line;
mod routes;
mod writer;

pub use routes::Given;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock, PoisonError, RwLock};
use std::thread;

use cpg::configuration::{LogTarget, Logging};
use jiff::Zoned;
use log::{LevelFilter, Log, Metadata, Record};
use signal_hook::consts::SIGHUP;
use signal_hook::iterator::Signals;

use self::line::Style;
use self::routes::{Destination, Route, routes, subsystem};
use self::writer::{Sink, Writer};
use crate::wiring::NodeSettings;

/// A file to log to cannot be opened.
#[derive(Debug, thiserror::Error)]
#[error("Can't open logfile '{}' for reason: {source}.", path.display())]
pub struct LogFileError {
    path: PathBuf,
    source: std::io::Error,
}

/// A destination that is open.
type Outlet = (Route, Arc<Sink>);

/// What happens to lines now.
struct Plan {
    style: Style,
    /// Of subsystems that have something of their own.
    own: BTreeMap<String, Vec<Outlet>>,
    others: Vec<Outlet>,
}

impl Plan {
    fn open(
        logging: &Logging,
        given: &Given,
        journal: bool,
        style: Style,
    ) -> Result<Plan, LogFileError> {
        let mut open: Vec<(Destination, Arc<Sink>)> = Vec::new();
        let mut outlets = |subsystem: &str| -> Result<Vec<Outlet>, LogFileError> {
            let outlet = |route: Route| {
                let known = open.iter().find(|(to, _)| *to == route.to);
                let sink = match known {
                    Some((_, sink)) => sink.clone(),
                    None => {
                        let sink = Arc::new(Sink::open(&route.to)?);
                        open.push((route.to.clone(), sink.clone()));
                        sink
                    }
                };
                Ok((route, sink))
            };
            routes(logging, subsystem, given, journal).into_iter().map(outlet).collect()
        };
        let own: Result<BTreeMap<String, Vec<Outlet>>, LogFileError> = logging
            .subsystems
            .keys()
            .map(|name| outlets(name).map(|outlets| (name.clone(), outlets)))
            .collect();
        Ok(Plan { style, own: own?, others: outlets("")? })
    }

    fn outlets(&self, target: &str) -> &[Outlet] {
        if self.own.is_empty() {
            return &self.others;
        }
        self.own.get(subsystem(target)).unwrap_or(&self.others)
    }

    fn level(&self) -> LevelFilter {
        let all = self.own.values().flatten().chain(&self.others);
        all.map(|(route, _)| route.level).max().unwrap_or(LevelFilter::Off)
    }
}

struct Logger {
    given: Given,
    plan: RwLock<Arc<Plan>>,
    writer: Writer,
}

static LOGGER: OnceLock<Logger> = OnceLock::new();

impl Logger {
    fn plan(&self) -> Arc<Plan> {
        self.plan.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Log for Logger {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        let plan = self.plan();
        plan.outlets(metadata.target()).iter().any(|(route, _)| metadata.level() <= route.level)
    }

    fn log(&self, record: &Record<'_>) {
        let (plan, now) = (self.plan(), Zoned::now());
        for (route, sink) in plan.outlets(record.target()) {
            if record.level() <= route.level {
                self.writer.write(sink, plan.style.line(record, &route.to, &now));
            }
        }
    }

    fn flush(&self) {
        self.writer.flush();
    }
}

/// Starts the log of this process, as the command line says; until [`configure`] what it leaves open is
/// written to standard error.
///
/// # Errors
/// When the file that was given cannot be opened, or the process has a log already.
pub fn start(given: Given, node: &str, room: Option<&str>) -> std::io::Result<()> {
    let style = Style {
        reference: false,
        timestamp: Default::default(),
        fileline: false,
        function_name: false,
        node: node.to_owned(),
        process: room.map_or_else(|| node.to_owned(), |room| format!("{node} {room}")),
        pid: std::process::id(),
    };
    // Nothing is known of the configuration yet, so nothing goes to the system's log.
    let only_stderr =
        LogTarget { to_stderr: Some(true), to_syslog: Some(false), ..LogTarget::default() };
    let logging = Logging { global: only_stderr, ..Logging::default() };
    let plan = Plan::open(&logging, &given, false, style).map_err(std::io::Error::other)?;
    let level = plan.level();
    let logger = Logger { given, plan: RwLock::new(Arc::new(plan)), writer: Writer::start()? };
    let twice = || std::io::Error::other("this process has a log already");
    LOGGER.set(logger).map_err(|_| twice())?;
    log::set_logger(LOGGER.get().ok_or_else(twice)?).map_err(std::io::Error::other)?;
    log::set_max_level(level);
    Ok(())
}

/// Follows the `logging` section as far as the command line leaves it a choice. Files are opened anew.
///
/// # Errors
/// When a file cannot be opened; nothing changes then.
pub fn configure(logging: &Logging) -> Result<(), LogFileError> {
    let Some(logger) = LOGGER.get() else { return Ok(()) };
    let style = Style {
        reference: logger.given.file.is_none(),
        timestamp: logging.timestamp,
        fileline: logging.fileline,
        function_name: logging.function_name,
        ..logger.plan().style.clone()
    };
    let journal = std::env::var_os("JOURNAL_STREAM").is_some();
    let plan = Plan::open(logging, &logger.given, journal, style)?;
    log::set_max_level(plan.level());
    *logger.plan.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(plan);
    Ok(())
}

/// Reads the `logging` section again and follows it.
pub fn follow(node: &NodeSettings) {
    let done = match node.logging_now() {
        Ok(logging) => configure(&logging).map_err(|error| error.to_string()),
        Err(error) => Err(error.to_string()),
    };
    match done {
        Ok(()) => log::info!("the log follows the configuration as it is now"),
        Err(error) => log::error!("the log stays as it is: {error}"),
    }
}

/// Calls this at every SIGHUP, for as long as the process lives.
///
/// # Errors
/// As the system says.
pub fn on_hangup(mut told: impl FnMut() + Send + 'static) -> std::io::Result<()> {
    let mut signals = Signals::new([SIGHUP])?;
    thread::Builder::new().name("hangups".to_owned()).spawn(move || {
        for _ in signals.forever() {
            told();
        }
    })?;
    Ok(())
}

/// Waits, not for ever, until what was logged is written.
pub fn flush() {
    log::logger().flush();
}
