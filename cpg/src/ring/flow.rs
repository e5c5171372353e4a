//! Flow control: how much a visit of the token may send (spec 70 §4.3, §19 W15 and W16).
//!
//! Two limits hold at once. Packets are counted as the configuration says (`window_size`,
//! `max_messages`). Bytes are measured: each member offers what it can take in a rotation, less after
//! it lost a good part of one, and the least offer of a rotation is the window of the next.

use crate::wire::Token;

/// Bytes in one rotation when nothing says that a member can take less only: 400 packets that fill
/// an Ethernet frame.
pub const WINDOW_BYTES: u32 = 544 << 10;
/// Every member can take this much in a rotation.
const SMALLEST_WINDOW: u32 = 64 << 10;
/// Fewer packets missing at once than this are the noise of a bad cable, not a full buffer.
const BURST: u64 = 8;

/// The limits of one ring.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FlowLimits {
    /// Most packets that all members together send in one rotation (`window_size`).
    pub rotation: u32,
    /// Most packets one member sends in one visit (`max_messages`).
    pub visit: u32,
    /// How many of a visit's packets may follow the token instead of preceding it. 0 is the
    /// classic protocol; about half of `visit` overlaps the members' sending.
    pub accelerated: u32,
    /// Most bytes of packets that this member can take in one rotation, from all others together.
    /// Less than 64 KiB counts as 64 KiB.
    pub bytes: u32,
}

/// What may be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Budget {
    pub packets: u32,
    /// Once this much is sent, nothing more is begun.
    pub bytes: u32,
}

/// What was sent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Spent {
    pub packets: u32,
    pub bytes: u32,
}

impl Spent {
    pub(crate) fn add(&mut self, packet: &[u8]) {
        self.packets += 1;
        self.bytes = self.bytes.saturating_add(packet.len() as u32);
    }

    /// Whether another packet may be sent; the first always may.
    pub(crate) fn is_within(&self, budget: Budget) -> bool {
        self.packets < budget.packets && (self.packets == 0 || self.bytes < budget.bytes)
    }
}

/// What this node announced at its last visit, and what it can take.
#[derive(Debug, Default)]
pub(crate) struct FlowControl {
    sent: Spent,
    backlog: u32,
    /// Bytes per rotation; `None` as long as nothing was lost.
    measured: Option<u32>,
}

impl FlowControl {
    /// What this visit may send, retransmissions included, with `backlog` packets waiting.
    pub(crate) fn allowance(&self, token: &Token, backlog: u32, limits: FlowLimits) -> Budget {
        let room = self.room(token, limits);
        let others = u64::from(token.backlog.saturating_sub(self.backlog));
        let mine = u64::from(backlog);
        let share = |whole: u32| {
            if others == 0 || mine == 0 {
                return whole;
            }
            let share = u64::from(whole) * mine / (others + mine);
            u32::try_from(share).unwrap_or(whole).max(1)
        };
        Budget {
            packets: limits.visit.min(room.packets).min(share(limits.rotation)),
            bytes: room.bytes.min(share(window(token))),
        }
    }

    /// What the rotation has left for this visit.
    pub(crate) fn room(&self, token: &Token, limits: FlowLimits) -> Budget {
        let others = token.sent.saturating_sub(self.sent.packets);
        let other_bytes = token.sent_bytes.saturating_sub(self.sent.bytes);
        Budget {
            packets: limits.rotation.saturating_sub(others),
            bytes: window(token).saturating_sub(other_bytes),
        }
    }

    /// Puts what this visit sent and what is left waiting into the token.
    pub(crate) fn announce(&mut self, token: &mut Token, sent: Spent, backlog: u32) {
        token.sent = token.sent.saturating_sub(self.sent.packets).saturating_add(sent.packets);
        let others = token.sent_bytes.saturating_sub(self.sent.bytes);
        token.sent_bytes = others.saturating_add(sent.bytes);
        token.backlog = token.backlog.saturating_sub(self.backlog).saturating_add(backlog);
        self.sent = sent;
        self.backlog = backlog;
    }

    /// Of the `passed` packets of a rotation this node found `missing` lacking: after the loss of a good
    /// part it can take half as much, and a little more after each rotation without.
    pub(crate) fn learn(&mut self, missing: u64, passed: u64, limits: FlowLimits) {
        let most = limits.bytes.max(SMALLEST_WINDOW);
        let present = self.measured.unwrap_or(most).min(most);
        if missing >= BURST && missing * 16 > passed {
            self.measured = Some((present / 2).max(SMALLEST_WINDOW));
        } else if missing == 0 && self.measured.is_some() {
            let grown = present + present / 32;
            self.measured = (grown < most).then_some(grown);
        }
    }

    /// Puts this node's offer into the token. The representative starts a new rotation: what was offered
    /// in the last one is in force.
    pub(crate) fn offer(&self, token: &mut Token, limits: FlowLimits, representative: bool) {
        let most = limits.bytes.max(SMALLEST_WINDOW);
        let mine = self.measured.unwrap_or(most).min(most);
        if representative {
            token.window = token.offer;
            token.offer = mine;
        } else {
            token.offer = token.offer.min(mine);
        }
    }
}

