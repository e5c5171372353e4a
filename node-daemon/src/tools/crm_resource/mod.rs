//! `crm_resource`: resources, where they run, and where they shall run (spec 41 §10.2, 62 §9.9).

mod agents;
mod changes;
mod cleanup;
mod local;
mod parameters;
mod queries;
mod restart;

pub use queries::leaves;

use std::ffi::OsString;

use cib_model::{Document, Element, schema};
use clap::{Arg, ArgMatches, Command};
use policy_engine::report::monitor::{Monitored, PrimitiveLine, monitor};
use policy_engine::report::status::Display;

use super::commands::{flag, given, last_given, long_flag, long_value, text, tool, value};
use super::exit;
use super::output::Output;
use super::source::{self, Failure, Source};

/// Commands; the last one given counts.
const COMMANDS: [&str; 38] = [
    "list",
    "list-raw",
    "list-operations",
    "list-all-operations",
    "locate",
    "query-xml",
    "query-xml-raw",
    "why",
    "constraints",
    "stack",
    "get-parameter",
    "set-parameter",
    "delete-parameter",
    "get-property",
    "set-property",
    "move",
    "ban",
    "clear",
    "cleanup",
    "refresh",
    "fail",
    "delete",
    "wait",
    "list-cts",
    "get-option",
    "list-standards",
    "list-ocf-providers",
    "list-agents",
    "list-ocf-alternatives",
    "show-metadata",
    "restart",
    "digests",
    "validate",
    "force-check",
    "force-stop",
    "force-start",
    "force-promote",
    "force-demote",
];

/// An option that may have a value.
fn level(id: &'static str, help: &'static str) -> Arg {
    Arg::new(id).long(id).num_args(0..=1).require_equals(true).value_name("LEVEL").help(help)
}

fn command() -> Command {
    tool("crm_resource", "Query and manage the cluster's resources")
        .arg(flag("list", 'L', "List all resources with their states"))
        .arg(flag("list-raw", 'l', "List the ids of all resources"))
        .arg(flag("list-cts", 'c', "Accepted for compatibility").hide(true))
        .arg(flag("list-operations", 'O', "List active operations"))
        .arg(flag("list-all-operations", 'o', "List all operations"))
        .arg(flag("locate", 'W', "Show where a resource runs"))
        .arg(flag("query-xml", 'q', "Show a resource's XML after expansion"))
        .arg(flag("query-xml-raw", 'w', "Show a resource's XML"))
        .arg(flag("why", 'Y', "Show why resources run or do not run"))
        .arg(flag("constraints", 'a', "Show the constraints that apply to a resource"))
        .arg(flag("stack", 'A', "Show the constraints of a resource and of those it depends on"))
        .arg(value("get-parameter", 'g', "Show a parameter"))
        .arg(value("set-parameter", 'p', "Set a parameter to --parameter-value"))
        .arg(value("delete-parameter", 'd', "Delete a parameter"))
        .arg(value("get-property", 'G', "Show a property"))
        .arg(value("set-property", 'S', "Set a property to --parameter-value"))
        .arg(long_value("get-option", "Accepted for compatibility").hide(true))
        .arg(flag("move", 'M', "Move a resource to --node, or away from where it runs"))
        .arg(flag("ban", 'B', "Keep a resource from a node"))
        .arg(flag("clear", 'U', "Take back what --move and --ban did"))
        .arg(flag("cleanup", 'C', "Forget failures, and look again"))
        .arg(flag("refresh", 'R', "Forget history, and look again"))
        .arg(flag("fail", 'F', "Take a resource for failed on --node"))
        .arg(flag("delete", 'D', "Delete a resource from the configuration"))
        .arg(long_flag("wait", "Wait until the cluster has settled"))
        .arg(value("resource", 'r', "The resource"))
        .arg(value("node", 'N', "The node").short_alias('H').alias("host-uname"))
        .arg(value("parameter-value", 'v', "Value for a parameter or property"))
        .arg(value("resource-type", 't', "Kind of the resource's element"))
        .arg(flag("meta", 'm', "Meta-attributes instead of parameters"))
        .arg(flag("utilization", 'z', "Utilization attributes instead of parameters"))
        .arg(long_flag("element", "Attributes of the element itself"))
        .arg(value("set-name", 's', "Id of the attribute set"))
        .arg(value("nvpair", 'i', "Id of the attribute"))
        .arg(value("lifetime", 'u', "How long the constraint lasts"))
        .arg(flag("promoted", 'P', "Only in the promoted role").visible_alias("master"))
        .arg(value("operation", 'n', "Only failures of this operation"))
        .arg(value("interval", 'I', "Only failures of the operation with this interval"))
        .arg(value("timeout", 'T', "Time to wait"))
        .arg(flag("force", 'f', "Do it, even if it is dangerous"))
        .arg(flag("quiet", 'Q', "Say less"))
        .arg(flag("expired", 'e', "With --clear: only what has ended"))
        .arg(long_flag("list-standards", "List the standards that agents follow"))
        .arg(long_flag("list-ocf-providers", "List the providers of OCF agents"))
        .arg(long_value("list-agents", "List the agents of a standard, or of ocf:PROVIDER"))
        .arg(long_value("list-ocf-alternatives", "List the providers of an OCF agent"))
        .arg(long_value("show-metadata", "Show what an agent says about itself"))
        .arg(long_flag("restart", "Restart a resource and what depends on it"))
        .arg(long_flag("digests", "Show digests of a resource's parameters on --node"))
        .arg(level("validate", "Check a resource's parameters with its agent"))
        .arg(level("force-check", "Run a resource's agent here: is it active?"))
        .arg(long_flag("force-stop", "Run a resource's agent here: stop it"))
        .arg(long_flag("force-start", "Run a resource's agent here: start it"))
        .arg(long_flag("force-promote", "Run a resource's agent here: promote it"))
        .arg(long_flag("force-demote", "Run a resource's agent here: demote it"))
        .arg(long_value("class", "With --validate: standard of the agent"))
        .arg(long_value("provider", "With --validate: provider of the agent"))
        .arg(long_value("agent", "With --validate: the agent"))
        .arg(long_value("option", "With --validate: parameter, NAME=VALUE"))
        .arg(Arg::new("overrides").num_args(0..).value_name("NAME=VALUE").hide(true))
        .arg(long_flag("recursive", "With meta-attributes: of what is below, too"))
}

