//! Reading and preparing the simulator's input (spec 40 §2.5).

use cib_model::Document;
use cib_model::schema::{UpgradeError, upgrade};
use std::io::Read;
use std::path::Path;

/// Largest input that is read: 1 GiB.
const MAX_INPUT: u64 = 1 << 30;

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
    /// Cannot be brought to an acceptable schema.
    #[error(transparent)]
    Schema(#[from] UpgradeError),
    /// Does not conform to its schema.
    #[error("the configuration does not conform to its schema")]
    Invalid,
}

impl InputError {
    /// Exit code that tells them apart.
    pub fn exit_code(&self) -> u8 {
        match self {
            InputError::Unreadable { .. } => 65,
            InputError::Schema(_) | InputError::Invalid => 78,
        }
    }

    /// What is printed, if anything.
    pub fn text(&self) -> Option<String> {
        match self {
            InputError::Unreadable { .. } => Some(self.to_string()),
            InputError::Schema(error) => error.is_printed().then(|| error.to_string()),
            InputError::Invalid => None,
        }
    }
}

/// Reads a file, or standard input.
pub fn read(tool: &str, path: Option<&Path>) -> Result<Vec<u8>, InputError> {
    let unreadable = |reason: String| InputError::Unreadable { tool: tool.to_owned(), reason };
    let mut bytes = Vec::new();
    let result = match path {
        Some(path) if path != Path::new("-") => std::fs::File::open(path)
            .and_then(|file| file.take(MAX_INPUT + 1).read_to_end(&mut bytes))
            .map_err(|error| format!("{}: {error}", path.display())),
        _ => std::io::stdin()
            .lock()
            .take(MAX_INPUT + 1)
            .read_to_end(&mut bytes)
            .map_err(|error| error.to_string()),
    };
    result.map_err(unreadable)?;
    if bytes.len() as u64 > MAX_INPUT {
        return Err(unreadable("the input is larger than 1 GiB".to_owned()));
    }
    Ok(bytes)
}

/// Parses, adds a status section, upgrades, validates. `warn` gets lines for standard error.
pub fn prepare(
    tool: &str,
    bytes: &[u8],
    warn: &mut dyn FnMut(&str),
) -> Result<Document, InputError> {
    let mut document = Document::parse_bytes(bytes).map_err(|error| InputError::Unreadable {
        tool: tool.to_owned(),
        reason: error.to_string(),
    })?;
    if document.root().child("status").is_none() {
        let root = document.root_id();
        document.append_element(root, "status");
    }
    let report = upgrade(&mut document)?;
    if let Some(warning) = report.warning() {
        warn(warning);
    }
    if !cib_model::validate::conforms(&document, report.to) {
        return Err(InputError::Invalid);
    }
    Ok(document)
}
