//! Units under a real systemd: a user manager and its bus, in a mount namespace that looks
//! booted by systemd whatever the machine was booted by.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use lrm::driver::{SystemdConfig, list_units};
use lrm::outcome::{ExecStatus, OcfExit};

use crate::rig::{Rig, has_program, ms, request, skip};

const PROGRAM: &str = "/lib/systemd/systemd";

struct UserManager {
    manager: Child,
    directory: tempfile::TempDir,
}

impl UserManager {
    /// Starts a manager that knows these units, and waits until it is on the bus.
    fn start(units: &[(&str, &str)]) -> Option<Self> {
        if !Path::new(PROGRAM).exists() || !has_program("unshare") {
            skip("systemd and unshare");
            return None;
        }
        if !rustix::process::geteuid().is_root() {
            skip("root, for a mount namespace");
            return None;
        }
        if !Path::new("/usr/lib/systemd/user/dbus.socket").exists() {
            skip("dbus-user-session");
            return None;
        }
        let directory = tempfile::tempdir().unwrap();
        let home = directory.path().to_path_buf();
        let configured = home.join("config/systemd/user");
        std::fs::create_dir_all(&configured).unwrap();
        for (name, text) in units {
            std::fs::write(configured.join(name), text).unwrap();
        }
        let script = format!(
            "mount -t tmpfs none /run && mkdir -p /run/systemd/system && exec {PROGRAM} --user --log-target=console"
        );
        let manager = Command::new("unshare")
            .args(["--mount", "sh", "-c", &script])
            .env("XDG_RUNTIME_DIR", &home)
            .env("XDG_CONFIG_HOME", home.join("config"))
            .env_remove("DBUS_SESSION_BUS_ADDRESS")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(home.join("log")).unwrap())
            .spawn()
            .unwrap();
        let this = Self { manager, directory };
        let end = Instant::now() + Duration::from_secs(60);
        while Instant::now() < end {
            if list_units(&this.config()).is_ok() {
                return Some(this);
            }
            std::thread::sleep(ms(200));
        }
        let log = std::fs::read_to_string(home.join("log")).unwrap_or_default();
        eprintln!("systemd said: {log}");
        skip("a systemd that runs as a user manager");
        None
    }

    fn config(&self) -> SystemdConfig {
        SystemdConfig {
            address: Some(self.address()),
            run_directory: self.directory.path().join("systemd/user"),
        }
    }

    /// The manager starts a bus there at the first connection.
    fn address(&self) -> String {
        format!("unix:path={}", self.directory.path().join("bus").display())
    }

    fn rig(&self) -> Rig {
        Rig::with(|config, _| config.systemd = self.config())
    }
}

impl Drop for UserManager {
    fn drop(&mut self) {
        let mut exit = Command::new("busctl");
        let _ = exit
            .arg(format!("--address={}", self.address()))
            .args(["call", "org.freedesktop.systemd1", "/org/freedesktop/systemd1"])
            .args(["org.freedesktop.systemd1.Manager", "Exit"])
            .stderr(Stdio::null())
            .status();
        for _ in 0..100 {
            if matches!(self.manager.try_wait(), Ok(Some(_)) | Err(_)) {
                break;
            }
            std::thread::sleep(ms(50));
        }
        let _ = self.manager.kill();
        let _ = self.manager.wait();
        // The bus outlives its manager.
        let mine = format!("XDG_RUNTIME_DIR={}", self.directory.path().display());
        for entry in std::fs::read_dir("/proc").unwrap().flatten() {
            let environment = std::fs::read(entry.path().join("environ")).unwrap_or_default();
            if environment.split(|byte| *byte == 0).any(|line| line == mine.as_bytes()) {
                let _ = Command::new("kill").arg(entry.file_name()).status();
            }
        }
    }
}

#[test]
fn units_of_a_real_systemd_live_their_lives() {
    let units = [
        ("web.service", "[Service]\nExecStart=/bin/sleep 1000\nRestart=always\n"),
        ("slow.service", "[Service]\nExecStartPre=/bin/sleep 4\nExecStart=/bin/sleep 1000\n"),
        ("broken.service", "[Service]\nType=oneshot\nExecStart=/bin/false\n"),
    ];
    let Some(manager) = UserManager::start(&units) else { return };
    let mut rig = manager.rig();

    let listed = list_units(&manager.config()).unwrap();
    assert!(["broken", "slow", "web"].iter().all(|name| listed.contains(&name.to_string())));

    rig.register("r", "systemd:web");
    rig.run_expect("r_monitor_0", &[], "Not running/Done");
    rig.run_expect("r_start_0", &[], "OK/Done");
    let overriding = manager.config().run_directory.join("web.service.d/50-pacemaker.conf");
    assert!(overriding.exists());
    rig.run_expect("r_monitor_200", &[], "OK/Done");
    // Killed, it is not restarted: the override forbids what the unit file asks for.
    let of_manager = ["-P", &manager.manager.id().to_string(), "sleep"];
    assert!(Command::new("pkill").args(of_manager).status().unwrap().success());
    while rig.result("r_monitor_200").outcome.exit != OcfExit::NotRunning {}
    rig.expect("r_monitor_200", "Not running/Done");
    rig.cancel("r_monitor_200").unwrap();
    while rig.result("r_monitor_200").outcome.status != ExecStatus::Cancelled {}
    rig.run_expect("r_start_0", &[], "OK/Done");
    rig.run_expect("r_stop_0", &[], "OK/Done");
    assert!(!overriding.exists());
    rig.run_expect("r_monitor_0", &[], "Not running/Done");

    // A probe during a start waits for its end.
    rig.register("s", "systemd:slow");
    rig.register("probe", "systemd:slow");
    rig.run("s_start_0", &[]);
    rig.pass(ms(300));
    let mut probe = request("probe_monitor_0", &[]);
    probe.timeout = ms(60_000);
    rig.execute(probe).unwrap();
    let seen = rig.expect("probe_monitor_0", "OK/Done");
    assert!(seen.exec_time >= ms(500), "{:?}", seen.exec_time);
    rig.expect("s_start_0", "OK/Done");
    rig.run_expect("s_stop_0", &[], "OK/Done");

    rig.register("b", "systemd:broken");
    rig.run("b_start_0", &[]);
    let failed = rig.expect("b_start_0", "Error occurred/Error");
    let reason = "systemd start job for broken.service failed with result 'failed'";
    assert_eq!(failed.outcome.reason.as_deref(), Some(reason));

    rig.register("n", "systemd:nothing");
    rig.run("n_start_0", &[]);
    let missing = rig.expect("n_start_0", "Not installed/Not installed");
    assert_eq!(missing.outcome.reason.as_deref(), Some("systemd unit nothing not found"));
    rig.run_expect("n_stop_0", &[], "OK/Done");
}
