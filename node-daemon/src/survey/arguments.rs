//! Options of `survey`.

use clap::Args;
use policy_engine::simulate::Bounds;
use policy_engine::survey::{Depth, QuorumRule, Survey};
use std::path::{Path, PathBuf};

/// Options.
#[derive(Args, Debug, Clone)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    /// The CIB: a file, or - for standard input
    #[arg(value_name = "CIB")]
    pub cib: PathBuf,

    /// Single failures only, no pairs
    #[arg(long, help_heading = "What fails")]
    pub single: bool,
    /// Let every active resource fail as well, one at a time
    #[arg(long, help_heading = "What fails")]
    pub resources: bool,
    /// Let resources fail, and no nodes
    #[arg(long, help_heading = "What fails")]
    pub resources_only: bool,
    /// Let every pair of active resources fail as well (many: half the square of their number)
    #[arg(long, help_heading = "What fails")]
    pub resource_pairs: bool,
    /// A node attribute (like rack): nodes with the same value fail together; may be given several times
    #[arg(long, value_name = "ATTRIBUTE", help_heading = "What fails")]
    pub domain: Vec<String>,
    /// Leave quorum as it is; otherwise it is lost without a majority of the nodes
    #[arg(long, help_heading = "What fails")]
    pub keep_quorum: bool,

    /// Give a scenario up after so many transitions
    #[arg(long, value_name = "N", default_value_t = Bounds::default().transitions, help_heading = "Bounds")]
    pub max_transitions: usize,
    /// Give a scenario up after so many actions
    #[arg(long, value_name = "N", default_value_t = Bounds::default().actions, help_heading = "Bounds")]
    pub max_actions: usize,
    /// Threads to use; 0 for one per core
    #[arg(long, value_name = "N", default_value_t = 0, help_heading = "Bounds")]
    pub threads: usize,

    /// Write one self-contained page with plots
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub html: Option<PathBuf>,
    /// Print everything as JSON
    #[arg(long, help_heading = "Output")]
    pub json: bool,
    /// Print the table although a page is written
    #[arg(long, conflicts_with = "json", help_heading = "Output")]
    pub table: bool,
}

impl Arguments {
    /// The input file, if it is not standard input.
    pub fn file(&self) -> Option<&Path> {
        Some(self.cib.as_path()).filter(|path| *path != Path::new("-"))
    }

    /// What the page is called.
    pub fn title(&self) -> String {
        let name = self.cib.file_name().map(|name| name.to_string_lossy().into_owned());
        name.filter(|name| name != "-").unwrap_or_else(|| "standard input".to_owned())
    }

    /// What is asked for.
    pub fn survey(&self) -> Survey {
        let depth = if self.single { Depth::Single } else { Depth::Pairs };
        let resources = match () {
            () if self.resource_pairs && !self.single => Depth::Pairs,
            () if self.resources || self.resources_only || self.resource_pairs => Depth::Single,
            () => Depth::None,
        };
        Survey {
            nodes: if self.resources_only { Depth::None } else { depth },
            resources,
            domains: self.domain.clone(),
            domain_depth: depth,
            quorum: if self.keep_quorum { QuorumRule::Keep } else { QuorumRule::Majority },
            bounds: Bounds { transitions: self.max_transitions, actions: self.max_actions },
        }
    }
}

const EXAMPLES: &str = "Examples:
  What if a node is lost, or two?
      survey cib.xml
  What if a rack is lost, as told by the node attribute 'rack'?
      survey cib.xml --domain rack
  Which failing resource takes others along? As a page with plots:
      survey cib.xml --resources-only --html survey.html";
