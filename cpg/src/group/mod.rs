//! Process groups: named sets of processes that see the same messages and the same changes of
//! membership in the same order (spec 70 §14).

mod inbox;
mod message;
mod service;
mod synchronisation;
mod table;

pub use inbox::{INBOX_BYTES, Inbox, Overrun};
pub(crate) use message::{GroupMessage, KeyStep};
pub use service::{ClientId, Refusal};
pub(crate) use service::{Groups, Submit};
pub use table::GroupTable;

use crate::identity::{NodeId, RingId};
use crate::wire::Guarantee;
use bytes::Bytes;
use std::fmt;
use std::sync::Arc;

/// Longest group name in bytes.
pub const MAX_NAME: usize = 128;
/// Largest message that is delivered as one: 1 MiB less 1024 bytes, as the reference's limit.
pub const MAX_MESSAGE: usize = (1 << 20) - 1024;
/// Most connections of one node.
pub const MAX_CLIENTS: usize = 4096;

/// The name of a group: 0 to 128 bytes, compared byte by byte.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GroupName(Arc<[u8]>);

/// A group name of more than 128 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a group name of {0} bytes; at most 128 are allowed")]
pub struct NameTooLong(pub usize);

impl GroupName {
    /// Checks the length.
    pub fn new(name: impl AsRef<[u8]>) -> Result<GroupName, NameTooLong> {
        let name = name.as_ref();
        if name.len() > MAX_NAME {
            Err(NameTooLong(name.len()))
        } else {
            Ok(GroupName(name.into()))
        }
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Display for GroupName {
    /// Printable characters as they are, others as `\xHH`, a backslash doubled.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for byte in self.0.iter() {
            match byte {
                b'\\' => f.write_str("\\\\")?,
                0x20..=0x7e => write!(f, "{}", *byte as char)?,
                _ => write!(f, "\\x{byte:02X}")?,
            }
        }
        Ok(())
    }
}

impl fmt::Debug for GroupName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// A process, as its node numbers it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProcessId(pub u32);

/// One member of a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Member {
    /// The node the process runs on.
    pub node: NodeId,
    /// The process.
    pub process: ProcessId,
}

/// Why a member came or went; the numbers are those of the classic interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ChangeReason {
    /// It asked to join.
    Join = 1,
    /// It asked to leave.
    Leave = 2,
    /// Its node left the ring.
    NodeDown = 3,
    /// Its node came with a merge.
    NodeUp = 4,
    /// It ended without asking.
    ProcessDown = 5,
}

/// A change of a group's membership.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct View {
    /// The group.
    pub group: GroupName,
    /// Members after the change, by node and process.
    pub members: Vec<Member>,
    /// Who went.
    pub left: Vec<(Member, ChangeReason)>,
    /// Who came.
    pub joined: Vec<(Member, ChangeReason)>,
}

/// A delivered message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// The group it was sent to.
    pub group: GroupName,
    /// Who sent it.
    pub sender: Member,
    /// The content; shares memory with the received packet where it can.
    pub payload: Bytes,
    /// The guarantee it was sent with.
    pub guarantee: Guarantee,
}

/// The ring below the groups changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RingView {
    /// The ring.
    pub ring: RingId,
    /// Its nodes, ascending.
    pub nodes: Vec<NodeId>,
}

/// What a connected process sees, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A message.
    Message(Message),
    /// A change of the group's membership.
    View(View),
    /// A change of the ring; every connection sees it, joined or not.
    Ring(RingView),
}
