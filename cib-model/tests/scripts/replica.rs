//! Replicas of the CIB, by scripts of what happens in a cluster of three.

use std::collections::VecDeque;
use std::time::Duration;

use crate::script::{self, Command};
use cib_model::operation::OperationError;
use cib_model::replica::{Channel, Input, Now, Output, Replica, Settings};
use cib_model::xpath::XPath;
use cib_model::{DateTime, Document};

type Wire = cib_model::replica::Command;

struct Cluster {
    replicas: Vec<(&'static str, Replica)>,
    elapsed: Duration,
    /// What was sent and is not yet delivered: sender, receiver (nothing for all), command.
    order: VecDeque<(String, Option<String>, Wire)>,
}

fn fresh() -> Cluster {
    let replica = |name: &'static str| {
        let mut settings = Settings::new(name, "3.20.5");
        settings.groups_of = Box::new(|user| vec![format!("{user}s")]);
        (name, Replica::new(settings))
    };
    let replicas = ["n1", "n2", "n3"].map(replica).into();
    Cluster { replicas, elapsed: Duration::ZERO, order: VecDeque::new() }
}

impl Cluster {
    fn replica(&mut self, name: &str) -> &mut Replica {
        let found = self.replicas.iter_mut().find(|(known, _)| *known == name);
        &mut found.unwrap_or_else(|| panic!("no replica {name}")).1
    }

    /// Hands one input to a replica and describes what it wants done.
    fn handle(&mut self, name: &str, input: Input) -> Vec<String> {
        let wall = DateTime::from_epoch(1_577_836_800 + self.elapsed.as_secs() as i64, 0);
        let now = Now { monotonic: self.elapsed, wall };
        self.replica(name).handle(now, input);
        let mut lines = Vec::new();
        while let Some(output) = self.replica(name).poll_output() {
            lines.push(format!("{name} {}", describe(&output)));
            match output {
                Output::Broadcast(command) => {
                    self.order.push_back((name.to_owned(), None, travelled(command)));
                }
                Output::Send { to, command } => {
                    self.order.push_back((name.to_owned(), Some(to), travelled(command)));
                }
                _ => {}
            }
        }
        lines
    }

    fn deliver(&mut self) -> Vec<String> {
        let mut lines = Vec::new();
        while let Some((from, to, command)) = self.order.pop_front() {
            for name in ["n1", "n2", "n3"] {
                if to.as_deref().is_none_or(|to| to == name) {
                    let input = Input::Peer { from: from.clone(), command: command.clone() };
                    lines.extend(self.handle(name, input));
                }
            }
        }
        lines
    }
}

/// The command as it is after a journey in its XML form.
fn travelled(command: Wire) -> Wire {
    let text = command.to_document("cib_command").to_xml();
    Wire::read(Document::parse(&text).unwrap().root())
}

fn step(cluster: &mut Cluster, command: &Command<'_>) -> Vec<String> {
    let node = command.word(1);
    let data = || (!command.data.is_empty()).then(|| Document::parse(command.data).unwrap());
    let input = match command.word(0) {
        "load" => Input::Loaded { document: data() },
        "damaged" => Input::Unloadable { error: OperationError::Corrupt },
        "request" => {
            let mut wire = Wire::new(command.word(3));
            wire.section = command.text("section");
            wire.host = command.text("host");
            wire.call_id = command.number("call");
            wire.options = command.number("options").unwrap_or(8192);
            wire.client_name = Some("tool".to_owned());
            wire.user = command.text("user");
            wire.data = data();
            let client = command.word(2).to_owned();
            let read_only = command.argument("channel") == Some("ro");
            let channel = if read_only { Channel::ReadOnly } else { Channel::ReadWrite };
            Input::Request { client, channel, command: wire }
        }
        // A change that only one replica gets to see, without another version.
        "corrupt" => {
            let mut wire = Wire::new("cib_modify");
            wire.is_update = true;
            wire.options = 8192;
            wire.data = data();
            Input::Peer { from: "nobody".to_owned(), command: wire }
        }
        "subscribe" => Input::Subscribe { client: command.word(2).into(), active: true },
        "gone" => Input::ClientGone { client: command.word(2).into() },
        "members" => Input::Members { active: command.word(2).parse().unwrap() },
        "stored" => Input::Stored { ok: command.word(2) == "ok" },
        "enable" => Input::EnableStoring,
        "shutdown" => Input::Shutdown,
        "deliver" => return cluster.deliver(),
        "drop" => {
            cluster.order.clear();
            return Vec::new();
        }
        "wait" => {
            cluster.elapsed += Duration::from_millis(command.word(1).parse().unwrap());
            return ["n1", "n2", "n3"]
                .into_iter()
                .flat_map(|name| cluster.handle(name, Input::Timeout))
                .collect();
        }
        "show" => return show(cluster, command.word(1)),
        other => panic!("no command {other}"),
    };
    cluster.handle(node, input)
}

