//! The controller's messages (spec 60).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::cib::Certificate;
use crate::subsystem::{NodeId, SharedDocument};

/// A ballot of an election, as the attributes of the classic message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ElectionBallot(pub Vec<(String, String)>);

impl ElectionBallot {
    /// Takes a ballot.
    pub fn new(ballot: &quorum::election::Ballot) -> ElectionBallot {
        let attributes = ballot.to_attributes();
        ElectionBallot(
            attributes.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
        )
    }

    /// The ballot.
    ///
    /// # Errors
    /// When attributes are missing or wrong.
    pub fn read(&self) -> Result<quorum::election::Ballot, quorum::election::BallotError> {
        quorum::election::Ballot::from_attributes(|name| {
            self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
        })
    }
}

/// How new a node's CIB is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JoinGeneration {
    /// How far it is the cluster's: what a majority decided outranks any version that a minority made.
    pub certificate: Certificate,
    /// `admin_epoch`, `epoch`, `num_updates`; compared in that order.
    pub version: [i64; 3],
    /// `validate-with`.
    pub schema: Option<String>,
}

/// The agent of a resource.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentName {
    /// Standard.
    pub class: String,
    /// Provider.
    pub provider: Option<String>,
    /// Type.
    pub kind: String,
}

/// An action of a transition, as sent to the node that executes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActionRequest {
    /// The task.
    pub operation: String,
    /// The node it is for; a remote node may be reached through another.
    pub on_node: String,
    /// The resource, its name in history, and other names.
    pub resource: Option<(String, Option<String>)>,
    /// Its agent.
    pub agent: Option<AgentName>,
    /// Parameters and meta-attributes.
    pub attributes: BTreeMap<String, String>,
    /// Identifies the action and its transition.
    pub transition_key: String,
    /// Since when the resource waits for its node, which is shut down (epoch seconds).
    pub shutdown_lock: Option<i64>,
}

impl ActionRequest {
    /// A meta-attribute.
    pub fn meta(&self, name: &str) -> Option<&str> {
        self.attributes.get(name).map(String::as_str)
    }
}

/// One history entry with the resource it belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HistoryRecord {
    /// The resource.
    pub resource: String,
    /// Its agent.
    pub agent: AgentName,
    /// Attributes of the `lrm_rsc_op` in their order.
    pub entry: Vec<(String, String)>,
}

impl HistoryRecord {
    /// An attribute of the entry.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.entry.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// What controllers say to each other.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum ControllerPeer {
    /// Who the sender is and whom it follows; sent when the group changes.
    Hello {
        /// The sender's DC, itself if it leads.
        dc: Option<NodeId>,
        /// Whether it waits for one.
        pending: bool,
    },
    /// An election.
    Ballot(ElectionBallot),
    /// A node wants to join.
    JoinAnnounce,
    /// The DC offers membership.
    JoinOffer {
        /// The round.
        round: u32,
        /// The DC is shutting down.
        leaving: bool,
        /// The DC's feature set.
        feature_set: String,
    },
    /// A node accepts the offer.
    JoinRequest {
        /// The round.
        round: u32,
        /// The node's feature set.
        feature_set: String,
        /// How new its CIB is.
        generation: JoinGeneration,
    },
    /// The DC lets a node in or not.
    JoinResult {
        /// The round.
        round: u32,
        /// In.
        accepted: bool,
        /// The DC is shutting down.
        leaving: bool,
    },
    /// A node is in; with it comes its `node_state`.
    JoinConfirm {
        /// The round.
        round: u32,
        /// History of the node.
        state: SharedDocument,
    },
    /// The DC wants an action executed.
    Invoke(ActionRequest),
    /// A result that is not recorded in the CIB, to whoever asked for the action.
    Acknowledge(HistoryRecord),
    /// A node wants to leave.
    ShutdownRequest,
    /// The DC lets it.
    DoShutdown,
    /// A request of a client, passed on.
    Request(Box<ControllerRequest>),
    /// A peer's cached data shall be forgotten.
    Forget {
        /// Its id.
        id: Option<NodeId>,
        /// Its name.
        name: Option<String>,
    },
}

/// A request of a client.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ControllerRequest {
    /// The state of a node's controller.
    Ping {
        /// Comes back with the answer.
        token: u64,
        /// The node; the local one without.
        node: Option<String>,
    },
    /// What is known of a node.
    NodeInfo {
        /// Comes back with the answer.
        token: u64,
        /// Its id.
        id: Option<NodeId>,
        /// Its name; the local node if neither is given.
        name: Option<String>,
    },
    /// All nodes known.
    ListNodes {
        /// Comes back with the answer.
        token: u64,
    },
    /// Forget the history of a resource on a node and look again.
    CleanUp {
        /// Comes back with the answer.
        token: u64,
        /// The node.
        node: String,
        /// The resource.
        resource: String,
        /// Its agent.
        agent: Option<AgentName>,
    },
    /// Take a resource for failed on a node.
    Fail {
        /// Comes back with the answer.
        token: u64,
        /// The node.
        node: String,
        /// The resource.
        resource: String,
        /// Its agent.
        agent: Option<AgentName>,
    },
    /// Forget the history of all resources of a node and look again.
    Reprobe {
        /// Comes back with the answer.
        token: u64,
        /// The node; all without.
        node: Option<String>,
    },
    /// Forget a node that is gone.
    ForgetNode {
        /// Its id.
        id: Option<NodeId>,
        /// Its name.
        name: Option<String>,
    },
    /// Leave the cluster in order.
    Shutdown,
}

/// A node in a listing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeerListing {
    /// Its id.
    pub id: NodeId,
    /// Its name.
    pub name: String,
    /// In the ring.
    pub member: bool,
    /// Its controller is in the group.
    pub online: bool,
}

/// The controller's answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ControllerAnswer {
    /// The state of the controller.
    State {
        /// The request's token.
        token: u64,
        /// The node whose it is.
        node: String,
        /// As `crmadmin -S` prints it.
        state: String,
        /// The name of the DC it follows.
        dc: Option<String>,
    },
    /// One node.
    Node {
        /// The request's token.
        token: u64,
        /// What is known; nothing if it is not.
        node: Option<PeerListing>,
        /// Whether this node may act.
        quorate: bool,
    },
    /// All nodes.
    Nodes {
        /// The request's token.
        token: u64,
        /// They.
        nodes: Vec<PeerListing>,
    },
    /// Done, or not.
    Done {
        /// The request's token.
        token: u64,
        /// Why not.
        result: Result<(), String>,
    },
}
