//! Messages between a node and the arbiter daemon, and their bytes.
//!
//! A message is a 16-bit type, a 32-bit length and so many bytes of options; an option is a 16-bit
//! type, a 16-bit length and its value. Integers are big endian. Options of unknown type are
//! skipped, as are further ones that this side has no use for; of an option given twice the last
//! one holds, except for the nodes of a list. Layout after the public description of the QNetd
//! protocol and recorded exchanges between Debian's `corosync-qdevice` and `corosync-qnetd` 3.0.3.

use crate::device::Heuristics;
use crate::id::{NodeId, RingId};
use crate::options::TieBreaker;
use crate::votes::NodeState;
use crate::wire::MAX_MEMBERS;

use super::settings::NetAlgorithm;

/// Longest message either side accepts, without its header.
pub const MAX_LENGTH: usize = 32_768;
/// Bytes of type and length before each message.
pub const HEADER: usize = 6;

const MESSAGE_TYPES: u16 = 18;
const OPTION_TYPES: u16 = 24;

mod kind {
    pub const PREINIT: u16 = 0;
    pub const PREINIT_REPLY: u16 = 1;
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

mod option {
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

/// The arbiter's word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// The votes count.
    Ack,
    /// They do not.
    Nack,
    /// Not decided; ask again.
    AskLater,
    /// Not decided; the word will come.
    WaitForReply,
    /// As it was.
    NoChange,
}

/// Whether the arbiter speaks TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Tls {
    /// It cannot.
    Unsupported,
    /// If the client wants it.
    Supported,
    /// It speaks nothing else.
    Required,
}

/// Which list of nodes a message carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ListKind {
    /// The configured nodes, first after connecting.
    Configured,
    /// The configured nodes, after a change.
    Reconfigured,
    /// The members of the ring being synchronised.
    Members,
    /// All nodes ever seen, with the verdict of quorum.
    Quorum,
}

/// One of the messages in use between a node and an arbiter without TLS.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Message {
    /// Client: which cluster it is of.
    Preinit {
        /// Number for the reply, in each message of the client.
        sequence: u32,
        /// `totem.cluster_name`.
        cluster: String,
    },
    /// Arbiter: how to go on.
    PreinitReply {
        /// TLS.
        tls: Tls,
    },
    /// Client: who it is and what it wants.
    Init {
        /// Number for the reply.
        sequence: u32,
        /// The node.
        node: NodeId,
        /// How the arbiter is to decide.
        algorithm: NetAlgorithm,
        /// Milliseconds; the arbiter gives a silent client up after 1.5 times as much.
        heartbeat: u32,
        /// Between equal partitions.
        tie_breaker: TieBreaker,
        /// The node's ring.
        ring: RingId,
    },
    /// Arbiter: accepted or not.
    InitReply {
        /// 0 or why not; see [`Complaint`].
        error: u16,
        /// Longest message it takes.
        max_request: u32,
    },
    /// Arbiter: the client did something wrong.
    ServerError {
        /// What; see [`Complaint`].
        error: u16,
    },
    /// Client: prefer the partition that had the votes before.
    SetOption {
        /// Number for the reply.
        sequence: u32,
        /// Whether to.
        keep_active: bool,
    },
    /// Arbiter: so it is.
    SetOptionReply {
        /// Number of the request.
        sequence: u32,
    },
    /// Client: still there.
    Echo {
        /// Number for the reply.
        sequence: u32,
    },
    /// Arbiter: so am I.
    EchoReply {
        /// Number of the request.
        sequence: u32,
    },
    /// Client: nodes.
    NodeList {
        /// Number for the reply.
        sequence: u32,
        /// Which list.
        kind: ListKind,
        /// The ring, for members.
        ring: Option<RingId>,
        /// The verdict, with the quorum list.
        quorate: Option<bool>,
        /// The nodes, with their states in the quorum list; at most 1024.
        nodes: Vec<(NodeId, Option<NodeState>)>,
        /// The node's own checks, for members.
        heuristics: Heuristics,
    },
    /// Arbiter: its word on a list.
    NodeListReply {
        /// Which list.
        kind: ListKind,
        /// The ring the word is about.
        ring: RingId,
        /// The word.
        verdict: Verdict,
    },
    /// Arbiter: it has decided.
    VoteInfo {
        /// The arbiter's number, for the reply.
        sequence: u32,
        /// The ring the word is about.
        ring: RingId,
        /// The word.
        verdict: Verdict,
    },
    /// Client: it has acted on the word.
    VoteInfoReply {
        /// The arbiter's number.
        sequence: u32,
    },
    /// Client: the result of its own checks changed.
    HeuristicsChange {
        /// Number for the reply.
        sequence: u32,
        /// The result.
        heuristics: Heuristics,
    },
    /// Arbiter: its word on that.
    HeuristicsReply {
        /// The ring the word is about.
        ring: RingId,
        /// The word.
        verdict: Verdict,
    },
}

