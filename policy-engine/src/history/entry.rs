//! One remembered result: an `lrm_rsc_op` read once into fields (spec 11 §1).

use cib_model::Element;
use cib_model::scalar::{parse_integer, scan_integer};

/// Execution status codes that history records (spec 11 §6.1).
pub mod status {
    /// Not finished.
    pub const PENDING: i32 = -1;
    /// Finished.
    pub const DONE: i32 = 0;
    /// Cancelled; such entries are ignored.
    pub const CANCELLED: i32 = 1;
    /// The agent does not support the action.
    pub const NOT_SUPPORTED: i32 = 3;
    /// Failed.
    pub const ERROR: i32 = 4;
    /// Failed so that the node cannot be used.
    pub const HARD: i32 = 5;
    /// Failed so that no node can be used.
    pub const FATAL: i32 = 6;
    /// The agent is not installed.
    pub const NOT_INSTALLED: i32 = 7;
    /// The executor cannot be reached.
    pub const NOT_CONNECTED: i32 = 8;
    /// No fence device.
    pub const NO_FENCE_DEVICE: i32 = 10;
    /// Secret parameters are not available.
    pub const NO_SECRETS: i32 = 11;
}

/// Exit codes (spec 11 §6.1).
pub mod rc {
    /// Success.
    pub const OK: i32 = 0;
    /// Invalid parameter.
    pub const INVALID: i32 = 2;
    /// Action not implemented.
    pub const UNIMPLEMENTED: i32 = 3;
    /// Insufficient privileges.
    pub const PRIVILEGES: i32 = 4;
    /// Not installed.
    pub const NOT_INSTALLED: i32 = 5;
    /// Not configured.
    pub const NOT_CONFIGURED: i32 = 6;
    /// Not running.
    pub const NOT_RUNNING: i32 = 7;
    /// Running promoted.
    pub const PROMOTED: i32 = 8;
    /// Failed while promoted.
    pub const FAILED_PROMOTED: i32 = 9;
    /// Running, degraded.
    pub const DEGRADED: i32 = 190;
    /// Running promoted, degraded.
    pub const DEGRADED_PROMOTED: i32 = 191;
}

/// Fields of an entry. Numbers are read leniently; what is absent stays `None`.
#[derive(Debug, Clone, Copy)]
pub struct Entry<'d> {
    /// The `lrm_rsc_op`.
    pub element: Element<'d>,
    /// `id`; empty if absent.
    pub id: &'d str,
    /// `operation_key`, or the id where that is absent or empty.
    pub key: &'d str,
    /// `operation`; empty if absent.
    pub task: &'d str,
    /// `interval` in ms.
    pub interval_ms: u64,
    /// `call-id` as text.
    pub call_id_text: Option<&'d str>,
    /// `call-id`; −1 while pending.
    pub call_id: i64,
    /// `rc-code` as text.
    pub rc_text: Option<&'d str>,
    /// `rc-code`.
    pub rc: Option<i32>,
    /// `op-status` as text.
    pub status_text: Option<&'d str>,
    /// `op-status`.
    pub status: Option<i32>,
    /// Third number of `transition-key`; −1 if there is none.
    pub expected_rc: i32,
    /// `transition-magic`.
    pub magic: Option<&'d str>,
    /// `last-rc-change`, epoch seconds.
    pub last_change: Option<i64>,
    /// `on_node`.
    pub on_node: Option<&'d str>,
    /// `migrate_source`.
    pub migrate_source: Option<&'d str>,
    /// `migrate_target`.
    pub migrate_target: Option<&'d str>,
    /// `exit-reason`.
    pub exit_reason: Option<&'d str>,
    /// `op-digest`.
    pub digest: Option<&'d str>,
    /// `op-restart-digest`.
    pub restart_digest: Option<&'d str>,
    /// `op-force-restart`.
    pub force_restart: Option<&'d str>,
    /// `op-secure-digest`.
    pub secure_digest: Option<&'d str>,
    /// `op-secure-params`.
    pub secure_params: Option<&'d str>,
    /// `crm_feature_set`.
    pub feature_set: Option<&'d str>,
}

