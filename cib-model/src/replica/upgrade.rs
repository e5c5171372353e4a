//! Upgrading the configuration in two steps, so that all replicas reach the same schema (spec 51 §10.4).

use super::command::Command;
use super::core::{Output, Replica};
use crate::operation::OperationError;
use crate::schema::{Schema, WalkError, upgrade_to};

impl Replica {
    /// Finds out how far the configuration can be upgraded, and has all replicas do it.
    pub(super) fn try_upgrade(&mut self, from: &str, command: &Command) {
        let mut scratch = self.cib.clone();
        let reached = match upgrade_to(&mut scratch, Schema::NEWEST, true) {
            Err(_) => Err(OperationError::Corrupt),
            Ok(walk) if walk.report.to > walk.report.from => Ok(walk.report.to),
            Ok(walk) => Err(match walk.error {
                Some(WalkError::Validation) => OperationError::Schema,
                Some(WalkError::Transform(_)) => OperationError::Transform,
                None => OperationError::SchemaUnchanged,
            }),
        };
        let next = Command {
            call_id: command.call_id,
            client_id: command.client_id.clone(),
            options: command.options,
            source: Some(self.settings.local.clone()),
            ..Command::new("cib_upgrade")
        };
        match reached {
            Ok(schema) => self.emit(Output::Broadcast(Command {
                schema_max: Some(schema.name().to_owned()),
                delegated_from: Some(from.to_owned()),
                ..next
            })),
            Err(error) => self.emit(Output::Send {
                to: from.to_owned(),
                command: Command {
                    reply_to: Some(from.to_owned()),
                    upgrade_result: Some(error.code()),
                    ..next
                },
            }),
        }
    }

    /// The primary told that there is nothing to upgrade.
    pub(super) fn upgrade_refused(&mut self, command: Command) {
        if let Some(client) = command.client_id.clone() {
            let result = command.upgrade_result;
            self.emit(Output::Reply { client, reply: Command { result, ..command } });
        }
    }
}
