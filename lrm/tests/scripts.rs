//! Plays the files in `tests/scripts`: commands to the executor core, and what comes out.
//!
//! A block is a few commands, a line `----`, and the outputs of those commands, up to an empty line.
//! `UPDATE_SCRIPTS=1 cargo test -p lrm --test scripts` writes the outputs anew, to be read over.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use lrm::executor::{
    Alert, Config, Event, EventKind, Executor, FenceAction, Input, Now, OperationResult, Output,
    Recipients, RunEnd, RunId, Scope, Signal, Started, Task, Termination,
};
use lrm::operation::{Action, ClientId, Interval, Parameters, Request, Resource, ResourceId};
use lrm::outcome::{
    ExecStatus, OcfExit, Outcome, ProcessEnd, StartError, StartErrorKind, duration_text,
};

struct Player {
    core: Executor,
    now: Duration,
    runs: Vec<RunId>,
    out: String,
}

impl Player {
    fn new(config: Config) -> Self {
        Self {
            core: Executor::new(config),
            now: Duration::ZERO,
            runs: Vec::new(),
            out: String::new(),
        }
    }

    fn now(&self) -> Now {
        Now { monotonic: self.now, epoch: 1_000 + self.now.as_secs() as i64 }
    }

    fn tell(&mut self, number: &str, input: impl FnOnce(RunId) -> Input) {
        let known = self.runs.iter().find(|run| run.number().to_string() == number);
        match known.copied() {
            Some(run) => self.core.handle(self.now(), input(run)),
            None => writeln!(self.out, "no run {number}").unwrap(),
        }
    }

