//! What the DC makes of results and of changes of the CIB (spec 60 §8.4–§8.6).

use std::time::Duration;

use cib_model::model::TransitionKey;
use cib_model::patch::{Change, Content};
use cib_model::{Document, Element};
use policy_engine::transition::GraphAction;
use policy_engine::transition::executor::CompletionAction;

use super::{Call, Controller, Timer, modify_status};
use crate::mutation::{Mutation, planted};
use crate::subsystem::{
    AttributesRequest, CibChanged, HistoryRecord, Now, Outputs, Room, SharedDocument,
};

/// What marks history that is sent again with a confirmation of a join: failures in it were counted.
pub(super) const RESENT: &str = "build_active_RAs";

/// Looks an attribute of a history entry up.
type Attributes<'e> = Box<dyn Fn(&str) -> Option<&'e str> + 'e>;

/// How long planning waits for a failure to be counted.
const COUNTED_WITHIN: Duration = Duration::from_millis(500);

/// One history entry that appeared or changed.
struct Appeared<'e> {
    node: String,
    resource: String,
    get: Attributes<'e>,
}

impl Appeared<'_> {
    /// A result that is not what the transition expected.
    fn is_unexpected(&self, key: &str) -> bool {
        let rc = (self.get)("rc-code").and_then(|value| value.parse::<i32>().ok()).unwrap_or(0);
        (self.get)("interval") != Some("0") && rc != lrm::history::expected_exit(key)
    }
}

impl Controller {
    /// A change of the CIB.
    pub(super) fn cib_changed(&mut self, now: Now, changed: &CibChanged, out: &mut Outputs) {
        let patch = &changed.patch;
        if changed.touches_options() {
            self.ask_options(out);
        }
        if self.lead.is_none() {
            return;
        }
        let internal = ["controller", "attributes", "fencer", "synchronisation"]
            .contains(&changed.origin.client.as_str());
        for change in &patch.changes {
            let path = change.path();
            if matches!(change, Change::Modify { path, .. } if path == "/cib") {
                continue;
            }
            let moved = matches!(change, Change::Move { .. });
            if moved && !path.starts_with("/cib/configuration/resources") {
                continue;
            }
            if self.is_configuration(change) {
                if self.only_own_options(change, &changed.origin.client) {
                    continue;
                }
                return self.restart_transition(now, "Configuration change", out);
            }
            if path.contains("/tickets") || path.ends_with("/tickets") {
                return self.restart_transition(now, "Ticket attribute change", out);
            }
            if path.contains("/transient_attributes") || creates(change, "transient_attributes") {
                let removed = matches!(change, Change::Delete { .. });
                self.failures_counted(change);
                if !(removed && self.is_expected_down(path)) {
                    self.restart_transition(now, "Transient attribute change", out);
                }
                continue;
            }
            self.status_changed(now, change, internal, out);
        }
    }

    fn is_configuration(&self, change: &Change) -> bool {
        change.path().starts_with("/cib/configuration") || creates(change, "configuration")
    }

    /// Options that a DC writes when it takes over are no reason to plan: the join is.
    fn only_own_options(&self, change: &Change, client: &str) -> bool {
        client == "controller"
            && change.path().starts_with("/cib/configuration/crm_config")
            && self.state < super::State::PolicyEngine
    }

    fn is_expected_down(&self, path: &str) -> bool {
        let run = self.lead.as_ref().and_then(|lead| lead.run.as_ref());
        match (run, quoted(path, "node_state")) {
            (Some(run), Some(id)) => run.takes_down(id).is_some(),
            _ => false,
        }
    }

    fn status_changed(&mut self, now: Now, change: &Change, internal: bool, out: &mut Outputs) {
        match change {
            Change::Delete { path, .. } => self.removed(now, path, internal, out),
            Change::Create { parent, content: Content::Element(content), .. } => {
                self.created(now, parent, content, out);
            }
            Change::Modify { path, name, result, .. } if name == "lrm_rsc_op" => {
                let node = quoted(path, "node_state").unwrap_or_default();
                let resource = quoted(path, "lrm_resource").unwrap_or_default().to_owned();
                let get = |name: &str| {
                    result.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
                };
                let node = self.node_name(node);
                self.result(now, &Appeared { node, resource, get: Box::new(get) }, out);
            }
            _ => {}
        }
    }

    fn node_name(&self, xml_id: &str) -> String {
        let node = self.peers.by_xml_id(xml_id);
        node.map_or_else(|| xml_id.to_owned(), |node| self.peers.name(node).to_owned())
    }

    fn created(&mut self, now: Now, parent: &str, content: &Document, out: &mut Outputs) {
        let outer_node = quoted(parent, "node_state").map(|id| self.node_name(id));
        let outer_resource = quoted(parent, "lrm_resource").map(str::to_owned);
        let entries: Vec<Element<'_>> =
            content.root().descendants().filter(|element| element.name() == "lrm_rsc_op").collect();
        for entry in entries {
            let above = |name: &str| entry.ancestors().find(|element| element.name() == name);
            let node =
                above("node_state").and_then(|state| state.attribute("uname")).map(str::to_owned);
            let resource = above("lrm_resource").and_then(Element::xml_id).map(str::to_owned);
            let appeared = Appeared {
                node: node.or_else(|| outer_node.clone()).unwrap_or_default(),
                resource: resource.or_else(|| outer_resource.clone()).unwrap_or_default(),
                get: Box::new(move |name| entry.attribute(name)),
            };
            self.result(now, &appeared, out);
        }
    }