/// Runs it.
pub fn run(arguments: &[OsString]) -> u8 {
    let (matches, mut out) = match Output::begin(command(), arguments) {
        Ok(begun) => begun,
        Err(code) => return code,
    };
    out.quiet = given(&matches, "quiet");
    let code = execute(&matches, &mut out);
    out.finish(code)
}

/// What the tool works with.
struct Work {
    source: Source,
    cib: Document,
    /// The same in the current schema.
    current: Document,
    seen: Monitored,
    /// Lines of primitives without the node.
    bare: Vec<PrimitiveLine>,
}

/// The CIB as it is, in the current schema, as it looks, and with lines of primitives without the node.
fn look(
    source: &mut Source,
) -> Result<(Document, Document, Monitored, Vec<PrimitiveLine>), Failure> {
    let cib = source.whole()?;
    let mut current = cib.clone();
    if schema::upgrade(&mut current).is_err() {
        return Err(Failure { code: -203, output: None });
    }
    let display = Display { inactive: true, rsc_only: true, ..Display::monitor() };
    let alone = monitor(&current, source::now(), &display);
    let full = monitor(&current, source::now(), &Display { rsc_only: false, ..display });
    Ok((cib, current, Monitored { sections: alone.sections, ..full }, alone.lines))
}

impl Work {
    fn begin() -> Result<Work, Failure> {
        let mut source = Source::open("crm_resource")?;
        let (cib, current, seen, bare) = look(&mut source)?;
        Ok(Work { source, cib, current, seen, bare })
    }

    /// Looks again.
    fn refresh(&mut self) -> Result<(), Failure> {
        (self.cib, self.current, self.seen, self.bare) = look(&mut self.source)?;
        Ok(())
    }

    /// Whether a resource is active anywhere.
    fn primitives_active(&self, name: &str) -> bool {
        queries::primitives(self, name).iter().any(|primitive| primitive.active)
    }

    /// The element of a resource, by its id or the name of an instance.
    fn element(&self, name: &str) -> Option<Element<'_>> {
        let resources = self.cib.root().child("configuration")?.child("resources")?;
        let base = name.split(':').next().unwrap_or(name);
        let kinds = ["primitive", "group", "clone", "master", "bundle"];
        let is_resource = |e: &Element<'_>| kinds.contains(&e.name());
        resources.descendants().filter(is_resource).find(|e| e.xml_id() == Some(base))
    }

    /// The outermost resource that contains one.
    fn top(&self, name: &str) -> Option<Element<'_>> {
        let mut element = self.element(name)?;
        while let Some(parent) = element.parent().filter(|parent| parent.name() != "resources") {
            element = parent;
        }
        Some(element)
    }

    /// Primitives that are the resource or in it.
    fn primitives<'w>(&self, lines: &'w [PrimitiveLine], name: &str) -> Vec<&'w PrimitiveLine> {
        let is_in = |line: &&PrimitiveLine| {
            line.id == name || line.within.iter().any(|outer| outer == name)
        };
        lines.iter().filter(is_in).collect()
    }
}

