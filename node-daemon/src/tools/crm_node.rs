//! `crm_node`: nodes as the controller knows them (spec 62 §9.9).

use std::ffi::OsString;

use cib_model::Document;
use cib_model::operation::Operation;
use clap::{ArgMatches, Command};
use node_daemon::ipc::client::ClientError;

use super::commands::{flag, given, last_given, text, tool, value};
use super::node::{self, Controller, Request, payload};
use super::output::Output;
use super::source::{Call, Source};
use super::{attrd_updater, exit};

const COMMANDS: [&str; 7] =
    ["name", "cluster-id", "quorum", "list", "partition", "name-for-id", "remove"];

fn command() -> Command {
    tool("crm_node", "Show information about the cluster's nodes")
        .arg(flag("name", 'n', "Show the name of the local node"))
        .arg(flag("cluster-id", 'i', "Show the id of the local node"))
        .arg(flag("quorum", 'q', "Show 1 if this partition may act, else 0"))
        .arg(flag("list", 'l', "List all nodes"))
        .arg(flag("partition", 'p', "List the names of this partition's nodes"))
        .arg(value("name-for-id", 'N', "Show the name of the node with this id"))
        .arg(value("remove", 'R', "Forget a node that is gone"))
        .arg(flag("quiet", 'Q', "Say less"))
        .arg(flag("force", 'f', "Do it, even if it is dangerous"))
}

/// Runs it.
pub fn run(arguments: &[OsString]) -> u8 {
    let (matches, mut out) = match Output::begin(command(), arguments) {
        Ok(begun) => begun,
        Err(code) => return code,
    };
    let Some(command) = last_given(&matches, &COMMANDS) else {
        out.error("crm_node: Must specify a command; see --help");
        return out.finish(exit::USAGE);
    };
    let code = execute(command, &matches, &mut out).unwrap_or_else(|error| {
        out.error(format!("crm_node: Could not connect to controller: {error}"));
        node::exit_of(&error)
    });
    out.finish(code)
}

fn execute(command: &str, matches: &ArgMatches, out: &mut Output) -> Result<u8, ClientError> {
    if command == "name"
        && let Some(name) = node::of_agent()
    {
        out.line(name);
        return Ok(exit::OK);
    }
    if command == "remove" && !given(matches, "force") {
        out.error("The supplied command is considered dangerous.  To prevent accidental destruction of the cluster, the --force flag is required in order to proceed.");
        return Ok(exit::USAGE);
    }
    let mut controller = Controller::connect("crm_node")?;
    let ask = Request { system: "crmd", ..Request::default() };
    match command {
        "list" | "partition" => {
            let answer = controller.ask("list-nodes", &ask)?;
            list(command, &answer, out);
            Ok(exit::OK)
        }
        "remove" => {
            let name = text(matches, "remove").unwrap_or_default();
            controller.tell("rm_node_cache", &Request { attributes: &[("uname", name)], ..ask })?;
            Ok(remove(name, out))
        }
        _ => {
            let id = text(matches, "name-for-id").filter(|_| command == "name-for-id");
            let by_id = id.map(|id| ("id", id));
            let answer =
                controller.ask("node-info", &Request { attributes: by_id.as_slice(), ..ask })?;
            Ok(info(command, &answer, out))
        }
    }
}

fn list(command: &str, answer: &Document, out: &mut Output) {
    let Some(nodes) = payload(answer) else { return };
    let text =
        |node: cib_model::Element<'_>, name| node.attribute(name).unwrap_or_default().to_owned();
    let mut members = Vec::new();
    for node in nodes.children_named("node") {
        let (id, name, state) = (text(node, "id"), text(node, "uname"), text(node, "in_ccm"));
        if command == "list" {
            out.line(format!("{id} {name} {state}"));
        }
        if state == "member" {
            members.push(name);
        }
    }
    if command == "partition" {
        // The classic tool ends the line with a space.
        out.line(members.iter().map(|name| format!("{name} ")).collect::<String>());
    }
    out.element(nodes);
}

fn info(command: &str, answer: &Document, out: &mut Output) -> u8 {
    let Some(node) = payload(answer) else { return exit::PROTOCOL };
    out.element(node);
    let shown = match command {
        "quorum" => {
            let quorum = node.attribute("have-quorum").and_then(cib_model::scalar::parse_boolean);
            Some(if quorum == Some(true) { "1" } else { "0" })
        }
        "cluster-id" => node.attribute("id"),
        _ => node.attribute("uname"),
    };
    match shown {
        Some(shown) => {
            out.line(shown);
            exit::OK
        }
        None => {
            out.error("Node is not known to cluster");
            exit::NO_HOST
        }
    }
}

/// Removes a node from what the other daemons keep.
fn remove(name: &str, out: &mut Output) -> u8 {
    let mut purge = Document::new("attrd_op");
    let root = purge.root_id();
    for (key, value) in
        [("t", "attrd"), ("src", "crm_node"), ("task", "peer-remove"), ("attr_host", name)]
    {
        purge.set_attribute(root, key, value);
    }
    if let Err(error) = attrd_updater::ask(&purge) {
        out.error(format!("crm_node: Could not remove {name} from the attribute manager: {error}"));
        return node::exit_of(&error);
    }
    let mut source = match Source::open("crm_node") {
        Ok(source) => source,
        Err(failure) => return failure.exit(),
    };
    for (section, element) in [("nodes", "node"), ("status", "node_state")] {
        let mut data = Document::new(element);
        let root = data.root_id();
        data.set_attribute(root, "uname", name);
        let call = Call { section: Some(section), options: 0, data: Some(data) };
        if let Err(failure) = source.call(Operation::Delete, &call) {
            out.error(format!(
                "crm_node: Could not remove {name} from the CIB: {}",
                failure.text()
            ));
            return failure.exit();
        }
    }
    exit::OK
}
