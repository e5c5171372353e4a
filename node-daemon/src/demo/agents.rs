//! The agents of the demonstration: a TCP service, a resource for every node, and a fence device that kills
//! all processes of a node.

use std::fs;
use std::io::{self, BufRead, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use clap::Args;
use rustix::process::{Pid, Signal, kill_process, test_kill_process};

use super::layout::{MARK, kill_node};

const OK: u8 = 0;
const ERROR: u8 = 1;
const UNIMPLEMENTED: u8 = 3;
const NOT_RUNNING: u8 = 7;

const ACTIONS: &str = "<actions><action name=\"start\" timeout=\"20s\"/><action name=\"stop\" timeout=\"20s\"/>\
<action name=\"monitor\" timeout=\"20s\" interval=\"10s\"/><action name=\"meta-data\" timeout=\"5s\"/></actions>";

/// What an agent of the demonstration is called with.
#[derive(Debug, Clone, Args)]
pub struct AgentArguments {
    /// Which: service, presence, fence or serve
    pub kind: String,
    /// Directory of the demonstration
    pub directory: PathBuf,
    /// The action, and what belongs to it
    pub rest: Vec<String>,
}

/// Runs an agent.
pub fn agent(arguments: &AgentArguments) -> ExitCode {
    let action = arguments.rest.first().map_or("", String::as_str);
    let code = match arguments.kind.as_str() {
        "service" => service(&arguments.directory, action),
        "presence" => presence(action),
        "fence" => fence(&arguments.directory),
        "serve" => serve(&arguments.rest),
        _ => Ok(UNIMPLEMENTED),
    };
    code.map_or_else(
        |error| {
            eprintln!("ocf-exit-reason:{error}");
            ExitCode::from(ERROR)
        },
        ExitCode::from,
    )
}

fn node_home() -> io::Result<PathBuf> {
    let home = std::env::var_os(MARK);
    home.map(PathBuf::from).ok_or_else(|| io::Error::other(format!("{MARK} is not set")))
}

/// A node's number, by which it has its address.
fn number(home: &Path) -> String {
    let name = home.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    name.trim_start_matches("node").to_owned()
}

fn running(file: &Path) -> Option<Pid> {
    let pid = Pid::from_raw(fs::read_to_string(file).ok()?.trim().parse().ok()?)?;
    test_kill_process(pid).is_ok().then_some(pid)
}

fn service(directory: &Path, action: &str) -> io::Result<u8> {
    if action == "meta-data" {
        println!(
            "<?xml version=\"1.0\"?><resource-agent name=\"DemoService\" version=\"1.0\"><version>1.1</version>\
             <parameters><parameter name=\"port\"><content type=\"integer\"/></parameter></parameters>{ACTIONS}\
             </resource-agent>"
        );
        return Ok(OK);
    }
    let home = node_home()?;
    let file = home.join("service.pid");
    let port = std::env::var("OCF_RESKEY_port").map_err(io::Error::other)?;
    let address = format!("127.0.0.{}:{port}", number(&home));
    match (action, running(&file)) {
        ("start", None) => {
            let name = format!("node{}", number(&home));
            Command::new(std::env::current_exe()?)
                .args(["demo-agent", "serve"])
                .arg(directory)
                .args([&address, &name])
                .arg(&file)
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .process_group(0)
                .spawn()?;
            let end = Instant::now() + Duration::from_secs(10);
            while TcpStream::connect(&address).is_err() {
                if Instant::now() > end {
                    return Err(io::Error::other("the service does not listen"));
                }
                thread::sleep(Duration::from_millis(1));
            }
            Ok(OK)
        }
        ("start", Some(_)) => Ok(OK),
        ("stop", Some(pid)) => {
            let _ = kill_process(pid, Signal::KILL);
            while test_kill_process(pid).is_ok() && TcpStream::connect(&address).is_ok() {
                thread::sleep(Duration::from_millis(1));
            }
            let _ = fs::remove_file(&file);
            Ok(OK)
        }
        ("stop", None) => Ok(OK),
        ("monitor", Some(_)) => Ok(OK),
        ("monitor", None) => Ok(NOT_RUNNING),
        _ => Ok(UNIMPLEMENTED),
    }
}

/// The service itself: each connection gets one line that says who answers.
fn serve(arguments: &[String]) -> io::Result<u8> {
    let [address, name, file] = arguments else { return Ok(UNIMPLEMENTED) };
    let listener = TcpListener::bind(address)?;
    fs::write(file, std::process::id().to_string())?;
    for stream in listener.incoming() {
        let _ = stream.and_then(|mut stream| writeln!(stream, "{name} {}", std::process::id()));
    }
    Ok(OK)
}

fn presence(action: &str) -> io::Result<u8> {
    if action == "meta-data" {
        println!(
            "<?xml version=\"1.0\"?><resource-agent name=\"DemoPresence\" version=\"1.0\"><version>1.1</version>\
             <parameters/>{ACTIONS}</resource-agent>"
        );
        return Ok(OK);
    }
    // What a node holds in memory is gone with its processes.
    let file = node_home()?.join("presence");
    match action {
        "start" => fs::write(file, "here").map(|()| OK),
        "stop" => match fs::remove_file(file) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(OK),
        },
        "monitor" if file.exists() => Ok(OK),
        "monitor" => Ok(NOT_RUNNING),
        _ => Ok(UNIMPLEMENTED),
    }
}

fn fence(directory: &Path) -> io::Result<u8> {
    let (mut action, mut target) = (String::new(), String::new());
    for line in io::stdin().lock().lines() {
        match line?.split_once('=') {
            Some(("action", value)) => value.clone_into(&mut action),
            Some(("nodename", value)) => value.clone_into(&mut target),
            _ => {}
        }
    }
    match action.as_str() {
        "metadata" => {
            println!(
                "<?xml version=\"1.0\"?><resource-agent name=\"fence_demo\"><parameters><parameter name=\"plug\">\
                 <content type=\"string\"/></parameter></parameters><actions><action name=\"off\"/>\
                 <action name=\"reboot\"/><action name=\"on\"/><action name=\"monitor\"/>\
                 <action name=\"metadata\"/></actions></resource-agent>"
            );
            Ok(OK)
        }
        "off" | "reboot" => {
            let plain = !target.is_empty() && target.chars().all(char::is_alphanumeric);
            if !plain {
                return Err(io::Error::other(format!("'{target}' is no node")));
            }
            let home = directory.join(&target);
            kill_node(&home);
            for left in ["service.pid", "presence"] {
                let _ = fs::remove_file(home.join(left));
            }
            Ok(OK)
        }
        "on" | "monitor" => Ok(OK),
        _ => Ok(ERROR),
    }
}
