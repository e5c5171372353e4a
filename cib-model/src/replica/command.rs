//! The commands by which clients and replicas talk (spec 51 §3, §4, §10).

use crate::document::{Document, Element};
use crate::operation::{CallOptions, Operation, OperationError, Request};
use crate::scalar::is_true;

/// A command, or the reply to one.
#[derive(Clone, Debug)]
pub struct Command {
    /// The operation, by its name on the wire.
    pub operation: String,
    /// The operation that led to this one.
    pub original_operation: Option<String>,
    /// The section, or an XPath expression.
    pub section: Option<String>,
    /// The node it is for; nothing for all.
    pub host: Option<String>,
    /// The number the client knows it by.
    pub call_id: Option<i64>,
    /// Options of the call, as bits.
    pub options: u32,
    /// The client.
    pub client_id: Option<String>,
    /// The name of the client.
    pub client_name: Option<String>,
    /// The user on whose behalf it is.
    pub user: Option<String>,
    /// The node it comes from.
    pub source: Option<String>,
    /// The node whose replica answers the client.
    pub delegated_from: Option<String>,
    /// The node it is a reply to.
    pub reply_to: Option<String>,
    /// Whether version numbers stay as they are.
    pub is_update: bool,
    /// The result, in a reply.
    pub result: Option<i32>,
    /// The newest schema an upgrade may lead to.
    pub schema_max: Option<String>,
    /// The result of an upgrade that was not done.
    pub upgrade_result: Option<i32>,
    /// The number of a ping.
    pub ping_id: Option<i64>,
    /// The digest of a CIB.
    pub digest: Option<String>,
    /// The feature set of the sender.
    pub feature_set: Option<String>,
    /// The one element that goes with it.
    pub data: Option<Document>,
}

impl Command {
    /// A command with nothing but an operation.
    pub fn new(operation: &str) -> Command {
        Command {
            operation: operation.to_owned(),
            original_operation: None,
            section: None,
            host: None,
            call_id: None,
            options: 0,
            client_id: None,
            client_name: None,
            user: None,
            source: None,
            delegated_from: None,
            reply_to: None,
            is_update: false,
            result: None,
            schema_max: None,
            upgrade_result: None,
            ping_id: None,
            digest: None,
            feature_set: None,
            data: None,
        }
    }

    /// Reads a command. The name of the element carries no meaning.
    pub fn read(element: Element<'_>) -> Command {
        let text = |name: &str| element.attribute(name).map(str::to_owned);
        let number = |name: &str| element.attribute(name).and_then(|text| text.parse::<i64>().ok());
        let code = |name: &str| number(name).and_then(|number| i32::try_from(number).ok());
        let data = element.child("cib_calldata").and_then(|data| data.children().next());
        Command {
            operation: text("cib_op").unwrap_or_default(),
            original_operation: text("original_cib_op"),
            section: text("cib_section"),
            host: text("cib_host"),
            call_id: number("cib_callid"),
            options: number("cib_callopt").and_then(|bits| bits.try_into().ok()).unwrap_or(0),
            client_id: text("cib_clientid"),
            client_name: text("cib_clientname"),
            user: text("cib_user"),
            source: text("src"),
            delegated_from: text("cib_delegated_from"),
            reply_to: text("cib_isreplyto"),
            is_update: is_true(element.attribute("cib_update")),
            result: code("cib_rc"),
            schema_max: text("cib_schema_max"),
            upgrade_result: code("cib_upgrade_rc"),
            ping_id: number("cib_ping_id"),
            digest: text("digest"),
            feature_set: text("crm_feature_set"),
            data: data.map(Document::from_subtree),
        }
    }

