//! How a line looks: in the node's own way where the command line says where to log, and in the way of the
//! reference (spec 70 §13.6) where the configuration does.

use cpg::configuration::Timestamp;
use jiff::Zoned;
use log::{Level, Record};

use super::routes::{Destination, subsystem};

/// The name in front of lines that the configuration sends somewhere; filters of operators look for it.
const PROGRAM: &str = "corosync";

/// What is the same in all lines of a process.
#[derive(Debug, Clone)]
pub(super) struct Style {
    /// Written as the reference does.
    pub reference: bool,
    pub timestamp: Timestamp,
    pub fileline: bool,
    pub function_name: bool,
    /// The node.
    pub node: String,
    /// The node and the subsystem that is a process of its own.
    pub process: String,
    pub pid: u32,
}

fn word(level: Level) -> &'static str {
    match level {
        Level::Error => "error",
        Level::Warn => "warning",
        Level::Info => "info",
        Level::Debug => "debug",
        Level::Trace => "trace",
    }
}

/// Severity as RFC 3164 numbers it.
fn severity(level: Level) -> u8 {
    match level {
        Level::Error => 3,
        Level::Warn => 4,
        Level::Info => 6,
        Level::Debug | Level::Trace => 7,
    }
}

impl Style {
    /// The line for a destination, with its end where it needs one.
    pub fn line(&self, record: &Record<'_>, to: &Destination, now: &Zoned) -> String {
        if !self.reference {
            let (time, level) = (now.timestamp(), word(record.level()));
            return format!(
                "{time:.3} {}[{}] {level}: {}\n",
                self.process,
                self.pid,
                record.args()
            );
        }
        let text =
            format!("[{:<6}] {}{}", subsystem(record.target()), self.place(record), record.args());
        let level = word(record.level());
        match to {
            Destination::Stderr => format!("{}{level:<7} {text}\n", self.time(now)),
            Destination::File(_) => format!(
                "{}[{}] {} {PROGRAM} {level:<7} {text}\n",
                self.time(now),
                self.pid,
                self.node
            ),
            Destination::System(facility) => format!(
                "<{}>{} {PROGRAM}[{}]:   {text}",
                facility.number() * 8 + severity(record.level()),
                now.strftime("%b %e %H:%M:%S"),
                self.pid
            ),
        }
    }

    fn time(&self, now: &Zoned) -> String {
        match self.timestamp {
            Timestamp::Off => String::new(),
            Timestamp::Seconds => now.strftime("%b %d %H:%M:%S ").to_string(),
            Timestamp::Milliseconds => now.strftime("%b %d %H:%M:%S%.3f ").to_string(),
        }
    }

    fn place(&self, record: &Record<'_>) -> String {
        let module = record.module_path().unwrap_or("?");
        let (file, line) = (record.file().unwrap_or("?"), record.line().unwrap_or(0));
        match (self.fileline, self.function_name) {
            (false, false) => String::new(),
            (true, false) => format!("{file}:{line} "),
            (false, true) => format!("{module} "),
            (true, true) => format!("{file}:{module}:{line} "),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cpg::configuration::Facility;

    /// As the reference's daemon, 3.1.7, writes them.
    #[test]
    fn lines_are_those_that_operators_know() {
        let now: Zoned = "2026-12-01T05:24:36.833[UTC]".parse().unwrap();
        let style = Style {
            reference: true,
            timestamp: Timestamp::Milliseconds,
            fileline: false,
            function_name: false,
            node: "vm".to_owned(),
            process: "vm cib".to_owned(),
            pid: 2526,
        };
        let record = |level, target| {
            Record::builder()
                .level(level)
                .target(target)
                .module_path(Some("cpg::ring"))
                .file(Some("ring.rs"))
                .line(Some(7))
                .args(format_args!("what happened"))
                .build()
        };
        let (totem, main) = (record(Level::Info, "cpg::ring"), record(Level::Warn, "node_daemon"));
        let file = Destination::File("/log".into());
        let system = Destination::System(Facility::DAEMON);
        let seconds = Style { timestamp: Timestamp::Seconds, fileline: true, ..style.clone() };
        let timeless = Style { timestamp: Timestamp::Off, function_name: true, ..style.clone() };
        let both = Style { timestamp: Timestamp::Off, function_name: true, ..seconds.clone() };
        let own = Style { reference: false, ..style.clone() };
        for (style, record, to, expected) in [
            (
                &style,
                &totem,
                &file,
                "Dec 01 05:24:36.833 [2526] vm corosync info    [TOTEM ] what happened\n",
            ),
            (
                &style,
                &main,
                &Destination::Stderr,
                "Dec 01 05:24:36.833 warning [MAIN  ] what happened\n",
            ),
            (
                &style,
                &main,
                &system,
                "<28>Dec  1 05:24:36 corosync[2526]:   [MAIN  ] what happened",
            ),
            (
                &seconds,
                &totem,
                &Destination::Stderr,
                "Dec 01 05:24:36 info    [TOTEM ] ring.rs:7 what happened\n",
            ),
            (&timeless, &totem, &Destination::Stderr, "info    [TOTEM ] cpg::ring what happened\n"),
            (
                &both,
                &totem,
                &file,
                "[2526] vm corosync info    [TOTEM ] ring.rs:cpg::ring:7 what happened\n",
            ),
            (&own, &main, &file, "2026-12-01T05:24:36.833Z vm cib[2526] warning: what happened\n"),
        ] {
            assert_eq!(style.line(record, to, &now), expected);
        }
    }
}
