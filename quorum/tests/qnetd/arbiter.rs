//! Debian's arbiter daemon in a directory of its own, and a way to it that can be cut.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};
use std::time::{Duration, Instant};

pub struct Arbiter {
    pub port: u16,
    child: Child,
    directory: tempfile::TempDir,
}

impl Arbiter {
    /// `None` where it is not installed; in CI that is a failure.
    pub fn start() -> Option<Arbiter> {
        if Command::new("corosync-qnetd").arg("-v").stdout(Stdio::null()).status().is_err() {
            let lacks = "corosync-qnetd is not installed; see quorum/tests/install.sh";
            assert!(std::env::var_os("CI").is_none(), "{lacks}");
            eprintln!("skipped: {lacks}");
            return None;
        }
        let port = free_port();
        let directory = tempfile::tempdir().unwrap();
        let child = spawn(&directory, port);
        Some(Arbiter { port, child, directory })
    }

    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub fn start_again(&mut self) {
        self.child = spawn(&self.directory, self.port);
    }

    pub fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-s", name, &id]).status().unwrap().success());
    }
}

impl Drop for Arbiter {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Below the range from which the system takes ports for connections, so that it is still free
/// after the arbiter was killed.
fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let base = 20_000 + (std::process::id() % 10_000) as u16;
    loop {
        let port = base + NEXT.fetch_add(1, Ordering::SeqCst);
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

fn spawn(directory: &tempfile::TempDir, port: u16) -> Child {
    let path = |name: &str| directory.path().join(name).display().to_string();
    let files = format!("lock_file={},local_socket_file={}", path("pid"), path("socket"));
    let child = Command::new("corosync-qnetd")
        .args(["-f", "-4", "-s", "off", "-l", "127.0.0.1", "-p", &port.to_string(), "-S", &files])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let end = Instant::now() + Duration::from_secs(5);
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(Instant::now() < end, "corosync-qnetd does not listen");
        std::thread::sleep(Duration::from_millis(20));
    }
    child
}

/// Forwards connections to the arbiter until it stalls: from then on nothing arrives on either
/// side and nothing is closed, as when a cable is pulled.
pub struct Tunnel {
    pub port: u16,
    stalled: Arc<AtomicBool>,
}

impl Tunnel {
    pub fn to(arbiter: u16) -> Tunnel {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let stalled = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&stalled);
        std::thread::spawn(move || {
            for near in listener.incoming() {
                let (Ok(near), Ok(far)) = (near, TcpStream::connect(("127.0.0.1", arbiter))) else {
                    return;
                };
                let other = (far.try_clone().unwrap(), near.try_clone().unwrap());
                for (from, to) in [(near, far), other] {
                    let flag = Arc::clone(&flag);
                    std::thread::spawn(move || forward(from, to, &flag));
                }
            }
        });
        Tunnel { port, stalled }
    }

    pub fn stall(&self) {
        self.stalled.store(true, Ordering::SeqCst);
    }
}

fn forward(mut from: TcpStream, mut to: TcpStream, stalled: &AtomicBool) {
    let mut buffer = [0; 4096];
    loop {
        let length = from.read(&mut buffer).unwrap_or(0);
        while stalled.load(Ordering::SeqCst) {
            std::thread::sleep(Duration::from_millis(10));
        }
        if length == 0 || to.write_all(&buffer[..length]).is_err() {
            let _ = to.shutdown(std::net::Shutdown::Both);
            return;
        }
    }
}
