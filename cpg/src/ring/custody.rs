//! The timers around the token: its loss, and sending it again (spec 70 §4.6).

use crate::environment::Environment;
use crate::identity::NodeId;
use crate::time::{Time, due, earliest};
use bytes::Bytes;
use std::time::Duration;

/// Shortest wait before the token is sent again.
const QUICKEST_RETRANSMIT: Duration = Duration::from_millis(4);

/// The node's responsibility for the token it passed on last.
#[derive(Debug)]
pub(crate) struct Custody {
    received: Time,
    loss: Time,
    saved: Option<(NodeId, Bytes)>,
    again: Option<Time>,
    warning: Option<Time>,
    wait: Duration,
    rotation: Duration,
}

impl Custody {
    pub(crate) fn new(env: &Environment, now: Time) -> Custody {
        let timing = &env.configuration.timing;
        Custody {
            received: now,
            loss: now + timing.token,
            saved: None,
            again: None,
            warning: warning(env, now),
            wait: timing.token_retransmit,
            rotation: QUICKEST_RETRANSMIT,
        }
    }

    /// A token was accepted.
    pub(crate) fn received(&mut self, env: &mut Environment, now: Time) {
        let passed = now.since(self.received);
        if passed < env.configuration.timing.hold / 2 {
            self.rotation = (self.rotation * 7 + passed) / 8; // holding says nothing about speed
        }
        env.statistics.mtt_rx_token = self.rotation;
        self.received = now;
        self.loss = now + env.configuration.timing.token;
        self.again = None;
        self.saved = None;
        self.warning = warning(env, now);
    }

    /// The token was passed on. `patient` when the ring may be idle and its representative holding.
    pub(crate) fn passed(
        &mut self,
        env: &Environment,
        now: Time,
        to: NodeId,
        token: Bytes,
        patient: bool,
    ) {
        let longest = env.configuration.timing.token_retransmit;
        self.wait = if patient {
            longest
        } else {
            let slowest = (longest / 8).max(QUICKEST_RETRANSMIT);
            (self.rotation * 2).clamp(QUICKEST_RETRANSMIT, slowest)
        };
        self.saved = Some((to, token));
        self.again = Some(now + self.wait);
    }

    /// Sends the token again when it is time to.
    pub(crate) fn retransmit_if_due(&mut self, env: &mut Environment, now: Time) {
        if !due(self.again, now) {
            return;
        }
        let Some((to, token)) = self.saved.clone() else { return };
        env.statistics.token_retransmits += 1;
        env.send_encoded(to, token);
        // A copy too many is dropped by its receiver; one too few costs the ring. Ten or more fit into
        // the token time-out, enough for links that lose every third datagram.
        self.wait = (self.wait * 3 / 2).min(env.configuration.timing.token_retransmit / 3);
        self.again = Some(now + self.wait);
    }

    /// Tells operators that the token is late.
    pub(crate) fn warn_if_due(&mut self, env: &mut Environment, now: Time) {
        if due(self.warning, now) {
            self.warning = warning(env, now);
            env.statistics.token_warnings += 1;
            let passed = now.since(self.received).as_millis();
            log::info!("Token has not been received in {passed} ms");
        }
    }

    pub(crate) fn is_lost(&self, now: Time) -> bool {
        self.loss <= now
    }

    /// When the token is lost unless it comes again.
    pub(crate) fn deadline(&self) -> Time {
        self.loss
    }

    /// How long ago a token was accepted.
    pub(crate) fn since_received(&self, now: Time) -> Duration {
        now.since(self.received)
    }

    /// Brings the loss forward: there is evidence that a member died.
    pub(crate) fn hasten_loss(&mut self, env: &Environment) {
        self.loss = self.loss.min(self.received + env.configuration.timing.token / 2);
    }

    /// The node itself holds the token: it cannot be lost meanwhile.
    pub(crate) fn keep(&mut self, env: &Environment, now: Time) {
        self.loss = now + env.configuration.timing.token;
        self.warning = warning(env, now);
    }

    pub(crate) fn timeout(&self) -> Option<Time> {
        earliest(earliest(Some(self.loss), self.warning), self.again)
    }
}

/// When a token received now counts as late.
fn warning(env: &Environment, now: Time) -> Option<Time> {
    let percent = env.configuration.token_warning.min(100);
    (percent > 0).then(|| now + env.configuration.timing.token * percent / 100)
}
