//! Which peer runs the current device (spec 81 §7.5, §7.6).

use crate::agent::Action;
use crate::message::{Offer, QueryReply};
use crate::name::{DeviceId, NodeName};
use crate::operation::{Conduct, Peer, Phase, Route, View};

/// The choice of a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Choice {
    /// This one, by its place in the list.
    Peer(usize),
    /// Not yet; a better one may still answer.
    Wait,
    /// None can.
    Nobody,
}

impl Conduct {
    /// Takes the answer of a fencer to the query, once. Returns whether to go on now.
    pub fn replied(&mut self, view: View<'_>, from: NodeName, reply: QueryReply) -> bool {
        if !self.replied.insert(from.clone()) {
            return false;
        }
        let has_offers = !reply.offers.is_empty();
        if has_offers {
            self.add_peer(from.clone(), reply);
        }
        if self.current.is_some() || self.watchdog_waiting {
            return false;
        }
        if self.executing {
            return true;
        }
        if self.all_replied(view) {
            return true;
        }
        match &self.route {
            Route::Levels(_) => has_offers && self.levels_are_covered(),
            Route::Any => {
                let verified = self.peers.iter().any(|peer| {
                    peer.node == from && peer.offers.values().any(|offer| offer.verified)
                });
                from != self.target && verified
            }
        }
    }

    /// More devices first; among equal numbers the newer reply.
    fn add_peer(&mut self, node: NodeName, reply: QueryReply) {
        let QueryReply { incarnation, offers, .. } = reply;
        if self.action == Action::On {
            for offer in offers.iter().filter(|offer| offer.requested.required) {
                if !self.required.contains(&offer.device) {
                    self.required.push(offer.device.clone());
                }
            }
        }
        let offers = offers.into_iter().map(|offer| (offer.device.clone(), offer)).collect();
        let peer = Peer { node, incarnation, offers, tried: false, executed: Default::default() };
        let at = self.peers.partition_point(|other| other.offers.len() > peer.offers.len());
        self.peers.insert(at, peer);
    }

    /// Whether every fencer that was asked and is still there has answered.
    pub(super) fn all_replied(&self, view: View<'_>) -> bool {
        self.replied.len() >= self.expected.min(view.active.len())
    }

    /// The membership has changed. Returns whether to go on now: nobody is left to wait for.
    pub fn membership_changed(&self, view: View<'_>) -> bool {
        self.current.is_none() && !self.watchdog_waiting && self.all_replied(view)
    }

    /// Whether every device of every level is available at some peer that counts.
    fn levels_are_covered(&self) -> bool {
        let Route::Levels(route) = &self.route else {
            return false;
        };
        let counts = |peer: &&Peer| !(self.action.is_fencing() && peer.node == self.target);
        let mut devices = route.levels.iter().flat_map(|(_, devices)| devices);
        devices.all(|device| {
            self.peers.iter().filter(counts).any(|peer| peer.offers.contains_key(device))
        })
    }

    /// Chooses the peer for the current device, or for any device.
    pub(super) fn choose(&self, view: View<'_>) -> Choice {
        let device = match &self.route {
            Route::Levels(_) => match self.device() {
                Some(device) => Some(device),
                None => return Choice::Nobody,
            },
            Route::Any => None,
        };
        let suits = |peer: &Peer, verified: bool| {
            view.active.contains(&peer.node) && self.peer_suits(peer, device, verified)
        };
        let find = |verified: bool, is_target: bool| {
            self.peers
                .iter()
                .position(|peer| (peer.node == self.target) == is_target && suits(peer, verified))
        };
        if let Some(at) = find(true, false) {
            return Choice::Peer(at);
        }
        if !self.query_expired && !self.all_replied(view) {
            return Choice::Wait;
        }
        if let Some(at) = find(false, false) {
            return Choice::Peer(at);
        }
        if self.phase() != Phase::On
            && let Some(at) = find(false, true)
        {
            return Choice::Peer(at);
        }
        Choice::Nobody
    }

    fn peer_suits(&self, peer: &Peer, device: Option<&DeviceId>, verified: bool) -> bool {
        let phase = self.phase();
        match device {
            Some(device) => {
                let offer_fits = peer.offers.get(device).is_some_and(|o| o.verified || !verified);
                offer_fits && peer.can_run(device, phase, self.phase_action())
            }
            None => {
                let suitable = |offer: &Offer| {
                    (offer.verified || !verified)
                        && peer.can_run(&offer.device, phase, self.phase_action())
                };
                !peer.tried && peer.offers.values().any(suitable)
            }
        }
    }
}
