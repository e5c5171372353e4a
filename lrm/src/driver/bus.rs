//! systemd on D-Bus: the connection, and the actions under way on it (spec 80 §9.1).
//!
//! One thread connects and sends, another reads; the driver hands calls to the one and takes answers
//! from the other, so that it never waits, not even for a bus that hangs.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

use mio::Waker;
use zbus::blocking::{Connection, MessageIterator, connection::Builder};
use zbus::message::{Message, Type};
use zbus::zvariant::{OwnedObjectPath, OwnedValue};

use crate::executor::RunId;
use crate::outcome::{ExecStatus, OcfExit, Outcome, StartError};
use crate::systemd::{
    Call, Progress, Reply, Step, UnitAction, UnitName, override_directory, override_text,
    unit_agents,
};

const SYSTEMD: &str = "org.freedesktop.systemd1";
const MANAGER_PATH: &str = "/org/freedesktop/systemd1";
const MANAGER: &str = "org.freedesktop.systemd1.Manager";
const UNIT: &str = "org.freedesktop.systemd1.Unit";
const PROPERTIES: &str = "org.freedesktop.DBus.Properties";

/// Where systemd is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SystemdConfig {
    /// The bus; the system bus unless an address is given.
    pub address: Option<String>,
    /// Where override files go.
    pub run_directory: PathBuf,
}

impl Default for SystemdConfig {
    fn default() -> Self {
        Self { address: None, run_directory: "/run/systemd/system".into() }
    }
}

/// What the threads found.
#[derive(Debug)]
enum Heard {
    Unreachable(zbus::Error),
    Answer { serial: u32, reply: Reply },
    JobRemoved { job: String, result: String },
    Closed,
}

/// How an action of a unit goes on, for the driver.
#[derive(Debug)]
pub(super) enum UnitEnd {
    /// It has a result.
    Answered(Outcome),
    /// It is no unit; run the init script.
    Script,
}

/// The driver's ends. When they are dropped the connection is closed, and both threads end.
#[derive(Debug)]
struct Link {
    calls: Sender<Message>,
    heard: Receiver<Heard>,
}

/// systemd, connected at first use and again after a connection broke.
#[derive(Debug)]
pub(super) struct Systemd {
    config: SystemdConfig,
    waker: Arc<Waker>,
    link: Option<Link>,
    actions: BTreeMap<RunId, UnitAction>,
    calls: BTreeMap<u32, RunId>,
}

impl Systemd {
    pub(super) fn new(config: SystemdConfig, waker: Arc<Waker>) -> Self {
        Self { config, waker, link: None, actions: BTreeMap::new(), calls: BTreeMap::new() }
    }

    /// Begins an action; its end comes from here or from [`turn`](Self::turn).
    pub(super) fn begin(
        &mut self,
        run: RunId,
        action: &str,
        agent: &str,
        may_be_script: bool,
    ) -> Option<UnitEnd> {
        if let Err(error) = self.connect() {
            log::error!("cannot start a thread for the bus: {error}");
            return Some(if may_be_script { UnitEnd::Script } else { no_connection() });
        }
        match UnitAction::begin(action, agent, may_be_script) {
            Ok((unit, steps)) => {
                self.actions.insert(run, unit);
                self.advance(run, Progress::Steps(steps))
            }
            Err(outcome) => Some(UnitEnd::Answered(outcome)),
        }
    }

    /// Forgets an action; answers to it are ignored.
    pub(super) fn abandon(&mut self, run: RunId) {
        self.actions.remove(&run);
        self.calls.retain(|_, other| *other != run);
    }

