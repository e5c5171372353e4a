//! `cibadmin`: looks at and changes the CIB (spec 51 §12.1).

use std::ffi::OsString;
use std::path::Path;

use cib_model::operation::{CallOptions, Operation, SECTIONS, empty_cib};
use cib_model::schema::Schema;
use cib_model::{Document, digest, validate};
use clap::{Arg, ArgAction, ArgMatches, Command};

use super::access_view::{View, show};
use super::commands::{flag, given, last_given, long_value, text, tool, value};
use super::exit;
use super::output::Output;
use super::source::{self, Call, Failure, Source};

const COMMANDS: [&str; 13] = [
    "query",
    "create",
    "modify",
    "replace",
    "delete",
    "delete-all",
    "erase",
    "bump",
    "patch",
    "upgrade",
    "empty",
    "md5-sum",
    "md5-sum-versioned",
];

fn command() -> Command {
    tool("cibadmin", "Query and edit the cluster configuration")
        .arg(flag("query", 'Q', "Show the contents of the CIB"))
        .arg(flag("create", 'C', "Add an object; it must not be there yet"))
        .arg(flag("modify", 'M', "Change an object; it must be there"))
        .arg(flag("replace", 'R', "Replace an object"))
        .arg(flag("delete", 'D', "Delete the first object that matches"))
        .arg(flag("delete-all", 'd', "Delete all objects that match --xpath"))
        .arg(flag("erase", 'E', "Erase the whole CIB"))
        .arg(flag("bump", 'B', "Raise the CIB's epoch by 1"))
        .arg(flag("patch", 'P', "Apply a patch"))
        .arg(flag("upgrade", 'u', "Bring the CIB to the latest schema"))
        .arg(
            Arg::new("empty")
                .long("empty")
                .short('a')
                .num_args(0..=1)
                .action(ArgAction::Append)
                .value_name("SCHEMA")
                .help("Print an empty CIB"),
        )
        .arg(flag("md5-sum", '5', "Print the digest of a CIB on disk"))
        .arg(flag("md5-sum-versioned", '6', "Print the digest of a CIB on the wire"))
        .arg(value("xml-file", 'x', "Read XML from a file"))
        .arg(value("xml-text", 'X', "XML as an argument"))
        .arg(flag("xml-pipe", 'p', "Read XML from standard input"))
        .arg(value("scope", 'o', "Section to work on"))
        .arg(value("xpath", 'A', "XPath expression to work on"))
        .arg(flag("force", 'f', "Do it, even if it is dangerous"))
        .arg(flag("allow-create", 'c', "With --modify: create what is not there"))
        .arg(flag("no-children", 'n', "With --query: leave out what is below"))
        .arg(flag("node-path", 'e', "With --query --xpath: print paths of matches"))
        .arg(
            Arg::new("show-access")
                .long("show-access")
                .short('S')
                .num_args(0..=1)
                .action(ArgAction::Append)
                .value_name("VIEW")
                .help("With --query --user: show access as color, text, namespace or auto"),
        )
        .arg(value("timeout", 't', "Seconds to wait"))
        .arg(value("user", 'U', "Act as this user"))
        .arg(flag("sync-call", 's', "Wait for the call to complete (always so)").hide(true))
        .arg(flag("local", 'l', "Ask this node only (always so)").hide(true))
        .arg(long_value("node", "Ask another node").short('N').hide(true))
        .arg(flag("quiet", 'q', "Say less").hide(true))
}

/// Runs it.
pub fn run(arguments: &[OsString]) -> u8 {
    let (matches, mut out) = match Output::begin(command(), arguments) {
        Ok(begun) => begun,
        Err(code) => return code,
    };
    let code = execute(&matches, &mut out);
    out.finish(code)
}

