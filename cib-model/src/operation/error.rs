//! Why an operation fails, with the numbers by which clients and tools know it.

use thiserror::Error;

use crate::document::Document;

/// A failure, with what goes back with the reply.
pub(super) struct Failure {
    pub error: OperationError,
    pub output: Option<Box<Document>>,
}

impl From<OperationError> for Failure {
    fn from(error: OperationError) -> Failure {
        Failure { error, output: None }
    }
}

/// Why an operation fails.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Error)]
pub enum OperationError {
    /// There is no such object.
    #[error("No such device or address")]
    NotFound,
    /// There is such an object already.
    #[error("File exists")]
    Exists,
    /// The request makes no sense.
    #[error("Invalid argument")]
    Invalid,
    /// The user may not do this.
    #[error("Permission denied")]
    Denied,
    /// The result would be older than what there is.
    #[error("Update was older than existing configuration")]
    OldData,
    /// The result would not conform to its schema.
    #[error("Update does not conform to the configured schema")]
    Schema,
    /// The configuration cannot be converted to a newer schema.
    #[error("Schema transform failed")]
    Transform,
    /// The schema is the newest already.
    #[error("Schema is already the latest available")]
    SchemaUnchanged,
    /// A patch does not fit.
    #[error("Application of update diff failed")]
    DiffFailed,
    /// The data are not what their digest says.
    #[error("Update digest does not match")]
    DigestMismatch,
    /// The update comes from a cluster that is too new.
    #[error("Protocol not supported")]
    ProtocolNotSupported,
    /// The operation does not exist, or not here.
    #[error("Operation not supported")]
    NotSupported,
    /// There is no transaction.
    #[error("No transaction")]
    NoTransaction,
    /// The stored configuration is damaged.
    #[error("Local copy of the configuration is corrupt")]
    Corrupt,
    /// The manager does not have the role this needs.
    #[error("Operation not permitted")]
    NotPermitted,
}

impl OperationError {
    /// The number in replies: negative.
    pub fn code(self) -> i32 {
        -match self {
            OperationError::NotPermitted => 1,
            OperationError::NotFound | OperationError::NoTransaction => 6,
            OperationError::Denied => 13,
            OperationError::Exists => 17,
            OperationError::Invalid => 22,
            OperationError::ProtocolNotSupported => 93,
            OperationError::NotSupported => 95,
            OperationError::Schema => 203,
            OperationError::Transform => 204,
            OperationError::OldData => 205,
            OperationError::DiffFailed => 206,
            OperationError::DigestMismatch => 207,
            OperationError::SchemaUnchanged => 211,
            OperationError::Corrupt => 212,
        }
    }

    /// The exit code of a tool.
    pub fn exit_code(self) -> u8 {
        match self {
            OperationError::DiffFailed => 1,
            OperationError::NotSupported => 3,
            OperationError::Denied | OperationError::NotPermitted => 4,
            OperationError::Invalid => 70,
            OperationError::ProtocolNotSupported => 76,
            OperationError::Schema | OperationError::Transform | OperationError::Corrupt => 78,
            OperationError::SchemaUnchanged => 0,
            OperationError::OldData => 103,
            OperationError::DigestMismatch => 104,
            OperationError::NotFound | OperationError::NoTransaction => 105,
            OperationError::Exists => 108,
        }
    }
}