    /// Takes what the reading thread heard; returns the actions that ended.
    pub(super) fn turn(&mut self) -> Vec<(RunId, UnitEnd)> {
        let mut ended = Vec::new();
        while let Some(heard) = self.link.as_ref().and_then(|link| link.heard.try_recv().ok()) {
            match heard {
                Heard::Answer { serial, reply } => {
                    let Some(run) = self.calls.remove(&serial) else { continue };
                    let progress = self.actions.get_mut(&run).map(|unit| unit.reply(reply));
                    let end = progress.and_then(|progress| self.advance(run, progress));
                    ended.extend(end.map(|end| (run, end)));
                }
                Heard::JobRemoved { job, result } => {
                    let over: Vec<(RunId, Outcome)> = self
                        .actions
                        .iter_mut()
                        .filter_map(|(run, unit)| Some((*run, unit.job_removed(&job, &result)?)))
                        .collect();
                    for (run, outcome) in over {
                        self.abandon(run);
                        ended.push((run, UnitEnd::Answered(outcome)));
                    }
                }
                Heard::Unreachable(error) => {
                    log::info!("cannot reach systemd: {error}");
                    ended.extend(self.unlink().map(|(run, mut unit)| {
                        match unit.reply(Reply::NotSent) {
                            Progress::NoSuchUnit => (run, UnitEnd::Script),
                            _ => (run, no_connection()),
                        }
                    }));
                }
                Heard::Closed => {
                    ended.extend(self.unlink().map(|(run, mut unit)| match unit.reply(lost()) {
                        Progress::Over(outcome) => (run, UnitEnd::Answered(outcome)),
                        Progress::NoSuchUnit => (run, UnitEnd::Script),
                        Progress::Steps(_) => (run, no_connection()),
                    }));
                }
            }
        }
        ended
    }

    /// The connection is gone: gives up the actions that had to do with it.
    fn unlink(&mut self) -> impl Iterator<Item = (RunId, UnitAction)> + use<> {
        self.link = None;
        self.calls.clear();
        std::mem::take(&mut self.actions).into_iter()
    }

    fn advance(&mut self, run: RunId, mut progress: Progress) -> Option<UnitEnd> {
        loop {
            let steps = match progress {
                Progress::Over(outcome) => {
                    self.abandon(run);
                    return Some(UnitEnd::Answered(outcome));
                }
                Progress::NoSuchUnit => {
                    self.abandon(run);
                    return Some(UnitEnd::Script);
                }
                Progress::Steps(steps) => steps,
            };
            progress = Progress::Steps(Vec::new());
            let mut changed = false;
            for step in steps {
                let next = self.take_step(run, &step);
                if let Some(next) = next {
                    progress = next;
                    changed = true;
                }
            }
            if !changed {
                return None;
            }
        }
    }

    fn take_step(&mut self, run: RunId, step: &Step) -> Option<Progress> {
        match step {
            Step::Call(call) => match self.send(call) {
                Ok(serial) => {
                    if *call != Call::Reload {
                        self.calls.insert(serial, run);
                    }
                    None
                }
                Err(error) => {
                    log::info!("cannot send to systemd: {error}");
                    Some(self.actions.get_mut(&run)?.reply(Reply::NotSent))
                }
            },
            Step::WriteOverride(name) => {
                let written = self.write_override(name).map_err(|error| {
                    match StartError::exit_of_errno(error.raw_os_error().unwrap_or(0)) {
                        OcfExit::InsufficientPrivileges => OcfExit::InsufficientPrivileges,
                        _ => OcfExit::Error,
                    }
                });
                Some(self.actions.get_mut(&run)?.override_written(written))
            }
            Step::RemoveOverride(name) => {
                let existed = self.remove_override(name);
                Some(self.actions.get_mut(&run)?.override_removed(existed))
            }
        }
    }

    fn send(&self, call: &Call) -> zbus::Result<u32> {
        let link = self.link.as_ref().ok_or(zbus::Error::InvalidReply)?;
        let message = message(call)?;
        let serial = message.primary_header().serial_num().get();
        link.calls.send(message).map_err(|_| zbus::Error::InvalidReply)?;
        Ok(serial)
    }

