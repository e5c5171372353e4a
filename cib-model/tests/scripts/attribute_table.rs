//! The attribute manager, by scripts of what happens on one node.

use std::collections::VecDeque;
use std::time::Duration;

use crate::script::{self, Command};
use cib_model::attribute_table::{
    Answer, AttributeManager, ElectionState, Input, Message, Output, Settings, SyncPoint, Task,
    Token, Update, WriteFailure,
};

struct Node {
    manager: AttributeManager,
    now: Duration,
    /// What was broadcast and is not yet delivered here.
    undelivered: VecDeque<Message>,
}

fn fresh() -> Node {
    let manager = AttributeManager::new(Settings::new("n1"));
    Node { manager, now: Duration::ZERO, undelivered: VecDeque::new() }
}

fn step(node: &mut Node, command: &Command<'_>) -> Vec<String> {
    let input = match command.word(0) {
        "start" => Input::Start,
        "join" => Input::Joined { node: command.word(1).into(), id: command.text("id") },
        "leave" => Input::Left { node: command.word(1).into() },
        "election" => Input::Election {
            state: match command.word(1) {
                "start" => ElectionState::Start,
                "progress" => ElectionState::InProgress,
                "lost" => ElectionState::Lost,
                "won" => ElectionState::Won,
                other => panic!("no election state {other}"),
            },
            from: command.text("from"),
        },
        "peer" => Input::Peer { from: command.word(1).into(), message: message(command, 2) },
        "deliver" => {
            let message = node.undelivered.pop_front().expect("something to deliver");
            Input::Peer { from: "n1".into(), message }
        }
        "client" => Input::Client {
            token: Token(command.word(1).parse().unwrap()),
            message: message(command, 2),
        },
        "gone" => Input::ClientsGone { tokens: vec![Token(command.word(1).parse().unwrap())] },
        "written" => Input::Written {
            call: command.word(1).parse().unwrap(),
            result: match command.word(2) {
                "ok" => Ok(()),
                "transient" => Err(WriteFailure::Transient),
                _ => Err(WriteFailure::Other),
            },
        },
        "unsafe" => Input::UnsafeChange,
        "wait" => {
            node.now += Duration::from_millis(command.word(1).parse().unwrap());
            Input::Timeout
        }
        "shutdown" => Input::Shutdown,
        "show" => return show(&node.manager, command.word(1)),
        other => panic!("no command {other}"),
    };
    node.manager.handle(node.now, input);
    let mut outputs = Vec::new();
    while let Some(output) = node.manager.poll_output() {
        if let Output::Broadcast(message) = &output {
            node.undelivered.push_back(message.clone());
        }
        outputs.push(describe(&output));
    }
    if let Some(next) = node.manager.poll_timeout() {
        outputs.push(format!("next in {}ms", next.saturating_sub(node.now).as_millis()));
    }
    outputs
}

/// A message from the words of a command: the task, and in a synchronisation `name@host=value` parts.
fn message(command: &Command<'_>, first: usize) -> Message {
    let task = match command.word(first) {
        "update" => Task::Update,
        "update-delay" => Task::UpdateDelay,
        "update-both" => Task::UpdateBoth,
        "sync-response" => Task::SyncResponse,
        "clear-failure" => Task::ClearFailure,
        "peer-remove" => Task::PeerRemove,
        "confirm" => Task::Confirm,
        "query" => Task::Query,
        "refresh" => Task::Refresh,
        other => panic!("no task {other}"),
    };
    let mut message = Message::new(task);
    message.update = Update {
        name: command.text("name"),
        regex: command.text("regex"),
        value: command.text("value"),
        set_type: command.text("type"),
        set: command.text("set"),
        user: command.text("user"),
        dampening: command.text("dampening"),
        host: command.text("host"),
        host_id: command.text("id"),
        is_remote: command.argument("remote").is_some(),
        is_private: command.argument("private").is_some(),
        force_write: command.argument("force").is_some(),
    };
    for part in command.words().iter().skip(first + 1) {
        let (place, value) = part.split_once(':').unwrap_or((part, ""));
        let (name, host) = place.split_once('@').unwrap_or((place, ""));
        message.parts.push(Update {
            name: Some(name.into()),
            value: (!value.is_empty()).then(|| value.into()),
            host: (!host.is_empty()).then(|| host.into()),
            dampening: Some("0".into()),
            ..Update::default()
        });
    }
    message.clear.resource = command.text("resource");
    message.clear.operation = command.text("operation");
    message.clear.interval = command.text("interval");
    message.writer_state = command.number("writer");
    message.confirm = command.argument("confirm").is_some();
    message.call_id = command.number("call");
    message.sync_point = match command.argument("sync") {
        Some("local") => Some(SyncPoint::Local),
        Some("cluster") => Some(SyncPoint::Cluster),
        _ => None,
    };
    message.reap = command.argument("reap") != Some("no");
    // What is sent is what is read: the XML form keeps everything.
    let sent = message.to_document("n9");
    assert_eq!(Message::read(sent.root()).unwrap(), message);
    message
}

