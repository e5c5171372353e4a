//! `stonith_admin`: fencing by hand (spec 81 §15).

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgMatches, Command};
use fencing::agent::normalised_xml;
use fencing::name::AgentName;
use fencing::outcome::ExecutionStatus;
use fencing::process::{AGENT_DIRECTORY, ask_agent, installed_agents};
use fencing::secret::Parameters;
use node_daemon::ipc::client::ClientError;

use super::commands::{flag, given, long_value, text, tool, value};
use super::fencer::{Ended, Fencer, element};
use super::fencing_events::{self, Detail, FencingEvent, State};
use super::output::{Output, escape};
use super::{exit, node};

/// A human says so.
const MANUAL: u32 = 8;
/// Forget past operations.
const CLEAN_UP: u32 = 1 << 19;
/// Gather past operations from all.
const BROADCAST: u32 = 1 << 20;

/// Names the directory of fence agents, if it is not the usual one.
pub const AGENTS_VARIABLE: &str = "UNDERSTUDY_FENCE_AGENTS";

/// Commands; of several the last in this order counts.
const COMMANDS: [&str; 17] = [
    "validate",
    "list-installed",
    "list-registered",
    "register",
    "query",
    "deregister",
    "list-targets",
    "list",
    "metadata",
    "reboot",
    "fence",
    "unfence",
    "confirm",
    "last",
    "history",
    "register-level",
    "deregister-level",
];

fn command() -> Command {
    tool("stonith_admin", "Access the cluster's fencing API")
        .arg(flag("list-installed", 'I', "List all installed fence agents"))
        .arg(flag("list-registered", 'L', "List all registered devices"))
        .arg(value("list-targets", 's', "List the targets a device can fence"))
        .arg(value("list", 'l', "List devices that can fence a node"))
        .arg(value("register", 'R', "Register a device"))
        .arg(value("deregister", 'D', "Forget a device"))
        .arg(value("register-level", 'r', "Add devices to a topology level of a target"))
        .arg(value("deregister-level", 'd', "Empty a topology level of a target"))
        .arg(value("query", 'Q', "Check a device"))
        .arg(flag("metadata", 'M', "Show what an agent says about itself"))
        .arg(flag("validate", 'K', "Check the configuration of a device"))
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
        .arg(value("device", 'v', "Device of a level; device whose secrets to use"))
        .arg(value("index", 'i', "The level, 1 to 9"))
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
        eprintln!("{}", self::command().render_help());
        return out.finish(exit::USAGE);
    };
    for (name, short) in [("timeout", "-t"), ("delay", "-y"), ("index", "-i")] {
        if let Some(given) = text(&matches, name)
            && given.trim_end_matches('s').parse::<i32>().is_err()
        {
            out.error(format!("stonith_admin: Cannot parse integer value “{given}” for {short}"));
            return out.finish(exit::USAGE);
        }
    }
    let code = match command {
        "list-installed" => installed(&mut out),
        "metadata" => metadata(&matches, &mut out),
        "validate" => validate(&matches, &mut out),
        _ => ask(command, &matches, &mut out),
    };
    out.finish(code)
}

fn ask(command: &str, matches: &ArgMatches, out: &mut Output) -> u8 {
    if let Err(text) = parameters(matches) {
        out.error(format!("stonith_admin: {text}"));
        return exit::USAGE;
    }
    let needs_agent = command == "register" && text(matches, "agent").is_none();
    if needs_agent {
        return agent_missing(out);
    }
    let name = match text(matches, "tag") {
        Some(tag) => format!("stonith_admin.{tag}"),
        None => "stonith_admin".to_owned(),
    };
    let connected = Fencer::connect(&name, seconds(matches, "timeout").unwrap_or(120));
    let mut fencer = match connected {
        Ok(fencer) => fencer,
        Err(error) => {
            log::debug!("{error}");
            let lost = "Transport endpoint is not connected";
            out.error(match (command, text(matches, command)) {
                ("fence" | "reboot", Some(target)) => {
                    format!("stonith_admin: Couldn't fence {target}: {lost}")
                }
                ("unfence", Some(target)) => {
                    format!("stonith_admin: Couldn't unfence {target}: {lost}")
                }
                _ => format!("Could not connect to fencer: {lost}"),
            });
            return exit::DISCONNECTED;
        }
    };
    let subject = text(matches, command).unwrap_or_default();
    execute(&mut fencer, command, subject, matches, out).unwrap_or_else(|error| {
        out.error(format!("stonith_admin: {error}"));
        node::exit_of(&error)
    })
}

