//! Runs the script tests in `tests/virtual_cluster/stories`: one story per section, commands and what must follow.
//!
//! A section begins with `== NAME`. Commands and expectations are one per line; `#` begins a
//! comment. The test agents are those of `cluster::agents`.
//!
//! | line | meaning |
//! |---|---|
//! | `nodes A B ...` | start the cluster; the first node is where requests are made |
//! | `device ID AGENT NAME=VALUE ...` | register a device on every node |
//! | `remove ID` | take it away |
//! | `level TARGET INDEX DEVICE ...` | add devices to a level; `@X` is a pattern, `A=V` an attribute |
//! | `unlevel TARGET INDEX` | empty a level |
//! | `attribute NODE NAME VALUE`, `id NUMBER NODE`, `watchdog TIME NODE ...` | configuration |
//! | `fence ACTION TARGET [timeout=N] [delay=N] [tolerance=N] [at=NODE] [client=NAME] [self=no]` | and wait for the end |
//! | `begin ...` | the same without waiting |
//! | `wait` | until all that was begun has ended |
//! | `monitor ID timeout=N`, `list TARGET`, `targets ID`, `status ID TARGET`, `confirm TARGET` | other requests |
//! | `crash NODE`, `boot NODE`, `sync`, `clean TARGET`, `pass SECONDS` | |
//! | `exit N` | exit code of a tool for the last request |
//! | `result TEXT` | summary of the last result |
//! | `devices ID ...` | answer to `list` |
//! | `log TEXT`, `no log TEXT`, `logs N TEXT` | lines so far in this section, on any node |
//! | `ran ACTION DEVICE`, `not ran ACTION DEVICE` | agent runs so far |
//! | `history NODE ACTION TARGET STATE DELEGATE` | a record in the history of a node |
//! | `elapsed N` | whole seconds that the last request took |
//! | `fenced NODE` | the node took itself down |

use std::path::Path;
use std::time::Duration;

use crate::cluster::{Seen, World, node};
use fencing::agent::Action;
use fencing::clock::Seconds;
use fencing::device::DeviceDefinition;
use fencing::executor::CallId;
use fencing::fencer::{Configuration, FenceOrder, Input, Request, Response};
use fencing::name::{AgentName, DeviceId, NodeName};
use fencing::outcome::{FencingError, Outcome};
use fencing::secret::Parameters;
use fencing::topology::{LevelDefinition, LevelTarget};

struct Story {
    world: World,
    first: NodeName,
    configuration: Configuration,
    calls: u32,
    open: Vec<CallId>,
    last: Option<Response>,
    stderr: String,
    started: Duration,
    took: Duration,
}

type Check = Result<(), String>;

/// Splits a line into words; double quotes hold spaces together.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quoted) = (Vec::new(), String::new(), false);
    for c in line.chars() {
        match c {
            '"' => quoted = !quoted,
            c if c.is_whitespace() && !quoted => {
                if !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
            }
            c => word.push(c),
        }
    }
    words.extend((!word.is_empty()).then_some(word));
    words
}

fn device(id: &str) -> DeviceId {
    DeviceId::new(id).expect("a device id")
}

fn level_target(text: &str) -> LevelTarget {
    match (text.split_once('='), text.strip_prefix('@')) {
        (Some((name, value)), _) => {
            LevelTarget::Attribute { name: name.into(), value: value.into() }
        }
        (None, Some(pattern)) => LevelTarget::Pattern(pattern.into()),
        (None, None) => LevelTarget::Name(node(text)),
    }
}

fn option<'a>(words: &'a [String], name: &str) -> Option<&'a str> {
    words.iter().find_map(|word| word.strip_prefix(name)?.strip_prefix('='))
}

fn number<T: std::str::FromStr>(words: &[String], name: &str, default: T) -> T {
    option(words, name).map_or(default, |text| text.parse().ok().expect("a number"))
}

