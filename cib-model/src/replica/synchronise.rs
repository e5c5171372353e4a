//! Copies of the CIB, and the regular comparison (spec 51 §4, §6).

use std::time::Duration;

use super::command::Command;
use super::core::{Output, Replica, Role};
use crate::digest;
use crate::document::Document;

/// How long after a change replicas are compared.
pub(super) const PING_DELAY: Duration = Duration::from_secs(5);

impl Replica {
    /// Sends our CIB to all replicas, or to the one that asked for it alone.
    pub(super) fn push_cib(&mut self, command: &Command) {
        let digest = Some(self.own_digest());
        let to = command.source.clone();
        let single = command.operation == "cib_sync_one";
        let copy = Command {
            operation: "cib_replace".to_owned(),
            original_operation: Some(command.operation.clone()),
            section: None,
            host: to.clone().filter(|_| single),
            reply_to: to.clone(),
            delegated_from: None,
            source: Some(self.settings.local.clone()),
            is_update: true,
            result: None,
            digest,
            feature_set: Some(self.settings.feature_set.clone()),
            data: Some(self.cib.clone()),
            ..command.clone()
        };
        match to.filter(|_| single) {
            Some(to) => self.emit(Output::Send { to, command: copy }),
            None if self.settings.stand_alone => {}
            None => self.emit(Output::Broadcast(copy)),
        }
    }

    /// The on-wire digest of our CIB.
    fn own_digest(&mut self) -> String {
        self.digest.get_or_insert_with(|| digest::on_wire(self.cib.root())).clone()
    }

    /// Asks all replicas for their digest.
    pub(super) fn ping(&mut self) {
        if self.role != Role::Primary || self.settings.stand_alone {
            return;
        }
        self.ping_id = self.ping_id.checked_add(1).unwrap_or(0);
        self.changed_since_ping = false;
        let command = Command {
            source: Some(self.settings.local.clone()),
            ping_id: Some(self.ping_id),
            feature_set: Some(self.settings.feature_set.clone()),
            ..Command::new("ping")
        };
        self.emit(Output::Broadcast(command));
    }

    /// What we answer to a ping.
    pub(super) fn ping_response(&mut self, ping_id: Option<i64>) -> Document {
        let digest = self.own_digest();
        let mut response = Document::new("ping_response");
        let root = response.root_id();
        response.set_attribute(root, "crm_feature_set", &self.settings.feature_set);
        response.set_attribute(root, "digest", &digest);
        response.set_attribute(root, "cib_ping_id", &ping_id.unwrap_or(0).to_string());
        let data = response.append_element(root, "cib_calldata");
        let cib = response.append_element(data, "cib");
        for (name, value) in self.cib.root().attributes() {
            response.set_attribute(cib, name, value);
        }
        response
    }

    /// Compares the digest of another replica with ours, and sends it our CIB when they differ.
    pub(super) fn ping_answer(&mut self, from: &str, command: &Command) {
        if self.role != Role::Primary || self.changed_since_ping || from == self.settings.local {
            return;
        }
        let Some(response) = command.data.as_ref().map(Document::root) else { return };
        let same_ping = response.attribute("cib_ping_id").and_then(|text| text.parse().ok())
            == Some(self.ping_id);
        let Some(theirs) = response.attribute("digest").filter(|_| same_ping) else { return };
        if theirs.eq_ignore_ascii_case(&self.own_digest()) {
            return;
        }
        log::warn!("the CIB of {from} differs from ours: sending it ours");
        let request = Command { source: Some(from.to_owned()), ..Command::new("cib_sync_one") };
        self.push_cib(&request);
    }
}