fn seconds(matches: &ArgMatches, name: &str) -> Option<u32> {
    text(matches, name).and_then(|text| text.trim_end_matches('s').parse().ok())
}

fn agent_missing(out: &mut Output) -> u8 {
    out.error("Please specify an agent to query using -a,--agent [value]");
    eprintln!("{}", command().render_help());
    exit::USAGE
}

fn execute(
    fencer: &mut Fencer,
    command: &str,
    subject: &str,
    matches: &ArgMatches,
    out: &mut Output,
) -> Result<u8, ClientError> {
    match command {
        "list-registered" => devices(fencer, None, out),
        "list" => devices(fencer, Some(subject), out),
        "fence" => fence(fencer, subject, "off", matches, out),
        "unfence" => fence(fencer, subject, "on", matches, out),
        "reboot" => fence(fencer, subject, "reboot", matches, out),
        "confirm" => {
            let data =
                element("stonith_admin", &[("st_target", subject), ("st_device_action", "off")]);
            let ended = fencer.call("st_fence", MANUAL, Some(&data))?;
            Ok(finished(&ended, &format!("Couldn't confirm {subject}"), out))
        }
        "query" => {
            let mut ended = device(fencer, subject, "monitor")?;
            if !ended.is_ok() {
                ended = device(fencer, subject, "list")?;
            }
            Ok(ended.code())
        }
        "list-targets" => device(fencer, subject, "list").map(|ended| targets(&ended, out)),
        "register" => register(fencer, subject, matches, out),
        "deregister" => {
            let data = element("st_device_id", &[("id", subject)]);
            let ended = fencer.call("st_device_remove", 0, Some(&data))?;
            Ok(finished(&ended, &format!("Couldn't remove {subject}"), out))
        }
        "register-level" => level(fencer, "st_level_add", "register", subject, matches, out),
        "deregister-level" => level(fencer, "st_level_remove", "unregister", subject, matches, out),
        "history" => history(fencer, subject, matches, out),
        _ => last(fencer, subject, matches, out),
    }
}

/// Asks a device something.
fn device(fencer: &mut Fencer, id: &str, action: &str) -> Result<Ended, ClientError> {
    let data = element("st_device_id", &[("st_device_id", id), ("st_device_action", action)]);
    fencer.call("st_execute", 0, Some(&data))
}

fn devices(fencer: &mut Fencer, target: Option<&str>, out: &mut Output) -> Result<u8, ClientError> {
    let mut data = element("st_device_id", &[("st_device_action", "off")]);
    if let Some(target) = target {
        let root = data.root_id();
        data.set_attribute(root, "st_target", target);
    }
    let ended = fencer.call("st_query", 0, Some(&data))?;
    let found = ended.document.root().descendants().filter(|e| e.attribute("agent").is_some());
    let ids: Vec<String> = found.filter_map(|e| e.xml_id().map(str::to_owned)).collect();
    list("registered fence devices", Some("device"), "fence device", &ids, out);
    Ok(ended.code())
}

fn list(title: &str, item: Option<&str>, noun: &str, names: &[String], out: &mut Output) {
    names.iter().for_each(|name| out.line(name));
    out.items(title, item, names);
    let plural = if names.len() == 1 { "" } else { "s" };
    out.line(format!("{} {noun}{plural} found", names.len()));
}

