//! Bringing the configuration to a newer schema (spec 50 §12.8).

use super::delete::raise;
use super::error::OperationError;
use super::request::Request;
use crate::document::Document;
use crate::schema::{Schema, WalkError, upgrade_to};

pub(super) fn upgrade(document: &mut Document, request: &Request) -> Result<(), OperationError> {
    let max = request.max_schema.unwrap_or(Schema::NEWEST);
    let walk = upgrade_to(document, max, true).map_err(|_| OperationError::Corrupt)?;
    if walk.report.to > walk.report.from {
        raise(document, "admin_epoch");
        let root = document.root_id();
        document.set_attribute(root, "epoch", "1");
        document.set_attribute(root, "num_updates", "1");
        return Ok(());
    }
    Err(match walk.error {
        Some(WalkError::Validation) => OperationError::Schema,
        Some(WalkError::Transform(_)) => OperationError::Transform,
        None => OperationError::SchemaUnchanged,
    })
}
