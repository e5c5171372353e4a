//! A D-Bus of our own.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

/// The bus; it ends when it is dropped.
pub struct PrivateBus {
    pub address: String,
    daemon: Child,
    _directory: tempfile::TempDir,
}

const CONFIG: &str = r#"<!DOCTYPE busconfig PUBLIC
 "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>session</type><listen>unix:path=DIR/bus</listen><auth>EXTERNAL</auth>
<policy context="default"><allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/>
<allow own="*"/></policy></busconfig>"#;

impl PrivateBus {
    /// Starts a bus; `None` where there is no dbus-daemon.
    pub fn start() -> Option<Self> {
        if !crate::rig::has_program("dbus-daemon") {
            return None;
        }
        let directory = tempfile::tempdir().unwrap();
        let config = directory.path().join("bus.conf");
        let text = CONFIG.replace("DIR", &directory.path().display().to_string());
        std::fs::write(&config, text).unwrap();
        let mut daemon = Command::new("dbus-daemon")
            .arg(format!("--config-file={}", config.display()))
            .args(["--nofork", "--print-address"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut address = String::new();
        BufReader::new(daemon.stdout.take().unwrap()).read_line(&mut address).unwrap();
        Some(Self { address: address.trim().into(), daemon, _directory: directory })
    }

    pub fn kill(&mut self) {
        self.daemon.kill().unwrap();
        self.daemon.wait().unwrap();
    }
}

impl Drop for PrivateBus {
    fn drop(&mut self) {
        let _ = self.daemon.kill();
        let _ = self.daemon.wait();
    }
}