fn fence(
    fencer: &mut Fencer,
    target: &str,
    action: &str,
    matches: &ArgMatches,
    out: &mut Output,
) -> Result<u8, ClientError> {
    let data = element(
        "stonith_admin",
        &[
            ("st_target", target),
            ("st_device_action", action),
            ("st_timeout", &fencer.timeout().to_string()),
            ("st_tolerance", text(matches, "tolerance").unwrap_or("0").trim_end_matches('s')),
            ("st_delay", text(matches, "delay").unwrap_or("0")),
        ],
    );
    let ended = fencer.fence(&data)?;
    let what = if action == "on" { "unfence" } else { "fence" };
    Ok(finished(&ended, &format!("Couldn't {what} {target}"), out))
}

/// Parameters as given, or what is wrong with them.
fn parameters(matches: &ArgMatches) -> Result<Vec<(String, String)>, String> {
    let given = |key| matches.get_many::<String>(key).into_iter().flatten();
    let mut parameters = Vec::new();
    for option in given("option") {
        let (name, value) =
            option.split_once('=').ok_or_else(|| format!("Invalid option: -o {option}"))?;
        parameters.push((name.to_owned(), value.to_owned()));
    }
    for name in given("env-option") {
        let value = std::env::var(format!("OCF_RESKEY_{name}"));
        parameters.push((name.clone(), value.map_err(|_| format!("Invalid option: -e {name}"))?));
    }
    Ok(parameters)
}

fn register(
    fencer: &mut Fencer,
    id: &str,
    matches: &ArgMatches,
    out: &mut Output,
) -> Result<u8, ClientError> {
    let agent = text(matches, "agent").unwrap_or_default();
    let mut device =
        element("st_device_id", &[("id", id), ("agent", agent), ("namespace", "stonith-ng")]);
    let root = device.root_id();
    let attributes = device.append_element(root, "attributes");
    for (name, value) in parameters(matches).unwrap_or_default() {
        device.set_attribute(attributes, &name, &value);
    }
    let ended = fencer.call("st_device_register", 0, Some(&device))?;
    Ok(finished(&ended, &format!("Couldn't register device {id} using agent {agent}"), out))
}

/// Adds devices to a level, or empties it. A target with `=` in it is an attribute's value, one that
/// begins with `@` a pattern.
fn level(
    fencer: &mut Fencer,
    operation: &str,
    verb: &str,
    target: &str,
    matches: &ArgMatches,
    out: &mut Output,
) -> Result<u8, ClientError> {
    let index = text(matches, "index").unwrap_or("0");
    let devices: Vec<&str> =
        matches.get_many::<String>("device").into_iter().flatten().map(String::as_str).collect();
    let devices = devices.join(",");
    let mut attributes = vec![("id", index), ("index", index)];
    if let Some((name, value)) = target.split_once('=') {
        attributes.extend([("target-attribute", name), ("target-value", value)]);
    } else if let Some(pattern) = target.strip_prefix('@') {
        attributes.push(("target-pattern", pattern));
    } else {
        attributes.push(("target", target));
    }
    if !devices.is_empty() {
        attributes.push(("devices", &devices));
    }
    let ended = fencer.call(operation, 0, Some(&element("fencing-level", &attributes)))?;
    if !ended.is_ok() {
        let error = ended.error();
        out.error(format!("Can't {verb} topology level {index} for {target}: {error}"));
    }
    Ok(ended.code())
}

fn history(
    fencer: &mut Fencer,
    subject: &str,
    matches: &ArgMatches,
    out: &mut Output,
) -> Result<u8, ClientError> {
    let target = Some(subject).filter(|subject| !matches!(*subject, "*" | ""));
    if given(matches, "cleanup") {
        let of = target.map(|target| format!(" for node {target}")).unwrap_or_default();
        if !out.quiet {
            out.line(format!("cleaning up fencing-history{of}"));
        }
        let (ended, _) = fencing_events::ask(fencer, target, CLEAN_UP)?;
        return Ok(ended.code());
    }
    if given(matches, "broadcast") {
        if !out.quiet {
            out.line("gather fencing-history from all nodes");
        }
        fencing_events::ask(fencer, target, BROADCAST)?;
    }
    let (ended, events) = fencing_events::ask(fencer, target, 0)?;
    if !ended.is_ok() {
        return Ok(finished(&ended, &format!("Couldn't get history of {subject}"), out));
    }
    show_history(&events, given(matches, "verbose"), out);
    Ok(exit::OK)
}

