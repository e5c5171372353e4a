//! Results as the CIB's history records them, `lrm_rsc_op` (spec 60 §8.3, 80 §13.5).
//!
//! The boundary between typed results and the status section: what is recorded, under which id, with
//! which attributes in which order, and with which digests.

use std::fmt;

use crate::agent::Standard;
use crate::digest::{escape_into, parameter_digest};
use crate::executor::OperationResult;
use crate::metadata::AgentMetadata;
use crate::operation::{Parameters, Request};
use crate::outcome::{ExecStatus, OcfExit, Outcome};

/// What stands for the unknown transition of a result without a key.
const NO_UUID: &str = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";

/// Who writes, and with what knowledge.
#[derive(Debug, Clone, Copy)]
pub struct HistoryContext<'a> {
    /// The name of the node that writes.
    pub node: &'a str,
    /// What wrote it, for `crm-debug-origin`.
    pub origin: &'a str,
    /// The feature set to record if the request did not carry one.
    pub feature_set: &'a str,
    /// The agent's metadata, if known: without it reload and secret digests are left out.
    pub metadata: Option<&'a AgentMetadata>,
}

/// One history entry: attributes in the order in which they are written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryEntry {
    attributes: Vec<(&'static str, String)>,
}

/// A result as it is to be recorded; also what [`entries`] needs of a pending operation.
#[derive(Debug, Clone, Copy)]
struct Facts<'a> {
    resource: &'a str,
    action: &'a str,
    interval: u32,
    standard: Option<&'a Standard>,
    key: &'a str,
    call: i64,
    exit: OcfExit,
    status: ExecStatus,
    reason: Option<&'a str>,
    parameters: &'a Parameters,
    last_run: i64,
    last_change: i64,
    exec_ms: u128,
    queue_ms: u128,
}

impl HistoryEntry {
    /// The value of an attribute.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(other, _)| *other == name).map(|(_, value)| value.as_str())
    }

    /// All attributes in order.
    pub fn attributes(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.attributes.iter().map(|(name, value)| (*name, value.as_str()))
    }
}

impl fmt::Display for HistoryEntry {
    /// The element in the CIB's canonical text.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::from("<lrm_rsc_op");
        for (name, value) in &self.attributes {
            text += &format!(" {name}=\"");
            escape_into(&mut text, value);
            text.push('"');
        }
        text += "/>";
        f.write_str(&text)
    }
}

/// An action leaves a record; other results are only acknowledged.
#[must_use]
pub fn is_recordable(action: &str) -> bool {
    !matches!(action, "cancel" | "delete" | "notify" | "meta-data")
}

/// The result as the controller takes it: an error whose exit code says what the resource's state
/// is counts as done, and the scheduler decides (spec 80 §13.3).
#[must_use]
pub fn for_controller(mut outcome: Outcome) -> Outcome {
    let tells_state = matches!(
        outcome.exit,
        OcfExit::NotRunning | OcfExit::Promoted | OcfExit::Degraded | OcfExit::DegradedPromoted
    );
    if outcome.status == ExecStatus::Error && tells_state {
        outcome.status = ExecStatus::Done;
    }
    outcome
}

/// A result counts as a failure, given the exit code that was expected.
#[must_use]
pub fn is_failure(exit: OcfExit, status: ExecStatus, expected: i32) -> bool {
    match status {
        ExecStatus::Pending | ExecStatus::Cancelled => false,
        ExecStatus::NotSupported
        | ExecStatus::Timeout
        | ExecStatus::Error
        | ExecStatus::NotConnected
        | ExecStatus::NoFenceDevice
        | ExecStatus::NoSecrets
        | ExecStatus::Invalid => true,
        ExecStatus::Done
        | ExecStatus::ErrorHard
        | ExecStatus::ErrorFatal
        | ExecStatus::NotInstalled => exit.healthy().code() != expected,
    }
}

