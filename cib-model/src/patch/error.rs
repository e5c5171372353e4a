//! Why a patch cannot be read or applied.

use thiserror::Error;

use crate::model::CibVersion;

/// Why a patch cannot be read or applied.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PatchError {
    /// Not a patch, or one of another format.
    #[error("line {line}: expected <diff format=\"2\">, found <{element}> with format {format}")]
    Format {
        /// The line.
        line: u32,
        /// The element.
        element: String,
        /// Its format.
        format: String,
    },
    /// Something in the patch is missing or not a number.
    #[error("line {line}: <{element}> of a patch needs {needed}")]
    Malformed {
        /// The line.
        line: u32,
        /// The element.
        element: String,
        /// What is missing.
        needed: &'static str,
    },
    /// The document is newer than what the patch applies to, or the patch makes nothing newer.
    #[error("the patch leads from {source_version} to {target}, but the CIB is at {current}")]
    OldData {
        /// The version of the document.
        current: CibVersion,
        /// The version the patch applies to.
        source_version: CibVersion,
        /// The version it makes.
        target: CibVersion,
    },
    /// The document is older than what the patch applies to: something was missed.
    #[error("the patch applies to {source_version}, but the CIB is at {current} only")]
    Ahead {
        /// The version of the document.
        current: CibVersion,
        /// The version the patch applies to.
        source_version: CibVersion,
    },
    /// The patch speaks of something that is not there.
    #[error("no {path} to {operation}")]
    NotFound {
        /// What it speaks of.
        path: String,
        /// What was to be done.
        operation: &'static str,
    },
    /// A node could not be put where the patch wants it.
    #[error("{path} cannot be moved to position {position}")]
    Misplaced {
        /// The node.
        path: String,
        /// Where it was to go.
        position: usize,
    },
    /// An operation this format does not have.
    #[error(
        "line {line}: unknown operation {operation:?}: expected delete, modify, create or move"
    )]
    UnknownOperation {
        /// The operation.
        operation: String,
        /// The line.
        line: u32,
    },
    /// The result is not what the patch was made for.
    #[error("the result has digest {actual} instead of {expected}")]
    Digest {
        /// The digest of the result.
        actual: String,
        /// The digest in the patch.
        expected: String,
    },
}

/// What a failure means to whoever keeps a CIB up to date by patches.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum PatchFailure {
    /// The patch is no patch.
    Invalid,
    /// The patch is already contained: it can be ignored.
    OldData,
    /// The patch does not fit: the whole CIB is needed.
    DiffFailed,
}

impl PatchError {
    /// What it means.
    pub fn failure(&self) -> PatchFailure {
        match self {
            PatchError::Format { .. } | PatchError::Malformed { .. } => PatchFailure::Invalid,
            PatchError::OldData { .. } => PatchFailure::OldData,
            _ => PatchFailure::DiffFailed,
        }
    }
}
