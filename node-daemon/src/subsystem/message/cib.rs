//! The CIB manager's messages (spec 51).

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::subsystem::{NodeId, SharedDocument, SharedPatch};

/// A request to the CIB manager.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CibRequest {
    /// Comes back with the answer. Zero: no answer is wanted.
    pub token: u64,
    /// What is asked.
    pub operation: CibOperation,
    /// Who asks, for records and notifications.
    pub client: String,
    /// On whose behalf, if access control applies to them.
    pub user: Option<String>,
}

/// What the CIB manager can be asked.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum CibOperation {
    /// Part of the CIB, from this node's replica.
    Query {
        /// Which part.
        scope: Scope,
        /// Elements below it too.
        children: bool,
    },
    /// One change, ordered among those of all nodes.
    Update {
        /// The change.
        update: CibUpdate,
        /// Find out what would come of it, and change nothing.
        dry_run: bool,
    },
    /// Several changes, all or none.
    Transaction(Vec<CibUpdate>),
    /// Have a node send its CIB to all.
    Synchronise {
        /// Which one.
        from: NodeId,
        /// In which ring, by its sequence number; it is refused in any other.
        ring: u64,
    },
    /// How new this node's replica is: an element `generation_tuple` with the attributes of the CIB, and a
    /// [`Certificate`](crate::cib::Certificate) in it.
    Generation,
    /// This node leads, or no longer.
    Primary(bool),
    /// Tell of these changes from now on.
    Subscribe(Interest),
}

/// Changes of the CIB that a subsystem is told of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Interest {
    /// None.
    Nothing,
    /// Those of cluster options and alerts.
    Options,
    /// Those of the configuration.
    Configuration,
    /// All.
    All,
}

/// Part of a CIB.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Scope {
    /// All of it.
    All,
    /// A section, by name.
    Section(String),
    /// What an XPath expression selects.
    XPath {
        /// The expression.
        expression: String,
        /// All matches instead of the first.
        multiple: bool,
    },
}

/// A change of the CIB (spec 50 §12).
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum CibUpdate {
    /// Adds what is not there.
    Create {
        /// Where.
        scope: Scope,
        /// What.
        content: SharedDocument,
    },
    /// Sets attributes and adds children, matching what is there by element and id.
    Modify {
        /// Where.
        scope: Scope,
        /// What.
        content: SharedDocument,
        /// Create what is not there.
        create: bool,
        /// Expand values of the forms `name++` and `name+=n`.
        scores: bool,
    },
    /// Replaces what is there.
    Replace {
        /// Where.
        scope: Scope,
        /// What.
        content: SharedDocument,
        /// Keep the version numbers as they come.
        keep_version: bool,
    },
    /// Removes the first element that matches the content, or what the scope selects.
    Delete {
        /// Where.
        scope: Scope,
        /// Name, id and attributes to match.
        content: Option<SharedDocument>,
    },
    /// Empties configuration and status.
    Erase,
    /// Raises `epoch`.
    Bump,
    /// Applies a patch.
    Patch(SharedPatch),
    /// Brings the configuration to the latest schema.
    Upgrade,
}

/// Where an ordered change comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpdateOrigin {
    /// The node whose manager was asked.
    pub node: NodeId,
    /// Its name.
    pub node_name: String,
    /// The client.
    pub client: String,
    /// On whose behalf.
    pub user: Option<String>,
    /// Groups of that user, as that node knows them.
    pub groups: Vec<String>,
    /// When, since 1970.
    pub wall: Duration,
}

/// The answer to a [`CibRequest`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CibAnswer {
    /// The request's token.
    pub token: u64,
    /// The selected part for a query, or why not.
    pub result: Result<Option<SharedDocument>, CibError>,
}

/// Why a request failed, with the codes of the classic interface.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
pub enum CibError {
    /// Nothing there.
    #[error("No such device or address: {0}")]
    NotFound(String),
    /// Something is there already.
    #[error("File exists: {0}")]
    Exists(String),
    /// The request makes no sense.
    #[error("Invalid argument: {0}")]
    Invalid(String),
    /// The user may not.
    #[error("Permission denied")]
    Denied,
    /// The result would not conform to the schema.
    #[error("Update does not conform to the configured schema: {0}")]
    Schema(String),
    /// What is there is newer.
    #[error("Application of an update diff failed: have {have}, offered {offered}")]
    OldData {
        /// The version there is.
        have: String,
        /// The version offered.
        offered: String,
    },
    /// A patch does not fit.
    #[error("Application of an update diff failed: {0}")]
    PatchFailed(String),
    /// The schema is the latest already.
    #[error("Schema is already the latest available")]
    SchemaUnchanged,
    /// The CIB on disk was unusable, and no other has been received yet.
    #[error("the configuration on disk is unusable")]
    Unusable,
    /// The manager is not in the cluster yet, or too much waits.
    #[error("not connected to the cluster")]
    NotConnected,
}

impl CibError {
    /// The negative code of the classic interface (spec 51 §10.3).
    pub fn code(&self) -> i32 {
        match self {
            CibError::NotFound(_) => -6,
            CibError::Exists(_) => -17,
            CibError::Invalid(_) => -22,
            CibError::Denied => -13,
            CibError::Schema(_) | CibError::Unusable => -203,
            CibError::OldData { .. } => -205,
            CibError::PatchFailed(_) => -206,
            CibError::SchemaUnchanged => -211,
            CibError::NotConnected => -107,
        }
    }
}

/// The CIB has changed.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CibChanged {
    /// Who changed it.
    pub origin: UpdateOrigin,
    /// How.
    pub patch: SharedPatch,
}

impl CibChanged {
    /// Whether it changes what every controller follows: cluster options or alerts.
    pub fn touches_options(&self) -> bool {
        ["crm_config", "alerts"]
            .iter()
            .any(|section| self.patch.touches(&format!("/cib/configuration/{section}")))
    }
}

/// More of what the CIB manager gave to its store is durable.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct CibKept;

/// What CIB managers say to all of them.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum CibPeer {
    /// Apply this, all of you.
    Apply {
        /// Number at the origin, by which it finds the request again.
        number: u64,
        /// Where it comes from.
        origin: UpdateOrigin,
        /// The changes, all or none.
        updates: Vec<CibUpdate>,
        /// Change nothing.
        dry_run: bool,
    },
    /// This node shall send its CIB to all.
    SendYours {
        /// Which node.
        from: NodeId,
        /// Number at the origin.
        number: u64,
        /// The node that asks.
        asked_by: NodeId,
        /// The ring it asks in; in another one the question counts no longer.
        ring: u64,
    },
    /// A whole CIB, which replaces every other one.
    Whole {
        /// The CIB.
        document: SharedDocument,
        /// Its digest on the wire.
        digest: String,
        /// Number of the request it answers, at the node that asked.
        number: u64,
        /// The node that asked.
        asked_by: NodeId,
        /// Only for this node; nothing for all.
        only: Option<NodeId>,
        /// The ring in which it was asked for.
        ring: u64,
        /// Who asked and when.
        origin: UpdateOrigin,
    },
    /// The primary asks for digests.
    Ping {
        /// Its number.
        number: u64,
    },
    /// A digest, to the primary.
    Pong {
        /// The ping's number.
        number: u64,
        /// The digest at that point of the order.
        digest: String,
    },
}
