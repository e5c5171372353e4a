//! Sessions: how they are written down, and where they run.

use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::process::{Command as Process, Stdio};
use std::sync::LazyLock;

use regex::Regex;

use super::live::LiveNode;

const TOOLS: [&str; 11] = [
    "attrd_updater",
    "cibadmin",
    "crm_attribute",
    "crm_master",
    "crm_mon",
    "crm_node",
    "crm_resource",
    "crm_standby",
    "crm_verify",
    "crmadmin",
    "stonith_admin",
];

/// How the classic tool compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Same,
    SameOutput,
    Own,
}

/// How a command ended.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Ended {
    pub out: Vec<String>,
    pub errors: Vec<String>,
    pub code: i32,
}

impl Ended {
    /// As it is written down.
    pub fn lines(&self) -> Vec<String> {
        let out = self.out.iter().map(|line| format!("| {line}"));
        let errors = self.errors.iter().map(|line| format!("! {line}"));
        let code = (self.code != 0).then(|| format!("? {}", self.code));
        out.chain(errors).chain(code).map(|line| line.trim_end().to_owned()).collect()
    }
}

/// A command with what it prints.
pub struct Command {
    pub kind: Kind,
    pub line: String,
    pub expected: Ended,
}

impl Command {
    /// The command as written down, with another outcome.
    pub fn with(&self, ended: &Ended) -> String {
        let mark = match self.kind {
            Kind::Same => '$',
            Kind::SameOutput => '%',
            Kind::Own => '~',
        };
        let lines = ended.lines().into_iter().map(|line| format!("{line}\n"));
        format!("{mark} {}\n{}", self.line, lines.collect::<String>())
    }
}

/// A stretch of a file: remarks and titles, then a command.
#[derive(Default)]
pub struct Part {
    pub before: String,
    pub begins: bool,
    pub command: Option<Command>,
}

/// Reads a file of sessions.
pub fn read(text: &str) -> Vec<Part> {
    let mut parts = vec![Part::default()];
    for line in text.lines() {
        let kind = match line.get(..2) {
            Some("$ ") => Some(Kind::Same),
            Some("% ") => Some(Kind::SameOutput),
            Some("~ ") => Some(Kind::Own),
            _ => None,
        };
        let rest = line.get(2..).unwrap_or_default().to_owned();
        let part = parts.last_mut().unwrap();
        match (kind, &mut part.command) {
            (Some(kind), None) => {
                part.command = Some(Command { kind, line: rest, expected: Ended::default() });
            }
            (Some(kind), Some(_)) => {
                let command = Some(Command { kind, line: rest, expected: Ended::default() });
                parts.push(Part { command, ..Part::default() });
            }
            (None, Some(command)) if line.starts_with('|') => command.expected.out.push(rest),
            (None, Some(command)) if line.starts_with('!') => command.expected.errors.push(rest),
            (None, Some(command)) if line.starts_with('?') => {
                command.expected.code = rest.parse().unwrap();
            }
            (None, command) => {
                assert!(
                    line.is_empty() || line.starts_with("# ") || line.starts_with("= "),
                    "no line of a session: {line}"
                );
                let part = if command.is_some() {
                    parts.push(Part::default());
                    parts.last_mut().unwrap()
                } else {
                    part
                };
                part.before.push_str(line);
                part.before.push('\n');
                part.begins |= line.starts_with("= ");
            }
        }
    }
    parts
}

/// A directory with a CIB, and tools that work on it.
pub struct Workplace {
    directory: PathBuf,
    tools: PathBuf,
    node: Option<LiveNode>,
}

impl Workplace {
    /// With our tools.
    pub fn own(name: &str) -> Workplace {
        let directory = super::directory(&format!("{name}-own"));
        let tools = directory.join("tools");
        std::fs::create_dir(&tools).unwrap();
        for tool in TOOLS {
            symlink(env!("CARGO_BIN_EXE_node-daemon"), tools.join(tool)).unwrap();
        }
        Workplace { directory, tools, node: None }
    }

    /// With the classic ones.
    pub fn classic(name: &str, tools: PathBuf) -> Workplace {
        Workplace { directory: super::directory(&format!("{name}-classic")), tools, node: None }
    }

