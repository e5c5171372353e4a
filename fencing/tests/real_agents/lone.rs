//! A fencer that stands alone, with real agents of a directory.

use std::path::Path;
use std::sync::{Mutex, Once};
use std::time::{Duration, Instant};

use fencing::agent::Action;
use fencing::clock::Seconds;
use fencing::device::DeviceDefinition;
use fencing::driver::Standalone;
use fencing::executor::{AgentReport, CallId};
use fencing::fencer::{FenceOrder, Fencer, Input, Request, Response};
use fencing::name::{AgentName, DeviceId, NodeName};
use fencing::outcome::Outcome;
use fencing::process::{ProcessDriver, SecretStore};
use fencing::secret::Parameters;

/// No line of any log may hold this.
pub const SECRET: &str = "xyzzy-plugh-42";

/// A log that ends the test when it is given the secret, and keeps what it is given.
struct Watchman;

static LINES: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// All lines logged so far, by any test.
pub fn logged() -> Vec<String> {
    LINES.lock().expect("a log").clone()
}

impl log::Log for Watchman {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        let line = record.args().to_string();
        if line.contains(SECRET) {
            eprintln!("a secret is logged: {line}");
            // A panic in a thread of its own would not fail the test.
            std::process::abort();
        }
        LINES.lock().expect("a log").push(line);
    }

    fn flush(&self) {}
}

pub fn watch_the_log() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        log::set_logger(&Watchman).expect("no other logger");
        log::set_max_level(log::LevelFilter::Trace);
    });
}

pub struct Lone {
    pub standalone: Standalone,
    calls: u32,
}

impl Lone {
    pub fn new(agents: &Path) -> Self {
        Self::with_secrets(agents, Path::new("/nonexistent"))
    }

    pub fn with_secrets(agents: &Path, secrets: &Path) -> Self {
        watch_the_log();
        let local = NodeName::new("LOCAL").expect("a name");
        let fencer = Fencer::new(local, "fencer.1", 1);
        let secrets = SecretStore::new(secrets);
        let processes = ProcessDriver::new(agents, secrets, Standalone::FIRST_TOKEN);
        Self { standalone: Standalone::new(fencer, processes).expect("a poll"), calls: 0 }
    }

    pub fn device(&mut self, id: &str, agent: &str, parameters: Parameters) {
        let outcome = self.ask(Request::RegisterDevice(DeviceDefinition {
            id: DeviceId::new(id).expect("an id"),
            agent: AgentName::new(agent).expect("a name"),
            parameters,
            provides_unfencing: false,
        }));
        assert!(matches!(&outcome, Response::Ended(outcome) if outcome.is_ok()), "{outcome:?}");
    }

    pub fn begin(&mut self, request: Request) -> CallId {
        self.calls += 1;
        let call = CallId { client: 1, call: self.calls };
        let client = format!("test.{}", self.calls);
        self.standalone.handle(Input::Request { call, client, privileged: true, request });
        call
    }

    pub fn ask(&mut self, request: Request) -> Response {
        let call = self.begin(request);
        self.wait(call)
    }

    pub fn wait(&mut self, call: CallId) -> Response {
        let patience = Instant::now() + Duration::from_secs(120);
        loop {
            for (answered, response) in self.standalone.take_replies() {
                if answered == call && !matches!(response, Response::Timeout(_)) {
                    return response;
                }
            }
            assert!(Instant::now() < patience, "no answer");
            self.standalone.turn(Duration::from_millis(200)).expect("a turn");
        }
    }

    /// Goes on until this holds, which it must in time.
    pub fn turn_until(&mut self, holds: impl Fn() -> bool) {
        let patience = Instant::now() + Duration::from_secs(60);
        while !holds() {
            assert!(Instant::now() < patience, "it never came to hold");
            self.standalone.turn(Duration::from_millis(20)).expect("a turn");
        }
    }

    pub fn fence(&mut self, action: Action, target: &str, seconds: u32) -> Outcome {
        let target = NodeName::new(target).expect("a name");
        match self.ask(Request::Fence(FenceOrder::new(target, action, Seconds(seconds)))) {
            Response::Ended(outcome) => outcome,
            other => panic!("{other:?}"),
        }
    }

    pub fn execute(
        &mut self,
        device: &str,
        action: Action,
        target: Option<&str>,
        seconds: u32,
    ) -> AgentReport {
        let request = Request::Execute {
            device: DeviceId::new(device).expect("an id"),
            action,
            target: target.map(|name| NodeName::new(name).expect("a name")),
            timeout: Seconds(seconds),
        };
        match self.ask(request) {
            Response::Agent(report) => report,
            other => panic!("{other:?}"),
        }
    }
}
