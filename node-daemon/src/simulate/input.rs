//! Reading and preparing the simulator's input (spec 40 §2.5).

use super::Voice;
use crate::tools::source::{Failure, Source};
use cib_model::Document;
use cib_model::document::ParseLimits;
use cib_model::schema::{UpgradeError, claimed, upgrade};
use cib_model::validate::{Finding, conforms, validate};
use std::io::Read;
use std::path::Path;

/// Bounds on the input: enough for 64 nodes with 6400 resources and all their history.
const LIMITS: ParseLimits =
    ParseLimits { bytes: 256 << 20, depth: 1000, nodes: 8_000_000, attributes_per_element: 4096 };

/// Findings that are printed at most.
const SHOWN_FINDINGS: usize = 10;

/// Why there is nothing to simulate.
#[derive(Debug, thiserror::Error)]
pub enum InputError {
    /// Cannot be read, or is no XML.
    #[error("{tool}: Could not read input XML: {reason}")]
    Unreadable {
        /// Name of the tool.
        tool: String,
        /// What is wrong, where, and what would be right.
        reason: String,
    },
    /// The running cluster's cannot be had.
    #[error("{tool}: CIB query failed: {}", live_reason(.failure, *.classic))]
    Live {
        /// Name of the tool.
        tool: String,
        /// What the CIB manager, or the way to it, said.
        failure: Failure,
        /// In the classic tool's words.
        classic: bool,
    },
    /// Cannot be brought to an acceptable schema.
    #[error("{error}{}", listed(findings))]
    Schema {
        /// Why.
        error: UpgradeError,
        /// What is wrong with it by the schema it claims.
        findings: Vec<Finding>,
    },
    /// Does not conform to its schema.
    #[error("the configuration does not conform to its schema:{}", listed(findings))]
    Invalid {
        /// What is wrong.
        findings: Vec<Finding>,
    },
}

/// The first findings, a line each.
fn listed(findings: &[Finding]) -> String {
    let mut out: String =
        findings.iter().take(SHOWN_FINDINGS).map(|finding| format!("\n  {finding}")).collect();
    if findings.len() > SHOWN_FINDINGS {
        out.push_str(&format!("\n  and {} more", findings.len() - SHOWN_FINDINGS));
    }
    out
}

impl InputError {
    /// Exit code that tells them apart.
    pub fn exit_code(&self) -> u8 {
        match self {
            InputError::Unreadable { .. } => 65,
            InputError::Live { .. } => 66,
            InputError::Schema { .. } | InputError::Invalid { .. } => 78,
        }
    }

    /// What is printed, if anything.
    pub fn text(&self, voice: Voice) -> Option<String> {
        match self {
            InputError::Unreadable { .. } | InputError::Live { .. } => Some(self.to_string()),
            _ if !voice.classic => Some(format!("{}: {self}", voice.tool)),
            InputError::Schema { error, .. } => error.is_printed().then(|| error.to_string()),
            InputError::Invalid { .. } => None,
        }
    }
}

/// What an I/O error says, without its number.
pub fn cause(error: &std::io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or(&text).to_owned()
}

/// Reads a file, or standard input.
pub fn read(voice: Voice, path: Option<&Path>) -> Result<Vec<u8>, InputError> {
    let unreadable =
        |reason: String| InputError::Unreadable { tool: voice.tool.to_owned(), reason };
    let limit = LIMITS.bytes as u64;
    let mut bytes = Vec::new();
    let result = match path {
        Some(path) if path != Path::new("-") => std::fs::File::open(path)
            .and_then(|file| {
                let length = file.metadata().map_or(0, |about| about.len());
                bytes.reserve_exact(usize::try_from(length.min(limit)).unwrap_or(0) + 1);
                file.take(limit + 1).read_to_end(&mut bytes)
            })
            .map_err(|error| format!("{}: {}", path.display(), cause(&error))),
        _ => std::io::stdin()
            .lock()
            .take(limit + 1)
            .read_to_end(&mut bytes)
            .map_err(|error| cause(&error)),
    };
    result.map_err(unreadable)?;
    if bytes.len() as u64 > limit {
        return Err(unreadable(format!("the input is larger than {} MiB", limit >> 20)));
    }
    Ok(bytes)
}

/// Why the running cluster's CIB cannot be had.
fn live_reason(failure: &Failure, classic: bool) -> String {
    if classic {
        "Input file not available".to_owned()
    } else {
        format!("{}; is the cluster running on this node?", failure.text())
    }
}

/// Asks the running cluster for its CIB.
pub fn read_live(voice: Voice) -> Result<Document, InputError> {
    Source::open(voice.tool).and_then(|mut source| source.whole()).map_err(|failure| {
        InputError::Live { tool: voice.tool.to_owned(), failure, classic: voice.classic }
    })
}

/// Parses, adds a status section, upgrades, validates. `warn` gets lines for standard error.
pub fn prepare(
    voice: Voice,
    bytes: &[u8],
    warn: &mut dyn FnMut(&str),
) -> Result<Document, InputError> {
    let parsed = Document::parse_bytes_within(bytes, &LIMITS);
    let document = parsed.map_err(|error| InputError::Unreadable {
        tool: voice.tool.to_owned(),
        reason: error.to_string(),
    })?;
    complete(voice, document, warn)
}

/// Adds a status section, upgrades, validates. `warn` gets lines for standard error.
pub fn complete(
    voice: Voice,
    mut document: Document,
    warn: &mut dyn FnMut(&str),
) -> Result<Document, InputError> {
    if document.root().child("status").is_none() {
        let root = document.root_id();
        document.append_element(root, "status");
    }
    let report = upgrade(&mut document).map_err(|error| {
        let findings = match claimed(&document) {
            Ok(claim) if !voice.classic => validate(&document, claim),
            _ => Vec::new(),
        };
        InputError::Schema { error, findings }
    })?;
    if let Some(warning) = report.warning() {
        warn(warning);
    }
    // A document that was brought to another schema was found to conform to it.
    if report.from == report.to && !conforms(&document, report.to) {
        let findings = if voice.classic { Vec::new() } else { validate(&document, report.to) };
        return Err(InputError::Invalid { findings });
    }
    Ok(document)
}