/// The exit code that a transition key expects, 0 if it is no key.
#[must_use]
pub fn expected_exit(transition_key: &str) -> i32 {
    let mut parts = transition_key.split(':');
    let mut number = || parts.next().and_then(|part| part.parse::<i32>().ok());
    match (number(), number(), number()) {
        (Some(_), Some(_), Some(expected)) => expected,
        _ => 0,
    }
}

/// The entries that record a result: one, or for a failed single run two that differ in their id.
#[must_use]
pub fn entries(result: &OperationResult, context: &HistoryContext<'_>) -> Vec<HistoryEntry> {
    let outcome = for_controller(result.outcome.clone());
    Facts {
        resource: result.resource.as_str(),
        action: result.action.as_str(),
        interval: result.interval.as_millis(),
        standard: Some(result.agent.standard()),
        key: &result.user_data,
        call: result.call.0.into(),
        exit: outcome.exit,
        status: outcome.status,
        reason: outcome.reason.as_deref(),
        parameters: &result.parameters,
        last_run: result.last_run,
        last_change: result.last_change,
        exec_ms: result.exec_time.as_millis(),
        queue_ms: result.queue_time.as_millis(),
    }
    .entries(context)
}

/// The entry that says an operation is about to run; none for actions without a record, and none if
/// the request declines it by `CRM_meta_record_pending`.
#[must_use]
pub fn pending_entry(
    request: &Request,
    epoch: i64,
    context: &HistoryContext<'_>,
) -> Option<HistoryEntry> {
    let declined = request.parameters.get("CRM_meta_record_pending").is_some_and(|value| {
        ["false", "off", "no", "n", "0"].iter().any(|word| value.eq_ignore_ascii_case(word))
    });
    if declined || !is_recordable(request.action.as_str()) {
        return None;
    }
    let facts = Facts {
        resource: request.resource.as_str(),
        action: request.action.as_str(),
        interval: request.interval.as_millis(),
        standard: None,
        key: &request.user_data,
        call: -1,
        exit: OcfExit::Unknown,
        status: ExecStatus::Pending,
        reason: None,
        parameters: &request.parameters,
        last_run: epoch,
        last_change: epoch,
        exec_ms: 0,
        queue_ms: 0,
    };
    facts.entries(context).pop()
}

