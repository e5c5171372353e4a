//! Understudy's daemon and command lines.
//!
//! One program: called under its own name it takes subcommands, called through a link named like a
//! classic tool (`crm_simulate`) it is that tool.

mod simulate;

use clap::{Parser, Subcommand};
use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

#[derive(Parser)]
#[command(name = "node-daemon", version, about = "Understudy: a high-availability cluster stack")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Plan and simulate a cluster offline (options of crm_simulate)
    Simulate(simulate::Arguments),
}

fn main() -> ExitCode {
    let args: Vec<OsString> = std::env::args_os().collect();
    let name = args.first().map(Path::new).and_then(Path::file_name).and_then(|n| n.to_str());
    match name {
        Some("crm_simulate") => simulate::main_as_tool(args),
        _ => match Cli::parse_from(args).command {
            Command::Simulate(arguments) => simulate::run("node-daemon simulate", arguments),
        },
    }
}
