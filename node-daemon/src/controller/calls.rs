//! What the controller asks of the CIB manager, and what it makes of the answers.

use std::time::Duration;

use cib_model::{DateTime, Document};

use super::{Controller, Options, Timer};
use crate::subsystem::{
    CibAnswer, CibOperation, CibRequest, CibUpdate, Ending, NodeId, Now, Outputs, Room, Scope,
    SharedDocument,
};

/// The token of requests whose answer nobody waits for.
const NO_ANSWER: u64 = 0;

/// What an answer of the CIB manager is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Call {
    /// The options.
    Options,
    /// How new our CIB is, for a request to join in this round.
    Generation { dc: NodeId, round: u32 },
    /// The CIB is the same everywhere.
    Synchronised { round: u32, from: NodeId },
    /// A node's history is in the CIB.
    Confirmed { node: NodeId, round: u32 },
    /// The CIB to plan for; only the latest counts.
    Plan { number: u64 },
    /// A change that planning waits for.
    Write { what: &'static str },
    /// A node is recorded as fenced.
    Fenced,
}

impl Controller {
    pub(super) fn token(&mut self) -> u64 {
        self.next_token += 1;
        self.next_token
    }

    /// Asks the CIB manager.
    pub(super) fn cib(
        &mut self,
        operation: CibOperation,
        call: Option<Call>,
        out: &mut Outputs,
    ) -> u64 {
        let token = match call {
            Some(call) => {
                let token = self.token();
                self.calls.insert(token, call);
                token
            }
            None => NO_ANSWER,
        };
        let client = "controller".to_owned();
        out.here(Room::Cib, CibRequest { token, operation, client, user: None });
        token
    }

    /// Changes the CIB; while this controller leads, planning waits for it.
    pub(super) fn write(&mut self, updates: Vec<CibUpdate>, call: Call, out: &mut Outputs) {
        let token = self.cib(CibOperation::Transaction(updates), Some(call), out);
        if let Some(lead) = &mut self.lead {
            lead.outstanding.insert(token);
        }
    }

    pub(super) fn write_node_state(&mut self, node: NodeId, out: &mut Outputs) {
        if self.lead.is_none() {
            return;
        }
        if let Some(state) = self.peers.node_state(node) {
            self.write(vec![modify_status(state)], Call::Write { what: "node_state" }, out);
        }
    }

    pub(super) fn ask_options(&mut self, out: &mut Outputs) {
        let scope = Scope::Section("configuration".to_owned());
        self.cib(CibOperation::Query { scope, children: true }, Some(Call::Options), out);
    }

    pub(super) fn cib_answer(&mut self, now: Now, answer: CibAnswer, out: &mut Outputs) {
        let Some(call) = self.calls.remove(&answer.token) else { return };
        if let Some(lead) = &mut self.lead {
            lead.outstanding.remove(&answer.token);
        }
        match (call, answer.result) {
            (Call::Options, Ok(Some(document))) => self.configure(now, &document, out),
            (Call::Options, other) => {
                log::error!("controller: no configuration: {other:?}");
                self.timers.arm(Timer::Retry, now.elapsed + Duration::from_millis(200));
            }
            (Call::Generation { dc, round }, Ok(Some(root))) => {
                self.send_join_request(dc, round, &root, out)
            }
            (Call::Generation { .. }, _) => {}
            (Call::Synchronised { round, from }, result) => {
                self.synchronised(now, round, from, result.err(), out);
            }
            (Call::Confirmed { node, round }, result) => {
                self.confirm_written(now, node, round, result.err(), out);
            }
            (Call::Plan { number }, Ok(Some(cib))) => {
                self.plan(now, number, cib.into_document(), out)
            }
            (Call::Plan { .. }, _) => {}
            (Call::Write { what }, Err(error)) => log::error!("controller: {what}: {error}"),
            (Call::Fenced, Err(error)) => {
                log::error!("controller: a fenced node could not be recorded: {error}");
                out.end(Ending::Failed);
            }
            (Call::Write { .. } | Call::Fenced, Ok(_)) => {}
        }
        self.proceed(now, out);
    }

    pub(super) fn configure(&mut self, now: Now, configuration: &Document, out: &mut Outputs) {
        let date = DateTime::from_epoch(now.epoch(), self.utc_offset);
        self.options = Options::read(configuration, date);
        if !self.configured {
            self.configured = true;
            self.begin(now, out);
        }
        if self.lead.is_some() {
            self.write_leader_options(out);
        }
    }
}

/// A merge of one element into the status section.
pub(super) fn modify_status(content: Document) -> CibUpdate {
    CibUpdate::Modify {
        scope: Scope::Section("status".to_owned()),
        content: SharedDocument::new(content),
        create: true,
        scores: false,
    }
}

/// The removal of all that an XPath expression selects.
pub(super) fn delete_all(expression: String) -> CibUpdate {
    CibUpdate::Delete { scope: Scope::XPath { expression, multiple: true }, content: None }
}
