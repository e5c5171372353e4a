//! The election of the DC, in the controller (spec 60 §4.4).

use std::time::Duration;

use quorum::election::{Input, Output};

use super::{Controller, Lead, State, Timer};
use crate::controller::join::Join;
use crate::controller::peers::Expected;
use crate::mutation::{Mutation, planted};
use crate::subsystem::{
    CibOperation, ControllerPeer, ElectionBallot, Interest, NodeId, Now, Outputs,
};

/// How often a node that waits for a DC announces itself again.
const ANNOUNCE_AGAIN: Duration = Duration::from_secs(2);

impl Controller {
    /// Tells the election who came and went.
    pub(super) fn elect_among(&mut self, now: Now, changed: &[(NodeId, bool)]) {
        for (node, online) in changed {
            let input = if *online {
                Input::Joined((*node).into())
            } else {
                Input::Left { node: (*node).into(), was_controller: self.dc == Some(*node) }
            };
            let _ = self.election.handle(now.elapsed, now.cpu, input);
        }
    }

    pub(super) fn start_election(&mut self, now: Now, out: &mut Outputs) {
        if matches!(self.state, State::Starting | State::Stopping | State::Terminate) {
            return;
        }
        self.dc = None;
        self.become_state(now, State::Election, out);
        let _ = self.election.handle(now.elapsed, now.cpu, Input::Start);
        self.drain_election(now, out);
    }

    pub(super) fn ballot(
        &mut self,
        now: Now,
        from: NodeId,
        ballot: &ElectionBallot,
        out: &mut Outputs,
    ) {
        let ballot = match ballot.read() {
            Ok(ballot) => ballot,
            Err(error) => return log::warn!("controller: from node {from}: {error}"),
        };
        let eligible = !matches!(self.state, State::Starting | State::Stopping | State::Terminate);
        let _ = self.election.handle(now.elapsed, now.cpu, Input::Eligible(eligible));
        let input = Input::Ballot { from: from.into(), ballot };
        if let Err(error) = self.election.handle(now.elapsed, now.cpu, input) {
            log::debug!("controller: {error}");
        }
        self.check_election(now, out);
    }

    /// Sees whether the election is won by the votes that are in.
    pub(super) fn check_election(&mut self, now: Now, out: &mut Outputs) {
        if self.state == State::Election {
            let _ = self.election.handle(now.elapsed, now.cpu, Input::Check);
        }
        self.drain_election(now, out);
    }

    pub(super) fn election_timeout(&mut self, now: Now, out: &mut Outputs) {
        if self.election.poll_timeout().is_some_and(|at| at <= now.elapsed) {
            let _ = self.election.handle(now.elapsed, now.cpu, Input::Timeout);
            self.drain_election(now, out);
            self.proceed(now, out);
        }
    }

    fn drain_election(&mut self, now: Now, out: &mut Outputs) {
        while let Some(output) = self.election.poll_output() {
            match output {
                Output::Broadcast(ballot) => {
                    self.to_all(ControllerPeer::Ballot(ElectionBallot::new(&ballot)), out);
                }
                Output::Send { to, ballot } => {
                    let ballot = ControllerPeer::Ballot(ElectionBallot::new(&ballot));
                    self.to_node(to.into(), ballot, out);
                }
                Output::Restart => self.start_election(now, out),
                Output::Lost => self.election_lost(now, out),
                Output::Won => self.take_over(now, out),
                Output::Storm => log::warn!("controller: an unusual number of elections"),
            }
        }
    }

    fn election_lost(&mut self, now: Now, out: &mut Outputs) {
        self.release(out);
        self.dc = None;
        if !matches!(self.state, State::Starting | State::Stopping | State::Terminate) {
            self.become_state(now, State::Pending, out);
            self.timers.arm(Timer::DcDeadtime, now.elapsed + self.options.dc_deadtime);
        }
    }

