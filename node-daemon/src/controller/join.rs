//! The join protocol (spec 60 §5): the DC offers membership, nodes accept, the newest CIB becomes
//! everybody's, and each node confirms with the history of its resources.

use cib_model::Document;
use cib_model::model::CibVersion;
use policy_engine::transition::FEATURE_SET;

use super::peers::{Expected, Phase};
use super::{Call, Controller, State, Timer, delete_all, modify_status};
use crate::cib::Certificate;
use crate::mutation::{Mutation, planted};
use crate::subsystem::{
    AttributesRequest, CibError, CibOperation, CibUpdate, ControllerPeer, JoinGeneration, NodeId,
    Now, Outputs, Room, Scope, SharedDocument,
};

/// The DC's side of the join under way.
#[derive(Debug, Default)]
pub(super) struct Join {
    /// The ring in which this round was begun.
    ring: u64,
    /// The newest CIB offered in this round.
    best: Option<(NodeId, (Certificate, [i64; 3]))>,
    /// The synchronisation is under way.
    synchronising: bool,
    /// Nodes whose CIB could not be had.
    failed: Vec<NodeId>,
}

impl Controller {
    /// A new round: everybody joins again.
    pub(super) fn offer_to_all(&mut self, now: Now, out: &mut Outputs) {
        if self.lead.is_none() {
            return;
        }
        self.round = self.round.checked_add(1).unwrap_or(1);
        let ring = self.ring();
        if let Some(lead) = &mut self.lead {
            let failed = std::mem::take(&mut lead.join.failed);
            lead.join = Join { ring, failed, ..Join::default() };
            lead.has_cib = false;
        }
        for (_, peer) in self.peers.iter_mut() {
            peer.phase = Phase::None;
            // A node that is away and of which nobody knows more left in order, as far as we know.
            if !peer.is_active() && peer.expected.is_none() && peer.seen {
                peer.expected = Some(Expected::Down);
            }
        }
        self.halt_transition(now);
        self.become_state(now, State::Integration, out);
        self.timers.arm(Timer::Integration, now.elapsed + self.options.integration_timeout);
        for node in self.peers.active() {
            self.offer(node, out);
        }
    }

    fn offer(&mut self, node: NodeId, out: &mut Outputs) {
        let peer = self.peers.entry(node);
        if !peer.is_active() {
            return;
        }
        peer.phase = Phase::Welcomed;
        let offer = ControllerPeer::JoinOffer {
            round: self.round,
            leaving: self.shutting_down,
            feature_set: FEATURE_SET.to_owned(),
        };
        self.to_node(node, offer, out);
    }

    /// A node wants in: offer to it, and to this node, whose history is to be as fresh.
    pub(super) fn announced(&mut self, now: Now, from: NodeId, out: &mut Outputs) {
        let waiting = self.peers.get(from).is_some_and(|peer| peer.phase <= Phase::None);
        if self.lead.is_none() || !self.peers.is_active(from) || !waiting {
            return;
        }
        self.halt_transition(now);
        if !matches!(self.state, State::Integration) {
            let ring = self.ring();
            if let Some(lead) = &mut self.lead {
                lead.join.ring = ring;
                lead.join.best = None;
                lead.join.synchronising = false;
            }
            self.become_state(now, State::Integration, out);
            self.timers.arm(Timer::Integration, now.elapsed + self.options.integration_timeout);
        }
        self.offer(from, out);
        if from != self.me && self.peers.get(self.me).is_some_and(|me| me.phase != Phase::Welcomed)
        {
            self.offer(self.me, out);
        }
    }