    fn removed(&mut self, now: Now, path: &str, internal: bool, out: &mut Outputs) {
        let last = path.rsplit('/').next().unwrap_or_default();
        if last.starts_with("lrm_rsc_op") {
            let node = self.node_name(quoted(path, "node_state").unwrap_or_default());
            let id = quoted(path, "lrm_rsc_op").unwrap_or_default().to_owned();
            let run = self.lead.as_mut().and_then(|lead| lead.run.as_mut());
            let cancelled = run.and_then(|run| run.cancels.remove(&(id, node)));
            match cancelled {
                Some(number) => drop(self.confirm_action(number, false)),
                None => self.restart_transition(now, "Resource operation removal", out),
            }
        } else if last.starts_with("lrm[") || last == "lrm" || last.starts_with("node_state") {
            // What this controller removes itself, at a join or after fencing, it has planned for.
            if !internal && !self.is_expected_down(path) {
                self.restart_transition(now, "Resource state removal", out);
            }
        }
    }

    /// A result recorded in the CIB or acknowledged directly (spec 60 §8.4).
    fn result(&mut self, now: Now, entry: &Appeared<'_>, out: &mut Outputs) {
        let Some(text) = (entry.get)("transition-key") else { return };
        if planted(Mutation::IgnoreFailures) && entry.is_unexpected(text) {
            return;
        }
        let number = |name: &str| (entry.get)(name).and_then(|value| value.parse::<i32>().ok());
        let status = number("op-status").unwrap_or(0);
        if status == -1 || (entry.get)("crm-debug-origin") == Some(RESENT) {
            return;
        }
        let rc = match number("rc-code").unwrap_or(0) {
            190 => 0,
            191 => 8,
            rc => rc,
        };
        let Some(key) = TransitionKey::parse(text) else {
            return self.restart_transition(now, "Bad event", out);
        };
        let recurring = number("interval").is_some_and(|interval| interval > 0);
        let ours = key.uuid == self.uuid;
        let run = self.lead.as_ref().and_then(|lead| lead.run.as_ref());
        let current =
            run.is_some_and(|run| ours && i64::from(key.transition) == run.id && !run.is_over());
        let action = run.filter(|_| current && key.action >= 0);
        let action = action.and_then(|run| run.action(key.action as u32)).cloned();
        let ignore = action.as_ref().is_some_and(|action| {
            action.attributes.get("CRM_meta_on_fail").is_some_and(|value| value == "ignore")
        });
        if status != 9 && rc != key.target_rc {
            self.count_failure(now, entry, &key, ignore, out);
        }
        if key.transition == -1 {
            self.restart_transition(now, "Unexpected event", out);
        } else if !ours || key.action < 0 {
            self.restart_transition(now, "Foreign event", out);
        } else if !current {
            let reason = if recurring { "Change in recurring result" } else { "Old event" };
            self.restart_transition(now, reason, out);
        } else if let Some(action) = action {
            self.action_ended(now, &action, rc != key.target_rc && !ignore, out);
        } else {
            self.restart_transition(now, "Unknown event", out);
        }
    }

    fn action_ended(&mut self, now: Now, action: &GraphAction, failed: bool, out: &mut Outputs) {
        let number = action.head.id;
        if !self.confirm_action(number, failed) {
            return;
        }
        if failed {
            let run = self.lead.as_ref().and_then(|lead| lead.run.as_ref());
            let priority = run.map_or(0, |run| run.executor.failure_priority(number));
            self.abort(now, priority, CompletionAction::Restart, "Event failed", out);
        }
    }