    fn write_override(&self, unit: &UnitName) -> io::Result<()> {
        let directory = override_directory(&self.config.run_directory, unit);
        fs::DirBuilder::new().recursive(true).mode(0o755).create(&directory)?;
        let mut options = fs::OpenOptions::new();
        let mut file = options
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o644)
            .open(directory.join("50-pacemaker.conf"))?;
        io::Write::write_all(&mut file, override_text(unit).as_bytes())
    }

    fn remove_override(&self, unit: &UnitName) -> bool {
        let directory = override_directory(&self.config.run_directory, unit);
        match fs::remove_file(directory.join("50-pacemaker.conf")) {
            Ok(()) => true,
            Err(error) if error.kind() == io::ErrorKind::NotFound => false,
            Err(error) => {
                log::warn!("cannot remove the override file of {unit}: {error}");
                false
            }
        }
    }

    fn connect(&mut self) -> io::Result<()> {
        if self.link.is_some() {
            return Ok(());
        }
        let (calls, to_send) = channel();
        let (sender, heard) = channel();
        let (config, waker) = (self.config.clone(), self.waker.clone());
        std::thread::Builder::new().name("systemd-calls".into()).spawn(move || {
            let end = match talk(&config, &to_send, &sender, &waker) {
                Ok(()) => Heard::Closed,
                Err(error) => Heard::Unreachable(error),
            };
            let _ = sender.send(end);
            let _ = waker.wake();
        })?;
        self.link = Some(Link { calls, heard });
        Ok(())
    }
}

/// Connects, starts to read, and sends calls until the driver has no more or sending fails.
fn talk(
    config: &SystemdConfig,
    calls: &Receiver<Message>,
    heard: &Sender<Heard>,
    waker: &Arc<Waker>,
) -> zbus::Result<()> {
    let connection = open(config)?;
    let rule =
        format!("type='signal',sender='{SYSTEMD}',interface='{MANAGER}',path='{MANAGER_PATH}'");
    let bus = "org.freedesktop.DBus";
    connection.call_method(
        Some(bus),
        "/org/freedesktop/DBus",
        Some(bus),
        "AddMatch",
        &(rule.as_str(),),
    )?;
    let incoming = MessageIterator::from(&connection);
    let subscribe = Message::method_call(MANAGER_PATH, "Subscribe")?
        .destination(SYSTEMD)?
        .interface(MANAGER)?
        .build(&())?;
    connection.send(&subscribe)?;
    let (sender, waker) = (heard.clone(), waker.clone());
    std::thread::Builder::new()
        .name("systemd-answers".into())
        .spawn(move || listen(incoming, &sender, &waker))
        .map_err(|error| zbus::Error::InputOutput(Arc::new(error)))?;
    while let Ok(call) = calls.recv() {
        if let Err(error) = connection.send(&call) {
            log::info!("cannot send to systemd: {error}");
            break;
        }
    }
    connection.close()
}

fn lost() -> Reply {
    Reply::Error {
        name: "org.freedesktop.DBus.Error.NoReply".into(),
        message: "bus disconnected".into(),
    }
}

fn no_connection() -> UnitEnd {
    UnitEnd::Answered(Outcome::new(OcfExit::Error, ExecStatus::Error, "No DBus connection"))
}

fn open(config: &SystemdConfig) -> zbus::Result<Connection> {
    let builder = match &config.address {
        Some(address) => Builder::address(address.as_str())?,
        None => Builder::system()?,
    };
    builder.max_queued(1024).build()
}

