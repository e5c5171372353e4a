//! A new ring: everybody reports what it brings; with all reports at hand everybody knows what the
//! verdict will be, remembers it and says that it is ready; and when all are ready, at one point of
//! the message order, everybody gives it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::{Claim, NodeRecord, NodeState, Output, Refusal, Roll, Rules, Verdict, Votes, merge};
use crate::id::{NodeId, RingId};
use crate::memory::{LastQuorate, Memory};
use crate::mutation::{self, Mutation};
use crate::notice::Notice;
use crate::wire::{DeviceFlags, MAX_MEMBERS, Message, Report};

/// A view installed by messaging.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct View {
    ring: RingId,
    members: Vec<NodeId>,
    together: Vec<NodeId>,
}

/// Why something is not a view.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ViewError {
    /// Too large.
    #[error("a view has 1 to 1024 members, not {0}")]
    Size(usize),
}

impl View {
    /// A view of this ring. `together` are the members that came with this node from its previous
    /// view (the transitional view); both lists may be in any order.
    ///
    /// # Errors
    /// No member, or more than 1024.
    pub fn new(
        ring: RingId,
        mut members: Vec<NodeId>,
        mut together: Vec<NodeId>,
    ) -> Result<View, ViewError> {
        members.sort_unstable();
        members.dedup();
        together.sort_unstable();
        together.dedup();
        match members.len() {
            1..=MAX_MEMBERS => Ok(View { ring, members, together }),
            n => Err(ViewError::Size(n)),
        }
    }

    /// Its ring.
    #[must_use]
    pub fn ring(&self) -> RingId {
        self.ring
    }

    /// Its members by ascending id.
    #[must_use]
    pub fn members(&self) -> &[NodeId] {
        &self.members
    }
}

/// Ordered requests kept while a ring is synchronised.
const MAX_DEFERRED: usize = 1024;

/// One ring being synchronised.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Synchronisation {
    view: View,
    /// Who came with us all the way from the last synchronised ring.
    together: Vec<NodeId>,
    reports: BTreeMap<NodeId, Report>,
    /// Device flags announced after the report.
    devices: BTreeMap<NodeId, DeviceFlags>,
    ready: BTreeSet<NodeId>,
    /// Requests ordered before the verdict; they are applied right after it.
    deferred: Vec<(NodeId, Message)>,
    overrun: bool,
    said_ready: bool,
    /// The device has not yet answered about this ring.
    awaits_device: bool,
}

impl Synchronisation {
    /// Those whose votes count, with their votes.
    fn voters(&self) -> Vec<(NodeId, u32)> {
        let staying = self.reports.iter().filter(|(_, report)| !report.leaving);
        staying.map(|(id, report)| (*id, report.votes)).collect()
    }
}

impl Votes {
    pub(super) fn begin(&mut self, now: Duration, view: View) {
        let together = match self.synchronisation.take() {
            None => view.together.clone(),
            Some(unfinished) => {
                self.drop_deferred(&unfinished.deferred);
                let came = |id: &NodeId| view.together.binary_search(id).is_ok();
                unfinished.together.into_iter().filter(came).collect()
            }
        };
        self.tell_change(&view);
        self.emit(Output::Synchronising { ring: view.ring, members: view.members.clone() });
        let report = self.report(view.ring);
        self.synchronisation = Some(Synchronisation {
            view,
            together,
            reports: BTreeMap::new(),
            devices: BTreeMap::new(),
            ready: BTreeSet::new(),
            deferred: Vec::new(),
            overrun: false,
            said_ready: false,
            awaits_device: false,
        });
        self.multicast(&Message::Report(Box::new(report)));
        self.await_device(now);
    }

