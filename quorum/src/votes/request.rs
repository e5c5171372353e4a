//! What clients may ask for, and how it is refused.

use crate::id::{NodeId, RingId};

/// A request of a client on this node. Each is answered by exactly one
/// [`Output::Reply`](super::Output::Reply).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// Set the expected votes of the running cluster.
    SetExpected(u32),
    /// Set the votes of a node, `None` for the local one.
    SetVotes {
        /// The node.
        node: Option<NodeId>,
        /// New value.
        votes: u32,
    },
    /// End the waiting for all, cluster-wide.
    CancelWaiting,
    /// This node will exit in order; with `allow_downscale` the others re-base.
    Leave,
    /// From the local quorum device daemon.
    Device(DeviceRequest),
}

/// A request of the local quorum device daemon (spec 71 §9.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeviceRequest {
    /// Announce the device; one name is in use cluster-wide.
    Register {
        /// Name, 1 to 254 bytes.
        name: String,
    },
    /// Withdraw it.
    Unregister {
        /// Name it was registered under.
        name: String,
    },
    /// Rename it on all nodes.
    Rename {
        /// Present name.
        old: String,
        /// New name.
        new: String,
    },
    /// The regular sign of life, with the arbiter's answer.
    Poll {
        /// Name.
        name: String,
        /// Whether the device's votes count for this node's partition.
        cast: bool,
        /// The ring the answer is about.
        ring: RingId,
    },
    /// Let the device decide even against a majority.
    MasterWins {
        /// Name.
        name: String,
        /// Whether it may.
        allow: bool,
    },
    /// Information for all nodes, at most 4096 bytes; empty clears it.
    ExtraInfo(Vec<u8>),
}

/// Why a request was not carried out. Nothing has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Refusal {
    /// Fewer expected votes than are present.
    #[error("expected votes {expected} are fewer than the {total} votes present")]
    ExpectedTooLow {
        /// Asked for.
        expected: u32,
        /// Present.
        total: u32,
    },
    /// The change would cost this partition its quorum.
    #[error("quorum would be {quorum} where {total} votes are present")]
    WouldLoseQuorum {
        /// Needed afterwards.
        quorum: u32,
        /// Present afterwards.
        total: u32,
    },
    /// No such node has ever been seen.
    #[error("node {0} is not known")]
    UnknownNode(NodeId),
    /// The name does not fit the registered one.
    #[error("the quorum device has another name")]
    WrongName,
    /// A name must be 1 to 254 bytes, extra information at most 4096.
    #[error("a device name has 1 to 254 bytes, its extra information at most 4096")]
    TooLong,
    /// Another device is registered in the cluster.
    #[error("another quorum device is registered")]
    Exists,
    /// No device is registered on this node.
    #[error("no quorum device is registered on this node")]
    NotRegistered,
    /// The answer of the device is about another ring than the present one.
    #[error("the poll is about another ring and was ignored")]
    StaleRing,
    /// No device is configured, or its configuration is impossible.
    #[error(
        "Registration of quorum device is disabled by incorrect corosync.conf. See logs for more information"
    )]
    DeviceDisabled,
    /// Too many requests are under way, or the membership changed under the request.
    #[error("try again")]
    TryAgain,
}
