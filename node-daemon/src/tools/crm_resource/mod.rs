//! `crm_resource`: resources, where they run, and where they shall run (spec 41 §10.2, 62 §9.9).

mod changes;
mod cleanup;
mod parameters;
mod queries;

pub use queries::leaves;

use std::ffi::OsString;

use cib_model::{Document, Element, schema};
use clap::{ArgMatches, Command};
use policy_engine::report::monitor::{Monitored, PrimitiveLine, monitor};
use policy_engine::report::status::Display;

use super::commands::{self, flag, given, last_given, long_flag, text, tool, value};
use super::exit;
use super::output::Output;
use super::source::{self, Failure, Source};

/// Commands; the last one given counts.
const COMMANDS: [&str; 25] = [
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
];

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
        .arg(commands::long_value("get-option", "Accepted for compatibility").hide(true))
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
        .arg(commands::long_flag("element", "Attributes of the element itself"))
        .arg(value("set-name", 's', "Id of the attribute set"))
        .arg(value("nvpair", 'i', "Id of the attribute"))
        .arg(value("lifetime", 'u', "How long the constraint lasts"))
        .arg(flag("promoted", 'P', "Only in the promoted role").visible_alias("master"))
        .arg(value("operation", 'n', "Only failures of this operation"))
        .arg(value("interval", 'I', "Only failures of the operation with this interval"))
        .arg(value("timeout", 'T', "Time to wait"))
        .arg(flag("force", 'f', "Do it, even if it is dangerous"))
        .arg(flag("quiet", 'Q', "Say less"))
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
    seen: Monitored,
    /// Lines of primitives without the node.
    bare: Vec<PrimitiveLine>,
}

impl Work {
    fn begin() -> Result<Work, Failure> {
        let mut source = Source::open("crm_resource")?;
        let cib = source.whole()?;
        let mut current = cib.clone();
        if schema::upgrade(&mut current).is_err() {
            return Err(Failure { code: -203, output: None });
        }
        let display = Display { inactive: true, rsc_only: true, ..Display::monitor() };
        let alone = monitor(&current, source::now(), &display);
        let full = monitor(&current, source::now(), &Display { rsc_only: false, ..display });
        Ok(Work {
            source,
            cib,
            bare: alone.lines,
            seen: Monitored { sections: alone.sections, ..full },
        })
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
