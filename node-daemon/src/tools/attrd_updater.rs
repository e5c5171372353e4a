//! `attrd_updater`: transient node attributes (spec 61 §9).

use std::ffi::OsString;

use cib_model::Document;
use clap::{ArgMatches, Command};
use node_daemon::ipc::client::{Client, ClientError};
use node_daemon::ipc::{Endpoint, Place};

use super::commands::{flag, given, last_given, long_value, text, tool, value};
use super::output::Output;
use super::{exit, node};

const COMMANDS: [&str; 6] = ["update", "update-both", "update-delay", "query", "delete", "refresh"];

fn command() -> Command {
    tool("attrd_updater", "Query and update transient node attributes")
        .arg(value("name", 'n', "The attribute's name"))
        .arg(value("pattern", 'P', "Expression that names of attributes match"))
        .arg(value("update", 'U', "Set the attribute").short_alias('v'))
        .arg(value("update-both", 'B', "Set the attribute and its dampening"))
        .arg(flag("update-delay", 'Y', "Set the attribute's dampening"))
        .arg(flag("query", 'Q', "Print the attribute's value"))
        .arg(flag("delete", 'D', "Unset the attribute"))
        .arg(flag("refresh", 'R', "Write all attributes to the CIB again"))
        .arg(value("delay", 'd', "Seconds to wait for further changes before writing"))
        .arg(value("set", 's', "Id of the attribute set"))
        .arg(value("node", 'N', "The node, instead of this one"))
        .arg(flag("all", 'A', "With --query: on all nodes"))
        .arg(value("lifetime", 'l', "Accepted for compatibility").short_alias('S').hide(true))
        .arg(flag("private", 'p', "Never write the attribute to the CIB"))
        .arg(value("wait", 'W', "Wait until done: no, local or cluster"))
        .arg(flag("utilization", 'z', "A utilization attribute"))
        .arg(flag("quiet", 'q', "Say less").hide(true))
        .arg(long_value("uuid", "Accepted for compatibility").hide(true))
}

/// Runs it.
pub fn run(arguments: &[OsString]) -> u8 {
    let (matches, mut out) = match Output::begin(command(), arguments) {
        Ok(begun) => begun,
        Err(code) => return code,
    };
    let code = match request(&matches) {
        Ok(request) => send(&matches, &request, &mut out),
        Err(text) => {
            out.error(format!("attrd_updater: {text}"));
            exit::USAGE
        }
    };
    out.finish(code)
}

/// The request, or what is wrong with the command line.
fn request(matches: &ArgMatches) -> Result<Document, String> {
    let command = last_given(matches, &COMMANDS).unwrap_or("query");
    let (name, pattern) = (text(matches, "name"), text(matches, "pattern"));
    if name.is_some() && pattern.is_some() {
        return Err("Error: --name and --pattern cannot be used at the same time".to_owned());
    }
    if pattern.is_some() && matches!(command, "query" | "refresh") {
        return Err("Error: pattern can only be used with delete or update".to_owned());
    }
    if name.is_none() && pattern.is_none() && command != "refresh" {
        return Err("Command requires --name or --pattern argument".to_owned());
    }
    let wait = text(matches, "wait");
    if !matches!(wait, None | Some("no" | "local" | "cluster")) {
        return Err("--wait= must be one of 'no', 'local', 'cluster'".to_owned());
    }
    match text(matches, "lifetime") {
        None | Some("nodes" | "forever" | "status" | "reboot") => {}
        Some(other) => return Err(format!("Unknown value for --lifetime: {other}")),
    }
    let node = text(matches, "node").filter(|node| !matches!(*node, "auto" | "localhost"));
    let node = node.map(str::to_owned).or_else(node::of_agent);
    let mut message = Document::new("attrd_op");
    let root = message.root_id();
    let mut set = |name: &str, value: Option<&str>| {
        if let Some(value) = value {
            message.set_attribute(root, name, value);
        }
    };
    set("t", Some("attrd"));
    set("src", Some("attrd_updater"));
    set("attr_name", name);
    set("attr_regex", pattern);
    match command {
        "query" => {
            set("task", Some("query"));
            let all = given(matches, "all");
            set("attr_host", node.as_deref().or(Some("localhost")).filter(|_| !all));
            return Ok(message);
        }
        "refresh" => {
            set("task", Some("refresh"));
            return Ok(message);
        }
        "delete" => set("task", Some("update")),
        other => set("task", Some(other)),
    }
    let kind = if given(matches, "utilization") { "utilization" } else { "instance_attributes" };
    set("attr_set_type", Some(kind));
    set(
        "attr_value",
        text(matches, command).filter(|_| command != "update-delay" && command != "delete"),
    );
    set("attr_dampening", text(matches, "delay"));
    set("attr_set", text(matches, "set"));
    set("attr_host", node.as_deref());
    set("attr_is_remote", Some("0"));
    set("attr_is_private", Some(if given(matches, "private") { "1" } else { "0" }));
    set("attr_sync_point", wait.filter(|wait| *wait != "no"));
    Ok(message)
}

fn send(matches: &ArgMatches, request: &Document, out: &mut Output) -> u8 {
    let name = text(matches, "name").or_else(|| text(matches, "pattern")).unwrap_or_default();
    let answer = match ask(request) {
        Ok(answer) => answer,
        Err(error) => {
            let value = request.root().attribute("attr_value").unwrap_or("(null)");
            out.error(format!("attrd_updater: Could not update {name}={value}: {error}"));
            return node::exit_of(&error);
        }
    };
    if request.root().attribute("task") == Some("query") {
        return print(name, &answer, out);
    }
    match answer.root().attribute("status") {
        Some("124") => exit::TIMEOUT,
        Some("76") => exit::PROTOCOL,
        Some("4") => exit::PERMISSION,
        _ => exit::OK,
    }
}

/// Sends a request to the attribute manager; gives its answer.
///
/// # Errors
/// When it does not answer.
pub fn ask(request: &Document) -> Result<Document, ClientError> {
    let mut client = Client::connect(&Place::from_environment(), Endpoint::Attributes)?;
    let answer = client.ask(&request.root().to_xml_compact(), node::TIMEOUT)?;
    Ok(Document::parse(&answer).unwrap_or_else(|_| Document::new("ack")))
}

fn print(name: &str, answer: &Document, out: &mut Output) -> u8 {
    let valued =
        answer.root().children_named("node").filter(|node| node.attribute("attr_value").is_some());
    let mut found = false;
    for node in valued {
        found = true;
        let host = node.attribute("attr_host").unwrap_or_default();
        let value = node.attribute("attr_value").unwrap_or_default();
        out.line(format!("name=\"{name}\" host=\"{host}\" value=\"{value}\""));
        let mut element = Document::new("attribute");
        let root = element.root_id();
        for (key, text) in [("name", name), ("value", value), ("host", host)] {
            element.set_attribute(root, key, text);
        }
        out.element(element.root());
    }
    if found {
        return exit::OK;
    }
    out.error(format!("attrd_updater: Could not query value of {name}: attribute does not exist"));
    exit::CONFIGURATION
}
