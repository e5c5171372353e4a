//! The node's own checks: commands that must all succeed for the node to be worth more to the arbiter
//! (`quorum.device.heuristics`, corosync-qdevice(8)). What to run and when; the driver runs it.

use std::time::Duration;

use super::settings::NetError;

/// Most `exec_NAME` keys.
const MAX_COMMANDS: usize = 32;
const TIMEOUT: std::ops::RangeInclusive<u64> = 1000..=120_000;
const INTERVAL: std::ops::RangeInclusive<u64> = 1000..=3_600_000;

/// One command: the program and its arguments; no shell is involved.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CheckCommand {
    /// `NAME` of its `exec_NAME` key.
    pub name: String,
    /// Absolute path.
    pub program: String,
    /// Arguments.
    pub arguments: Vec<String>,
}

/// The checks of a node.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Checks {
    /// Run side by side; the checks pass if all end in time with status 0.
    pub commands: Vec<CheckCommand>,
    /// Longest run of a regular check; what runs longer is killed and has failed.
    pub timeout: Duration,
    /// The same at a membership change and on connecting.
    pub sync_timeout: Duration,
    /// Time between regular checks (`mode: on`); `None` with `mode: sync`.
    pub interval: Option<Duration>,
}

/// The keys below `quorum.device.heuristics`, as written.
#[derive(Clone, Debug, Default)]
pub(super) struct CheckKeys<'a> {
    mode: Option<&'a str>,
    timeout: Option<&'a str>,
    sync_timeout: Option<&'a str>,
    interval: Option<&'a str>,
    commands: Vec<(&'a str, &'a str)>,
}

impl<'a> CheckKeys<'a> {
    /// Takes a key; `false` if it is not one of these.
    pub(super) fn set(&mut self, key: &'a str, value: &'a str) -> bool {
        match key {
            "mode" => self.mode = Some(value),
            "timeout" => self.timeout = Some(value),
            "sync_timeout" => self.sync_timeout = Some(value),
            "interval" => self.interval = Some(value),
            _ => match key.strip_prefix("exec_").filter(|name| !name.is_empty()) {
                Some(name) => self.commands.push((name, value)),
                None => return false,
            },
        }
        true
    }

    /// `None` when no checks are to be made. `timeout` and `sync_timeout` are the device's.
    pub(super) fn read(
        self,
        timeout: Duration,
        sync_timeout: Duration,
    ) -> Result<Option<Checks>, NetError> {
        let regular = match self.mode {
            None | Some("off") => return Ok(None),
            Some("sync") => false,
            Some("on") => true,
            Some(other) => {
                return Err(NetError::value("heuristics.mode", other, "on, off or sync"));
            }
        };
        let within = |key, text: Option<&str>, range: std::ops::RangeInclusive<u64>, accepted| {
            let Some(text) = text else { return Ok(None) };
            let millis = text.parse().ok().filter(|millis| range.contains(millis));
            millis
                .map(|millis| Some(Duration::from_millis(millis)))
                .ok_or_else(|| NetError::value(key, text, accepted))
        };
        let short = "milliseconds from 1000 to 120000";
        let bounded = |time: Duration| {
            let millis = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
            Duration::from_millis(millis.clamp(*TIMEOUT.start(), *TIMEOUT.end()))
        };
        let given = within("heuristics.timeout", self.timeout, TIMEOUT, short)?;
        let given_sync = within("heuristics.sync_timeout", self.sync_timeout, TIMEOUT, short)?;
        let long = "milliseconds from 1000 to 3600000";
        let interval = within("heuristics.interval", self.interval, INTERVAL, long)?;
        if self.commands.is_empty() || self.commands.len() > MAX_COMMANDS {
            return Err(NetError::CheckCommands(self.commands.len()));
        }
        let commands: Result<_, _> =
            self.commands.into_iter().map(|(name, text)| command(name, text)).collect();
        Ok(Some(Checks {
            commands: commands?,
            timeout: given.unwrap_or_else(|| bounded(timeout / 2)),
            sync_timeout: given_sync.unwrap_or_else(|| bounded(sync_timeout / 2)),
            interval: regular.then(|| interval.unwrap_or(timeout * 3)),
        }))
    }
}