    fn play(&mut self, line: &str) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let now = self.now();
        match words[..] {
            ["config", "immediate"] => {
                let termination = Termination::Immediate;
                self.core = Executor::new(Config { termination, ..Config::default() });
            }
            ["config", "queue", most] => {
                let max_queue = most.parse().unwrap();
                self.core = Executor::new(Config { max_queue, ..Config::default() });
            }
            ["register", resource, agent, ref options @ ..] => {
                let agent = Arc::new(agent.parse().unwrap());
                let drop_recurring = options.contains(&"drop");
                let resource = Resource { id: id(resource), agent, drop_recurring };
                self.core.register(now, resource);
            }
            ["unregister", resource] => {
                self.core.unregister(now, &id(resource));
            }
            ["execute", resource, action, ref options @ ..] => {
                let (client, request) = request(resource, action, options);
                match self.core.execute(now, client, request) {
                    Ok(call) => writeln!(self.out, "call {}", call.0).unwrap(),
                    Err(error) => writeln!(self.out, "{}: {error}", error.errno()).unwrap(),
                }
            }
            ["cancel", resource, action_name, interval] => {
                let interval = Interval::from_millis(interval.parse().unwrap());
                let cancelled =
                    self.core.cancel(now, &id(resource), &action(action_name), interval);
                if let Err(error) = cancelled {
                    writeln!(self.out, "{}: {error}", error.errno()).unwrap();
                }
            }
            ["recurring", resource] => {
                for recurring in self.core.recurring(&id(resource)).unwrap_or_default() {
                    let interval = duration_text(recurring.interval.duration());
                    writeln!(self.out, "{} every {interval}", recurring.action).unwrap();
                }
            }
            ["client-gone", client] => {
                self.core.client_gone(now, ClientId(client.parse().unwrap()));
            }
            ["remote-clients-gone"] => self.core.remote_clients_gone(now),
            ["alert", name, timeout] => {
                let alert = Alert {
                    id: name.into(),
                    path: "/alert".into(),
                    environment: Vec::new(),
                    timeout: millis(timeout),
                };
                self.core.alert(now, alert).unwrap();
            }
            ["metadata", agent] => {
                let agent = Arc::new(agent.parse().unwrap());
                self.core.metadata(now, ClientId(1), agent).unwrap();
            }
            ["fencer-lost"] => self.core.handle(now, Input::FencerLost),
            ["pid", run, pid] => {
                let what = Started::Process { pid: pid.parse().unwrap() };
                self.tell(run, |run| Input::Started { run, what });
            }
            ["service", run] => {
                let what = Started::Service;
                self.tell(run, |run| Input::Started { run, what });
            }
            ["wait", ms] => self.wait(millis(ms)),
            _ => self.play_end(line, &words),
        }
        self.drain();
    }

    fn play_end(&mut self, line: &str, words: &[&str]) {
        let text = |at: usize| words[at..].join(" ").into_bytes();
        let (run, end) = match words {
            ["exit", run, standard, code, ..] => {
                let end = RunEnd::Process {
                    standard: lrm::agent::Standard::from_name(standard),
                    end: ProcessEnd::Exited(code.parse().unwrap()),
                    stdout: b"out".to_vec(),
                    stderr: text(4),
                };
                (run, end)
            }
            ["signal", run, signal] => {
                let end = RunEnd::Process {
                    standard: lrm::agent::Standard::Ocf,
                    end: ProcessEnd::Signaled(signal.parse().unwrap()),
                    stdout: Vec::new(),
                    stderr: Vec::new(),
                };
                (run, end)
            }
            ["missing", run] => {
                let text = "T: No such file or directory".into();
                let error = StartError { kind: StartErrorKind::NotInstalled, text };
                (run, RunEnd::NotStarted(error))
            }
            ["answer", run, exit, status] => {
                let outcome = Outcome {
                    exit: OcfExit::from_code(exit.parse().unwrap()).unwrap(),
                    status: ExecStatus::from_code(status.parse().unwrap()).unwrap(),
                    reason: None,
                };
                (run, RunEnd::Answered(outcome))
            }
            _ => panic!("not a command: {line}"),
        };
        self.tell(run, |run| Input::Ended { run, end });
    }

    /// Lets time pass, stopping wherever the core wants to be called.
    fn wait(&mut self, length: Duration) {
        let end = self.now + length;
        while let Some(at) = self.core.poll_timeout().filter(|at| *at <= end) {
            assert!(at >= self.now, "a timer in the past was left behind");
            self.now = at;
            self.core.handle_timeout(self.now());
            let before = self.out.len();
            self.drain();
            if self.out.len() > before {
                self.out.insert_str(before, &format!("@{}ms\n", at.as_millis()));
            }
        }
        self.now = end;
    }

    fn drain(&mut self) {
        while let Some(output) = self.core.poll_output() {
            match output {
                Output::Start(invocation) => {
                    self.runs.push(invocation.run);
                    let what = match &invocation.task {
                        Task::Resource { key, .. } => key.to_string(),
                        Task::Metadata { agent } => format!("metadata of {agent}"),
                        Task::Alert(alert) => format!("alert {}", alert.id),
                    };
                    let timeout = duration_text(invocation.timeout);
                    let number = invocation.run.number();
                    writeln!(self.out, "start {number}: {what} within {timeout}").unwrap();
                }
                Output::Signal { run, signal, scope } => {
                    let signal = match signal {
                        Signal::Terminate => "term",
                        Signal::Kill => "kill",
                    };
                    let scope = match scope {
                        Scope::Group => "group",
                        Scope::Process => "process",
                    };
                    writeln!(self.out, "{signal} {scope} {}", run.number()).unwrap();
                }
                Output::Abandon(run) => writeln!(self.out, "abandon {}", run.number()).unwrap(),
                Output::Fence(request) => {
                    self.runs.push(request.run);
                    let what = match request.action {
                        FenceAction::Start { timeout, .. } => {
                            format!("start within {}", duration_text(timeout))
                        }
                        FenceAction::Stop => "stop".into(),
                        FenceAction::Monitor { timeout } => {
                            format!("monitor within {}", duration_text(timeout))
                        }
                    };
                    let number = request.run.number();
                    writeln!(self.out, "fencer {number}: {} {what}", request.device).unwrap();
                }
                Output::Event(event) => self.print_event(&event),
            }
        }
    }

    fn print_event(&mut self, event: &Event) {
        let out = &mut self.out;
        if let Recipients::Client(client) = event.to {
            write!(out, "to {}: ", client.0).unwrap();
        }
        match &event.kind {
            EventKind::Registered { resource, .. } => writeln!(out, "registered {resource}"),
            EventKind::Unregistered { resource, busy, .. } => {
                writeln!(out, "unregistered {resource}{}", if *busy { ", busy" } else { "" })
            }
            EventKind::Completed(result) => writeln!(out, "{}", result_text(result)),
            EventKind::Metadata { result, .. } => writeln!(out, "metadata {result:?}"),
            EventKind::Alerted { alert, outcome } => {
                writeln!(out, "alerted {}: {}", alert.id, outcome_text(outcome))
            }
        }
        .unwrap();
    }
}