/// Why the arbiter refuses a client, as observed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Complaint {
    /// 12.
    #[error("it does not know the algorithm")]
    Algorithm,
    /// 13.
    #[error("the heartbeat interval is out of its bounds (by default 1 to 120 seconds)")]
    Heartbeat,
    /// 15.
    #[error("other nodes of the cluster have another tie_breaker")]
    TieBreakerDiffers,
    /// 16.
    #[error("other nodes of the cluster have another algorithm")]
    AlgorithmDiffers,
    /// 17; also as long as it has not noticed that an earlier connection is dead.
    #[error("a node of this id and cluster is connected already")]
    DuplicateNode,
    /// Any other.
    #[error("error {0}")]
    Other(u16),
}

impl From<u16> for Complaint {
    fn from(code: u16) -> Complaint {
        match code {
            12 => Complaint::Algorithm,
            13 => Complaint::Heartbeat,
            15 => Complaint::TieBreakerDiffers,
            16 => Complaint::AlgorithmDiffers,
            17 => Complaint::DuplicateNode,
            other => Complaint::Other(other),
        }
    }
}

/// Bytes that are no message of this protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Malformed {
    /// Longer than [`MAX_LENGTH`].
    #[error("a message of {0} bytes, at most {MAX_LENGTH} are accepted")]
    TooLong(u32),
    /// A type that is not in use, or not without TLS.
    #[error("message type {0} is not in use")]
    Type(u16),
    /// An option ends after its message, or has a wrong length or value.
    #[error("option {option} of message type {kind} is not well-formed")]
    Option {
        /// Of which message.
        kind: u16,
        /// Which.
        option: u16,
    },
    /// An option that the message must have.
    #[error("message type {kind} lacks option {option}")]
    Missing {
        /// Which message.
        kind: u16,
        /// Which option.
        option: u16,
    },
    /// More nodes than a cluster can have.
    #[error("more than {MAX_MEMBERS} nodes")]
    TooManyNodes,
}

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

const HEURISTICS: [Heuristics; 3] = [Heuristics::Disabled, Heuristics::Pass, Heuristics::Fail];
const TLS: [Tls; 3] = [Tls::Unsupported, Tls::Supported, Tls::Required];
const STATES: [NodeState; 3] = [NodeState::Member, NodeState::Dead, NodeState::Leaving];
const LISTS: [ListKind; 4] =
    [ListKind::Configured, ListKind::Reconfigured, ListKind::Members, ListKind::Quorum];
const VERDICTS: [Verdict; 5] =
    [Verdict::Ack, Verdict::Nack, Verdict::AskLater, Verdict::WaitForReply, Verdict::NoChange];

fn place<T: PartialEq>(of: &T, choices: &[T], first: u8) -> u8 {
    (first..).zip(choices).find(|(_, choice)| *choice == of).map_or(first, |(number, _)| number)
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

/// Cuts a stream of bytes into messages. Holds at most one incomplete message and what was handed
/// to it last.
#[derive(Clone, Debug, Default)]
pub struct Stream {
    bytes: Vec<u8>,
    taken: usize,
}

impl Stream {
    /// Adds bytes as they came.
    pub fn extend(&mut self, bytes: &[u8]) {
        self.bytes.drain(..self.taken);
        self.taken = 0;
        self.bytes.extend_from_slice(bytes);
    }

    /// The next complete message.
    ///
    /// # Errors
    /// When the bytes are no message. The stream cannot be used any further then.
    pub fn next_message(&mut self) -> Result<Option<Message>, Malformed> {
        let rest = &self.bytes[self.taken..];
        let Some(([a, b, length @ ..], rest)) = rest.split_first_chunk::<HEADER>() else {
            return Ok(None);
        };
        let length = u32::from_be_bytes(*length);
        if length as usize > MAX_LENGTH {
            return Err(Malformed::TooLong(length));
        }
        let Some(body) = rest.get(..length as usize) else { return Ok(None) };
        let message = Message::parse(u16::from_be_bytes([*a, *b]), body)?;
        self.taken += HEADER + length as usize;
        Ok(Some(message))
    }
}

#[cfg(test)]
#[path = "message_tests.rs"]
mod tests;