fn command(name: &str, text: &str) -> Result<CheckCommand, NetError> {
    let mut words = split(text).into_iter().flatten();
    match words.next() {
        Some(program) if program.starts_with('/') => {
            Ok(CheckCommand { name: name.to_owned(), program, arguments: words.collect() })
        }
        _ => Err(NetError::value(
            "heuristics.exec_NAME",
            text,
            "an absolute path with arguments, double quotes and backslashes in pairs",
        )),
    }
}

/// Splits a line into words; double quotes and backslashes keep blanks. `None` if something is left
/// open.
fn split(text: &str) -> Option<Vec<String>> {
    let (mut words, mut word, mut quoted) = (Vec::new(), None::<String>, false);
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        match c {
            '\\' => word.get_or_insert_default().push(rest.next()?),
            '"' => {
                quoted = !quoted;
                word.get_or_insert_default();
            }
            c if c.is_ascii_whitespace() && !quoted => words.extend(word.take()),
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    (!quoted).then_some(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(keys: &[(&str, &str)]) -> Result<Option<Checks>, String> {
        let mut checks = CheckKeys::default();
        assert!(keys.iter().all(|(key, value)| checks.set(key, value)));
        checks
            .read(Duration::from_secs(10), Duration::from_secs(30))
            .map_err(|error| error.to_string())
    }

    #[test]
    fn lines_are_split_as_a_shell_would() {
        for (text, words) in [
            ("/bin/ping -c 1 10.0.0.1", Some(&["/bin/ping", "-c", "1", "10.0.0.1"][..])),
            (r#"/bin/sh -c "exit 0""#, Some(&["/bin/sh", "-c", "exit 0"])),
            (r#"/x a\ b "" "q\"q""#, Some(&["/x", "a b", "", "q\"q"])),
            ("", Some(&[])),
            (r#"/x "open"#, None),
            (r"/x \", None),
        ] {
            assert_eq!(
                split(text).as_deref().map(|w| w.iter().map(String::as_str).collect()),
                words.map(<[&str]>::to_vec),
                "{text}"
            );
        }
    }

    #[test]
    fn defaults_follow_the_times_of_the_device() {
        let command = ("exec_ping", "/bin/true");
        assert_eq!(read(&[command]), Ok(None));
        assert_eq!(read(&[("mode", "off"), command]), Ok(None));
        let sync = read(&[("mode", "sync"), command]).unwrap().unwrap();
        assert_eq!(sync.interval, None);
        assert_eq!((sync.timeout.as_secs(), sync.sync_timeout.as_secs()), (5, 15));
        let on = read(&[("mode", "on"), command]).unwrap().unwrap();
        assert_eq!(on.interval, Some(Duration::from_secs(30)));
        assert_eq!((on.commands[0].name.as_str(), on.commands.len()), ("ping", 1));
    }

    #[test]
    fn what_cannot_be_run_is_refused_with_what_would_be_right() {
        let command = ("exec_a", "/bin/true");
        for (keys, expected) in [
            (&[("mode", "maybe"), command][..], "on, off or sync"),
            (&[("mode", "on")], "1 to 32 exec_NAME keys (found: 0)"),
            (&[("mode", "on"), ("exec_a", "ping")], "an absolute path"),
            (&[("mode", "on"), ("exec_a", "/x \"")], "an absolute path"),
            (&[("mode", "on"), command, ("timeout", "10")], "from 1000 to 120000"),
            (&[("mode", "on"), command, ("sync_timeout", "x")], "from 1000 to 120000"),
            (&[("mode", "on"), command, ("interval", "0")], "from 1000 to 3600000"),
        ] {
            let error = read(keys).unwrap_err();
            assert!(error.contains(expected), "{keys:?}: {error}");
        }
    }
}