impl Story {
    fn new(names: &[String]) -> Self {
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        Self {
            world: World::new(1, &names),
            first: node(names[0]),
            configuration: Configuration::default(),
            calls: 0,
            open: Vec::new(),
            last: None,
            stderr: String::new(),
            started: Duration::ZERO,
            took: Duration::ZERO,
        }
    }

    fn ask(&mut self, at: &NodeName, client: &str, request: Request) -> CallId {
        self.calls += 1;
        let call = CallId { client: 1, call: self.calls };
        self.started = self.world.now;
        self.world.request(at, call, client, request);
        self.open.push(call);
        call
    }

    fn wait_for(&mut self, call: CallId) {
        let answer = |seen: &Seen| match seen {
            Seen::Replied { call: answered, response, .. } if *answered == call => {
                (!matches!(response, Response::Timeout(_))).then(|| response.clone())
            }
            _ => None,
        };
        let mut from = 0;
        let mut found = None;
        self.world.run_until(|seen| {
            found = seen[from..].iter().find_map(|(_, seen)| answer(seen));
            from = seen.len();
            found.is_some()
        });
        self.last = found;
        self.took = self.world.now - self.started;
        // What was told to all arrives everywhere.
        self.world.run_for(Duration::from_millis(20));
        self.open.retain(|open| *open != call);
    }

    fn ask_and_wait(&mut self, request: Request) {
        let first = self.first.clone();
        let call = self.ask(&first, "stonith_admin.1", request);
        self.wait_for(call);
    }

    fn everywhere(&mut self, request: &Request) {
        for name in self.world.alive() {
            self.calls += 1;
            let call = CallId { client: 2, call: self.calls };
            self.world.request(&name, call, "setup.1", request.clone());
        }
        self.world.run_for(Duration::from_millis(10));
    }

    fn configure(&mut self) {
        for name in self.world.alive() {
            self.world.input(&name, Input::Configure(self.configuration.clone()));
        }
        self.world.run_for(Duration::from_millis(10));
    }

    fn order(&mut self, rest: &[String]) -> CallId {
        let action = Action::from_name(&rest[0]).expect("an action");
        let mut order =
            FenceOrder::new(node(&rest[1]), action, Seconds(number(rest, "timeout", 120)));
        order.delay = number(rest, "delay", 0);
        order.tolerance = Seconds(number(rest, "tolerance", 0));
        order.allow_self = option(rest, "self") != Some("no");
        order.target_is_id = option(rest, "by") == Some("id");
        let at = option(rest, "at").map_or(self.first.clone(), node);
        let client = option(rest, "client").unwrap_or("stonith_admin.1").to_owned();
        self.ask(&at, &client, Request::Fence(order))
    }

    fn setup(&mut self, command: &str, rest: &[String]) -> bool {
        match command {
            "device" => {
                let mut parameters = Parameters::new().with("passwd", "s3cr3t");
                for word in &rest[2..] {
                    let (name, value) = word.split_once('=').expect("NAME=VALUE");
                    parameters.set(name, value);
                }
                let definition = DeviceDefinition {
                    id: device(&rest[0]),
                    agent: AgentName::new(&rest[1]).expect("an agent name"),
                    provides_unfencing: false,
                    parameters,
                };
                self.everywhere(&Request::RegisterDevice(definition));
            }
            "remove" => self.everywhere(&Request::RemoveDevice(device(&rest[0]))),
            "level" => {
                let level = LevelDefinition {
                    id: rest[1].clone(),
                    target: Some(level_target(&rest[0])),
                    index: rest[1].parse().expect("an index"),
                    devices: rest[2..].iter().map(|id| device(id)).collect(),
                };
                self.ask_and_wait(Request::RegisterLevel(level.clone()));
                let first = self.first.clone();
                for name in self.world.alive().into_iter().filter(|name| *name != first) {
                    let call = CallId { client: 3, call: 0 };
                    self.world.request(
                        &name,
                        call,
                        "setup.1",
                        Request::RegisterLevel(level.clone()),
                    );
                }
            }
            "unlevel" => {
                let index = rest[1].parse().expect("an index");
                self.everywhere(&Request::RemoveLevel { target: level_target(&rest[0]), index });
            }
            "attribute" => {
                let set = self.configuration.attributes.entry(node(&rest[0])).or_default();
                set.insert(rest[1].clone(), rest[2].clone());
            }
            "id" => {
                let number = rest[0].parse().expect("a number");
                self.configuration.node_ids.insert(number, node(&rest[1]));
                self.configure();
            }
            "watchdog" => {
                let option = fencing::watchdog::WatchdogOption::parse(Some(&rest[0]));
                self.configuration.watchdog_timeout = option.effective(None);
                if rest.len() > 1 {
                    self.configuration.devices = vec![DeviceDefinition {
                        id: DeviceId::watchdog(),
                        agent: AgentName::watchdog(),
                        parameters: Parameters::new().with("pcmk_host_list", rest[1..].join(" ")),
                        provides_unfencing: false,
                    }];
                }
                self.configure();
            }
            _ => return false,
        }
        true
    }

