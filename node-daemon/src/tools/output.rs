//! Where results go, and in which form (spec 41 §1).

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Write};

use cib_model::{Document, Element};
use clap::{ArgMatches, Command};

use super::{commands, exit};

/// Version of the XML output's form.
const API_VERSION: &str = "2.25";

/// A form of output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// For people.
    Text,
    /// For programs.
    Xml,
    /// A page.
    Html,
    /// For other programs.
    Json,
    /// Only the exit code.
    None,
}

/// Collects output until the end.
pub struct Output {
    /// The form.
    pub format: Format,
    /// No more than asked for.
    pub quiet: bool,
    text: String,
    request: String,
    errors: Vec<String>,
    to: Option<String>,
    held: bool,
}

impl Output {
    /// How every tool begins that gives text and XML: its command line understood, its output where and as
    /// wanted; or the code with which it ends.
    pub fn begin(command: Command, arguments: &[OsString]) -> Result<(ArgMatches, Output), u8> {
        let matches = commands::parse(command, arguments)?;
        let out = Output::of(&matches, arguments, &[Format::Xml])?;
        Ok((matches, out))
    }

    /// As the command line wants it.
    pub fn of(
        matches: &ArgMatches,
        arguments: &[OsString],
        formats: &[Format],
    ) -> Result<Output, u8> {
        let format = match commands::text(matches, "output-as") {
            None | Some("text" | "console") => Format::Text,
            Some("xml") => Format::Xml,
            Some("html") => Format::Html,
            Some("json") => Format::Json,
            Some("none") => Format::None,
            Some(other) => {
                eprintln!("{}: Invalid value '{other}' for --output-as", program(arguments));
                return Err(exit::USAGE);
            }
        };
        if !matches!(format, Format::Text | Format::None) && !formats.contains(&format) {
            eprintln!("{}: this form of output is not available here", program(arguments));
            return Err(exit::USAGE);
        }
        let words: Vec<String> =
            arguments.iter().skip(1).map(|word| word.to_string_lossy().into_owned()).collect();
        let request =
            std::iter::once(program(arguments)).chain(words).collect::<Vec<_>>().join(" ");
        let to = commands::text(matches, "output-to").filter(|to| *to != "-").map(str::to_owned);
        Ok(Output {
            format,
            quiet: false,
            text: String::new(),
            request,
            errors: Vec::new(),
            to,
            held: false,
        })
    }

    /// Whether it is for programs.
    pub fn is_xml(&self) -> bool {
        self.format == Format::Xml
    }

    /// A line of text; nothing in other forms.
    pub fn line(&mut self, text: impl AsRef<str>) {
        if self.format == Format::Text && !self.held {
            self.text.push_str(text.as_ref());
            self.text.push('\n');
        }
    }

    /// Leaves out lines, or no longer.
    pub fn hold(&mut self, held: bool) {
        self.held = held;
    }

    /// Text as it is.
    pub fn raw(&mut self, text: &str) {
        if matches!(self.format, Format::Text | Format::Html | Format::Json) {
            self.text.push_str(text);
        }
    }

    /// An error: at once to standard error, or with the status.
    pub fn error(&mut self, text: impl AsRef<str>) {
        match self.format {
            Format::Xml => self.errors.push(text.as_ref().to_owned()),
            _ => eprintln!("{}", text.as_ref()),
        }
    }

    /// An element of XML output.
    pub fn element(&mut self, element: Element<'_>) {
        if self.is_xml() {
            self.text.push_str(&element.to_xml_at(1));
        }
    }

    /// Elements of XML output as text, for those that have text in them.
    pub fn xml(&mut self, text: &str) {
        if self.is_xml() {
            self.text.push_str(text);
        }
    }

    /// A list of names as XML output.
    pub fn items(&mut self, title: &str, item: Option<&str>, names: &[String]) {
        let item = item.map(|item| format!(" name=\"{item}\"")).unwrap_or_default();
        let open = format!("  <list name=\"{title}\" count=\"{}\"", names.len());
        if names.is_empty() {
            return self.xml(&format!("{open}/>\n"));
        }
        self.xml(&format!("{open}>\n"));
        for name in names {
            self.xml(&format!("    <item{item}>{}</item>\n", escape(name)));
        }
        self.xml("  </list>\n");
    }

    /// XML that is the result itself: in XML output, as text within it.
    pub fn document(&mut self, text: &str) {
        if self.is_xml() {
            let inner = text.replace("]]>", "]]]]><![CDATA[>");
            self.text.push_str(&format!("  <output><![CDATA[{inner}]]></output>\n"));
        } else {
            self.raw(text);
        }
    }

    /// Writes everything; gives the code with which to end.
    pub fn finish(self, code: u8) -> u8 {
        let text = match self.format {
            Format::None => return code,
            Format::Xml => self.whole(code),
            _ => self.text,
        };
        let written = match &self.to {
            None => io::stdout().lock().write_all(text.as_bytes()),
            Some(path) => File::create(path).and_then(|mut file| file.write_all(text.as_bytes())),
        };
        match written {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                eprintln!("{}: {error}", self.to.as_deref().unwrap_or("standard output"));
                exit::CANNOT_CREATE
            }
            _ => code,
        }
    }
}

impl Output {
    fn whole(&self, code: u8) -> String {
        let mut head = Document::new("pacemaker-result");
        let root = head.root_id();
        head.set_attribute(root, "api-version", API_VERSION);
        head.set_attribute(root, "request", &self.request);
        let head = head.root().to_xml_compact();
        let mut status = Document::new("status");
        let root = status.root_id();
        status.set_attribute(root, "code", &code.to_string());
        status.set_attribute(root, "message", exit::text(code));
        let mut status = status.root().to_xml_at(1);
        if !self.errors.is_empty() {
            let open = status.trim_end().trim_end_matches("/>").to_owned();
            let errors =
                self.errors.iter().map(|error| format!("      <error>{}</error>\n", escape(error)));
            status = format!(
                "{open}>\n    <errors>\n{}    </errors>\n  </status>\n",
                errors.collect::<String>()
            );
        }
        format!("{}>\n{}{status}</pacemaker-result>\n", head.trim_end_matches("/>"), self.text)
    }
}

/// Text as XML content.
pub fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// The program's name, for messages.
pub fn program(arguments: &[OsString]) -> String {
    let path = arguments.first().map(std::path::Path::new);
    let name = path.and_then(std::path::Path::file_name);
    name.map_or_else(String::new, |name| name.to_string_lossy().into_owned())
}
