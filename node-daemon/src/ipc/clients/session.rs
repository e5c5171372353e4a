//! One client.

use std::collections::BTreeSet;

use super::fencer::News;
use crate::ipc::endpoint::Endpoint;
use crate::ipc::frame::Layout;

/// A connection, by a number that is never used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(pub u64);

/// Who is at the other end, as the kernel says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Credentials {
    /// Process.
    pub pid: i32,
    /// User.
    pub uid: u32,
    /// Group.
    pub gid: u32,
}

/// What a client may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Access {
    /// The process.
    pub pid: i32,
    /// The user's name, or what stands for a user without one.
    pub user: String,
    /// Root, the cluster's user, or the user the daemon runs as: access control does not apply.
    pub privileged: bool,
}

/// What is known of a client.
#[derive(Debug)]
pub(super) struct Session {
    pub endpoint: Endpoint,
    pub access: Access,
    /// Largest frame.
    pub size: usize,
    /// Of the last message received.
    pub layout: Layout,
    /// Name it gave.
    pub client: Option<String>,
    /// Identifies the connection in messages.
    pub uuid: String,
    /// Number of the last event.
    pub events: i32,
    /// Requests under way.
    pub pending: usize,
    /// It wants to know of changes of the CIB.
    pub changes: bool,
    /// What it wants to know of fencing.
    pub fencing: BTreeSet<News>,
}

impl Session {
    pub fn new(id: SessionId, endpoint: Endpoint, access: Access, size: usize) -> Session {
        let uuid = format!("{:08x}-0000-4000-8000-{:012x}", access.pid, id.0);
        Session {
            endpoint,
            access,
            size,
            layout: Layout::New,
            client: None,
            uuid,
            events: 0,
            pending: 0,
            changes: false,
            fencing: BTreeSet::new(),
        }
    }

    /// For records: the name it gave, else its process.
    pub fn name(&self) -> String {
        self.client.clone().unwrap_or_else(|| self.access.pid.to_string())
    }

    /// The user a request is made for: a privileged client may name another (spec 51 §10.2).
    pub fn user(&self, wanted: Option<&str>) -> Option<String> {
        match (self.access.privileged, wanted) {
            (false, _) => Some(self.access.user.clone()),
            (true, Some(wanted)) if !matches!(wanted, "" | "root" | "hacluster") => {
                Some(wanted.to_owned())
            }
            (true, _) => None,
        }
    }
}
