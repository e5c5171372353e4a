//! Commands delivered by the process group (spec 51 §3).

use super::command::{Command, traits};
use super::core::{Output, Replica, Role};
use crate::scalar::Version;

/// From this feature set on every replica can do transactions.
const TRANSACTIONS: Version<'static> = Version("3.19.0");

/// What to do with a delivered command.
enum Course {
    Ignore,
    /// Do it, and answer whoever waits for it.
    Process {
        reply_to_peer: bool,
    },
}

impl Replica {
    pub(super) fn peer_command(&mut self, from: &str, mut command: Command) {
        command.source = Some(from.to_owned());
        let local = self.settings.local.clone();
        let for_us = command.reply_to.as_deref() == Some(&local);
        match command.operation.as_str() {
            "cib_shutdown_req" => return self.shutdown_notice(from, &command),
            "ping" if for_us => return self.ping_answer(from, &command),
            "ping" if command.reply_to.is_some() => return,
            "cib_upgrade" if command.upgrade_result.is_some() => {
                if for_us {
                    self.upgrade_refused(command);
                }
                return;
            }
            "cib_upgrade" if command.schema_max.is_none() => {
                if self.role == Role::Primary {
                    self.try_upgrade(from, &command);
                }
                return;
            }
            // A copy of the CIB answers the one who asked for it.
            "cib_replace" if command.reply_to.is_some() => {
                command.delegated_from = command.reply_to.clone();
            }
            _ if for_us => return self.pass_on(command),
            _ if command.reply_to.is_some() => return,
            _ => {}
        }
        if let Course::Process { reply_to_peer } = self.course(&command) {
            self.process_peer(from, &command, reply_to_peer);
        }
    }

    fn course(&self, command: &Command) -> Course {
        match &command.host {
            Some(host) if *host == self.settings.local => Course::Process { reply_to_peer: true },
            Some(_) => Course::Ignore,
            None => Course::Process { reply_to_peer: command.operation == "ping" },
        }
    }

    fn process_peer(&mut self, from: &str, command: &Command, reply_to_peer: bool) {
        let Some(traits) = traits(&command.operation) else {
            log::warn!("unknown operation {:?} from {from}", command.operation);
            return;
        };
        if traits.is_local {
            return;
        }
        let is_ours = command.delegated_from.as_deref() == Some(&self.settings.local);
        if let Some(fault) = self.fault {
            // Only a copy of another replica's CIB brings a damaged one back into service.
            if !(command.operation == "cib_replace" && command.is_update) {
                if is_ours {
                    let cib = self.cib.clone();
                    self.answer(command, Err(fault), Some(cib));
                }
                return;
            }
        }
        let (result, output) = self.execute(command, traits);
        if result.is_ok() && command.is_update {
            self.fault = None;
        }
        // The copy that a request for one brings about is the answer to it.
        let is_answered = command.operation.starts_with("cib_sync");
        if is_ours && !is_answered {
            self.answer(command, result, output.clone());
            if command.operation == "cib_commit_transact" && result.is_ok() {
                self.help_older_replicas(command);
            }
        }
        if reply_to_peer && !traits.modifies && !is_answered && from != self.settings.local {
            let reply = Command {
                source: Some(self.settings.local.clone()),
                reply_to: Some(from.to_owned()),
                ping_id: command.ping_id,
                ..command.reply(result, output)
            };
            self.emit(Output::Send { to: from.to_owned(), command: reply });
        }
    }

    /// A reply from elsewhere is for a client of ours.
    fn pass_on(&mut self, command: Command) {
        if let Some(client) = command.client_id.clone() {
            self.emit(Output::Reply { client, reply: command });
        }
    }

    /// Replicas that cannot do transactions get the result of one as a copy.
    fn help_older_replicas(&mut self, command: &Command) {
        let oldest = self.cib.root().attribute("crm_feature_set");
        if oldest.is_some_and(|feature_set| Version(feature_set) < TRANSACTIONS) {
            self.push_cib(command);
        }
    }
}
