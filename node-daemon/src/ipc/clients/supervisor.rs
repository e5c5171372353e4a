//! The supervisor's endpoint (spec 62 §5.1).

use cib_model::Document;

use super::Clients;
use super::envelope::{Answerer, Request};
use super::session::SessionId;
use super::tag::Tag;
use crate::ipc::parts::Message;
use crate::subsystem::{ControllerRequest, Now, Outputs, Room};

impl Clients {
    pub(super) fn supervisor_message(
        &mut self,
        now: Now,
        id: SessionId,
        message: &Message,
        document: &Document,
        out: &mut Outputs,
    ) {
        let Some(request) = Request::read(document) else {
            return self.acknowledge(id, message, 76);
        };
        let payload = match request.task.as_str() {
            "ping" => {
                self.acknowledge(id, message, 112);
                let time = now.epoch().to_string();
                // The supervisor starts this endpoint after everything else, and stops it first.
                Tag::new("ping_response")
                    .attribute("crm_subsystem", "pacemakerd")
                    .attribute("pacemakerd_state", "running")
                    .attribute("crm-timestamp", &time)
                    .attribute("result", "ok")
                    .closed()
            }
            "quit" => {
                self.acknowledge(id, message, 112);
                let allowed = self.is_privileged(id);
                if allowed {
                    out.here(Room::Controller, ControllerRequest::Shutdown);
                }
                Tag::new("shutdown")
                    .attribute("op-status", if allowed { "0" } else { "4" })
                    .closed()
            }
            "rm_node_cache" => return self.acknowledge(id, message, 0),
            _ => return self.acknowledge(id, message, 76),
        };
        let Some(session) = self.sessions.get(&id) else { return };
        let from = Answerer { system: "pacemakerd", node: None };
        let text = request.answer(session, now, from, &request.task, &payload);
        self.event(id, &text);
    }
}
