//! The attribute manager's endpoint (spec 61 §6): its messages travel as they are.

use cib_model::Document;

use super::session::SessionId;
use super::tag::Tag;
use super::{Clients, Kind};
use crate::ipc::frame::flag;
use crate::ipc::parts::Message;
use crate::subsystem::{AttributesAnswer, AttributesRequest, Outputs, Room, SharedDocument};

impl Clients {
    pub(super) fn attributes_message(
        &mut self,
        id: SessionId,
        message: Message,
        mut document: Document,
        out: &mut Outputs,
    ) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let root = document.root_id();
        let task = document.root().attribute("task").unwrap_or_default().to_owned();
        if session.client.is_none() {
            session.client = document.root().attribute("src").map(str::to_owned);
        }
        match session.user(document.root().attribute("attr_user")) {
            Some(user) => document.set_attribute(root, "attr_user", &user),
            None => drop(document.remove_attribute(root, "attr_user")),
        }
        let privileged = session.access.privileged;
        if task == "peer-remove" && !privileged {
            log::warn!("ipc: attrd: {} may not remove nodes", session.access.user);
            return self.acknowledge(id, &message, 4);
        }
        // An update is acknowledged even when the client did not ask for it.
        let wanted = message.flags & flag::RESPONSE_WANTED != 0
            || task.starts_with("update")
            || task == "query";
        let token = if wanted { self.ask(id, message, Kind::Attributes) } else { 0 };
        out.here(
            Room::Attributes,
            AttributesRequest { token, message: SharedDocument::new(document) },
        );
    }

    pub(super) fn attributes_answer(&mut self, answer: AttributesAnswer) {
        let token = match &answer {
            AttributesAnswer::Accepted { token }
            | AttributesAnswer::TimedOut { token }
            | AttributesAnswer::Refused { token, .. }
            | AttributesAnswer::Values { token, .. } => *token,
            AttributesAnswer::Written(_) => return,
        };
        let Some(pending) = self.answered(token) else { return };
        let (id, question) = (pending.session, &pending.question);
        match answer {
            AttributesAnswer::Written(_) => {}
            AttributesAnswer::Accepted { .. } => self.acknowledge_always(id, question, 112),
            AttributesAnswer::TimedOut { .. } => self.acknowledge_always(id, question, 124),
            AttributesAnswer::Refused { reason, .. } => {
                log::info!("ipc: attrd: refused: {reason}");
                self.acknowledge_always(id, question, 76);
            }
            AttributesAnswer::Values { name, values, .. } => {
                let nodes: String = values
                    .iter()
                    .map(|value| {
                        Tag::new("node")
                            .attribute("attr_host", &value.node)
                            .maybe("attr_value", value.value.as_deref())
                            .closed()
                    })
                    .collect();
                let reply = Tag::new("attrd_reply")
                    .attribute("t", "attrd")
                    .attribute("subt", "query")
                    .attribute("attr_version", "7")
                    .maybe("attr_name", name.as_deref())
                    .around(&nodes);
                self.respond(id, question, &reply);
            }
        }
    }
}
