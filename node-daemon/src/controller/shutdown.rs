//! Leaving the cluster in order (spec 60 §10).

use std::time::Duration;

use cib_model::Document;

use super::peers::Expected;
use super::{Controller, State, Timer};
use crate::subsystem::{
    AttributesRequest, ControllerPeer, Ending, NodeId, Now, Outputs, Room, SharedDocument,
};

impl Controller {
    /// This node is to leave the cluster.
    pub(super) fn shut_down(&mut self, now: Now, out: &mut Outputs) {
        if self.shutting_down {
            log::warn!("controller: Escalating shutdown");
            return self.stop_now(now, out);
        }
        self.shutting_down = true;
        self.timers.arm(Timer::Escalation, now.elapsed + self.options.shutdown_escalation);
        match self.state {
            // What runs here is known only once this node is in.
            State::Starting => {}
            _ => self.to_all(ControllerPeer::ShutdownRequest, out),
        }
        if self.state == State::Pending && self.peers.active().len() <= 1 {
            // Nobody is there who could lead this node out.
            self.timers.arm(Timer::DcDeadtime, now.elapsed + Duration::from_millis(1));
        }
    }

    /// A node wants to leave; the DC has the scheduler see to it.
    pub(super) fn shutdown_requested(&mut self, now: Now, from: NodeId, out: &mut Outputs) {
        self.peers.entry(from).expected = Some(Expected::Down);
        if self.lead.is_none() {
            return;
        }
        let mut message = Document::new("attrd");
        let root = message.root_id();
        let epoch = now.epoch().max(1).to_string();
        for (name, value) in [
            ("task", "update"),
            ("attr_name", "shutdown"),
            ("attr_value", epoch.as_str()),
            ("attr_host", self.peers.name(from)),
        ] {
            message.set_attribute(root, name, value);
        }
        out.here(
            Room::Attributes,
            AttributesRequest { token: 0, message: SharedDocument::new(message) },
        );
    }

    /// The DC lets this node go.
    pub(super) fn told_to_stop(&mut self, now: Now, from: NodeId, out: &mut Outputs) {
        if self.dc == Some(from) || self.dc.is_none() {
            self.stop_now(now, out);
        }
    }

    /// Stops, however it stands.
    pub(super) fn stop_now(&mut self, now: Now, out: &mut Outputs) {
        if self.state >= State::Stopping {
            return;
        }
        if self.lead.is_some() {
            self.peers.entry(self.me).expected = Some(Expected::Down);
            self.write_node_state(self.me, out);
            self.release(out);
        }
        self.become_state(now, State::Stopping, out);
        self.leave_when_idle(now, out);
    }

    /// Ends once no operation is under way.
    pub(super) fn leave_when_idle(&mut self, now: Now, out: &mut Outputs) {
        if self.state != State::Stopping || self.resources.is_busy() {
            return;
        }
        self.become_state(now, State::Terminate, out);
        out.end(Ending::Done);
    }
}
