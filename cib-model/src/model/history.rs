//! Results of operations (`lrm_rsc_op`) and the transition they belong to.

use std::fmt;
use std::time::Duration;

use super::reader::{FromAttribute, Reader};
use crate::document::Element;
use crate::scalar::Version;

/// An `lrm_rsc_op`.
#[derive(Clone, Debug)]
pub struct HistoryEntry<'d> {
    /// The element.
    pub element: Element<'d>,
    /// Its id, such as `RSC_last_0`.
    pub id: &'d str,
    /// `RSC_TASK_INTERVAL`.
    pub operation_key: Option<&'d str>,
    /// The task.
    pub operation: &'d str,
    /// Which part of the software wrote this.
    pub origin: Option<&'d str>,
    /// The feature set of the cluster that asked for the operation.
    pub feature_set: Option<Version<'d>>,
    /// The action of a transition that asked for it.
    pub transition_key: Option<TransitionKey>,
    /// The result, with the action that asked for it.
    pub transition_magic: Option<TransitionMagic>,
    /// Why it failed.
    pub exit_reason: Option<&'d str>,
    /// The node on which it was done.
    pub on_node: Option<&'d str>,
    /// Its number among the operations of the executor.
    pub call_id: i32,
    /// The exit code of the agent; -1 when absent.
    pub rc_code: i32,
    /// The status of the execution; -1, pending, when absent.
    pub op_status: i32,
    /// Its interval; zero when it is not repeated.
    pub interval: Duration,
    /// When the exit code changed last, in seconds since the epoch.
    pub last_rc_change: Option<i64>,
    /// How long it took.
    pub exec_time: Duration,
    /// How long it waited before.
    pub queue_time: Duration,
    /// Digest of its parameters.
    pub op_digest: Option<&'d str>,
    /// Parameters that need a restart when they change, separated and surrounded by spaces.
    pub op_force_restart: Option<&'d str>,
    /// Digest of those parameters.
    pub op_restart_digest: Option<&'d str>,
    /// Parameters that are secret, separated and surrounded by spaces.
    pub op_secure_params: Option<&'d str>,
    /// Digest of the other parameters.
    pub op_secure_digest: Option<&'d str>,
    /// The node from which the resource migrated.
    pub migrate_source: Option<&'d str>,
    /// The node to which the resource migrated.
    pub migrate_target: Option<&'d str>,
    /// Legacy: when it was done, in seconds since the epoch.
    pub last_run: Option<i64>,
}

/// `ACTION:TRANSITION:TARGET_RC:UUID`: the action of a transition, and the exit code it expects.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TransitionKey {
    /// The number of the action.
    pub action: i32,
    /// The number of the transition.
    pub transition: i32,
    /// The exit code with which the action counts as successful.
    pub target_rc: i32,
    /// The controller that made the transition.
    pub uuid: String,
}

/// `STATUS:RC;KEY`: the result of an action.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TransitionMagic {
    /// The status of the execution.
    pub op_status: i32,
    /// The exit code of the agent.
    pub rc: i32,
    /// The action.
    pub key: TransitionKey,
}

impl TransitionKey {
    /// Reads the text form.
    pub fn parse(text: &str) -> Option<TransitionKey> {
        let mut parts = text.splitn(4, ':');
        let mut number = || parts.next()?.parse().ok();
        let (action, transition, target_rc) = (number()?, number()?, number()?);
        let uuid = parts.next().filter(|uuid| !uuid.is_empty())?;
        Some(TransitionKey { action, transition, target_rc, uuid: uuid.to_owned() })
    }
}

impl fmt::Display for TransitionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let TransitionKey { action, transition, target_rc, uuid } = self;
        write!(f, "{action}:{transition}:{target_rc}:{uuid:<36}")
    }
}

impl TransitionMagic {
    /// Reads the text form.
    pub fn parse(text: &str) -> Option<TransitionMagic> {
        let (result, key) = text.split_once(';')?;
        let (op_status, rc) = result.split_once(':')?;
        Some(TransitionMagic {
            op_status: op_status.parse().ok()?,
            rc: rc.parse().ok()?,
            key: TransitionKey::parse(key)?,
        })
    }
}

impl fmt::Display for TransitionMagic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{};{}", self.op_status, self.rc, self.key)
    }
}

impl FromAttribute for TransitionKey {
    fn read(text: &str) -> Option<TransitionKey> {
        TransitionKey::parse(text)
    }

    fn accepted() -> String {
        "ACTION:TRANSITION:TARGET_RC:UUID".to_owned()
    }
}

impl FromAttribute for TransitionMagic {
    fn read(text: &str) -> Option<TransitionMagic> {
        TransitionMagic::parse(text)
    }

    fn accepted() -> String {
        "STATUS:RC;ACTION:TRANSITION:TARGET_RC:UUID".to_owned()
    }
}

impl<'d> HistoryEntry<'d> {
    pub(super) fn read(reader: &mut Reader, element: Element<'d>) -> HistoryEntry<'d> {
        let r = reader;
        let mut milliseconds =
            |name| Duration::from_millis(r.value::<u64>(element, name).unwrap_or_default());
        let times = ["interval", "exec-time", "queue-time"].map(&mut milliseconds);
        let [interval, exec_time, queue_time] = times;
        HistoryEntry {
            element,
            id: r.required(element, "id"),
            operation_key: element.attribute("operation_key"),
            operation: r.required(element, "operation"),
            origin: element.attribute("crm-debug-origin"),
            feature_set: element.attribute("crm_feature_set").map(Version),
            transition_key: r.value(element, "transition-key"),
            transition_magic: r.value(element, "transition-magic"),
            exit_reason: element.attribute("exit-reason"),
            on_node: element.attribute("on_node"),
            call_id: r.value(element, "call-id").unwrap_or_default(),
            rc_code: r.value(element, "rc-code").unwrap_or(-1),
            op_status: r.value(element, "op-status").unwrap_or(-1),
            interval,
            last_rc_change: r.value(element, "last-rc-change"),
            exec_time,
            queue_time,
            op_digest: element.attribute("op-digest"),
            op_force_restart: element.attribute("op-force-restart"),
            op_restart_digest: element.attribute("op-restart-digest"),
            op_secure_params: element.attribute("op-secure-params"),
            op_secure_digest: element.attribute("op-secure-digest"),
            migrate_source: element.attribute("migrate_source"),
            migrate_target: element.attribute("migrate_target"),
            last_run: r.value(element, "last-run"),
        }
    }
}
