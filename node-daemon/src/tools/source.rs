//! The CIB a tool works on: a file, or the cluster's (spec 51 §9, §11).

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use cib_model::operation::{CallOptions, Context, Operation, OperationError, Request, process};
use cib_model::{DateTime, Document, schema, validate};
use node_daemon::ipc::client::{Client, ClientError};
use node_daemon::ipc::{Endpoint, Place};

use super::exit;

/// Names a file to be used instead of the cluster's CIB.
const FILE_VARIABLE: &str = "CIB_file";

/// How long the cluster may take for one call.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Why the CIB cannot be had, or refuses.
#[derive(Debug)]
pub struct Failure {
    /// Negative code of the CIB manager.
    pub code: i32,
    /// What came with the refusal.
    pub output: Option<Box<Document>>,
}

impl Failure {
    fn of(code: i32) -> Failure {
        Failure { code, output: None }
    }

    /// In words.
    pub fn text(&self) -> &'static str {
        exit::text_of_cib(self.code)
    }

    /// The code with which a tool ends.
    pub fn exit(&self) -> u8 {
        exit::of_cib(self.code)
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Failure {
        log::debug!("{error}");
        Failure::of(match error {
            ClientError::Timeout(_) => -62,
            _ => -107,
        })
    }
}

/// See the [module](self).
pub enum Source {
    /// A file.
    File(FileCib),
    /// The cluster's.
    Live(Box<LiveCib>),
}

/// A CIB in a file.
pub struct FileCib {
    path: PathBuf,
    document: Document,
    changed: bool,
}

/// The cluster's CIB.
pub struct LiveCib {
    client: Client,
    call: u32,
    user: Option<String>,
}

/// A change or a question.
#[derive(Debug, Clone, Default)]
pub struct Call<'c> {
    /// Section or XPath expression.
    pub section: Option<&'c str>,
    /// Options.
    pub options: u32,
    /// Data.
    pub data: Option<Document>,
}

/// The file to use, if one is named.
pub fn file() -> Option<PathBuf> {
    std::env::var_os(FILE_VARIABLE).filter(|path| !path.is_empty()).map(PathBuf::from)
}

/// Now, on the local clock.
pub fn now() -> DateTime {
    let now = jiff::Zoned::now();
    DateTime::from_epoch(now.timestamp().as_second(), now.offset().seconds())
}

impl Source {
    /// The CIB the environment names.
    ///
    /// # Errors
    /// When the file is no usable CIB, or no daemon answers.
    pub fn open(program: &str) -> Result<Source, Failure> {
        match file() {
            Some(path) => FileCib::open(path).map(Source::File),
            None => LiveCib::open(program).map(Box::new).map(Source::Live),
        }
    }

    /// Whether it is the cluster's.
    pub fn is_live(&self) -> bool {
        matches!(self, Source::Live(_))
    }

    /// Makes requests on a user's behalf.
    pub fn act_for(&mut self, name: Option<&str>) {
        if let Source::Live(live) = self {
            live.user = name.map(str::to_owned);
        }
    }

    /// Makes a call; gives what it returns.
    ///
    /// # Errors
    /// As the CIB manager says.
    pub fn call(
        &mut self,
        operation: Operation,
        call: &Call<'_>,
    ) -> Result<Option<Document>, Failure> {
        match self {
            Source::File(file) => file.call(operation, call),
            Source::Live(live) => live.call(operation, call),
        }
    }

    /// The whole CIB.
    ///
    /// # Errors
    /// As the CIB manager says.
    pub fn whole(&mut self) -> Result<Document, Failure> {
        match self {
            Source::File(file) => Ok(file.document.clone()),
            Source::Live(_) => {
                self.call(Operation::Query, &Call::default())?.ok_or_else(|| Failure::of(-71))
            }
        }
    }

    /// Saves a file that was changed.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn close(self) -> std::io::Result<()> {
        match self {
            Source::File(file) if file.changed => file.save(),
            _ => Ok(()),
        }
    }
}

