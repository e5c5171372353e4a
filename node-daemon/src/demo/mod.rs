//! `demo`: a cluster of real processes on this machine, without privileges: it starts, runs a service, loses
//! a node to SIGKILL and goes on.

mod agents;
mod client;
mod layout;
mod observer;
mod story;

pub use agents::{AgentArguments, agent};

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use clap::Args;
use signal_hook::consts::{SIGINT, SIGTERM};

/// What to show.
#[derive(Debug, Clone, Args)]
pub struct Arguments {
    /// How many nodes, 2 to 9
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(2..=9))]
    pub nodes: u32,
    /// Leave the cluster running until Ctrl-C
    #[arg(long)]
    pub keep: bool,
    /// Token time-out in milliseconds: how soon a silent node is given up
    #[arg(long, value_name = "MS", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(100..=60_000))]
    pub token: u32,
    /// Run the subsystems of a node as threads of one process
    #[arg(long)]
    pub single_process: bool,
}

/// Whether somebody pressed Ctrl-C.
#[derive(Debug, Clone)]
pub(crate) struct Interrupted(Arc<AtomicBool>);

impl Interrupted {
    fn watch() -> std::io::Result<Interrupted> {
        let flag = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM] {
            signal_hook::flag::register(signal, flag.clone())?;
        }
        Ok(Interrupted(flag))
    }

    pub(crate) fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Runs the demonstration.
pub fn run(arguments: &Arguments) -> ExitCode {
    let told = Interrupted::watch().and_then(|interrupted| {
        let cluster = layout::Cluster::build(arguments)?;
        story::tell(arguments, cluster, &interrupted)
    });
    match told {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            eprintln!("demo: {error}");
            ExitCode::from(1)
        }
    }
}
