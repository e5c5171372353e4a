//! What is asked for.

use super::options::CallOptions;
use crate::document::Document;
use crate::schema::Schema;

/// An operation on a CIB.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Operation {
    /// Look.
    Query,
    /// Add objects.
    Create,
    /// Merge into what there is.
    Modify,
    /// Replace what there is.
    Replace,
    /// Remove objects.
    Delete,
    /// Remove everything.
    Erase,
    /// Raise the epoch.
    Bump,
    /// Bring the configuration to a newer schema.
    Upgrade,
    /// Apply a patch.
    ApplyPatch,
    /// Carry out a transaction.
    CommitTransaction,
    /// Nothing.
    Noop,
}

impl Operation {
    /// Whether it can change the CIB.
    pub fn modifies(self) -> bool {
        !matches!(self, Operation::Query | Operation::Noop)
    }

    /// Whether a transaction may contain it.
    pub fn is_allowed_in_transaction(self) -> bool {
        self.modifies() && self != Operation::CommitTransaction
    }
}

/// A request for an operation.
#[derive(Clone, Debug)]
pub struct Request {
    /// The operation.
    pub operation: Operation,
    /// The section, or an XPath expression with [`CallOptions::XPATH`]; nothing for the whole CIB.
    pub section: Option<String>,
    /// Options.
    pub options: CallOptions,
    /// What the operation works with.
    pub data: Option<Document>,
    /// The digest the data must have, when a whole CIB is replaced.
    pub digest: Option<String>,
    /// Whether the data come from another copy of the CIB, so that version numbers stay as they are.
    pub is_sync: bool,
    /// The newest schema an upgrade may lead to.
    pub max_schema: Option<Schema>,
    /// The user on whose behalf it is done.
    pub user: Option<String>,
    /// The node it comes from.
    pub origin: Option<String>,
    /// The program it comes from.
    pub client: Option<String>,
}

impl Request {
    /// A request with nothing but an operation.
    pub fn new(operation: Operation) -> Request {
        Request {
            operation,
            section: None,
            options: CallOptions::NONE,
            data: None,
            digest: None,
            is_sync: false,
            max_schema: None,
            user: None,
            origin: None,
            client: None,
        }
    }

    /// The section as an XPath expression, if it is one.
    pub(super) fn xpath(&self) -> Option<&str> {
        self.section.as_deref().filter(|_| self.options.has(CallOptions::XPATH))
    }

    /// Whether only the status section is concerned.
    pub(super) fn is_status_only(&self) -> bool {
        self.xpath().is_none() && self.section.as_deref() == Some("status")
    }
}

/// The operations and the names by which they travel.
const WIRE_NAMES: [(Operation, &str); 11] = [
    (Operation::Query, "cib_query"),
    (Operation::Create, "cib_create"),
    (Operation::Modify, "cib_modify"),
    (Operation::Replace, "cib_replace"),
    (Operation::Delete, "cib_delete"),
    (Operation::Erase, "cib_erase"),
    (Operation::Bump, "cib_bump"),
    (Operation::Upgrade, "cib_upgrade"),
    (Operation::ApplyPatch, "cib_apply_diff"),
    (Operation::CommitTransaction, "cib_commit_transact"),
    (Operation::Noop, "noop"),
];

impl Operation {
    /// The operation that travels by this name.
    pub fn from_wire(name: &str) -> Option<Operation> {
        WIRE_NAMES.into_iter().find(|(_, known)| *known == name).map(|(operation, _)| operation)
    }

    /// The name by which it travels.
    pub fn wire_name(self) -> &'static str {
        WIRE_NAMES.into_iter().find(|(known, _)| *known == self).map_or("", |(_, name)| name)
    }
}
