//! The reference's executor, `pacemaker-execd`, driven from outside as the reference's controller does:
//! one request after the other over its socket, each answered at once, results coming as events (spec
//! 62 §6.4, §9.6; 80 §8).

use super::agents::PROVIDER;
use super::{Fallible, Finished, PARAMETERS, Subject, TIMEOUT};
use node_daemon::ipc::client::Client;
use node_daemon::ipc::endpoint::Place;
use node_daemon::ipc::frame::Layout;
use std::collections::VecDeque;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const PROGRAMS: [&str; 2] =
    ["/usr/lib/pacemaker/pacemaker-execd", "/usr/libexec/pacemaker/pacemaker-execd"];
const ENDPOINT: &str = "lrmd";
const START: Duration = Duration::from_secs(10);
const HELLO: Duration = Duration::from_secs(3);

/// A running `pacemaker-execd` and a connection to it.
pub struct Reference {
    client: Client,
    daemon: Daemon,
    events: VecDeque<String>,
}

#[derive(Debug)]
struct Daemon(Child);

impl Drop for Daemon {
    fn drop(&mut self) {
        if self.0.kill().is_ok() {
            let _ = self.0.wait();
        }
    }
}

/// The installed program.
#[must_use]
pub fn program() -> Option<&'static Path> {
    PROGRAMS.iter().map(Path::new).find(|path| path.exists())
}

impl Reference {
    /// Starts the daemon and connects.
    ///
    /// # Errors
    /// When it is not installed, another one runs, or it does not answer.
    pub fn new() -> Fallible<Self> {
        let program = program().ok_or("pacemaker-execd is not installed")?;
        if Client::connect_to(&Place::Namespace, ENDPOINT).is_ok() {
            return Err("an executor is running on this machine already".into());
        }
        let mut command = Command::new(program);
        command
            .env("PCMK_ipc_type", "socket")
            .env("PCMK_logfile", "none")
            .env("PCMK_logfacility", "none")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let daemon = Daemon(command.spawn()?);
        let began = Instant::now();
        let client = loop {
            match Client::connect_to(&Place::Namespace, ENDPOINT) {
                Ok(client) => break client,
                Err(error) if began.elapsed() > START => return Err(error.into()),
                Err(_) => std::thread::sleep(Duration::from_millis(10)),
            }
        };
        // Servers up to 3.0.0 know the old layout only, and say nothing to others.
        let hello = r#"<lrmd_command t="lrmd" lrmd_op="register" lrmd_clientname="measure" lrmd_protocol_version="1.1"/>"#;
        let mut client = client.speaking(Layout::Old);
        if client.ask(hello, HELLO).is_err() {
            client = Client::connect_to(&Place::Namespace, ENDPOINT)?;
            client.ask(hello, HELLO)?;
        }
        Ok(Self { client, daemon, events: VecDeque::new() })
    }

    fn ask(&mut self, request: &str) -> Fallible {
        let reply = self.client.ask(request, TIMEOUT)?;
        // The daemon drops a client that leaves too many events unread.
        while let Ok(event) = self.client.event(Duration::ZERO) {
            self.events.push_back(event);
        }
        match attribute(&reply, "lrmd_rc").and_then(|rc| rc.parse::<i32>().ok()) {
            Some(0..) => Ok(()),
            _ => Err(format!("{request} is answered with {reply}").into()),
        }
    }

    fn call(&mut self, op: &str, resource: &str) -> Fallible {
        self.ask(&format!(
            r#"<lrmd_command t="lrmd" lrmd_op="{op}" lrmd_timeout="0" lrmd_callopt="0"><lrmd_calldata>{resource}</lrmd_calldata></lrmd_command>"#
        ))
    }
}

/// The value of an attribute; the text is the daemon's own, whose values here need no unescaping.
fn attribute<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    let at = text.find(&format!(" {name}=\""))? + name.len() + 3;
    text[at..].split('"').next()
}

impl Subject for Reference {
    fn register(&mut self, agent: &str, count: usize) -> Fallible {
        for number in 0..count {
            self.call(
                "lrmd_rsc_register",
                &format!(
                    r#"<lrmd_rsc lrmd_rsc_id="r{number}" lrmd_class="ocf" lrmd_provider="{PROVIDER}" lrmd_type="{agent}"/>"#
                ),
            )?;
        }
        Ok(())
    }

    fn monitor(&mut self, resource: usize, interval: Duration) -> Fallible {
        let parameters: String =
            PARAMETERS.iter().map(|(name, value)| format!(r#" {name}="{value}""#)).collect();
        self.call(
            "lrmd_rsc_exec",
            &format!(
                r#"<lrmd_rsc lrmd_rsc_id="r{resource}" lrmd_rsc_action="monitor" lrmd_rsc_userdata_str="" lrmd_rsc_interval="{}" lrmd_timeout="{}" lrmd_rsc_start_delay="0"><attributes{parameters}/></lrmd_rsc>"#,
                interval.as_millis(),
                TIMEOUT.as_millis(),
            ),
        )
    }

    fn wait(&mut self, found: &mut Vec<Finished>) -> Fallible {
        let event = match self.events.pop_front() {
            Some(event) => event,
            None => self.client.event(TIMEOUT)?,
        };
        if attribute(&event, "lrmd_op") != Some("lrmd_rsc_exec") {
            return Ok(());
        }
        let resource = attribute(&event, "lrmd_rsc_id").and_then(|id| id[1..].parse().ok());
        found.push(Finished {
            resource: resource.ok_or("an event without a resource")?,
            ok: attribute(&event, "lrmd_exec_rc") == Some("0"),
            output: attribute(&event, "lrmd_rsc_output").unwrap_or_default().to_owned(),
        });
        Ok(())
    }

    fn process(&self) -> u32 {
        self.daemon.0.id()
    }
}