    /// A failure counts once, in the node's transient attributes (spec 60 §8.5).
    fn count_failure(
        &mut self,
        now: Now,
        entry: &Appeared<'_>,
        key: &TransitionKey,
        ignore: bool,
        out: &mut Outputs,
    ) {
        let get = |name: &str| (entry.get)(name).unwrap_or_default();
        let task = match get("operation") {
            "" => return,
            task => task,
        };
        // A failed single run is recorded under two ids; the one that stays counts.
        if !get("id").ends_with("_last_failure_0") && !get("id").is_empty() {
            return;
        }
        let interval = get("interval");
        let run = self.lead.as_ref().and_then(|lead| lead.run.as_ref());
        let offset = match task {
            "start" => {
                run.and_then(|run| run.failed_start_offset.clone()).unwrap_or("INFINITY".into())
            }
            "stop" => {
                run.and_then(|run| run.failed_stop_offset.clone()).unwrap_or("INFINITY".into())
            }
            "promote" | "demote" => "1".to_owned(),
            _ if interval.parse::<u64>().is_ok_and(|interval| interval > 0) => "1".to_owned(),
            _ if key.transition == -1 => "1".to_owned(),
            _ => return,
        };
        let infinite = matches!(offset.as_str(), "INFINITY" | "+INFINITY" | "1000000");
        let value = if infinite { "INFINITY" } else { "value++" };
        let name = format!("{}#{task}_{interval}", entry.resource);
        log::info!("controller: {} failed on {}", get("operation_key"), entry.node);
        let mut message = Document::new("attrd");
        let root = message.root_id();
        message.set_attribute(root, "task", "update");
        let epoch = now.epoch().to_string();
        let mut updates = vec![(format!("last-failure-{name}"), epoch.as_str())];
        if !ignore {
            updates.push((format!("fail-count-{name}"), value));
        }
        for (name, value) in updates {
            let op = message.append_element(root, "op");
            for (key, text) in [
                ("task", "update"),
                ("attr_name", name.as_str()),
                ("attr_value", value),
                ("attr_host", entry.node.as_str()),
            ] {
                message.set_attribute(op, key, text);
            }
        }
        let message = SharedDocument::new(message);
        out.here(Room::Attributes, AttributesRequest { token: 0, message });
        if !ignore {
            // Planned with the count, what follows need not be planned twice.
            self.timers.arm(Timer::Count, now.elapsed + COUNTED_WITHIN);
        }
    }

    /// Planning waits for a count of failures no longer once one is written.
    fn failures_counted(&mut self, change: &Change) {
        let name = "fail-count-";
        let told = match change {
            Change::Create { content: Content::Element(content), .. } => {
                let mut below = content.root().descendants();
                below.any(|pair| pair.attribute("name").is_some_and(|text| text.starts_with(name)))
            }
            _ => change.path().contains(name),
        };
        if told {
            self.timers.cancel(&Timer::Count);
        }
    }

    /// A result that is not recorded.
    pub(super) fn acknowledged(&mut self, now: Now, record: &HistoryRecord, out: &mut Outputs) {
        if self.lead.is_none() {
            return;
        }
        let node = record.get("on_node").unwrap_or_default().to_owned();
        let get = |name: &str| record.get(name);
        let entry = Appeared { node, resource: record.resource.clone(), get: Box::new(get) };
        self.result(now, &entry, out);
    }

    /// A history entry in place of the one that did not come (spec 60 §8.4).
    pub(super) fn record_lost(
        &mut self,
        now: Now,
        action: &GraphAction,
        key: &str,
        out: &mut Outputs,
    ) {
        let (Some(resource), Some((node, id))) = (&action.resource, &action.head.node) else {
            return;
        };
        if !lrm::history::is_recordable(&action.head.operation) {
            return;
        }
        let interval = action.attributes.get("CRM_meta_interval").unwrap_or("0");
        let name = if interval == "0" { "last_failure" } else { action.head.operation.as_str() };
        let entry_id = match name {
            "last_failure" => format!("{}_last_failure_0", resource.id),
            _ => format!("{}_{name}_{interval}", resource.id),
        };
        let entry: Vec<(String, String)> = [
            ("id", entry_id.as_str()),
            ("operation_key", action.head.operation_key.as_str()),
            ("operation", action.head.operation.as_str()),
            ("crm-debug-origin", "controller"),
            ("crm_feature_set", policy_engine::transition::FEATURE_SET),
            ("transition-key", key),
            ("transition-magic", &format!("2:1;{key}")),
            ("exit-reason", "Local executor did not return result in time"),
            ("on_node", node),
            ("call-id", "-1"),
            ("rc-code", "1"),
            ("op-status", "2"),
            ("interval", interval),
            ("last-rc-change", &now.epoch().to_string()),
        ]
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
        let agent = crate::subsystem::AgentName {
            class: resource.class.clone(),
            provider: resource.provider.clone(),
            kind: resource.agent.clone(),
        };
        let state =
            super::resources::history_document(id, node, &resource.id, &agent, &[&entry], None);
        self.write(vec![modify_status(state)], Call::Write { what: "lost action" }, out);
    }
}

fn creates(change: &Change, name: &str) -> bool {
    matches!(change, Change::Create { content: Content::Element(content), .. } if content.root().name() == name)
}

/// The id that a step of a path names: `…/NAME[@id='ID']/…`.
fn quoted<'p>(path: &'p str, name: &str) -> Option<&'p str> {
    let start = path.find(&format!("/{name}[@id='"))? + name.len() + 7;
    let end = path[start..].find("']")? + start;
    Some(&path[start..end])
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn ids_are_read_from_paths() {
        let path =
            "/cib/status/node_state[@id='2']/lrm[@id='2']/lrm_resources/lrm_resource[@id='r:0']";
        assert_eq!(quoted(path, "node_state"), Some("2"));
        assert_eq!(quoted(path, "lrm_resource"), Some("r:0"));
        assert_eq!(quoted(path, "lrm_rsc_op"), None);
        assert_eq!(quoted("/cib/status/node_state[@id='2", "node_state"), None);
    }
}
