//! Requests of clients: checked where they are made, ordered by messaging, checked again and
//! applied where they are delivered, on all members alike.

use std::time::Duration;

use super::{
    MAX_PENDING, Mandate, NodeState, Output, Refusal, Request, Roll, Rules, Verdict, Votes, judge,
};
use crate::id::NodeId;
use crate::mutation::{self, Mutation};
use crate::notice::Notice;
use crate::options::{NodeVotes, Section};
use crate::wire::Message;

impl Message {
    /// The sender's mark, if the message is a request.
    pub(super) fn ticket(&self) -> Option<u64> {
        match self {
            Message::SetExpected { ticket, forced: false, .. }
            | Message::SetVotes { ticket, forced: false, .. }
            | Message::CancelWaiting { ticket }
            | Message::RegisterDevice { ticket, .. }
            | Message::RenameDevice { ticket, .. } => Some(*ticket),
            _ => None,
        }
    }
}

impl Votes {
    pub(super) fn reply(&mut self, token: u64, result: Result<(), Refusal>) {
        self.emit(Output::Reply { token, result });
    }

    pub(super) fn reply_ticket(&mut self, ticket: u64, result: Result<(), Refusal>) {
        if let Some(token) = self.pending.remove(&ticket) {
            self.reply(token, result);
        }
    }

    /// Sends a request into the order, to be answered when it comes back.
    /// Its mark, unless too many are under way.
    pub(super) fn submit(
        &mut self,
        token: u64,
        message: impl FnOnce(u64) -> Message,
    ) -> Option<u64> {
        if self.pending.len() >= MAX_PENDING {
            self.reply(token, Err(Refusal::TryAgain));
            return None;
        }
        let ticket = self.next_ticket;
        self.next_ticket += 1;
        self.pending.insert(ticket, token);
        self.multicast(&message(ticket));
        Some(ticket)
    }

    pub(super) fn request(&mut self, now: Duration, token: u64, request: Request) {
        match request {
            Request::SetExpected(expected) => match self.check_expected(expected) {
                Err(refusal) => self.reply(token, Err(refusal)),
                Ok(()) => {
                    let forced = false;
                    self.submit(token, |ticket| Message::SetExpected { ticket, expected, forced });
                }
            },
            Request::SetVotes { node, votes } => {
                let node = node.unwrap_or(self.settings.me);
                match self.check_votes(node, votes) {
                    Err(refusal) => self.reply(token, Err(refusal)),
                    Ok(()) => {
                        let forced = false;
                        self.submit(token, |ticket| Message::SetVotes {
                            ticket,
                            node,
                            votes,
                            forced,
                        });
                    }
                }
            }
            Request::CancelWaiting => {
                self.submit(token, |ticket| Message::CancelWaiting { ticket });
            }
            Request::Leave => {
                if self.settings.allow_downscale {
                    self.leaving = true;
                    self.multicast(&Message::Leaving);
                }
                self.reply(token, Ok(()));
            }
            Request::Device(request) => self.device_request(now, token, request),
        }
    }

    /// A message in the order of the present ring.
    pub(super) fn deliver(&mut self, now: Duration, from: NodeId, message: Message) {
        if self.synchronisation.is_some() {
            return self.deliver_synchronising(now, from, message);
        }
        let ticket = message.ticket().filter(|_| from == self.settings.me);
        let result = self.apply(from, message);
        if let Some(ticket) = ticket {
            self.reply_ticket(ticket, result);
        }
    }

    fn apply(&mut self, from: NodeId, message: Message) -> Result<(), Refusal> {
        match message {
            // Reports and readiness belong to rings that are being synchronised; late ones are void.
            Message::Report(_) | Message::Ready { .. } => {}
            Message::SetExpected { expected, forced, .. } => {
                let checked = if forced { Ok(()) } else { self.check_expected(expected) };
                if checked.is_ok() || mutation::planted(Mutation::ApplyBeforeCheck) {
                    self.set_expected(expected);
                }
                checked?;
            }
            Message::SetVotes { node, votes, forced, .. } => {
                if !forced {
                    self.check_votes(node, votes)?;
                }
                self.set_votes(node, votes);
            }
            Message::CancelWaiting { .. } => {
                self.notice(Notice::WaitingCancelled { by: from });
                self.evaluate(Mandate::Released);
            }
            Message::Rebase { ring } => {
                if Some(ring) == self.ring {
                    self.rebase();
                }
            }
            Message::Leaving => self.departs(from),
            Message::Device(flags) => self.device_changed(from, flags),
            Message::ExtraInfo(info) => self.extra_info_changed(from, info),
            Message::RegisterDevice { name, .. } => return self.device_registers(from, name),
            Message::UnregisterDevice => self.device_unregisters(from),
            Message::RenameDevice { old, new, .. } => return self.device_renamed(&old, new),
        }
        Ok(())
    }

    /// The present members as all of them know them alike: the device counts if any member has
    /// announced that it casts.
    fn agreed_roll(&self) -> Roll {
        let device_casts = self.nodes.members().any(|(_, record)| record.device.casts);
        Roll { device_casts, ..self.roll() }
    }