    fn act(&mut self, command: &str, rest: &[String]) -> bool {
        match command {
            "fence" => {
                let call = self.order(rest);
                self.wait_for(call);
            }
            "begin" => {
                self.order(rest);
            }
            "wait" => {
                while let Some(call) = self.open.first().copied() {
                    self.wait_for(call);
                }
            }
            "confirm" => self.ask_and_wait(Request::DangerousConfirm { target: node(&rest[0]) }),
            "list" => {
                let target = Some(node(&rest[0]));
                self.ask_and_wait(Request::ListDevices { target, action: Action::Off });
            }
            "monitor" | "targets" | "status" => {
                let action = if command == "targets" { "list" } else { command };
                self.ask_and_wait(Request::Execute {
                    device: device(&rest[0]),
                    action: Action::from_name(action).expect("an action"),
                    target: rest.get(1).filter(|word| !word.contains('=')).map(|name| node(name)),
                    timeout: Seconds(number(rest, "timeout", 20)),
                });
            }
            "crash" => self.world.crash(&node(&rest[0])),
            "boot" => self.world.boot(&node(&rest[0])),
            "sync" => {
                let at = option(rest, "at").map_or(self.first.clone(), node);
                self.ask(&at, "admin.1", Request::SynchroniseHistory);
                self.open.pop();
                self.world.run_for(Duration::from_secs(1));
            }
            "clean" => {
                let target = rest.first().map(|name| node(name));
                self.ask_and_wait(Request::CleanUpHistory { target });
                self.world.run_for(Duration::from_secs(1));
            }
            "pass" => {
                let seconds = rest[0].parse().expect("seconds");
                self.world.run_for(Duration::from_secs(seconds));
            }
            _ => return false,
        }
        true
    }

    fn outcome(&self) -> Result<&Outcome, String> {
        match &self.last {
            Some(Response::Ended(outcome)) => Ok(outcome),
            Some(Response::Agent(report)) => Ok(&report.outcome),
            other => Err(format!("the last answer was {other:?}")),
        }
    }

    fn count_logs(&self, text: &str) -> usize {
        self.world.logs().filter(|(_, line)| line.contains(text)).count()
    }

    fn ran(&self, rest: &[String]) -> bool {
        self.world.seen.iter().any(|(_, seen)| match seen {
            Seen::Started { run, .. } => {
                run.parameters.get("action") == Some(&rest[0]) && run.device.as_str() == rest[1]
            }
            _ => false,
        })
    }

