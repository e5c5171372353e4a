//! The supervisor's endpoint (spec 62 §5.1).

use std::time::Duration;

use cib_model::Document;

use super::envelope::{Answerer, Request};
use super::session::SessionId;
use super::tag::Tag;
use super::{Clients, Kind};
use crate::ipc::parts::Message;
use crate::subsystem::{ControllerRequest, Now, Outputs, Room};

/// How long the controller may take to say how it is, before it counts as not there yet.
const PATIENCE: Duration = Duration::from_secs(2);

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
                // The controller is the last to start and the first to stop.
                let token = self.ask(id, message.clone(), Kind::Supervisor(request));
                self.patience.push_back((now.elapsed + PATIENCE, token));
                return out.here(Room::Controller, ControllerRequest::Ping { token, node: None });
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

    /// Answers a ping with the supervisor's state, as the state of the controller tells it.
    pub(super) fn supervisor_state(&mut self, now: Now, token: u64, controller: Option<&str>) {
        let Some(pending) = self.answered(token) else { return };
        let (Kind::Supervisor(request), Some(session)) =
            (&pending.kind, self.sessions.get(&pending.session))
        else {
            return;
        };
        let state = match controller {
            None | Some("S_STARTING") => "starting_daemons",
            Some("S_STOPPING" | "S_TERMINATE") => "shutting_down",
            Some(_) => "running",
        };
        let payload = Tag::new("ping_response")
            .attribute("crm_subsystem", "pacemakerd")
            .attribute("pacemakerd_state", state)
            .attribute("crm-timestamp", &now.epoch().to_string())
            .attribute("result", "ok")
            .closed();
        let from = Answerer { system: "pacemakerd", node: None };
        let text = request.answer(session, now, from, &request.task, &payload);
        self.event(pending.session, &text);
    }
}
