//! The supervisor: it starts a node's subsystems, watches them, starts them again when they fail, and stops
//! them in order (spec 62).

mod arguments;
mod instance;
mod processes;
mod threads;
mod watchdog;

pub use arguments::{PlaceArguments, RunArguments, SubsystemArguments};

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::mpsc::Sender;
use std::{io, thread};

use fencing::watchdog::{HostReset, SelfReset, parse_panic_action};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::logging;
use crate::subsystem::{Address, Body, Ending, Envelope, NodeId, Room, Target};
use crate::wiring::NodeSettings;
use crate::wiring::settings::Places;

/// Subsystems in the order in which they are started, after messaging; they are stopped in reverse.
pub const ORDER: [Room; 7] = [
    Room::Cib,
    Room::Fencer,
    Room::Executor,
    Room::Attributes,
    Room::Scheduler,
    Room::Clients,
    Room::Controller,
];

/// Exit status of a node, or a subsystem, that must not be started again.
pub const FATAL: u8 = 100;
/// Exit status when the machine was to be taken down at once.
pub const PANIC: u8 = 101;
/// Exit status when messaging is lost.
pub const DISCONNECTED: u8 = 102;

/// What happens to a supervisor.
enum News {
    /// A subsystem has ended.
    Ended(Room, Ending),
    /// SIGTERM or SIGINT.
    Stop,
    /// SIGHUP: the log follows the configuration anew.
    HangUp,
}

/// What a subsystem's process ends with.
fn status(ending: Ending) -> u8 {
    match ending {
        Ending::Done => 0,
        Ending::Failed => 1,
        Ending::Fatal => FATAL,
        Ending::Panic => PANIC,
    }
}

/// Tells of SIGTERM and SIGINT, for as long as the process lives.
fn watch_signals(mut told: impl FnMut() + Send + 'static) -> io::Result<()> {
    let mut signals = Signals::new([SIGTERM, SIGINT])?;
    thread::Builder::new().name("signals".to_owned()).spawn(move || {
        for _ in signals.forever() {
            told();
        }
    })?;
    Ok(())
}

fn send_news(sender: &Sender<News>, news: News) {
    // With the receiver gone the process is about to end.
    let _ = sender.send(news);
}

/// The word by which a subsystem is told to end.
fn stop_envelope(me: NodeId, room: Room) -> Envelope {
    let from = Address { node: me, room: Room::Supervisor };
    Envelope { from, to: Target::Here(room), body: Body::Stop }
}

/// Tells the service manager, if there is one, how things are.
fn notify(state: &str) {
    let Some(path) = std::env::var_os("NOTIFY_SOCKET") else { return };
    let sent = std::os::unix::net::UnixDatagram::unbound()
        .and_then(|socket| socket.send_to(state.as_bytes(), path));
    if let Err(error) = sent {
        log::warn!("supervisor: the service manager cannot be told: {error}");
    }
}

/// Runs a node until it is told to stop.
pub fn run(arguments: &RunArguments) -> ExitCode {
    let places = arguments.places.places();
    if let Err(error) = start_log(&arguments.places, None) {
        eprintln!("node-daemon: {error}");
        return ExitCode::from(74);
    }
    let code = run_logged(arguments, &places);
    logging::flush();
    code
}

/// Starts the log as the command line says.
fn start_log(places: &PlaceArguments, room: Option<&str>) -> io::Result<()> {
    logging::start(places.given_for_log(), places.name.as_deref().unwrap_or("understudy"), room)
}

/// The configuration, with the log following it.
fn read_settings(places: &Places) -> Result<NodeSettings, String> {
    let node = NodeSettings::read(places).map_err(|error| error.to_string())?;
    logging::configure(&node.cluster().logging)
        .map_err(|error| format!("parse error in config: {error}"))?;
    for warning in &node.cluster().warnings {
        log::warn!("{warning}");
    }
    Ok(node)
}

fn run_logged(arguments: &RunArguments, places: &Places) -> ExitCode {
    let node = match read_settings(places) {
        Ok(node) => node,
        Err(error) => {
            log::error!("{error}");
            return ExitCode::from(78);
        }
    };
    let ended = if arguments.single_process {
        threads::run(&node)
    } else {
        processes::run(&node, &arguments.places)
    };
    match ended {
        Ok(code) => {
            if code == PANIC {
                take_down();
            }
            ExitCode::from(code)
        }
        Err(error) => {
            log::error!("supervisor: {error}");
            // Starting it again would not help.
            let in_use = error.kind() == io::ErrorKind::AddrInUse;
            ExitCode::from(if in_use { FATAL } else { 1 })
        }
    }
}

/// Takes the machine down in the way that `PCMK_panic_action` says. Without it that is left to the watchdog,
/// or to whoever looks at the exit status: the nodes of a demonstration share a machine.
fn take_down() {
    let Ok(wanted) = std::env::var("PCMK_panic_action") else { return };
    let (action, sync) = parse_panic_action(Some(&wanted));
    let error = HostReset { action, sync, proc: PathBuf::from("/proc") }
        .reset("a subsystem wants it taken down at once");
    log::error!("supervisor: this machine cannot be taken down: {error}");
}

/// Runs one subsystem of a node.
pub fn run_subsystem(arguments: &SubsystemArguments) -> ExitCode {
    let places = arguments.places.places();
    if let Err(error) = start_log(&arguments.places, Some(&arguments.room)) {
        eprintln!("node-daemon: {error}");
        return ExitCode::from(74);
    }
    let code = run_subsystem_logged(arguments, &places);
    logging::flush();
    code
}

fn run_subsystem_logged(arguments: &SubsystemArguments, places: &Places) -> ExitCode {
    let Some(room) = Room::from_name(&arguments.room) else {
        log::error!("there is no subsystem '{}'", arguments.room);
        return ExitCode::from(64);
    };
    let ended = read_settings(places)
        .map_err(io::Error::other)
        .and_then(|node| processes::run_one(room, &node, arguments.supervisor));
    match ended {
        Ok(ending) => ExitCode::from(status(ending)),
        Err(error) => {
            log::error!("{room}: {error}");
            ExitCode::from(1)
        }
    }
}
