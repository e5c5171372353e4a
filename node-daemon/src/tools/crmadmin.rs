//! `crmadmin`: the designated controller, states of controllers, nodes (spec 62 §9.9).

use std::ffi::OsString;
use std::time::Duration;

use cib_model::Document;
use clap::{Arg, ArgAction, ArgMatches, Command};
use node_daemon::ipc::client::{Client, ClientError};
use node_daemon::ipc::{Endpoint, Place};

use super::commands::{self, flag, last_given, text, tool, value};
use super::exit;
use super::node::{self, Controller, Request, envelope, payload};
use super::output::Output;
use super::source::Source;

/// No DC is elected yet.
const NO_DC: u8 = 113;

fn command() -> Command {
    tool("crmadmin", "Query and manage the Pacemaker controller")
        .arg(value("status", 'S', "Show the state of a node's controller"))
        .arg(flag("pacemakerd", 'P', "Show the state of the local supervisor"))
        .arg(flag("dc_lookup", 'D', "Show the designated controller"))
        .arg(
            Arg::new("nodes")
                .long("nodes")
                .short('N')
                .num_args(0..=1)
                .action(ArgAction::Append)
                .value_name("TYPE")
                .help("Show nodes: all, or of some types: cluster, guest, remote"),
        )
        .arg(value("ipc-name", 'i', "With --pacemakerd: name to be known by"))
        .arg(value("timeout", 't', "Time to wait"))
        .arg(flag("quiet", 'q', "Show only the essential"))
        .arg(flag("bash-export", 'B', "Show nodes as shell variables"))
}

/// Runs it.
pub fn run(arguments: &[OsString]) -> u8 {
    let (matches, mut out) = match Output::begin(command(), arguments) {
        Ok(begun) => begun,
        Err(code) => return code,
    };
    out.quiet = commands::given(&matches, "quiet");
    let patience = text(&matches, "timeout")
        .and_then(|text| cib_model::scalar::parse_interval_ms(text).ok())
        .filter(|ms| *ms > 0)
        .map_or(node::TIMEOUT, Duration::from_millis);
    let command = last_given(&matches, &["status", "pacemakerd", "dc_lookup", "nodes"]);
    let done = match command {
        Some("nodes") => Ok(nodes(&matches, &mut out)),
        Some("pacemakerd") => supervisor(&matches, &mut out),
        Some("dc_lookup") => dc(patience, &mut out),
        Some(_) => status(text(&matches, "status").unwrap_or_default(), patience, &mut out),
        None => {
            out.error("crmadmin: Must specify a command option; see --help");
            return out.finish(exit::USAGE);
        }
    };
    let code = done.unwrap_or_else(|error| {
        out.error(format!("error: Could not connect: {error}"));
        node::exit_of(&error)
    });
    out.finish(code)
}

fn dc(patience: Duration, out: &mut Output) -> Result<u8, ClientError> {
    let mut controller = Controller::connect("crmadmin")?.with_patience(patience);
    let answer = controller.ask("ping", &Request { system: "dc", ..Request::default() })?;
    let Some(dc) = answer.root().attribute("src").map(str::to_owned) else {
        out.line("Designated Controller is: not yet elected");
        return Ok(NO_DC);
    };
    if out.quiet {
        out.line(&dc);
    } else {
        out.line(format!("Designated Controller is: {dc}"));
    }
    element(out, "dc", &[("node_name", &dc)]);
    Ok(exit::OK)
}

fn status(host: &str, patience: Duration, out: &mut Output) -> Result<u8, ClientError> {
    let mut controller = Controller::connect("crmadmin")?.with_patience(patience);
    let request = Request { system: "crmd", host: Some(host), ..Request::default() };
    let answer = controller.ask("ping", &request)?;
    let payload = payload(&answer);
    let text = |name| payload.and_then(|ping| ping.attribute(name)).unwrap_or_default();
    let node = answer.root().attribute("src").unwrap_or(host);
    let (state, result) = (text("crmd_state"), text("result"));
    if out.quiet {
        out.line(state);
    } else {
        out.line(format!("Controller on {node} in state {state}: {result}"));
    }
    element(out, "crmd", &[("node_name", node), ("state", state), ("result", result)]);
    Ok(exit::OK)
}