impl Facts<'_> {
    fn entries(mut self, context: &HistoryContext<'_>) -> Vec<HistoryEntry> {
        let task = match self.action {
            "reload" | "reload-agent" if self.status == ExecStatus::Done => "start",
            "reload" | "reload-agent" => "monitor",
            other => other,
        };
        let notify = task == "notify";
        if notify && self.status != ExecStatus::Pending {
            (self.exit, self.status) = (OcfExit::Ok, ExecStatus::Done);
        }
        let expected = expected_exit(self.key);
        let failed = is_failure(self.exit, self.status, expected);
        let name = self.resource;
        let key = format!("{name}_{task}_{}", self.interval);
        let meta = |what| self.parameters.get(what).unwrap_or_default();
        let ids = if notify {
            let (kind, operation) =
                (meta("CRM_meta_notify_type"), meta("CRM_meta_notify_operation"));
            vec![format!("{name}_{kind}_notify_{operation}_0")]
        } else if matches!(task, "migrate_to" | "migrate_from") {
            vec![key.clone()]
        } else if failed && self.interval == 0 {
            vec![format!("{name}_last_failure_0"), format!("{name}_last_0")]
        } else if failed {
            vec![format!("{name}_last_failure_0")]
        } else if self.interval > 0 {
            vec![key.clone()]
        } else {
            vec![format!("{name}_last_0")]
        };
        let rest = self.attributes(task, &key, expected, failed, context);
        let entry = |id| HistoryEntry {
            attributes: [("id", id)].into_iter().chain(rest.iter().cloned()).collect(),
        };
        ids.into_iter().map(entry).collect()
    }

    fn attributes(
        &self,
        task: &str,
        key: &str,
        expected: i32,
        failed: bool,
        context: &HistoryContext<'_>,
    ) -> Vec<(&'static str, String)> {
        let transition = match self.key {
            "" => format!("{}:-1:{expected}:{NO_UUID}", self.call),
            key => key.into(),
        };
        let (exit, status) = (self.exit.code(), self.status.code());
        let feature_set = self.parameters.get("crm_feature_set").unwrap_or(context.feature_set);
        let mut attributes = vec![
            ("operation_key", key.into()),
            ("operation", task.into()),
            ("crm-debug-origin", context.origin.into()),
            ("crm_feature_set", feature_set.into()),
            ("transition-key", transition.clone()),
            ("transition-magic", format!("{status}:{exit};{transition}")),
            ("exit-reason", self.reason.filter(|_| failed).unwrap_or_default().into()),
            ("on_node", context.node.into()),
            ("call-id", self.call.to_string()),
            ("rc-code", exit.to_string()),
            ("op-status", status.to_string()),
            ("interval", self.interval.to_string()),
        ];
        let timed = self.last_run > 0 || self.last_change > 0;
        if timed || self.exec_ms > 0 || self.queue_ms > 0 {
            let changed = match self.last_change {
                change if self.interval > 0 && change > 0 => change,
                _ => self.last_run,
            };
            attributes.push(("last-rc-change", changed.to_string()));
            attributes.push(("exec-time", self.exec_ms.to_string()));
            attributes.push(("queue-time", self.queue_ms.to_string()));
        }
        if matches!(task, "migrate_to" | "migrate_from") {
            for (attribute, meta) in [
                ("migrate_source", "CRM_meta_migrate_source"),
                ("migrate_target", "CRM_meta_migrate_target"),
            ] {
                let value = self.parameters.get(meta);
                attributes.extend(value.map(|value| (attribute, value.into())));
            }
        }
        self.add_digests(&mut attributes, context);
        attributes
    }

    /// The parameters that make a change of the definition, sorted by name.
    fn digested(&self) -> Vec<(&str, &str)> {
        let kept = |name: &str| {
            let meta = name.starts_with("CRM_meta_");
            let put_back = self.interval > 0 && name == "CRM_meta_timeout";
            let internal = matches!(
                name,
                "id" | "crm_feature_set"
                    | "op-digest"
                    | "on_node"
                    | "on_node_uuid"
                    | "pcmk_external_ip"
            );
            put_back || !(meta || internal)
        };
        self.parameters.iter().filter(|(name, _)| kept(name)).collect()
    }

    fn add_digests(
        &self,
        attributes: &mut Vec<(&'static str, String)>,
        context: &HistoryContext<'_>,
    ) {
        let all = self.digested();
        attributes.push(("op-digest", parameter_digest(all.iter().copied())));
        let Some(metadata) = context.metadata.filter(|_| self.needs_metadata()) else { return };
        if self.interval == 0
            && let Some(restart) = metadata.restart_parameters()
        {
            let some = all.iter().copied().filter(|(name, _)| restart.contains(name));
            attributes.push(("op-force-restart", list(&restart)));
            attributes.push(("op-restart-digest", parameter_digest(some)));
        }
        let private = metadata.private_parameters();
        if !private.is_empty() {
            let some = all.iter().copied().filter(|(name, _)| !private.contains(name));
            attributes.push(("op-secure-params", list(&private)));
            attributes.push(("op-secure-digest", parameter_digest(some)));
        }
    }

    fn needs_metadata(&self) -> bool {
        self.standard.is_some_and(|standard| needs_metadata(standard, self.action))
    }
}

/// Whether the controller needs an agent's metadata to run an action and record it
/// (spec 80 §13.2).
#[must_use]
pub fn needs_metadata(standard: &Standard, action: &str) -> bool {
    standard.takes_parameters()
        && matches!(
            action,
            "start"
                | "monitor"
                | "promote"
                | "demote"
                | "reload"
                | "reload-agent"
                | "migrate_to"
                | "migrate_from"
                | "notify"
        )
}

/// A list of names, with two blanks at either end; an empty one is empty.
fn list(names: &[&str]) -> String {
    if names.is_empty() { String::new() } else { format!("  {}  ", names.join(" ")) }
}

#[cfg(test)]
mod tests;
