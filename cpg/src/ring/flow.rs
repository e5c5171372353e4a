//! Flow control: how many packets a visit of the token may send (spec 70 §4.3, §19 W15).

use crate::wire::Token;

/// The limits of one ring, in packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FlowLimits {
    /// Most packets that all members together send in one rotation (`window_size`).
    pub rotation: u32,
    /// Most packets one member sends in one visit (`max_messages`).
    pub visit: u32,
    /// How many of a visit's packets may follow the token instead of preceding it. 0 is the
    /// classic protocol; about half of `visit` overlaps the members' sending.
    pub accelerated: u32,
}

/// What this node announced at its last visit.
#[derive(Debug, Default)]
pub(crate) struct FlowControl {
    sent: u32,
    backlog: u32,
}

impl FlowControl {
    /// Packets this visit may send, retransmissions included, with `backlog` waiting.
    pub(crate) fn allowance(&self, token: &Token, backlog: u32, limits: FlowLimits) -> u32 {
        let room = self.room(token, limits);
        let others_backlog = u64::from(token.backlog.saturating_sub(self.backlog));
        let waiting = others_backlog + u64::from(backlog);
        let share = if others_backlog == 0 || backlog == 0 {
            limits.rotation
        } else {
            let share = u64::from(limits.rotation) * u64::from(backlog) / waiting;
            u32::try_from(share).unwrap_or(limits.rotation).max(1)
        };
        limits.visit.min(room).min(share)
    }

    /// What the rotation has left for this visit.
    pub(crate) fn room(&self, token: &Token, limits: FlowLimits) -> u32 {
        limits.rotation.saturating_sub(token.sent.saturating_sub(self.sent))
    }

    /// Puts what this visit sent and what is left waiting into the token.
    pub(crate) fn announce(&mut self, token: &mut Token, sent: u32, backlog: u32) {
        token.sent = token.sent.saturating_sub(self.sent).saturating_add(sent);
        token.backlog = token.backlog.saturating_sub(self.backlog).saturating_add(backlog);
        self.sent = sent;
        self.backlog = backlog;
    }

    #[cfg(test)]
    pub(crate) fn last_sent(&self) -> u32 {
        self.sent
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::{Incarnation, NodeId, RingId};

    fn token(sent: u32, backlog: u32) -> Token {
        let representative = NodeId::new(1).unwrap();
        Token {
            ring: RingId { sequence: 1, representative, incarnation: Incarnation(0) },
            hop: 0,
            seq: 0,
            aru: 0,
            aru_owner: None,
            backlog,
            sent,
            recovering: false,
            requests: vec![],
            vouched: vec![],
        }
    }

    #[test]
    fn the_allowance_is_the_least_of_visit_room_and_fair_share() {
        let limits = FlowLimits { rotation: 50, visit: 17, accelerated: 0 };
        let flow = FlowControl::default();
        for (sent, backlog, mine, expected) in [
            (0, 0, 100, 17),    // the visit limit
            (40, 0, 100, 10),   // what the rotation has left
            (60, 0, 100, 0),    // an overfull rotation never wraps
            (0, 900, 100, 5),   // a fair share of the rotation
            (0, 100_000, 1, 1), // but never nothing
        ] {
            assert_eq!(flow.allowance(&token(sent, backlog), mine, limits), expected);
        }
    }

    #[test]
    fn the_token_holds_the_sum_of_the_last_visits() {
        let mut flow = FlowControl::default();
        let mut token = token(10, 10);
        flow.announce(&mut token, 5, 3);
        assert_eq!((token.sent, token.backlog), (15, 13));
        flow.announce(&mut token, 2, 0);
        assert_eq!((token.sent, token.backlog), (12, 10));
        assert_eq!(flow.last_sent(), 2);
    }
}
