//! A secret on every way through a fencer: registration, monitoring, fencing that works, fails and
//! takes too long, history, news, what is sent to peers, the log, debug output, and the process list
//! while agents run. It shows nowhere, and where an agent gives it away this test sees it.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use fencing::agent::Action;
use fencing::clock::Seconds;
use fencing::device::DeviceDefinition;
use fencing::driver::{Driver, Host};
use fencing::executor::CallId;
use fencing::fencer::{FenceOrder, Fencer, Input, Notification, Request, Response};
use fencing::name::{AgentName, DeviceId, NodeName};
use fencing::process::{ProcessDriver, SecretStore};
use fencing::secret::Parameters;
use mio::{Events, Poll};

use crate::lone::{SECRET, logged, watch_the_log};
use crate::misbehaving::{agent, write};

/// Everything a fencer shows to anybody, by where it was shown.
#[derive(Default)]
struct Shown {
    places: Vec<(&'static str, String)>,
    to_self: Vec<Vec<u8>>,
    replies: Vec<(CallId, Response)>,
}

impl Shown {
    fn add(&mut self, place: &'static str, text: impl Into<String>) {
        self.places.push((place, text.into()));
    }

    /// Where a text shows, each place once.
    fn places_with(&self, text: &str) -> Vec<&'static str> {
        let mut places: Vec<&str> =
            self.places.iter().filter(|(_, t)| t.contains(text)).map(|(place, _)| *place).collect();
        places.sort_unstable();
        places.dedup();
        places
    }
}

impl Host for Shown {
    fn send(&mut self, to: Option<&NodeName>, message: Vec<u8>) {
        self.add("message", String::from_utf8_lossy(&message));
        if to.is_none() {
            self.to_self.push(message);
        }
    }

    fn reply(&mut self, call: CallId, response: Response) {
        self.add("reply", format!("{response:?}"));
        self.replies.push((call, response));
    }

    fn notify(&mut self, notification: Notification) {
        self.add("news", format!("{notification:?}"));
    }

    fn self_fence(&mut self, _: Action) {}
}

/// A fencer that is looked at.
struct Tour {
    driver: Driver,
    poll: Poll,
    shown: Shown,
    calls: u32,
}

impl Tour {
    fn new(directory: &Path) -> Self {
        watch_the_log();
        let fencer = Fencer::new(NodeName::new("LOCAL").unwrap(), "fencer.1", 1);
        let processes = ProcessDriver::new(directory, SecretStore::new(directory), 0);
        let driver = Driver::new(fencer, processes);
        Self { driver, poll: Poll::new().unwrap(), shown: Shown::default(), calls: 0 }
    }

    /// Asks, and looks at everything until the answer.
    fn ask(&mut self, request: Request) -> Response {
        self.calls += 1;
        let call = CallId { client: 1, call: self.calls };
        self.shown.add("request", format!("{request:?}"));
        let client = "test.1".to_owned();
        let input = Input::Request { call, client, privileged: true, request };
        self.shown.add("input", format!("{input:?}"));
        self.driver.handle(self.poll.registry(), &mut self.shown, input);
        let patience = Instant::now() + Duration::from_secs(120);
        loop {
            self.hear_itself();
            let answer = self.shown.replies.drain(..).find(|(answered, response)| {
                *answered == call && !matches!(response, Response::Timeout(_))
            });
            self.shown.add("fencer", format!("{:?}", self.driver.fencer()));
            if let Some((_, response)) = answer {
                return response;
            }
            assert!(Instant::now() < patience, "no answer");
            self.look_at_processes();
            self.turn();
        }
    }

    fn turn(&mut self) {
        let mut events = Events::with_capacity(64);
        self.poll.poll(&mut events, Some(Duration::from_millis(20))).unwrap();
        for event in &events {
            self.driver.handle_event(self.poll.registry(), &mut self.shown, event);
        }
        self.driver.tick(self.poll.registry(), &mut self.shown);
    }

    fn hear_itself(&mut self) {
        let local = NodeName::new("LOCAL").unwrap();
        while !self.shown.to_self.is_empty() {
            for bytes in std::mem::take(&mut self.shown.to_self) {
                let registry = self.poll.registry();
                self.driver.handle_message(registry, &mut self.shown, local.clone(), &bytes);
            }
        }
    }

    /// Command lines and environments of all processes of this machine.
    fn look_at_processes(&mut self) {
        for process in std::fs::read_dir("/proc").unwrap().flatten() {
            for (file, place) in [("cmdline", "process list"), ("environ", "environment")] {
                // Most of `/proc` is no process, and a process may end meanwhile.
                if let Ok(bytes) = std::fs::read(process.path().join(file)) {
                    self.shown.add(place, String::from_utf8_lossy(&bytes));
                }
            }
        }
    }

    fn fence(&mut self, action: Action, target: &str, seconds: u32) -> Response {
        let target = NodeName::new(target).unwrap();
        self.ask(Request::Fence(FenceOrder::new(target, action, Seconds(seconds))))
    }