    fn tell_change(&mut self, view: &View) {
        let known = |id: &NodeId| self.members.binary_search(id).is_ok();
        let joined: Vec<_> = view.members.iter().copied().filter(|id| !known(id)).collect();
        let stays = |id: &NodeId| view.members.binary_search(id).is_ok();
        let left: Vec<_> = self.members.iter().copied().filter(|id| !stays(id)).collect();
        self.notice(Notice::SyncMembers(view.members.clone()));
        if !joined.is_empty() {
            self.notice(Notice::SyncJoined(joined));
        }
        if !left.is_empty() {
            self.notice(Notice::SyncLeft(left));
        }
    }

    fn report(&self, ring: RingId) -> Report {
        Report {
            ring,
            origin: self.ring,
            votes: self.settings.votes,
            expected: self.verdict.expected,
            barrier: self.barrier,
            tracking: self.tracking,
            quorate: self.verdict.quorate,
            leaving: self.leaving,
            device: self.device.flags,
            digest: self.settings.digest(),
            device_name: self.device.name.clone().unwrap_or_default(),
            memory: self.memory.clone(),
        }
    }

    /// The ring being synchronised, else the one synchronised last.
    pub(super) fn newest_ring(&self) -> Option<RingId> {
        self.synchronisation.as_ref().map(|s| s.view.ring).or(self.ring)
    }

    pub(super) fn set_awaits_device(&mut self, awaits: bool) {
        if let Some(sync) = &mut self.synchronisation {
            sync.awaits_device = awaits;
            self.say_ready();
        }
    }

    /// Says once per ring that this node knows the verdict to come.
    fn say_ready(&mut self) {
        let Some(sync) = &mut self.synchronisation else { return };
        let complete = sync.reports.len() == sync.view.members.len()
            || mutation::planted(Mutation::ActivateEarly);
        if sync.said_ready || sync.awaits_device || !complete {
            return;
        }
        sync.said_ready = true;
        let ring = sync.view.ring;
        let members = sync.voters();
        let (verdict, mut memory) = self.foresee();
        if verdict.by_votes || verdict.quorate && self.settings.last_man_standing.is_some() {
            memory.attempt(LastQuorate { ring: Some(ring), members });
            self.memory = memory;
        }
        self.multicast(&Message::Ready { ring });
    }

    /// The verdict of the ring being synchronised, from the reports.
    fn foresee(&self) -> (Verdict, Memory) {
        let reports = self.synchronisation.iter().flat_map(|sync| &sync.reports);
        let claims: Vec<_> = reports.filter_map(claim).collect();
        merge(&Rules::of(&self.settings), &claims, self.device.flags.casts)
    }

    /// A message delivered while a ring is synchronised.
    pub(super) fn deliver_synchronising(&mut self, now: Duration, from: NodeId, message: Message) {
        let Some(sync) = &mut self.synchronisation else { return };
        match message {
            Message::Report(report) => {
                if report.ring == sync.view.ring && sync.view.members.binary_search(&from).is_ok() {
                    sync.reports.insert(from, *report);
                    self.say_ready();
                }
            }
            Message::Ready { ring } => {
                if ring == sync.view.ring && sync.view.members.binary_search(&from).is_ok() {
                    sync.ready.insert(from);
                    let all = sync.ready.len() == sync.view.members.len();
                    if all || mutation::planted(Mutation::ActivateEarly) {
                        self.activate(now);
                    }
                }
            }
            Message::Device(flags) => {
                sync.devices.insert(from, flags);
            }
            other if sync.deferred.len() < MAX_DEFERRED => sync.deferred.push((from, other)),
            other => {
                let first = !std::mem::replace(&mut sync.overrun, true);
                if first {
                    self.notice(Notice::SynchronisationOverrun);
                }
                self.drop_deferred(&[(from, other)]);
            }
        }
    }

    fn drop_deferred(&mut self, messages: &[(NodeId, Message)]) {
        for (from, message) in messages {
            if *from == self.settings.me
                && let Some(ticket) = message.ticket()
            {
                self.reply_ticket(ticket, Err(Refusal::TryAgain));
            }
        }
    }

