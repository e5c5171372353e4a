//! Script tests: commands and the outputs they lead to, in plain text.
//!
//! A step is a command line, a line of four dashes, and the expected output lines up to a blank line.
//! Lines that begin with `#` tell the story.

use std::fmt::Write as _;
use std::path::Path;

/// Runs every script in a directory beside the tests, each on a fresh subject.
pub fn run_all<S>(
    directory: &str,
    fresh: fn() -> S,
    step: fn(&mut S, &Command<'_>) -> Vec<String>,
) {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scripts").join(directory);
    let mut scripts: Vec<_> =
        std::fs::read_dir(&directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    scripts.sort();
    assert!(!scripts.is_empty(), "no scripts in {}", directory.display());
    for script in scripts {
        let text = std::fs::read_to_string(&script).unwrap();
        let actual = replay(&text, &mut fresh(), step);
        if std::env::var_os("UPDATE_SCRIPTS").is_some() {
            std::fs::write(&script, &actual).unwrap();
        }
        assert_eq!(actual, text, "{}", script.display());
    }
}

/// The script with the outputs that really came.
fn replay<S>(text: &str, subject: &mut S, step: fn(&mut S, &Command<'_>) -> Vec<String>) -> String {
    let mut replayed = String::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        writeln!(replayed, "{line}").unwrap();
        if line.trim().is_empty() || line.starts_with('#') {
            continue;
        }
        let expected: Vec<&str> = lines.by_ref().take_while(|line| !line.is_empty()).collect();
        assert!(expected.first() == Some(&"----"), "a line of dashes after {line:?}");
        writeln!(replayed, "----").unwrap();
        for output in step(subject, &Command::read(line)) {
            writeln!(replayed, "{output}").unwrap();
        }
        writeln!(replayed).unwrap();
    }
    replayed
}

/// A command: words, `name=value` arguments, and perhaps an XML element at the end. Quotes keep spaces
/// together.
pub struct Command<'t> {
    words: Vec<&'t str>,
    arguments: Vec<(&'t str, &'t str)>,
    /// The element, or nothing.
    pub data: &'t str,
}

impl<'t> Command<'t> {
    pub fn read(line: &'t str) -> Command<'t> {
        let (line, data) = line.split_at(line.find('<').unwrap_or(line.len()));
        let mut command = Command { words: Vec::new(), arguments: Vec::new(), data };
        let mut rest = line.trim();
        while !rest.is_empty() {
            let mut quoted = false;
            let end = rest
                .find(|c: char| {
                    quoted ^= c == '"';
                    c == ' ' && !quoted
                })
                .unwrap_or(rest.len());
            let (word, after) = rest.split_at(end);
            match word.split_once('=').filter(|(name, _)| !name.contains(['"', '/'])) {
                Some((name, value)) => command.arguments.push((name, value.trim_matches('"'))),
                None => command.words.push(word.trim_matches('"')),
            }
            rest = after.trim_start();
        }
        command
    }

    /// The number in an argument.
    pub fn number<T: std::str::FromStr>(&self, name: &str) -> Option<T> {
        self.argument(name).map(|text| text.parse().ok().expect("a number"))
    }

    /// Word number `index`, or nothing.
    pub fn word(&self, index: usize) -> &'t str {
        self.words.get(index).copied().unwrap_or_default()
    }

    pub fn words(&self) -> &[&'t str] {
        &self.words
    }

    pub fn argument(&self, name: &str) -> Option<&'t str> {
        self.arguments.iter().find(|(known, _)| *known == name).map(|&(_, value)| value)
    }

    pub fn text(&self, name: &str) -> Option<String> {
        self.argument(name).map(str::to_owned)
    }
}
