//! A scripted systemd on a private bus.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use zbus::blocking::{Connection, connection::Builder};
use zbus::fdo;
use zbus::zvariant::OwnedObjectPath;

use crate::private_bus::PrivateBus;

/// How a unit behaves.
#[derive(Debug, Clone)]
pub struct Script {
    pub state: &'static str,
    /// How its next job ends.
    pub job_result: &'static str,
    /// How long a job takes.
    pub job_time: Duration,
}

impl Script {
    pub const WELL: Self =
        Self { state: "inactive", job_result: "done", job_time: Duration::from_millis(20) };
}

type Units = Arc<Mutex<BTreeMap<String, Script>>>;

/// The bus and the manager on it; both end when it is dropped.
pub struct ScriptedSystemd {
    pub address: String,
    pub units: Units,
    connection: Option<Connection>,
    bus: PrivateBus,
}

struct Manager {
    units: Units,
    connection: Arc<Mutex<Option<Connection>>>,
    jobs: u32,
}

struct Unit {
    name: String,
    units: Units,
}

const MANAGER_PATH: &str = "/org/freedesktop/systemd1";
const MANAGER: &str = "org.freedesktop.systemd1.Manager";

impl ScriptedSystemd {
    /// Starts a bus and a manager; `None` where there is no dbus-daemon.
    pub fn start() -> Option<Self> {
        let bus = PrivateBus::start()?;
        let mut this =
            Self { address: bus.address.clone(), units: Units::default(), connection: None, bus };
        this.appear();
        Some(this)
    }

    /// Adds a unit.
    pub fn add(&self, name: &str, script: Script) {
        self.units.lock().unwrap().insert(name.into(), script);
    }

    pub fn set_state(&self, name: &str, state: &'static str) {
        self.units.lock().unwrap().get_mut(name).expect("a unit that was added").state = state;
    }

    pub fn state(&self, name: &str) -> &'static str {
        self.units.lock().unwrap()[name].state
    }

    /// The manager takes its name on the bus.
    fn appear(&mut self) {
        let link = Arc::new(Mutex::new(None));
        let manager = Manager { units: self.units.clone(), connection: link.clone(), jobs: 0 };
        let connection = Builder::address(self.address.as_str())
            .unwrap()
            .serve_at(MANAGER_PATH, manager)
            .unwrap()
            .name("org.freedesktop.systemd1")
            .unwrap()
            .build()
            .unwrap();
        *link.lock().unwrap() = Some(connection.clone());
        self.connection = Some(connection);
    }

    /// The bus ends.
    pub fn kill_bus(&mut self) {
        self.bus.kill();
    }
}

impl Manager {
    fn job(&mut self, name: &str, end_state: &'static str) -> fdo::Result<OwnedObjectPath> {
        let script = self.units.lock().unwrap().get(name).cloned();
        let Some(script) = script else {
            return Err(fdo::Error::ZBus(zbus::Error::Failure(format!("no unit {name}"))));
        };
        self.jobs += 1;
        let (number, units) = (self.jobs, self.units.clone());
        let connection = self.connection.lock().unwrap().clone().expect("connected");
        let (name, job) = (name.to_string(), format!("{MANAGER_PATH}/job/{number}"));
        let path = OwnedObjectPath::try_from(job.as_str()).unwrap();
        let removed = path.clone();
        std::thread::spawn(move || {
            std::thread::sleep(script.job_time);
            if script.job_result == "done" {
                units.lock().unwrap().get_mut(&name).unwrap().state = end_state;
            }
            let body = (number, removed, name.as_str(), script.job_result);
            // The bus may be gone by now.
            let _ =
                connection.emit_signal(None::<&str>, MANAGER_PATH, MANAGER, "JobRemoved", &body);
        });
        Ok(path)
    }
}

/// The errors of systemd that matter, with their names on the bus.
#[derive(Debug, zbus::DBusError)]
#[zbus(prefix = "org.freedesktop.systemd1")]
enum SystemdError {
    #[zbus(error)]
    ZBus(zbus::Error),
    NoSuchUnit(String),
}

#[zbus::interface(name = "org.freedesktop.systemd1.Manager")]
impl Manager {
    fn subscribe(&self) {}

    fn reload(&self) {}

    async fn load_unit(
        &self,
        name: String,
        #[zbus(object_server)] server: &zbus::ObjectServer,
    ) -> fdo::Result<OwnedObjectPath> {
        let plain: String = name
            .bytes()
            .map(|b| match b {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => char::from(b).to_string(),
                other => format!("_{other:02x}"),
            })
            .collect();
        let path = OwnedObjectPath::try_from(format!("{MANAGER_PATH}/unit/{plain}")).unwrap();
        let unit = Unit { name, units: self.units.clone() };
        server.at(&path, unit).await?;
        Ok(path)
    }

    fn start_unit(&mut self, name: &str, _mode: &str) -> Result<OwnedObjectPath, SystemdError> {
        self.job(name, "active").map_err(|_| SystemdError::NoSuchUnit(name.into()))
    }

    fn stop_unit(&mut self, name: &str, _mode: &str) -> Result<OwnedObjectPath, SystemdError> {
        self.job(name, "inactive").map_err(|_| SystemdError::NoSuchUnit(name.into()))
    }

    fn list_unit_files(&self) -> Vec<(String, String)> {
        let units = self.units.lock().unwrap();
        units.keys().map(|name| (format!("/lib/systemd/system/{name}"), "static".into())).collect()
    }
}

#[zbus::interface(name = "org.freedesktop.systemd1.Unit")]
impl Unit {
    #[zbus(property)]
    fn active_state(&self) -> String {
        let units = self.units.lock().unwrap();
        units.get(&self.name).map_or("inactive", |script| script.state).into()
    }

    #[zbus(property)]
    fn load_state(&self) -> String {
        let known = self.units.lock().unwrap().contains_key(&self.name);
        if known { "loaded".into() } else { "not-found".into() }
    }

    #[zbus(property)]
    fn description(&self) -> String {
        format!("The unit {}", self.name)
    }
}
