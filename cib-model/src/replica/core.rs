//! The state machine: what comes in, what goes out, and requests of clients.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use super::command::{Command, Traits, traits};
use crate::date::DateTime;
use crate::document::Document;
use crate::operation::{CallOptions, Context, OperationError, Outcome, empty_cib, process};
use crate::schema::Schema;

/// How a replica is set up.
pub struct Settings {
    /// The name of the local node.
    pub local: String,
    /// Whether there is no cluster.
    pub stand_alone: bool,
    /// Our feature set.
    pub feature_set: String,
    /// The schema of a new CIB.
    pub new_schema: Schema,
    /// The groups of the operating system a user belongs to.
    pub groups_of: GroupLookup,
}

/// Looks up the groups of a user.
pub type GroupLookup = Box<dyn Fn(&str) -> Vec<String> + Send>;

impl Settings {
    /// The usual set-up for a node. Users belong to no groups.
    pub fn new(local: &str, feature_set: &str) -> Settings {
        Settings {
            local: local.to_owned(),
            stand_alone: false,
            feature_set: feature_set.to_owned(),
            new_schema: Schema::NEWEST,
            groups_of: Box::new(|_| Vec::new()),
        }
    }
}

/// The current time.
#[derive(Copy, Clone, Debug)]
pub struct Now {
    /// From any fixed instant on.
    pub monotonic: Duration,
    /// By the clock, in the local zone.
    pub wall: DateTime,
}

/// How a client is connected.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Channel {
    /// For queries.
    ReadOnly,
    /// For everything.
    ReadWrite,
}

/// The part a replica plays. It is assigned by the local controller.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Role {
    /// The replica of the designated controller.
    Primary,
    /// Any other.
    Secondary,
}

/// What happens.
#[derive(Clone, Debug)]
pub enum Input {
    /// The stored CIB was read; nothing when none was found.
    Loaded {
        /// The CIB.
        document: Option<Document>,
    },
    /// What is stored cannot be used.
    Unloadable {
        /// Why.
        error: OperationError,
    },
    /// A client asks for something. Its name and user are in the command.
    Request {
        /// Its id.
        client: String,
        /// How it is connected.
        channel: Channel,
        /// What it asks for.
        command: Command,
    },
    /// A client wants to be told of changes, or no more.
    Subscribe {
        /// Its id.
        client: String,
        /// Whether it wants to.
        active: bool,
    },
    /// A client is gone.
    ClientGone {
        /// Its id.
        client: String,
    },
    /// A command was delivered by the process group, perhaps our own.
    Peer {
        /// The sender.
        from: String,
        /// The command.
        command: Command,
    },
    /// The number of nodes in the process group changed.
    Members {
        /// The number, this node included.
        active: usize,
    },
    /// The CIB was stored.
    Stored {
        /// Whether it was.
        ok: bool,
    },
    /// The administrator wants failed storing to be tried again.
    EnableStoring,
    /// Time passed.
    Timeout,
    /// The replica is asked to stop.
    Shutdown,
}

/// What is to be done.
#[derive(Clone, Debug)]
pub enum Output {
    /// Send to all replicas, this one included, in total order.
    Broadcast(Command),
    /// Send to one replica, in the same order.
    Send {
        /// The node.
        to: String,
        /// The command.
        command: Command,
    },
    /// Answer a client of ours.
    Reply {
        /// Its id.
        client: String,
        /// The answer.
        reply: Command,
    },
    /// Tell clients of a change.
    Notify {
        /// Their ids.
        clients: Vec<String>,
        /// What to tell them.
        notification: Box<Notification>,
    },
    /// Store the configuration. Only the last one counts that is not stored yet.
    Store {
        /// What to store: without status, as it is written to a file.
        document: Document,
        /// The digest that is stored with it.
        digest: String,
    },
    /// Stop, with this exit code.
    Exit(u8),
}

/// What clients are told of a change.
#[derive(Clone, Debug)]
pub struct Notification {
    /// The request that led to it.
    pub command: Command,
    /// Its result: 0, or negative.
    pub result: i32,
    /// What changed, as a `diff` element.
    pub patch: Document,
}

