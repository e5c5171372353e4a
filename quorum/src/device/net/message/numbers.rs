//! The numbers of the protocol: types of messages and options, and the values of those that are choices.

use crate::device::Heuristics;
use crate::votes::NodeState;

use super::{ListKind, Tls, Verdict};

pub(super) const MESSAGE_TYPES: u16 = 18;
pub(super) const OPTION_TYPES: u16 = 24;

pub(super) mod kind {
    pub const PREINIT: u16 = 0;
    pub const PREINIT_REPLY: u16 = 1;
    pub const START_TLS: u16 = 2;
    pub const INIT: u16 = 3;
    pub const INIT_REPLY: u16 = 4;
    pub const SERVER_ERROR: u16 = 5;
    pub const SET_OPTION: u16 = 6;
    pub const SET_OPTION_REPLY: u16 = 7;
    pub const ECHO: u16 = 8;
    pub const ECHO_REPLY: u16 = 9;
    pub const NODE_LIST: u16 = 10;
    pub const NODE_LIST_REPLY: u16 = 11;
    pub const VOTE_INFO: u16 = 14;
    pub const VOTE_INFO_REPLY: u16 = 15;
    pub const HEURISTICS: u16 = 16;
    pub const HEURISTICS_REPLY: u16 = 17;
}

pub(super) mod option {
    pub const SEQUENCE: u16 = 0;
    pub const CLUSTER: u16 = 1;
    pub const TLS: u16 = 2;
    pub const CLIENT_CERTIFICATE: u16 = 3;
    pub const MESSAGES: u16 = 4;
    pub const OPTIONS: u16 = 5;
    pub const ERROR: u16 = 6;
    pub const MAX_REQUEST: u16 = 7;
    pub const MAX_REPLY: u16 = 8;
    pub const NODE: u16 = 9;
    pub const ALGORITHMS: u16 = 10;
    pub const ALGORITHM: u16 = 11;
    pub const HEARTBEAT: u16 = 12;
    pub const RING: u16 = 13;
    pub const NODE_STATE: u16 = 16;
    pub const NODE_INFO: u16 = 17;
    pub const LIST_KIND: u16 = 18;
    pub const VOTE: u16 = 19;
    pub const QUORATE: u16 = 20;
    pub const TIE_BREAKER: u16 = 21;
    pub const HEURISTICS: u16 = 22;
    pub const KEEP_ACTIVE: u16 = 23;
}

pub(super) const HEURISTICS: [Heuristics; 3] =
    [Heuristics::Disabled, Heuristics::Pass, Heuristics::Fail];
pub(super) const TLS: [Tls; 3] = [Tls::Unsupported, Tls::Supported, Tls::Required];
pub(super) const STATES: [NodeState; 3] = [NodeState::Member, NodeState::Dead, NodeState::Leaving];
pub(super) const LISTS: [ListKind; 4] =
    [ListKind::Configured, ListKind::Reconfigured, ListKind::Members, ListKind::Quorum];
pub(super) const VERDICTS: [Verdict; 5] =
    [Verdict::Ack, Verdict::Nack, Verdict::AskLater, Verdict::WaitForReply, Verdict::NoChange];
