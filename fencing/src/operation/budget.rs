//! How long things may take (spec 81 §8), in whole seconds.

use crate::clock::Seconds;
use crate::message::ActionTerms;
use crate::name::DeviceId;
use crate::operation::{Conduct, Peer, Phase, Route, View};

impl Conduct {
    /// Time for one device at a peer, its delay included if asked for.
    pub(super) fn device_time(
        &self,
        view: View<'_>,
        peer: &Peer,
        device: &DeviceId,
        with_delay: bool,
    ) -> Seconds {
        let terms = peer.terms(device, self.phase()).unwrap_or_default();
        self.time_of(view, terms, Some(device), with_delay)
    }

    fn time_of(
        &self,
        view: View<'_>,
        terms: ActionTerms,
        device: Option<&DeviceId>,
        with_delay: bool,
    ) -> Seconds {
        let own = if terms.timeout > Seconds::ZERO { terms.timeout } else { self.base };
        let own = own.max(self.watchdog_floor(view, device));
        if with_delay && self.client_delay >= 0 { own.plus(terms.delay.longest()) } else { own }
    }

    /// Watchdog fencing never gets less than its own time.
    fn watchdog_floor(&self, view: View<'_>, device: Option<&DeviceId>) -> Seconds {
        view.watchdog.applies(device, self.action, &self.target).unwrap_or_default()
    }

    /// Time for all devices of a peer that are left, without topology; the base if there are none.
    pub(super) fn peer_time(&self, view: View<'_>, peer: &Peer) -> Seconds {
        let phase = Phase::Requested;
        let left = peer.offers.keys().filter(|id| peer.can_run(id, phase, self.action));
        let sum =
            left.fold(Seconds::ZERO, |sum, id| sum.plus(self.device_time(view, peer, id, true)));
        if sum > Seconds::ZERO { sum } else { self.base }
    }

    /// Time in total, for a first request to `peer`.
    pub(super) fn total_time(&self, view: View<'_>, peer: Option<&Peer>) -> Seconds {
        let sum = match (&self.route, peer) {
            (Route::Levels(route), _) => {
                let levels = route.levels.iter().flat_map(|(_, devices)| devices);
                let beyond = self.required.iter().filter(|device| {
                    !route.levels.iter().any(|(_, devices)| devices.contains(device))
                });
                levels.chain(beyond).fold(Seconds::ZERO, |sum, device| {
                    sum.plus(self.level_device_time(view, device))
                })
            }
            (Route::Any, Some(peer)) => self.peer_time(view, peer),
            (Route::Any, None) => self.base.max(self.watchdog_floor(view, None)),
        };
        let sum = if sum > Seconds::ZERO { sum } else { self.base };
        sum.plus(self.positive_delay()).with_allowance()
    }

    /// Time for a device of a level at the first peer that can run it.
    fn level_device_time(&self, view: View<'_>, device: &DeviceId) -> Seconds {
        let (phase, action) = (self.phase(), self.phase_action());
        match self.peers.iter().find(|peer| peer.can_run(device, phase, action)) {
            Some(peer) => self.device_time(view, peer, device, true),
            None => self.watchdog_floor(view, Some(device)),
        }
    }

    /// Time until a request counts as unanswered.
    pub(super) fn request_time(
        &self,
        view: View<'_>,
        peer: &Peer,
        device: Option<&DeviceId>,
    ) -> Seconds {
        let own = match device {
            Some(device) => self.device_time(view, peer, device, true),
            None => self.peer_time(view, peer),
        };
        self.positive_delay().with_allowance().plus(own.with_allowance())
    }

    fn positive_delay(&self) -> Seconds {
        Seconds(u32::try_from(self.client_delay).unwrap_or(0))
    }
}