fn outcome_text(outcome: &Outcome) -> String {
    let reason = outcome.reason.as_ref().map(|why| format!(" ({why})")).unwrap_or_default();
    format!("{}/{}{reason}", outcome.exit.text(), outcome.status.text())
}

fn result_text(result: &OperationResult) -> String {
    let mut text =
        format!("{} call {}: {}", result.key(), result.call.0, outcome_text(&result.outcome));
    for (name, value) in [("ran", result.last_run), ("changed", result.last_change)] {
        if value != 0 {
            text += &format!(" {name}={value}");
        }
    }
    for (name, value) in [("exec", result.exec_time), ("queue", result.queue_time)] {
        if !value.is_zero() {
            text += &format!(" {name}={}", duration_text(value));
        }
    }
    if result.deleted {
        text += " deleted";
    }
    if !result.user_data.is_empty() {
        text += &format!(" user={}", result.user_data);
    }
    text
}

fn id(text: &str) -> ResourceId {
    ResourceId::new(text).unwrap()
}

fn action(text: &str) -> Action {
    Action::new(text).unwrap()
}

fn millis(text: &str) -> Duration {
    Duration::from_millis(text.parse().expect("milliseconds"))
}

fn request(resource: &str, name: &str, options: &[&str]) -> (ClientId, Request) {
    let mut request = Request::once(id(resource), action(name), Duration::from_secs(20));
    let mut client = ClientId(1);
    let mut parameters = Parameters::new();
    for option in options {
        match option.split_once('=') {
            Some(("every", ms)) => request.interval = Interval::from_millis(ms.parse().unwrap()),
            Some(("timeout", ms)) => request.timeout = millis(ms),
            Some(("delay", ms)) => request.start_delay = millis(ms),
            Some(("client", number)) => client = ClientId(number.parse().unwrap()),
            Some(("user", text)) => request.user_data = text.into(),
            Some((name, value)) => parameters.insert(name, value).unwrap(),
            None if *option == "changes" => request.changes_only = true,
            None if *option == "originator" => request.originator_only = true,
            None => panic!("not an option: {option}"),
        }
    }
    (client, request.with(parameters))
}

/// Plays a script and returns it with the outputs that came out.
fn replay(text: &str) -> String {
    let mut player = Player::new(Config::default());
    let mut result = String::new();
    for block in text.split("\n\n") {
        let commands: Vec<&str> =
            block.lines().take_while(|line| *line != "----").filter(|l| !l.is_empty()).collect();
        if commands.is_empty() {
            continue;
        }
        player.out.clear();
        for line in &commands {
            if !line.starts_with('#') {
                player.play(line);
            }
            writeln!(result, "{line}").unwrap();
        }
        if commands.iter().any(|line| !line.starts_with('#')) {
            write!(result, "----\n{}", player.out).unwrap();
        }
        result.push('\n');
    }
    result.truncate(result.trim_end().len());
    result.push('\n');
    result
}

#[test]
fn scripts_play_as_written() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scripts");
    let mut played = 0;
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let expected = std::fs::read_to_string(&path).unwrap();
        let got = replay(&expected);
        if std::env::var_os("UPDATE_SCRIPTS").is_some() {
            std::fs::write(&path, &got).unwrap();
            played += 1;
            continue;
        }
        for (number, (got, expected)) in got.lines().zip(expected.lines()).enumerate() {
            assert_eq!(got, expected, "{}:{}", path.display(), number + 1);
        }
        assert_eq!(got, expected, "{}", path.display());
        played += 1;
    }
    assert!(played > 0, "no scripts found");
}
