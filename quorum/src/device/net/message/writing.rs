//! From a message to bytes.

use crate::device::Heuristics;
use crate::id::{NodeId, RingId};
use crate::options::TieBreaker;
use crate::votes::NodeState;

use super::numbers::{
    HEURISTICS, LISTS, MESSAGE_TYPES, OPTION_TYPES, STATES, TLS, VERDICTS, kind, option,
};
use super::{Message, Verdict};

impl Message {
    /// The message with its header.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut w = Writer(Vec::with_capacity(64));
        let kind = match self {
            Message::Preinit { sequence, cluster } => {
                w.sequence(*sequence).put(option::CLUSTER, cluster.as_bytes());
                kind::PREINIT
            }
            Message::PreinitReply { tls } => {
                w.byte(option::TLS, place(tls, &TLS, 0)).byte(option::CLIENT_CERTIFICATE, 0);
                kind::PREINIT_REPLY
            }
            Message::StartTls { sequence } => {
                w.sequence(*sequence);
                kind::START_TLS
            }
            Message::Init { sequence, node, algorithm, heartbeat, tie_breaker, ring } => {
                w.sequence(*sequence)
                    .numbers(option::MESSAGES, 0..MESSAGE_TYPES)
                    .numbers(option::OPTIONS, 0..OPTION_TYPES)
                    .put(option::NODE, &node.get().to_be_bytes())
                    .put(option::ALGORITHM, &algorithm.number().to_be_bytes())
                    .put(option::HEARTBEAT, &heartbeat.to_be_bytes())
                    .tie_breaker(tie_breaker)
                    .ring(*ring);
                kind::INIT
            }
            Message::InitReply { error, max_request } => {
                w.put(option::ERROR, &error.to_be_bytes())
                    .put(option::MAX_REQUEST, &max_request.to_be_bytes())
                    .put(option::MAX_REPLY, &max_request.to_be_bytes())
                    .numbers(option::ALGORITHMS, 0..4);
                kind::INIT_REPLY
            }
            Message::ServerError { error } => {
                w.put(option::ERROR, &error.to_be_bytes());
                kind::SERVER_ERROR
            }
            Message::SetOption { sequence, keep_active } => {
                w.sequence(*sequence).byte(option::KEEP_ACTIVE, (*keep_active).into());
                kind::SET_OPTION
            }
            Message::SetOptionReply { sequence } => {
                w.sequence(*sequence);
                kind::SET_OPTION_REPLY
            }
            Message::Echo { sequence } => {
                w.sequence(*sequence);
                kind::ECHO
            }
            Message::EchoReply { sequence } => {
                w.sequence(*sequence);
                kind::ECHO_REPLY
            }
            Message::NodeList { sequence, kind, ring, quorate, nodes, heuristics } => {
                w.sequence(*sequence).byte(option::LIST_KIND, place(kind, &LISTS, 0));
                if let Some(ring) = ring {
                    w.ring(*ring);
                }
                if let Some(quorate) = quorate {
                    w.byte(option::QUORATE, (*quorate).into());
                }
                for (node, state) in nodes {
                    w.node(*node, *state);
                }
                w.heuristics(*heuristics);
                kind::NODE_LIST
            }
            Message::NodeListReply { kind, ring, verdict } => {
                w.byte(option::LIST_KIND, place(kind, &LISTS, 0)).ring(*ring).verdict(*verdict);
                kind::NODE_LIST_REPLY
            }
            Message::VoteInfo { sequence, ring, verdict } => {
                w.sequence(*sequence).ring(*ring).verdict(*verdict);
                kind::VOTE_INFO
            }
            Message::VoteInfoReply { sequence } => {
                w.sequence(*sequence);
                kind::VOTE_INFO_REPLY
            }
            Message::HeuristicsChange { sequence, heuristics } => {
                w.sequence(*sequence).heuristics(*heuristics);
                kind::HEURISTICS
            }
            Message::HeuristicsReply { ring, verdict } => {
                w.ring(*ring).verdict(*verdict);
                kind::HEURISTICS_REPLY
            }
        };
        let length = u32::try_from(w.0.len()).unwrap_or(u32::MAX);
        let mut bytes = kind.to_be_bytes().to_vec();
        bytes.extend(length.to_be_bytes());
        bytes.append(&mut w.0);
        bytes
    }
}

struct Writer(Vec<u8>);

impl Writer {
    fn put(&mut self, option: u16, value: &[u8]) -> &mut Writer {
        let value = &value[..value.len().min(u16::MAX.into())];
        self.0.extend(option.to_be_bytes());
        self.0.extend((value.len() as u16).to_be_bytes());
        self.0.extend(value);
        self
    }

    fn byte(&mut self, option: u16, value: u8) -> &mut Writer {
        self.put(option, &[value])
    }

    fn sequence(&mut self, sequence: u32) -> &mut Writer {
        self.put(option::SEQUENCE, &sequence.to_be_bytes())
    }

    fn numbers(&mut self, option: u16, numbers: std::ops::Range<u16>) -> &mut Writer {
        let bytes: Vec<u8> = numbers.flat_map(u16::to_be_bytes).collect();
        self.put(option, &bytes)
    }

    fn ring(&mut self, ring: RingId) -> &mut Writer {
        let mut value = ring.representative.get().to_be_bytes().to_vec();
        value.extend(ring.sequence.to_be_bytes());
        self.put(option::RING, &value)
    }

    fn verdict(&mut self, verdict: Verdict) -> &mut Writer {
        self.byte(option::VOTE, place(&verdict, &VERDICTS, 1))
    }

    /// Absent where no checks are configured.
    fn heuristics(&mut self, heuristics: Heuristics) -> &mut Writer {
        if heuristics != Heuristics::Disabled {
            self.byte(option::HEURISTICS, place(&heuristics, &HEURISTICS, 0));
        }
        self
    }

    fn tie_breaker(&mut self, tie_breaker: &TieBreaker) -> &mut Writer {
        let (mode, node) = match tie_breaker {
            TieBreaker::Lowest => (1, 0),
            TieBreaker::Highest => (2, 0),
            TieBreaker::List(nodes) => (3, nodes.first().map_or(0, |node| node.get())),
        };
        let mut value = vec![mode];
        value.extend(u32::to_be_bytes(node));
        self.put(option::TIE_BREAKER, &value)
    }

    fn node(&mut self, node: NodeId, state: Option<NodeState>) -> &mut Writer {
        let mut inner = Writer(Vec::new());
        inner.put(option::NODE, &node.get().to_be_bytes());
        if let Some(state) = state {
            inner.byte(option::NODE_STATE, place(&state, &STATES, 1));
        }
        self.put(option::NODE_INFO, &inner.0)
    }
}

fn place<T: PartialEq>(of: &T, choices: &[T], first: u8) -> u8 {
    (first..).zip(choices).find(|(_, choice)| *choice == of).map_or(first, |(number, _)| number)
}
