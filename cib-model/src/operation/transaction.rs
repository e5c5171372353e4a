//! Several requests that succeed or fail together (spec 51 §8).

use super::error::OperationError;
use super::process::perform;
use super::request::{Operation, Request};
use crate::document::{Document, Element};
use crate::operation::CallOptions;

/// Carries out the requests of a transaction in order, on `document`, which the caller discards when
/// one of them fails.
pub(super) fn commit(document: &mut Document, request: &Request) -> Result<(), OperationError> {
    let data = request.data.as_ref().map(Document::root);
    let transaction = data.filter(|data| data.name() == "cib_transaction");
    let transaction = transaction.ok_or(OperationError::NoTransaction)?;
    for command in transaction.children_named("cib_command") {
        let part = read_part(command).ok_or(OperationError::NotSupported)?;
        if !part.operation.is_allowed_in_transaction() {
            return Err(OperationError::NotSupported);
        }
        perform(document, &part).map_err(|failure| failure.error)?;
    }
    Ok(())
}

/// A request as it stands in a transaction.
fn read_part(command: Element<'_>) -> Option<Request> {
    let options = command.attribute("cib_callopt").and_then(|text| text.parse().ok());
    let data = command.child("cib_calldata").and_then(|data| data.children().next());
    Some(Request {
        section: command.attribute("cib_section").map(str::to_owned),
        options: CallOptions(options.unwrap_or(0)),
        data: data.map(Document::from_subtree),
        ..Request::new(Operation::from_wire(command.attribute("cib_op")?)?)
    })
}
