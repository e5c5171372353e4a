//! `ring`: a running node's ring, its counters, its process groups, and the reload of its configuration.

use std::fmt::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use node_daemon::messaging::RingReport;
use node_daemon::wiring::{reload, settings, window};

/// What to show.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// The ring, its members and links, and the votes
    Status,
    /// Counters of the ring and of the links
    Stats,
    /// Process groups and their members
    Groups,
    /// Have all nodes read their corosync.conf again
    Reload,
}

/// Options of `ring`.
#[derive(Debug, Clone, Args)]
pub struct Arguments {
    /// What to show
    part: Part,
    /// State directory of the node
    #[arg(long, value_name = "DIR", default_value_os_t = settings::default_state().to_owned())]
    state: PathBuf,
    /// Everything, for machines
    #[arg(long)]
    json: bool,
}

/// Runs with arguments.
pub fn run(arguments: &Arguments) -> ExitCode {
    if arguments.part == Part::Reload {
        return reload_everywhere(arguments);
    }
    let report = match window::look(&arguments.state) {
        Ok(report) => report,
        Err(error) => {
            let path = window::socket_of(&arguments.state);
            eprintln!(
                "node-daemon ring: {}: {error}; does a node run with this state directory, and may you \
                 open it?",
                path.display()
            );
            return ExitCode::FAILURE;
        }
    };
    if arguments.json {
        match serde_json::to_string_pretty(&report) {
            Ok(json) => println!("{json}"),
            Err(error) => {
                eprintln!("node-daemon ring: {error}");
                return ExitCode::FAILURE;
            }
        }
    } else {
        print!("{}", text(&report, arguments.part));
    }
    ExitCode::SUCCESS
}

fn reload_everywhere(arguments: &Arguments) -> ExitCode {
    println!("Reloading corosync.conf...");
    let answer = match reload::ask(&arguments.state) {
        Ok(answer) => answer,
        Err(error) => {
            eprintln!(
                "node-daemon ring: no answer: {error}; does a node run with this state directory?"
            );
            return ExitCode::FAILURE;
        }
    };
    if let Some(error) = answer.error {
        eprintln!("Could not reload configuration. {error}");
        return ExitCode::FAILURE;
    }
    for key in answer.changed {
        println!("changed: {key}");
    }
    for notice in answer.notices {
        println!("{notice}");
    }
    println!("Done");
    ExitCode::SUCCESS
}

fn text(report: &RingReport, part: Part) -> String {
    let mut out = String::new();
    // Writing to a string does not fail.
    let _ = match part {
        Part::Status => status(report, &mut out),
        Part::Stats => {
            report.counters.iter().try_for_each(|(name, value)| writeln!(out, "{name} = {value}"))
        }
        Part::Groups => groups(report, &mut out),
        Part::Reload => Ok(()),
    };
    out
}

fn status(report: &RingReport, out: &mut String) -> std::fmt::Result {
    writeln!(out, "Node {}, {}", report.node, report.phase)?;
    match &report.ring {
        Some(ring) => {
            let members: Vec<String> = ring.members.iter().map(u32::to_string).collect();
            writeln!(
                out,
                "Ring {:x}.{:x}: members {}",
                ring.representative,
                ring.sequence,
                members.join(" ")
            )?;
        }
        None => writeln!(out, "No ring: the members are being agreed upon")?,
    }
    if let Some(time) = report.holds_for_ms {
        writeln!(
            out,
            "The verdict on quorum holds for {time} ms if the token does not come again"
        )?;
    }
    for link in &report.links {
        let state = if link.connected { "connected" } else { "DISCONNECTED" };
        writeln!(
            out,
            "Link {} to node {} at {}: {state}, round trip {} us, largest datagram {} bytes",
            link.link, link.node, link.address, link.round_trip_us, link.mtu
        )?;
    }
    writeln!(out)?;
    out.push_str(&report.votes);
    Ok(())
}

fn groups(report: &RingReport, out: &mut String) -> std::fmt::Result {
    writeln!(out, "{:<24} {:>10} {:>10}", "Group", "Node", "Process")?;
    for group in &report.groups {
        for (node, process) in &group.members {
            writeln!(out, "{:<24} {node:>10} {process:>10}", group.name)?;
        }
    }
    Ok(())
}