    /// The command as an element of this name: `cib_command`, or `cib-reply` for a reply.
    pub fn to_document(&self, name: &str) -> Document {
        let mut document = Document::new(name);
        let root = document.root_id();
        let number = |number: Option<i64>| number.map(|number| number.to_string());
        let code = |code: Option<i32>| number(code.map(i64::from));
        let attributes = [
            ("t", Some("cib".to_owned())),
            ("src", self.source.clone()),
            ("cib_op", Some(self.operation.clone())),
            ("original_cib_op", self.original_operation.clone()),
            ("cib_host", self.host.clone()),
            ("cib_section", self.section.clone()),
            ("cib_user", self.user.clone()),
            ("cib_clientid", self.client_id.clone()),
            ("cib_clientname", self.client_name.clone()),
            ("cib_callid", number(self.call_id)),
            ("cib_callopt", Some(self.options.to_string())),
            ("cib_delegated_from", self.delegated_from.clone()),
            ("cib_isreplyto", self.reply_to.clone()),
            ("cib_update", self.is_update.then(|| "true".to_owned())),
            ("cib_rc", code(self.result)),
            ("cib_schema_max", self.schema_max.clone()),
            ("cib_upgrade_rc", code(self.upgrade_result)),
            ("cib_ping_id", number(self.ping_id)),
            ("digest", self.digest.clone()),
            ("crm_feature_set", self.feature_set.clone()),
        ];
        for (name, value) in attributes {
            if let Some(value) = value {
                document.set_attribute(root, name, &value);
            }
        }
        if let Some(data) = &self.data {
            let element = document.append_element(root, "cib_calldata");
            document.copy_subtree(element, data.root());
        }
        document
    }

    /// Whether these options are set.
    pub(super) fn has(&self, options: CallOptions) -> bool {
        CallOptions(self.options).has(options)
    }

    /// The operation on the CIB it asks for, if it is one.
    pub(super) fn request(&self) -> Option<Request> {
        let operation = Operation::from_wire(&self.operation)?;
        Some(Request {
            section: self.section.clone(),
            options: CallOptions(self.options),
            data: self.data.clone(),
            digest: self.digest.clone().filter(|_| self.is_update),
            is_sync: self.is_update,
            max_schema: self.schema_max.as_deref().and_then(|name| name.parse().ok()),
            user: self.user.clone(),
            origin: self.source.clone(),
            client: self.client_name.clone(),
            ..Request::new(operation)
        })
    }

    /// The reply to it.
    pub(super) fn reply(
        &self,
        result: Result<(), OperationError>,
        output: Option<Document>,
    ) -> Command {
        Command {
            call_id: self.call_id,
            client_id: self.client_id.clone(),
            options: self.options,
            result: Some(result.map_or_else(OperationError::code, |()| 0)),
            data: output,
            ..Command::new(self.original_operation.as_ref().unwrap_or(&self.operation))
        }
    }
}

/// What is to be known of an operation before it is done.
#[derive(Copy, Clone, Debug)]
pub(super) struct Traits {
    /// Whether it goes to all replicas.
    pub modifies: bool,
    /// Whether it needs more than a channel for queries.
    pub is_privileged: bool,
    /// Whether it never travels.
    pub is_local: bool,
    /// Whether the CIB is stored after it, whatever changed.
    pub stores: bool,
}

/// The operations (spec 51 §3).
pub(super) fn traits(operation: &str) -> Option<Traits> {
    let (modifies, is_privileged, is_local, stores) = match operation {
        "cib_query" | "ping" | "noop" => (false, false, false, false),
        "cib_schemas" => (false, false, true, false),
        "cib_create" | "cib_modify" | "cib_delete" | "cib_bump" | "cib_apply_diff"
        | "cib_erase" | "cib_delete_alt" => (true, true, false, false),
        "cib_replace" | "cib_upgrade" | "cib_commit_transact" => (true, true, false, true),
        "cib_sync" | "cib_sync_one" | "cib_shutdown_req" | "cib_ismaster" => {
            (false, true, false, false)
        }
        "cib_master" | "cib_slave" => (false, true, true, false),
        _ => return None,
    };
    Some(Traits { modifies, is_privileged, is_local, stores })
}
