//! Reading lines into sections and keys (spec 70 §13.1, §13.2).

use super::keys::{self, Value, ValueError};
use super::map::{ConfigurationMap, Entry};

const LONGEST_LINE: usize = 510;
const LONGEST_KEY: usize = 255;

/// A line that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("parser error: {file}:{line}: {problem}")]
pub struct ParseError {
    /// The file.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub problem: Problem,
}

/// What is wrong with a line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs)]
pub enum Problem {
    #[error("Line too long")]
    LineTooLong,
    #[error("Missing section name before opening bracket '{{'")]
    MissingSectionName,
    #[error("Extra characters after opening bracket '{{'")]
    ExtraAfterOpening,
    #[error("Start of section makes total cmap path too long")]
    SectionTooLong,
    #[error("Key name can't be empty")]
    EmptyKey,
    #[error("New key makes total cmap path too long")]
    KeyTooLong,
    #[error("Extra characters before or after closing bracket '}}'")]
    ExtraAroundClosing,
    #[error("Unexpected closing brace")]
    UnexpectedClosing,
    #[error("Line is not opening or closing section or key value")]
    NotALine,
    #[error("Missing closing brace")]
    MissingClosing,
    #[error("No subsys key in logger_subsys directive")]
    NoSubsys,
    #[error("No name key in logging_daemon directive")]
    NoName,
    #[error("uidgid: Only uid and gid are allowed items")]
    UidGidItem,
    #[error("Subsections are not allowed within uidgid section")]
    UidGidSection,
    #[error("Only memberaddr is allowed in member section")]
    Member,
    #[error(transparent)]
    Value(#[from] ValueError),
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | 0xa0)
}

