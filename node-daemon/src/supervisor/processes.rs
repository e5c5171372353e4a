//! Each subsystem as a process of its own: a crash stays in its room.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};
use std::{env, thread};

use rustix::process::{Pid, Signal, getppid, kill_process, set_parent_process_death_signal};

use super::instance::{Instance, Presence};
use super::threads::start_ring;
use super::watchdog::{self, Guard};
use super::{
    DISCONNECTED, FATAL, News, ORDER, PANIC, PlaceArguments, notify, send_news, stop_envelope,
    watch_signals,
};
use crate::logging;
use crate::subsystem::{Ending, Room};
use crate::wiring::ring::Wish;
use crate::wiring::room::Room as Loop;
use crate::wiring::{Clock, Mail, NodeSettings, Postmaster, hub, rooms};

/// How often a subsystem is started again before the node gives up.
const MAX_RESTARTS: u32 = 100;
/// How long a subsystem may take to end once it is told to.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long a subsystem may take to begin.
const BEGIN: Duration = Duration::from_secs(10);

/// Runs one subsystem in this process.
pub(super) fn run_one(
    room: Room,
    node: &NodeSettings,
    supervisor: Option<u32>,
) -> io::Result<Ending> {
    // Nobody would watch it, so it must not outlive its supervisor, nor be there beside the next one.
    set_parent_process_death_signal(Some(Signal::KILL))?;
    let follows = node.clone();
    logging::on_hangup(move || logging::follow(&follows))?;
    rooms::make_private(&node.state)?;
    let _presence = Presence::take(&node.state)?;
    if supervisor.is_some_and(|supervisor| std::os::unix::process::parent_id() != supervisor) {
        return Err(io::Error::other("the supervisor is gone already"));
    }
    let clock = Clock::start();
    if room == Room::Messaging {
        return run_messaging(node, clock);
    }
    let (incoming, post) = hub::Connection::open(&node.state, room)?.split()?;
    let inside = Loop::new()?.listening(incoming)?;
    let (id, own) = (node.id, inside.mailbox());
    watch_signals(move || {
        own.put(Mail::Envelope(Box::new(stop_envelope(id, room))));
    })?;
    let ending = rooms::run(room, node, clock, &*post, inside)?;
    // What was sent last must be on its way before the process ends.
    thread::sleep(Duration::from_millis(20));
    Ok(ending)
}

fn run_messaging(node: &NodeSettings, clock: Clock) -> io::Result<Ending> {
    let (sender, receiver) = channel();
    let tell = move |wish| {
        let signal = match wish {
            Wish::FollowLog => Signal::HUP,
            Wish::ShutDown => Signal::TERM,
        };
        if let Some(Err(error)) = getppid().map(|supervisor| kill_process(supervisor, signal)) {
            log::error!("messaging: the supervisor cannot be told: {error}");
        }
    };
    let post = start_ring(node, clock, &sender, Box::new(tell))?;
    let for_signals = sender.clone();
    watch_signals(move || send_news(&for_signals, News::Stop))?;
    loop {
        match receiver.recv() {
            Ok(News::Stop) => stop_messaging(node, &post),
            Ok(News::HangUp) => {}
            Ok(News::Ended(_, ending)) => return Ok(ending),
            Err(_) => return Ok(Ending::Failed),
        }
    }
}

fn stop_messaging(node: &NodeSettings, post: &Postmaster) {
    post.put(Room::Messaging, Mail::Envelope(Box::new(stop_envelope(node.id, Room::Messaging))));
}

/// The children of a supervisor.
struct Family {
    program: PathBuf,
    state: PathBuf,
    line: Vec<std::ffi::OsString>,
    pids: BTreeMap<Room, Pid>,
    restarts: BTreeMap<Room, u32>,
    news: Sender<News>,
}

impl Family {
    fn start(&mut self, room: Room) -> io::Result<()> {
        let child = Command::new(&self.program)
            .arg("subsystem")
            .arg(room.name())
            .arg("--supervisor")
            .arg(std::process::id().to_string())
            .args(&self.line)
            .stdin(Stdio::null())
            .spawn()?;
        if let Some(pid) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
            self.pids.insert(room, pid);
        }
        let sender = self.news.clone();
        thread::Builder::new()
            .name(format!("watches {room}"))
            .spawn(move || send_news(&sender, News::Ended(room, wait(room, child))))?;
        Ok(())
    }

    fn signal(&self, room: Room, signal: Signal) {
        if let Some(pid) = self.pids.get(&room)
            && let Err(error) = kill_process(*pid, signal)
        {
            log::debug!("supervisor: {room}: {error}");
        }
    }

    fn kill_all(&self) {
        for room in self.pids.keys() {
            self.signal(*room, Signal::KILL);
        }
    }
}

/// Waits for a child's end, and says what it means.
fn wait(room: Room, mut child: Child) -> Ending {
    match child.wait() {
        Ok(status) => match status.code() {
            Some(0) => Ending::Done,
            Some(code) if code == i32::from(FATAL) => Ending::Fatal,
            Some(code) if code == i32::from(PANIC) => Ending::Panic,
            _ => {
                log::warn!("supervisor: {room} has ended: {status}");
                Ending::Failed
            }
        },
        Err(error) => {
            log::error!("supervisor: {room}: {error}");
            Ending::Failed
        }
    }
}

