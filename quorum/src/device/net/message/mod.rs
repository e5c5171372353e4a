//! Messages between a node and the arbiter daemon, and their bytes.
//!
//! A message is a 16-bit type, a 32-bit length and so many bytes of options; an option is a 16-bit
//! type, a 16-bit length and its value. Integers are big endian. Options of unknown type are
//! skipped, as are further ones that this side has no use for; of an option given twice the last
//! one holds, except for the nodes of a list. Layout after the public description of the QNetd
//! protocol and recorded exchanges between Debian's `corosync-qdevice` and `corosync-qnetd` 3.0.3.

mod numbers;
mod reading;
mod stream;
mod writing;

pub use stream::Stream;

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

/// One of the messages in use between a node and an arbiter.
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
    /// Client: everything after this is encrypted.
    StartTls {
        /// Number; there is no reply but the handshake.
        sequence: u32,
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
    /// A type that is not in use.
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

#[cfg(test)]
mod tests;