/// Without blanks at both ends; also carriage returns at the end.
fn trim(mut text: &[u8]) -> &[u8] {
    while let [first, rest @ ..] = text
        && is_blank(*first)
    {
        text = rest;
    }
    while let [rest @ .., last] = text
        && (is_blank(*last) || *last == b'\r')
    {
        text = rest;
    }
    text
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A section being read. Sections with an index collect their keys until they end.
struct Section {
    name: String,
    collected: Vec<(String, Value, usize)>,
}

struct Reader {
    map: ConfigurationMap,
    sections: Vec<Section>,
    nodes: usize,
    line: usize,
}

impl ConfigurationMap {
    /// Reads a whole file.
    pub fn parse(file: &str, content: &[u8]) -> Result<ConfigurationMap, ParseError> {
        let map = ConfigurationMap { file: file.to_owned(), ..ConfigurationMap::default() };
        let mut reader = Reader { map, sections: Vec::new(), nodes: 0, line: 0 };
        let read = content.split(|byte| *byte == b'\n').try_for_each(|line| {
            reader.line += 1;
            reader.line(line)
        });
        match read {
            Ok(()) if reader.sections.is_empty() => Ok(reader.map),
            Ok(()) => {
                let problem = Problem::MissingClosing;
                Err(ParseError { file: file.to_owned(), line: reader.line, problem })
            }
            Err(problem) => Err(ParseError { file: file.to_owned(), line: reader.line, problem }),
        }
    }
}

impl Reader {
    fn path(&self) -> Vec<&str> {
        self.sections.iter().map(|section| section.name.as_str()).collect()
    }

    fn line(&mut self, line: &[u8]) -> Result<(), Problem> {
        if line.len() > LONGEST_LINE {
            return Err(Problem::LineTooLong);
        }
        let line = trim(line);
        if line.is_empty() || line[0] == b'#' {
            return Ok(());
        }
        let find = |byte| line.iter().position(|b| *b == byte);
        if let Some(at) = find(b'{') {
            return self.open(trim(&line[..at]), trim(&line[at + 1..]));
        }
        if let Some(at) = find(b':') {
            return self.key(trim(&line[..at]), trim(&line[at + 1..]));
        }
        match find(b'}') {
            Some(_) if line != b"}" => Err(Problem::ExtraAroundClosing),
            Some(_) => self.close(),
            None => Err(Problem::NotALine),
        }
    }

    fn open(&mut self, name: &[u8], rest: &[u8]) -> Result<(), Problem> {
        if name.is_empty() {
            return Err(Problem::MissingSectionName);
        }
        if !rest.is_empty() {
            return Err(Problem::ExtraAfterOpening);
        }
        if self.path().first() == Some(&"uidgid") {
            return Err(Problem::UidGidSection);
        }
        let name = text(name);
        let length: usize = self.sections.iter().map(|section| section.name.len() + 1).sum();
        if length + name.len() > LONGEST_KEY {
            return Err(Problem::SectionTooLong);
        }
        self.sections.push(Section { name, collected: Vec::new() });
        Ok(())
    }

    fn key(&mut self, key: &[u8], value: &[u8]) -> Result<(), Problem> {
        let mut key = key;
        while let [rest @ .., b':' | b'{'] = key {
            key = trim(rest);
        }
        if key.is_empty() {
            return Err(Problem::EmptyKey);
        }
        let (key, value, line) = (text(key), text(value), self.line);
        let path = self.path();
        let length: usize = path.iter().map(|name| name.len() + 1).sum();
        if length + key.len() > LONGEST_KEY {
            return Err(Problem::KeyTooLong);
        }
        match path[..] {
            ["uidgid"] if key != "uid" && key != "gid" => Err(Problem::UidGidItem),
            ["totem", "interface", "member"] if key != "memberaddr" => Err(Problem::Member),
            ["totem", "interface", "member"] => Ok(()),
            ["totem", "interface"]
            | ["nodelist", "node"]
            | ["logging", "logger_subsys"]
            | ["logging", "logging_daemon"]
            | ["uidgid"] => {
                let whole = match path[..] {
                    ["nodelist", "node"] => format!("nodelist.node.{}.{key}", self.nodes),
                    _ => format!("{}.{key}", path.join(".")),
                };
                let value = keys::typed(&path, &key, &whole, &value)?;
                if let Some(section) = self.sections.last_mut() {
                    section.collected.push((key, value, line));
                }
                Ok(())
            }
            _ => {
                let prefix = path.join(".");
                let whole = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
                let value = keys::typed(&path, &key, &whole, &value)?;
                self.map.entries.insert(whole, Entry { value, line });
                Ok(())
            }
        }
    }

    fn close(&mut self) -> Result<(), Problem> {
        let names: Vec<String> = self.sections.iter().map(|s| s.name.clone()).collect();
        let Some(section) = self.sections.pop() else { return Err(Problem::UnexpectedClosing) };
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let named = |key: &str| {
            let found = section.collected.iter().rev().find(|(name, ..)| name == key);
            found.map(|(_, value, _)| value.to_string())
        };
        let prefix = match names[..] {
            ["totem", "interface"] => {
                let number = named("linknumber").or_else(|| named("ringnumber"));
                format!("totem.interface.{}", number.as_deref().unwrap_or("0"))
            }
            ["nodelist", "node"] => {
                self.nodes += 1;
                format!("nodelist.node.{}", self.nodes - 1)
            }
            ["nodelist"] => {
                self.nodes = 0; // another list counts from the start again
                return Ok(());
            }
            ["logging", "logger_subsys"] => {
                format!("logging.logger_subsys.{}", named("subsys").ok_or(Problem::NoSubsys)?)
            }
            ["logging", "logging_daemon"] => {
                format!("logging.logging_daemon.{}", named("name").ok_or(Problem::NoName)?)
            }
            ["uidgid"] => return self.uidgid(section),
            _ => return Ok(()),
        };
        for (key, value, line) in section.collected {
            if key != "linknumber" && key != "ringnumber" {
                self.map.entries.insert(format!("{prefix}.{key}"), Entry { value, line });
            }
        }
        Ok(())
    }

    fn uidgid(&mut self, section: Section) -> Result<(), Problem> {
        for (key, value, line) in section.collected {
            let whole = format!("uidgid.config.{key}.{value}");
            self.map.entries.insert(whole, Entry { value: Value::U8(1), line });
        }
        Ok(())
    }
}
