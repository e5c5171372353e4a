//! `stonith_admin`: fencing by hand (spec 81 §15).

use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;

use cib_model::Document;
use clap::{ArgMatches, Command};
use node_daemon::ipc::client::{Client, ClientError};
use node_daemon::ipc::{Endpoint, Place};

use super::commands::{flag, given, long_value, text, tool, value};
use super::output::Output;
use super::{exit, node};

/// The call is synchronous, and a node may fence itself.
const SYNCHRONOUS_SELF: u32 = 4096 + 2;
/// A human says so.
const MANUAL: u32 = 8;
/// Forget past operations.
const CLEAN_UP: u32 = 1 << 19;

/// Commands, in the order in which the last one counts.
const COMMANDS: [&str; 13] = [
    "list-installed",
    "list-registered",
    "register",
    "query",
    "deregister",
    "list-targets",
    "list",
    "reboot",
    "fence",
    "unfence",
    "confirm",
    "last",
    "history",
];

fn command() -> Command {
    tool("stonith_admin", "Access the cluster's fencing API")
        .arg(flag("list-installed", 'I', "List all installed fence agents"))
        .arg(flag("list-registered", 'L', "List all registered devices"))
        .arg(value("list-targets", 's', "List the targets a device can fence"))
        .arg(value("list", 'l', "List devices that can fence a node"))
        .arg(value("register", 'R', "Register a device"))
        .arg(value("deregister", 'D', "Forget a device"))
        .arg(value("query", 'Q', "Check a device"))
        .arg(value("fence", 'F', "Turn a node off"))
        .arg(value("unfence", 'U', "Turn a node on"))
        .arg(value("reboot", 'B', "Reboot a node"))
        .arg(value("confirm", 'C', "Say that a node is off"))
        .arg(value("history", 'H', "Show past operations on a node, * for all"))
        .arg(value("last", 'h', "Show when a node was last fenced"))
        .arg(flag("cleanup", 'c', "With --history: forget them"))
        .arg(flag("broadcast", 'b', "With --history: gather from all nodes"))
        .arg(flag("as-node-id", 'n', "The node is given by its id"))
        .arg(value("agent", 'a', "Fence agent"))
        .arg(value("option", 'o', "Parameter of a device, NAME=VALUE"))
        .arg(value("env-option", 'e', "Parameter taken from the environment"))
        .arg(value("tag", 'T', "Name to be known by"))
        .arg(value("timeout", 't', "Seconds to wait"))
        .arg(value("delay", 'y', "Seconds of delay"))
        .arg(long_value("tolerance", "Be content with a success so many seconds old"))
        .arg(flag("quiet", 'q', "Say less"))
}

/// Runs it.
pub fn run(arguments: &[OsString]) -> u8 {
    let (matches, mut out) = match Output::begin(command(), arguments) {
        Ok(begun) => begun,
        Err(code) => return code,
    };
    out.quiet = given(&matches, "quiet");
    let Some(command) = COMMANDS.into_iter().rfind(|command| given(&matches, command)) else {
        // Nothing is left to be done if even help cannot be printed.
        let _ = self::command().print_help();
        return out.finish(exit::USAGE);
    };
    if command == "list-installed" {
        let code = installed(&mut out);
        return out.finish(code);
    }
    let code = match Fencer::connect(&matches) {
        Ok(mut fencer) => fencer.execute(command, &matches, &mut out).unwrap_or_else(|error| {
            out.error(format!("stonith_admin: {error}"));
            node::exit_of(&error)
        }),
        Err(error) => {
            log::debug!("{error}");
            out.error("Could not connect to fencer: Transport endpoint is not connected");
            exit::DISCONNECTED
        }
    };
    out.finish(code)
}

fn installed(out: &mut Output) -> u8 {
    let mut names: Vec<String> = std::fs::read_dir(Path::new("/usr/sbin"))
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| name.starts_with("fence_"))
        .collect();
    names.sort();
    list("installed fence devices", "device", "fence device", &names, out);
    exit::OK
}

fn list(title: &str, item: &str, noun: &str, names: &[String], out: &mut Output) {
    let mut element = Document::new("list");
    let root = element.root_id();
    element.set_attribute(root, "name", title);
    element.set_attribute(root, "count", &names.len().to_string());
    for name in names {
        out.line(name);
        // The text of items has no place in a document without text nodes.
        let child = element.append_element(root, "item");
        element.set_attribute(child, "name", item);
        element.set_attribute(child, "value", name);
    }
    let plural = if names.len() == 1 { "" } else { "s" };
    out.line(format!("{} {noun}{plural} found", names.len()));
    out.element(element.root());
}