impl<'d> Entry<'d> {
    /// Reads an element in one pass over its attributes.
    pub fn read(element: Element<'d>) -> Entry<'d> {
        let mut entry = Entry {
            element,
            id: "",
            key: "",
            task: "",
            interval_ms: 0,
            call_id_text: None,
            call_id: -1,
            rc_text: None,
            rc: None,
            status_text: None,
            status: None,
            expected_rc: -1,
            magic: None,
            last_change: None,
            on_node: None,
            migrate_source: None,
            migrate_target: None,
            exit_reason: None,
            digest: None,
            restart_digest: None,
            force_restart: None,
            secure_digest: None,
            secure_params: None,
            feature_set: None,
        };
        for (name, value) in element.attributes() {
            entry.set(name, value);
        }
        if entry.key.is_empty() {
            entry.key = entry.id;
        }
        entry
    }

    /// Most of a large CIB is attributes of entries, so names are told apart by length first.
    fn set(&mut self, name: &str, value: &'d str) {
        match (name.len(), name) {
            (2, "id") => self.id = value,
            (7, "call-id") => {
                self.call_id_text = Some(value);
                self.call_id = parse_integer(value).unwrap_or(-1);
            }
            (7, "rc-code") => {
                self.rc_text = Some(value);
                self.rc = small(value);
            }
            (7, "on_node") => self.on_node = Some(value),
            (8, "interval") => {
                self.interval_ms = parse_integer(value).map_or(0, |v| v.max(0).unsigned_abs());
            }
            (9, "op-status") => {
                self.status_text = Some(value);
                self.status = small(value);
            }
            (9, "operation") => self.task = value,
            (9, "op-digest") => self.digest = Some(value),
            (11, "exit-reason") => self.exit_reason = Some(value),
            (13, "operation_key") => self.key = value,
            (14, "transition-key") => self.expected_rc = TransitionKey::expected_rc_of(value),
            (14, "last-rc-change") => self.last_change = parse_integer(value),
            (14, "migrate_source") => self.migrate_source = Some(value),
            (14, "migrate_target") => self.migrate_target = Some(value),
            (15, "crm_feature_set") => self.feature_set = Some(value),
            (16, "transition-magic") => self.magic = Some(value),
            (16, "op-force-restart") => self.force_restart = Some(value),
            (16, "op-secure-digest") => self.secure_digest = Some(value),
            (16, "op-secure-params") => self.secure_params = Some(value),
            (17, "op-restart-digest") => self.restart_digest = Some(value),
            _ => {}
        }
    }

    /// All entries of an `lrm_resource`, in document order.
    pub fn all(lrm_resource: Element<'d>) -> Vec<Entry<'d>> {
        lrm_resource.children_named("lrm_rsc_op").map(Entry::read).collect()
    }

    /// A monitor that does not recur.
    pub fn is_probe(&self) -> bool {
        self.task == "monitor" && self.interval_ms == 0
    }

    /// A probe whose recorded result only says that the resource cannot run here.
    pub fn is_maskable(&self) -> bool {
        self.is_probe()
            && (matches!(self.rc, Some(rc::NOT_INSTALLED | rc::INVALID))
                || self.status == Some(status::NOT_INSTALLED))
    }

    /// The entry that keeps the last failure.
    pub fn is_last_failure(&self) -> bool {
        self.id.ends_with("_last_failure_0")
    }

    /// Finished with exit code 0.
    pub fn succeeded(&self) -> bool {
        self.rc == Some(rc::OK) && self.status == Some(status::DONE)
    }
}

fn small(text: &str) -> Option<i32> {
    parse_integer(text).map(|v| v.clamp(i64::from(i32::MIN), i64::from(i32::MAX)) as i32)
}

/// A `transition-key`: `ACTION:TRANSITION:EXPECTEDRC:UUID`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TransitionKey<'d> {
    /// Number of the transition.
    pub transition: i64,
    /// Expected exit code.
    pub expected_rc: i32,
    /// Who made the transition: up to 36 non-blank characters.
    pub uuid: &'d str,
}

impl<'d> TransitionKey<'d> {
    /// Reads a key; `None` if a part is missing.
    pub fn parse(text: &'d str) -> Option<TransitionKey<'d>> {
        let (transition, expected_rc, rest) = TransitionKey::numbers(text)?;
        let end = rest
            .char_indices()
            .take(36)
            .take_while(|(_, c)| !c.is_ascii_whitespace())
            .map(|(i, c)| i + c.len_utf8())
            .last()?;
        Some(TransitionKey { transition, expected_rc, uuid: &rest[..end] })
    }

    /// The expected exit code of a key; −1 if a part of the key is missing.
    fn expected_rc_of(text: &str) -> i32 {
        match TransitionKey::numbers(text) {
            Some((_, expected_rc, rest)) if !rest.is_empty() => expected_rc,
            _ => -1,
        }
    }

    /// Transition, expected exit code, and what follows them without leading blanks.
    fn numbers(text: &str) -> Option<(i64, i32, &str)> {
        let (_, rest) = number(text, ':')?;
        let (transition, rest) = number(rest, ':')?;
        let (expected, rest) = number(rest, ':')?;
        Some((transition, expected as i32, rest.trim_start()))
    }

    /// Reads the key inside a `transition-magic`: `OPSTATUS:RC;KEY`.
    pub fn from_magic(text: &'d str) -> Option<TransitionKey<'d>> {
        let (_, rest) = number(text, ':')?;
        let (_, rest) = number(rest, ';')?;
        TransitionKey::parse(rest)
    }
}

fn number(text: &str, separator: char) -> Option<(i64, &str)> {
    let scan = scan_integer(text)?;
    Some((scan.value, scan.rest.strip_prefix(separator)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transition_keys_need_all_four_parts() {
        let key = TransitionKey::parse("4:12:7:some-uuid").unwrap();
        assert_eq!((key.transition, key.expected_rc, key.uuid), (12, 7, "some-uuid"));
        for bad in ["", "4:12:7", "4:12:7:", "4:12:x:u", "0:0:3d4c8f7e-uuid"] {
            assert_eq!(TransitionKey::parse(bad), None, "{bad}");
        }
        let magic = TransitionKey::from_magic("0:7;4:-1:7:u").unwrap();
        assert_eq!((magic.transition, magic.uuid), (-1, "u"));
        assert_eq!(TransitionKey::from_magic("0:0:uuid"), None);
    }
}
