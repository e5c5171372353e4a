//! The logging section (spec 70 §13.6).

use super::ConfigurationMap;
use std::collections::BTreeMap;

/// A value of the logging section that is not accepted. The texts are the reference's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs)]
pub enum LoggingError {
    #[error("unknown value for {0}")]
    Value(String),
    #[error("unknown syslog facility specified")]
    Facility,
    #[error("unknown syslog priority specified")]
    SyslogPriority,
    #[error("unknown logfile priority specified")]
    LogfilePriority,
}

impl LoggingError {
    /// The key to blame, without its section.
    pub fn key(&self) -> &str {
        match self {
            LoggingError::Value(key) => key,
            LoggingError::Facility => "syslog_facility",
            LoggingError::SyslogPriority => "syslog_priority",
            LoggingError::LogfilePriority => "logfile_priority",
        }
    }
}

/// How much is logged for debugging.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[allow(missing_docs)]
pub enum Debug {
    #[default]
    Off,
    On,
    Trace,
}

/// Where messages go.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[allow(missing_docs)]
pub struct LogTarget {
    pub to_stderr: Option<bool>,
    pub to_syslog: Option<bool>,
    pub to_logfile: Option<bool>,
    pub logfile: Option<String>,
    pub logfile_priority: Option<String>,
    pub syslog_facility: Option<String>,
    pub syslog_priority: Option<String>,
    pub debug: Option<Debug>,
}

/// One subsystem's settings; what it leaves open follows the global ones.
pub type Subsystem = LogTarget;

/// The whole section.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[allow(missing_docs)]
pub struct Logging {
    /// `off`, `on` or `hires`.
    pub timestamp: Option<String>,
    pub fileline: bool,
    pub function_name: bool,
    pub blackbox: bool,
    pub global: LogTarget,
    /// By name: MAIN, TOTEM, KNET, ...
    pub subsystems: BTreeMap<String, Subsystem>,
}

const PRIORITIES: [&str; 9] =
    ["emerg", "alert", "crit", "err", "error", "warning", "notice", "info", "debug"];
const FACILITIES: [&str; 20] = [
    "auth", "authpriv", "cron", "daemon", "ftp", "kern", "lpr", "mail", "news", "syslog", "user",
    "uucp", "local0", "local1", "local2", "local3", "local4", "local5", "local6", "local7",
];

fn choice<T: Copy>(
    map: &ConfigurationMap,
    prefix: &str,
    key: &str,
    accepted: &[(&str, T)],
) -> Result<Option<T>, LoggingError> {
    let Some(given) = map.get(&format!("{prefix}{key}")) else { return Ok(None) };
    let given = given.to_string();
    let found = accepted.iter().find(|(word, _)| *word == given);
    found.map(|(_, value)| Some(*value)).ok_or_else(|| LoggingError::Value(key.to_owned()))
}

fn target(map: &ConfigurationMap, prefix: &str) -> Result<LogTarget, LoggingError> {
    let yes_no = [("yes", true), ("no", false), ("on", true), ("off", false)];
    let debug = [("off", Debug::Off), ("on", Debug::On), ("trace", Debug::Trace)];
    let text = |key: &str| map.text(&format!("{prefix}{key}")).map(str::to_owned);
    let known = |key: &str, words: &[&str], error: LoggingError| match text(key) {
        Some(word) if !words.contains(&word.as_str()) => Err(error),
        other => Ok(other),
    };
    Ok(LogTarget {
        to_stderr: choice(map, prefix, "to_stderr", &yes_no)?,
        to_syslog: choice(map, prefix, "to_syslog", &yes_no)?,
        to_logfile: choice(map, prefix, "to_logfile", &yes_no)?,
        logfile: text("logfile"),
        logfile_priority: known("logfile_priority", &PRIORITIES, LoggingError::LogfilePriority)?,
        syslog_facility: known("syslog_facility", &FACILITIES, LoggingError::Facility)?,
        syslog_priority: known("syslog_priority", &PRIORITIES, LoggingError::SyslogPriority)?,
        debug: choice(map, prefix, "debug", &debug)?,
    })
}

impl Logging {
    pub(super) fn read(map: &ConfigurationMap) -> Result<Logging, LoggingError> {
        let on_off = [("on", true), ("off", false)];
        let flag = |key: &str| choice(map, "logging.", key, &on_off).map(Option::unwrap_or_default);
        let stamps = [("off", "off"), ("on", "on"), ("hires", "hires")];
        let timestamp = choice(map, "logging.", "timestamp", &stamps)?;
        let mut subsystems = BTreeMap::new();
        for (rest, _) in map.under("logging.logger_subsys.") {
            let Some((name, _)) = rest.split_once('.') else { continue };
            if !subsystems.contains_key(name) {
                let prefix = format!("logging.logger_subsys.{name}.");
                subsystems.insert(name.to_owned(), target(map, &prefix)?);
            }
        }
        Ok(Logging {
            timestamp: timestamp.map(str::to_owned),
            fileline: flag("fileline")?,
            function_name: flag("function_name")?,
            blackbox: flag("blackbox")?,
            global: target(map, "logging.")?,
            subsystems,
        })
    }
}