struct Fencer {
    client: Client,
    call: u32,
    timeout: u32,
}

/// How an operation ended.
struct Ended {
    document: Document,
    exit: i32,
    status: i32,
    reason: Option<String>,
}

impl Ended {
    fn read(text: &str) -> Ended {
        let document = Document::parse(text).unwrap_or_else(|_| Document::new("st-reply"));
        let root = document.root();
        let number = |name| root.attribute(name).and_then(|v| v.parse().ok());
        let (exit, status) = (number("rc-code").unwrap_or(1), number("op-status").unwrap_or(4));
        let reason = root.attribute("exit-reason").map(str::to_owned);
        Ended { exit, status, reason, document }
    }

    fn is_ok(&self) -> bool {
        self.exit == 0 && self.status == 0
    }

    /// The code with which to end (spec 81 §3.5, §15).
    fn code(&self) -> u8 {
        let legacy = self.document.root().attribute("st_rc").and_then(|v| v.parse::<i32>().ok());
        match (self.is_ok(), legacy) {
            (true, _) => exit::OK,
            (_, Some(-62)) => exit::TIMEOUT,
            (_, Some(-19 | -2)) => exit::NO_SUCH,
            (_, Some(-13)) => exit::PERMISSION,
            (_, Some(-22)) => exit::SOFTWARE,
            (_, Some(-95)) => exit::UNSUPPORTED,
            _ => exit::ERROR,
        }
    }

    fn error(&self) -> &str {
        match self.code() {
            exit::TIMEOUT => "Timer expired",
            exit::NO_SUCH => "No such device",
            exit::PERMISSION => "Permission denied",
            exit::UNSUPPORTED => "Operation not supported",
            _ => "No data available",
        }
    }
}

impl Fencer {
    fn connect(matches: &ArgMatches) -> Result<Fencer, ClientError> {
        let mut client = Client::connect(&Place::from_environment(), Endpoint::Fencer)?;
        let name = match text(matches, "tag") {
            Some(tag) => format!("stonith_admin.{tag}"),
            None => "stonith_admin".to_owned(),
        };
        let mut register = Document::new("stonith_command");
        let root = register.root_id();
        for (key, value) in [("t", "stonith-ng"), ("st_op", "register"), ("st_clientname", &name)] {
            register.set_attribute(root, key, value);
        }
        client.ask(&register.root().to_xml_compact(), node::TIMEOUT)?;
        let timeout = text(matches, "timeout").and_then(|t| t.trim_end_matches('s').parse().ok());
        Ok(Fencer { client, call: 1, timeout: timeout.unwrap_or(120) })
    }

    fn message(&mut self, operation: &str, options: u32, data: Option<&Document>) -> String {
        self.call += 1;
        let mut message = Document::new("stonith_command");
        let root = message.root_id();
        for (key, value) in [
            ("t", "stonith-ng"),
            ("st_op", operation),
            ("st_callid", &self.call.to_string()),
            ("st_callopt", &options.to_string()),
            ("st_timeout", &self.timeout.to_string()),
        ] {
            message.set_attribute(root, key, value);
        }
        if let Some(data) = data {
            let parent = message.append_element(root, "st_calldata");
            message.copy_subtree(parent, data.root());
        }
        message.root().to_xml_compact()
    }

    fn call(
        &mut self,
        operation: &str,
        options: u32,
        data: Option<&Document>,
    ) -> Result<Ended, ClientError> {
        let message = self.message(operation, SYNCHRONOUS_SELF | options, data);
        let patience = Duration::from_secs(u64::from(self.timeout) + 10);
        self.client.ask(&message, patience).map(|text| Ended::read(&text))
    }

