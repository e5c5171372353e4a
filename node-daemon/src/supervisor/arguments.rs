//! Command lines of a node.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use cpg::configuration::Facility;

use crate::logging::Given;
use crate::wiring::settings::{LogSettings, Places, WatchdogSettings, default_state};

/// Where a node's things are.
#[derive(Debug, Clone, Args)]
pub struct PlaceArguments {
    /// Directory of corosync.conf
    #[arg(long, value_name = "DIR", default_value = "/etc/corosync")]
    pub config: PathBuf,
    /// State directory
    #[arg(long, value_name = "DIR", default_value_os_t = default_state().to_owned())]
    pub state: PathBuf,
    /// This node's name in the node list, if it is not this machine's name or address
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// Root of OCF agents
    #[arg(long, value_name = "DIR", env = "OCF_ROOT", default_value = "/usr/lib/ocf")]
    pub ocf_root: PathBuf,
    /// Directory of fence agents
    #[arg(long, value_name = "DIR", default_value = "/usr/sbin")]
    pub fence_agents: PathBuf,
    /// Directory of the sockets for command lines, instead of the usual abstract addresses: for several
    /// nodes in one network namespace
    #[arg(long, value_name = "DIR")]
    pub ipc_directory: Option<PathBuf>,
    /// Schema of a configuration that is made anew
    #[arg(long, value_name = "SCHEMA", default_value = "pacemaker-3.9")]
    pub schema: String,
    /// Watchdog device, to be fed while the node is well: it resets the machine when it is not
    #[arg(long, value_name = "DEVICE", env = "SBD_WATCHDOG_DEV")]
    pub watchdog: Option<PathBuf>,
    /// Time after the last feeding at which the watchdog resets the machine, in whole seconds
    #[arg(long, value_name = "TIME", env = "SBD_WATCHDOG_TIMEOUT", default_value = "5s", value_parser = whole_seconds)]
    pub watchdog_timeout: Duration,
    /// How much to log: error, warn, info, debug or trace; otherwise what corosync.conf says, or info
    #[arg(long, value_name = "LEVEL")]
    pub log_level: Option<log::LevelFilter>,
    /// Where to log, instead of where corosync.conf says
    #[arg(long, value_name = "FILE")]
    pub log_file: Option<PathBuf>,
    /// Facility of the system's log, for the node and its agents, instead of what corosync.conf says
    #[arg(long, value_name = "FACILITY", env = "PCMK_logfacility")]
    pub log_facility: Option<String>,
}

fn whole_seconds(text: &str) -> Result<Duration, String> {
    let millis = cib_model::scalar::parse_interval_ms(text).map_err(|error| error.to_string())?;
    match millis {
        1000.. if millis % 1000 == 0 => Ok(Duration::from_millis(millis)),
        _ => Err("whole seconds are accepted, from 1 up".to_owned()),
    }
}

impl PlaceArguments {
    /// The same for the libraries.
    pub fn places(&self) -> Places {
        Places {
            config: self.config.clone(),
            name: self.name.clone(),
            state: self.state.clone(),
            ocf_root: self.ocf_root.clone(),
            fence_agents: self.fence_agents.clone(),
            ipc_directory: self.ipc_directory.clone(),
            schema: self.schema.clone(),
            watchdog: self
                .watchdog
                .clone()
                .map(|device| WatchdogSettings { device, timeout: self.watchdog_timeout }),
            log: LogSettings {
                facility: self.log_facility.clone(),
                file: self.log_file.as_ref().and_then(|file| std::path::absolute(file).ok()),
                debug: self.log_level.map(|level| level >= log::LevelFilter::Debug),
            },
        }
    }

    /// What is said of the log.
    pub(super) fn given_for_log(&self) -> Given {
        Given {
            level: self.log_level,
            file: self.log_file.clone(),
            facility: self.log_facility.as_deref().and_then(Facility::from_name),
        }
    }

    /// The same as a command line.
    pub(super) fn command_line(&self) -> Vec<std::ffi::OsString> {
        let mut line: Vec<std::ffi::OsString> = Vec::new();
        let mut add = |flag: &str, value: &std::ffi::OsStr| {
            line.push(flag.into());
            line.push(value.into());
        };
        add("--config", self.config.as_os_str());
        add("--state", self.state.as_os_str());
        add("--ocf-root", self.ocf_root.as_os_str());
        add("--fence-agents", self.fence_agents.as_os_str());
        add("--schema", self.schema.as_ref());
        let timeout = format!("{}s", self.watchdog_timeout.as_secs());
        add("--watchdog-timeout", timeout.as_ref());
        if let Some(device) = &self.watchdog {
            add("--watchdog", device.as_os_str());
        }
        if let Some(directory) = &self.ipc_directory {
            add("--ipc-directory", directory.as_os_str());
        }
        if let Some(name) = &self.name {
            add("--name", name.as_ref());
        }
        if let Some(level) = self.log_level {
            add("--log-level", level.as_str().as_ref());
        }
        if let Some(file) = &self.log_file {
            add("--log-file", file.as_os_str());
        }
        if let Some(facility) = &self.log_facility {
            add("--log-facility", facility.as_ref());
        }
        line
    }
}

/// How to run a node.
#[derive(Debug, Clone, Args)]
pub struct RunArguments {
    /// Where its things are.
    #[command(flatten)]
    pub places: PlaceArguments,
    /// Run all subsystems as threads of one process
    #[arg(long)]
    pub single_process: bool,
}

/// How to run a subsystem.
#[derive(Debug, Clone, Args)]
pub struct SubsystemArguments {
    /// Which
    pub room: String,
    /// Process of the supervisor, without which it must not run
    #[arg(long, hide = true)]
    pub supervisor: Option<u32>,
    /// Where the node's things are.
    #[command(flatten)]
    pub places: PlaceArguments,
}
