//! Debian's arbiter daemon in a directory of its own, and a way to it that can be cut.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant, SystemTime};

use super::authority;

pub struct Arbiter {
    pub port: u16,
    child: Child,
    directory: tempfile::TempDir,
    /// Its options about TLS.
    tls: &'static [&'static str],
}

impl Arbiter {
    /// `None` where it is not installed; in CI that is a failure.
    pub fn start() -> Option<Arbiter> {
        Arbiter::start_with(&["-s", "off"], |_| ())
    }

    /// With certificates of an authority of the test's own, and these options. Certificates and keys for
    /// nodes come from [`Arbiter::certificate`].
    pub fn start_with_tls(tls: &'static [&'static str]) -> Option<Arbiter> {
        Arbiter::start_with(tls, |directory| authority::create(directory, "Qnetd Server"))
    }

    /// Its certificate is of the right authority, but for somebody else.
    pub fn start_impostor(subject: &str) -> Option<Arbiter> {
        Arbiter::start_with(&["-s", "on"], |directory| authority::create(directory, subject))
    }

    fn start_with(tls: &'static [&'static str], prepare: impl Fn(&Path)) -> Option<Arbiter> {
        if Command::new("corosync-qnetd").arg("-v").stdout(Stdio::null()).status().is_err() {
            let lacks = "corosync-qnetd is not installed; see quorum/tests/install.sh";
            assert!(std::env::var_os("CI").is_none(), "{lacks}");
            eprintln!("skipped: {lacks}");
            return None;
        }
        let port = free_port();
        let directory = tempfile::tempdir().unwrap();
        prepare(directory.path());
        let child = spawn(&directory, port, tls);
        Some(Arbiter { port, child, directory, tls })
    }

    /// A PEM file as nodes of this cluster have it, of the arbiter's authority or of a stranger's.
    pub fn certificate(&self, cluster: &str, of_arbiter: bool) -> PathBuf {
        authority::certify(self.directory.path(), cluster, of_arbiter)
    }

    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub fn start_again(&mut self) {
        self.child = spawn(&self.directory, self.port, self.tls);
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
    // Not by the process id: two runs may each have a namespace of its own for them.
    static BASE: LazyLock<u16> = LazyLock::new(|| {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
        20_000 + (now.subsec_micros() % 10_000) as u16
    });
    loop {
        let port = *BASE + NEXT.fetch_add(1, Ordering::SeqCst);
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

fn spawn(directory: &tempfile::TempDir, port: u16, tls: &[&str]) -> Child {
    let path = |name: &str| directory.path().join(name).display().to_string();
    let files = format!(
        "lock_file={},local_socket_file={},nss_db_dir={}",
        path("pid"),
        path("socket"),
        path("nss")
    );
    let child = Command::new("corosync-qnetd")
        .args(["-f", "-4", "-l", "127.0.0.1", "-p", &port.to_string(), "-S", &files])
        .args(tls)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let end = Instant::now() + Duration::from_secs(60);
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
