//! A driver with own agents, a scratch directory and a record of events, for tests.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use lrm::driver::{AgentPaths, Driver, DriverConfig, Fencer};
use lrm::executor::{
    CancelError, Event, EventKind, ExecuteError, OperationResult, Recipients, Unregistered,
};
use lrm::operation::{
    Action, CallId, ClientId, Interval, Parameters, Request, Resource, ResourceId,
};

/// The client that most requests come from.
pub const CLIENT: ClientId = ClientId(1);

/// Generous: what is expected within this time usually takes a few milliseconds.
pub const SOON: Duration = Duration::from_secs(60);

pub struct Rig {
    pub driver: Driver,
    pub scratch: tempfile::TempDir,
    /// Events that came and were not yet asked for.
    pub seen: Vec<Event>,
}

/// A test that needs something the machine lacks: a failure in CI, a note elsewhere.
pub fn skip(what: &str) {
    assert!(std::env::var_os("CI").is_none(), "needs {what}; see tests/install-agents.sh");
    eprintln!("skipped: needs {what}");
}

/// Whether a program can be run.
pub fn has_program(name: &str) -> bool {
    let path = std::env::var("PATH").unwrap_or_default() + ":/usr/sbin:/sbin";
    path.split(':').any(|dir| Path::new(dir).join(name).is_file())
}

pub fn manifest(relative: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(relative)
}

/// Copies a file by another process, so that no child of this one inherits it open for writing.
pub fn copy(from: &Path, to: &Path) {
    let copied = std::process::Command::new("cp").arg(from).arg(to).status().unwrap();
    assert!(copied.success(), "cannot copy {} to {}", from.display(), to.display());
}

pub fn id(text: &str) -> ResourceId {
    ResourceId::new(text).unwrap()
}

pub fn action(text: &str) -> Action {
    Action::new(text).unwrap()
}

pub const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// A request, from a key like `r_monitor_1000`.
pub fn request(key: &str, parameters: &[(&str, &str)]) -> Request {
    let mut parts = key.rsplitn(3, '_');
    let interval = parts.next().unwrap().parse().unwrap();
    let name = action(parts.next().unwrap());
    let resource = id(parts.next().unwrap());
    Request::once(resource, name, SOON)
        .every(Interval::from_millis(interval))
        .with(Parameters::from_pairs(parameters.iter().copied()).unwrap())
}

impl Rig {
    pub fn new() -> Self {
        Self::with(|_, _| ())
    }

    pub fn with(change: impl FnOnce(&mut DriverConfig, &Path)) -> Self {
        let scratch = tempfile::tempdir().unwrap();
        let init = scratch.path().join("init.d");
        std::fs::create_dir(&init).unwrap();
        copy(&manifest("tests/agents/init.d/LSBDummy"), &init.join("LSBDummy"));
        let temporary = scratch.path().join("tmp");
        let list = [manifest("agents/resource.d"), manifest("tests/agents/resource.d")]
            .map(|path| path.display().to_string())
            .join(":");
        let mut config = DriverConfig {
            paths: AgentPaths {
                lsb: init,
                fence: scratch.path().into(),
                ..AgentPaths::below(manifest("agents")).with_ocf_path(&list)
            },
            environment: vec![("HA_RSCTMP".into(), Some(temporary.clone().into()))],
            agent_directory: Some(temporary),
            ..DriverConfig::default()
        };
        #[cfg(feature = "dbus")]
        {
            config.systemd.address = Some("unix:path=/nonexistent/bus".into());
            config.systemd.run_directory = scratch.path().join("run");
        }
        change(&mut config, scratch.path());
        Self { driver: Driver::new(config).unwrap(), scratch, seen: Vec::new() }
    }

    pub fn with_fencer(mut self, fencer: impl Fencer + 'static) -> Self {
        self.driver = self.driver.with_fencer(Box::new(fencer));
        self
    }

    pub fn dir(&self) -> String {
        self.scratch.path().display().to_string()
    }

