//! `simulate`: the front end of the offline simulator (spec 40 §2).

mod arguments;
mod input;
mod machine;
mod profile;

pub use arguments::{Arguments, Format};

use cib_model::DateTime;
use clap::Parser;
use input::InputError;
use policy_engine::simulate::{End, Injections, Request, SimulationReport};
use std::ffi::OsString;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

/// Exit codes of the classic tools (spec 40 §2.8).
mod exit {
    pub const ERROR: u8 = 1;
    pub const USAGE: u8 = 64;
    pub const SOFTWARE: u8 = 70;
    pub const CANNOT_CREATE: u8 = 73;
    pub const IO: u8 = 74;
    pub const NO_SUCH: u8 = 105;
}

/// Runs as `crm_simulate`.
pub fn main_as_tool(args: Vec<OsString>) -> ExitCode {
    #[derive(Parser)]
    #[command(name = "crm_simulate", version, about = arguments::ABOUT)]
    struct Tool {
        #[command(flatten)]
        arguments: Arguments,
    }
    match Tool::try_parse_from(args) {
        Ok(tool) => run("crm_simulate", tool.arguments),
        Err(error) => {
            let code = if error.use_stderr() { exit::USAGE } else { 0 };
            let _ = error.print();
            ExitCode::from(code)
        }
    }
}

/// Now, with the local offset from UTC.
fn now() -> DateTime {
    let now = jiff::Zoned::now();
    DateTime::from_epoch(now.timestamp().as_second(), now.offset().seconds())
}

/// Runs with arguments; `tool` is the name in messages.
pub fn run(tool: &str, arguments: Arguments) -> ExitCode {
    match execute(tool, &arguments) {
        Ok(code) => ExitCode::from(code),
        Err(failure) => {
            if let Some(text) = failure.text {
                eprintln!("{text}");
            }
            ExitCode::from(failure.code)
        }
    }
}

/// What ends a run early.
struct Failure {
    code: u8,
    text: Option<String>,
}

impl Failure {
    fn new(code: u8, text: impl Into<String>) -> Failure {
        Failure { code, text: Some(text.into()) }
    }
}

impl From<InputError> for Failure {
    fn from(error: InputError) -> Failure {
        Failure { code: error.exit_code(), text: error.text() }
    }
}

fn execute(tool: &str, arguments: &Arguments) -> Result<u8, Failure> {
    if let Some(directory) = &arguments.profile {
        return profile::run(tool, directory, arguments.repeat, now())
            .map_err(|text| Failure::new(exit::NO_SUCH, text));
    }
    let date = match &arguments.set_datetime {
        None => None,
        Some(text) => {
            let read = DateTime::parse(text, now()).map_err(|error| {
                Failure::new(
                    exit::USAGE,
                    format!("{tool}: Invalid value for --set-datetime: {error}"),
                )
            })?;
            Some((text.clone(), read))
        }
    };
    let text = input::read(tool, arguments.file())?;
    let document = input::prepare(tool, &text, &mut |line| eprintln!("{line}"))?;
    let request = request(arguments, date);
    let report = policy_engine::simulate::run(document, &request);
    finish(tool, arguments, &report)
}

fn request(a: &Arguments, date: Option<(String, DateTime)>) -> Request {
    Request {
        run: a.run || a.save_graph.is_some() || a.save_dotfile.is_some(),
        simulate: a.simulate || a.in_place || !a.op_fail.is_empty() || a.is_bare(),
        show_attributes: a.show_attrs,
        show_failcounts: a.show_failcounts,
        show_scores: a.show_scores,
        show_utilization: a.show_utilization,
        quiet: a.quiet,
        dot: a.save_dotfile.is_some(),
        all_actions: a.all_actions,
        dot_numbers: a.verbose > 0,
        sanitized: true,
        date,
        now: Some(now()),
        injections: Injections {
            quorum: a.quorum.clone(),
            watchdog: a.watchdog.clone(),
            node_up: a.node_up.clone(),
            node_down: a.node_down.clone(),
            node_fail: a.node_fail.clone(),
            ticket_grant: a.ticket_grant.clone(),
            ticket_revoke: a.ticket_revoke.clone(),
            ticket_standby: a.ticket_standby.clone(),
            ticket_activate: a.ticket_activate.clone(),
            operations: a.op_inject.clone(),
        },
        op_fail: a.op_fail.clone(),
        data: matches!(a.output_as, Format::Xml | Format::Json),
    }
}

/// Writes what was asked for, then everything printed.
fn finish(tool: &str, a: &Arguments, report: &SimulationReport) -> Result<u8, Failure> {
    let text = match a.output_as {
        Format::Text => report.text.clone(),
        Format::Xml => machine::xml(tool, a, report),
        Format::Json => machine::json(report),
        Format::None => String::new(),
    };
    let destination = a.output_to.as_deref().unwrap_or(Path::new("-"));
    write_file(destination, &text).map_err(|reason| {
        Failure::new(
            exit::CANNOT_CREATE,
            format!("{tool}: Could not write '{}': {reason}", destination.display()),
        )
    })?;
    for line in &report.errors {
        eprintln!("{line}");
    }
    let saved = &report.artifacts;
    let create = |path: &Path, content: String| {
        write_file(path, &content).map_err(|reason| {
            let code = if reason.kind() == std::io::ErrorKind::NotFound {
                exit::NO_SUCH
            } else {
                exit::CANNOT_CREATE
            };
            Failure::new(code, format!("{tool}: Could not create '{}': {reason}", path.display()))
        })
    };
    if let (Some(path), Some(document)) = (&a.save_input, &saved.input) {
        create(path, document.to_xml())?;
    }
    let in_place = if a.in_place { a.file() } else { None };
    if let (Some(path), Some(document)) = (in_place.or(a.save_output.as_deref()), &saved.output) {
        create(path, document.to_xml())?;
    }
    let artifact = |path: &Path, content: String| {
        write_file(path, &content).map_err(|reason| {
            Failure::new(
                exit::IO,
                format!("{tool}: Could not write '{}': {reason}", path.display()),
            )
        })
    };
    if let (Some(path), Some(transition)) = (&a.save_graph, &saved.transition) {
        artifact(path, transition.to_xml())?;
    }
    if let (Some(path), Some(dot)) = (&a.save_dotfile, &saved.dot) {
        artifact(path, dot.clone())?;
    }
    match &report.end {
        End::Ok => Ok(0),
        End::InvalidTransition => Ok(exit::ERROR),
        End::Inconsistent(text) => Err(Failure::new(exit::SOFTWARE, format!("{tool}: {text}"))),
    }
}

/// Writes a file; `-` is standard output.
fn write_file(path: &Path, content: &str) -> std::io::Result<()> {
    if path == Path::new("-") {
        return std::io::stdout().write_all(content.as_bytes());
    }
    std::fs::write(path, content)
}