    fn expect(&self, command: &str, rest: &[String], line: &str) -> Check {
        let that = |holds: bool, found: String| if holds { Ok(()) } else { Err(found) };
        let text = rest.join(" ");
        match command {
            "exit" => {
                let stderr = Some(self.stderr.as_str()).filter(|text| !text.is_empty());
                let code = self.outcome()?.error(stderr).map_or(0, FencingError::exit_code);
                that(code.to_string() == rest[0], format!("exit {code}: {:?}", self.outcome()?))
            }
            "result" => {
                let found = self.outcome()?.summary();
                that(found.contains(&text), found)
            }
            "devices" => match &self.last {
                Some(Response::Devices(devices)) => {
                    let found: Vec<_> = devices.iter().map(DeviceId::to_string).collect();
                    that(found == rest, found.join(" "))
                }
                other => Err(format!("the last answer was {other:?}")),
            },
            "log" => that(self.count_logs(&text) > 0, "no such line".into()),
            "no" => {
                let text = line.trim_start_matches("no log").trim().replace('"', "");
                that(self.count_logs(&text) == 0, "there is such a line".into())
            }
            "logs" => {
                let found = self.count_logs(&rest[1..].join(" "));
                that(found.to_string() == rest[0], format!("{found} such lines"))
            }
            "ran" => that(self.ran(rest), "it did not run".into()),
            "not" => that(!self.ran(&rest[1..]), "it ran".into()),
            "elapsed" => {
                that(self.took.as_secs().to_string() == rest[0], format!("{:?}", self.took))
            }
            "fenced" => {
                let gone = self.world.seen.iter().any(
                    |(_, seen)| matches!(seen, Seen::SelfFenced { node: n } if *n == node(&rest[0])),
                );
                that(gone, "it did not".into())
            }
            "history" => self.expect_history(rest),
            other => Err(format!("unknown line `{other}`")),
        }
    }

    fn expect_history(&self, rest: &[String]) -> Check {
        let fencer = self.world.nodes[&node(&rest[0])].fencer.as_ref().ok_or("it is down")?;
        let found: Vec<String> = fencer
            .history()
            .entries(None)
            .iter()
            .map(|entry| {
                let delegate = entry.delegate.as_ref().map_or("-", NodeName::as_str);
                format!("{} {} {} {delegate}", entry.action, entry.target, entry.state.text())
            })
            .collect();
        let wanted = rest[1..].join(" ");
        let holds = if wanted == "empty" { found.is_empty() } else { found.contains(&wanted) };
        if holds { Ok(()) } else { Err(format!("{found:#?}")) }
    }
}

fn transcript(story: &Story) -> String {
    let lines = story.world.seen.iter().filter_map(|(at, seen)| match seen {
        Seen::Log { node, text } => Some(format!("{:>8.3} {node}: {text}", at.as_secs_f64())),
        _ => None,
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn run_file(path: &Path) -> usize {
    let text = std::fs::read_to_string(path).expect("a script");
    let (mut name, mut story, mut sections) = (String::new(), None::<Story>, 0);
    for (at, line) in (1..).zip(text.lines()) {
        let line = line.split("# ").next().unwrap_or_default().trim();
        if let Some(title) = line.strip_prefix("== ") {
            (name, story) = (title.to_owned(), None);
            sections += 1;
            continue;
        }
        let words = words(line);
        let Some((command, rest)) = words.split_first() else {
            continue;
        };
        if command == "nodes" {
            story = Some(Story::new(rest));
            continue;
        }
        let story = story.as_mut().expect("a section begins with nodes");
        if story.setup(command, rest) || story.act(command, rest) {
            continue;
        }
        if let Err(found) = story.expect(command, rest, line) {
            panic!(
                "{}:{at}: {name}: `{line}` does not hold: {found}\n{}",
                path.display(),
                transcript(story)
            );
        }
    }
    sections
}

macro_rules! scripts {
    ($($name:ident: $sections:literal),* $(,)?) => {$(
        #[test]
        fn $name() {
            let path = format!("{}/tests/virtual_cluster/stories/{}.txt", env!("CARGO_MANIFEST_DIR"), stringify!($name));
            assert_eq!(run_file(Path::new(&path)), $sections, "sections of {path}");
        }
    )*};
}

scripts! {
    devices: 12,
    topology: 9,
    timeouts: 2,
    merging: 5,
    unfencing: 8,
    reboots: 7,
    cluster: 11,
    watchdog: 6,
}
