//! Bringing nodes to the same table (spec 61 §3.2, §5.1).

use super::manager::{AttributeManager, ElectionState};
use super::message::{Message, Task, Update};

/// The state of a sender that is the writer.
const WRITER: u8 = 3;

impl AttributeManager {
    /// Every value of every attribute, for others to take over.
    pub(super) fn everything(&self) -> Message {
        let mut parts = Vec::new();
        for (name, attribute) in &self.attributes {
            for (key, value) in &attribute.values {
                parts.push(Update {
                    name: Some(name.clone()),
                    value: value.current.clone(),
                    host: Some(value.node.clone()),
                    host_id: self.node_ids.get(key).cloned(),
                    is_remote: value.is_remote,
                    ..attribute.described()
                });
            }
        }
        Message { parts, ..Message::new(Task::SyncResponse) }
    }

    /// Takes over what another node has. Of the local node, our own values count.
    pub(super) fn synchronise(&mut self, from: &str, message: Message) {
        let from_writer = message.writer_state == Some(WRITER);
        if from_writer {
            self.check_writer(from);
        }
        if self.is_local(from) {
            return;
        }
        if from_writer {
            for attribute in self.attributes.values_mut() {
                attribute.values.values_mut().for_each(|value| value.seen = false);
            }
        }
        for part in &message.parts {
            self.apply_one(from, None, part, true);
        }
        if from_writer {
            self.tell_unseen();
        }
    }

    /// Two nodes may both believe that they write.
    fn check_writer(&mut self, from: &str) {
        if self.election == ElectionState::Won && !self.is_local(from) {
            log::info!("{from} writes attributes, too: a new election is needed");
            self.writer = None;
            self.elect(false);
        } else if self.writer.as_deref() != Some(from) {
            self.writer = Some(from.to_owned());
        }
    }

    /// Tells everybody the values of the local node that the writer does not know of.
    fn tell_unseen(&mut self) {
        let local = self.settings.local.clone();
        let mut parts = Vec::new();
        for (name, attribute) in &self.attributes {
            let Some(value) = attribute.value(&local).filter(|value| !value.seen) else { continue };
            parts.push(Update {
                name: Some(name.clone()),
                value: value.current.clone(),
                host: Some(value.node.clone()),
                host_id: self.node_ids.get(&super::table::NodeKey::new(&local)).cloned(),
                is_remote: value.is_remote,
                force_write: !attribute.dampening.is_zero(),
                ..attribute.described()
            });
        }
        if !parts.is_empty() {
            self.broadcast(Message { parts, ..Message::new(Task::SyncResponse) });
        }
    }
}