    /// A node's side: an offer.
    pub(super) fn offered(
        &mut self,
        now: Now,
        from: NodeId,
        round: u32,
        leaving: bool,
        feature_set: &str,
        out: &mut Outputs,
    ) {
        if matches!(self.state, State::Starting | State::Stopping | State::Terminate) {
            return;
        }
        if self.lead.is_some() && from != self.me && planted(Mutation::IgnoreOtherDc) {
            return;
        }
        if self.lead.is_some() && from != self.me {
            log::warn!("controller: another DC: {}", self.peers.name(from));
            return self.start_election(now, out);
        }
        if !compatible(feature_set, FEATURE_SET) {
            log::error!(
                "controller: the cluster's feature set {feature_set} is not ours ({FEATURE_SET})"
            );
            return out.end(crate::subsystem::Ending::Fatal);
        }
        if !self.peers.is_active(from) {
            return;
        }
        self.dc = Some(from);
        self.peers.entry(from).expected =
            Some(if leaving { Expected::Down } else { Expected::Member });
        if self.lead.is_none() {
            self.become_state(now, State::Pending, out);
            self.timers.arm(Timer::DcDeadtime, now.elapsed + self.options.dc_deadtime);
        }
        self.cib(CibOperation::Generation, Some(Call::Generation { dc: from, round }), out);
    }

    pub(super) fn send_join_request(
        &mut self,
        dc: NodeId,
        round: u32,
        root: &SharedDocument,
        out: &mut Outputs,
    ) {
        if self.dc != Some(dc) {
            return;
        }
        let generation = JoinGeneration {
            certificate: Certificate::read(root.root()),
            version: CibVersion::of(root.root(), -1).fields(),
            schema: root.root().attribute("validate-with").map(str::to_owned),
        };
        let request =
            ControllerPeer::JoinRequest { round, feature_set: FEATURE_SET.to_owned(), generation };
        self.to_node(dc, request, out);
    }

    /// The DC's side: a node accepts the offer.
    pub(super) fn requested(
        &mut self,
        now: Now,
        from: NodeId,
        round: u32,
        feature_set: &str,
        generation: JoinGeneration,
        out: &mut Outputs,
    ) {
        if self.lead.is_none() || round != self.round {
            return;
        }
        if self.state != State::Integration {
            // Late: it is let in by an offer of its own.
            self.peers.entry(from).phase = Phase::None;
            return self.announced(now, from, out);
        }
        if self.peers.get(from).is_none_or(|peer| peer.phase != Phase::Welcomed) {
            return;
        }
        let known = generation
            .schema
            .as_deref()
            .is_some_and(|s| s.parse::<cib_model::schema::Schema>().is_ok());
        let me = self.me;
        let Some(lead) = &mut self.lead else { return };
        let rank = (generation.certificate, generation.version);
        let better = match lead.join.best {
            None => true,
            Some((_, best)) => rank > best || (rank == best && from == me),
        };
        let refused = lead.join.failed.contains(&from)
            || !compatible(FEATURE_SET, feature_set)
            || (better && !known);
        if !refused && better {
            lead.join.best = Some((from, rank));
        }
        let active = self.peers.is_active(from);
        let peer = self.peers.entry(from);
        if refused || !active {
            log::error!("controller: {} is refused", peer.name);
            (peer.phase, peer.expected) = (Phase::Refused, Some(Expected::Banned));
        } else {
            (peer.phase, peer.expected) = (Phase::Integrated, Some(Expected::Member));
        }
    }

    /// Nodes do not answer: go on without them.
    pub(super) fn integration_over(&mut self, now: Now, out: &mut Outputs) {
        if self.state != State::Integration {
            return;
        }
        let any = self.peers.any_in(Phase::Integrated);
        for (_, peer) in self.peers.iter_mut() {
            if peer.phase == Phase::Welcomed {
                log::warn!("controller: {} does not answer the offer", peer.name);
                peer.phase = Phase::None;
            }
        }
        if !any {
            self.start_election(now, out);
        }
    }