    /// All members are ready: the verdict of the new ring.
    fn activate(&mut self, now: Duration) {
        let (verdict, mut memory) = self.foresee();
        let Some(sync) = self.synchronisation.take() else { return };
        self.take_barriers(&sync.reports);
        self.take_records(&sync);
        let previous = std::mem::replace(&mut self.members, sync.view.members.clone());
        self.ring = Some(sync.view.ring);
        if verdict.quorate && self.settings.last_man_standing.is_some() {
            memory.attempt(LastQuorate { ring: self.ring, members: sync.voters() });
        }
        self.memory = memory;
        let lost = self.tell_members(&previous, &sync.together);
        self.disable_last_man_if_uneven();
        let roll: Roll = self.roll();
        self.commit(verdict, &roll, true);
        self.schedule_window(now, lost);
        for (from, message) in sync.deferred {
            self.deliver(now, from, message);
        }
    }

    fn take_barriers(&mut self, reports: &BTreeMap<NodeId, Report>) {
        let quorate = reports.values().filter(|r| r.quorate).map(|r| r.barrier).max();
        let all = reports.values().map(|r| r.barrier).max();
        self.barrier = quorate.or(all).unwrap_or(self.barrier);
        let tracking = reports.values().map(|r| r.tracking).max().unwrap_or(0);
        if self.settings.expected_votes_tracking && tracking > self.tracking {
            self.tracking = tracking;
            self.emit(Output::Persist(crate::store::Persistent { tracking }));
        }
    }

    fn take_records(&mut self, sync: &Synchronisation) {
        self.nodes.mark_dead_except(&sync.view.members);
        for (id, report) in &sync.reports {
            let known = self.nodes.get(*id);
            if report.digest != self.settings.digest()
                && known.is_none_or(|k| k.digest != report.digest)
            {
                self.notice(Notice::SettingsDiffer { node: *id });
            }
            let extra_info = self.nodes.get(*id).map(|k| k.extra_info.clone()).unwrap_or_default();
            let state = if report.leaving { NodeState::Leaving } else { NodeState::Member };
            let device = sync.devices.get(id).copied().unwrap_or(report.device);
            let record = NodeRecord {
                state,
                votes: report.votes,
                device,
                extra_info,
                digest: report.digest,
            };
            self.nodes.insert(*id, record);
            if self.device.name.is_none() && !report.device_name.is_empty() {
                self.device.name = Some(report.device_name.clone());
            }
        }
        self.resend_extra_info();
    }

    /// Tells who came and went against the previous ring; whether anybody is gone.
    fn tell_members(&mut self, previous: &[NodeId], together: &[NodeId]) -> bool {
        let here = |id: &NodeId| self.members.binary_search(id).is_ok();
        let came = |id: &NodeId| together.binary_search(id).is_ok();
        let left: Vec<_> = previous.iter().copied().filter(|id| !here(id) || !came(id)).collect();
        let fresh = |id: &NodeId| previous.binary_search(id).is_err() || left.contains(id);
        let joined = self.members.iter().copied().filter(fresh).collect();
        let lost = previous.iter().any(|id| !here(id));
        if let Some(ring) = self.ring {
            let members = self.members.clone();
            self.emit(Output::Members { ring, members, joined, left });
        }
        lost
    }

    /// A quorate partition that lost somebody re-bases after the window.
    fn schedule_window(&mut self, now: Duration, lost: bool) {
        let Some(window) = self.settings.last_man_standing else { return };
        if !self.verdict.quorate {
            self.window = None;
        } else if lost {
            self.window = Some(now + window);
        }
    }
}

fn claim<'a>((node, report): (&NodeId, &'a Report)) -> Option<Claim<'a>> {
    (!report.leaving).then_some(Claim {
        node: *node,
        origin: report.origin,
        votes: report.votes,
        expected: report.expected,
        quorate: report.quorate,
        device_casts: report.device.casts,
        memory: &report.memory,
    })
}
