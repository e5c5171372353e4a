//! A running cluster of three nodes, measured: failover, planned move, update rates, start, memory and idle
//! CPU, beside the figures of another stack if a script that measures it is named.
//!
//! All nodes are on this machine, each in namespaces of its own; their state is on a memory file system, so
//! the CIB is synchronised to a file but to no disk. A change of the configuration is answered when all nodes
//! have it in memory and the node that was asked has synchronised its journal (fdatasync). Needs root,
//! iproute2, util-linux and `target/release/node-daemon`.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::ExitCode;

use benches::live::cluster::Setup;
use benches::live::{Failure, Figures, Table, crash, footprint, peer, planned, rates, start};
use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "live", about = "Measures a running cluster of three nodes")]
struct Arguments {
    /// Parts: a crash, b planned move, c update rates, d start, e many resources, memory and idle CPU
    #[arg(long, value_delimiter = ',', default_value = "a,b,c,d,e")]
    only: Vec<String>,
    /// Token timeouts of the crashes, in milliseconds
    #[arg(long, value_delimiter = ',', default_value = "1000,300")]
    tokens: Vec<u32>,
    /// Runs of each figure; the table has their medians
    #[arg(long, default_value_t = 3)]
    runs: usize,
    /// Program to measure, instead of the node-daemon beside this program
    #[arg(long, value_name = "FILE")]
    program: Option<PathBuf>,
    /// Run each node as one process
    #[arg(long)]
    single_process: bool,
    /// Script that measures another stack, for the peer's column
    #[arg(long, value_name = "SCRIPT")]
    peer: Option<PathBuf>,
    /// Where to write the table as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Leave logs behind
    #[arg(long)]
    keep: bool,
    #[command(subcommand)]
    inside: Option<Hidden>,
}

#[derive(Subcommand)]
enum Hidden {
    /// Runs a loop inside a node
    #[command(hide = true, subcommand)]
    Inside(rates::Inside),
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(0) => ExitCode::SUCCESS,
        Ok(missed) => {
            println!("{missed} figures miss what is wanted");
            ExitCode::from(1)
        }
        Err(error) => {
            eprintln!("live: {error}");
            ExitCode::from(2)
        }
    }
}

fn run(arguments: &Arguments) -> Result<usize, Failure> {
    if let Some(Hidden::Inside(what)) = &arguments.inside {
        println!("{}", rates::inside(what)?);
        return Ok(0);
    }
    let parts: BTreeSet<&str> = arguments.only.iter().map(String::as_str).collect();
    let program = match &arguments.program {
        Some(program) => program.canonicalize()?,
        None => std::env::current_exe()?.with_file_name("node-daemon"),
    };
    if !program.exists() {
        return Err(format!("{} is not built", program.display()).into());
    }
    let mut options = Vec::new();
    if arguments.single_process {
        options.push("--single-process".to_owned());
    }
    let setup = Setup { program, token: 1000, nodes: 3, options, keep: arguments.keep };
    let mut ours = Figures::default();
    measure(arguments, &parts, &setup, &mut ours)?;
    let peer = match &arguments.peer {
        Some(script) => {
            println!("peer:");
            let tokens: Vec<String> = arguments.tokens.iter().map(u32::to_string).collect();
            let parts = arguments.only.join(",");
            // Our own figures have been measured already, and are shown in any case.
            peer::measure(script, &parts, &tokens.join(","), arguments.runs).unwrap_or_else(
                |error| {
                    eprintln!("live: the peer was not measured: {error}");
                    serde_json::Value::Null
                },
            )
        }
        None => serde_json::Value::Null,
    };
    let table = Table { ours: &ours, peer: &peer };
    println!();
    let missed = table.print();
    if let Some(path) = &arguments.json {
        std::fs::write(path, serde_json::to_string_pretty(&table.json())?)?;
    }
    Ok(missed)
}

fn measure(
    arguments: &Arguments,
    parts: &BTreeSet<&str>,
    setup: &Setup,
    ours: &mut Figures,
) -> Result<(), Failure> {
    let runs = arguments.runs;
    if parts.contains("a") {
        for token in &arguments.tokens {
            println!("a: crash of a node, token {token} ms");
            crash::measure(&Setup { token: *token, ..setup.clone() }, runs, ours)?;
        }
    }
    if parts.contains("b") {
        println!("b: planned move");
        planned::measure(setup, runs, ours)?;
    }
    if parts.contains("c") {
        println!("c: update rates");
        rates::measure(setup, runs, ours)?;
    }
    if parts.contains("d") {
        println!("d: start of the cluster");
        start::measure(setup, runs, ours)?;
    }
    if parts.contains("e") {
        println!("e: many resources, memory, idle CPU");
        footprint::many(setup, runs, ours)?;
        footprint::idle(setup, ours)?;
    }
    Ok(())
}
