//! The executor's messages (spec 80), within a node.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{AgentName, HiddenValues};

/// An operation to run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Operation {
    /// On which resource.
    pub resource: String,
    /// Its agent.
    pub agent: AgentName,
    /// What to do.
    pub action: String,
    /// How often, in milliseconds; 0 for once.
    pub interval_ms: u32,
    /// How long it may take.
    pub timeout_ms: u64,
    /// How long to wait first.
    pub start_delay_ms: u64,
    /// Parameters and meta-attributes.
    pub parameters: HiddenValues,
    /// Comes back with the result: the transition key.
    pub key: String,
}

/// An alert to send.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlertRun {
    /// Its id.
    pub id: String,
    /// The alert agent.
    pub path: String,
    /// How long it may take.
    pub timeout_ms: u64,
    /// Its environment.
    pub environment: Vec<(String, String)>,
}

impl fmt::Debug for AlertRun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&String> = self.environment.iter().map(|(name, _)| name).collect();
        f.debug_struct("AlertRun").field("id", &self.id).field("environment", &names).finish()
    }
}

/// A request to the executor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ExecutorRequest {
    /// Run an operation, registering the resource if need be.
    Execute(Operation),
    /// Cancel a recurring or waiting operation.
    Cancel {
        /// Of which resource.
        resource: String,
        /// Which.
        action: String,
        /// At which interval.
        interval_ms: u32,
    },
    /// Forget a resource.
    Unregister {
        /// Which.
        resource: String,
    },
    /// Run an alert agent.
    Alert(AlertRun),
    /// Tell what ended before the asker began: it may be new, and what runs here is not.
    Recall,
}

/// The end of an operation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OperationEnd {
    /// Of which resource.
    pub resource: String,
    /// Its agent.
    pub agent: AgentName,
    /// What.
    pub action: String,
    /// At which interval.
    pub interval_ms: u32,
    /// The key the request carried.
    pub key: String,
    /// Number of the request at the executor.
    pub call: u32,
    /// OCF exit code.
    pub exit: i32,
    /// Execution status.
    pub status: i32,
    /// Why it failed, in the agent's words.
    pub reason: Option<String>,
    /// The registration is gone.
    pub deleted: bool,
    /// How long it took, in milliseconds.
    pub exec_ms: u64,
    /// The timeout it had, in milliseconds.
    pub timeout_ms: u64,
    /// What to record: attributes of `lrm_rsc_op` elements.
    pub entries: Vec<Vec<(String, String)>>,
}

/// What the executor tells.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ExecutorEvent {
    /// An operation was accepted; what to record while it runs.
    Accepted {
        /// Of which resource.
        resource: String,
        /// Its agent.
        agent: AgentName,
        /// The entry, if there is one.
        entry: Option<Vec<(String, String)>>,
    },
    /// An operation has ended, or could not begin.
    Ended(Box<OperationEnd>),
    /// A cancelled operation was not known.
    NotCancelled {
        /// Of which resource.
        resource: String,
        /// Which.
        action: String,
        /// At which interval.
        interval_ms: u32,
    },
    /// Answer to a recall: the ends that still count, in the order in which they came.
    Recalled(Vec<OperationEnd>),
    /// A resource is forgotten.
    Unregistered {
        /// Which.
        resource: String,
    },
}
