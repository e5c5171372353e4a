//! From bytes to a message.

use crate::device::Heuristics;
use crate::id::{NodeId, RingId};
use crate::options::TieBreaker;
use crate::votes::NodeState;
use crate::wire::MAX_MEMBERS;

use super::numbers::{HEURISTICS, LISTS, STATES, TLS, VERDICTS, kind, option};
use super::{ListKind, MAX_LENGTH, Malformed, Message, NetAlgorithm, Tls, Verdict};

/// Options of a message as they are read.
#[derive(Default)]
struct Options {
    sequence: Option<u32>,
    cluster: Option<String>,
    tls: Option<Tls>,
    error: Option<u16>,
    max_request: Option<u32>,
    node: Option<NodeId>,
    algorithm: Option<NetAlgorithm>,
    heartbeat: Option<u32>,
    ring: Option<RingId>,
    state: Option<NodeState>,
    nodes: Vec<(NodeId, Option<NodeState>)>,
    kind: Option<ListKind>,
    verdict: Option<Verdict>,
    quorate: Option<bool>,
    tie_breaker: Option<TieBreaker>,
    heuristics: Option<Heuristics>,
    keep_active: Option<bool>,
}

/// Splits the first option off.
fn split(bytes: &[u8]) -> Option<(u16, &[u8], &[u8])> {
    let (kind, rest) = bytes.split_first_chunk()?;
    let (length, rest) = rest.split_first_chunk()?;
    let (value, rest) = rest.split_at_checked(u16::from_be_bytes(*length).into())?;
    Some((u16::from_be_bytes(*kind), value, rest))
}

fn number16(value: &[u8]) -> Option<u16> {
    value.try_into().ok().map(u16::from_be_bytes)
}

fn number32(value: &[u8]) -> Option<u32> {
    value.try_into().ok().map(u32::from_be_bytes)
}

fn ring(value: &[u8]) -> Option<RingId> {
    let (node, sequence) = value.split_first_chunk()?;
    let sequence = u64::from_be_bytes(sequence.try_into().ok()?);
    Some(RingId { representative: NodeId::new(u32::from_be_bytes(*node))?, sequence })
}

fn choice<T: Copy>(value: &[u8], first: u8, choices: &[T]) -> Option<T> {
    let [value] = value else { return None };
    choices.get(usize::from(value.checked_sub(first)?)).copied()
}

fn tie_breaker(value: &[u8]) -> Option<TieBreaker> {
    let (mode, node) = value.split_first()?;
    let node = NodeId::new(number32(node)?);
    match mode {
        1 => Some(TieBreaker::Lowest),
        2 => Some(TieBreaker::Highest),
        3 => Some(TieBreaker::List(vec![node?])),
        _ => None,
    }
}

impl Options {
    fn read(kind: u16, mut bytes: &[u8]) -> Result<Options, Malformed> {
        let mut options = Options::default();
        while !bytes.is_empty() {
            let cut = bytes.first_chunk().map_or(0, |first| u16::from_be_bytes(*first));
            let (option, value, rest) =
                split(bytes).ok_or(Malformed::Option { kind, option: cut })?;
            if option == option::NODE_INFO && options.nodes.len() >= MAX_MEMBERS {
                return Err(Malformed::TooManyNodes);
            }
            options.set(option, value).ok_or(Malformed::Option { kind, option })?;
            bytes = rest;
        }
        Ok(options)
    }

    /// `None` if the value is not one of the option's.
    fn set(&mut self, option: u16, value: &[u8]) -> Option<()> {
        match option {
            option::SEQUENCE => self.sequence = Some(number32(value)?),
            option::CLUSTER => self.cluster = Some(String::from_utf8(value.to_vec()).ok()?),
            option::TLS => self.tls = Some(choice(value, 0, &TLS)?),
            option::ERROR => self.error = Some(number16(value)?),
            option::MAX_REQUEST => self.max_request = Some(number32(value)?),
            option::NODE => self.node = Some(NodeId::new(number32(value)?)?),
            option::ALGORITHM => self.algorithm = Some(NetAlgorithm::numbered(number16(value)?)?),
            option::HEARTBEAT => self.heartbeat = Some(number32(value)?),
            option::RING => self.ring = Some(ring(value)?),
            option::NODE_STATE => self.state = Some(choice(value, 1, &STATES)?),
            option::NODE_INFO => {
                let inner = Options::read_node(value)?;
                self.nodes.push(inner);
            }
            option::LIST_KIND => self.kind = Some(choice(value, 0, &LISTS)?),
            option::VOTE => self.verdict = Some(choice(value, 1, &VERDICTS)?),
            option::QUORATE => self.quorate = Some(choice(value, 0, &[false, true])?),
            option::TIE_BREAKER => self.tie_breaker = Some(tie_breaker(value)?),
            option::HEURISTICS => self.heuristics = Some(choice(value, 0, &HEURISTICS)?),
            option::KEEP_ACTIVE => self.keep_active = Some(choice(value, 0, &[false, true])?),
            _ => {}
        }
        Some(())
    }