    /// The same with a node of its own, which has no file.
    pub fn live(mut self) -> Workplace {
        self.node = Some(LiveNode::start(&self.directory.join("node")));
        self
    }

    /// A fresh CIB.
    pub fn begin(&self) {
        for name in ["cib.xml", "before.xml"] {
            std::fs::write(self.directory.join(name), include_str!("shop.xml")).unwrap();
        }
    }

    /// Runs a command.
    pub fn run(&self, command: &Command) -> Ended {
        let mut process = match &self.node {
            Some(node) => {
                let mut process = node.command("sh");
                process
                    .env("CIB_shadow_dir", node.home())
                    .env("OCF_ROOT", node.home().join("ocf"))
                    .env("UNDERSTUDY_FENCE_AGENTS", node.home().join("fence"));
                process
            }
            None => {
                let mut process = Process::new("sh");
                // Nobody answers here.
                let nobody = self.directory.join("nobody");
                process
                    .env_clear()
                    .env("UNDERSTUDY_IPC_DIRECTORY", nobody)
                    .env("CIB_file", "cib.xml");
                process
            }
        };
        let output = process
            .args(["-c", &command.line])
            .current_dir(&self.directory)
            .env("PATH", format!("{}:/usr/sbin:/usr/bin:/bin", self.tools.display()))
            .envs([("TZ", "UTC"), ("LC_ALL", "C.UTF-8")])
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let live = self.node.is_some();
        let masked = |line: &str| if live { masked_live(line) } else { masked(line) };
        let lines = |bytes: &[u8]| {
            String::from_utf8_lossy(bytes).lines().map(|l| masked(l.trim_end())).collect()
        };
        Ended {
            out: lines(&output.stdout),
            errors: lines(&output.stderr),
            code: output.status.code().unwrap_or(-1),
        }
    }
}

impl Drop for Workplace {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

/// The year in which everything in `shop.xml` happens.
const THEN: &str = "2020";

/// A line without what differs from run to run: dates of now, like `Sun Sep 13 12:26:40 2026`.
fn masked(line: &str) -> String {
    let mut out = String::new();
    let mut rest = line;
    while let Some(c) = rest.chars().next() {
        if let Some(length) = date_at(rest) {
            let (date, after) = rest.split_at(length);
            out.push_str(if date.contains(THEN) { date } else { "NOW" });
            rest = after;
        } else {
            out.push(c);
            rest = &rest[c.len_utf8()..];
        }
    }
    out
}

fn date_at(text: &str) -> Option<usize> {
    const SHAPE: &str = "aaa aaa 00 00:00:00 0000";
    let head = text.get(..SHAPE.len())?;
    let fits = head.bytes().zip(SHAPE.bytes()).all(|(byte, shape)| match shape {
        b'a' => byte.is_ascii_alphabetic(),
        b'0' => byte.is_ascii_digit() || byte == b' ',
        other => byte == other,
    });
    fits.then_some(head.len())
}

/// What differs from run to run on a live node, and how it is written down.
static LIVE: LazyLock<Vec<(Regex, &str)>> = LazyLock::new(|| {
    [
        (r"[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d \d{4}", "NOW"),
        (r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d+)?( ?[+-]\d\d:\d\d|Z)?", "NOW"),
        (r"\b1[789]\d{8}\b", "EPOCH"),
        (r"\bstonith_admin((?:\.[a-z]+)?)\.\d+", "stonith_admin$1.PID"),
        (r#"\b((?:exec|queued|exec-time|queue-time)="?)\d+"#, "${1}T"),
        (r"\b\d+(\.\d+)?m?s\)?$", "T"),
    ]
    .map(|(pattern, text)| (Regex::new(pattern).unwrap(), text))
    .into()
});

fn masked_live(line: &str) -> String {
    let mask = |line: String, (pattern, text): &(Regex, &str)| {
        pattern.replace_all(&line, *text).into_owned()
    };
    LIVE.iter().fold(line.to_owned(), mask)
}

#[test]
fn dates_of_now_are_masked_and_others_stay() {
    assert_eq!(masked("at Sun Sep 13 12:26:40 2026 x"), "at NOW x");
    assert_eq!(masked("at Sun Sep 13 12:26:40 2020 x"), "at Sun Sep 13 12:26:40 2020 x");
    assert_eq!(masked("at sunset"), "at sunset");
}