    /// Takes the next step of the join if everybody has taken the last one.
    pub(super) fn check_join(&mut self, now: Now, out: &mut Outputs) {
        let Some(lead) = &self.lead else { return };
        match self.state {
            State::Integration => {
                if self.peers.any_in(Phase::Welcomed) {
                    return;
                }
                if !self.peers.any_in(Phase::Integrated) && !self.peers.any_in(Phase::Refused) {
                    if self.peers.get(self.me).is_none_or(|me| me.phase != Phase::Confirmed) {
                        return;
                    }
                    // Whoever wanted in is gone again.
                    return self.joined(now, out);
                }
                self.become_state(now, State::FinalizeJoin, out);
                self.timers
                    .arm(Timer::Finalization, now.elapsed + self.options.finalization_timeout);
                self.check_join(now, out);
            }
            State::FinalizeJoin => {
                if lead.join.synchronising {
                    return;
                }
                if self.peers.any_in(Phase::Integrated) || self.peers.any_in(Phase::Refused) {
                    return self.synchronise(now, out);
                }
                let open =
                    self.peers.any_in(Phase::Welcomed) || self.peers.any_in(Phase::Finalized);
                if !open && lead.outstanding.is_empty() {
                    self.joined(now, out);
                }
            }
            _ => {}
        }
    }

    /// Has the newest CIB sent to all, once no transition is under way.
    fn synchronise(&mut self, now: Now, out: &mut Outputs) {
        let (ring, settled) = (self.ring(), self.is_ring_settled());
        let Some(lead) = &mut self.lead else { return };
        if !settled || lead.run.as_ref().is_some_and(|run| !run.is_over()) {
            return;
        }
        if lead.join.ring != ring {
            // Whoever came with the ring was not asked for its CIB, and it may be the better one.
            return self.offer_to_all(now, out);
        }
        let from = lead.join.best.map_or(self.me, |(node, _)| node);
        lead.join.synchronising = true;
        let call = Call::Synchronised { round: self.round, from };
        self.cib(CibOperation::Synchronise { from, ring }, Some(call), out);
    }

    pub(super) fn synchronised(
        &mut self,
        now: Now,
        round: u32,
        from: NodeId,
        error: Option<CibError>,
        out: &mut Outputs,
    ) {
        if round != self.round || self.state != State::FinalizeJoin {
            return;
        }
        let Some(lead) = &mut self.lead else { return };
        lead.join.synchronising = false;
        if let Some(error) = error {
            log::error!("controller: the CIB of node {from} cannot be had: {error}");
            if !matches!(error, CibError::NotConnected) {
                lead.join.failed.push(from);
            }
            return self.offer_to_all(now, out);
        }
        lead.has_cib = true;
        let mut updates = Vec::new();
        for (node, phase) in self.peers.iter().map(|(n, p)| (n, p.phase)).collect::<Vec<_>>() {
            if !matches!(phase, Phase::Integrated | Phase::Refused) {
                continue;
            }
            updates.push(self.node_entry(node));
            let accepted = phase == Phase::Integrated;
            if accepted {
                self.peers.entry(node).phase = Phase::Finalized;
            } else {
                self.peers.entry(node).phase = Phase::None;
            }
            let leaving = self.shutting_down;
            self.to_node(node, ControllerPeer::JoinResult { round, accepted, leaving }, out);
        }
        self.write(updates, Call::Write { what: "nodes" }, out);
    }

    /// A node in the `nodes` section.
    fn node_entry(&self, node: NodeId) -> CibUpdate {
        let mut content = Document::new("node");
        let root = content.root_id();
        content.set_attribute(root, "id", &node.to_string());
        content.set_attribute(root, "uname", self.peers.name(node));
        CibUpdate::Modify {
            scope: Scope::Section("nodes".to_owned()),
            content: SharedDocument::new(content),
            create: true,
            scores: false,
        }
    }

