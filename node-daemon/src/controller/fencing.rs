//! Fencing as the controller sees it: actions of a transition, and news of all fencing (spec 60 §9).

use cib_model::Document;
use policy_engine::transition::executor::{CompletionAction, INFINITY};

use super::peers::{Expected, Phase};
use super::{Call, Controller, delete_all, modify_status};
use crate::mutation::{Mutation, planted};
use crate::subsystem::{
    AttributesRequest, Ending, FenceAnswer, FencerNotice, NodeId, Now, Outputs, Room,
    SharedDocument,
};

impl Controller {
    /// The end of a fencing action of our transition.
    pub(super) fn fence_answer(&mut self, now: Now, answer: FenceAnswer, out: &mut Outputs) {
        let FenceAnswer::Ended { token, result } = answer else { return };
        let Some((number, target)) = self.fences.remove(&token) else { return };
        if self.lead.is_none() {
            return;
        }
        if result.ok || planted(Mutation::TrustFailedFencing) {
            self.fence_failures.remove(&target);
            let run = self.lead.as_ref().and_then(|lead| lead.run.as_ref());
            let unfencing = run.and_then(|run| run.action(number)).is_some_and(|action| {
                action.attributes.get("CRM_meta_stonith_action").is_some_and(|a| a == "on")
            });
            if unfencing {
                self.record_unfenced(now, &target, out);
            } else {
                self.record_fenced(&target, out);
            }
            self.confirm_action(number, false);
            return;
        }
        let failures = self.fence_failures.entry(target.clone()).or_default();
        *failures += 1;
        let failures = *failures;
        self.confirm_action(number, true);
        if result.no_device || failures >= self.options.fencing_max_attempts {
            log::warn!(
                "controller: too many failures ({failures}) to fence {target}, giving up: {}",
                result.reason.as_deref().unwrap_or("no device")
            );
            // What does not depend on it goes on; the rest waits for news.
            return;
        }
        self.abort(now, INFINITY, CompletionAction::Restart, "Stonith failed", out);
    }

    /// A node is fenced: it has nothing and is expected to be gone (spec 60 §9.3).
    pub(super) fn record_fenced(&mut self, target: &str, out: &mut Outputs) {
        let Some(node) = self.peers.by_name(target) else { return };
        let peer = self.peers.entry(node);
        (peer.phase, peer.expected, peer.seen) = (Phase::None, Some(Expected::Down), true);
        let name = peer.name.clone();
        let mut updates: Vec<_> =
            self.peers.node_state(node).map(modify_status).into_iter().collect();
        updates.push(delete_all(format!("//node_state[@uname='{name}']/lrm")));
        self.write(updates, Call::Fenced, out);
        if self.peers.get(node).is_some_and(|peer| peer.member) {
            // Its attributes go when it does; if it is back already, those it has are new.
            return;
        }
        let mut message = Document::new("attrd");
        let root = message.root_id();
        for (key, value) in [("task", "peer-remove"), ("attr_host", name.as_str()), ("reap", "0")] {
            message.set_attribute(root, key, value);
        }
        out.here(
            Room::Attributes,
            AttributesRequest { token: 0, message: SharedDocument::new(message) },
        );
    }

    fn record_unfenced(&mut self, now: Now, target: &str, out: &mut Outputs) {
        let mut message = Document::new("attrd");
        let root = message.root_id();
        let epoch = now.epoch().to_string();
        for (key, value) in [
            ("task", "update"),
            ("attr_name", "#node-unfenced"),
            ("attr_value", epoch.as_str()),
            ("attr_host", target),
        ] {
            message.set_attribute(root, key, value);
        }
        out.here(
            Room::Attributes,
            AttributesRequest { token: 0, message: SharedDocument::new(message) },
        );
    }

    /// News of fencing, told to the controllers of all nodes (spec 60 §9.4).
    pub(super) fn fencing_notice(&mut self, now: Now, notice: &FencerNotice, out: &mut Outputs) {
        self.alert_fencing(now, notice, out);
        if notice.action == "on" {
            return;
        }
        let target = self.peers.by_name(&notice.target);
        log::info!(
            "controller: {} was{} terminated ({}) by {} on behalf of {}",
            notice.target,
            if notice.result.ok { "" } else { " not" },
            notice.action,
            notice.delegate.as_deref().unwrap_or("the cluster"),
            notice.client,
        );
        if notice.result.ok && target == Some(self.me) {
            log::error!("controller: this node was allegedly just fenced");
            return out.end(if self.options.panic_when_fenced {
                Ending::Panic
            } else {
                Ending::Fatal
            });
        }
        if self.lead.is_none() {
            self.note_fencing(notice, target);
            return;
        }
        let own = notice.client.starts_with("controller.") && notice.origin == self.name;
        if notice.result.ok && !own {
            self.record_fenced(&notice.target, out);
            self.restart_transition(now, "External Fencing Operation", out);
        }
    }

    /// Whoever does not lead remembers, to know it if the lead falls to it.
    fn note_fencing(&mut self, notice: &FencerNotice, target: Option<NodeId>) {
        if !notice.result.ok {
            *self.fence_failures.entry(notice.target.clone()).or_default() += 1;
            return;
        }
        self.fence_failures.remove(&notice.target);
        if let Some(node) = target {
            self.peers.entry(node).expected = Some(Expected::Down);
            if self.dc.is_none() || self.dc == Some(node) {
                self.fenced_to_record.insert(notice.target.clone());
            }
        }
    }
}
