//! Writing to the CIB (spec 61 §5.3, §5.4).

use std::time::Duration;

use super::manager::{AttributeManager, Output};
use super::table::{NodeKey, SetType};
use crate::document::Document;
use crate::scalar::sanitize_id;

/// How long to wait before a failed write of an attribute without dampening is tried again.
const RETRY: Duration = Duration::from_secs(2);

/// One transaction for the CIB: all values of one attribute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CibWrite {
    /// Its number, for [`Input::Written`](super::Input::Written).
    pub call: u64,
    /// The user on whose behalf it is done; nothing for the daemon itself.
    pub user: Option<String>,
    /// What changes in the status section.
    pub changes: Vec<CibChange>,
}

/// The change of one value in the status section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CibChange {
    /// The id of the node.
    pub node_id: String,
    /// The kind of set.
    pub set_type: SetType,
    /// The id of the set.
    pub set_id: String,
    /// The id of the pair.
    pub pair_id: String,
    /// The attribute.
    pub name: String,
    /// Its value; nothing to delete it.
    pub value: Option<String>,
}

/// A value that is written, for alert agents.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttributeAlert {
    /// The name of the node.
    pub node: String,
    /// Its id.
    pub node_id: String,
    /// The attribute.
    pub name: String,
    /// Its value.
    pub value: Option<String>,
}

/// Why a write failed.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum WriteFailure {
    /// It may succeed later: something was missing, did not fit, or took too long.
    Transient,
    /// Another error.
    Other,
}

impl CibChange {
    /// What to merge into the status section to set the value.
    pub fn to_document(&self) -> Document {
        let mut document = Document::new("node_state");
        let state = document.root_id();
        document.set_attribute(state, "id", &self.node_id);
        let transient = document.append_element(state, "transient_attributes");
        document.set_attribute(transient, "id", &self.node_id);
        let set = document.append_element(transient, self.set_type.as_str());
        document.set_attribute(set, "id", &self.set_id);
        let pair = document.append_element(set, "nvpair");
        document.set_attribute(pair, "id", &self.pair_id);
        document.set_attribute(pair, "name", &self.name);
        if let Some(value) = &self.value {
            document.set_attribute(pair, "value", value);
        }
        document
    }

    /// The expression for what to delete to unset the value.
    pub fn xpath(&self) -> String {
        let CibChange { node_id, set_type, set_id, pair_id, name, .. } = self;
        let set_type = set_type.as_str();
        format!(
            "/cib/status/node_state[@id='{node_id}']/transient_attributes[@id='{node_id}']\
             /{set_type}[@id='{set_id}']/nvpair[@id='{pair_id}' and @name='{name}']"
        )
    }
}

impl AttributeManager {
    /// Writes an attribute if we are the writer; otherwise makes sure that there is one.
    pub(super) fn write_or_elect(&mut self, name: &str) {
        if self.is_writer() {
            self.write(name, false);
        } else {
            self.elect(false);
        }
    }

    /// Writes all attributes.
    pub(super) fn write_all(&mut self, ignore_delay: bool) {
        let names: Vec<String> = self.attributes.keys().cloned().collect();
        for name in names {
            self.write(&name, ignore_delay);
        }
    }

    /// Writes what changed or could not be written before.
    pub(super) fn write_changed(&mut self) {
        let due = |(name, attribute): (&String, &super::Attribute)| {
            let due = attribute.changed || attribute.unknown_id || attribute.force_write;
            due.then(|| (name.clone(), attribute.force_write))
        };
        let names: Vec<(String, bool)> = self.attributes.iter().filter_map(due).collect();
        for (name, ignore_delay) in names {
            self.write(&name, ignore_delay);
        }
    }

    /// Writes one attribute, unless that must wait for an unfinished write or its timer.
    pub(super) fn write(&mut self, name: &str, ignore_delay: bool) {
        let stand_alone = self.settings.stand_alone;
        let last_completed = self.last_completed;
        let Some(attribute) = self.attributes.get_mut(name) else { return };
        if !(attribute.is_private || stand_alone) {
            // An older write than one that is complete was lost on the way.
            if attribute.pending.is_some_and(|call| call > last_completed) {
                return;
            }
            if attribute.deadline.is_some() && !ignore_delay {
                return;
            }
        }
        self.stop_timer(name);
        let Some(attribute) = self.attributes.get_mut(name) else { return };
        attribute.changed = false;
        attribute.force_write = false;
        attribute.unknown_id = false;
        if attribute.is_private || stand_alone {
            return;
        }
        let (mut changes, mut alerts) = (Vec::new(), Vec::new());
        for (key, value) in &mut attribute.values {
            let known = match value.is_remote || self.remote_nodes.contains(key) {
                true => Some(value.node.clone()),
                false => self.node_ids.get(key).cloned(),
            };
            let Some(node_id) = known else {
                log::info!("cannot write {name} for {}: its id is unknown, retrying", value.node);
                attribute.unknown_id = true;
                continue;
            };
            value.requested.clone_from(&value.current);
            let set_id = attribute.set_id.clone().unwrap_or_else(|| format!("status-{node_id}"));
            changes.push(CibChange {
                pair_id: sanitize_id(&format!("{set_id}-{name}")),
                set_id: sanitize_id(&set_id),
                set_type: attribute.set_type,
                name: name.to_owned(),
                value: value.current.clone(),
                node_id: node_id.clone(),
            });
            alerts.push(AttributeAlert {
                node: value.node.clone(),
                node_id,
                name: name.to_owned(),
                value: value.current.clone(),
            });
        }
        if changes.is_empty() {
            return;
        }
        self.next_write += 1;
        attribute.pending = Some(self.next_write);
        let user = attribute.user.clone();
        self.emit(Output::Write(CibWrite { call: self.next_write, user, changes }));
        self.emit(Output::Alert(alerts));
    }

    /// Goes on after a write.
    pub(super) fn written(&mut self, call: u64, result: Result<(), WriteFailure>) {
        let pending =
            |(_, attribute): &(&String, &super::Attribute)| attribute.pending == Some(call);
        let Some(name) = self.attributes.iter().find(pending).map(|(name, _)| name.clone()) else {
            return;
        };
        let Some(attribute) = self.attributes.get_mut(&name) else { return };
        attribute.pending = None;
        for value in attribute.values.values_mut() {
            value.requested = None;
        }
        match result {
            Ok(()) => self.last_completed = self.last_completed.max(call),
            Err(WriteFailure::Transient) => {
                log::warn!("writing {name} failed, retrying");
                attribute.changed = true;
            }
            Err(WriteFailure::Other) => {
                log::error!("writing {name} failed");
                attribute.changed = true;
            }
        }
        let (changed, dampening) = (attribute.changed, attribute.dampening);
        if !changed || !self.is_writer() {
            return;
        }
        match result {
            Ok(()) => self.write(&name, false),
            Err(_) if dampening.is_zero() => self.start_timer(&name, RETRY),
            Err(_) => self.start_timer(&name, dampening),
        }
    }

    /// The id a node is written by.
    pub(super) fn node_id(&self, node: &str) -> Option<&str> {
        self.node_ids.get(&NodeKey::new(node)).map(String::as_str)
    }
}
