//! Who is in the ring and in the group of controllers, and what their coming and going means.

use super::{Controller, Phase, State, Timer};
use crate::mutation::{Mutation, planted};
use crate::subsystem::{Ending, GroupView, Membership, NodeId, Now, Outputs};

impl Controller {
    pub(super) fn is_quorate(&self) -> bool {
        let settled = self.is_ring_settled();
        self.membership.as_ref().is_some_and(|membership| membership.quorate && settled)
    }

    pub(super) fn is_ring_settled(&self) -> bool {
        let early = planted(Mutation::ActBeforeVerdict);
        self.membership.as_ref().is_some_and(|membership| membership.settled || early)
    }

    /// Sequence number of the last ring with a verdict.
    pub(super) fn ring(&self) -> u64 {
        self.membership.as_ref().map_or(0, |membership| membership.sequence)
    }

    pub(super) fn ring_changed(&mut self, now: Now, membership: Membership, out: &mut Outputs) {
        let changed = self.peers.take_membership(&membership, now.epoch());
        let was_settled = self.is_ring_settled();
        self.membership = Some(membership);
        for (node, member) in changed {
            self.alert_node(now, node, member, out);
            self.await_controller(now, node);
            if member {
                self.write_node_state(node, out);
            } else {
                self.node_lost(now, node, out);
            }
        }
        if self.is_ring_settled() {
            if self.is_quorate() {
                self.ever_quorate = true;
            }
            if self.lead.is_some() {
                self.tell_quorum(now, out);
            }
            self.begin(now, out);
            if !was_settled {
                self.consider_election(now, out);
            }
        }
        self.proceed(now, out);
    }

    pub(super) fn group_changed(&mut self, now: Now, view: GroupView, out: &mut Outputs) {
        let here = view.members.contains(&self.me);
        if self.in_group && !here && self.state < State::Stopping {
            log::error!("controller: no longer in the group");
            return out.end(Ending::Failed);
        }
        self.in_group = here;
        let changed = self.peers.take_group(&view.members, now.epoch());
        self.elect_among(now, &changed);
        for (node, online) in &changed {
            self.await_controller(now, *node);
            if *online {
                self.write_node_state(*node, out);
            } else {
                self.node_lost(now, *node, out);
            }
        }
        self.begin(now, out);
        if changed.iter().any(|(_, online)| *online) && self.state != State::Starting {
            self.greet(out);
        }
        if self.state == State::Election && changed.iter().any(|(_, online)| *online) {
            // Whoever came has not heard the vote, and its word is needed.
            self.start_election(now, out);
        }
        self.check_election(now, out);
        self.consider_election(now, out);
        self.proceed(now, out);
    }

    /// A node's controller, or the node itself, is gone.
    pub(super) fn node_lost(&mut self, now: Now, node: NodeId, out: &mut Outputs) {
        if node == self.me {
            return;
        }
        self.peers.entry(node).phase = Phase::None;
        if self.dc == Some(node) {
            self.dc_lost(now, out);
        }
        if self.lead.is_some() {
            self.member_lost(now, node, out);
        }
    }

    /// A member without a controller is fenced after a time, if it is configured so.
    pub(super) fn await_controller(&mut self, now: Now, node: NodeId) {
        let timeout = self.options.node_pending_timeout;
        let waits = self.peers.get(node).is_some_and(|peer| peer.member && !peer.online);
        if waits && !timeout.is_zero() {
            self.timers.arm(Timer::NodePending(node), now.elapsed + timeout);
        } else {
            self.timers.cancel(&Timer::NodePending(node));
        }
    }
}
