//! The quorum device: an arbiter at a third place whose votes tip the balance.
//!
//! [`QuorumDevice`] is what the votes layer's driver needs of one. [`LocalDevice`] asks an
//! [`Arbiter`] in the same process: for embedding, for simulation, and as the model of what a
//! networked one does. [`net::NetDevice`] asks a `corosync-qnetd` daemon.

mod arbiter;
pub mod net;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

pub use arbiter::{Algorithm, Answer, Arbiter, Heuristics, Sighting};

use crate::id::{NodeId, RingId};
use crate::votes::{DeviceRequest, NodeState};

/// A quorum device as one node sees it. Like the votes machine it does no I/O of its own: the
/// driver tells it of rings and time, and feeds what [`poll`](QuorumDevice::poll) gives into the
/// votes machine.
pub trait QuorumDevice {
    /// Name to register.
    fn name(&self) -> &str;

    /// A ring is being synchronised ([`Output::Synchronising`](crate::votes::Output)).
    fn synchronising(&mut self, now: Duration, ring: RingId, members: &[NodeId]);

    /// The votes layer gave a verdict ([`Output::Verdict`](crate::votes::Output)). Only arbiters
    /// that are told of it care.
    fn verdict(&mut self, _now: Duration, _quorate: bool, _nodes: &[(NodeId, NodeState)]) {}

    /// Does what its connection is ready for. To be called at
    /// [`poll_timeout`](QuorumDevice::poll_timeout) and when the connection is ready.
    fn turn(&mut self, _now: Duration) {}

    /// The next poll due, if any. To be asked after each of the other calls and at
    /// [`poll_timeout`](QuorumDevice::poll_timeout), until there is none; each poll must have been
    /// fed to the votes machine before the next is asked for.
    fn poll(&mut self, now: Duration) -> Option<DeviceRequest>;

    /// When `poll` is next worth asking.
    fn poll_timeout(&self) -> Option<Duration>;
}

/// A device whose arbiter lives in the same process.
#[derive(Clone, Debug)]
pub struct LocalDevice {
    me: NodeId,
    name: String,
    interval: Duration,
    arbiter: Arc<Mutex<Arbiter>>,
    ring: Option<RingId>,
    members: Vec<NodeId>,
    heuristics: Heuristics,
    answer: Option<Answer>,
    /// A poll without the votes is out, to be confirmed to the arbiter.
    given_back: Option<RingId>,
    next: Option<Duration>,
}

impl LocalDevice {
    /// The device of node `me`. It polls every `interval`, which should be half the device's
    /// timeout or less.
    #[must_use]
    pub fn new(me: NodeId, name: &str, interval: Duration, arbiter: Arc<Mutex<Arbiter>>) -> Self {
        Self {
            me,
            name: name.to_owned(),
            interval,
            arbiter,
            ring: None,
            members: Vec::new(),
            heuristics: Heuristics::Disabled,
            answer: None,
            given_back: None,
            next: None,
        }
    }

    /// The node's own checks have a new result.
    pub fn set_heuristics(&mut self, heuristics: Heuristics) {
        if std::mem::replace(&mut self.heuristics, heuristics) != heuristics {
            self.report();
        }
    }

    fn report(&self) {
        let Some(ring) = self.ring else { return };
        let sighting =
            Sighting { ring, members: self.members.clone(), heuristics: self.heuristics };
        let mut arbiter = self.arbiter.lock().unwrap_or_else(PoisonError::into_inner);
        arbiter.report(self.me, sighting);
    }

    /// Whoever asks for the next poll has fed the last one, so the votes no longer count here.
    fn give_back(&mut self) {
        if let Some(ring) = self.given_back.take() {
            let mut arbiter = self.arbiter.lock().unwrap_or_else(PoisonError::into_inner);
            arbiter.confirm(self.me, ring);
        }
    }

    fn refresh(&mut self) {
        let mut arbiter = self.arbiter.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(answer) = arbiter.answer(self.me) {
            self.answer = Some(answer);
            self.next = None;
        }
    }
}

impl QuorumDevice for LocalDevice {
    fn name(&self) -> &str {
        &self.name
    }

    fn synchronising(&mut self, now: Duration, ring: RingId, members: &[NodeId]) {
        self.ring = Some(ring);
        self.members = members.to_vec();
        self.report();
        self.answer = None;
        self.next = Some(now);
    }

    fn poll(&mut self, now: Duration) -> Option<DeviceRequest> {
        self.give_back();
        self.refresh();
        let answer = self.answer.filter(|answer| Some(answer.ring) == self.ring);
        if self.next.is_some_and(|at| at > now) {
            return None;
        }
        self.next = Some(now + self.interval);
        let Answer { ring, cast } = answer?;
        self.given_back = (!cast).then_some(ring);
        Some(DeviceRequest::Poll { name: self.name.clone(), cast, ring })
    }

    fn poll_timeout(&self) -> Option<Duration> {
        self.next
    }
}
