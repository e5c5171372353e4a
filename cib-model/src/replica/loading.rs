//! Start and end: the stored CIB and what is stored (spec 51 §2, §7).

use std::time::Duration;

use super::command::Command;
use super::core::{Output, Replica};
use crate::date::DateTime;
use crate::digest;
use crate::document::{Document, Element, NodeId};
use crate::model::CibVersion;
use crate::operation::OperationError;
use crate::schema::claimed;
use crate::validate::conforms;

/// How long to wait for another replica to take note that this one stops.
const LAST_WORD: Duration = Duration::from_secs(10);

impl Replica {
    /// Takes over the stored CIB. What does not conform makes the replica refuse all service.
    pub(super) fn loaded(&mut self, document: Option<Document>) {
        self.fault = None;
        match document {
            None => log::warn!("no usable CIB is stored: starting with an empty one"),
            Some(document) => self.cib = document,
        }
        let root = self.cib.root_id();
        if !self.settings.stand_alone {
            remove_status(&mut self.cib);
        }
        if self.cib.root().child("status").is_none() {
            self.cib.append_element(root, "status");
        }
        for name in CibVersion::ATTRIBUTES {
            if self.cib.root().attribute(name).is_none() {
                self.cib.set_attribute(root, name, "0");
            }
        }
        self.cib.remove_attribute(root, "dc-uuid");
        self.digest = None;
        if !claimed(&self.cib).is_ok_and(|schema| conforms(&self.cib, schema)) {
            self.fault = Some(OperationError::Schema);
            return;
        }
        self.store();
    }

    /// Has the configuration stored.
    pub(super) fn store(&mut self) {
        if !self.storing {
            return;
        }
        let mut document = self.cib.clone();
        let root = document.root_id();
        remove_status(&mut document);
        document.set_attribute(root, "num_updates", "0");
        document.set_attribute(root, "cib-last-written", &ctime(self.now.wall));
        let digest = digest::on_disk(document.root());
        self.emit(Output::Store { document, digest });
    }

    pub(super) fn shut_down(&mut self) {
        self.shutting_down = true;
        self.subscribers.clear();
        if self.settings.stand_alone || self.active_nodes < 2 {
            return self.emit(Output::Exit(0));
        }
        self.exit_at = Some(self.now.monotonic + LAST_WORD);
        let source = Some(self.settings.local.clone());
        self.emit(Output::Broadcast(Command { source, ..Command::new("cib_shutdown_req") }));
    }

    /// Another replica stops, or took note that we do.
    pub(super) fn shutdown_notice(&mut self, from: &str, command: &Command) {
        let local = &self.settings.local;
        match &command.reply_to {
            Some(to) if to == local && self.exit_at.is_some() => {
                self.exit_at = None;
                self.emit(Output::Exit(0));
            }
            Some(_) => {}
            None if from == local => {}
            None => {
                let reply = Command {
                    source: Some(local.clone()),
                    reply_to: Some(from.to_owned()),
                    ..Command::new("cib_shutdown_req")
                };
                self.emit(Output::Send { to: from.to_owned(), command: reply });
            }
        }
    }
}

fn remove_status(document: &mut Document) {
    let status: Vec<NodeId> = document.root().children_named("status").map(Element::id).collect();
    for status in status {
        document.remove(status);
    }
}

/// A time as the C library's `ctime` writes it: `Thu Jan  1 00:00:00 2020`.
pub(super) fn ctime(time: DateTime) -> String {
    const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let name = |names: &[&'static str], number: i64| {
        let index = usize::try_from(number - 1).unwrap_or(0);
        names.get(index).copied().unwrap_or("???")
    };
    format!(
        "{} {} {:2} {:02}:{:02}:{:02} {}",
        name(&DAYS, time.iso_week().weekday),
        name(&MONTHS, time.month()),
        time.day(),
        time.hour(),
        time.minute(),
        time.second(),
        time.year()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_ctime_does() {
        assert_eq!(ctime(DateTime::from_epoch(0, 0)), "Thu Jan  1 00:00:00 1970");
        assert_eq!(ctime(DateTime::from_epoch(1_709_251_199, 3600)), "Fri Mar  1 00:59:59 2024");
    }
}