/// Asks the supervisor how it is: its state, and when it was seen to be so.
///
/// # Errors
/// When it does not answer.
pub fn ping_supervisor(program: &str) -> Result<(String, i64), ClientError> {
    let mut client = Client::connect(&Place::from_environment(), Endpoint::Supervisor)?;
    let sender = format!("{}_{program}", std::process::id());
    let request = Request { system: "pacemakerd", ..Request::default() };
    client.ask(&envelope(&sender, "ping", 1, &request), node::TIMEOUT)?;
    let event = client.event(node::TIMEOUT)?;
    let answer = Document::parse(&event).unwrap_or_else(|_| Document::new("message"));
    let ping = payload(&answer);
    let text = |name| ping.and_then(|ping| ping.attribute(name)).unwrap_or_default();
    Ok((text("pacemakerd_state").to_owned(), text("crm-timestamp").parse().unwrap_or(0)))
}

/// A state of the supervisor in words (spec 62 §5.1).
pub fn friendly(state: &str) -> &str {
    match state {
        "init" => "Initializing pacemaker",
        "starting_daemons" => "Pacemaker daemons are starting",
        "wait_for_ping" => "Waiting for startup trigger from SBD",
        "running" => "Pacemaker is running",
        "shutting_down" => "Pacemaker daemons are shutting down",
        "shutdown_complete" => "Pacemaker daemons are shut down (reporting to SBD)",
        "remote" => "pacemaker-remoted is running (on a Pacemaker Remote node)",
        other => other,
    }
}

fn supervisor(matches: &ArgMatches, out: &mut Output) -> Result<u8, ClientError> {
    let (state, at) = ping_supervisor(text(matches, "ipc-name").unwrap_or("crmadmin"))?;
    let date = policy_engine::report::tables::date(at, super::source::now());
    if out.quiet {
        out.line(&state);
    } else {
        out.line(format!("Status of pacemakerd: '{}' (last updated {date})", friendly(&state)));
    }
    element(
        out,
        "pacemakerd",
        &[("sys_from", "pacemakerd"), ("state", &state), ("last_updated", &date)],
    );
    Ok(exit::OK)
}

fn element(out: &mut Output, name: &str, attributes: &[(&str, &str)]) {
    let mut element = Document::new(name);
    let root = element.root_id();
    for (key, value) in attributes {
        element.set_attribute(root, key, value);
    }
    out.element(element.root());
}

fn nodes(matches: &ArgMatches, out: &mut Output) -> u8 {
    let cib = match Source::open("crmadmin").and_then(|mut source| source.whole()) {
        Ok(cib) => cib,
        Err(failure) => {
            out.error(format!("crmadmin: {}", failure.text()));
            return failure.exit();
        }
    };
    let bash = commands::given(matches, "bash-export");
    let listed = cib.root().child("configuration").and_then(|c| c.child("nodes"));
    let kinds: Vec<&str> =
        text(matches, "nodes").map(|t| t.split(',').collect()).unwrap_or_default();
    let wanted = |kind| kinds.is_empty() || kinds.contains(&"all") || kinds.contains(&kind);
    let mut shown = 0;
    for node in listed.into_iter().flat_map(|nodes| nodes.children_named("node")) {
        let id = node.attribute("id").unwrap_or_default();
        let name = node.attribute("uname").unwrap_or(id);
        let kind = match node.attribute("type") {
            Some("remote") => "remote",
            _ => "cluster",
        };
        if !wanted(kind) {
            continue;
        }
        shown += 1;
        match (bash, out.quiet) {
            (true, _) => out.line(format!("export {name}={id}")),
            (_, true) => out.line(name),
            _ => out.line(format!("{kind} node: {name} ({id})")),
        }
        element(out, "node", &[("type", kind), ("name", name), ("id", id)]);
    }
    if shown == 0 {
        out.line("No nodes configured");
    }
    exit::OK
}
