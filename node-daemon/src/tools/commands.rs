//! Command lines in which the last of several commands counts.

use std::ffi::OsString;

use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Command};

use super::exit;

/// A switch.
pub fn flag(id: &'static str, short: char, help: &'static str) -> Arg {
    Arg::new(id).long(id).short(short).action(ArgAction::Count).help(help)
}

/// A switch without short form.
pub fn long_flag(id: &'static str, help: &'static str) -> Arg {
    Arg::new(id).long(id).action(ArgAction::Count).help(help)
}

/// An option with a value.
pub fn value(id: &'static str, short: char, help: &'static str) -> Arg {
    long_value(id, help).short(short)
}

/// An option with a value, without short form.
pub fn long_value(id: &'static str, help: &'static str) -> Arg {
    Arg::new(id)
        .long(id)
        .action(ArgAction::Append)
        .allow_hyphen_values(true)
        .value_name("VALUE")
        .help(help)
}

/// A command line under construction, with what all tools have.
pub fn tool(name: &'static str, about: &'static str) -> Command {
    Command::new(name)
        .about(about)
        .version(env!("CARGO_PKG_VERSION"))
        .disable_version_flag(true)
        .disable_help_flag(true)
        .arg(
            Arg::new("help")
                .long("help")
                .short('?')
                .action(ArgAction::Help)
                .help("Show help and exit"),
        )
        .arg(
            Arg::new("version")
                .long("version")
                .short('$')
                .action(ArgAction::Version)
                .help("Show version and exit"),
        )
        .arg(flag("verbose", 'V', "Show more; may be given several times"))
        .arg(long_value("output-as", "Format of the output: text, xml or none"))
        .arg(long_value("output-to", "File to write to, instead of standard output"))
}

/// Reads a command line, or says with which code to end.
pub fn parse(command: Command, arguments: &[OsString]) -> Result<ArgMatches, u8> {
    command.try_get_matches_from(arguments).map_err(|error| {
        let usage = error.use_stderr();
        // Nothing is left to be done if even this cannot be said.
        let _ = error.print();
        if usage { exit::USAGE } else { exit::OK }
    })
}

/// Whether an option was given.
pub fn given(matches: &ArgMatches, id: &str) -> bool {
    matches.value_source(id) == Some(ValueSource::CommandLine)
}

/// The value of an option, the last one counts; nothing for a switch.
pub fn text<'m>(matches: &'m ArgMatches, id: &str) -> Option<&'m str> {
    matches.try_get_many::<String>(id).ok()??.next_back().map(String::as_str)
}

/// Which of some options was given last.
pub fn last_given<'i>(matches: &ArgMatches, ids: &[&'i str]) -> Option<&'i str> {
    ids.iter()
        .filter(|id| given(matches, id))
        .max_by_key(|id| matches.indices_of(id).and_then(|indices| indices.max()))
        .copied()
}