    /// Stops leading.
    pub(super) fn release(&mut self, out: &mut Outputs) {
        if self.lead.take().is_some() {
            log::info!("controller: no longer DC");
            self.cib(CibOperation::Primary(false), None, out);
            self.cib(CibOperation::Subscribe(Interest::Options), None, out);
            self.cancel_action_timers();
            for timer in [
                Timer::Scheduler,
                Timer::QuorumGained,
                Timer::TransitionDelay,
                Timer::Pace,
                Timer::Count,
                Timer::Recheck,
            ] {
                self.timers.cancel(&timer);
            }
            self.fences.clear();
        }
    }

    /// Leads from now on.
    fn take_over(&mut self, now: Now, out: &mut Outputs) {
        if self.state != State::Election {
            return;
        }
        log::info!("controller: this node is DC now");
        let told_quorum = None;
        self.cancel_action_timers();
        self.fences.clear();
        self.lead = Some(Box::new(Lead {
            join: Join::default(),
            run: None,
            expected: None,
            plan: None,
            wanted: false,
            paced: now.elapsed,
            told_quorum,
            outstanding: Default::default(),
            has_cib: false,
        }));
        self.dc = Some(self.me);
        self.peers.entry(self.me).expected = Some(Expected::Member);
        self.cib(CibOperation::Primary(true), None, out);
        self.cib(CibOperation::Subscribe(Interest::All), None, out);
        for name in std::mem::take(&mut self.fenced_to_record) {
            self.record_fenced(&name, out);
        }
        self.ask_options(out);
        self.offer_to_all(now, out);
    }

    /// The DC is gone.
    pub(super) fn dc_lost(&mut self, now: Now, out: &mut Outputs) {
        self.dc = None;
        if self.lead.is_none()
            && matches!(self.state, State::NotDc | State::Pending | State::Election)
        {
            self.start_election(now, out);
        }
    }

    /// Nobody with a DC was heard of for a long time.
    pub(super) fn no_dc(&mut self, now: Now, out: &mut Outputs) {
        if self.state == State::Pending {
            log::info!("controller: no DC for {:?}", self.options.dc_deadtime);
            self.start_election(now, out);
        }
    }

    pub(super) fn greeted(
        &mut self,
        now: Now,
        from: NodeId,
        dc: Option<NodeId>,
        pending: bool,
        out: &mut Outputs,
    ) {
        self.peers.entry(from).hello = Some((dc, pending));
        if self.lead.is_some() && from != self.me {
            if dc == Some(from) && !planted(Mutation::IgnoreOtherDc) {
                log::warn!("controller: another DC: {}", self.peers.name(from));
                return self.start_election(now, out);
            }
            if pending && self.peers.get(from).is_some_and(|peer| peer.phase <= super::Phase::None)
            {
                self.announced(now, from, out);
            }
        }
        self.consider_election(now, out);
    }

    /// Elects a DC at once if it is certain that there is none and that nobody is on the way who knows one.
    pub(super) fn consider_election(&mut self, now: Now, out: &mut Outputs) {
        if self.state != State::Pending || self.dc.is_some() || !self.is_quorate() {
            return;
        }
        let Some(membership) = &self.membership else { return };
        let complete = membership.configured.iter().all(|node| self.peers.is_active(node.id));
        let none_leads = self
            .peers
            .iter()
            .filter(|(_, peer)| peer.online)
            .all(|(_, peer)| matches!(peer.hello, Some((None, _))));
        let first = self.peers.active().first().copied();
        if complete && none_leads && first == Some(self.me) {
            log::info!("controller: all nodes are here and none of them leads");
            self.start_election(now, out);
        }
    }

    /// Asks to be let in, and again for as long as this node waits.
    pub(super) fn announce(&mut self, now: Now, out: &mut Outputs) {
        if self.state == State::Pending {
            self.to_all(ControllerPeer::JoinAnnounce, out);
            self.timers.arm(Timer::Announce, now.elapsed + ANNOUNCE_AGAIN);
        }
    }
}