fn message(call: &Call) -> zbus::Result<Message> {
    let manager = |member: &'static str| {
        Message::method_call(MANAGER_PATH, member)?.destination(SYSTEMD)?.interface(MANAGER)
    };
    match call {
        Call::LoadUnit(unit) => manager("LoadUnit")?.build(&(unit.as_str(),)),
        Call::Reload => manager("Reload")?.build(&()),
        Call::Start(unit) => manager("StartUnit")?.build(&(unit.as_str(), "replace")),
        Call::Stop(unit) => manager("StopUnit")?.build(&(unit.as_str(), "replace")),
        Call::Restart(unit) => manager("RestartUnit")?.build(&(unit.as_str(), "replace")),
        Call::Property { path, name } => Message::method_call(path.as_str(), "Get")?
            .destination(SYSTEMD)?
            .interface(PROPERTIES)?
            .build(&(UNIT, *name)),
    }
}

fn listen(incoming: MessageIterator, sender: &Sender<Heard>, waker: &Waker) {
    for message in incoming {
        let heard = match message {
            Ok(message) => match understand(&message) {
                Some(heard) => heard,
                None => continue,
            },
            Err(error) => {
                log::info!("systemd bus: {error}");
                break;
            }
        };
        if sender.send(heard).is_err() {
            return;
        }
        let _ = waker.wake();
    }
    let _ = sender.send(Heard::Closed);
    let _ = waker.wake();
}

fn understand(message: &Message) -> Option<Heard> {
    let header = message.header();
    let serial = header.reply_serial().map(|serial| serial.get());
    match header.message_type() {
        Type::MethodReturn => {
            let body = message.body();
            let reply = if let Ok(path) = body.deserialize::<OwnedObjectPath>() {
                Reply::Path(path.to_string())
            } else if let Ok(value) = body.deserialize::<OwnedValue>() {
                value.downcast_ref::<String>().map_or(Reply::Unexpected, Reply::Text)
            } else {
                Reply::Unexpected
            };
            Some(Heard::Answer { serial: serial?, reply })
        }
        Type::Error => {
            let name = header.error_name()?.to_string();
            let message = message.body().deserialize::<String>().unwrap_or_default();
            Some(Heard::Answer { serial: serial?, reply: Reply::Error { name, message } })
        }
        Type::Signal if header.member().is_some_and(|member| *member == "JobRemoved") => {
            let body = message.body();
            let (_, job, _, result): (u32, OwnedObjectPath, String, String) =
                body.deserialize().ok()?;
            Some(Heard::JobRemoved { job: job.to_string(), result })
        }
        _ => None,
    }
}

/// systemd's agents, asked for and waited for; for tools, not for the executor's loop.
///
/// # Errors
/// When there is no bus or systemd does not answer.
pub fn list_units(config: &SystemdConfig) -> zbus::Result<Vec<String>> {
    let connection = open(config)?;
    let reply =
        connection.call_method(Some(SYSTEMD), MANAGER_PATH, Some(MANAGER), "ListUnitFiles", &())?;
    let body = reply.body();
    let files: Vec<(String, String)> = body.deserialize()?;
    Ok(unit_agents(files.iter().map(|(file, _)| file.as_str())))
}

/// Whether a type is a unit, and its description; asked and waited for, for tools.
///
/// # Errors
/// When there is no bus or systemd does not answer.
pub fn describe_unit(config: &SystemdConfig, kind: &str) -> zbus::Result<Option<String>> {
    let connection = open(config)?;
    let name = UnitName::for_existence(kind);
    let loaded = connection.call_method(
        Some(SYSTEMD),
        MANAGER_PATH,
        Some(MANAGER),
        "LoadUnit",
        &(name.as_str(),),
    )?;
    let path: OwnedObjectPath = loaded.body().deserialize()?;
    let get = |property: &str| -> zbus::Result<String> {
        let reply = connection.call_method(
            Some(SYSTEMD),
            path.as_str(),
            Some(PROPERTIES),
            "Get",
            &(UNIT, property),
        )?;
        let value: OwnedValue = reply.body().deserialize()?;
        Ok(String::try_from(value)?)
    };
    if !matches!(get("LoadState")?.as_str(), "loaded" | "masked") {
        return Ok(None);
    }
    get("Description").map(Some)
}
