//! `crm_mon` in a terminal: it starts, follows changes, ends when it is told to, and leaves the terminal as
//! it was.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use nix::pty::{Winsize, openpty};
use rustix::process::{Pid, Signal, kill_process};
use rustix::termios::{LocalModes, tcgetattr};

use super::{Cib, Endpoint, Node};

const PATIENCE: Duration = Duration::from_secs(60);
/// Makes the screen that was there before come back.
const LEAVE: &str = "\x1b[?1049l";

/// A program in a terminal.
struct Terminal {
    child: Child,
    keyboard: File,
    line: OwnedFd,
    screen: Arc<Mutex<String>>,
}

impl Terminal {
    fn start(node: &Node) -> Terminal {
        let size = Winsize { ws_row: 40, ws_col: 100, ws_xpixel: 0, ws_ypixel: 0 };
        let pair = openpty(Some(&size), None).unwrap();
        let end = || Stdio::from(pair.slave.try_clone().unwrap());
        let link = node.directory().join("crm_mon");
        if !link.exists() {
            std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_node-daemon"), &link).unwrap();
        }
        // It makes the terminal the one that controls the program.
        let child = Command::new("setsid")
            .args(["--ctty", "--wait"])
            .arg(link)
            // What is shown in time was shown because it changed.
            .args(["--interval", "600"])
            .env_remove("CIB_file")
            .env("TERM", "xterm")
            .env("UNDERSTUDY_IPC_DIRECTORY", node.directory())
            .stdin(end())
            .stdout(end())
            .stderr(end())
            .spawn()
            .unwrap();
        let screen = Arc::new(Mutex::new(String::new()));
        let (mut output, shown) = (File::from(pair.master.try_clone().unwrap()), screen.clone());
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(length @ 1..) = output.read(&mut buffer) {
                shown.lock().unwrap().push_str(&String::from_utf8_lossy(&buffer[..length]));
            }
        });
        Terminal { child, keyboard: File::from(pair.master), line: pair.slave, screen }
    }

    /// Waits until something is shown.
    fn shows(&self, text: &str) {
        let end = Instant::now() + PATIENCE;
        while !self.screen.lock().unwrap().contains(text) {
            assert!(Instant::now() < end, "no {text:?} in {:?}", self.screen.lock().unwrap());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    fn clear(&self) {
        self.screen.lock().unwrap().clear();
    }

    fn is_raw(&self) -> bool {
        let modes = tcgetattr(&self.line).unwrap().local_modes;
        !modes.contains(LocalModes::ICANON) && !modes.contains(LocalModes::ECHO)
    }

    /// Waits for the end; gives the code.
    fn ends(&mut self) -> Option<i32> {
        let end = Instant::now() + PATIENCE;
        loop {
            match self.child.try_wait().unwrap() {
                Some(status) => return status.code(),
                None if Instant::now() > end => {
                    self.child.kill().unwrap();
                    panic!("it does not end");
                }
                None => std::thread::sleep(Duration::from_millis(10)),
            }
        }
    }
}

/// The process that runs in the terminal, not the one that gave it the terminal.
fn inside(terminal: &Terminal) -> Pid {
    let own = terminal.child.id();
    let children = std::fs::read_to_string(format!("/proc/{own}/task/{own}/children")).unwrap();
    let pid = children.split_whitespace().next().and_then(|pid| pid.parse().ok());
    Pid::from_raw(pid.unwrap_or(own as i32)).unwrap()
}

#[test]
fn the_status_follows_changes_and_the_terminal_comes_back() {
    let node = Node::start("terminal");
    let mut cib = Cib::open(&node, Endpoint::CibWrite);
    assert_eq!(cib.call("cib_create", "nodes", r#"<node id="1" uname="first"/>"#).0, "0");
    type End = fn(&mut Terminal);
    let ends: [(&str, End); 3] = [
        ("q", |terminal| terminal.keyboard.write_all(b"q").unwrap()),
        ("Ctrl-C", |terminal| terminal.keyboard.write_all(&[3]).unwrap()),
        ("SIGTERM", |terminal| kill_process(inside(terminal), Signal::TERM).unwrap()),
    ];
    for (index, (what, end)) in ends.into_iter().enumerate() {
        let mut terminal = Terminal::start(&node);
        terminal.shows("Cluster Summary");
        terminal.shows("first");
        assert!(terminal.is_raw(), "{what}: keys are echoed");
        terminal.clear();
        let name = format!("later{index}");
        let id = index + 2;
        let created =
            cib.call("cib_create", "nodes", &format!(r#"<node id="{id}" uname="{name}"/>"#));
        assert_eq!(created.0, "0");
        terminal.shows(&name);
        end(&mut terminal);
        assert_eq!(terminal.ends(), Some(0), "{what}");
        terminal.shows(LEAVE);
        assert!(!terminal.is_raw(), "{what}: the terminal stays raw");
    }
}