    fn register(&mut self, id: &str, parameters: &Parameters, host: &str) {
        let parameters = parameters.clone().with("pcmk_host_list", host);
        let definition = DeviceDefinition {
            id: DeviceId::new(id).unwrap(),
            agent: AgentName::new("fence_test").unwrap(),
            parameters,
            provides_unfencing: false,
        };
        self.ask(Request::RegisterDevice(definition));
    }
}

/// The checksum of a text, which is given to the program in no command line: another run of this test may
/// look at those.
fn md5(text: &str) -> String {
    let mut md5sum = Command::new("md5sum");
    let mut child = md5sum.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    String::from_utf8(output.stdout).unwrap().split(' ').next().unwrap().to_owned() + "\n"
}

/// Takes a secret, a device's parameter of this name, everywhere. The agent runs this when asked to
/// do anything, with its standard input in `stdin` and the secret in `secret`.
fn tour(name: &str, secret: &str, misdeed: &str) -> Shown {
    let directory = tempfile::tempdir().unwrap();
    let body = format!(
        "secret=$(printf '%s\\n' \"$stdin\" | sed -n 's/^{name}=//p')\n{misdeed}\n\
         echo \"$stdin\"; echo \"$stdin\" >&2\n\
         case $stdin in *nodename=slow*) sleep 600;; *action=reboot*) exit 1;; esac\nexit 0"
    );
    agent(directory.path(), "fence_test", &body);
    let mut tour = Tour::new(directory.path());
    let given = Parameters::new().with(name, secret).with("pcmk_reboot_retries", "1");
    tour.register("given", &given, "n1 slow");
    // The same from a file, whatever its name.
    std::fs::create_dir(directory.path().join("kept")).unwrap();
    let file = |name: &str| directory.path().join("kept").join(name);
    std::fs::write(file("plug_key"), format!("{secret}\n")).unwrap();
    write(&file("plug_key.sign"), &md5(secret));
    let kept = Parameters::new().with("plug_key", "lrm://").with("pcmk_reboot_retries", "1");
    tour.register("kept", &kept, "n2");
    for (device, target) in [("given", "n1"), ("kept", "n2")] {
        for action in [Action::Monitor, Action::List, Action::Status] {
            let target = (action == Action::Status).then(|| NodeName::new(target).unwrap());
            let device = DeviceId::new(device).unwrap();
            let answer =
                tour.ask(Request::Execute { device, action, target, timeout: Seconds(60) });
            assert!(
                matches!(&answer, Response::Agent(report) if report.outcome.exit == 0),
                "{answer:?}"
            );
        }
        let works = tour.fence(Action::Off, target, 60);
        assert!(matches!(&works, Response::Ended(outcome) if outcome.is_ok()), "{works:?}");
        let fails = tour.fence(Action::Reboot, target, 60);
        assert!(matches!(&fails, Response::Ended(outcome) if !outcome.is_ok()), "{fails:?}");
    }
    let late = tour.fence(Action::Off, "slow", 1);
    assert!(matches!(&late, Response::Ended(outcome) if !outcome.is_ok()), "{late:?}");
    let history = tour.ask(Request::History { target: None });
    assert!(matches!(&history, Response::History(entries) if entries.len() == 5), "{history:?}");
    for request in [
        Request::SynchroniseHistory,
        Request::CleanUpHistory { target: None },
        Request::ListDevices { target: None, action: Action::Off },
        Request::RemoveDevice(DeviceId::new("given").unwrap()),
    ] {
        tour.ask(request);
    }
    let mut shown = tour.shown;
    logged().into_iter().for_each(|line| shown.add("log", line));
    shown
}

#[test]
fn a_secret_shows_nowhere() {
    let shown = tour("passwd", SECRET, "sleep 0.1");
    assert_eq!(shown.places_with(SECRET), [] as [&str; 0]);
    // Where it was looked for there was something to see.
    assert_eq!(
        shown.places_with("fence_test"),
        ["fencer", "input", "log", "process list", "request"]
    );
    for (place, text) in [("reply", "<hidden>"), ("message", "reboot"), ("news", "reboot")] {
        assert!(shown.places_with(text).contains(&place), "no {text} in {place}");
    }
}

#[test]
fn a_secret_that_an_agent_gives_away_is_seen() {
    for (name, secret, misdeed, places) in [
        (
            "passwd",
            "planted-argument",
            "sh -c 'sleep 0.2; :' - $secret",
            ["process list"].as_slice(),
        ),
        ("passwd", "planted-variable", "KEY=$secret sleep 0.2", &["environment"]),
        // A name that promises no secret: its value may show, as in the log of a failure.
        ("colour", "planted-output", "", &["log", "reply"]),
    ] {
        let shown = tour(name, secret, misdeed).places_with(secret);
        for place in places {
            assert!(shown.contains(place), "{secret}: {shown:?}");
        }
    }
}
