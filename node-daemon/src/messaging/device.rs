//! The quorum device beside the votes: registered once there is a ring, told of rings and verdicts,
//! its polls fed to the votes.

use std::time::Duration;

use quorum::device::QuorumDevice;
use quorum::votes::{DeviceRequest, Input, NodeState, Refusal, Request};
use quorum::{NodeId, RingId};

const REGISTER: u64 = 1;
const POLL: u64 = 2;
/// Its reply is for nobody.
const WITHDRAW: u64 = 3;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Registration {
    Wanted,
    Asked,
    Done,
    /// Wanted again with the next ring.
    Refused,
}

/// See the [module](self).
pub(super) struct Device {
    device: Box<dyn QuorumDevice + Send>,
    registration: Registration,
    ring: Option<(RingId, Vec<NodeId>)>,
    verdict: Option<(bool, Vec<(NodeId, NodeState)>)>,
}

impl Device {
    pub(super) fn new(device: Box<dyn QuorumDevice + Send>) -> Device {
        Device { device, registration: Registration::Wanted, ring: None, verdict: None }
    }

    /// What its predecessor would have been told.
    pub(super) fn in_ring(
        self,
        ring: Option<(RingId, Vec<NodeId>)>,
        verdict: (bool, Vec<(NodeId, NodeState)>),
    ) -> Device {
        Device { ring, verdict: Some(verdict), ..self }
    }

    /// What the votes are to be asked when the device goes: its votes no longer count.
    pub(super) fn withdrawal(&self) -> Input {
        let name = self.device.name().to_owned();
        let request = DeviceRequest::Unregister { name };
        Input::Request { token: WITHDRAW, request: Request::Device(request) }
    }

    pub(super) fn synchronising(&mut self, now: Duration, ring: RingId, members: Vec<NodeId>) {
        match self.registration {
            Registration::Done => self.device.synchronising(now, ring, &members),
            Registration::Refused => self.registration = Registration::Wanted,
            Registration::Wanted | Registration::Asked => {}
        }
        self.ring = Some((ring, members));
    }

    pub(super) fn verdict(
        &mut self,
        now: Duration,
        quorate: bool,
        nodes: Vec<(NodeId, NodeState)>,
    ) {
        if self.registration == Registration::Done {
            self.device.verdict(now, quorate, &nodes);
        }
        self.verdict = Some((quorate, nodes));
    }

    pub(super) fn reply(&mut self, now: Duration, token: u64, result: Result<(), Refusal>) {
        match (token, result) {
            (REGISTER, Ok(())) => {
                self.registration = Registration::Done;
                if let Some((ring, members)) = &self.ring {
                    self.device.synchronising(now, *ring, members);
                }
                if let Some((quorate, nodes)) = &self.verdict {
                    self.device.verdict(now, *quorate, nodes);
                }
            }
            (REGISTER, Err(refusal)) => {
                log::warn!("messaging: quorum device {}: {refusal}", self.device.name());
                self.registration = Registration::Refused;
            }
            (WITHDRAW, _) => {}
            (_, Err(refusal)) => log::debug!("messaging: poll of the quorum device: {refusal}"),
            (_, Ok(())) => {}
        }
    }

    /// What the votes are to be asked next; to be called again once it was.
    pub(super) fn next_request(&mut self, now: Duration, synchronising: bool) -> Option<Input> {
        let (token, request) = match self.registration {
            Registration::Wanted if self.ring.is_some() && !synchronising => {
                self.registration = Registration::Asked;
                let name = self.device.name().to_owned();
                (REGISTER, DeviceRequest::Register { name })
            }
            Registration::Done => (POLL, self.device.poll(now)?),
            _ => return None,
        };
        Some(Input::Request { token, request: Request::Device(request) })
    }

    pub(super) fn turn(&mut self, now: Duration) {
        self.device.turn(now);
    }

    pub(super) fn poll_timeout(&self) -> Option<Duration> {
        match self.registration {
            Registration::Done => self.device.poll_timeout(),
            _ => None,
        }
    }
}
