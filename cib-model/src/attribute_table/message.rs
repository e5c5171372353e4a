//! Messages between attribute managers and from clients (spec 61 §3, §6).

use thiserror::Error;

use crate::document::{Document, Element, ElementId};

/// The version of the protocol spoken here.
pub const PROTOCOL_VERSION: u32 = 7;

/// What a message asks for.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Task {
    /// Set values.
    Update,
    /// Set the dampening.
    UpdateDelay,
    /// Set values and dampening.
    UpdateBoth,
    /// Take over what the sender has.
    SyncResponse,
    /// Unset what records failures of resources.
    ClearFailure,
    /// Forget a node.
    PeerRemove,
    /// The message with this call id was processed.
    Confirm,
    /// Tell values; from clients only.
    Query,
    /// Write everything; from clients only.
    Refresh,
}

const TASKS: [(Task, &str); 9] = [
    (Task::Update, "update"),
    (Task::UpdateDelay, "update-delay"),
    (Task::UpdateBoth, "update-both"),
    (Task::SyncResponse, "sync-response"),
    (Task::ClearFailure, "clear-failure"),
    (Task::PeerRemove, "peer-remove"),
    (Task::Confirm, "confirm"),
    (Task::Query, "query"),
    (Task::Refresh, "refresh"),
];

/// How far a request must have come before its client is answered.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum SyncPoint {
    /// Applied on the node the client asked.
    Local,
    /// Applied on all nodes.
    Cluster,
}

/// What is said of one attribute.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Update {
    /// The attribute.
    pub name: Option<String>,
    /// Attributes whose name matches this regular expression; from clients only.
    pub regex: Option<String>,
    /// The value; nothing to unset it.
    pub value: Option<String>,
    /// The kind of set it is written to.
    pub set_type: Option<String>,
    /// The id of that set.
    pub set: Option<String>,
    /// The user on whose behalf it is written.
    pub user: Option<String>,
    /// The dampening, as written.
    pub dampening: Option<String>,
    /// The node; nothing for all that have a value.
    pub host: Option<String>,
    /// The id of the node.
    pub host_id: Option<String>,
    /// Whether it is a remote node.
    pub is_remote: bool,
    /// Whether the attribute is never written.
    pub is_private: bool,
    /// Whether it is to be written though it did not change.
    pub force_write: bool,
}

/// Which failures to clear.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClearFailure {
    /// Of this resource; nothing for all.
    pub resource: Option<String>,
    /// Of this operation; nothing for all.
    pub operation: Option<String>,
    /// The interval of the operation.
    pub interval: Option<String>,
}

/// A message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// What it asks for.
    pub task: Task,
    /// The version of the protocol the sender speaks.
    pub version: Option<u32>,
    /// The state of the sender in the election, as a number; 3 means that it is the writer.
    pub writer_state: Option<u8>,
    /// Whether the sender wants to be told when it was processed.
    pub confirm: bool,
    /// What the sender knows the request by.
    pub call_id: Option<i64>,
    /// How far it must have come before the client is answered.
    pub sync_point: Option<SyncPoint>,
    /// What is said of an attribute; what its parts inherit.
    pub update: Update,
    /// Several updates in one, or the values of a synchronisation.
    pub parts: Vec<Update>,
    /// Which failures to clear.
    pub clear: ClearFailure,
    /// Whether a removed node is to be forgotten altogether.
    pub reap: bool,
}

/// What is no message.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum MessageError {
    /// There is no such task.
    #[error(
        "unknown task {0:?}: expected update, update-delay, update-both, sync-response, \
             clear-failure, peer-remove, confirm, query or refresh"
    )]
    Task(String),
}

impl Message {
    /// A message with nothing but a task.
    pub fn new(task: Task) -> Message {
        Message {
            task,
            version: None,
            writer_state: None,
            confirm: false,
            call_id: None,
            sync_point: None,
            update: Update::default(),
            parts: Vec::new(),
            clear: ClearFailure::default(),
            reap: true,
        }
    }

    /// Reads a message. The name of the element carries no meaning.
    ///
    /// # Errors
    /// When its task is not known.
    pub fn read(element: Element<'_>) -> Result<Message, MessageError> {
        let text = |name: &str| element.attribute(name).map(str::to_owned);
        let named = element.attribute("task").unwrap_or_default();
        let task = TASKS.into_iter().find(|(_, name)| *name == named);
        let (task, _) = task.ok_or_else(|| MessageError::Task(named.to_owned()))?;
        let parts: Vec<Element<'_>> = element.children().collect();
        let own_sync = element.attribute("attr_sync_point");
        let sync_point =
            own_sync.or_else(|| parts.iter().find_map(|part| part.attribute("attr_sync_point")));
        Ok(Message {
            task,
            version: element.attribute("attr_version").and_then(|text| text.parse().ok()),
            writer_state: element.attribute("attr_writer").and_then(|text| text.parse().ok()),
            confirm: crate::scalar::is_true(element.attribute("confirm")),
            call_id: element.attribute("call-id").and_then(|text| text.parse().ok()),
            sync_point: match sync_point {
                Some("local") => Some(SyncPoint::Local),
                Some("cluster") => Some(SyncPoint::Cluster),
                _ => None,
            },
            update: Update::read(element),
            parts: parts.into_iter().map(Update::read).collect(),
            clear: ClearFailure {
                resource: text("attr_resource"),
                operation: text("attr_clear_operation"),
                interval: text("attr_clear_interval"),
            },
            reap: element.attribute("reap").is_none_or(|text| crate::scalar::is_true(Some(text))),
        })
    }