fn show_history(events: &[FencingEvent], all: bool, out: &mut Output) {
    // Without more words: what is under way, and the oldest success (spec 81 §15).
    let success = events.iter().rposition(|event| event.state == State::Success);
    let shown: Vec<&FencingEvent> = events
        .iter()
        .enumerate()
        .filter(|(at, event)| all || event.state == State::Pending || Some(*at) == success)
        .map(|(_, event)| event)
        .collect();
    let mut list = element("list", &[("name", "fencing history")]);
    let root = list.root_id();
    list.set_attribute(root, "count", &shown.len().to_string());
    let detail = if all { Detail::All } else { Detail::Last };
    let mut count = shown.len();
    for event in shown {
        if out.quiet {
            let epoch = event.epoch().map_or_else(String::new, |epoch| epoch.to_string());
            out.line(epoch);
            count = 0;
        } else {
            out.line(event.line(events, detail));
        }
        event.write(&mut list, root);
    }
    out.element(list.root());
    let plural = if count == 1 { "" } else { "s" };
    out.line(format!("{count} event{plural} found"));
}

fn last(
    fencer: &mut Fencer,
    target: &str,
    matches: &ArgMatches,
    out: &mut Output,
) -> Result<u8, ClientError> {
    let name = match given(matches, "as-node-id") {
        true => node::name_of_id("stonith_admin", target)?,
        false => Some(target.to_owned()),
    };
    let events = match &name {
        Some(name) => fencing_events::ask(fencer, Some(name), 0)?.1,
        None => Vec::new(),
    };
    let done = events.iter().filter(|event| event.state == State::Success);
    let newest = done.max_by_key(|event| event.completed_ns);
    match newest.and_then(FencingEvent::epoch) {
        Some(when) => {
            let date = policy_engine::report::tables::date(when, super::source::now());
            out.line(format!("Node {target} last fenced at: {date}"));
        }
        None => out.line(format!("Node {target} has never been fenced")),
    }
    let mut found = element("last-fenced", &[("target", target)]);
    if let Some(time) = newest.and_then(|event| event.time()) {
        let root = found.root_id();
        found.set_attribute(root, "when", &time);
    }
    out.element(found.root());
    Ok(exit::OK)
}

