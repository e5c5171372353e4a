//! The `quorum` section of the configuration: from text entries to settings that hold together.
//!
//! [`Section::parse`] reads the key/value entries of the section (the file itself is read
//! elsewhere); [`Settings::start`] and [`Settings::reload`] combine them with the node list, refuse
//! what cannot work and say why (spec 71 §2 and §8).

mod combination;
mod tie_breaker;

use std::time::Duration;

pub use combination::{ConfigurationError, DeviceSettings, NodeVotes, Settings};
pub use tie_breaker::TieBreaker;

/// One `key: value` line of the section. Keys of the `device` subsection are written with their
/// path (`device.model`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry<'a> {
    /// Key relative to the section.
    pub key: &'a str,
    /// Value as written, without surrounding blanks.
    pub value: &'a str,
    /// Line in the file, from 1.
    pub line: u32,
}

/// A value that is not of its key's type.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: quorum.{key}: '{value}' is not accepted, expected {accepted}")]
pub struct OptionError {
    /// Line in the file.
    pub line: u32,
    /// Key relative to the section.
    pub key: String,
    /// The value found, cut after 64 characters.
    pub value: String,
    /// What would be right.
    pub accepted: &'static str,
}

/// The section as written: a field is `None` where the file is silent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Section {
    /// `provider`: only `corosync_votequorum` counts votes.
    pub provider: Option<String>,
    /// `expected_votes`: total votes of the complete cluster; 0 counts as not set.
    pub expected_votes: Option<u32>,
    /// `votes`: this node's votes where there is no node list.
    pub votes: Option<u32>,
    /// `two_node`.
    pub two_node: bool,
    /// `wait_for_all`; `None` follows `two_node`.
    pub wait_for_all: Option<bool>,
    /// `last_man_standing`.
    pub last_man_standing: bool,
    /// `last_man_standing_window`, default 10 s.
    pub last_man_standing_window: Option<Duration>,
    /// `auto_tie_breaker`.
    pub auto_tie_breaker: bool,
    /// `auto_tie_breaker_node`, as written.
    pub auto_tie_breaker_node: Option<String>,
    /// `allow_downscale`.
    pub allow_downscale: bool,
    /// `expected_votes_tracking`.
    pub expected_votes_tracking: bool,
    /// `device.model`; a non-empty model means that a device is configured.
    pub device_model: Option<String>,
    /// `device.votes`.
    pub device_votes: Option<u32>,
    /// `device.timeout`, default 10 s.
    pub device_timeout: Option<Duration>,
    /// `device.sync_timeout`, default 30 s.
    pub device_sync_timeout: Option<Duration>,
    /// `device.master_wins`: for the device's daemon.
    pub device_master_wins: bool,
    /// Further `device.*` entries, for the device's daemon.
    pub device_extra: Vec<(String, String)>,
    /// Keys this version does not know, with their lines.
    pub unknown: Vec<(String, u32)>,
}

/// Name of the one provider that counts votes.
pub const PROVIDER: &str = "corosync_votequorum";

impl Section {
    /// Reads the entries of the section; of a key given twice the last one holds.
    ///
    /// # Errors
    /// The first value that is not of its key's type, or an unknown provider.
    pub fn parse<'a>(entries: impl IntoIterator<Item = Entry<'a>>) -> Result<Section, OptionError> {
        let mut section = Section::default();
        for entry in entries {
            section.set(entry)?;
        }
        Ok(section)
    }

    fn set(&mut self, entry: Entry<'_>) -> Result<(), OptionError> {
        let text = || Some(entry.value.to_owned());
        match entry.key {
            "provider" if entry.value == PROVIDER => self.provider = text(),
            "provider" => return Err(refuse(entry, "'corosync_votequorum'")),
            "expected_votes" => self.expected_votes = Some(number(entry)?),
            "votes" => self.votes = Some(number(entry)?),
            "two_node" => self.two_node = switch(entry)?,
            "wait_for_all" => self.wait_for_all = Some(switch(entry)?),
            "last_man_standing" => self.last_man_standing = switch(entry)?,
            "last_man_standing_window" => self.last_man_standing_window = Some(millis(entry)?),
            "auto_tie_breaker" => self.auto_tie_breaker = switch(entry)?,
            "auto_tie_breaker_node" => self.auto_tie_breaker_node = text(),
            "allow_downscale" => self.allow_downscale = switch(entry)?,
            "expected_votes_tracking" => self.expected_votes_tracking = switch(entry)?,
            "device.model" => self.device_model = text().filter(|model| !model.is_empty()),
            "device.votes" => self.device_votes = Some(number(entry)?),
            "device.timeout" => self.device_timeout = Some(millis(entry)?),
            "device.sync_timeout" => self.device_sync_timeout = Some(millis(entry)?),
            "device.master_wins" => self.device_master_wins = switch(entry)?,
            key => match key.strip_prefix("device.") {
                Some(rest) => self.device_extra.push((rest.to_owned(), entry.value.to_owned())),
                None => self.unknown.push((key.to_owned(), entry.line)),
            },
        }
        Ok(())
    }
}

fn refuse(entry: Entry<'_>, accepted: &'static str) -> OptionError {
    OptionError {
        line: entry.line,
        key: entry.key.to_owned(),
        value: entry.value.chars().take(64).collect(),
        accepted,
    }
}

fn number(entry: Entry<'_>) -> Result<u32, OptionError> {
    entry.value.parse().map_err(|_| refuse(entry, "a whole number from 0 to 4294967295"))
}

fn millis(entry: Entry<'_>) -> Result<Duration, OptionError> {
    entry
        .value
        .parse::<u32>()
        .map(|ms| Duration::from_millis(ms.into()))
        .map_err(|_| refuse(entry, "milliseconds, a whole number from 0 to 4294967295"))
}

fn switch(entry: Entry<'_>) -> Result<bool, OptionError> {
    entry
        .value
        .parse::<u8>()
        .map(|v| v != 0)
        .map_err(|_| refuse(entry, "0 for off or 1 for on (any number up to 255 but 0 is on)"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(key: &str, value: &str) -> Result<Section, OptionError> {
        Section::parse([Entry { key, value, line: 7 }])
    }

    #[test]
    fn values_are_typed_and_refused_with_line_and_what_is_right() {
        assert!(parse("two_node", "1").unwrap().two_node);
        assert!(parse("two_node", "200").unwrap().two_node);
        assert_eq!(parse("wait_for_all", "0").unwrap().wait_for_all, Some(false));
        assert_eq!(
            parse("device.timeout", "250").unwrap().device_timeout,
            Some(Duration::from_millis(250))
        );
        for (key, value) in [
            ("two_node", "yes"),
            ("two_node", "256"),
            ("expected_votes", "-1"),
            ("expected_votes", "4294967296"),
            ("last_man_standing_window", "10s"),
            ("provider", "corosync_ykd"),
        ] {
            let error = parse(key, value).unwrap_err();
            assert_eq!((error.line, error.key.as_str()), (7, key));
            assert!(error.to_string().contains("expected"), "{error}");
        }
    }

    #[test]
    fn an_empty_model_is_no_device_and_unknown_keys_are_kept_with_their_line() {
        assert_eq!(parse("device.model", "").unwrap().device_model, None);
        assert_eq!(parse("two_nodes", "1").unwrap().unknown, [("two_nodes".to_owned(), 7)]);
        assert_eq!(
            parse("device.net.host", "arbiter").unwrap().device_extra,
            [("net.host".to_owned(), "arbiter".to_owned())]
        );
    }
}