fn execute(matches: &ArgMatches, out: &mut Output) -> u8 {
    let command = last_given(matches, &COMMANDS).unwrap_or("query");
    if matches!(command, "delete-all" | "erase" | "upgrade") && !given(matches, "force") {
        out.error(
            "The supplied command is considered dangerous.  To prevent accidental destruction of the \
             cluster, the --force flag is required in order to proceed.",
        );
        return exit::UNSAFE;
    }
    if command == "empty" {
        return print_empty(matches, out);
    }
    let xpath =
        given(matches, "xpath") && last_given(matches, &["scope", "xpath"]) == Some("xpath");
    let data = match input(matches, out) {
        Ok(data) => data,
        Err(code) => return code,
    };
    let needs = matches!(
        command,
        "create" | "modify" | "replace" | "patch" | "md5-sum" | "md5-sum-versioned"
    );
    if data.is_none() && (needs || command == "delete" && !xpath) {
        let or = if command == "delete" { "either --xpath or " } else { "" };
        out.error(format!(
            "The supplied command requires {or}input via --xml-file, --xml-text, or --xml-pipe"
        ));
        return exit::USAGE;
    }
    match (command, &data) {
        ("md5-sum", Some(data)) => return print_digest(out, None, &digest::on_disk(data.root())),
        ("md5-sum-versioned", Some(data)) => {
            let version = data.root().attribute("crm_feature_set").unwrap_or_default().to_owned();
            return print_digest(out, Some(version), &digest::on_wire(data.root()));
        }
        _ => {}
    }
    if command == "query" && given(matches, "show-access") {
        return show_access(matches, xpath, out);
    }
    call(matches, command, xpath, data, out)
}

/// Shows what a user may do with what is queried.
fn show_access(matches: &ArgMatches, xpath: bool, out: &mut Output) -> u8 {
    let Some(user) = text(matches, "user") else {
        out.error("The supplied command requires -U user specified.");
        return exit::USAGE;
    };
    let name = text(matches, "show-access").unwrap_or_default();
    let Some(view) = View::from_name(name) else {
        out.error(format!("Unrecognized value for --show-access: \"={name}\""));
        return exit::USAGE;
    };
    let section = if xpath { text(matches, "xpath") } else { scope(matches, "query", out) };
    let options = if xpath { CallOptions::XPATH.0 } else { 0 };
    let asked = Source::open("cibadmin").and_then(|mut source| {
        let part = source.call(Operation::Query, &Call { section, options, data: None })?;
        Ok((source.whole()?, part))
    });
    let (cib, part) = match asked {
        Ok((cib, part)) => (cib, part.unwrap_or_else(|| Document::new("cib"))),
        Err(failure) => {
            out.error(format!("Call failed: {}", failure.text()));
            return failure.exit();
        }
    };
    match show(&cib, &part, user, view) {
        Some(text) => {
            out.document(&text);
            exit::OK
        }
        None => {
            out.error(format!(
                "Could not evaluate access per request ({user}, error: Already in requested state)"
            ));
            exit::CONFIGURATION
        }
    }
}

fn call(
    matches: &ArgMatches,
    command: &str,
    xpath: bool,
    mut data: Option<Document>,
    out: &mut Output,
) -> u8 {
    let mut options = 0;
    let mut set = |on: bool, option: CallOptions| {
        if on {
            options |= option.0;
        }
    };
    set(xpath, CallOptions::XPATH);
    set(command == "delete-all", CallOptions::MULTIPLE);
    set(command == "modify", CallOptions::SCORE_UPDATE);
    set(given(matches, "allow-create"), CallOptions::CAN_CREATE);
    set(given(matches, "no-children"), CallOptions::NO_CHILDREN);
    set(given(matches, "node-path"), CallOptions::XPATH_ADDRESS);
    let section = if xpath { text(matches, "xpath") } else { scope(matches, command, out) };
    if let Some(document) =
        data.as_mut().filter(|data| command == "replace" && data.root().name() == "cib")
        && document.root().child("status").is_none()
    {
        let root = document.root_id();
        document.append_element(root, "status");
    }
    let operation = match command {
        "create" => Operation::Create,
        "modify" => Operation::Modify,
        "replace" => Operation::Replace,
        "delete" | "delete-all" => Operation::Delete,
        "erase" => Operation::Erase,
        "bump" => Operation::Bump,
        "patch" => Operation::ApplyPatch,
        "upgrade" => Operation::Upgrade,
        _ => Operation::Query,
    };
    let mut source = match Source::open("cibadmin") {
        Ok(source) => source,
        Err(failure) => {
            out.error(format!("Could not connect to the CIB: {}", failure.text()));
            out.error("Init failed, could not perform requested operations");
            return failure.exit();
        }
    };
    source.act_for(text(matches, "user"));
    let result = source.call(operation, &Call { section, options, data });
    let code = report(command, result, out);
    if let Err(error) = source.close() {
        out.error(format!("cibadmin: {error}"));
        return exit::ERROR;
    }
    code
}

