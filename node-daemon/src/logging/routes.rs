//! Which lines go where: `corosync.conf` and the command line together (spec 70 §13.6).

use std::path::PathBuf;

use cpg::configuration::{Debug, Facility, LogTarget, Logging, Priority};
use log::LevelFilter;

/// What the command line says of logging; it wins over the configuration.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Given {
    /// How much to log.
    pub level: Option<LevelFilter>,
    /// The only place to log to.
    pub file: Option<PathBuf>,
    /// Facility of the system's log.
    pub facility: Option<Facility>,
}

/// Where lines go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Destination {
    Stderr,
    System(Facility),
    File(PathBuf),
}

/// Lines that matter this much go there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Route {
    pub to: Destination,
    pub level: LevelFilter,
}

/// Where the lines of a subsystem go. `journal`: what is written to standard error gets into the system's
/// log by itself.
pub(super) fn routes(
    logging: &Logging,
    subsystem: &str,
    given: &Given,
    journal: bool,
) -> Vec<Route> {
    let none = LogTarget::default();
    let (own, all) = (logging.subsystems.get(subsystem).unwrap_or(&none), &logging.global);
    let debug = match own.debug.or(all.debug).unwrap_or_default() {
        Debug::Off => None,
        Debug::On => Some(LevelFilter::Debug),
        Debug::Trace => Some(LevelFilter::Trace),
    };
    let level = |priority: Option<Priority>| {
        given.level.or(debug).unwrap_or(priority.map_or(LevelFilter::Info, filter))
    };
    let file_level = level(own.logfile_priority.or(all.logfile_priority));
    if let Some(file) = &given.file {
        return vec![Route { to: Destination::File(file.clone()), level: file_level }];
    }
    let mut routes = Vec::new();
    let to_system = own.to_syslog.or(all.to_syslog).unwrap_or(true);
    let to_stderr = own.to_stderr.or(all.to_stderr).unwrap_or(!(journal && to_system));
    if to_stderr {
        routes.push(Route { to: Destination::Stderr, level: level(None) });
    }
    if to_system {
        let facility = given.facility.or(own.syslog_facility).or(all.syslog_facility);
        let to = Destination::System(facility.unwrap_or(Facility::DAEMON));
        routes.push(Route { to, level: level(own.syslog_priority.or(all.syslog_priority)) });
    }
    let file = own.logfile.as_ref().or(all.logfile.as_ref());
    if let (true, Some(file)) = (own.to_logfile.or(all.to_logfile).unwrap_or(false), file) {
        routes.push(Route { to: Destination::File(file.into()), level: file_level });
    }
    routes
}

/// Everything of a priority and above.
fn filter(priority: Priority) -> LevelFilter {
    match priority {
        Priority::Emergency | Priority::Alert | Priority::Critical | Priority::Error => {
            LevelFilter::Error
        }
        Priority::Warning => LevelFilter::Warn,
        Priority::Notice | Priority::Info => LevelFilter::Info,
        Priority::Debug => LevelFilter::Debug,
    }
}