fn describe(output: &Output) -> String {
    match output {
        Output::Broadcast(message) => format!("broadcast {}", describe_message(message)),
        Output::Send { to, message } => format!("send {to} {}", describe_message(message)),
        Output::Answer { token, answer } => {
            let answer = match answer {
                Answer::Accepted => "accepted".to_owned(),
                Answer::TimedOut => "timed out".to_owned(),
                Answer::Values(values) => {
                    let each = values.values.iter().map(|(node, value)| {
                        format!(" {node}={}", value.as_deref().unwrap_or("(unset)"))
                    });
                    let name = values.name.as_deref().unwrap_or("(none)");
                    format!("values of {name}:{}", each.collect::<String>())
                }
            };
            format!("answer {} {answer}", token.0)
        }
        Output::Write(write) => {
            let user = write.user.as_ref().map(|user| format!(" as {user}")).unwrap_or_default();
            let changes = write.changes.iter().map(|change| match &change.value {
                Some(_) => format!(" | {}", change.to_document().root().to_xml_compact()),
                None => format!(" | delete {}", change.xpath()),
            });
            format!("write {}{user}{}", write.call, changes.collect::<String>())
        }
        Output::Erase { node } => format!("erase {node}"),
        Output::Elect { clear_dampening: true } => "elect, forgetting losses".to_owned(),
        Output::Elect { clear_dampening: false } => "elect".to_owned(),
        Output::Reap { node } => format!("reap {node}"),
        Output::Alert(alerts) => {
            let each = alerts.iter().map(|alert| {
                let value = alert.value.as_deref().unwrap_or("(unset)");
                format!(" {}@{}={value}", alert.name, alert.node)
            });
            format!("alert{}", each.collect::<String>())
        }
    }
}

fn describe_message(message: &Message) -> String {
    let task = match message.task {
        Task::Update => "update",
        Task::UpdateDelay => "update-delay",
        Task::UpdateBoth => "update-both",
        Task::SyncResponse => "sync-response",
        Task::ClearFailure => "clear-failure",
        Task::PeerRemove => "peer-remove",
        Task::Confirm => "confirm",
        Task::Query => "query",
        Task::Refresh => "refresh",
    };
    let mut text = task.to_owned();
    if message.parts.is_empty() {
        text += &describe_update(&message.update);
    }
    for part in &message.parts {
        text += &format!(" [{}]", describe_update(part).trim_start());
    }
    if let Some(resource) = &message.clear.resource {
        text += &format!(" resource={resource}");
    }
    if let Some(call) = message.call_id {
        text += &format!(" call={call}");
    }
    if message.confirm {
        text += " confirm";
    }
    if message.writer_state == Some(3) {
        text += " (from the writer)";
    }
    text
}

fn describe_update(update: &Update) -> String {
    let mut text = String::new();
    if let Some(name) = &update.name {
        let value = update.value.as_deref().unwrap_or("(unset)");
        let host = update.host.as_deref().unwrap_or("*");
        text += &format!(" {name}@{host}={value}");
    } else if let Some(host) = &update.host {
        text += &format!(" {host}");
    }
    if let Some(dampening) = update.dampening.as_deref().filter(|text| *text != "0") {
        text += &format!(" dampening={dampening}");
    }
    if update.is_private {
        text += " private";
    }
    if update.force_write {
        text += " force";
    }
    text
}

fn show(manager: &AttributeManager, name: &str) -> Vec<String> {
    let Some(attribute) = manager.attribute(name) else { return vec!["no such attribute".into()] };
    let value = |value: &cib_model::attribute_table::Value| {
        let remote = if value.is_remote { " remote" } else { "" };
        format!("{}={}{remote}", value.node, value.current.as_deref().unwrap_or("(unset)"))
    };
    attribute.values().map(value).collect()
}

#[test]
fn scripts() {
    script::run_all("attribute_table", fresh, step);
}