impl FileCib {
    fn open(path: PathBuf) -> Result<FileCib, Failure> {
        let text = read(&path).map_err(|error| {
            log::debug!("{}: {error}", path.display());
            Failure::of(-6)
        })?;
        let mut document = Document::parse_bytes(&text).map_err(|_| Failure::of(-203))?;
        let schema = schema::claimed(&document).map_err(|_| Failure::of(-203))?;
        if document.root().name() == "cib" && document.root().child("status").is_none() {
            let root = document.root_id();
            document.append_element(root, "status");
        }
        if !validate::conforms(&document, schema) {
            return Err(Failure::of(-203));
        }
        Ok(FileCib { path, document, changed: false })
    }

    fn call(&mut self, operation: Operation, call: &Call<'_>) -> Result<Option<Document>, Failure> {
        let request = Request {
            section: call.section.map(str::to_owned),
            options: CallOptions(call.options | CallOptions::NO_MTIME.0),
            data: call.data.clone(),
            ..Request::new(operation)
        };
        let context = Context { now: now(), ..Context::default() };
        let outcome = process(&self.document, &request, &context);
        if let Some(document) = outcome.document {
            self.document = document;
        }
        match outcome.result {
            Ok(()) => {
                self.changed |= operation.modifies();
                Ok(outcome.output)
            }
            Err(error) => Err(Failure {
                code: OperationError::code(error),
                output: outcome.output.map(Box::new),
            }),
        }
    }

    /// Replaces the file as a whole, so that nobody finds half of it.
    fn save(self) -> std::io::Result<()> {
        let text = self.document.to_xml();
        let bytes = if is_compressed(&self.path) {
            let mut encoder = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::best());
            encoder.write_all(text.as_bytes())?;
            encoder.finish()?
        } else {
            text.into_bytes()
        };
        std::fs::write(&self.path, bytes)
    }
}

fn is_compressed(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "bz2")
}

/// Reads a file, decompressed if its name says so; `-` is standard input.
///
/// # Errors
/// As the system says.
pub fn read(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if path == Path::new("-") {
        std::io::stdin().lock().read_to_end(&mut bytes)?;
        return Ok(bytes);
    }
    let mut file = std::fs::File::open(path)?;
    if is_compressed(path) {
        bzip2::read::BzDecoder::new(file).read_to_end(&mut bytes)?;
    } else {
        file.read_to_end(&mut bytes)?;
    }
    Ok(bytes)
}

impl LiveCib {
    fn open(program: &str) -> Result<LiveCib, Failure> {
        let mut client = Client::connect(&Place::from_environment(), Endpoint::CibWrite)?;
        let mut register = Document::new("cib_command");
        let root = register.root_id();
        for (name, value) in [
            ("t", "cib"),
            ("cib_op", "register"),
            ("cib_clientname", program),
            ("cib_callopt", "4096"),
        ] {
            register.set_attribute(root, name, value);
        }
        let reply = client.ask(&register.root().to_xml_compact(), TIMEOUT)?;
        let reply = Document::parse(&reply).map_err(|_| Failure::of(-71))?;
        match reply.root().attribute("cib_clientid") {
            Some(_) => Ok(LiveCib { client, call: 1, user: None }),
            None => Err(Failure::of(-71)),
        }
    }

    fn call(&mut self, operation: Operation, call: &Call<'_>) -> Result<Option<Document>, Failure> {
        self.call += 1;
        let options = call.options | CallOptions::SYNCHRONOUS.0;
        let mut command = Document::new("cib_command");
        let root = command.root_id();
        command.set_attribute(root, "t", "cib");
        command.set_attribute(root, "cib_op", operation.wire_name());
        if let Some(section) = call.section {
            command.set_attribute(root, "cib_section", section);
        }
        if let Some(user) = &self.user {
            command.set_attribute(root, "cib_user", user);
        }
        command.set_attribute(root, "cib_callid", &self.call.to_string());
        command.set_attribute(root, "cib_callopt", &options.to_string());
        if let Some(data) = &call.data {
            let parent = command.append_element(root, "cib_calldata");
            command.copy_subtree(parent, data.root());
        }
        let reply = self.client.ask(&command.root().to_xml_compact(), TIMEOUT)?;
        let reply = Document::parse(&reply).map_err(|_| Failure::of(-71))?;
        let root = reply.root();
        let code = root.attribute("cib_rc").and_then(|code| code.parse().ok()).unwrap_or(-71);
        let data = root.child("cib_calldata").and_then(|data| data.children().next());
        let output = data.map(Document::from_subtree);
        if code == 0 { Ok(output) } else { Err(Failure { code, output: output.map(Box::new) }) }
    }
}