impl Notification {
    /// The `notify` element.
    pub fn to_document(&self) -> Document {
        let mut document = Document::new("notify");
        let root = document.root_id();
        let command = &self.command;
        let attributes = [
            ("t", Some("cib_notify".to_owned())),
            ("subt", Some("cib_diff_notify".to_owned())),
            ("cib_op", Some(command.operation.clone())),
            ("cib_clientid", command.client_id.clone()),
            ("cib_clientname", command.client_name.clone()),
            ("cib_callid", command.call_id.map(|call| call.to_string())),
            ("src", command.source.clone()),
            ("cib_rc", Some(self.result.to_string())),
        ];
        for (name, value) in attributes {
            if let Some(value) = value {
                document.set_attribute(root, name, &value);
            }
        }
        let result = document.append_element(root, "cib_update_result");
        document.copy_subtree(result, self.patch.root());
        document
    }
}

/// The replica of one node. See the [module documentation](super).
pub struct Replica {
    pub(super) settings: Settings,
    pub(super) cib: Document,
    pub(super) role: Role,
    /// Why the stored configuration cannot be used: every request is answered with it.
    pub(super) fault: Option<OperationError>,
    pub(super) subscribers: BTreeSet<String>,
    pub(super) active_nodes: usize,
    pub(super) storing: bool,
    pub(super) ping_id: i64,
    /// When the next ping is due.
    pub(super) ping_at: Option<Duration>,
    /// The digest of the CIB, until it changes.
    pub(super) digest: Option<String>,
    /// The CIB's state when the last ping was sent: its answers are compared with that only.
    pub(super) changed_since_ping: bool,
    pub(super) shutting_down: bool,
    /// When to stop without an answer.
    pub(super) exit_at: Option<Duration>,
    pub(super) outputs: VecDeque<Output>,
    pub(super) now: Now,
}

impl Replica {
    /// A replica with an empty CIB. It serves requests after [`Input::Loaded`].
    pub fn new(settings: Settings) -> Replica {
        let cib = empty_cib(settings.new_schema, &settings.feature_set, 0);
        let role = if settings.stand_alone { Role::Primary } else { Role::Secondary };
        Replica {
            settings,
            cib,
            role,
            fault: None,
            subscribers: BTreeSet::new(),
            active_nodes: 1,
            storing: true,
            ping_id: 0,
            ping_at: None,
            digest: None,
            changed_since_ping: true,
            shutting_down: false,
            exit_at: None,
            outputs: VecDeque::new(),
            now: Now { monotonic: Duration::ZERO, wall: DateTime::from_epoch(0, 0) },
        }
    }

    /// The CIB as it is.
    pub fn cib(&self) -> &Document {
        &self.cib
    }

    /// The part this replica plays.
    pub fn role(&self) -> Role {
        self.role
    }

    /// Takes in what happened.
    pub fn handle(&mut self, now: Now, input: Input) {
        self.now = now;
        match input {
            Input::Loaded { document } => self.loaded(document),
            Input::Unloadable { error } => self.fault = Some(error),
            Input::Request { client, channel, command } => {
                self.client_request(client, channel, command);
            }
            Input::Subscribe { client, active: true } => {
                self.subscribers.insert(client);
            }
            Input::Subscribe { client, active: false } | Input::ClientGone { client } => {
                self.subscribers.remove(&client);
            }
            Input::Peer { from, command } => self.peer_command(&from, command),
            Input::Members { active } => {
                self.active_nodes = active;
                if self.shutting_down && active < 2 {
                    self.emit(Output::Exit(0));
                }
            }
            Input::Stored { ok } => {
                if !ok {
                    log::error!("the configuration could not be stored: not trying again");
                    self.storing = false;
                }
            }
            Input::EnableStoring => self.storing = true,
            Input::Timeout => {}
            Input::Shutdown => self.shut_down(),
        }
        self.expire();
    }

    /// The next thing to be done.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When to call [`Replica::handle`] again at the latest, in monotonic time.
    pub fn poll_timeout(&self) -> Option<Duration> {
        self.ping_at.into_iter().chain(self.exit_at).min()
    }

    pub(super) fn emit(&mut self, output: Output) {
        self.outputs.push_back(output);
    }

