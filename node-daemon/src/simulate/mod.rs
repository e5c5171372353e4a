//! `simulate`: the front end of the offline simulator (spec 40 §2).

mod arguments;
pub mod input;
mod machine;
mod profile;

pub use arguments::{Arguments, Format};

use cib_model::{DateTime, Document};
use clap::Parser;
use input::{InputError, cause};
use policy_engine::Options;
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

/// How a run speaks of itself.
#[derive(Debug, Clone, Copy)]
pub struct Voice {
    /// Name in messages.
    pub tool: &'static str,
    /// Silent about whatever the classic tool is silent about.
    pub classic: bool,
}

/// Runs as `crm_simulate`, which ignores arguments that are no options.
pub fn main_as_tool(args: Vec<OsString>) -> ExitCode {
    #[derive(Parser)]
    #[command(name = "crm_simulate", version, disable_version_flag = true, about = arguments::ABOUT)]
    struct Tool {
        #[command(flatten)]
        arguments: Arguments,
        /// Print version
        #[arg(long, action = clap::ArgAction::Version)]
        version: Option<bool>,
        #[arg(hide = true)]
        ignored: Vec<OsString>,
    }
    match Tool::try_parse_from(args) {
        Ok(tool) => {
            let arguments = Arguments { input: None, ..tool.arguments };
            start(Voice { tool: "crm_simulate", classic: true }, &arguments)
        }
        Err(error) => {
            let code = if error.use_stderr() { exit::USAGE } else { 0 };
            let _ = error.print();
            ExitCode::from(code)
        }
    }
}

/// Now, with the local offset from UTC.
pub fn now() -> DateTime {
    let now = jiff::Zoned::now();
    DateTime::from_epoch(now.timestamp().as_second(), now.offset().seconds())
}

/// Runs with arguments; `tool` is the name in messages.
pub fn run(tool: &'static str, arguments: Arguments) -> ExitCode {
    start(Voice { tool, classic: false }, &arguments)
}

fn start(voice: Voice, arguments: &Arguments) -> ExitCode {
    match execute(voice, arguments) {
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

impl Voice {
    /// A failure that the classic tool shows by its exit code only.
    fn quietly(self, code: u8, text: String) -> Failure {
        Failure { code, text: (!self.classic).then_some(text) }
    }

    fn input(self, error: InputError) -> Failure {
        Failure { code: error.exit_code(), text: error.text(self) }
    }
}

fn execute(voice: Voice, arguments: &Arguments) -> Result<u8, Failure> {
    let tool = voice.tool;
    if arguments.input.is_some() && arguments.xml_file.is_some() {
        let text = format!("{tool}: Two inputs: name the CIB once, with or without --xml-file");
        return Err(Failure::new(exit::USAGE, text));
    }
    if let Some(directory) = &arguments.profile {
        return profile::run(voice, directory, arguments.repeat, now())
            .map_err(|text| voice.quietly(exit::NO_SUCH, text));
    }
    let date = match &arguments.set_datetime {
        None => None,
        Some(text) => match DateTime::parse(text, now()) {
            Ok(date) => Some((text.clone(), date)),
            // The classic tool goes by the clock then.
            Err(_) if voice.classic => None,
            Err(error) => {
                let text = format!("{tool}: Invalid value for --set-datetime: {error}");
                return Err(Failure::new(exit::USAGE, text));
            }
        },
    };
    let failure = |error| voice.input(error);
    let mut warn = |line: &str| eprintln!("{line}");
    let document = if arguments.live() {
        let document = input::read_live(voice).map_err(failure)?;
        input::complete(voice, document, &mut warn).map_err(failure)?
    } else {
        let text = input::read(voice, arguments.file()).map_err(failure)?;
        input::prepare(voice, &text, &mut warn).map_err(failure)?
    };
    let request = request(arguments, date);
    if !arguments.explain.is_empty() {
        return explain(tool, arguments, document, &request);
    }
    let report = policy_engine::simulate::run(document, &request);
    let finished = finish(voice, arguments, &report);
    // The process ends now: taking a large report apart would be a waste of time.
    std::mem::forget(report);
    finished
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
        sanitized: !a.live(),
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

/// Prints explanations of the plan that follows the synthetic events, and nothing else.
fn explain(
    tool: &str,
    a: &Arguments,
    document: Document,
    request: &Request,
) -> Result<u8, Failure> {
    let inject = Request { run: false, simulate: false, quiet: true, ..request.clone() };
    let report = policy_engine::simulate::run(document, &inject);
    for line in &report.errors {
        eprintln!("{line}");
    }
    if let End::Inconsistent(text) = report.end {
        return Err(Failure::new(exit::SOFTWARE, format!("{tool}: {text}")));
    }
    let Some(document) = report.artifacts.input else {
        return Ok(0);
    };
    let options = Options { explain: true, sanitized: request.sanitized, ..Options::default() };
    let plan = policy_engine::plan(&document, request.evaluation_time(&document), &options);
    let mut out = String::new();
    for id in &a.explain {
        let answer = plan
            .explain(id)
            .map_err(|error| Failure::new(exit::NO_SUCH, format!("{tool}: {error}")))?;
        if !out.is_empty() {
            out.push('\n');
        }
        match a.output_as {
            Format::Json => {
                let json = serde_json::to_string_pretty(&answer)
                    .map_err(|error| Failure::new(exit::ERROR, format!("{tool}: {error}")))?;
                out.push_str(&json);
                out.push('\n');
            }
            _ => out.push_str(&answer.to_string()),
        }
    }
    let destination = a.output_to.as_deref().unwrap_or(Path::new("-"));
    write_file(destination, &out).map_err(|reason| {
        let text = format!("{tool}: Could not write '{}': {reason}", destination.display());
        Failure::new(exit::CANNOT_CREATE, text)
    })?;
    Ok(0)
}

/// Writes what was asked for, then everything printed.
fn finish(voice: Voice, a: &Arguments, report: &SimulationReport) -> Result<u8, Failure> {
    let tool = voice.tool;
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
            format!("{tool}: Could not write '{}': {}", destination.display(), cause(&reason)),
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
            let text = format!("{tool}: Could not create '{}': {}", path.display(), cause(&reason));
            Failure::new(code, text)
        })
    };
    if let (Some(path), Some(document)) = (&a.save_input, &saved.input) {
        create(path, document.to_xml())?;
    }
    let in_place = if a.in_place { a.file() } else { None };
    if let (Some(path), Some(document)) = (in_place.or(a.save_output.as_deref()), &saved.output) {
        create(path, document.to_xml())?;
    }
    let artifact = |path: &Path, content: &str| {
        write_file(path, content).map_err(|reason| {
            let text = format!("{tool}: Could not write '{}': {}", path.display(), cause(&reason));
            voice.quietly(exit::IO, text)
        })
    };
    if let (Some(path), Some(transition)) = (&a.save_graph, &saved.transition) {
        artifact(path, &transition.to_xml())?;
    }
    if let (Some(path), Some(dot)) = (&a.save_dotfile, &saved.dot) {
        artifact(path, dot)?;
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