/// Those that cannot go on when a subsystem has failed, because it forgot what they told it.
fn dependants(room: Room) -> &'static [Room] {
    match room {
        Room::Cib => &[Room::Controller, Room::Attributes, Room::Fencer],
        Room::Executor | Room::Scheduler | Room::Fencer => &[Room::Controller],
        _ => &[],
    }
}

/// Runs a node until it is told to stop.
pub(super) fn run(node: &NodeSettings, places: &PlaceArguments) -> io::Result<u8> {
    rooms::make_private(&node.state)?;
    let _instance = Instance::claim(&node.state)?;
    let (sender, receiver) = channel();
    let mut family = Family {
        program: env::current_exe()?,
        state: node.state.clone(),
        line: places.command_line(),
        pids: BTreeMap::new(),
        restarts: BTreeMap::new(),
        news: sender.clone(),
    };
    let _ = std::fs::remove_file(hub::socket(&node.state));
    family.start(Room::Messaging)?;
    wait_for(&hub::socket(&node.state))?;
    let mut guard = None;
    for room in ORDER {
        if room == Room::Controller {
            guard = match watchdog::guard(node, |mailbox| {
                hub::Connection::open(&node.state, Room::Watchdog)?.wire(mailbox)
            }) {
                Ok(guard) => guard,
                Err(error) => {
                    log::error!("supervisor: {error}");
                    family.kill_all();
                    return Ok(FATAL);
                }
            };
        }
        family.start(room)?;
        // The next one may ask this one at once.
        wait_for(&hub::marker(&node.state, room))?;
    }
    let for_signals = sender.clone();
    watch_signals(move || send_news(&for_signals, News::Stop))?;
    logging::on_hangup(move || send_news(&sender, News::HangUp))?;
    notify("READY=1");
    log::info!("supervisor: node {} ({}) runs", node.name, node.id);
    let code = watch(node, &mut family, &receiver, guard)?;
    family.kill_all();
    notify("STOPPING=1");
    Ok(code)
}

/// Waits for a file that says that a process has begun.
fn wait_for(path: &Path) -> io::Result<()> {
    let end = Instant::now() + BEGIN;
    while !path.exists() {
        if Instant::now() > end {
            return Err(io::Error::other(format!("{} does not appear", path.display())));
        }
        thread::sleep(Duration::from_millis(1));
    }
    Ok(())
}

fn watch(
    node: &NodeSettings,
    family: &mut Family,
    receiver: &Receiver<News>,
    guard: Option<Guard>,
) -> io::Result<u8> {
    let mut stopping = false;
    loop {
        let Ok(news) = receiver.recv() else { return Ok(1) };
        match news {
            News::Stop => {
                stopping = true;
                log::info!("Node was shut down by a signal");
                family.signal(Room::Controller, Signal::TERM);
            }
            News::HangUp => {
                logging::follow(node);
                for room in family.pids.keys() {
                    family.signal(*room, Signal::HUP);
                }
            }
            News::Ended(Room::Controller, Ending::Done) => {
                if let Some(guard) = guard {
                    guard.release();
                }
                return Ok(stop_rest(family, receiver));
            }
            News::Ended(Room::Messaging, _) => return Ok(DISCONNECTED),
            News::Ended(room, Ending::Fatal) => {
                log::error!("supervisor: shutting down because {room} had a fatal failure");
                return Ok(FATAL);
            }
            News::Ended(room, Ending::Panic) => {
                log::error!(
                    "supervisor: {room} wants this machine taken down; ending everything at once"
                );
                return Ok(PANIC);
            }
            News::Ended(room, _) => {
                family.pids.remove(&room);
                let restarts = family.restarts.entry(room).or_default();
                *restarts += 1;
                if stopping || *restarts > MAX_RESTARTS {
                    log::error!("supervisor: {room} has failed; the node ends");
                    return Ok(1);
                }
                for dependant in dependants(room) {
                    family.signal(*dependant, Signal::KILL);
                }
                log::warn!("supervisor: starting {room} again");
                let there = hub::marker(&family.state, room);
                let _ = std::fs::remove_file(&there);
                family.start(room)?;
                wait_for(&there)?;
            }
        }
    }
}

/// Stops what is left after the controller, in order.
fn stop_rest(family: &mut Family, receiver: &Receiver<News>) -> u8 {
    let mut ended = BTreeSet::from([Room::Controller]);
    family.pids.remove(&Room::Controller);
    for room in ORDER.into_iter().rev().skip(1).chain([Room::Messaging]) {
        family.signal(room, Signal::TERM);
        while !ended.contains(&room) {
            match receiver.recv_timeout(PATIENCE) {
                Ok(News::Ended(other, _)) => {
                    family.pids.remove(&other);
                    ended.insert(other);
                }
                Ok(News::Stop | News::HangUp) => {}
                Err(_) => {
                    log::error!("supervisor: {room} does not end");
                    return 1;
                }
            }
        }
    }
    log::info!("supervisor: all stopped");
    0
}
