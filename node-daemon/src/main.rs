//! Understudy's daemon and command lines.
//!
//! One program: called under its own name it takes subcommands, called through a link named like a
//! classic tool (`crm_simulate`) it is that tool.

mod ring;
mod simulate;
mod survey;
mod tools;

use clap::{Parser, Subcommand};
use node_daemon::{demo, supervisor};
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
    Simulate(Box<simulate::Arguments>),
    /// Tell what would come of every failure, and every pair of failures
    Survey(survey::Arguments),
    /// Show a cluster of three nodes on this machine that survives the death of one
    Demo(demo::Arguments),
    /// An agent of the demonstration
    #[command(hide = true)]
    DemoAgent(demo::AgentArguments),
    /// Look at the ring of a running node, change its votes, have its configuration read again
    Ring(ring::Arguments),
    /// Run this machine as a cluster node
    Run(supervisor::RunArguments),
    /// Run one subsystem of a node; the supervisor does it
    #[command(hide = true)]
    Subsystem(supervisor::SubsystemArguments),
}

fn main() -> ExitCode {
    let args: Vec<OsString> = std::env::args_os().collect();
    let name = args.first().map(Path::new).and_then(Path::file_name).and_then(|n| n.to_str());
    if let Some(code) = name.and_then(|name| tools::run(name, &args)) {
        return code;
    }
    match name {
        Some("crm_simulate") => simulate::main_as_tool(args),
        _ => match Cli::parse_from(args).command {
            Command::Simulate(arguments) => simulate::run("node-daemon simulate", *arguments),
            Command::Survey(arguments) => survey::run(&arguments),
            Command::Demo(arguments) => demo::run(&arguments),
            Command::DemoAgent(arguments) => demo::agent(&arguments),
            Command::Ring(arguments) => ring::run(&arguments),
            Command::Run(arguments) => supervisor::run(&arguments),
            Command::Subsystem(arguments) => supervisor::run_subsystem(&arguments),
        },
    }
}