/// What a path selects on each replica, said once when all are the same.
fn show(cluster: &Cluster, path: &str) -> Vec<String> {
    let path = XPath::parse(path).unwrap();
    let texts: Vec<(&str, String)> = cluster
        .replicas
        .iter()
        .map(|(name, replica)| {
            let found = path.elements(replica.cib()).unwrap();
            let version = ["admin_epoch", "epoch", "num_updates"]
                .map(|name| replica.cib().root().attribute(name).unwrap_or("?"))
                .join(".");
            let text: String = found.iter().map(|element| element.to_xml_compact()).collect();
            (*name, format!("{version} {text}"))
        })
        .collect();
    if texts.iter().all(|(_, text)| *text == texts[0].1) {
        return vec![format!("all {}", texts[0].1)];
    }
    texts.iter().map(|(name, text)| format!("{name} {text}")).collect()
}

fn describe(output: &Output) -> String {
    match output {
        Output::Broadcast(command) => format!("broadcast {}", describe_command(command)),
        Output::Send { to, command } => format!("send {to} {}", describe_command(command)),
        Output::Reply { client, reply } => {
            let result = reply.result.unwrap_or(0);
            let call = reply.call_id.map(|call| format!(" call={call}")).unwrap_or_default();
            let data = reply.data.as_ref().map(|data| data.root().to_xml_compact());
            let data = data.map(|text| format!(" {}", shortened(&text))).unwrap_or_default();
            format!("reply {client} {}{call} rc={result}{data}", reply.operation)
        }
        Output::Notify { clients, notification } => {
            let document = notification.to_document();
            let changes = document.root().descendants().filter(|e| e.name() == "change");
            let changes: Vec<String> = changes
                .map(|change| {
                    let attribute = |name| change.attribute(name).unwrap_or_default();
                    format!("{} {}", attribute("operation"), attribute("path"))
                })
                .collect();
            let (clients, operation) = (clients.join(","), &notification.command.operation);
            format!(
                "notify {clients} {operation} rc={} [{}]",
                notification.result,
                changes.join("; ")
            )
        }
        Output::Store { document, digest } => {
            assert_eq!(*digest, cib_model::digest::on_disk(document.root()));
            let attribute = |name| document.root().attribute(name).unwrap_or("?");
            let status = document.root().child("status").is_some();
            format!(
                "store {}.{}.{} written \"{}\"{}",
                attribute("admin_epoch"),
                attribute("epoch"),
                attribute("num_updates"),
                attribute("cib-last-written"),
                if status { " with status" } else { "" }
            )
        }
        Output::Exit(code) => format!("exit {code}"),
    }
}

fn describe_command(command: &Wire) -> String {
    let mut text = command.operation.clone();
    let mut add = |name: &str, value: &Option<String>| {
        if let Some(value) = value {
            text += &format!(" {name}={value}");
        }
    };
    add("for", &command.client_id);
    add("delegated", &command.delegated_from);
    add("host", &command.host);
    add("reply-to", &command.reply_to);
    add("max", &command.schema_max);
    add("ping", &command.ping_id.map(|id| id.to_string()));
    add("upgrade", &command.upgrade_result.map(|code| code.to_string()));
    if command.is_update {
        text += " update";
    }
    text
}

fn shortened(text: &str) -> String {
    let short: String = text.chars().take(120).collect();
    if short.len() < text.len() { format!("{short}...") } else { short }
}

#[test]
fn scripts() {
    script::run_all("replica", fresh, step);
}