/// The subsystem whose line it is, by the module that wrote it. Messaging has the names of the reference,
/// the others those of the node's own subsystems.
pub(super) fn subsystem(target: &str) -> &'static str {
    const PREFIXES: [(&str, &str); 19] = [
        ("cpg::link", "KNET"),
        ("cpg::driver::socket", "KNET"),
        ("cpg::node", "SYNC"),
        ("cpg::group", "CPG"),
        ("cpg", "TOTEM"),
        ("quorum::votes", "VOTEQ"),
        ("quorum", "QUORUM"),
        ("cib_model", "CIB"),
        ("node_daemon::cib", "CIB"),
        ("node_daemon::attributes", "ATTRIBUTES"),
        ("node_daemon::executor", "EXECUTOR"),
        ("lrm", "EXECUTOR"),
        ("node_daemon::fencer", "FENCER"),
        ("fencing", "FENCER"),
        ("node_daemon::scheduler", "SCHEDULER"),
        ("policy_engine", "SCHEDULER"),
        ("node_daemon::controller", "CONTROLLER"),
        ("node_daemon::ipc", "CLIENTS"),
        ("node_daemon", "MAIN"),
    ];
    let within = |prefix: &str| {
        target.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
    };
    PREFIXES.iter().find(|(prefix, _)| within(prefix)).map_or("MAIN", |(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn stderr(level: LevelFilter) -> Route {
        Route { to: Destination::Stderr, level }
    }

    fn system(facility: &str, level: LevelFilter) -> Route {
        Route { to: Destination::System(Facility::from_name(facility).unwrap()), level }
    }

    fn file(path: &str, level: LevelFilter) -> Route {
        Route { to: Destination::File(path.into()), level }
    }

    #[test]
    fn every_subsystem_logs_where_the_configuration_says() {
        use LevelFilter::{Debug as D, Error as E, Info as I, Trace as T, Warn as W};
        let global = |change: &dyn Fn(&mut LogTarget)| {
            let mut target = LogTarget::default();
            change(&mut target);
            Logging { global: target, ..Logging::default() }
        };
        let plain = Logging::default();
        let filed = global(&|t| {
            (t.to_syslog, t.to_stderr, t.to_logfile) = (Some(false), Some(false), Some(true));
            t.logfile = Some("/log".to_owned());
            t.logfile_priority = Some(Priority::Warning);
        });
        let nowhere = global(&|t| (t.to_syslog, t.to_logfile) = (Some(false), Some(true)));
        let local = global(&|t| {
            t.syslog_facility = Facility::from_name("local4");
            t.syslog_priority = Some(Priority::Critical);
        });
        let debug = global(&|t| t.debug = Some(Debug::On));
        let mut special = filed.clone();
        let own = LogTarget {
            debug: Some(Debug::Trace),
            logfile: Some("/totem".to_owned()),
            to_stderr: Some(true),
            ..LogTarget::default()
        };
        special.subsystems = BTreeMap::from([("TOTEM".to_owned(), own)]);
        let nothing = Given::default();
        let quiet = Given { level: Some(LevelFilter::Error), ..Given::default() };
        let elsewhere = Given { file: Some("/given".into()), ..Given::default() };
        let facility = Given { facility: Facility::from_name("user"), ..Given::default() };
        for (logging, subsystem, given, journal, expected) in [
            (&plain, "MAIN", &nothing, false, vec![stderr(I), system("daemon", I)]),
            (&plain, "MAIN", &nothing, true, vec![system("daemon", I)]),
            (&nowhere, "MAIN", &nothing, true, vec![stderr(I)]),
            (&filed, "MAIN", &nothing, false, vec![file("/log", W)]),
            (&local, "CPG", &nothing, true, vec![system("local4", E)]),
            (&debug, "CPG", &nothing, true, vec![system("daemon", D)]),
            (&special, "TOTEM", &nothing, false, vec![stderr(T), file("/totem", T)]),
            (&special, "KNET", &nothing, false, vec![file("/log", W)]),
            // The command line wins.
            (&special, "TOTEM", &quiet, false, vec![stderr(E), file("/totem", E)]),
            (&special, "TOTEM", &elsewhere, false, vec![file("/given", T)]),
            (&filed, "MAIN", &elsewhere, false, vec![file("/given", W)]),
            (&local, "MAIN", &facility, true, vec![system("user", E)]),
        ] {
            let got = routes(logging, subsystem, given, journal);
            assert_eq!(got, expected, "{subsystem} of {logging:?} with {given:?}");
        }
    }

    #[test]
    fn a_line_belongs_to_the_subsystem_of_the_module_that_wrote_it() {
        for (target, expected) in [
            ("cpg::link::peers", "KNET"),
            ("cpg::ring::custody", "TOTEM"),
            ("cpg::node", "SYNC"),
            ("quorum", "QUORUM"),
            ("quorum::votes", "VOTEQ"),
            ("node_daemon::cib::store", "CIB"),
            ("node_daemon::cibadmin", "MAIN"),
            ("node_daemon::supervisor", "MAIN"),
            ("mio", "MAIN"),
        ] {
            assert_eq!(subsystem(target), expected, "{target}");
        }
    }
}
