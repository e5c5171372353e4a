//! The attribute manager's messages (spec 61). Requests and what managers say to each other are messages of
//! the attribute protocol, [`cib_model::attribute_table::Message`], in their XML form.

use serde::{Deserialize, Serialize};

use super::ElectionBallot;
use crate::subsystem::SharedDocument;

/// A request to the attribute manager.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct AttributesRequest {
    /// Comes back with the answer; zero: no answer is wanted.
    pub token: u64,
    /// The request.
    pub message: SharedDocument,
}

/// A value of an attribute.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttributeValue {
    /// The node's name.
    pub node: String,
    /// The value.
    pub value: Option<String>,
}

/// A value of an attribute that came to the CIB.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WrittenValue {
    /// The node's name.
    pub node: String,
    /// The node's id.
    pub node_id: String,
    /// The attribute's name.
    pub name: String,
    /// The value; none if it was taken away.
    pub value: Option<String>,
}

/// An answer of the attribute manager.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum AttributesAnswer {
    /// The request has come as far as it asked for.
    Accepted {
        /// The request's token.
        token: u64,
    },
    /// It has not, in time.
    TimedOut {
        /// The request's token.
        token: u64,
    },
    /// It makes no sense.
    Refused {
        /// The request's token.
        token: u64,
        /// Why.
        reason: String,
    },
    /// The values of an attribute.
    Values {
        /// The request's token.
        token: u64,
        /// Its name, if it is known.
        name: Option<String>,
        /// The values.
        values: Vec<AttributeValue>,
    },
    /// To the controller, unasked: this node's manager is writing these values.
    Written(Vec<WrittenValue>),
}

/// What attribute managers say to each other.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum AttributesPeer {
    /// A message of the attribute protocol.
    Message(SharedDocument),
    /// The writer's election.
    Ballot(ElectionBallot),
}