    fn execute(
        &mut self,
        command: &str,
        matches: &ArgMatches,
        out: &mut Output,
    ) -> Result<u8, ClientError> {
        let subject = text(matches, command).unwrap_or_default();
        match command {
            "list-registered" => self.devices(None, out),
            "list" => self.devices(Some(subject), out),
            "fence" => self.fence(subject, "off", matches, out),
            "unfence" => self.fence(subject, "on", matches, out),
            "reboot" => self.fence(subject, "reboot", matches, out),
            "confirm" => {
                let data = element(
                    "stonith_admin",
                    &[("st_target", subject), ("st_device_action", "off")],
                );
                let ended = self.call("st_fence", MANUAL, Some(&data))?;
                Ok(finished(&ended, &format!("Couldn't confirm {subject}"), out))
            }
            "query" => {
                let data = element(
                    "st_device_id",
                    &[("st_device_id", subject), ("st_device_action", "monitor")],
                );
                let ended = self.call("st_execute", 0, Some(&data))?;
                Ok(ended.code())
            }
            "list-targets" => {
                let data = element(
                    "st_device_id",
                    &[("st_device_id", subject), ("st_device_action", "list")],
                );
                let ended = self.call("st_execute", 0, Some(&data))?;
                Ok(targets(&ended, out))
            }
            "register" => self.register(subject, matches, out),
            "deregister" => {
                let ended = self.call(
                    "st_device_remove",
                    0,
                    Some(&element("st_device_id", &[("id", subject)])),
                )?;
                Ok(finished(&ended, &format!("Couldn't remove {subject}"), out))
            }
            "history" => self.history(subject, matches, out),
            _ => self.last(subject, out),
        }
    }

    fn devices(&mut self, target: Option<&str>, out: &mut Output) -> Result<u8, ClientError> {
        let mut data = element("st_device_id", &[("st_device_action", "off")]);
        if let Some(target) = target {
            let root = data.root_id();
            data.set_attribute(root, "st_target", target);
        }
        let ended = self.call("st_query", 0, Some(&data))?;
        let found = ended.document.root().descendants().filter(|e| e.attribute("agent").is_some());
        let ids: Vec<String> = found.filter_map(|e| e.xml_id().map(str::to_owned)).collect();
        list("registered fence devices", "device", "fence device", &ids, out);
        Ok(ended.code())
    }

    fn fence(
        &mut self,
        target: &str,
        action: &str,
        matches: &ArgMatches,
        out: &mut Output,
    ) -> Result<u8, ClientError> {
        let timeout = self.timeout.to_string();
        let data = element(
            "stonith_admin",
            &[
                ("st_target", target),
                ("st_device_action", action),
                ("st_timeout", &timeout),
                ("st_tolerance", text(matches, "tolerance").unwrap_or("0").trim_end_matches('s')),
                ("st_delay", text(matches, "delay").unwrap_or("0")),
            ],
        );
        let message = self.message("st_fence", 2, Some(&data));
        self.client.send(&message, false, node::TIMEOUT)?;
        let mut patience = Duration::from_secs(u64::from(self.timeout) + 10);
        let ended = loop {
            let event = self.client.event(patience)?;
            let ended = Ended::read(&event);
            let root = ended.document.root();
            match root.name() {
                "st-async-timeout-value" => {
                    let seconds = root.attribute("st_timeout").and_then(|s| s.parse::<u64>().ok());
                    patience = Duration::from_secs(seconds.unwrap_or(0).min(86_400) + 10);
                }
                _ if root.attribute("st_op") == Some("st_fence") => break ended,
                _ => {}
            }
        };
        let what = if action == "on" { "unfence" } else { "fence" };
        Ok(finished(&ended, &format!("Couldn't {what} {target}"), out))
    }

    fn register(
        &mut self,
        id: &str,
        matches: &ArgMatches,
        out: &mut Output,
    ) -> Result<u8, ClientError> {
        let Some(agent) = text(matches, "agent") else {
            out.error("Please specify an agent to query using -a,--agent [value]");
            return Ok(exit::USAGE);
        };
        let mut device =
            element("st_device_id", &[("id", id), ("agent", agent), ("namespace", "stonith-ng")]);
        let root = device.root_id();
        let attributes = device.append_element(root, "attributes");
        let given = |key| matches.get_many::<String>(key).into_iter().flatten();
        for (name, value) in given("option").filter_map(|option| option.split_once('=')) {
            device.set_attribute(attributes, name, value);
        }
        for name in given("env-option") {
            if let Ok(value) = std::env::var(format!("OCF_RESKEY_{name}")) {
                device.set_attribute(attributes, name, &value);
            }
        }
        let ended = self.call("st_device_register", 0, Some(&device))?;
        Ok(finished(&ended, &format!("Couldn't register {id}"), out))
    }

    fn records(&mut self, target: Option<&str>, options: u32) -> Result<Ended, ClientError> {
        let data = target.map(|target| element("stonith_api", &[("st_target", target)]));
        self.call("st_fence_history", options, data.as_ref())
    }

