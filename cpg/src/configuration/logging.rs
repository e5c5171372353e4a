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

/// How much a message has to matter: this much or more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs)]
pub enum Priority {
    Emergency,
    Alert,
    Critical,
    Error,
    Warning,
    Notice,
    Info,
    Debug,
}

/// A facility of the system's log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Facility {
    name: &'static str,
    number: u8,
}

impl Facility {
    /// The one for messages of daemons.
    pub const DAEMON: Facility = Facility { name: "daemon", number: 3 };

    /// The facility of that name.
    pub fn from_name(name: &str) -> Option<Facility> {
        let found = FACILITIES.iter().find(|(known, _)| *known == name);
        found.map(|(name, number)| Facility { name, number: *number })
    }

    /// Its name.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Its number, as RFC 3164 has it.
    pub fn number(&self) -> u8 {
        self.number
    }
}

/// How exactly a line tells its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Timestamp {
    /// Not at all.
    Off,
    /// In seconds.
    Seconds,
    /// In milliseconds.
    #[default]
    Milliseconds,
}

/// Where messages go.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[allow(missing_docs)]
pub struct LogTarget {
    pub to_stderr: Option<bool>,
    pub to_syslog: Option<bool>,
    pub to_logfile: Option<bool>,
    pub logfile: Option<String>,
    pub logfile_priority: Option<Priority>,
    pub syslog_facility: Option<Facility>,
    pub syslog_priority: Option<Priority>,
    pub debug: Option<Debug>,
}

/// One subsystem's settings; what it leaves open follows the global ones.
pub type Subsystem = LogTarget;

/// The whole section.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[allow(missing_docs)]
pub struct Logging {
    pub timestamp: Timestamp,
    pub fileline: bool,
    pub function_name: bool,
    pub blackbox: bool,
    pub global: LogTarget,
    /// By name: MAIN, TOTEM, KNET, ...
    pub subsystems: BTreeMap<String, Subsystem>,
}

const PRIORITIES: [(&str, Priority); 9] = [
    ("emerg", Priority::Emergency),
    ("alert", Priority::Alert),
    ("crit", Priority::Critical),
    ("err", Priority::Error),
    ("error", Priority::Error),
    ("warning", Priority::Warning),
    ("notice", Priority::Notice),
    ("info", Priority::Info),
    ("debug", Priority::Debug),
];
const FACILITIES: [(&str, u8); 20] = [
    ("kern", 0),
    ("user", 1),
    ("mail", 2),
    ("daemon", 3),
    ("auth", 4),
    ("syslog", 5),
    ("lpr", 6),
    ("news", 7),
    ("uucp", 8),
    ("cron", 9),
    ("authpriv", 10),
    ("ftp", 11),
    ("local0", 16),
    ("local1", 17),
    ("local2", 18),
    ("local3", 19),
    ("local4", 20),
    ("local5", 21),
    ("local6", 22),
    ("local7", 23),
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
    let priority = |key: &str, error: LoggingError| match text(key) {
        None => Ok(None),
        Some(word) => {
            let found = PRIORITIES.iter().find(|(known, _)| *known == word);
            found.map(|(_, priority)| Some(*priority)).ok_or(error)
        }
    };
    let facility = match text("syslog_facility") {
        None => None,
        Some(word) => Some(Facility::from_name(&word).ok_or(LoggingError::Facility)?),
    };
    Ok(LogTarget {
        to_stderr: choice(map, prefix, "to_stderr", &yes_no)?,
        to_syslog: choice(map, prefix, "to_syslog", &yes_no)?,
        to_logfile: choice(map, prefix, "to_logfile", &yes_no)?,
        logfile: text("logfile"),
        logfile_priority: priority("logfile_priority", LoggingError::LogfilePriority)?,
        syslog_facility: facility,
        syslog_priority: priority("syslog_priority", LoggingError::SyslogPriority)?,
        debug: choice(map, prefix, "debug", &debug)?,
    })
}

impl Logging {
    /// Reads the section.
    ///
    /// # Errors
    /// When a value is none that its key accepts.
    pub fn read(map: &ConfigurationMap) -> Result<Logging, LoggingError> {
        let on_off = [("on", true), ("off", false)];
        let flag = |key: &str| choice(map, "logging.", key, &on_off).map(Option::unwrap_or_default);
        let stamps = [
            ("off", Timestamp::Off),
            ("on", Timestamp::Seconds),
            ("hires", Timestamp::Milliseconds),
        ];
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
            timestamp: timestamp.unwrap_or_default(),
            fileline: flag("fileline")?,
            function_name: flag("function_name")?,
            blackbox: flag("blackbox")?,
            global: target(map, "logging.")?,
            subsystems,
        })
    }
}
