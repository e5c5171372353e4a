//! Options of the simulator (spec 40 §2).

use clap::{ArgAction, Args};
use std::path::PathBuf;

/// One line about the tool.
pub const ABOUT: &str = "Simulate a cluster's response to events";

/// Output formats.
#[derive(clap::ValueEnum, Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Nested lists.
    Text,
    /// The reference's XML.
    Xml,
    /// JSON.
    Json,
    /// Nothing.
    #[value(hide = true)]
    None,
}

/// Options, the same as crm_simulate's.
#[derive(Args, Debug, Clone)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    /// Read the cluster from a CIB file; without an operation, implies --simulate
    #[arg(value_name = "CIB", help_heading = "Input")]
    pub input: Option<PathBuf>,
    /// Read the cluster from a CIB file instead of standard input
    #[arg(short = 'x', long = "xml-file", value_name = "FILE", help_heading = "Input")]
    pub xml_file: Option<PathBuf>,
    /// Read the cluster from standard input (the default)
    #[arg(short = 'p', long = "xml-pipe", help_heading = "Input")]
    pub xml_pipe: bool,
    /// Read the cluster from the running cluster (or the file that $CIB_file names)
    #[arg(short = 'L', long = "live-check", help_heading = "Input")]
    pub live_check: bool,

    /// Calculate what would be done
    #[arg(short = 'R', long, help_heading = "Operations")]
    pub run: bool,
    /// Calculate what would be done, do it in the simulation, and show the result
    #[arg(short = 'S', long, help_heading = "Operations")]
    pub simulate: bool,
    /// Like --simulate, and store the result in the input file
    #[arg(short = 'X', long, help_heading = "Operations")]
    pub in_place: bool,
    /// Show node attributes
    #[arg(short = 'A', long, help_heading = "Operations")]
    pub show_attrs: bool,
    /// Show resource fail counts
    #[arg(short = 'c', long, help_heading = "Operations")]
    pub show_failcounts: bool,
    /// Show the scores that decided where resources go
    #[arg(short = 's', long, help_heading = "Operations")]
    pub show_scores: bool,
    /// Tell why a resource is where it is, or why an action is needed: a resource id, an operation key
    /// (web_start_0, web_start_0@node1) or an action number; may be given several times
    #[arg(long, value_name = "ID", help_heading = "Operations")]
    pub explain: Vec<String>,
    /// Show utilization
    #[arg(short = 'U', long, help_heading = "Operations")]
    pub show_utilization: bool,
    /// Schedule every CIB file of a directory and print how long each took
    #[arg(short = 'P', long, value_name = "DIR", help_heading = "Operations")]
    pub profile: Option<PathBuf>,
    /// With --profile: schedule each file that many times
    #[arg(
        short = 'N',
        long,
        value_name = "N",
        default_value_t = 1,
        allow_negative_numbers = true,
        help_heading = "Operations"
    )]
    pub repeat: i64,
    /// Accepted for compatibility
    #[arg(short = 'j', long, hide = true)]
    pub pending: bool,

    /// Bring a node online
    #[arg(short = 'u', long, value_name = "NODE", help_heading = "Synthetic cluster events")]
    pub node_up: Vec<String>,
    /// Take a node offline cleanly
    #[arg(short = 'd', long, value_name = "NODE", help_heading = "Synthetic cluster events")]
    pub node_down: Vec<String>,
    /// Let a node fail
    #[arg(short = 'f', long, value_name = "NODE", help_heading = "Synthetic cluster events")]
    pub node_fail: Vec<String>,
    /// Pretend an operation had a result before: RESOURCE_TASK_INTERVALMS@NODE=RC
    #[arg(short = 'i', long, value_name = "OPSPEC", help_heading = "Synthetic cluster events")]
    pub op_inject: Vec<String>,
    /// Let an operation have a result when it is simulated: RESOURCE_TASK_INTERVALMS@NODE=RC
    #[arg(short = 'F', long, value_name = "OPSPEC", help_heading = "Synthetic cluster events")]
    pub op_fail: Vec<String>,
    /// Evaluate rules at this time (ISO 8601)
    #[arg(short = 't', long, value_name = "DATETIME", help_heading = "Synthetic cluster events")]
    pub set_datetime: Option<String>,
    /// Set whether the partition has quorum
    #[arg(short = 'q', long, value_name = "VALUE", help_heading = "Synthetic cluster events")]
    pub quorum: Option<String>,
    /// Set whether a watchdog is there
    #[arg(short = 'w', long, value_name = "VALUE", help_heading = "Synthetic cluster events")]
    pub watchdog: Option<String>,
    /// Grant a ticket
    #[arg(short = 'g', long, value_name = "TICKET", help_heading = "Synthetic cluster events")]
    pub ticket_grant: Vec<String>,
    /// Revoke a ticket
    #[arg(short = 'r', long, value_name = "TICKET", help_heading = "Synthetic cluster events")]
    pub ticket_revoke: Vec<String>,
    /// Put a ticket in standby
    #[arg(short = 'b', long, value_name = "TICKET", help_heading = "Synthetic cluster events")]
    pub ticket_standby: Vec<String>,
    /// Activate a ticket
    #[arg(short = 'e', long, value_name = "TICKET", help_heading = "Synthetic cluster events")]
    pub ticket_activate: Vec<String>,

    /// Save the CIB after the synthetic events
    #[arg(short = 'I', long, value_name = "FILE", help_heading = "Artifacts")]
    pub save_input: Option<PathBuf>,
    /// Save the CIB at the end
    #[arg(short = 'O', long, value_name = "FILE", help_heading = "Artifacts")]
    pub save_output: Option<PathBuf>,
    /// Save the transition graph (XML)
    #[arg(short = 'G', long, value_name = "FILE", help_heading = "Artifacts")]
    pub save_graph: Option<PathBuf>,
    /// Save the transition graph (DOT)
    #[arg(short = 'D', long, value_name = "FILE", help_heading = "Artifacts")]
    pub save_dotfile: Option<PathBuf>,
    /// Show all actions in the DOT file, those not needed too
    #[arg(short = 'a', long, help_heading = "Artifacts")]
    pub all_actions: bool,

    /// How to print: for people, or for machines
    #[arg(long = "output-as", value_enum, default_value_t = Format::Text, value_name = "FORMAT", help_heading = "Output")]
    pub output_as: Format,
    /// Where to print: a file, or - for standard output
    #[arg(long = "output-to", value_name = "DEST", help_heading = "Output")]
    pub output_to: Option<PathBuf>,
    /// Essential output only
    #[arg(short = 'Q', long, help_heading = "Output")]
    pub quiet: bool,
    /// More detail; numbers in the DOT file
    #[arg(short = 'V', long, action = ArgAction::Count, help_heading = "Output")]
    pub verbose: u8,
}

impl Arguments {
    /// The input file, if it is not standard input.
    pub fn file(&self) -> Option<&std::path::Path> {
        self.xml_file.as_deref().or(self.input.as_deref())
    }

    /// Is the running cluster the input?
    pub fn live(&self) -> bool {
        self.live_check && self.file().is_none() && !self.xml_pipe
    }

    /// Is a file given on its own, with nothing said about what to do with it?
    pub fn is_bare(&self) -> bool {
        let artifacts = [&self.save_input, &self.save_output, &self.save_graph, &self.save_dotfile];
        self.input.is_some()
            && self.xml_file.is_none()
            && !(self.run
                || self.simulate
                || self.in_place
                || self.show_scores
                || self.show_utilization)
            && artifacts.iter().all(|a| a.is_none())
    }
}

const EXAMPLES: &str = "Examples:
  What would the cluster do now?
      simulate cib.xml -R
  What is the running cluster about to do?
      simulate -L -R
  What if node2 were lost, and where would everything be afterwards?
      simulate cib.xml -S -f node2
  Why there? The scores behind each placement:
      simulate cib.xml -s
  Draw the transition:
      simulate cib.xml -Q -D - | dot -Tsvg > transition.svg";