    /// A node in a list: options within an option, but no further ones within them.
    fn read_node(mut bytes: &[u8]) -> Option<(NodeId, Option<NodeState>)> {
        let mut inner = Options::default();
        while !bytes.is_empty() {
            let (option, value, rest) = split(bytes)?;
            if matches!(option, option::NODE | option::NODE_STATE) {
                inner.set(option, value)?;
            }
            bytes = rest;
        }
        Some((inner.node?, inner.state))
    }
}

impl Message {
    /// Reads a message from its type and its bytes after the header.
    ///
    /// # Errors
    /// When they are no message of this protocol.
    pub fn parse(kind: u16, bytes: &[u8]) -> Result<Message, Malformed> {
        if bytes.len() > MAX_LENGTH {
            return Err(Malformed::TooLong(u32::try_from(bytes.len()).unwrap_or(u32::MAX)));
        }
        let o = Options::read(kind, bytes)?;
        let missing = |option| move || Malformed::Missing { kind, option };
        let sequence = o.sequence.ok_or_else(missing(option::SEQUENCE));
        let ring = o.ring.ok_or_else(missing(option::RING));
        let verdict = o.verdict.ok_or_else(missing(option::VOTE));
        let list = o.kind.ok_or_else(missing(option::LIST_KIND));
        let error = o.error.ok_or_else(missing(option::ERROR));
        let heuristics = o.heuristics.unwrap_or(Heuristics::Disabled);
        Ok(match kind {
            kind::PREINIT => Message::Preinit {
                sequence: sequence?,
                cluster: o.cluster.ok_or_else(missing(option::CLUSTER))?,
            },
            kind::PREINIT_REPLY => {
                Message::PreinitReply { tls: o.tls.ok_or_else(missing(option::TLS))? }
            }
            kind::START_TLS => Message::StartTls { sequence: sequence? },
            kind::INIT => Message::Init {
                sequence: sequence?,
                node: o.node.ok_or_else(missing(option::NODE))?,
                algorithm: o.algorithm.ok_or_else(missing(option::ALGORITHM))?,
                heartbeat: o.heartbeat.ok_or_else(missing(option::HEARTBEAT))?,
                tie_breaker: o.tie_breaker.ok_or_else(missing(option::TIE_BREAKER))?,
                ring: ring?,
            },
            kind::INIT_REPLY => Message::InitReply {
                error: error?,
                max_request: o.max_request.ok_or_else(missing(option::MAX_REQUEST))?,
            },
            kind::SERVER_ERROR => Message::ServerError { error: error? },
            kind::SET_OPTION => Message::SetOption {
                sequence: sequence?,
                keep_active: o.keep_active.ok_or_else(missing(option::KEEP_ACTIVE))?,
            },
            kind::SET_OPTION_REPLY => Message::SetOptionReply { sequence: sequence? },
            kind::ECHO => Message::Echo { sequence: sequence? },
            kind::ECHO_REPLY => Message::EchoReply { sequence: sequence? },
            kind::NODE_LIST => Message::NodeList {
                sequence: sequence?,
                kind: list?,
                ring: o.ring,
                quorate: o.quorate,
                nodes: o.nodes,
                heuristics,
            },
            kind::NODE_LIST_REPLY => {
                Message::NodeListReply { kind: list?, ring: ring?, verdict: verdict? }
            }
            kind::VOTE_INFO => {
                Message::VoteInfo { sequence: sequence?, ring: ring?, verdict: verdict? }
            }
            kind::VOTE_INFO_REPLY => Message::VoteInfoReply { sequence: sequence? },
            kind::HEURISTICS => Message::HeuristicsChange { sequence: sequence?, heuristics },
            kind::HEURISTICS_REPLY => Message::HeuristicsReply { ring: ring?, verdict: verdict? },
            other => return Err(Malformed::Type(other)),
        })
    }
}