    fn agreed(&self, roll: &Roll) -> Verdict {
        let rules = Rules::of(&self.settings);
        judge(&rules, roll, self.verdict.expected, &self.memory, Mandate::Held)
    }

    /// Fewer expected votes than votes, or so many that quorum is lost, are refused.
    fn check_expected(&self, expected: u32) -> Result<(), Refusal> {
        let rules = Rules::of(&self.settings);
        let roll = self.agreed_roll();
        let total = roll.total(&rules);
        if expected < total {
            return Err(Refusal::ExpectedTooLow { expected, total });
        }
        let voters = roll.ids.len() + usize::from(roll.device_casts);
        let quorum = rules.quorum(expected, total, voters);
        if self.agreed(&roll).quorate && quorum > total {
            return Err(Refusal::WouldLoseQuorum { quorum, total });
        }
        Ok(())
    }

    fn check_votes(&self, node: NodeId, votes: u32) -> Result<(), Refusal> {
        let Some(_) = self.nodes.get(node) else { return Err(Refusal::UnknownNode(node)) };
        let mut roll = self.agreed_roll();
        if let Ok(at) = roll.ids.binary_search(&node) {
            roll.votes[at] = votes;
        }
        let rules = Rules::of(&self.settings);
        let total = roll.total(&rules);
        let voters = roll.ids.len() + usize::from(roll.device_casts);
        let quorum = rules.quorum(self.verdict.expected, total, voters);
        if quorum < total / 2 && !rules.two_node || quorum > total {
            return Err(Refusal::WouldLoseQuorum { quorum, total });
        }
        Ok(())
    }

    fn set_expected(&mut self, expected: u32) {
        self.barrier = expected;
        self.change_expected(expected.max(self.tracking));
        self.evaluate(Mandate::Ordered);
    }

    /// Sets the base of the next judgement and tells of it.
    fn change_expected(&mut self, expected: u32) {
        if expected != self.verdict.expected {
            self.verdict.expected = expected;
            self.emit(Output::ExpectedVotes(expected));
        }
    }

    fn set_votes(&mut self, node: NodeId, votes: u32) {
        if let Some(record) = self.nodes.get_mut(node) {
            record.votes = votes;
        }
        if node == self.settings.me {
            self.settings.votes = votes;
        }
        self.disable_last_man_if_uneven();
        self.evaluate(Mandate::Ordered);
    }

    /// The window after a loss has passed here; the first such word in the order counts.
    pub(super) fn window_passed(&mut self) {
        let Some(ring) = self.ring else { return };
        if self.verdict.quorate && self.synchronisation.is_none() {
            if mutation::planted(Mutation::RebaseOutOfOrder) {
                self.rebase();
            }
            self.multicast(&Message::Rebase { ring });
        }
    }

    /// The members of a quorate partition are from now on the whole. Every one of them remembers
    /// this view, so one that is cut off before it hears of this cannot join a majority elsewhere.
    fn rebase(&mut self) {
        self.window = None;
        if self.verdict.quorate && self.settings.last_man_standing.is_some() {
            self.change_expected(self.roll().node_votes().max(1));
            self.evaluate(Mandate::Held);
        }
    }

    /// A member exits in order: the expected votes of a quorate partition follow, not below the
    /// configured ones.
    fn departs(&mut self, node: NodeId) {
        match self.nodes.get_mut(node) {
            Some(record) if record.state == NodeState::Member => record.state = NodeState::Leaving,
            _ => return,
        }
        if self.settings.allow_downscale && self.verdict.quorate {
            let left = self.roll().node_votes();
            let expected = self.verdict.expected.min(left.max(self.barrier)).max(1);
            self.change_expected(expected);
        }
        self.evaluate(Mandate::Ordered);
    }

    /// Takes re-read settings over and tells the others what concerns them.
    pub(super) fn reload(&mut self, section: &Section, nodes: &[NodeVotes]) {
        let registered = self.device.flags.registered;
        let (new, notices) = self.settings.reload(section, nodes, registered);
        for notice in notices {
            self.notice(notice);
        }
        let old = std::mem::replace(&mut self.settings, new);
        let released = old.wait_for_all && !self.settings.wait_for_all;
        let (expected, votes) = (self.settings.expected_votes, self.settings.votes);
        if expected != old.expected_votes {
            self.multicast(&Message::SetExpected { ticket: 0, expected, forced: true });
        }
        if votes != old.votes {
            let node = self.settings.me;
            // The new value counts once it is ordered, for this node as for the others.
            self.settings.votes = old.votes;
            self.multicast(&Message::SetVotes { ticket: 0, node, votes, forced: true });
        }
        if !self.settings.device.as_ref().is_some_and(|d| d.enabled) {
            self.drop_device();
        }
        if self.synchronisation.is_none() {
            self.evaluate(if released { Mandate::Released } else { Mandate::Ordered });
        }
    }
}
