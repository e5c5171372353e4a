//! `ring`: a running node's ring, its counters, its process groups; its votes changed, its configuration
//! read again.

pub(crate) mod classic;
mod order;

use std::fmt::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use node_daemon::messaging::RingReport;
use node_daemon::wiring::{settings, window};

/// What to show or to do.
#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
enum Part {
    /// The ring, its members and links, and the votes; ends with status 2 without quorum
    Status,
    /// Counters of the ring and of the links
    Stats,
    /// Process groups and their members
    Groups,
    /// Have all nodes read their corosync.conf again
    Reload,
    /// Set the expected votes of the running cluster
    Expected {
        /// New expected votes: not fewer than are present, nor so many that quorum is lost
        #[arg(value_parser = order::expected_votes, allow_hyphen_values = true)]
        votes: u32,
    },
    /// Set the votes of a node in the running cluster
    Votes {
        /// Name or id of the node
        #[arg(value_parser = order::node)]
        node: String,
        /// Its new votes; refused if quorum would be lost
        #[arg(value_parser = order::votes, allow_hyphen_values = true)]
        votes: u32,
    },
    /// Let no node wait for all others any longer (wait_for_all)
    CancelWaitForAll,
    /// Stop this node in order
    ShutDown,
}

/// Options of `ring`.
#[derive(Debug, Clone, Args)]
pub struct Arguments {
    /// What to show or to do
    #[command(subcommand)]
    part: Part,
    /// State directory of the node
    #[arg(long, value_name = "DIR", global = true, default_value_os_t = settings::default_state().to_owned())]
    state: PathBuf,
    /// Everything that is known of the ring, for machines
    #[arg(long, global = true)]
    json: bool,
}

/// Status of `ring status` without quorum, as the classic quorum tool ends.
const NOT_QUORATE: u8 = 2;

/// Runs with arguments.
pub fn run(arguments: &Arguments) -> ExitCode {
    let state = &arguments.state;
    let status = match &arguments.part {
        Part::Status | Part::Stats | Part::Groups => return show(arguments),
        Part::Reload => order::reload(state),
        Part::Expected { votes } => order::set_expected(state, *votes),
        Part::Votes { node, votes } => order::set_votes(state, node, *votes),
        Part::CancelWaitForAll => order::cancel_waiting(state),
        Part::ShutDown => order::shut_down(state),
    };
    ExitCode::from(status)
}

fn show(arguments: &Arguments) -> ExitCode {
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
        print!("{}", text(&report, &arguments.part));
    }
    if arguments.part == Part::Status && !report.quorate {
        return ExitCode::from(NOT_QUORATE);
    }
    ExitCode::SUCCESS
}

fn text(report: &RingReport, part: &Part) -> String {
    let mut out = String::new();
    // Writing to a string does not fail.
    let _ = match part {
        Part::Status => status(report, &mut out),
        Part::Stats => {
            report.counters.iter().try_for_each(|(name, value)| writeln!(out, "{name} = {value}"))
        }
        Part::Groups => groups(report, &mut out),
        _ => Ok(()),
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