fn failed(out: &mut Output, text: &str, code: u8) -> u8 {
    out.error(format!("crm_resource: Error performing operation: {text}"));
    code
}

fn execute(matches: &ArgMatches, out: &mut Output) -> u8 {
    let command = last_given(matches, &COMMANDS).unwrap_or("list");
    let others: Vec<&String> = matches.get_many("overrides").into_iter().flatten().collect();
    if !others.is_empty() && command != "digests" {
        out.error("crm_resource: non-option ARGV-elements:");
        for (index, other) in others.iter().enumerate() {
            out.error(format!("[{} of {}] {other}", index + 1, others.len()));
        }
        return exit::USAGE;
    }
    let subject = text(matches, command).unwrap_or_default();
    match command {
        "list-standards" => return agents::standards(out),
        "list-ocf-providers" => return agents::providers(out),
        "list-agents" => return agents::agents(subject, out),
        "list-ocf-alternatives" => return agents::alternatives(subject, out),
        "show-metadata" => return agents::metadata(subject, out),
        "validate" if ["class", "agent", "provider"].iter().any(|o| given(matches, o)) => {
            return local::validate(matches, out);
        }
        _ => {}
    }
    let mut work = match Work::begin() {
        Ok(work) => work,
        Err(failure) => {
            out.error(format!("crm_resource: Could not connect to the CIB: {}", failure.text()));
            out.error(format!("Error performing operation: {}", exit::text(failure.exit())));
            return failure.exit();
        }
    };
    let resource = text(matches, "resource");
    if let Some(name) = resource
        && command != "delete"
        && work.element(name).is_none()
        && work.primitives(&work.seen.lines, name).is_empty()
    {
        out.error(format!("crm_resource: Resource '{name}' not found"));
        out.error(format!("Error performing operation: {}", exit::text(exit::NO_SUCH)));
        return exit::NO_SUCH;
    }
    let optional = [
        "list",
        "list-raw",
        "list-operations",
        "list-all-operations",
        "why",
        "cleanup",
        "refresh",
        "wait",
    ];
    let code = match (command, resource) {
        ("list", _) => queries::list(&work, out),
        ("list-raw" | "list-cts", _) => queries::list_raw(&work, out),
        ("list-operations", _) => queries::operations(&work, matches, true, out),
        ("list-all-operations", _) => queries::operations(&work, matches, false, out),
        ("why", resource) => queries::why(&work, resource, text(matches, "node"), out),
        ("wait", _) => cleanup::wait(&mut work, matches, out),
        ("cleanup" | "refresh", resource) => {
            cleanup::run(&mut work, matches, command, resource, out)
        }
        (other, None) if !optional.contains(&other) => {
            out.error("crm_resource: Must supply a resource id with -r");
            exit::USAGE
        }
        ("locate", Some(resource)) => queries::locate(&work, resource, out),
        ("query-xml" | "query-xml-raw", Some(resource)) => {
            queries::configuration(&work, resource, out)
        }
        ("constraints", Some(resource)) => queries::constraints(&work, resource, false, out),
        ("stack", Some(resource)) => queries::constraints(&work, resource, true, out),
        ("get-parameter", Some(resource)) => parameters::get(&work, matches, resource, out),
        ("set-parameter", Some(resource)) => parameters::set(&mut work, matches, resource, out),
        ("delete-parameter", Some(resource)) => {
            parameters::delete(&mut work, matches, resource, out)
        }
        ("get-property", Some(resource)) => parameters::get_property(&work, matches, resource, out),
        ("set-property", Some(resource)) => {
            parameters::set_property(&mut work, matches, resource, out)
        }
        ("restart", Some(resource)) => restart::run(&mut work, matches, resource, out),
        ("digests", Some(resource)) => queries::digests_of(&work, matches, resource, out),
        (
            "validate" | "force-check" | "force-stop" | "force-start" | "force-promote"
            | "force-demote",
            Some(resource),
        ) => local::run(&work, matches, command, resource, out),
        ("move", Some(resource)) => changes::relocate(&mut work, matches, resource, out),
        ("ban", Some(resource)) => changes::ban(&mut work, matches, resource, out),
        ("clear", Some(resource)) => changes::clear(&mut work, matches, resource, out),
        ("fail", Some(resource)) => cleanup::fail(&work, matches, resource, out),
        ("delete", Some(resource)) => changes::delete(&mut work, matches, resource, out),
        (other, _) => failed(out, &format!("--{other} is not available here"), exit::UNSUPPORTED),
    };
    if let Err(error) = work.source.close() {
        out.error(format!("crm_resource: {error}"));
        return exit::ERROR;
    }
    code
}