    /// The message as an element, from `sender`.
    pub fn to_document(&self, sender: &str) -> Document {
        let mut document = Document::new("attrd");
        let root = document.root_id();
        let name = TASKS.into_iter().find(|(task, _)| *task == self.task).map_or("", |(_, n)| n);
        let mut set = |name: &str, value: &str| document.set_attribute(root, name, value);
        set("t", "attrd");
        set("src", sender);
        set("task", name);
        if let Some(version) = self.version {
            set("attr_version", &version.to_string());
        }
        if let Some(state) = self.writer_state {
            set("attr_writer", &state.to_string());
        }
        if self.task != Task::Confirm {
            set("confirm", if self.confirm { "true" } else { "false" });
        }
        if let Some(call_id) = self.call_id {
            set("call-id", &call_id.to_string());
        }
        if let Some(point) = self.sync_point {
            set("attr_sync_point", if point == SyncPoint::Local { "local" } else { "cluster" });
        }
        let clear = &self.clear;
        for (name, value) in [
            ("attr_resource", &clear.resource),
            ("attr_clear_operation", &clear.operation),
            ("attr_clear_interval", &clear.interval),
        ] {
            if let Some(value) = value {
                set(name, value);
            }
        }
        if self.task == Task::PeerRemove {
            set("reap", if self.reap { "true" } else { "false" });
        }
        self.update.write(&mut document, root);
        let part_name = if self.task == Task::SyncResponse { "value" } else { "op" };
        for part in &self.parts {
            let element = document.append_element(root, part_name);
            part.write(&mut document, element);
        }
        document
    }

    /// The updates it is made of: its parts, each with what it inherits, or itself.
    pub(super) fn updates(&self) -> Vec<Update> {
        if self.parts.is_empty() {
            return vec![self.update.clone()];
        }
        self.parts.iter().map(|part| part.inherit(&self.update)).collect()
    }
}

impl Update {
    fn read(element: Element<'_>) -> Update {
        let text = |name: &str| element.attribute(name).map(str::to_owned);
        let flag = |name: &str| crate::scalar::is_true(element.attribute(name));
        Update {
            name: text("attr_name"),
            regex: text("attr_regex"),
            value: text("attr_value"),
            set_type: text("attr_set_type"),
            set: text("attr_set"),
            user: text("attr_user"),
            dampening: text("attr_dampening"),
            host: text("attr_host"),
            host_id: text("attr_host_id"),
            is_remote: flag("attr_is_remote"),
            is_private: flag("attr_is_private"),
            force_write: flag("attrd_is_force_write"),
        }
    }

    fn write(&self, document: &mut Document, element: ElementId) {
        for (name, value) in [
            ("attr_name", &self.name),
            ("attr_regex", &self.regex),
            ("attr_set_type", &self.set_type),
            ("attr_set", &self.set),
            ("attr_user", &self.user),
            ("attr_host", &self.host),
            ("attr_host_id", &self.host_id),
            ("attr_value", &self.value),
            ("attr_dampening", &self.dampening),
        ] {
            if let Some(value) = value {
                document.set_attribute(element, name, value);
            }
        }
        for (name, flag) in [
            ("attr_is_remote", self.is_remote),
            ("attr_is_private", self.is_private),
            ("attrd_is_force_write", self.force_write),
        ] {
            document.set_attribute(element, name, if flag { "1" } else { "0" });
        }
    }

    fn inherit(&self, parent: &Update) -> Update {
        let or =
            |own: &Option<String>, other: &Option<String>| own.clone().or_else(|| other.clone());
        Update {
            name: or(&self.name, &parent.name),
            regex: or(&self.regex, &parent.regex),
            value: or(&self.value, &parent.value),
            set_type: or(&self.set_type, &parent.set_type),
            set: or(&self.set, &parent.set),
            user: or(&self.user, &parent.user),
            dampening: or(&self.dampening, &parent.dampening),
            host: or(&self.host, &parent.host),
            host_id: or(&self.host_id, &parent.host_id),
            is_remote: self.is_remote || parent.is_remote,
            is_private: self.is_private || parent.is_private,
            force_write: self.force_write || parent.force_write,
        }
    }
}