    pub fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.scratch.path().join(name)).unwrap()
    }

    pub fn register(&mut self, name: &str, agent: &str) -> CallId {
        let agent = Arc::new(agent.parse().unwrap());
        let resource = Resource { id: id(name), agent, drop_recurring: true };
        let call = self.driver.register(resource);
        let registered = |event: &Event| matches!(&event.kind, EventKind::Registered { resource, .. } if *resource == id(name));
        self.wait_for(&format!("registration of {name}"), registered);
        call
    }

    pub fn unregister(&mut self, name: &str) -> Unregistered {
        let (_, how) = self.driver.unregister(&id(name));
        let unregistered = |event: &Event| matches!(&event.kind, EventKind::Unregistered { resource, .. } if *resource == id(name));
        self.wait_for(&format!("unregistration of {name}"), unregistered);
        how
    }

    pub fn execute(&mut self, request: Request) -> Result<CallId, ExecuteError> {
        self.driver.execute(CLIENT, request)
    }

    /// Requests the operation of that key.
    pub fn run(&mut self, key: &str, parameters: &[(&str, &str)]) -> CallId {
        self.execute(request(key, parameters)).unwrap()
    }

    pub fn cancel(&mut self, key: &str) -> Result<CallId, CancelError> {
        let Request { resource, action, interval, .. } = request(key, &[]);
        self.driver.cancel(&resource, &action, interval)
    }

    /// Runs the operation and expects its result.
    pub fn run_expect(&mut self, key: &str, parameters: &[(&str, &str)], expected: &str) {
        self.run(key, parameters);
        self.expect(key, expected);
    }

    /// Waits for the next result of that key and compares it, as `EXIT/STATUS`.
    pub fn expect(&mut self, key: &str, expected: &str) -> OperationResult {
        self.expect_within(key, expected, SOON)
    }

    /// The same, with more patience.
    pub fn expect_within(
        &mut self,
        key: &str,
        expected: &str,
        longest: Duration,
    ) -> OperationResult {
        let result = self.result_within(key, longest);
        let outcome = &result.outcome;
        let got = format!("{}/{}", outcome.exit.text(), outcome.status.text());
        assert_eq!(got, expected, "{key}: {outcome:?}, output {:?}", result.output);
        result
    }

    /// Waits for the next result of that key.
    pub fn result(&mut self, key: &str) -> OperationResult {
        self.result_within(key, SOON)
    }

    fn result_within(&mut self, key: &str, longest: Duration) -> OperationResult {
        let is_it = |event: &Event| matches!(&event.kind, EventKind::Completed(result) if result.key().to_string() == key);
        match self.wait_within(key, longest, is_it).kind {
            EventKind::Completed(result) => *result,
            _ => unreachable!("only results pass"),
        }
    }

    /// Asks for metadata and waits for it.
    pub fn metadata(&mut self, agent: &str) -> Result<String, String> {
        self.driver.metadata(CLIENT, Arc::new(agent.parse().unwrap())).unwrap();
        let is_it = |event: &Event| matches!(event.kind, EventKind::Metadata { .. });
        let event = self.wait_for("metadata", is_it);
        assert_eq!(event.to, Recipients::Client(CLIENT));
        match event.kind {
            EventKind::Metadata { result, .. } => result,
            _ => unreachable!("only metadata passes"),
        }
    }

    pub fn wait_for(&mut self, what: &str, is_it: impl Fn(&Event) -> bool) -> Event {
        self.wait_within(what, SOON, is_it)
    }

    fn wait_within(
        &mut self,
        what: &str,
        longest: Duration,
        is_it: impl Fn(&Event) -> bool,
    ) -> Event {
        let end = Instant::now() + longest;
        loop {
            if let Some(at) = self.seen.iter().position(&is_it) {
                return self.seen.remove(at);
            }
            let left = end.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "no {what} within {longest:?}; unasked: {:#?}", self.seen);
            self.turn(left);
        }
    }

    /// Lets time pass and expects no result whose key begins so.
    pub fn expect_silence(&mut self, prefix: &str, length: Duration) {
        self.pass(length);
        let heard: Vec<String> = self.results_of(prefix);
        assert!(heard.is_empty(), "unexpected: {heard:?}");
    }

    /// The results that came and were not asked for, of keys that begin so.
    pub fn results_of(&self, prefix: &str) -> Vec<String> {
        let results = self.seen.iter().filter_map(|event| match &event.kind {
            EventKind::Completed(result) if result.key().to_string().starts_with(prefix) => {
                Some(format!("{} {:?}", result.key(), result.outcome))
            }
            _ => None,
        });
        results.collect()
    }

    pub fn pass(&mut self, length: Duration) {
        let end = Instant::now() + length;
        while let Some(left) = end.checked_duration_since(Instant::now()) {
            self.turn(left);
        }
    }

    /// Lets time pass until something is so.
    pub fn until(&mut self, what: &str, mut is_so: impl FnMut(&Self) -> bool) {
        let end = Instant::now() + SOON;
        while !is_so(self) {
            assert!(Instant::now() < end, "never so: {what}");
            self.turn(ms(5));
        }
    }

    fn turn(&mut self, longest: Duration) {
        self.driver.turn(Some(longest)).unwrap();
        while let Some(event) = self.driver.poll_event() {
            self.seen.push(event);
        }
    }
}

/// Whether a process exists and is no zombie.
pub fn is_alive(pid: &str) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{}/status", pid.trim()));
    status.is_ok_and(|text| !text.contains("State:\tZ"))
}