/// Bytes that all members together may send in this rotation.
fn window(token: &Token) -> u32 {
    token.window.max(SMALLEST_WINDOW)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::{Incarnation, NodeId, RingId};
    use crate::ring::Rotation;

    const LIMITS: FlowLimits =
        FlowLimits { rotation: 50, visit: 17, accelerated: 0, bytes: 1 << 20 };

    fn token(sent: u32, backlog: u32) -> Token {
        let representative = NodeId::new(1).unwrap();
        let ring = RingId { sequence: 1, representative, incarnation: Incarnation(0) };
        Token { sent, backlog, window: 1 << 20, ..Rotation::first_token(ring) }
    }

    #[test]
    fn the_allowance_is_the_least_of_visit_room_and_fair_share() {
        let flow = FlowControl::default();
        for (sent, backlog, mine, expected) in [
            (0, 0, 100, 17),    // the visit limit
            (40, 0, 100, 10),   // what the rotation has left
            (60, 0, 100, 0),    // an overfull rotation never wraps
            (0, 900, 100, 5),   // a fair share of the rotation
            (0, 100_000, 1, 1), // but never nothing
        ] {
            assert_eq!(flow.allowance(&token(sent, backlog), mine, LIMITS).packets, expected);
        }
    }

    /// Spec 70 §19, W15: no subtraction wraps, and who has much now gets much, whatever it had before.
    #[test]
    fn w15_sums_saturate_and_shares_follow_the_present_backlogs() {
        let flow = FlowControl { backlog: 1000, ..FlowControl::default() };
        // The reference takes the share from the 1000 of the last visit: nearly everything.
        assert_eq!(flow.allowance(&token(0, 1900), 100, LIMITS).packets, 5);
        for sent in [51, 1 << 16, u32::MAX] {
            let token = Token { sent_bytes: u32::MAX, ..token(sent, u32::MAX) };
            assert_eq!(flow.allowance(&token, 5, LIMITS).packets, 0, "{sent}");
        }
        let mut spent = FlowControl { sent: Spent { packets: 9, bytes: 9 }, ..flow };
        let mut token = token(3, 3); // less than this node's own last visit: somebody lies
        spent.announce(&mut token, Spent { packets: 2, bytes: 2 }, 1);
        assert_eq!((token.sent, token.sent_bytes, token.backlog), (2, 2, 1));
    }

    #[test]
    fn bytes_have_room_and_fair_shares_of_their_own() {
        let flow = FlowControl::default();
        for (window, sent_bytes, backlog, expected) in [
            (1 << 20, 0, 0, 1 << 20),
            (1 << 20, 1_000_000, 0, 48_576),
            (1 << 20, 2_000_000, 0, 0),
            (1 << 20, 0, 300, 1 << 18), // three quarters wait elsewhere
            (0, 0, 0, 64 << 10),        // whatever the token says
        ] {
            let token = Token { window, sent_bytes, ..token(0, backlog) };
            assert_eq!(flow.allowance(&token, 100, LIMITS).bytes, expected);
        }
        let budget = Budget { packets: 3, bytes: 100 };
        let mut spent = Spent::default();
        assert!(spent.is_within(Budget { bytes: 0, ..budget }), "one packet always");
        spent.add(&[0; 60]);
        assert!(spent.is_within(budget));
        spent.add(&[0; 60]);
        assert!(!spent.is_within(budget));
    }

    #[test]
    fn the_token_holds_the_sum_of_the_last_visits() {
        let mut flow = FlowControl::default();
        let mut token = Token { sent_bytes: 900, ..token(10, 10) };
        flow.announce(&mut token, Spent { packets: 5, bytes: 500 }, 3);
        assert_eq!((token.sent, token.sent_bytes, token.backlog), (15, 1400, 13));
        flow.announce(&mut token, Spent { packets: 2, bytes: 50 }, 0);
        assert_eq!((token.sent, token.sent_bytes, token.backlog), (12, 950, 10));
    }

    #[test]
    fn the_least_offer_of_a_rotation_is_the_window_of_the_next() {
        let [representative, narrow, other] = [1 << 20, 200_000, 1 << 19]
            .map(|bytes| (FlowControl::default(), FlowLimits { bytes, ..LIMITS }));
        let mut token = Token { window: 0, ..token(0, 0) };
        let mut windows = vec![];
        for _ in 0..3 {
            representative.0.offer(&mut token, representative.1, true);
            narrow.0.offer(&mut token, narrow.1, false);
            other.0.offer(&mut token, other.1, false);
            windows.push(window(&token));
        }
        assert_eq!(windows, [64 << 10, 200_000, 200_000]);
    }

    #[test]
    fn a_lost_burst_halves_the_offer_and_quiet_rotations_restore_it() {
        let mut flow = FlowControl::default();
        let offered = |flow: &FlowControl| {
            let mut token = token(0, 0);
            flow.offer(&mut token, LIMITS, true);
            token.offer
        };
        flow.learn(3, 30, LIMITS);
        flow.learn(20, 400, LIMITS);
        assert_eq!(offered(&flow), 1 << 20, "a bad cable");
        flow.learn(100, 400, LIMITS);
        assert_eq!(offered(&flow), 1 << 19);
        (0..20).for_each(|_| flow.learn(100, 400, LIMITS));
        assert_eq!(offered(&flow), 64 << 10, "the floor");
        (0..200).for_each(|_| flow.learn(0, 400, LIMITS));
        assert_eq!(offered(&flow), 1 << 20);
    }
}
