//! `crm_verify`: checks a configuration (spec 41 §10.1).

use std::ffi::OsString;
use std::path::Path;

use cib_model::{Document, schema, validate};
use clap::{ArgMatches, Command};
use policy_engine::report::monitor::monitor;
use policy_engine::report::status::Display;
use policy_engine::{Level, Message, Options, plan};

use super::commands::{flag, given, text, tool, value};
use super::exit;
use super::output::Output;
use super::source::{self, Source};

fn command() -> Command {
    tool("crm_verify", "Check a configuration for errors")
        .arg(flag("live-check", 'L', "Check the running cluster's configuration"))
        .arg(value("xml-file", 'x', "Check the configuration in a file"))
        .arg(flag("xml-pipe", 'p', "Check the configuration on standard input"))
        .arg(value("xml-text", 'X', "Check the configuration in the argument"))
        .arg(value("save-xml", 'S', "Save what was checked to a file"))
        .arg(flag("quiet", 'q', "Say less"))
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

fn input(matches: &ArgMatches, out: &mut Output) -> Result<Document, u8> {
    let unparsable = |out: &mut Output| {
        out.error("crm_verify: Verification failed: Unable to parse CIB XML");
        exit::CONFIGURATION
    };
    let bytes = if given(matches, "live-check") {
        let whole = Source::open("crm_verify").and_then(|mut source| source.whole());
        return whole.map_err(|failure| {
            out.error(format!("crm_verify: CIB query failed: {}", failure.text()));
            failure.exit()
        });
    } else if let Some(path) = text(matches, "xml-file") {
        source::read(Path::new(path)).map_err(|_| unparsable(out))?
    } else if given(matches, "xml-pipe") {
        source::read(Path::new("-")).map_err(|_| unparsable(out))?
    } else if let Some(text) = text(matches, "xml-text") {
        text.as_bytes().to_vec()
    } else {
        out.error("crm_verify: No input specified");
        return Err(exit::ERROR);
    };
    Document::parse_bytes(&bytes).map_err(|_| unparsable(out))
}

/// What is wrong, worst first counted.
#[derive(Default)]
struct Findings {
    errors: Vec<String>,
    invalid: bool,
    bad: bool,
}

impl Findings {
    fn add(&mut self, message: &Message) {
        match message.level {
            Level::Error => {
                self.invalid = true;
                self.errors.push(format!("error: {}", message.text));
            }
            Level::Warning => {
                self.bad = true;
                self.errors.push(format!("warning: {}", message.text));
            }
            _ => {}
        }
    }
}

fn execute(matches: &ArgMatches, out: &mut Output) -> u8 {
    let mut document = match input(matches, out) {
        Ok(document) => document,
        Err(code) => return code,
    };
    if let Some(path) = text(matches, "save-xml")
        && let Err(error) = std::fs::write(path, document.to_xml())
    {
        out.error(format!("crm_verify: Could not save to {path}: {error}"));
        return exit::CANNOT_CREATE;
    }
    let verbosity = i32::from(matches.get_count("verbose")) - i32::from(matches.get_count("quiet"));
    let mut findings = Findings::default();
    if document.root().name() == "cib" {
        check(&mut document, &mut findings);
    } else {
        let name = document.root().name();
        findings.invalid = true;
        findings
            .errors
            .push(format!("error: Input is not a CIB (outermost element is {name} not cib)"));
    }
    if !findings.invalid && !findings.bad {
        return exit::OK;
    }
    if findings.invalid {
        findings.errors.push("error: CIB did not pass schema validation".to_owned());
    }
    if verbosity > 0 || out.is_xml() {
        for text in &findings.errors {
            out.error(text);
        }
    }
    if !given(matches, "quiet") {
        let what = if findings.invalid { "invalid" } else { "may need attention" };
        let more = if verbosity > 0 { "" } else { " (-V may provide more detail)" };
        out.error(format!("Configuration {what}{more}"));
    }
    exit::CONFIGURATION
}

fn check(document: &mut Document, findings: &mut Findings) {
    let had_status = document.root().child("status").is_some();
    if !had_status {
        let root = document.root_id();
        document.append_element(root, "status");
    }
    match schema::claimed(document) {
        Ok(claimed) => {
            for finding in validate::validate(document, claimed) {
                findings.invalid = true;
                findings.errors.push(format!("error: {finding}"));
            }
        }
        Err(error) => {
            findings.invalid = true;
            findings.errors.push(format!("error: {error}"));
            return;
        }
    }
    if let Err(error) = schema::upgrade(document) {
        findings.invalid = true;
        findings.errors.push(format!("error: {error}"));
        return;
    }
    let now = source::now();
    let messages = match had_status {
        true => plan(document, now, &Options::default()).messages,
        false => monitor(document, now, &Display::monitor()).messages,
    };
    for message in &messages {
        findings.add(message);
    }
}