    fn history(
        &mut self,
        subject: &str,
        matches: &ArgMatches,
        out: &mut Output,
    ) -> Result<u8, ClientError> {
        let target = Some(subject).filter(|subject| *subject != "*");
        if given(matches, "cleanup") {
            let of = target.map(|target| format!(" for node {target}")).unwrap_or_default();
            out.line(format!("cleaning up fencing-history{of}"));
            return Ok(self.records(target, CLEAN_UP)?.code());
        }
        let ended = self.records(target, 0)?;
        let mut count = 0;
        let events = ended.document.root().descendants().filter(|e| e.name() == "st_execute");
        // Without more words: what is under way, and the oldest success (spec 81 §15).
        let (mut shown, mut success) = (Vec::new(), None);
        for event in events {
            match event.attribute("st_state") {
                _ if given(matches, "verbose") => shown.push(event),
                Some("2") => success = Some(event),
                Some("4") => {}
                _ => shown.push(event),
            }
        }
        for event in shown.into_iter().chain(success) {
            out.line(describe(event));
            count += 1;
        }
        let plural = if count == 1 { "" } else { "s" };
        out.line(format!("{count} event{plural} found"));
        Ok(ended.code())
    }

    fn last(&mut self, target: &str, out: &mut Output) -> Result<u8, ClientError> {
        let ended = self.records(Some(target), 0)?;
        let done =
            ended.document.root().descendants().filter(|e| e.attribute("st_state") == Some("2"));
        let when = done.filter_map(|e| e.attribute("st_date")?.parse::<i64>().ok()).max();
        match when {
            Some(when) => {
                let date = policy_engine::report::tables::date(when, super::source::now());
                out.line(format!("Node {target} last fenced at: {date}"));
            }
            None => out.line(format!("Node {target} has never been fenced")),
        }
        Ok(exit::OK)
    }
}

/// One past operation in the technical style.
fn describe(event: cib_model::Element<'_>) -> String {
    let text = |name| event.attribute(name).unwrap_or_default();
    let what = match text("st_device_action") {
        "on" => "unfencing",
        "off" => "turning off",
        other => other,
    };
    let (state, when) = match text("st_state") {
        "2" => ("successful", "last-successful"),
        "4" => ("failed", "last-failed"),
        _ => ("pending", ""),
    };
    let reason =
        event.attribute("exit-reason").map(|reason| format!(" ({reason})")).unwrap_or_default();
    let delegate =
        event.attribute("st_delegate").map(|d| format!("delegate={d}, ")).unwrap_or_default();
    let (target, client, origin) = (text("st_target"), text("st_clientname"), text("st_origin"));
    let seconds = event.attribute("st_date").and_then(|s| s.parse::<i64>().ok());
    let nanoseconds =
        event.attribute("st_date_nsec").and_then(|n| n.parse::<i32>().ok()).unwrap_or(0);
    let time = seconds.and_then(|s| jiff::Timestamp::new(s, nanoseconds).ok()).map(|at| {
        let local = at.to_zoned(jiff::tz::TimeZone::system());
        let zone = if local.offset().seconds() == 0 {
            "Z".to_owned()
        } else {
            local.strftime("%:z").to_string()
        };
        format!(", {when}='{}{zone}'", local.strftime("%Y-%m-%d %H:%M:%S.%6f"))
    });
    let time = time.filter(|_| !when.is_empty()).unwrap_or_default();
    format!("{what} of {target} {state}{reason}: {delegate}client={client}, origin={origin}{time}")
}

fn targets(ended: &Ended, out: &mut Output) -> u8 {
    if !ended.is_ok() {
        let reason = ended.reason.as_deref().unwrap_or_else(|| ended.error());
        out.error(format!("Couldn't list targets: {reason}"));
        return ended.code();
    }
    let output = ended.document.root().attribute("st_output").unwrap_or_default();
    let names: Vec<String> = output
        .lines()
        .filter_map(|line| line.split([',', ' ', '\t', '=']).next())
        .filter(|name| !name.is_empty())
        .map(str::to_owned)
        .collect();
    list("fence targets", "target", "fence target", &names, out);
    exit::OK
}

fn finished(ended: &Ended, what: &str, out: &mut Output) -> u8 {
    if !ended.is_ok() {
        let error = ended.error();
        let reason = ended.reason.as_deref().filter(|reason| *reason != error);
        let reason = reason.map(|reason| format!(" ({reason})")).unwrap_or_default();
        out.error(format!("stonith_admin: {what}: {error}{reason}"));
    }
    ended.code()
}

fn element(name: &str, attributes: &[(&str, &str)]) -> Document {
    let mut element = Document::new(name);
    let root = element.root_id();
    for (key, value) in attributes {
        element.set_attribute(root, key, value);
    }
    element
}