fn report(command: &str, result: Result<Option<Document>, Failure>, out: &mut Output) -> u8 {
    match result {
        Ok(output) => {
            if let Some(output) = output {
                print(&output, out);
            }
            exit::OK
        }
        Err(failure) if command == "upgrade" && failure.code == -211 => {
            out.line("Upgrade unnecessary: Schema is already the latest available");
            exit::OK
        }
        Err(failure) => {
            out.error(format!("Call failed: {}", failure.text()));
            if let Some(output) = &failure.output {
                if failure.code == -203 {
                    explain(output);
                }
                print(output, out);
            }
            failure.exit()
        }
    }
}

/// Paths of matches are text; everything else is XML.
fn print(output: &Document, out: &mut Output) {
    let root = output.root();
    let paths: Option<Vec<&str>> = match root.name() {
        "xpath-query" => {
            let is_path = |e: &cib_model::Element<'_>| e.name() == "xpath-query-path";
            let all = root.children().all(|e| is_path(&e));
            all.then(|| root.children().filter_map(|e| e.attribute("id")).collect())
        }
        _ => None,
    };
    match paths {
        Some(paths) if !paths.is_empty() => {
            for path in paths {
                out.line(path);
            }
        }
        _ => out.document(&output.to_xml()),
    }
}

/// What a rejected configuration does wrong.
fn explain(document: &Document) {
    if let Ok(schema) = cib_model::schema::claimed(document) {
        for finding in validate::validate(document, schema) {
            eprintln!("{finding}");
        }
    }
}

fn scope<'m>(matches: &'m ArgMatches, command: &str, out: &mut Output) -> Option<&'m str> {
    let scope = text(matches, "scope")?;
    let known =
        SECTIONS.contains(&scope) || matches!(scope, "cib" | "all" | "status" | "configuration");
    if !known {
        out.error(format!(
            "Invalid value '{scope}' for '--scope'. Operation will apply to the entire CIB."
        ));
        return (command == "query").then_some(scope);
    }
    Some(scope)
}

fn input(matches: &ArgMatches, out: &mut Output) -> Result<Option<Document>, u8> {
    let (bytes, from) = if let Some(path) = text(matches, "xml-file") {
        let bytes = source::read(Path::new(path)).map_err(|error| {
            out.error(format!("Couldn't parse input file: {path}: {error}"));
            exit::DATA
        })?;
        (bytes, format!("input file: {path}"))
    } else if let Some(text) = text(matches, "xml-text") {
        (text.as_bytes().to_vec(), format!("input string: {text}"))
    } else if given(matches, "xml-pipe") {
        let bytes = source::read(Path::new("-")).map_err(|_| exit::DATA)?;
        (bytes, "input from STDIN.".to_owned())
    } else {
        return Ok(None);
    };
    match Document::parse_bytes(&bytes) {
        Ok(document) => Ok(Some(document)),
        Err(error) => {
            eprintln!("{error}");
            out.error(format!("Couldn't parse {from}"));
            Err(exit::DATA)
        }
    }
}

fn print_empty(matches: &ArgMatches, out: &mut Output) -> u8 {
    let schema = match text(matches, "empty") {
        None => Some(Schema::NEWEST),
        Some(name) => Schema::ALL.iter().find(|schema| schema.name() == name).copied(),
    };
    let Some(schema) = schema else {
        out.error("cibadmin: no such schema");
        return exit::CONFIGURATION;
    };
    let document = empty_cib(schema, policy_engine::transition::FEATURE_SET, 1);
    out.document(&document.to_xml());
    exit::OK
}

fn print_digest(out: &mut Output, version: Option<String>, digest: &str) -> u8 {
    if out.is_xml() {
        let mut element = Document::new("md5-sum");
        let root = element.root_id();
        element.set_attribute(root, "digest", digest);
        out.element(element.root());
    } else {
        match version {
            Some(version) => eprint!("Versioned ({version}) digest: "),
            None => eprint!("Digest: "),
        }
        out.line(digest);
    }
    exit::OK
}