fn targets(ended: &Ended, out: &mut Output) -> u8 {
    if !ended.is_ok() {
        out.error(format!("Couldn't list targets: {}", ended.why()));
        return ended.code();
    }
    let output = ended.document.root().attribute("st_output").unwrap_or_default();
    let names: Vec<String> = output
        .lines()
        .filter_map(|line| line.split([',', ' ', '\t', '=']).next())
        .filter(|name| !name.is_empty())
        .map(str::to_owned)
        .collect();
    list("fence targets", None, "fence target", &names, out);
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

/// Where fence agents are.
fn agents() -> PathBuf {
    std::env::var_os(AGENTS_VARIABLE).map_or_else(|| AGENT_DIRECTORY.into(), PathBuf::from)
}

fn installed(out: &mut Output) -> u8 {
    match installed_agents(&agents()) {
        Ok(names) => {
            let names: Vec<String> = names.iter().map(|name| name.as_str().to_owned()).collect();
            list("installed fence devices", Some("device"), "fence device", &names, out);
            exit::OK
        }
        Err(error) => {
            out.error(format!("Failed to list installed devices: {error}"));
            exit::ERROR
        }
    }
}

/// Runs an agent for itself, without the cluster.
fn run_agent(
    matches: &ArgMatches,
    action: &str,
    given: Vec<(String, String)>,
) -> Option<fencing::executor::AgentReport> {
    let agent = AgentName::new(text(matches, "agent")?).ok()?;
    let mut parameters = Parameters::new();
    for (name, value) in given {
        parameters.set(name, value);
    }
    parameters.set("action".to_owned(), action.to_owned());
    let timeout = Duration::from_secs(u64::from(seconds(matches, "timeout").unwrap_or(120)));
    Some(ask_agent(&agents(), &agent, &parameters, timeout))
}

fn metadata(matches: &ArgMatches, out: &mut Output) -> u8 {
    if text(matches, "agent").is_none() {
        return agent_missing(out);
    }
    let agent = text(matches, "agent").unwrap_or_default();
    match describe(agent) {
        Ok(text) => {
            out.document(&text);
            exit::OK
        }
        Err(error) => {
            out.error(format!("Can't get fence agent meta-data: {error}"));
            match error.as_str() {
                "No such device" => exit::NO_SUCH,
                "Timer expired" => exit::TIMEOUT,
                "No data available" => exit::ERROR,
                _ => exit::CONFIGURATION,
            }
        }
    }
}

/// What a fence agent says about itself, or why it does not.
///
/// # Errors
/// When there is no such agent, or it says nothing that makes sense.
pub fn describe(agent: &str) -> Result<String, String> {
    let agent = AgentName::new(agent).map_err(|_| "No such device".to_owned())?;
    let mut parameters = Parameters::new();
    parameters.set("action".to_owned(), "metadata".to_owned());
    let outcome = ask_agent(&agents(), &agent, &parameters, Duration::from_secs(10)).outcome;
    match outcome.status {
        ExecutionStatus::NotInstalled => Err("No such device".to_owned()),
        ExecutionStatus::Timeout => Err("Timer expired".to_owned()),
        _ if outcome.output.trim().is_empty() => Err("No data available".to_owned()),
        _ => normalised_xml(&outcome.output).map_err(|error| error.to_string()),
    }
}

fn validate(matches: &ArgMatches, out: &mut Output) -> u8 {
    let Some(agent) = text(matches, "agent") else { return agent_missing(out) };
    let report = run_agent(matches, "validate-all", parameters(matches).unwrap_or_default());
    let report = report.filter(|report| report.outcome.status != ExecutionStatus::NotInstalled);
    let Some(report) = report else {
        if !out.quiet {
            out.line(format!("Validation of {agent} failed"));
            out.line(format!("Agent {agent} not found"));
        }
        return exit::NO_SUCH;
    };
    let valid = report.outcome.is_ok();
    let on = text(matches, "device").map(|device| format!(" on {device}")).unwrap_or_default();
    let ended = if valid { "succeeded" } else { "failed" };
    if !out.quiet {
        out.line(format!("Validation of {agent}{on} {ended}"));
        for text in [&report.outcome.output, &report.error_output] {
            text.lines().for_each(|line| out.line(line));
        }
    }
    out.xml(&validation(agent, text(matches, "device"), valid, &report));
    match report.outcome.status {
        _ if valid => exit::OK,
        ExecutionStatus::Timeout => exit::TIMEOUT,
        _ => exit::ERROR,
    }
}

/// Element `validate`.
fn validation(
    agent: &str,
    device: Option<&str>,
    valid: bool,
    report: &fencing::executor::AgentReport,
) -> String {
    let valid = if valid { "true" } else { "false" };
    let mut head = element("validate", &[("agent", agent), ("valid", valid)]);
    if let Some(device) = device {
        let root = head.root_id();
        head.set_attribute(root, "device", device);
    }
    let head = head.root().to_xml_compact();
    let mut text = format!(
        "  {}>\n    <command code=\"{}\">\n",
        head.trim_end_matches("/>"),
        report.outcome.exit
    );
    for (source, output) in [("stdout", &report.outcome.output), ("stderr", &report.error_output)] {
        if !output.is_empty() {
            text += &format!("      <output source=\"{source}\">{}</output>\n", escape(output));
        }
    }
    text + "    </command>\n  </validate>\n"
}