    /// A node's side: let in, or not.
    pub(super) fn join_result(
        &mut self,
        now: Now,
        from: NodeId,
        round: u32,
        accepted: bool,
        leaving: bool,
        out: &mut Outputs,
    ) {
        if self.dc != Some(from) || matches!(self.state, State::Starting | State::Stopping) {
            return;
        }
        if !accepted {
            log::error!("controller: {} does not let this node in", self.peers.name(from));
            return out.end(crate::subsystem::Ending::Fatal);
        }
        self.peers.entry(from).expected =
            Some(if leaving { Expected::Down } else { Expected::Member });
        let mut update = Document::new("attrd");
        let root = update.root_id();
        for (name, value) in [
            ("task", "update"),
            ("attr_name", "#feature-set"),
            ("attr_value", FEATURE_SET),
            ("attr_host", self.name.as_str()),
        ] {
            update.set_attribute(root, name, value);
        }
        let message = SharedDocument::new(update);
        out.here(Room::Attributes, AttributesRequest { token: 0, message });
        let state = self.resources.node_state(self.me, &self.name).into();
        self.to_node(from, ControllerPeer::JoinConfirm { round, state }, out);
        if self.lead.is_none() {
            self.become_state(now, State::NotDc, out);
        }
    }

    /// The DC's side: a node is in, and tells what it has.
    pub(super) fn confirmed(
        &mut self,
        _: Now,
        from: NodeId,
        round: u32,
        state: Document,
        out: &mut Outputs,
    ) {
        let finalized = self.peers.get(from).is_some_and(|peer| peer.phase == Phase::Finalized);
        if self.lead.is_none() || round != self.round || !finalized {
            return;
        }
        self.peers.entry(from).phase = Phase::Confirmed;
        let name = self.peers.name(from).to_owned();
        let mut updates = self.history_removal(&name);
        updates.push(modify_status(state));
        updates.extend(self.peers.node_state(from).map(modify_status));
        self.write(updates, Call::Confirmed { node: from, round }, out);
    }

    /// Removes a node's history; resources that wait for it go on doing so.
    fn history_removal(&self, name: &str) -> Vec<CibUpdate> {
        let state = format!("//node_state[@uname='{name}']");
        if !self.options.shutdown_lock {
            return vec![delete_all(format!("{state}/lrm"))];
        }
        let unlocked = "lrm_resource[not(@shutdown-lock) or @shutdown-lock='0']";
        vec![delete_all(format!("{state}//{unlocked}")), delete_all(format!("{state}//lrm_rsc_op"))]
    }

    pub(super) fn confirm_written(
        &mut self,
        now: Now,
        node: NodeId,
        round: u32,
        error: Option<CibError>,
        out: &mut Outputs,
    ) {
        if let Some(error) = error.filter(|_| round == self.round && self.lead.is_some()) {
            log::error!("controller: the history of node {node} cannot be recorded: {error}");
            self.offer_to_all(now, out);
        }
    }

    /// Everybody is in.
    fn joined(&mut self, now: Now, out: &mut Outputs) {
        let mut updates: Vec<CibUpdate> = Vec::new();
        for (node, _) in self.peers.iter().filter(|(_, peer)| peer.seen) {
            updates.push(self.node_entry(node));
            updates.extend(self.peers.node_state(node).map(modify_status));
        }
        self.become_state(now, State::PolicyEngine, out);
        self.write(updates, Call::Write { what: "node states" }, out);
        if let Some(lead) = &mut self.lead {
            lead.told_quorum = None;
        }
        self.tell_quorum(now, out);
        self.cancel_transition();
        self.timers.cancel(&Timer::TransitionDelay);
        self.want_calculation();
    }
}

/// Whether a node with feature set `theirs` may join a DC with `dcs` (spec 60 §5.7).
fn compatible(dcs: &str, theirs: &str) -> bool {
    let parts = |text: &str| {
        let mut numbers = text.split('.').map(|part| part.parse::<u32>().ok());
        Some((numbers.next()??, numbers.next()??))
    };
    match (parts(dcs), parts(theirs)) {
        (Some((major, minor)), Some((own_major, own_minor))) => {
            major == own_major && minor <= own_minor
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::compatible;

    #[test]
    fn newer_nodes_may_join_older_clusters_and_not_the_other_way() {
        assert!(compatible("3.20.5", "3.20.1"));
        assert!(compatible("3.19.0", "3.20.0"));
        assert!(!compatible("3.20.5", "3.19.9"));
        assert!(!compatible("3.20.5", "4.20.5"));
        assert!(!compatible("3.20.5", "junk"));
    }
}