    fn client_request(&mut self, client: String, channel: Channel, mut command: Command) {
        command.source = Some(self.settings.local.clone());
        command.client_id = Some(client);
        let Some(traits) = traits(&command.operation) else {
            log::warn!("unknown operation {:?} from a client", command.operation);
            return;
        };
        if let Some(fault) = self.fault {
            let cib = self.cib.clone();
            return self.answer(&command, Err(fault), Some(cib));
        }
        if traits.is_privileged && channel == Channel::ReadOnly {
            return self.answer(&command, Err(OperationError::Denied), None);
        }
        if command.has(CallOptions::TRANSACTION) {
            log::warn!("a part of a transaction came outside of one: ignored");
            return;
        }
        let elsewhere = command.host.as_ref().is_some_and(|host| *host != self.settings.local);
        let travels = traits.modifies || elsewhere || command.operation == "cib_sync";
        if travels && !traits.is_local && !self.settings.stand_alone {
            command.delegated_from = Some(self.settings.local.clone());
            return match command.host.clone() {
                Some(to) => self.emit(Output::Send { to, command }),
                None => self.emit(Output::Broadcast(command)),
            };
        }
        let (result, output) = self.execute(&command, traits);
        self.answer(&command, result, output);
    }

    /// Answers a client of ours, unless it does not want an answer.
    pub(super) fn answer(
        &mut self,
        command: &Command,
        result: Result<(), OperationError>,
        output: Option<Document>,
    ) {
        let Some(client) = command.client_id.clone() else { return };
        if !command.has(CallOptions::DISCARD_REPLY) {
            let reply = command.reply(result, output);
            self.emit(Output::Reply { client, reply });
        }
    }

    /// Does what a command asks for.
    pub(super) fn execute(
        &mut self,
        command: &Command,
        traits: Traits,
    ) -> (Result<(), OperationError>, Option<Document>) {
        match command.operation.as_str() {
            "cib_master" => {
                self.role = Role::Primary;
                (Ok(()), None)
            }
            "cib_slave" => {
                self.role = Role::Secondary;
                (Ok(()), None)
            }
            "cib_ismaster" if self.role == Role::Primary => (Ok(()), None),
            "cib_ismaster" => (Err(OperationError::NotPermitted), None),
            "ping" => (Ok(()), Some(self.ping_response(command.ping_id))),
            "cib_sync" | "cib_sync_one" => {
                self.push_cib(command);
                (Ok(()), None)
            }
            "cib_delete_alt" => (Err(OperationError::Invalid), None),
            "cib_schemas" | "cib_shutdown_req" => (Err(OperationError::NotSupported), None),
            _ => self.operate(command, traits),
        }
    }

    /// Does an operation on the CIB.
    fn operate(
        &mut self,
        command: &Command,
        traits: Traits,
    ) -> (Result<(), OperationError>, Option<Document>) {
        let Some(request) = command.request() else {
            return (Err(OperationError::NotSupported), None);
        };
        let groups = request.user.as_deref().map(&*self.settings.groups_of).unwrap_or_default();
        let groups: Vec<&str> = groups.iter().map(String::as_str).collect();
        let now_text = super::loading::ctime(self.now.wall);
        let context = Context {
            now: self.now.wall,
            now_text: &now_text,
            feature_set: Some(&self.settings.feature_set),
            groups: &groups,
        };
        let outcome = process(&self.cib, &request, &context);
        let (result, output) = (outcome.result, outcome.output.clone());
        if traits.modifies {
            self.settle(command, traits, outcome);
        }
        (result, output)
    }

    /// Installs the result of an operation, stores it and tells of it.
    fn settle(&mut self, command: &Command, traits: Traits, outcome: Outcome) {
        if command.has(CallOptions::DRY_RUN) {
            return;
        }
        if let Some(document) = outcome.document {
            self.cib = document;
            self.digest = None;
            self.changed_since_ping = true;
            self.ping_at = Some(self.now.monotonic + super::synchronise::PING_DELAY);
            if outcome.configuration_changed || traits.stores {
                self.store();
            }
        }
        let Some(patch) = outcome.patch else { return };
        if command.has(CallOptions::INHIBIT_NOTIFY) || self.subscribers.is_empty() {
            return;
        }
        let notification = Notification {
            command: Command { data: None, ..command.clone() },
            result: outcome.result.map_or_else(OperationError::code, |()| 0),
            patch: patch.to_document(),
        };
        let clients = self.subscribers.iter().cloned().collect();
        self.emit(Output::Notify { clients, notification: Box::new(notification) });
    }

    fn expire(&mut self) {
        let due = |at: Option<Duration>, now: Duration| at.is_some_and(|at| at <= now);
        if due(self.ping_at, self.now.monotonic) {
            self.ping_at = None;
            self.ping();
        }
        if due(self.exit_at, self.now.monotonic) {
            self.exit_at = None;
            self.emit(Output::Exit(1));
        }
    }
}
